"""The default executor: functions that run beside the loop, in virtual time.

Owns: the queue of jobs and the workers that take them. A job runs at one instant, at its turn, in
order: handing it to a worker appends one step to the ready queue, and that step is the job, up to
where it first waits. What comes of it is told to its future in the step in which it ends.

Must not know: what a job waits for; workers are threads like others.

Invariants:

- There are at most 32 workers, whatever the machine; jobs beyond wait in order.
- A job whose future was cancelled before its turn never runs; later cancelling changes nothing.
  Where an explored run delays its turn, a worker has taken it: then it runs, as in a real executor
  (CPython: ``set_running_or_notify_cancel`` comes before the function).
- A worker is idle, or has one job.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import CancelledError, InvalidStateError
from typing import TYPE_CHECKING, Any

from .sim_thread import SimThread, name_of, what_runs
from .thread_position import position_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .thread_scheduler import ThreadScheduler

__all__ = ["Job", "Workers"]

_WORKERS_MAX = 32
"""asyncio's own limit on a machine of many cores; the same on every machine."""


class Job:
    """A function and its future."""

    __slots__ = ("args", "error", "function", "future", "is_begun", "result")

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], future: asyncio.Future[Any]
    ) -> None:
        self.function = function
        self.args = args
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None
        self.is_begun = False

    def run(self) -> None:
        """Run the function, on the worker's thread."""
        if self.future.cancelled() and not self.is_begun:
            return
        try:
            self.result = self.function(*self.args)
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to who awaits
            self.error = error

    def settle(self) -> None:
        """Set the future, on the loop's thread."""
        future, error, self.error = self.future, self.error, None
        if future.done():
            return
        if error is None:
            future.set_result(self.result)
            return
        if isinstance(error, StopIteration):
            wrapped = RuntimeError(
                f"the job raised {error!r}, which cannot be raised into a future"
            )
            wrapped.__cause__, error = error, wrapped
        future.set_exception(_in_asyncio(error))


def _in_asyncio(error: BaseException) -> BaseException:
    """Turn the two errors of other futures into asyncio's own, which have other classes."""
    for foreign, own in (
        (CancelledError, asyncio.CancelledError),
        (InvalidStateError, asyncio.InvalidStateError),
    ):
        if type(error) is foreign:
            return own(*error.args)
    return error


class Worker(SimThread):
    """A thread that runs jobs."""

    def __init__(self, workers: Workers, scheduler: ThreadScheduler, loop: Any, index: int) -> None:
        super().__init__(scheduler, loop, scheduler.next_number(), "a worker")
        self.job: Job | None = None
        self._workers = workers
        self._thread = threading.Thread(
            target=self.main, args=(self._work,), name=f"asyncio_{index}", daemon=True
        )
        self.function = self._thread._bootstrap  # type: ignore[attr-defined]  # says whose life
        self.joined_by = self._thread
        self._is_last = False  # Whether it ends when no job is left: its loop has closed.

    def start(self) -> None:
        """Start the thread, which waits for its first turn."""
        with self.threads.for_real():
            self._thread.start()
        # No process waits for it, and yet its flag is that of ThreadPoolExecutor's threads since
        # 3.9: threads that a job starts inherit it.
        self._thread._daemonic = False  # type: ignore[attr-defined]
        self.threads.take_in(self)

    def begins_with(self) -> Any:
        """Return the function of the job that it is about to begin, or None."""
        job = self.job
        is_new = job is not None and (not self.ident or self.waits_for is None)
        return what_runs(job.function, job.args) if job is not None and is_new else None

    def take(self, job: Job) -> None:
        """Run a job at the next turn."""
        self.job = job
        self.call_it(name_of(job.function, job.args))
        self.schedule()

    def _work(self) -> None:
        while not self.is_ending:
            job = self.job
            if job is not None:
                job.run()
                del job
            if self._is_last:
                self.job = self._workers.next_job()
                if self.job is None:
                    return
            else:
                self.park(None)

    def outlive(self, heir: Any) -> None:
        """Do what is to be done, and end: the loop closes, so nobody hears of it.

        That is what a worker does whose executor is shut down and does not wait.
        """
        if self.job is None:
            self.threads.end_thread(self)
        else:
            self._is_last = True
            super().outlive(heir)

    def _is_late(self) -> None:
        if self.job is not None:
            self.job.is_begun = True

    def _after_turn(self) -> None:
        """Settle the job if it has ended: only between jobs a worker waits for nothing."""
        job = self.job
        if job is None or self._is_last or (self.waits_for is not None and not self.has_ended):
            return
        kernel: Any = self.kernel
        ns = 0 if kernel.gate is None else kernel.delay_ns("done", self.__qualname__)
        if ns and not self.is_ending:
            # The worker is not free before it has told: of one thread, no end overtakes another.
            kernel.call_after(ns, self._settle, (), self._context, self.loop)
        else:
            self._settle()

    def _settle(self) -> None:
        """Tell the job's end, and be free for the next."""
        job, self.job = self.job, None
        if job is not None and not self.is_ending:
            job.settle()
            self._workers.is_free(self)

    def failed(self, error: BaseException | None) -> None:
        """Set the error on the future of the job."""
        job, self.job = self.job, None
        if job is not None and error is None:
            job.future.cancel()
        elif job is not None:
            job.error = error
            job.settle()
        self._workers.is_gone(self)


class Workers:
    """The default executor of one loop."""

    def __init__(self, scheduler: ThreadScheduler, loop: Any) -> None:
        self._scheduler = scheduler
        self._loop = loop
        self._workers: dict[Worker, None] = {}
        self._idle: deque[Worker] = deque()
        self._waiting: deque[Job] = deque()
        self._started = 0
        self._emptied: asyncio.Future[None] | None = None

    def submit(self, function: Callable[..., Any], args: tuple[Any, ...]) -> asyncio.Future[Any]:
        """Schedule a function as a job; return the future of its result."""
        job = Job(function, args, self._loop.create_future())
        if self._idle:
            self._idle.popleft().take(job)
        elif len(self._workers) < _WORKERS_MAX:
            self._hire().take(job)
        else:
            self._waiting.append(job)
        return job.future

    def _hire(self) -> Worker:
        worker = Worker(self, self._scheduler, self._loop, self._started)
        worker.start()
        self._started += 1
        self._workers[worker] = None
        return worker

    def is_free(self, worker: Worker) -> None:
        """Give a worker its next job."""
        while self._waiting:
            job = self._waiting.popleft()
            if not job.future.cancelled():
                worker.take(job)
                return
        self._idle.append(worker)
        self._look_whether_empty()

    def next_job(self) -> Job | None:
        """Return a job that waits for a worker, if there is one."""
        return self._waiting.popleft() if self._waiting else None

    def is_gone(self, worker: Worker) -> None:
        """Do without a worker."""
        self._workers.pop(worker, None)
        while self._waiting and len(self._workers) < _WORKERS_MAX:
            self._hire().take(self._waiting.popleft())
        self._look_whether_empty()

    def _look_whether_empty(self) -> None:
        emptied = self._emptied
        if emptied is not None and not emptied.done() and not self._is_busy():
            emptied.set_result(None)

    def _is_busy(self) -> bool:
        return bool(self._waiting) or len(self._idle) < len(self._workers)

    async def work_off(self) -> None:
        """Wait until every job is done."""
        if self._is_busy():
            self._emptied = self._loop.create_future()
            await self._emptied

    def dismiss(self) -> None:
        """Drop the jobs that have not begun, and let idle workers end; busy ones stay."""
        self._waiting.clear()
        for worker in self._idle:
            self._workers.pop(worker, None)
            worker.is_ending = True
            self._scheduler.switch_to(worker)
        self._idle.clear()

    def describe(self, future: object) -> str | None:
        """Say what the job of a future waits for; None if it is the future of no job."""
        for worker in self._workers:
            if worker.job is not None and worker.job.future is future:
                return f"the job {worker.__qualname__}, which stands at {position_of(worker.ident)}"
        for position, job in enumerate(self._waiting):
            if job.future is future:
                name = name_of(job.function, job.args)
                return f"the job {name}, number {position + 1} of those that wait for a worker"
        return None
