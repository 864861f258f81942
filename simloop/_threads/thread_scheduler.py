"""The thread scheduler: of all threads of a world one runs at a time, in an order of the seed's.

Owns: which thread has the turn. The loop's thread has it by right and switches, step by step, to
the simulated threads (:mod:`.sim_thread`): jobs of the default executor, and threads that the
program or a library starts inside a run. A thread that becomes able to go on is appended to the
ready queue at that moment, so threads interleave with callbacks first in, first out, and a digest
sees each turn. (docs/explanation/threads.md draws this as a baton that is handed around.)

When the loop's own thread waits for another one (it joins it, it takes a lock that the other holds)
no callback of a loop can run, as outside of runs. Simulated threads can: their turns are taken in
the middle of the step, in the same order, and the clock moves on to their timers if it must, as it
does when the loop's thread sleeps. If none of them can ever run, that is a deadlock, told at the
line that waits.

Must not know: what a thread runs, and how the real thread below it stands at a lock.

Invariants:

- ``current`` is the simulated thread that runs, and None while the loop's thread does.
- A thread is in ``awake`` while a step of it is in the ready queue, in ``asleep`` while only a
  timer of it is in the wheel; never in both.
- It is in ``held`` beside ``awake`` while an explored run lets it wait for that step, until when.
"""

from __future__ import annotations

import weakref
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any

from simloop._kernel import NEVER, Handle, KernelEvents, seconds
from simloop.errors import DeadlockError, LimitError

from . import broken_off
from .real_threads import Patience, RealJob, RealWork
from .sim_thread import SimThread, name_of
from .spinning import SPIN_S, end_of_turn, look_for_spin, raise_failure
from .thread_position import computing_time_s, position_of, queueing_time_s, variables_of
from .watching.spin_watch import SpinWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop._kernel import Kernel

    from .real_threads import RealThreadWaiter
    from .scheduler_ports import ThreadBridge, Turns
    from .sim_thread import SimThreadWaiter

__all__ = ["ThreadScheduler"]

_SLICE_S = 0.25
"""How often a wait for a thread looks whether a signal came."""

_TURNS_TO_END = 1000
"""How often a thread may wait again after it was told to end."""


class LoopThreadWaiter:
    """One wait of the loop's own thread."""

    __slots__ = ("_deadline_ns", "_patience", "_scheduler", "_thing", "awake")

    def __init__(self, scheduler: ThreadScheduler, thing: object, timeout_ns: int | None) -> None:
        self._scheduler = scheduler
        self._thing = thing
        self._deadline_ns = NEVER if timeout_ns is None else scheduler.kernel.now_ns + timeout_ns
        self._patience: Patience | None = None
        self.awake: bool = False

    def park(self) -> bool:
        """Block until a thread has had a turn or time has passed; false at the deadline."""
        self.awake = False
        self._scheduler.loop_waiter = self
        try:
            return self._scheduler.interleave(self._thing, self._deadline_ns, self)
        finally:
            self._scheduler.loop_waiter = None

    def hears_from_outside(self) -> bool:
        """Wait a little for a thread outside, as long as there is hope."""
        real_work = self._scheduler.real_work
        if self._patience is None:
            self._patience = real_work.patience()
        return real_work.hears_from_unknown_threads(self._patience)

    def wake(self) -> None:
        """Make ``park`` return, so that the waiting code checks its condition again."""
        self.awake = True
        if self._scheduler.turns is not None:
            self._scheduler.turns.stop()
        self._scheduler.real_work.ring()

    def end(self) -> None:
        """Leave no trace."""


class NoLoop(KernelEvents):
    """The owner of the steps of a thread that was started while no loop ran."""

    def __init__(self, kernel: Kernel, bridge: ThreadBridge) -> None:
        super().__init__(kernel)
        self._bridge = bridge
        self._process_context = bridge.process_context()

    def _step_into(self) -> None:
        """Put the thread's process in place; the running loop stays what it is."""
        self._bridge.switch_to(self._process_context)


class ThreadScheduler:
    """The turn among the threads of one world.

    Args:
        kernel: The schedule that threads take part in.
    """

    is_foreign = False
    _frozen: tuple[SimThread, ...] = ()
    _left: tuple[Any, ...] = ()
    bridge: ThreadBridge
    """What the world tells of the real one; set when the world is put together."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.current: SimThread | None = None
        self.sim_threads: dict[SimThread, None] = {}
        self.awake: dict[SimThread, None] = {}
        self.asleep: dict[SimThread, int] = {}
        self.held: dict[SimThread, int] = {}
        self.real_work: RealWork = RealWork(weakref.proxy(self))
        self._numbers = count(1)
        self._give_back: list[Callable[[], bool]] = []
        self._turn_of = 0
        self._blocked_in: tuple[Any] | None = None
        self.turns: Turns | None = None
        self.loop_waiter: LoopThreadWaiter | None = None
        self._interrupts: deque[Callable[[], object]] = deque()
        self._spin_watch: SpinWatch | None = None
        kernel.when_idle.append(self.real_work.may_be_addressed)

    # What threads ask ----------------------------------------------------------------------

    def waiter(
        self, thing: object, timeout_ns: int | None, /, *, is_true: bool = False
    ) -> LoopThreadWaiter | SimThreadWaiter | RealThreadWaiter:
        """Prepare the calling thread's wait for a thing.

        Args:
            thing: What is waited for.
            timeout_ns: For how long; None for ever.
            is_true: Whether that is by the world's clock, and not by the machine's.
        """
        if self.current is not None:
            return self.current.waiter(thing, timeout_ns, is_true=is_true)
        return LoopThreadWaiter(self, thing, timeout_ns)

    @property
    def clock(self) -> Any:
        """What the waits of the calling thread go by."""
        return self.kernel if self.current is None else self.current.clock

    def look_again(self, identity: object) -> None:
        """Let a process's threads that wait for a time look at their clock: its rate is another."""
        for thread in [each for each in self.asleep if each.identity is identity]:
            thread.schedule()

    def adopt(self, function: Callable[..., object], /) -> SimThread:
        """Take in a thread that the program starts; it begins at its turn.

        One that is started between runs belongs to no loop, so none ends it when it closes.
        """
        loop = self.kernel.current if self.current is None else self.current.loop
        if loop is None:
            loop = NoLoop(self.kernel, self.bridge)
        thread = SimThread(self, loop, self.next_number(), name_of(function))
        thread.function = function
        thread.joined_by = getattr(function, "__self__", None)
        self.take_in(thread)
        thread.schedule()
        return thread

    def ended(self, joined_by: object, /) -> SimThread | None:
        """Return the simulated thread below a ``threading.Thread``; true once it has ended."""
        return next((each for each in self.sim_threads if each.joined_by is joined_by), None)

    def check_join(self, thread: object, /) -> None:
        """Refuse to join a thread that ended with an earlier run."""
        broken_off.check_join(thread)

    def has_one_like(self, label: str, /) -> bool:
        """Return whether a thread of the run runs what one of an earlier run did."""
        return any(each.__qualname__.startswith(f"{label} in thread ") for each in self.sim_threads)

    def for_real(self) -> Any:
        """Return a context in which the calling thread is outside, and waits for real."""
        return self.bridge.outside()

    def works(self, future: Any, /) -> None:
        """Count real work that was begun inside the run until its future is done."""
        RealJob(self.real_work, future.result, None).watch(future)

    def when_ended(self, give_back: Callable[[], bool], /) -> None:
        """Call a function when threads of a loop have ended, until it returns true."""
        self._give_back.append(give_back)

    def is_ending(self) -> bool:
        """Return whether the thread that has the turn was told to end."""
        return self.current is not None and self.current.is_ending

    def call_when_on(self, ident: int, call: Callable[[], object] | None, /) -> bool:
        """Have a function called by another thread when it next goes on, unless that is None."""
        thread = next((each for each in self.sim_threads if each.ident == ident), None)
        if thread is not None:
            thread.when_on = call
        return thread is not None

    def waits_for_real_work(self) -> bool:
        """Wait a moment for real work, if the loop's thread is to; a thread's timers do so."""
        if self.current is not None or not self.real_work.is_at_work():
            return False
        self.real_work.wait()
        return True

    def is_idle(self) -> bool:
        """Return whether no thread of the run is left, and no real work that it was to wait for."""
        return not self.sim_threads and self.real_work.is_forgotten()

    # Turns -------------------------------------------------------------------------------

    def next_number(self) -> int:
        """Number the next thread."""
        return next(self._numbers)

    def take_in(self, thread: SimThread) -> None:
        """Keep a thread until it ends."""
        if not self.sim_threads:
            self._turn_of = self.bridge.real_ident() if self.current is None else self._turn_of
            self.kernel.on_block = self._sleep_on_loop_thread
            if self.current is None:
                self._watch_loop_thread()
        self.sim_threads[thread] = None

    def _watch_loop_thread(self) -> None:
        """Look from now on whether the loop's own thread spins, which others could end."""
        if self._spin_watch is None:
            self._spin_watch = SpinWatch(self)
        self._spin_watch.begin(self._turn_of)

    def has_turn(self) -> bool:
        """Return whether the calling thread is the one that has the turn."""
        ident = self.bridge.real_ident()
        return ident == (self._turn_of if self.current is None else self.current.ident)

    def holds(self, ident: int) -> bool:
        """Return whether the real thread with this identifier is a simulated one with the turn."""
        return self.current is not None and self.current.ident == ident

    def switch_to(self, thread: SimThread) -> None:
        """Switch to a thread until it yields; called on the loop's thread."""
        self.awake.pop(thread, None)
        self.asleep.pop(thread, None)
        self.held.pop(thread, None)
        if thread.has_ended or thread.is_lost:
            return
        outer, turn_of = self.current, self._turn_of  # A thread lends when it closes a loop.
        self._turn_of = self.bridge.real_ident()
        self.current = thread
        thread.begin_turn()
        try:
            error = self._await(thread)
        except BaseException:
            self._lose(thread)  # Ctrl-C: the thread goes on without us.
            thread.failed(None)
            raise
        finally:
            self.current = outer
            self._turn_of = self._turn_of if outer is None else turn_of
        if thread.spin is not None:
            end_of_turn(thread)
        if error is not None:
            self._lose(thread)
            thread.failed(error)
            return
        if thread.has_ended:
            self.reap(thread)
        thread._after_turn()

    def _await(self, thread: SimThread) -> LimitError | None:
        """Block until the thread yields; return an error if it stands still for real."""
        if thread.await_turn(SPIN_S):
            return None
        look_for_spin(thread)
        limit_s = self.limit_s()
        spent_s: float | None = None
        while not self._await_in_slices(thread, limit_s / 2):
            look_for_spin(thread)
            before_s, spent_s = spent_s, self._busy_time_s(thread)
            if before_s is not None and spent_s - before_s < limit_s / 100:
                return self._explain_standstill(thread, limit_s)
        return None

    def _await_in_slices(self, thread: SimThread, wait_s: float) -> bool:
        """Block until the thread yields; false after the time, in which Ctrl-C is heard.

        A signal that came between two waits has its handler called before the next one.
        """
        while wait_s > 0:
            self.kernel.limits.make_deferred()
            if thread.await_turn(min(wait_s, _SLICE_S)):
                return True
            raise_failure(thread)
            wait_s -= _SLICE_S
        return False

    def _busy_time_s(self, thread: SimThread) -> float:
        with self.for_real():
            return computing_time_s(thread.ident) + queueing_time_s(thread.ident)

    def limit_s(self) -> float:
        """Return for how many real seconds a thread may stand still."""
        limits = [loop.real_wait_limit for loop in self.bridge.loops]
        return max(limits, default=10.0)

    def _explain_standstill(self, thread: SimThread, limit_s: float) -> LimitError:
        return LimitError(
            f"{thread.__qualname__} has stood still for {limit_s} s of real time and hands nothing"
            " back, so it waits for something that simloop does not see, at\n"
            f"    {position_of(thread.ident)}\n"
            "Let it wait by threading, queue or time.sleep, which are virtual inside a run; give"
            " real waiting an executor of its own (loop.run_in_executor(ThreadPoolExecutor(), ...)"
            " runs for real); or raise loop.real_wait_limit"
        )

    def _lose(self, thread: SimThread) -> None:
        thread.lose()
        self._forget(thread)

    def _forget(self, thread: SimThread) -> None:
        self.sim_threads.pop(thread, None)
        self.awake.pop(thread, None)
        self.asleep.pop(thread, None)
        self.held.pop(thread, None)
        if thread.handle is not None:
            thread.handle.cancel()
            thread.handle = None
        if not self.sim_threads and self.turns is None:
            self.kernel.on_block = None

    def reap(self, thread: SimThread) -> None:
        """Reap a thread: forget it once the real thread below it has ended."""
        self._forget(thread)
        if thread.ident:
            with self.for_real():
                self.bridge.join(thread.function)
        self.bridge.wake_all(thread)

    # The loop's thread waits ---------------------------------------------------------------

    def interleave(
        self, thing: object, deadline_ns: int, waiter: LoopThreadWaiter | None = None
    ) -> bool:
        """Run one thread in the middle of a step, or let time pass; false if time has run out.

        Args:
            thing: What is waited for.
            deadline_ns: Until when.
            waiter: The wait, if a thread outside could end it, too.

        Raises:
            DeadlockError: Nothing can ever end the wait.
        """
        if self.turns is not None and not self.kernel.is_running:
            return self._let_others_go_on(self.turns, deadline_ns, waiter)
        # A step of a thread whose process is stopped would run only when that goes on.
        held = self.held
        awake = [each for each in self.awake if not (each.is_stopped or each in held)]
        if awake:
            self._run_now(awake[self._pick(awake)])
            return True
        if self.real_work.is_at_work():
            self.real_work.wait()
            return True
        now_ns = self.kernel.now_ns
        asleep = {**held, **self.asleep} if held else self.asleep
        able = [each for each in asleep if not each.is_stopped]
        thread = min(able, key=asleep.__getitem__, default=None)
        when_ns = min(deadline_ns, NEVER if thread is None else asleep[thread])
        if self._is_interrupted(when_ns, waiter):
            return True
        if when_ns >= NEVER:
            raise self._explain_wait(thing)
        if when_ns > now_ns:
            self.kernel.move_to(when_ns)
        if thread is None or asleep[thread] > self.kernel.now_ns:
            return False
        self._run_now(thread)
        return True

    def _is_interrupted(self, until_ns: int, waiter: LoopThreadWaiter | None) -> bool:
        """Let an alarm ring that comes until then; where nothing else ever comes, ask outside."""
        alarms: Any = self.kernel.before_block
        if alarms is not None and alarms.rings_by(until_ns):
            return True
        return until_ns >= NEVER and waiter is not None and waiter.hears_from_outside()

    def _let_others_go_on(
        self, turns: Turns, deadline_ns: int, waiter: LoopThreadWaiter | None
    ) -> bool:
        """Run turns until the wait may go on; false if time has run out."""
        before, self._blocked_in = self._blocked_in, (None,)
        try:
            turns.run(deadline_ns)
        except DeadlockError as error:
            where = position_of(self.bridge.real_ident())
            told = f"the program itself waits, outside of a loop, at\n    {where}\n{error}"
            deadlock = self.deadlock(told)
            deadlock.places = error.places
            raise deadlock from None
        finally:
            self._blocked_in = before
        self._call_interrupts()
        return (waiter is not None and waiter.awake) or self.kernel.now_ns < deadline_ns

    def let_others_go_on(self, turns: Turns) -> None:
        """Run the kernel by these where the main thread blocks and no loop runs it."""
        self.turns = turns
        self.kernel.on_block = self._sleep_on_loop_thread

    def _call_interrupts(self) -> None:
        while self._interrupts:
            self._interrupts.popleft()()

    @property
    def waits_in_step(self) -> bool:
        """Whether the loop's thread is blocked, in the middle of a step or between two loops."""
        return self._blocked_in is not None

    def _pick(self, awake: list[SimThread]) -> int:
        """Return which thread runs: the first, unless an explored run permutes them."""
        kernel: Any = self.kernel
        return 0 if kernel.gate is None else int(kernel.pick_thread(awake))

    def _run_now(self, thread: SimThread) -> None:
        """Take a thread's step out of its place in the queue and run it."""
        if thread.handle is not None:
            thread.handle.cancel()
        before, self._blocked_in = self._blocked_in, (self.kernel.current,)
        try:
            self.kernel.interleave(Handle(thread, (), thread._context, thread.loop))
        finally:
            self._blocked_in = before
        self._call_interrupts()

    def interrupt(self, handler: Callable[[], object], blocks: Callable[[Any], bool]) -> bool:
        """Call a handler of a signal where the loop's thread blocks in the middle of a step.

        As a signal does that another thread sent (Python's signal module: handlers run in the main
        thread), it breaks the wait off if it raises, else the wait goes on. False if the loop's
        thread blocks nowhere, and a step of a loop is the handler's place.

        Args:
            handler: The handler.
            blocks: Tells of a loop, or None for none, whether it is by a step of it that the
                handler's process is blocked.
        """
        if self._blocked_in is None or not blocks(*self._blocked_in):
            return False
        self._interrupts.append(handler)
        if self.turns is not None:
            self.turns.stop()
        return True

    def _sleep_on_loop_thread(self, until_ns: int) -> None:
        """Run threads while the loop's thread sleeps."""
        while self.interleave("a sleep", until_ns) or self.kernel.now_ns < until_ns:
            pass

    def _explain_wait(self, thing: object) -> DeadlockError:
        now = seconds(self.kernel.now_ns)
        del thing
        return self.deadlock(
            f"the loop's own thread waits at {now} s of virtual time, so nothing that runs on the"
            f" loop can happen, and no thread is left that could end the wait, at\n"
            f"    {position_of(self.bridge.real_ident())}{self.describe_threads()}\n"
            "Wait in a coroutine by asyncio's own primitives, or put the waiting function into"
            " asyncio.to_thread()"
        )

    def describe_threads(self) -> str:
        """List the program's threads that wait."""
        return "".join(
            f"\n\n  {thread.__qualname__} waits\n    at {position_of(thread.ident)}"
            for thread in self.sim_threads
            if thread.waits_for is not None
        )

    def deadlock(self, message: str) -> DeadlockError:
        """Return the error of a deadlock, with a note on threads that are not of this run.

        Those that ended with earlier runs, and real ones that were heard out. What else there is in
        the process is no part of a run, nor of its error's text, which is in its digest.
        """
        error = DeadlockError(message)
        if told := f"{self.real_work.describe()}{broken_off.describe()}":
            error.add_note(told.strip())
        return error

    # The end -------------------------------------------------------------------------------

    def end(self, loop: Any, heir: Any = None) -> None:
        """End the threads of a loop that closes: each gets ``SystemExit`` where it waits.

        Args:
            loop: The loop.
            heir: What they go on as steps of, where their process outlives the loop.
        """
        if self.sim_threads:
            for thread in [each for each in self.sim_threads if each.loop is loop]:
                if heir is None:
                    self.end_thread(thread)
                else:
                    thread.outlive(heir)
        if self._give_back:
            with self.for_real():
                self._give_back = [each for each in self._give_back if not each()]
        loops = self.bridge.loops
        if loops == [loop] or not loops:
            self.end_watches()

    def end_watches(self) -> None:
        """Look at no thread any more: the last loop has closed."""
        self.real_work.forget(self.bridge.foreign)
        if self._spin_watch is not None:
            self._spin_watch.end()

    def threads_of(self, identity: object) -> list[object]:
        """List what the threads of a process are joined by."""
        return [each.joined_by for each in self.sim_threads if each.identity is identity]

    def freeze(self, identity: object) -> list[Any]:
        """Let the threads of a process that was killed stand still for good.

        Returns:
            The threads, and the values of their variables.
        """
        frozen = [each for each in self.sim_threads if each.identity is identity]
        for thread in frozen:
            thread.freeze()
            self._forget(thread)
        self._frozen = (*self._frozen, *frozen)
        self.bridge.leave_lines(lambda waiter: getattr(waiter, "thread", None) in frozen)
        with self.for_real():
            return [*frozen, *[variables_of(thread.ident) for thread in frozen]]

    def keep_left(self, left: list[Any]) -> None:
        """Keep what a frozen thread leaves, until all have ended."""
        self._left = (*self._left, *left)

    def end_frozen(self) -> list[Any]:
        """End the real threads below frozen ones, one after the other, once the run is over.

        Returns:
            What they leave, which is to be let go of in silence.
        """
        frozen, self._frozen = self._frozen, ()
        for thread in frozen:
            if not thread.has_ended:
                with self.for_real():
                    thread.let_end()
                    self.bridge.join_unrun(thread.function, thread.ident_at_end)
        left, self._left = self._left, ()
        return list(left)

    def end_all(self) -> None:
        """End every thread that is left, because the world will not be run again."""
        for thread in list(self.sim_threads):
            self.end_thread(thread)

    def end_thread(self, thread: SimThread) -> None:
        """End a thread, by ``SystemExit`` where it waits."""
        if thread.waits_for is not None:
            with self.for_real():  # Identifiers are a run's own inside of it.
                broken_off.break_off(thread, self.bridge.threads_of_caller)
        thread.is_ending = True
        for _ in range(_TURNS_TO_END):
            if thread.has_ended or thread.is_lost:
                return
            self.switch_to(thread)
        self._lose(thread)
