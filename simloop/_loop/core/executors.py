"""Executors: functions that run beside the loop.

Owns: asyncio's calls for them. The default executor is the world's own and virtual
(:mod:`simloop._threads.thread_pool`); an executor that the user passes runs for real, and the loop
waits for it with the clock standing still (:mod:`simloop._threads.real_threads`).
"""

from __future__ import annotations

import asyncio
import threading
import warnings
from asyncio import futures
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from simloop._loop.state import LoopState
from simloop._sandbox import serves_run
from simloop._threads.job_cost import JobCost
from simloop._threads.real_threads import RealJob
from simloop._threads.thread_pool import Workers

from .callbacks import check_callback

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Executors"]


class Executors(LoopState):
    """The part of a loop that runs functions in executors."""

    real_wait_limit: float = 10.0
    """For how many real seconds a thread may stand still in a way that the loop can't see.

    For so long is waited, too, for threads outside of the run before a thread's deadlock is told (a
    fifth of it before a deadlock of tasks), and for a lock that another process holds.
    """

    _default_executor: ThreadPoolExecutor | None = None
    _executor_shutdown_called = False
    _workers: Workers | None = None
    _job_cost: JobCost | None = None

    def run_in_executor(  # type: ignore[override]  # typeshed's TypeVarTuple says no more
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run ``func(*args)`` beside the loop and return the future of its result.

        Args:
            executor: None for the default one, in which the function runs at its turn and
                ``time.sleep`` and waiting for other threads are virtual; an executor of
                :mod:`concurrent.futures` runs it for real while the clock stands still.
            func: What to run.
            *args: Its arguments.

        Raises:
            RuntimeError: The loop is closed, or its default executor was shut down.
        """
        self._check_closed()
        if self._debug:
            check_callback(func, "run_in_executor")
        if executor is None:
            if self._executor_shutdown_called:
                raise RuntimeError("Executor shutdown has been called")
            executor = self._default_executor
        if executor is not None:
            future = self._run_for_real(executor, func, args)
        else:
            if self._workers is None:
                self._workers = Workers(self._scheduler, self)
            future = self._workers.submit(func, args)
        if self._job_cost is None:
            self._job_cost = JobCost(self._kernel)
        self._job_cost.submitted(future)
        return future

    def _run_for_real(
        self, executor: Any, func: Callable[..., Any], args: tuple[Any, ...]
    ) -> asyncio.Future[Any]:
        if serves_run(executor):
            # Behind jobs that wait in virtual time, real work would be waited for for ever.
            return futures.wrap_future(executor.submit(func, *args), loop=self)
        real_work = self._scheduler.real_work
        job = RealJob(real_work, func, executor)
        with self._scheduler.for_real():
            real = executor.submit(job, *args)
        future = futures.wrap_future(real, loop=self)
        job.watch(real)
        return future

    def set_default_executor(self, executor: ThreadPoolExecutor) -> None:  # type: ignore[override]  # as asyncio checks
        """Run what asks for the default executor in this one, for real.

        Raises:
            TypeError: It is no ``ThreadPoolExecutor``.
        """
        if not isinstance(executor, ThreadPoolExecutor):
            raise TypeError("executor must be ThreadPoolExecutor instance")
        self._default_executor = executor

    async def shutdown_default_executor(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - asyncio's signature
    ) -> None:
        """End the default executor when its jobs are done.

        Args:
            timeout: Seconds of virtual time to wait for the jobs; None waits for ever.

        Warns:
            RuntimeWarning: Time ran out; the jobs go on, and are not waited for.
        """
        self._executor_shutdown_called = True
        try:
            async with asyncio.timeout(timeout):
                if self._workers is not None:
                    await self._workers.work_off()
                if self._default_executor is not None:
                    await self._join_for_real(self._default_executor)
        except TimeoutError:
            warnings.warn(
                f"The executor did not finishing joining its threads within {timeout} seconds.",
                RuntimeWarning,
                stacklevel=2,
            )
            if self._default_executor is not None:
                self._default_executor.shutdown(wait=False)
        finally:
            if self._workers is not None:
                self._workers.dismiss()

    async def _join_for_real(self, executor: ThreadPoolExecutor) -> None:
        """Shut a real executor down, in a real thread that the loop waits for."""
        future = self.create_future()

        def shut_down() -> None:
            executor.shutdown(wait=True)
            with suppress(RuntimeError):  # The loop was closed meanwhile.
                self.call_soon_threadsafe(_set_if_pending, future)

        real_work = self._scheduler.real_work
        thread = threading.Thread(target=shut_down, name="simloop-shutdown", daemon=True)
        with self._scheduler.for_real():
            thread.start()
        real_work.watch()
        real_work.begin_shutdown()
        try:
            await future
        finally:
            real_work.shutdowns -= 1
        with self._scheduler.for_real():
            thread.join()

    def _end_threads(self) -> None:
        """End every thread of the loop, because it closes."""
        self._executor_shutdown_called = True
        if self._default_executor is not None:
            self._default_executor.shutdown(wait=False)
        scheduler, heir = self._scheduler, self._process.events
        # A thread of the run that closes a loop of its own is inside already.
        if not scheduler.sim_threads or scheduler.holds(self._world.real_ident()):
            scheduler.end(self, heir)
            return
        with self._world.inside():
            scheduler.end(self, heir)

    def _heard_from_outside(self) -> None:
        """Wake the loop if it waits; see :mod:`simloop._threads.real_threads`."""
        scheduler = self._scheduler
        if self._is_detached and scheduler.has_turn():
            return  # A thread of the run calls, so none waits for real; the queue wakes the loop.
        ident = self._world.real_ident()
        if self._thread_id not in {None, ident} and not scheduler.holds(ident):
            scheduler.real_work.heard_from(ident)
        else:
            scheduler.real_work.ring()


def _set_if_pending(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
