"""Pools of threads that outlive a run: each run, and the real loop, finds them working.

Owns: what becomes of an object that keeps worker threads, where these belong to one side and it is
used on the other. A worker that was started in a run ends with it, and one that was started outside
works in real time, so neither can serve the other side.

- ``ThreadPoolExecutor``: in a run it has workers, a queue and a count of idle ones of its own, and
  those from outside back afterwards. What a run has not begun is done by those.
- ``multiprocessing.pool.ThreadPool``: in a run it has the insides of a pool that was made there;
  one that was made in a run gets new ones when it is next used.

A job that a run has begun and not ended is an error where its result is asked for.

Must not know: how a thread of a run ends.

Invariants: outside of runs nothing is different for a pool that no run has used. Pools are known
weakly.
"""

from __future__ import annotations

import functools
import queue
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import entry, rewrite, when_loaded
from simloop._sandbox.run_context import by_thread, get_ident
from simloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from simloop._sandbox.contracts import Threads

__all__ = ["drop_workers", "end_workers", "serves_run", "threads_of_run"]


def threads_of_run() -> Threads | None:
    """Return what the calling thread's run says of threads, or None outside of runs."""
    run = by_thread.get(get_ident())
    return None if run is None else run.threads


def _lost(what: str) -> UsageError:
    return UsageError(
        f"{what} was begun in a run of simloop and had not ended when that was over, so it never"
        " will; await it in the run"
    )


# ThreadPoolExecutor ------------------------------------------------------------------------

_INSIDES = ("_threads", "_work_queue", "_idle_semaphore")


class _IdleWorkers(threading.Semaphore):
    """The count of a run's idle workers; one from outside that gets idle meanwhile is not one."""

    def __init__(self, outside: threading.Semaphore) -> None:
        super().__init__(0)
        self._outside = outside

    def release(self, n: int = 1) -> None:
        """Count a worker that has ended its job."""
        if get_ident() in by_thread:
            super().release(n)
        else:
            self._outside.release(n)


class _WorkQueue(queue.SimpleQueue[Any]):
    """The queue of a run's workers, which end in silence when the run does.

    An idle worker is ended where it waits, by SystemExit, and a worker that ends so says that on
    the log. One whose executor is shut down returns: so that is what it is told, until the executor
    is given back.
    """

    find: Callable[[], Any]
    was_shut_down: bool | None = None
    in_submit: int = 0
    """How many threads are in ``submit``: after the run, those that were killed in it."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002 - its signature
        try:
            return super().get(block, timeout)
        except SystemExit:
            self.shut_down()
            return None

    def shut_down(self) -> None:
        """Let the workers end when nothing is left to do."""
        executor = self.find()
        if executor is not None:
            if self.was_shut_down is None:
                self.was_shut_down = executor._shutdown
            executor._shutdown = True


def serves_run(executor: Any) -> bool:
    """Return whether the workers of an executor are threads of the run, by a ``submit`` in it."""
    return isinstance(getattr(executor, "_work_queue", None), _WorkQueue)


_modules: list[Any] = []
"""``concurrent.futures.thread``, once it is loaded."""


def _register_thread_pools(module: ModuleType) -> None:
    _modules.append(module)

    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        threads = threads_of_run()
        if threads is None:
            return real_submit(self, fn, *args, **kwargs)
        _refuse_at_the_end(self)
        if not isinstance(self._idle_semaphore, _IdleWorkers):
            _take_over(self, threads)
        work = self._work_queue
        work.in_submit += 1
        try:
            future = real_submit(self, fn, *args, **kwargs)
        finally:
            work.in_submit -= 1
        future.add_done_callback(functools.partial(_say_if_lost, threads))
        return future

    real_submit = rewrite(module.ThreadPoolExecutor.submit, submit)


def _refuse_at_the_end(executor: Any) -> None:
    """Refuse a job of a process that has come to its end, as the executor itself would."""
    process = by_thread[get_ident()].identity
    functions = None if process is None else process.of_caller().exit_functions
    if functions is not None and functions.is_through_with_threads and not executor._shutdown:
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")


def end_workers(threads: list[threading.Thread]) -> list[threading.Thread]:
    """Tell the workers of pools that no more jobs come; return the threads that will end.

    So does ``concurrent.futures.thread._python_exit``, for all pools of the interpreter. A pool
    that other processes use as well, by a module that they share, goes on.

    Args:
        threads: Those of one process.
    """
    spared: list[threading.Thread] = []
    for worker, work in [each for queues in _all_queues() for each in queues.items()]:
        if worker not in threads or not isinstance(work, _WorkQueue):
            continue
        executor = work.find()
        others = [] if executor is None else executor._threads
        if any(each not in threads and each.is_alive() for each in others):
            spared.append(worker)
        else:
            work.shut_down()
            work.put(None)
    return [each for each in threads if each not in spared]


def drop_workers(threads: list[Any]) -> list[Any]:
    """Forget workers that never go on: their process was killed.

    Returns:
        What they shared, with the jobs in it.
    """
    queues = [each.pop(worker, None) for each in _all_queues() for worker in threads]
    return [*queues, *[each.drop_if_of(threads) for each in tuple(_pools_of_runs)]]


def _all_queues() -> list[Any]:
    """List the interpreter's tables of the queues of workers: one, or none if it has no pool."""
    return [module._threads_queues for module in _modules]


def _say_if_lost(threads: Threads, future: Any) -> None:
    """Exchange the error of a job that was broken off, which would end whoever asks for it."""
    if threads.is_ending() and isinstance(future._exception, SystemExit):
        future._exception = _lost("a job of a ThreadPoolExecutor")


def _take_over(executor: Any, threads: Threads) -> None:
    """Give an executor workers of the run, until it is over."""
    outside = [getattr(executor, name) for name in _INSIDES]
    find = weakref.ref(executor)
    executor._threads = set()
    executor._work_queue = _WorkQueue()
    executor._work_queue.find = find
    executor._idle_semaphore = _IdleWorkers(outside[2])

    def give_back() -> bool:
        found = find()
        if found is None:
            outside[1].put(None)  # As the executor's own callback does when it is collected.
            return True
        left = found._work_queue  # Not held from here: it goes with an executor that was killed.
        # In a submit its program was killed: the job is nobody's any more.
        if left.in_submit or any(thread.is_alive() for thread in found._threads):
            return False
        if left.was_shut_down is not None:
            found._shutdown = left.was_shut_down
        for name, value in zip(_INSIDES, outside, strict=True):
            setattr(found, name, value)
        with suppress(queue.Empty):
            while True:
                item = left.get_nowait()
                if item is not None:
                    found._work_queue.put(item)
                    if not found._shutdown:
                        found._adjust_thread_count()
        if found._shutdown:
            found._work_queue.put(None)
        return True

    threads.when_ended(give_back)


when_loaded("concurrent.futures.thread", _register_thread_pools)


# multiprocessing.pool.ThreadPool -----------------------------------------------------------


def _register_pool(module: ModuleType) -> None:
    real_init, real_check = module.ThreadPool.__init__, module.Pool._check_running

    @functools.wraps(real_init)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        real_init(self, *args, **kwargs)
        threads = threads_of_run()
        if threads is not None:
            _revive_later(self, threads)

    def check_running(self: Any) -> None:
        threads = threads_of_run()
        if (
            threads is not None
            and isinstance(self, module.ThreadPool)
            and threads.ended(self._worker_handler) is None
            and self._state == module.RUN
        ):
            inner = module.ThreadPool.__new__(type(self))
            real_init(inner, self._processes, self._initializer, self._initargs)
            _exchange_insides(self, inner, threads)
        real_check(self)

    entry(module.ThreadPool, "__init__", init)
    entry(module.Pool, "_check_running", check_running)


def _give_up_jobs(insides: dict[str, Any]) -> None:
    """Let the results fail that nobody works for any more."""
    for result in list(insides["_cache"].values()):
        with suppress(Exception):  # A callback of the program's.
            result._set(0, (False, _lost("a job of a ThreadPool")))
    insides["_terminate"].cancel()  # Its threads have ended.


def _is_on(insides: dict[str, Any]) -> bool:
    handlers = insides["_worker_handler"], insides["_task_handler"], insides["_result_handler"]
    return any(thread.is_alive() for thread in (*handlers, *insides["_pool"]))


class _PoolOfRun:
    """A pool that a run has given insides, until these have ended."""

    def __init__(self, pool: Any, inside: dict[str, Any], then: Callable[[Any], object]) -> None:
        self._find = weakref.ref(pool)
        self._given: tuple[dict[str, Any], Callable[[Any], object]] | None = (inside, then)
        _pools_of_runs.append(self)

    def __call__(self) -> bool:
        """Tell the pool, or None if that is gone, when they have ended; return whether it was."""
        if self._given is None:
            return True
        inside, then = self._given
        if _is_on(inside):
            return False
        _give_up_jobs(inside)
        then(self._find())
        self._drop()
        return True

    def drop_if_of(self, workers: list[Any]) -> object:
        """Forget them if these threads, which were killed, are theirs; return what is forgotten."""
        if self._given is None or self._given[0]["_worker_handler"] not in workers:
            return None
        self._given[0]["_terminate"].cancel()
        return self._drop()

    def _drop(self) -> object:
        _pools_of_runs.remove(self)
        given, self._given = self._given, None
        return given


_pools_of_runs: list[_PoolOfRun] = []


def _exchange_insides(pool: Any, inner: Any, threads: Threads) -> None:
    """Give a pool from outside the insides of one of the run, until that is over."""
    outside, inside = dict(pool.__dict__), dict(inner.__dict__)
    pool.__dict__.update(inside)

    def give_back(found: Any) -> None:
        if found is not None:
            state = found._state
            found.__dict__.update(outside)
            if state != inside["_state"]:
                found.terminate()  # The run has closed it.
        inner._state = None  # It is held until here, because its finalizer ends its threads.

    threads.when_ended(_PoolOfRun(pool, inside, give_back))


def _revive_later(pool: Any, threads: Threads) -> None:
    """Let a pool of the run get new threads when it is used after the run."""
    inside = dict(pool.__dict__)

    def revive_when_used(found: Any) -> None:
        if found is not None and found._state == inside["_state"]:
            found._check_running = functools.partial(_revive, weakref.ref(found))

    threads.when_ended(_PoolOfRun(pool, inside, revive_when_used))


def _revive(find: Any) -> None:
    """Begin anew, where the pool is used now: in another run, or outside."""
    pool = find()
    del pool._check_running
    pool.__init__(pool._processes, pool._initializer, pool._initargs)
    pool._check_running()


when_loaded("multiprocessing.pool", _register_pool)
