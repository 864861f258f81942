"""The kernel: what runs next, and when the clock moves.

Owns: the virtual clock, the ready queue, the timer wheel and the streams of one world, and the
turn: take what is due, then run what is ready. It may carry several loops; every handle knows its
own, and the kernel tells a loop when its turn comes.

Must not know: tasks, I/O, the real time. Hooks from above tell what else can be done when idle.

Invariants:

- The clock never goes back, and a callback sees a time not before its deadline.
- The clock moves by itself only when nothing is ready, and then to the next deadline, at most to
  ``horizon_ns``.
- Ready callbacks run first in, first out, but where that is explored: :mod:`.disturbed_kernel`.
- A turn runs the callbacks that were ready when it began; what they schedule waits for the next.
- It begins like a turn of a loop that selects: behind what is ready stand the callbacks of what has
  arrived through I/O, and behind these the timers that are due.
- What only some runs want (observers, debug mode, several loops) is in the watched turn.
"""

from __future__ import annotations

from collections import deque
from contextvars import Context
from itertools import repeat
from operator import length_hint
from typing import TYPE_CHECKING, Any

from simloop.errors import DeadlockError

from .clock import NEVER, ShownClock
from .early_deadline import EarlyDeadline
from .handles import Handle, TimerHandle
from .kernel_events import NEVER_STOPS, ONCE, KernelEvents
from .limits import Limits
from .random_streams import RandomStreams
from .timer_wheel import TimerWheel, tell_timers
from .watched_turns import FEW, MANY, turns_of_many_loops, turns_with_sole_observer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .gate import ChoiceGate
    from .handles import KernelLoop, Observer
    from .kernel_events import Once

    _Tell = Callable[[int, Handle | TimerHandle], object]

__all__ = ["Kernel"]

_new = object.__new__


class Kernel(ShownClock):
    """One clock and one schedule.

    Args:
        seed: Where all randomness comes from.
        start_ns: The time at which the clock starts.
    """

    # What each turn looks at is in slots: read as fast as an attribute, and found by code in C.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_left",
        "_sole_observer",
        "_watched",
        "before_jump",
        "horizon_ns",
        "io_ready",
        "is_observed",
        "limits",
        "ready",
        "steps",
        "wheel",
    )

    now_ns: int  # Inherited, and set here, too: some type checkers want it said again.
    before_block: Callable[[int], object] | None = None  # Signals come in the middle of a block.
    gate: ChoiceGate | None = None
    """Where free decisions are asked for, if the run is explored: a kernel of another class."""

    def __init__(self, seed: int | str = 0, start_ns: int = 0) -> None:
        super().__init__(start_ns)
        self.ready: deque[Handle | TimerHandle] = deque()
        self.io_ready: deque[Handle] = deque()  # Behind what is ready when the next turn begins.
        self.wheel: TimerWheel = TimerWheel(start_ns)
        self.streams: RandomStreams = RandomStreams(seed)
        self.limits: Limits = Limits()
        self.steps: int = 0
        self.horizon_ns: int = NEVER - 1
        self._autojump = True
        self._reach_ns: int | None = None
        self._driven_ns: int | None = None
        # Asked before the clock jumps: true if something came from outside meanwhile.
        self.before_jump: Callable[[], bool] | None = None
        # Asked when nothing is ready and the clock may not jump: true if there is work again.
        self.when_idle: list[Callable[[], bool]] = []
        # Lets others go on while a callback blocks the world, up to a time.
        self.on_block: Callable[[int], None] | None = None
        # Makes the error for a world in which nothing can happen any more.
        self.stuck: Callable[[], Exception] = _nothing_left
        self.current: KernelLoop | None = None
        self.is_running = False
        self._observers: list[Observer] = []
        self._followers: list[Any] = []  # Observers that hear of each step's end too.
        self.is_observed: bool = False  # Whether followers hear of what is left of this turn.
        self._measuring = 0  # How many loops want to hear how long their callbacks block.
        self._loops = 0
        self._watched = False
        # The one observer's method, if nothing else makes the turn a watched one.
        self._sole_observer: _Tell | None = None
        # The same where several loops are what makes it a watched one, with the observer if any.
        self._many: tuple[_Tell | None] | None = None
        self._left = 0  # Callbacks of a turn that has begun and not ended.
        self._events: KernelEvents | None = None
        self.earlier: EarlyDeadline | None = None

    # What may be watched -------------------------------------------------------------------

    def attach(self) -> None:
        """Carry one more loop."""
        self._loops += 1
        self._rewatch()

    def detach(self) -> None:
        """Carry one loop less."""
        self._loops -= 1
        self._rewatch()

    def observe(self, observer: Observer) -> None:
        """Tell ``observer`` of each step from now on."""
        self._observers.append(observer)
        if hasattr(observer, "stepped"):
            self._followers.append(observer)
        self._rewatch()

    def unobserve(self, observer: Observer) -> None:
        """Stop telling ``observer``, by new lists: the ones before may be gone through."""
        self._observers = [each for each in self._observers if each is not observer]
        self._followers = [each for each in self._followers if each is not observer]
        self._rewatch()

    def measure(self, *, enabled: bool) -> None:
        """Tell one loop more how long callbacks block, or one less."""
        self._measuring += 1 if enabled else -1
        self._rewatch()

    def tell_earlier(self, tell: Callable[[], object] | None) -> None:
        """Tell a driver when the next deadline moves forward, or stop telling.

        This exchanges :attr:`ready`: code that holds the queue has to take the new one.
        """
        if self.earlier is not None:
            self.earlier.end()
        self.earlier = None if tell is None else EarlyDeadline(self, tell)

    def leave_loop(self, loop: KernelLoop | None = None) -> None:
        """Take no loop for the current one, or another; the next step steps into its own."""
        self.current = loop
        self._rewatch()

    def _rewatch(self) -> None:
        observers = self._observers
        is_many = self._loops > 1
        if not (is_many or observers or self._measuring > 0 or self._watched):
            return  # As in most runs, from their first loop to their last.
        has_more = self._measuring > 0 or bool(self._followers) or len(observers) > 1
        self._watched = is_many or has_more or bool(observers)
        tell = observers[0].step if len(observers) == 1 and not has_more else None
        self._sole_observer = None if is_many else tell
        self._many = (tell,) if is_many and not has_more else None
        if observers or self.wheel.tell is not None:
            self._tell_of_timers()

    def _tell_of_timers(self) -> None:
        """Let the wheel tell the observers that want to hear of timers."""
        tells = [each.timed for each in self._observers if hasattr(each, "timed")]

        def tell_all(when_ns: int) -> None:
            for tell in tells:
                tell(when_ns)

        tell = tells[0] if len(tells) == 1 else tell_all
        tell_timers(self.wheel, tell if tells else None)

    @property
    def autojump(self) -> bool:
        """Whether the clock may jump by itself."""
        return self._autojump

    @autojump.setter
    def autojump(self, value: bool) -> None:
        self._autojump = value
        self._rehorizon()

    def limit(self, **limits: Any) -> None:
        """Set the limits of the run; see :meth:`Limits.set`."""
        self.limits.set(**limits)
        self._rehorizon()

    def reach(self, target_ns: int | None) -> None:
        """Set how far the clock may jump; None: as far as it may by itself."""
        self._reach_ns = target_ns
        self._rehorizon()

    def _drive(self, target_ns: int | None) -> None:
        """Bound jumps for a driver from outside; None: there is none."""
        self._driven_ns = target_ns
        self._rehorizon()

    def _rehorizon(self) -> None:
        if self._driven_ns is not None:
            self.horizon_ns = min(self._driven_ns, self.limits.time_max_ns)
        elif self._autojump:
            self.horizon_ns = min(self.limits.time_max_ns, NEVER - 1)
        else:
            reach_ns = -1 if self._reach_ns is None else self._reach_ns
            self.horizon_ns = min(reach_ns, self.limits.time_max_ns)

    # Events of the kernel's own ------------------------------------------------------------

    @property
    def events(self) -> KernelEvents:
        """The owner of handles that belong to no loop; made when it is first asked for."""
        self._events = events = self._events or KernelEvents(self)
        return events

    def call_soon(self, callback: Callable[..., Any], *args: Any) -> Handle:
        """Run ``callback(*args)`` after what is ready, as a step of no loop; see asyncio's."""
        handle = Handle(callback, args, self.events.context, self.events)
        self.ready.append(handle)
        return handle

    def call_at_ns(self, when_ns: int, callback: Callable[..., Any], *args: Any) -> TimerHandle:
        """Run ``callback(*args)`` at a time, as a step of no loop; an error ends the run."""
        # What the constructor does, without its call: one is made with each packet.
        handle: TimerHandle = _new(TimerHandle)
        handle._when_ns, handle._scheduled = when_ns, True
        handle._callback, handle._args = callback, args
        handle._loop = events = self._events or self.events
        handle._context = events.context
        wheel = self.wheel
        if wheel.tell is None:
            wheel.add(handle)
        else:
            tell, wheel.tell = wheel.tell, None  # It is no timer of the program's.
            wheel.add(handle)
            wheel.tell = tell
        return handle

    # The clock -----------------------------------------------------------------------------

    def peek_ns(self) -> int:
        """Return when the next callback is due: now if one is ready, NEVER if there is none."""
        return self.now_ns if self.has_work() else self.next_ns()

    def next_ns(self) -> int:
        """Return when something is due that is not ready, or NEVER."""
        return self.wheel.next_ns()

    def has_work(self) -> bool:
        """Return whether a callback is ready now, timers aside."""
        return bool(self.ready or self.io_ready)

    def jump(self) -> bool:
        """Move the clock to the next deadline within the horizon; false if there is none."""
        if self.before_jump is not None and self.before_jump():
            return True
        wheel = self.wheel
        if handle := wheel.take_first(self.now_ns, self.horizon_ns):
            self.now_ns = when_ns = handle._when_ns
            self.ready.append(handle)
            opened = wheel._open
            if opened and opened[-1]._when_ns == when_ns:
                wheel.take(when_ns, self.ready)
            return True
        when_ns = wheel.next_ns()
        if when_ns <= self.now_ns:
            wheel.move_due(self.now_ns, self.ready)
        elif when_ns > self.horizon_ns:
            return False
        else:
            self.now_ns = when_ns
            wheel.take(when_ns, self.ready)
        return True

    def move_to(self, now_ns: int) -> None:
        """Set the clock ahead by hand; deadlines on the way become due at the next turn."""
        assert now_ns >= self.now_ns, (now_ns, self.now_ns)
        self.now_ns = now_ns
        self.wheel.advance_to(now_ns)

    def block(self, duration_ns: int) -> None:
        """Block the world for a while, as a callback does that calls ``time.sleep``."""
        until_ns = self.now_ns + duration_ns
        for hook in (self.before_block, self.on_block):
            if hook is not None:
                hook(until_ns)
        self.move_to(max(until_ns, self.now_ns))

    # Running -------------------------------------------------------------------------------

    def run(self, loop: KernelLoop) -> None:
        """Run turns until ``loop`` is told to stop.

        Raises:
            DeadlockError: Nothing is ready, no deadline is left, and no hook found work.
            LimitError: The run passed a limit.
        """
        while not self._turns(loop):
            self._rest()

    def _rest(self) -> None:
        """Ask the hooks for work, where nothing is ready and the clock may not jump."""
        self.limits.make_deferred()
        for hook in self.when_idle:
            if hook():
                return
        if error := self.limits.too_late(self.next_ns()):
            raise error
        raise self.stuck()

    def turn(self) -> None:
        """Run the callbacks that are ready now, and the timers that are due."""
        if self.has_work() or self.wheel.overdue:
            self._turns(ONCE)

    def _turns(self, loop: KernelLoop | Once) -> bool:  # noqa: C901,PLR0912,PLR0915 - hot, flat
        """Run turns until ``loop`` stops, which is true, or nothing may run, which is false.

        The plain turn is spelt out here, and a chain of ``call_soon`` is 1.68 times as fast as with
        :meth:`_turn_observed`, the rule; tests/kernel/test_run_a_handle.py holds the copies equal.
        """
        # Looked up once: only ``tell_earlier`` exchanges them, which a driver calls between runs.
        ready, io_ready = self.ready, self.io_ready
        overdue, limits = self.wheel.overdue, self.limits
        popleft, append, arrive = ready.popleft, ready.append, io_ready.popleft
        handle: Handle | TimerHandle | None
        args: Any
        while True:
            if self._left:  # Single steps have begun this turn, or it was broken off.
                count, self._left = self._left, 0
            else:
                while io_ready:  # One by one: another thread may add to them.
                    append(arrive())
                if overdue and overdue[0][0] <= self.now_ns:
                    self.wheel.move_due(self.now_ns, ready)
                count = len(ready)
                if not count:
                    if loop._stopping:  # Told before the run: nothing to wait for.
                        return True
                    # As in asyncio: what only the last callback held goes now, before the jump.
                    handle = callback = args = result = None
                    if not self.jump():
                        return False
                    count = len(ready)
            steps = self.steps + count
            if steps > limits.check_at:
                count = limits.grant(self, count)
            else:
                self.steps = steps
            # Once a turn: who comes in the middle of one is told from the next on, for nothing.
            if self._watched:
                self._turn_watched(count, loop)
            else:
                # What is left of a turn that breaks off is read off the iterator (``_break_off``).
                rest = iter(FEW[count]) if count < MANY else repeat(None, count)
                for _ in rest:
                    handle = popleft()
                    callback = handle._callback
                    if callback is None:
                        self.steps -= 1
                        continue
                    args = handle._args
                    try:
                        if len(args) == 1:  # Half of all; `*` makes a list and two tuples of it.
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

    def _turn_watched(self, count: int, loop: KernelLoop | Once) -> None:
        """Run a turn of ``count`` callbacks of a run that is watched, and maybe others."""
        if self._sole_observer is None and self._many is None:
            self._turn_observed(count)
            return
        self.is_observed = True
        try:
            if self._sole_observer is not None:
                turns_with_sole_observer(self, count, loop, self._sole_observer)
            else:
                turns_of_many_loops(self, count, loop)
        finally:
            self.is_observed = False

    def _turn_observed(self, count: int) -> None:
        """Run ``count`` callbacks, telling the observers."""
        rest = repeat(None, count)
        self.is_observed = True
        try:
            for _ in rest:
                handle = self._take()
                if handle._callback is None:
                    self.steps -= 1
                    continue
                self._run_watched(handle)
        except BaseException:
            self._break_off(rest)
            raise
        finally:
            self.is_observed = False
        self._turn_over()

    def _turn_over(self) -> None:
        for follower in self._followers:
            if hasattr(follower, "turned"):
                follower.turned()

    def _break_off(self, rest: Iterator[None]) -> None:
        """Leave the rest of a turn, counted already, to the next run."""
        self._left = length_hint(rest)
        self.steps -= self._left

    def _run_watched(self, handle: Handle | TimerHandle) -> None:
        loop = handle._loop
        if loop._stash is not None:
            loop._stash.append(handle)  # Its process is stopped.
            self.steps -= 1
            return
        if loop is not self.current:
            self.current = loop
            loop._step_into()
        for observer in self._observers:
            observer.step(self.now_ns, handle)
        began_ns = self.now_ns
        try:
            handle._run()
        except (SystemExit, KeyboardInterrupt) as error:
            if not loop._takes_exit(error):
                raise
        finally:
            for follower in self._followers:
                follower.stepped(self.now_ns, handle)
        if self._measuring:
            loop._step_took(handle, self.now_ns - began_ns)
        del handle  # As in the handle: a kept traceback holds this frame.

    def run_within(self, handle: Handle) -> None:
        """Run a handle of the loop that runs, as a step of its own within another one."""
        self.steps += 1
        if self._watched:
            self._run_watched(handle)
        else:
            handle._run()

    def interleave(self, handle: Handle) -> None:
        """Run a handle that is not in the queue, as a step in the middle of another one."""
        outer = self.current
        self.steps += 1
        if outer is None:  # No loop runs here, and none begins to.
            self.current = handle._loop
        try:
            self._run_watched(handle)
        finally:
            if outer is not self.current:
                self.current = outer
                if outer is not None:
                    outer._step_into()

    def _take(self) -> Handle | TimerHandle:
        """Take the next ready callback, the first."""
        return self.ready.popleft()

    def _line_up(self) -> None:
        """Put what has arrived behind what is ready."""
        while self.io_ready:
            self.ready.append(self.io_ready.popleft())

    def step(self) -> bool:
        """Run one ready callback, jumping first if none is ready; false if there is nothing."""
        while True:
            if not self._left:
                self._line_up()
                if not self.ready and not self._jump_for_step():
                    return False
                self._line_up()
                self.wheel.move_due(self.now_ns, self.ready)
                self._left = len(self.ready)
            self._left -= 1
            handle = self._take()
            if handle._callback is None:
                continue
            if self.steps >= self.limits.check_at:
                self.limits.grant(self, 1)
            else:
                self.steps += 1
            self.is_observed = True
            try:
                self._run_watched(handle)
            finally:
                self.is_observed = False
            if not self._left:
                self._turn_over()
            return True

    def _jump_for_step(self) -> bool:
        """Jump for a driver, also where the clock may not jump by itself."""
        self._drive(NEVER - 1)
        try:
            has_jumped = self.jump()
        finally:
            self._drive(None)
        if not has_jumped:
            self._refuse_too_late(NEVER - 1)
        return has_jumped

    def run_until(self, target_ns: int, *, inclusive: bool = True) -> None:
        """Run everything due up to a time, jumping no further; the clock ends exactly there."""
        if not inclusive and target_ns == self.now_ns:
            return
        self._drive(target_ns if inclusive else target_ns - 1)
        try:
            self._turns(NEVER_STOPS)
        finally:
            self._drive(None)
        self._refuse_too_late(target_ns)
        self.move_to(max(target_ns, self.now_ns))

    def run_until_idle(self) -> None:
        """Run turns, jumping between them, until nothing is ready and no deadline is left."""
        self._drive(NEVER - 1)
        try:
            self._turns(NEVER_STOPS)
        finally:
            self._drive(None)
        self._refuse_too_late(NEVER - 1)

    def _refuse_too_late(self, target_ns: int) -> None:
        when_ns = self.next_ns()
        if when_ns <= target_ns and (error := self.limits.too_late(when_ns)):
            raise error

    def drop(self, loop: KernelLoop) -> None:
        """Forget everything that is scheduled on a loop, for good."""
        for handle in self._scheduled():
            if handle._loop is loop:
                handle.cancel()

    def withdraw(self, loop: KernelLoop) -> list[Any]:
        """Forget it, and return what was to be called; nothing here holds the loop any more."""
        called = []
        nowhere = Context()  # A cancelled timer stays in the wheel, where it would hold its own.
        for handle in self._scheduled():
            if handle._loop is loop:
                called.append((handle._callback, handle._args, handle._context))
                handle.cancel()
                handle._loop, handle._context = self.events, nowhere
        return called

    def _scheduled(self) -> list[Handle | TimerHandle]:
        """Return everything that is to run."""
        scheduled = [*self.ready, *self.io_ready]
        scheduled.extend(iter(self.wheel))  # A wheel itself would be asked for its length, too.
        return scheduled

    # Choices -------------------------------------------------------------------------------

    def choose(self, kind: str, thing: object, options: int) -> int:
        """Return the index of one of ``options``: 0, unless the run is explored.

        Args:
            kind: What sort of decision it is: "choice", "buggify", "cut", ...
            thing: What it is about: a name that is the same in every run.
            options: How many there are; 0 is what happens undisturbed.
        """
        gate = self.gate
        return 0 if gate is None else gate.ask(kind, thing, options)

    def check(self) -> None:
        """Assert the invariants."""
        self.wheel.check()
        assert 0 <= self._left <= len(self.ready)
        assert all(handle._callback is None or handle._loop is not None for handle in self.ready)


def _nothing_left() -> DeadlockError:
    """Return the error for a kernel in which nothing can run, if no layer above has a better."""
    return DeadlockError("nothing is ready and no deadline is left, so nothing can ever run again")
