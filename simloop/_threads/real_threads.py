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
- A thread from outside is seen in the same way. Where it waits for something else, its innermost
  frame tells: the waits of the standard library (a selector, an idle pool worker) are idle, other
  code is at work, for at most ``loop.real_wait_limit`` seconds after the thread last spoke.

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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from .thread_scheduler import ThreadScheduler

__all__ = ["Gate", "RealJob", "RealThread", "RealWork"]

# The real methods, held before anything is patched.
_acquire: Any = LockType.acquire
_release: Any = LockType.release

_SLICE_S = 0.05
"""How often a wait looks again whether whatever it waits for has gone idle unseen."""

_LOOKS = 2
"""How often a loop that is not needed looks again before it believes that."""

_LOOKS_AT_STRANGERS = 20
"""How often it looks again while threads work of which it knows nothing."""

_LOOKS_AWAKE = 6
"""For how many looks a thread that was woken may take to come out of its wait."""

_IDLE_MODULES = (
    "concurrent.futures.process",
    "concurrent.futures.thread",
    "multiprocessing.connection",
    "queue",
    "selectors",
    "simloop._sandbox.process.threads",
    "socketserver",
    "threading",
)


def _is_idle(frame: FrameType) -> bool:
    """Return whether a thread whose innermost frame this is waits in the standard library."""
    return str(frame.f_globals.get("__name__")).startswith(_IDLE_MODULES)


class Gate:
    """A real gate: opening it lets one wait through, now or later."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = allocate_lock()
        _acquire(self._lock)

    def open(self) -> None:
        """Release one wait; opened twice is opened once."""
        with suppress(RuntimeError):
            _release(self._lock)

    def wait(self, timeout_s: float = -1) -> bool:
        """Wait, really, until the gate is open, and close it; false if it took too long."""
        return bool(_acquire(self._lock, True, timeout_s))


class RealThreadWaiter:
    """One wait of a thread from outside: it waits for real, and is seen."""

    __slots__ = ("_real_thread", "awake", "looks")

    def __init__(self, thread: RealThread) -> None:
        self._real_thread = thread
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

    def waiter(self, _thing: object, _timeout_ns: int | None, /) -> RealThreadWaiter:
        """Begin a wait that is seen."""
        return RealThreadWaiter(self)

    def adopt(self, _function: Callable[..., object], /) -> None:
        """Leave threads that an thread starts outside."""

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
        """Leave alone what an thread begins."""

    def waits_for_real_work(self) -> bool:
        """Return false: outside of runs time passes by itself."""
        return False

    def is_waiting(self) -> bool:
        """Return whether it waits for something that has not been released for it."""
        waiting = self.waiting
        return waiting is not None and not waiting.awake

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

    def begin_shutdown(self) -> None:
        """Wait from now on, but not for ever, for a pool's threads to end."""
        self.shutdowns += 1
        self._shutdown_doubt_s = 0.0

    def ring(self) -> None:
        """Wake the loop's thread, if it waits; callable from any thread."""
        self._bell.open()

    def heard_from(self, ident: int) -> None:
        """Take note that a thread from outside has spoken to the loop."""
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

    def forget(self, foreign: dict[int, Any]) -> None:
        """Forget every real thread, because the loops of the world are closed."""
        for ident, thread in self._real_threads.items():
            if foreign.get(ident) is thread:
                del foreign[ident]
        self._real_threads.clear()
        self.jobs.clear()

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

    def hears_from_unknown_threads(self) -> bool:
        """Wait a little for threads of which nothing is known; true if one let go of something.

        A thread that has nothing to do with the run may hold a lock for a moment that a thread of
        the run wants (the one of logging, say).
        """
        inside = [
            self.threads.bridge.real_ident(),
            *(thread.ident for thread in self.threads.sim_threads),
        ]
        for _ in range(_LOOKS_AT_STRANGERS):
            others = [
                frame for ident, frame in sys._current_frames().items() if ident not in inside
            ]
            if all(_is_idle(frame) for frame in others):
                return False
            if self._bell.wait(_SLICE_S):
                return True
        return False

    def may_be_addressed(self) -> bool:
        """Wait for a word from the main thread, if the loop runs beside it; true if it came.

        Asked when nothing else can happen: such a loop waits for the thread that started it.
        """
        waiting = any(each.waits_for is not None for each in self.threads.sim_threads)
        if waiting and self.hears_from_unknown_threads() and self.threads.kernel.has_work():
            return True
        main = threading.main_thread()._ident  # type: ignore[attr-defined]  # the real one
        if main is None or main == self.threads.bridge.real_ident():
            return False
        if main not in self._real_threads:
            self.heard_from(main)
        for _ in range(_LOOKS):  # Where it waits now may be what the loop has just ended.
            if not self.threads.kernel.has_work():
                self.wait()
        return self.before_jump()

    def pause(self, seconds: float) -> None:
        """Wait for real, or until something changes."""
        self._bell.wait(seconds)

    def wait(self) -> None:
        """Wait until something changes, or for a moment."""
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
