"""The baton: of all threads of a world, one runs at a time, in an order that the seed decides.

Owns: who has the turn. The loop's thread has it by right and lends it, step by step, to the
strands (:mod:`.strands`): jobs of the default executor, and threads that the program or a library
starts inside a run. A strand that becomes able to go on is appended to the ready queue at that
moment, so threads interleave with callbacks first in, first out, and a digest sees each turn.

When the loop's own thread waits for a strand (it joins it, it takes a lock that the strand holds)
no callback of a loop can run, as outside. The strands can: their turns are taken in the middle of
the step, in the same order, and the clock moves on to their timers if it must, as it does when the
loop's thread sleeps. If none of them can ever run, that is a deadlock, told at the line that waits.

Must not know: what a strand runs, and how a thread stands at a lock.

Invariants:

- ``current`` is the strand that runs, and None while the loop's thread does.
- A strand is in ``awake`` while a step of it is in the ready queue, in ``asleep`` while only a
  timer of it is in the wheel; never in both.
"""

from __future__ import annotations

import time
import weakref
from _thread import get_ident
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from simloop._kernel import NEVER, Handle, seconds
from simloop.errors import DeadlockError, LimitError

from .real_threads import Outside, RealJob
from .sim_thread import Strand, name_of
from .thread_position import standing_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from simloop._kernel import Kernel

    from .real_threads import OutsiderWaiter
    from .sim_thread import StrandWaiter

__all__ = ["Baton", "Surroundings"]

_TURNS_TO_END = 1000
"""How often a strand may wait again after it was told to end."""


class Surroundings(Protocol):
    """What the threads of a world need to know of the real one."""

    foreign: dict[int, Any]
    """Who hears of the waits of threads outside, by the thread's identifier."""

    @property
    def loops(self) -> Sequence[Any]:
        """The loops of the world that are not closed."""

    def guest(self, clock: Any, /) -> AbstractContextManager[Any]:
        """Make a context in which a second thread belongs to the run; it has ``expel()``."""

    def outside(self) -> AbstractContextManager[object]:
        """Make a context in which the calling thread does not."""

    def wake_all(self, thing: object, /) -> None:
        """Wake every thread that waits for a thing."""

    def join(self, function: object, /) -> None:
        """Wait, really, for the end of a thread, given the function that it was started with."""


class HomeWaiter:
    """One wait of the loop's own thread."""

    __slots__ = ("_baton", "_deadline_ns", "_thing", "awake")

    def __init__(self, baton: Baton, thing: object, timeout_ns: int | None) -> None:
        self._baton = baton
        self._thing = thing
        self._deadline_ns = NEVER if timeout_ns is None else baton.kernel.now_ns + timeout_ns
        self.awake: bool = False

    def park(self) -> bool:
        """Let a strand run, or time pass; false if time has run out."""
        self.awake = False
        return self._baton.interleave(self._thing, self._deadline_ns)

    def wake(self) -> None:
        """Let the wait look again."""
        self.awake = True
        self._baton.outside.ring()

    def end(self) -> None:
        """Leave no trace."""


class NoLoop:
    """Stands for the loop of a thread that was started while none ran."""

    _stopping = False

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._wheel = kernel.wheel

    def _step_into(self) -> None:
        """Let the loop that runs, if any, be the running one: a thread's step is none of it."""

    def _step_took(self, _handle: object, _elapsed_ns: int) -> None:
        """Nobody is told."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Raise what a turn raised: whoever gave the turn is the only one to hear it."""
        raise context["exception"]


class Baton:
    """The turn among the threads of one world.

    Args:
        kernel: The schedule that strands take part in.
    """

    is_foreign = False
    surroundings: Surroundings
    """What the world tells of the real one; set when the world is put together."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.current: Strand | None = None
        self.strands: dict[Strand, None] = {}
        self.awake: dict[Strand, None] = {}
        self.asleep: dict[Strand, int] = {}
        self.outside: Outside = Outside(weakref.proxy(self))
        self._numbers = count(1)
        self._home = 0
        kernel.when_idle.append(self.outside.may_be_addressed)

    # What threads ask ----------------------------------------------------------------------

    def waiter(
        self, thing: object, timeout_ns: int | None, /
    ) -> HomeWaiter | StrandWaiter | OutsiderWaiter:
        """Prepare the calling thread's wait for a thing."""
        if self.current is not None:
            return self.current.waiter(thing, timeout_ns)
        return HomeWaiter(self, thing, timeout_ns)

    def adopt(self, function: Callable[..., object], /) -> Strand:
        """Take in a thread that the program starts; it begins at its turn.

        One that is started between runs belongs to no loop, so none ends it when it closes.
        """
        loop = self.kernel.current if self.current is None else self.current.loop
        if loop is None:
            loop = NoLoop(self.kernel)
        strand = Strand(self, loop, self.next_number(), name_of(function))
        strand.function = function
        strand.joined_by = getattr(function, "__self__", None)
        self.take_in(strand)
        strand.schedule()
        return strand

    def ended(self, joined_by: object, /) -> Strand | None:
        """Return the strand of a thread, which is true when it has ended."""
        return next((each for each in self.strands if each.joined_by is joined_by), None)

    def for_real(self) -> Any:
        """Return a context in which the calling thread is outside, and waits for real."""
        return self.surroundings.outside()

    def works(self, future: Any, /) -> None:
        """Count real work that was begun inside the run until its future is done."""
        RealJob(self.outside, future.result, None).watch(future)

    # Strands -------------------------------------------------------------------------------

    def next_number(self) -> int:
        """Number the next strand."""
        return next(self._numbers)

    def take_in(self, strand: Strand) -> None:
        """Keep a strand until it ends."""
        if not self.strands:
            self._home = get_ident() if self.current is None else self._home
            self.kernel.on_block = self._sleep_at_home
        self.strands[strand] = None

    def is_at_home(self) -> bool:
        """Tell whether the calling thread is the one that has the turn."""
        ident = get_ident()
        return ident == (self._home if self.current is None else self.current.ident)

    def holds(self, ident: int) -> bool:
        """Tell whether a thread is a strand that has the turn."""
        return self.current is not None and self.current.ident == ident

    def lend(self, strand: Strand) -> None:
        """Let a strand run until it hands back, on the loop's thread."""
        self.awake.pop(strand, None)
        self.asleep.pop(strand, None)
        if strand.has_ended or strand.is_lost:
            return
        outer, home = self.current, self._home  # A strand lends when it closes a loop.
        self._home = get_ident()
        self.current = strand
        strand.begin_turn()
        try:
            error = self._await(strand)
        except BaseException:
            self._lose(strand)  # Ctrl-C: the thread goes on without us.
            strand.failed(None)
            raise
        finally:
            self.current = outer
            self._home = self._home if outer is None else home
        if error is not None:
            self._lose(strand)
            strand.failed(error)
            return
        if strand.has_ended:
            self.bury(strand)
        strand.handed_back()

    def _await(self, strand: Strand) -> LimitError | None:
        """Wait until the strand hands back; an error if it stands still for real."""
        limit_s = self.limit_s()
        spent_s: float | None = None
        while not strand.await_turn(limit_s / 2):
            before_s, spent_s = spent_s, self._computing_time_s(strand)
            if before_s is not None and spent_s - before_s < limit_s / 100:
                return self._explain_standstill(strand, limit_s)
        return None

    def _computing_time_s(self, strand: Strand) -> float:
        """Return for how long the strand's thread has computed: what computes is not stuck."""
        with self.for_real():
            return time.clock_gettime(time.pthread_getcpuclockid(strand.ident))

    def limit_s(self) -> float:
        """Return for how many real seconds a thread may stand still."""
        limits = [loop.real_wait_limit for loop in self.surroundings.loops]
        return max(limits, default=10.0)

    def _explain_standstill(self, strand: Strand, limit_s: float) -> LimitError:
        return LimitError(
            f"{strand.__qualname__} has stood still for {limit_s} s of real time and hands nothing"
            " back, so it waits for something that simloop does not see, at\n"
            f"    {standing_of(strand.ident)}\n"
            "Let it wait by threading, queue or time.sleep, which are virtual inside a run; give"
            " real waiting an executor of its own (loop.run_in_executor(ThreadPoolExecutor(), ...)"
            " runs for real); or raise loop.real_wait_limit"
        )

    def _lose(self, strand: Strand) -> None:
        strand.lose()
        self._forget(strand)

    def _forget(self, strand: Strand) -> None:
        self.strands.pop(strand, None)
        self.awake.pop(strand, None)
        self.asleep.pop(strand, None)
        if strand.handle is not None:
            strand.handle.cancel()
            strand.handle = None
        if not self.strands:
            self.kernel.on_block = None

    def bury(self, strand: Strand) -> None:
        """Forget a strand that has ended, when its thread has really ended too."""
        self._forget(strand)
        if strand.ident:
            with self.for_real():
                self.surroundings.join(strand.function)
        self.surroundings.wake_all(strand)

    # The loop's thread waits ---------------------------------------------------------------

    def interleave(self, thing: object, deadline_ns: int) -> bool:
        """Run one strand in the middle of a step, or let time pass; false if time has run out.

        Raises:
            DeadlockError: Nothing can ever end the wait.
        """
        if self.awake:
            self._run_now(next(iter(self.awake)))
            return True
        if self.outside.is_at_work():
            self.outside.wait()
            return True
        now_ns = self.kernel.now_ns
        strand = min(self.asleep, key=self.asleep.__getitem__, default=None)
        when_ns = min(deadline_ns, NEVER if strand is None else self.asleep[strand])
        if when_ns >= NEVER:
            if self.outside.hears_from_strangers():
                return True
            raise self._explain_wait(thing)
        if when_ns > now_ns:
            self.kernel.move_to(when_ns)
        if strand is None or self.asleep[strand] > self.kernel.now_ns:
            return False
        self._run_now(strand)
        return True

    def _run_now(self, strand: Strand) -> None:
        """Take a strand's step out of its place in the queue and run it."""
        if strand.handle is not None:
            strand.handle.cancel()
        self.kernel.interleave(Handle(strand, (), strand._context, strand.loop))

    def _sleep_at_home(self, until_ns: int) -> None:
        """Let strands run while the loop's thread sleeps."""
        while self.interleave("a sleep", until_ns) or self.kernel.now_ns < until_ns:
            pass

    def _explain_wait(self, thing: object) -> DeadlockError:
        now = seconds(self.kernel.now_ns)
        del thing
        return DeadlockError(
            f"the loop's own thread waits at {now} s of virtual time, so nothing that runs on the"
            f" loop can happen, and no thread is left that could end the wait, at\n"
            f"    {standing_of(get_ident())}{self.describe_threads()}\n"
            "Wait in a coroutine by asyncio's own primitives, or put the waiting function into"
            " asyncio.to_thread()"
        )

    def describe_threads(self) -> str:
        """List the program's threads that wait, and where each stands."""
        return "".join(
            f"\n\n  {strand.__qualname__} waits\n    at {standing_of(strand.ident)}"
            for strand in self.strands
            if strand.waits_for is not None
        )

    # The end -------------------------------------------------------------------------------

    def end(self, loop: Any) -> None:
        """End the threads of a loop that closes: each gets ``SystemExit`` where it waits."""
        if self.strands:
            for strand in [each for each in self.strands if each.loop is loop]:
                self._end(strand)
        loops = self.surroundings.loops
        if loops == [loop] or not loops:
            self.outside.forget(self.surroundings.foreign)

    def end_all(self) -> None:
        """End every thread that is left, because nobody will run the world again."""
        for strand in list(self.strands):
            self._end(strand)

    def _end(self, strand: Strand) -> None:
        strand.is_ending = True
        for _ in range(_TURNS_TO_END):
            if strand.has_ended or strand.is_lost:
                return
            self.lend(strand)
        self._lose(strand)
