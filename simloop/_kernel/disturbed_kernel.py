"""The disturbed kernel: a kernel that asks the choice gate what CPU and operating system do.

Owns: the turn of an explored run, held handles, and when a delay has an effect. It is a class of
its own, so that a run that nobody explores pays nothing: no test, and no import.

What it asks, each time with 0 for what a plain kernel does:

- "stall": a turn begins with work waiting; how long was the loop away since the last step?
- "late": the clock has jumped to a moment; how much later does the loop wake?
- "cpu": how much time goes by between two callbacks of one turn?
- "hold": something has arrived through I/O; how much later is it told?
- "order": of what has arrived by this turn, which is told next?

Others ask through :meth:`Kernel.choose`, :meth:`DisturbedKernel.delay_ns` and
:meth:`DisturbedKernel.hold`: threads, resolvers, transports, faults, the program itself.

Must not know: who answers, and what a handle does.

Invariants:

- Where every answer is 0, the steps, their times and their order are those of a plain kernel.
- Ready callbacks run first in, first out, unless ``permute`` is set. Timers run in order of
  deadline, and what arrived from one file stays in order.
- A delay never passes its cap, the budget of the run or the limit of its time, and the clock never
  passes the horizon: a code that would is withdrawn, as if it had been 0.
- Held handles come before timers of the same instant; they count wherever "what is due next" is
  asked: in ``peek_ns``, jumps, limits, deadlocks.
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any

from .clock import NEVER
from .gate.delay_codes import CODES, LOG_FIRST, RANKS, length_ns
from .gate.held_handles import HeldHandles
from .handles import Handle
from .kernel import Kernel
from .kernel_events import ONCE

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Sequence
    from contextvars import Context

    from .gate import ChoiceGate
    from .handles import KernelLoop, TimerHandle
    from .kernel_events import Once

    Permute = Callable[[deque[Handle | TimerHandle]], int]

__all__ = ["DisturbedKernel"]


def _goes_on(thread: object) -> bool:
    """Return True: nobody else is picked."""
    del thread
    return True


def _the_first(threads: Sequence[Any]) -> int:
    """Return 0: the first runs."""
    del threads
    return 0


_MOVES = ("stall", "late", "cpu")
"""The kinds that move the clock, which must not pass the horizon; the others hold a handle."""


class DisturbedKernel(Kernel):
    """A kernel whose run is explored.

    Args:
        seed: Where all randomness comes from.
        start_ns: The time at which the clock starts.
        gate: What answers, and what kinds of questions are asked.
    """

    gate: ChoiceGate
    # Inherited, and said again where this class sets them: type checkers infer each its own.
    now_ns: int
    steps: int

    def __init__(self, seed: int | str, start_ns: int, gate: ChoiceGate) -> None:
        super().__init__(seed, start_ns)
        self.gate = gate
        self.held: HeldHandles = HeldHandles()
        # Picks among ready callbacks, by index, for strategies that are stricter than asyncio.
        self.permute: Permute | None = None
        # With it: returns whether a thread goes on where it makes a call, or another one runs.
        self.goes_on: Callable[[Any], bool] = _goes_on
        # And which of threads that are ready runs where the loop's own thread waits for them.
        self.pick_thread: Callable[[Sequence[Any]], int] = _the_first
        self.last: Handle | TimerHandle | None = None  # The step before.
        self._has_woken = False
        kinds = gate.kinds
        self._asks_stall, self._asks_late = "stall" in kinds, "late" in kinds
        self._asks_hold, self._asks_order = "hold" in kinds, "order" in kinds
        self._asks_cpu = "cpu" in kinds

    # Delays --------------------------------------------------------------------------------

    def moments(self) -> list[int]:
        """Return the distinct moments after now at which something is due, in order."""
        now_ns = self.now_ns
        wheel = self.wheel
        found = dict.fromkeys(each._when_ns for each in wheel if each._callback is not None)
        found.update(dict.fromkeys(self.held.moments()))
        return sorted(when_ns for when_ns in found if now_ns < when_ns < NEVER)

    def _moments_for(self, code: int) -> Sequence[int]:
        """Return what is needed of the moments for a rank: all, or the first one."""
        if code % RANKS == 1 and self.now_ns < (next_ns := self.next_ns()) < NEVER:
            return (next_ns,)
        return self.moments()

    def delay_ns(self, kind: str, thing: object, most_ns: int = NEVER) -> int:
        """Ask how long something takes beyond what it takes undisturbed, in nanoseconds.

        Args:
            kind: The kind of question.
            thing: What it is about.
            most_ns: A cap beside that of the gate.
        """
        code = self.gate.ask(kind, thing, CODES)
        return self._effect_ns(code, kind, most_ns) if code else 0

    def _effect_ns(self, code: int, kind: str, most_ns: int = NEVER) -> int:
        """Return how long the delay is that was just answered; withdraw one without effect."""
        gate, now_ns = self.gate, self.now_ns
        ns = length_ns(code, () if code >= LOG_FIRST else self._moments_for(code), now_ns)
        last_ns = self.horizon_ns if kind in _MOVES else self.limits.time_max_ns
        is_allowed = 0 < ns <= gate.each_ns and ns <= most_ns
        if not is_allowed or gate.spent_ns + ns > gate.total_ns or now_ns + ns > last_ns:
            gate.withdraw()
            return 0
        gate.delayed(now_ns, now_ns + ns)
        return ns

    def hold(self, handle: Handle | TimerHandle, ns: int) -> None:
        """Let a handle become ready so many nanoseconds from now."""
        self.held.add(self.now_ns + ns, handle)

    def call_after(
        self,
        ns: int,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        context: Context,
        loop: Any,
    ) -> Handle:
        """Hold a new handle for so many nanoseconds."""
        handle = Handle(callback, args, context, loop)
        self.hold(handle, ns)
        return handle

    # What is due ---------------------------------------------------------------------------

    def next_ns(self) -> int:
        """Return when something is due that is not ready, or NEVER."""
        held = self.held
        when_ns = self.wheel.next_ns()
        return min(when_ns, held.next_ns()) if held.heap else when_ns

    def jump(self) -> bool:
        """Move the clock to the next moment within the horizon, or later."""
        if self.before_jump is not None and self.before_jump():
            return True
        when_ns = self.next_ns()
        if when_ns > self.now_ns:
            if when_ns > self.horizon_ns:
                return False
            self.now_ns = when_ns
            self._has_woken = True
            if self._asks_late:
                code = self.gate.put("late", self._woken_by(when_ns), CODES)
                if code and (ns := self._effect_ns(code, "late")):
                    self.now_ns += ns
            if self.now_ns > when_ns or self.held.heap:
                # The wheel has not led here: it is told how far the clock is, so that deadlines
                # that are set in the past from now on are found to be due.
                self.wheel.advance_to(self.now_ns)
        return True

    def _is_due(self) -> bool:
        """Return whether something is due that is not ready: the clock was moved by hand."""
        overdue = self.wheel.overdue
        is_overdue = bool(overdue) and overdue[0][0] <= self.now_ns
        return is_overdue or (bool(self.held.heap) and self.held.next_ns() <= self.now_ns)

    def _woken_by(self, when_ns: int) -> Handle | TimerHandle | None:
        """Return what the clock has jumped for."""
        held = self.held
        if held.heap and held.next_ns() <= when_ns:
            return held.heap[0][2]
        return self.wheel.head(when_ns)

    def _line_up(self) -> None:
        """Put what is released and what has arrived behind what is ready, then timers."""
        ready, io_ready = self.ready, self.io_ready
        is_woken, self._has_woken = self._has_woken, False
        if not is_woken and self._asks_stall and (ready or io_ready):
            self._stall()
        if io_ready or self.held.heap:
            self._take_arrivals()
        overdue = self.wheel.overdue
        if is_woken or (overdue and overdue[0][0] <= self.now_ns):
            self.wheel.move_due(self.now_ns, ready)

    def _take_arrivals(self) -> None:
        """Put what is released behind what is ready, then what has arrived and is not held."""
        io_ready = self.io_ready
        coming: list[Handle | TimerHandle] = []
        while io_ready:
            handle = io_ready.popleft()
            if not self._holds(handle):
                coming.append(handle)
        if self.held.heap:
            coming = self.held.take_due(self.now_ns) + coming
        if len(coming) > 1 and self._asks_order:
            coming = self.arrange(coming)
        self.ready.extend(coming)

    def _stall(self) -> None:
        """Let time pass since the last step."""
        code = self.gate.put("stall", self.last, CODES)
        if code and (ns := self._effect_ns(code, "stall")):
            self.move_to(self.now_ns + ns)

    def _holds(self, handle: Handle) -> bool:
        """Hold something that has arrived, if the gate says so."""
        if not self._asks_hold or not handle.may_be_held or handle._callback is None:
            return False
        ns = self.delay_ns("hold", handle)
        if ns:
            self.hold(handle, ns)
        return ns > 0

    def arrange(self, coming: list[Any], kind: str = "order") -> list[Any]:
        """Return things that have arrived in the order in which they are told."""
        told = []
        while len(coming) > 1:
            told.append(coming.pop(self.gate.ask(kind, coming[0], len(coming))))
        return told + coming

    # Running -------------------------------------------------------------------------------

    def run(self, loop: KernelLoop) -> None:
        """Run turns until ``loop`` is told to stop; see :meth:`Kernel.run`."""
        try:
            super().run(loop)
        finally:
            self.last = None  # It holds its loop, which holds this kernel.

    def turn(self) -> None:
        """Run the callbacks that are ready now, and the timers that are due."""
        if self.peek_ns() <= self.now_ns:
            self._turns(ONCE)

    def _turns(self, loop: KernelLoop | Once) -> bool:  # noqa: C901,PLR0912,PLR0915 - hot, flat
        """Run turns until ``loop`` stops, which is true, or nothing may run, which is false.

        "Run a handle" is spelt out, as in :meth:`Kernel._turns`, and for the same reason.
        """
        ready, io_ready, limits = self.ready, self.io_ready, self.limits
        popleft = ready.popleft
        asks_cpu, permuted = self._asks_cpu, self.permute is not None
        handle: Handle | TimerHandle | None
        args: Any
        while True:
            if self._left:
                count, self._left = self._left, 0
            else:
                if not (ready or io_ready or self._is_due()):
                    if loop._stopping:
                        return True
                    # As in a plain turn: what only the last callback held goes before the jump.
                    # No stall and no step's time is asked about right after it.
                    self.last = handle = callback = args = result = None
                    if not self.jump():
                        return False
                self._line_up()
                count = len(ready)
                if not count:
                    continue
            if self.steps + count > limits.check_at:
                count = limits.grant(self, count)
            else:
                self.steps += count
            if permuted or self._watched:
                self._turn_observed(count)
            else:
                rest = repeat(None, count)
                for _ in rest:
                    handle = popleft()
                    callback = handle._callback
                    if callback is None:
                        self.steps -= 1
                        continue
                    if asks_cpu:
                        self._take_cpu()
                    self.last = handle
                    args = handle._args
                    try:
                        if len(args) == 1:
                            result = handle._context.run(callback, args[0])
                        else:
                            result = handle._context.run(callback, *args)
                    except (SystemExit, KeyboardInterrupt):
                        self._break_off(rest)
                        del handle, callback, args  # A traceback holds this frame.
                        raise
                    except BaseException as error:  # noqa: BLE001 - the world survives any callback
                        handle._report(error)
                    else:
                        if result is not None:
                            handle._returned(result)
            if loop._stopping:
                return True

    def _take(self) -> Handle | TimerHandle:
        """Take the next ready callback: the first, or the one that is picked."""
        if self.permute is None or len(self.ready) == 1:
            return self.ready.popleft()
        index = self.permute(self.ready)
        handle = self.ready[index]
        del self.ready[index]
        return handle

    def _take_cpu(self) -> None:
        """Let the time go by that the step before took."""
        if self.last is not None and (ns := self.delay_ns("cpu", self.last)):
            self.move_to(self.now_ns + ns)

    def _run_watched(self, handle: Handle | TimerHandle) -> None:
        if self._asks_cpu:
            self._take_cpu()
        self.last = handle
        super()._run_watched(handle)

    def run_within(self, handle: Handle) -> None:
        """Ask as before any other step, watched or not."""
        if self._asks_cpu and not self._watched:
            self._take_cpu()
            self.last = handle
        super().run_within(handle)

    # Invariants ----------------------------------------------------------------------------

    def _scheduled(self) -> list[Handle | TimerHandle]:
        scheduled = super()._scheduled()
        return [*scheduled, *self.held] if self.held.heap else scheduled

    def drop(self, loop: KernelLoop) -> None:
        """Forget everything that is scheduled on a loop, for good."""
        super().drop(loop)
        if self.held.heap:
            self.held.sweep()
