"""Real waiting: the only place where a world stands still until something real has happened.

Owns: the gates at which threads really wait, and the account of real work. Real work is a job in
an executor that the user passed, and a thread from outside that has spoken to the loop by
``call_soon_threadsafe``. While any of it is at work the clock stands still and the loop waits;
while all of it is idle, or waits for the loop itself, the loop goes on, jumps included.

How the two are told apart:

- Threads that the program starts inside a run are no real work at all: they run under the scheduler
  (:mod:`.threads`), in virtual time.
- A job in a pool of threads waits for the loop when it stands at a lock or a queue: the places
  where Python threads wait are seen (``threads`` in the layer beside this one), and whoever
  releases such a lock counts the job as working from that moment. A job that has not begun is at
  work unless every worker of its pool is taken. A job in a process is always at work.
- A thread from outside is seen in the same way, and so is one that such work starts. Where it waits
  for something else, its innermost frame tells: the waits of the standard library (a selector, an
  idle pool worker) are idle, other code is at work, for at most ``loop.real_wait_limit`` seconds
  after the thread last spoke.
- Threads of which nothing is known are heard out only where nothing else can happen, before a
  deadlock is told: what is waited for is tried again after each look at them (:class:`Patience`).

Invariants:

- Every wait here ends by Ctrl-C, and a wait for a thread under the scheduler by a limit.
- No other thread changes what is counted between a release and the count.
"""

from __future__ import annotations

import functools
import sys
import threading
from _thread import LockType, allocate_lock
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar

from .thread_position import position_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from .thread_scheduler import ThreadScheduler

__all__ = ["Gate", "RealJob", "RealThread", "RealWork"]

_SLICE_S = 0.05
"""How often a wait looks again whether whatever it waits for has gone idle unseen."""

_LOOKS = 2
"""How often a loop that is not needed looks again before it believes that."""

_QUIET_S = 0.02
"""How long it looks at threads of which it knows nothing, where these seem to be idle."""

_QUIET_LOOKS = 3
"""How often it does so: a thread that was woken just now comes out of its wait meanwhile."""

_STRANGERS_PART = 5
"""Before a deadlock of tasks such threads are heard out for this part of ``real_wait_limit``: they
may have other things to do."""

_LOOKS_AWAKE = 6
"""For how many looks a thread that was woken may take to come out of its wait."""

_IDLE_MODULES = (
    "_pydev",
    "asyncio.selector_events",
    "concurrent.futures.process",
    "concurrent.futures.thread",
    "debugpy",
    "execnet",
    "multiprocessing.connection",
    "pydevd",
    "queue",
    "selectors",
    "simloop._sandbox.process.threads",
    "simloop._threads.real_threads",
    "simloop._threads.step_watch",
    "simloop._threads.watching",
    "socketserver",
    "threading",
)


_NO_WAITS = (
    *("clear", "current_thread", "empty", "full", "get_nowait", "is_alive", "is_set", "notify"),
    *("notify_all", "put_nowait", "qsize", "release", "set", "_is_owned", "_qsize"),
)
"""Functions of these modules in which a thread is at work, and may be found for long on a machine
that is busy with something else."""


class Patience:
    """How long one wait has hoped for threads of which nothing is known.

    Args:
        limit_s: For how many real seconds it may.
    """

    __slots__ = ("_looked", "_quiet", "left_s")

    def __init__(self, limit_s: float) -> None:
        self.left_s: float = limit_s
        self._looked = False
        self._quiet = 0

    def next_s(self, *, is_busy: bool) -> float | None:
        """Return how long to wait now: nothing, at first; None once there is no hope."""
        if not self._looked:
            self._looked = True  # What one of them held may be free by now.
            return 0.0
        self._quiet = 0 if is_busy else self._quiet + 1
        if self.left_s <= 0 or self._quiet > _QUIET_LOOKS:
            return None
        wait_s = _SLICE_S if is_busy else _QUIET_S
        self.left_s -= wait_s
        return wait_s


_GUARDS = "simloop._sandbox.io."
"""What stands around a read that began while a run was on, as xdist's of its pipe does."""


def _is_idle(frame: FrameType) -> bool:
    """Return whether a thread whose innermost frame this is waits in the standard library."""
    name = str(frame.f_globals.get("__name__"))
    while name.startswith(_GUARDS) and frame.f_back is not None:
        frame = frame.f_back
        name = str(frame.f_globals.get("__name__"))
    return name.startswith(_IDLE_MODULES) and frame.f_code.co_name not in _NO_WAITS


class Gate:
    """A real gate: opening it lets one wait through, now or later."""

    __slots__ = ("_lock",)

    acquire: ClassVar[Callable[..., bool]] = staticmethod(LockType.acquire)
    release: ClassVar[Callable[..., None]] = staticmethod(LockType.release)
    """Of locks; the world puts the ones here that stay real in runs."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self.acquire(self._lock)

    def open(self) -> None:
        """Release one wait; opened twice is opened once."""
        with suppress(RuntimeError):
            self.release(self._lock)

    def wait(self, timeout_s: float = -1) -> bool:
        """Wait, really, until the gate is open, and close it; false if it took too long."""
        return self.acquire(self._lock, True, timeout_s)


class RealThreadWaiter:
    """One wait of a thread from outside: it waits for real, and is seen."""

    __slots__ = ("_real_thread", "awake", "is_timed", "looks")

    def __init__(self, thread: RealThread, *, is_timed: bool) -> None:
        self._real_thread = thread
        self.is_timed: bool = is_timed
        """Whether it ends by itself, in real time."""
        self.awake: bool = False
        self.looks: int = 0
        """How often the loop has looked since it was woken."""
        thread.waiting = self
        thread.real_work.ring()

    def park(self) -> bool:
        """Never called: the thread waits by itself."""
        raise AssertionError

    def wake(self) -> None:
        """Count the thread as working again."""
        self.looks = 0
        self.awake = True

    def end(self) -> None:
        """Count it so however it came."""
        self._real_thread.waiting = None


class RealThread:
    """A thread that is not under the scheduler, while this world cares whether it works."""

    __slots__ = ("doubt_s", "ident", "real_work", "waiting")

    is_foreign = True

    def __init__(self, real_work: RealWork, ident: int) -> None:
        self.real_work: RealWork = real_work
        self.ident: int = ident
        self.waiting: RealThreadWaiter | None = None
        self.doubt_s: float = 0.0
        """For how long the loop has waited for it since it last spoke."""

    def waiter(self, _thing: object, timeout_ns: int | None, /) -> RealThreadWaiter:
        """Begin a wait that is seen."""
        return RealThreadWaiter(self, is_timed=timeout_ns is not None)

    def adopt(self, _function: Callable[..., object], /) -> RealChild:
        """See the waits of a thread that it starts, and count it as working for the world, too."""
        return RealChild(self.real_work)

    def ended(self, _joined_by: object, /) -> None:
        """Wait for the ends of threads for real."""

    @contextmanager
    def for_real(self) -> Iterator[None]:
        """Wait for real, unseen: the thread counts as working."""
        foreign = self.real_work.threads.bridge.foreign
        del foreign[self.ident]
        try:
            yield
        finally:
            foreign[self.ident] = self

    def works(self, _future: object, /) -> None:
        """Leave alone what it begins: such jobs are seen by :class:`RealJob`."""

    def when_ended(self, _give_back: Callable[[], bool], /) -> None:
        """Do nothing: it belongs to no run."""

    def check_join(self, _joined_by: object, /) -> None:
        """Let it join what it will: it belongs to no run."""

    def limit_s(self) -> float:
        """Return the limit of the run that it works for."""
        return self.real_work.threads.limit_s()

    def is_ending(self) -> bool:
        """Return false: no run ends it."""
        return False

    def call_when_on(self, _ident: int, _call: Callable[[], object] | None, /) -> bool:
        """Return false: no thread of the run is this one's."""
        return False

    def waits_for_real_work(self) -> bool:
        """Return false: outside of runs time passes by itself."""
        return False

    def is_waiting(self) -> bool:
        """Return whether it waits for something that has not been released for it."""
        waiting = self.waiting
        return waiting is not None and not waiting.awake

    def is_in_timed_wait(self) -> bool:
        """Return whether it waits, and will go on by itself."""
        waiting = self.waiting
        return waiting is not None and (waiting.awake or waiting.is_timed)

    def look(self) -> None:
        """Believe no longer in a release that another waiter has used."""
        waiting = self.waiting
        if waiting is not None and waiting.awake:
            waiting.looks += 1
            waiting.awake = waiting.looks < _LOOKS_AWAKE

    def is_at_work(self, limit_s: float) -> bool:
        """Return whether the thread does something that may end in a call to the loop."""
        if self.doubt_s >= limit_s:
            return False
        waiting = self.waiting
        if waiting is not None:
            return waiting.awake
        frame = sys._current_frames().get(self.ident)
        if frame is None:
            return False
        return not _is_idle(frame)


class RealChild:
    """A thread that a real thread of the world's starts: it is seen from its beginning to its end.

    Pools start their threads so: a worker that has nothing to do waits, and is idle.
    """

    number = 0

    def __init__(self, real_work: RealWork) -> None:
        self._real_work = real_work
        self.ident: int = 0
        self.joined_by: object = None

    def main(self, function: Callable[..., object], /, *args: Any, **kwargs: Any) -> None:
        """Be the new thread's whole life."""
        real_work = self._real_work
        ident = real_work.threads.bridge.real_ident()
        real_work.heard_from(ident)
        try:
            function(*args, **kwargs)
        finally:
            # A pool that nobody shut down keeps its workers until it is freed, and then its world
            # may be gone before them: nobody is left to be told.
            with suppress(ReferenceError):
                real_work.gone(ident)

    def abandon(self) -> None:
        """Forget nothing: nothing is kept before it begins."""


class RealJob:
    """A function that an executor of the user's runs, somewhere, for real.

    Called in place of the function, it tells the world which thread that is. Pickled, it is the
    function.
    """

    def __init__(self, real_work: RealWork, function: Callable[..., Any], executor: Any) -> None:
        self._real_work = real_work
        self._function = function
        self._executor = executor
        self._began = False
        self._is_virtual = False
        self.runner: RealThread | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function, in a thread of the executor."""
        self._began = True
        ident = self._real_work.threads.bridge.real_ident()
        if self._real_work.threads.holds(ident):
            self._is_virtual = True  # The pool's thread was started inside the run.
            return self._function(*args, **kwargs)
        foreign = self._real_work.threads.bridge.foreign
        before = foreign.get(ident)
        is_known = isinstance(before, RealThread) and before.real_work is self._real_work
        self.runner = foreign[ident] = before if is_known else RealThread(self._real_work, ident)
        try:
            return self._function(*args, **kwargs)
        finally:
            self.runner = None
            if before is None:
                foreign.pop(ident, None)
            else:
                foreign[ident] = before

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial, (self._function,)

    def watch(self, future: Any) -> None:
        """Count the job until its future is done."""
        if isinstance(future, Future):
            self._real_work.jobs[self] = None
            self._real_work.has_been = True
            self._real_work.watch()
            future.add_done_callback(self._done)

    def _done(self, _future: Any) -> None:
        self._real_work.jobs.pop(self, None)
        self._real_work.ring()

    def is_at_work(self, begun: int) -> bool:
        """Return whether the job goes on by itself, where so many jobs of its pool have begun."""
        if self._is_virtual:
            return False
        if not self._began:
            workers = getattr(self._executor, "_max_workers", None)
            return workers is None or begun < workers
        return self.runner is None or not self.runner.is_waiting()

    @property
    def executor(self) -> Any:
        """Where the job runs."""
        return self._executor

    @property
    def has_begun(self) -> bool:
        """Whether a thread has taken the job."""
        return self._began


class RealWork:
    """The real work that one world waits for."""

    has_been: bool = False
    """Whether there was any: what threads outside of the world did when is not in the seed."""

    def __init__(self, scheduler: ThreadScheduler) -> None:
        self.threads = scheduler
        self.jobs: dict[RealJob, None] = {}
        self.failure: BaseException | None = None
        self.shutdowns: int = 0
        """How many pools of the user's are shutting down."""
        self._shutdown_doubt_s = 0.0
        """For how long the loop has waited for nothing but that."""
        self._real_threads: dict[int, RealThread] = {}
        self._bell = Gate()
        self._seen_busy: dict[int, None] = {}
        """Threads of which nothing is known, and that did something at some look at them."""

    def begin_shutdown(self) -> None:
        """Wait from now on, but not for ever, for a pool's threads to end."""
        self.shutdowns += 1
        self._shutdown_doubt_s = 0.0

    def ring(self) -> None:
        """Wake the loop's thread, if it waits; callable from any thread."""
        self._bell.open()

    def heard_from(self, ident: int) -> None:
        """Take note that a thread from outside has spoken to the loop."""
        self.has_been = True
        foreign = self.threads.bridge.foreign
        known = foreign.get(ident)
        if not isinstance(known, RealThread) or known.real_work is not self:
            self._real_threads[ident] = foreign[ident] = RealThread(self, ident)
            self.watch()
        else:
            known.doubt_s = 0.0
        self.ring()

    def watch(self) -> None:
        """Be asked from now on before the clock jumps."""
        self.threads.kernel.before_jump = self.before_jump

    def fail(self, error: BaseException) -> None:
        """End the run by an error, before the clock next jumps."""
        self.failure = error
        self.watch()

    def gone(self, ident: int) -> None:
        """Forget a real thread that ends."""
        thread = self._real_threads.pop(ident, None)
        foreign = self.threads.bridge.foreign
        if thread is not None and foreign.get(ident) is thread:
            del foreign[ident]
        self.ring()

    def forget(self, foreign: dict[int, Any]) -> None:
        """Forget every real thread, because the loops of the world are closed."""
        for ident, thread in self._real_threads.items():
            if foreign.get(ident) is thread:
                del foreign[ident]
        self._real_threads.clear()
        self.jobs.clear()

    def is_forgotten(self) -> bool:
        """Return whether no real thread and no real job is known."""
        return not (self._real_threads or self.jobs)

    def is_at_work(self) -> bool:
        """Return whether there is real work that goes on by itself."""
        jobs = list(self.jobs)
        if any(job.is_at_work(self._begun(job.executor)) for job in jobs):
            return True
        if self.shutdowns and not jobs and self._shutdown_doubt_s < self.threads.limit_s():
            return True  # Nothing is left but to see the pool's threads end.
        if not self._real_threads:
            return False
        # A thread's identifier is used again when it has ended.
        inside = [
            self.threads.bridge.real_ident(),
            *(thread.ident for thread in self.threads.sim_threads),
        ]
        limit_s = self.threads.limit_s()
        return any(
            each.is_at_work(limit_s)
            for ident, each in list(self._real_threads.items())
            if ident not in inside
        )

    def _begun(self, executor: Any) -> int:
        jobs = list(self.jobs)
        return sum(1 for job in jobs if job.has_begun and job.executor is executor)

    def before_jump(self) -> bool:
        """Wait while real work goes on; true if it came to something."""
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        has_work = self.threads.kernel.has_work
        while not has_work() and self.is_at_work():
            self.wait()
        return has_work()

    def patience(self, limit_s: float | None = None) -> Patience:
        """Return the patience of one wait: ``real_wait_limit`` seconds, if not otherwise said."""
        return Patience(self.threads.limit_s() if limit_s is None else limit_s)

    def hears_from_unknown_threads(self, patience: Patience) -> bool:
        """Wait a little for threads of which nothing is known; false once there is no hope.

        A thread that has nothing to do with the run may hold a lock for a moment that a thread of
        the run wants (the one of logging, say); one that began before the loop may be about to
        speak to it. Of a wait with a time-out of its own something comes, too.
        """
        others = self._frames_outside()
        is_timed = self._has_timed_waits()
        if not others and not is_timed:
            return False
        busy = [ident for ident, frame in others.items() if not _is_idle(frame)]
        self._seen_busy.update(dict.fromkeys(busy))
        is_busy = is_timed or bool(busy)
        wait_s = patience.next_s(is_busy=is_busy)
        if wait_s is None:
            return False
        if wait_s:
            self._bell.wait(wait_s)
        return True

    def _frames_outside(self) -> dict[int, FrameType]:
        inside = [
            self.threads.bridge.real_ident(),
            *(thread.ident for thread in self.threads.sim_threads),
        ]
        frames = sys._current_frames()
        return {ident: frame for ident, frame in frames.items() if ident not in inside}

    def describe(self) -> str:
        """List the real threads outside of the run that do something, and what they were given."""
        busy = [
            ident
            for ident, frame in self._frames_outside().items()
            if ident in self._seen_busy or not _is_idle(frame)
        ]
        if not busy:
            return ""
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        limit_s = self.threads.limit_s()
        listed = "".join(
            f"\n\n  the real thread {names.get(ident, '?')!r}, outside of the run, stands\n"
            f"    at {position_of(ident)}"
            for ident in busy
        )
        return (
            f"{listed}\n  It was heard out for a while: {limit_s} s of real time"
            " (loop.real_wait_limit, which can be raised) where a thread waits or it has spoken to"
            f" the loop by call_soon_threadsafe, {limit_s / _STRANGERS_PART} s where a task does"
        )

    def _has_timed_waits(self) -> bool:
        """Return whether a real thread of ours waits for a time: it goes on by itself."""
        threads = [job.runner for job in list(self.jobs) if job.runner is not None]
        threads += list(self._real_threads.values())
        return any(thread.is_in_timed_wait() for thread in threads)

    def may_be_addressed(self) -> bool:
        """Wait for a word from a thread outside, the main thread say; true if it came.

        Asked when nothing else can happen: such a loop waits for a thread that was there before.
        """
        has_work = self.threads.kernel.has_work
        tasks_s = self.threads.limit_s() / _STRANGERS_PART
        patience = self.patience(None if self._has_timed_waits() else tasks_s)
        while self.hears_from_unknown_threads(patience):
            if has_work() or self.before_jump():
                return True
        main = threading.main_thread()._ident  # type: ignore[attr-defined]  # the real one
        if main is None or main == self.threads.bridge.real_ident():
            return has_work()
        if main not in self._real_threads:
            self.heard_from(main)
        for _ in range(_LOOKS):  # Where it waits now may be what the loop has just ended.
            if not has_work():
                self.wait()
        return self.before_jump()

    def pause(self, seconds: float) -> None:
        """Wait for real, or until something changes."""
        self._bell.wait(seconds)

    def wait(self) -> None:
        """Wait until something changes, or for a moment."""
        self.threads.kernel.limits.make_deferred()  # A signal came between two waits.
        if self._bell.wait(_SLICE_S):
            return
        if self.shutdowns:
            self._shutdown_doubt_s += _SLICE_S
        for thread in self._real_threads.values():
            thread.doubt_s += _SLICE_S
            thread.look()
        for job in list(self.jobs):
            if job.runner is not None:
                job.runner.look()
