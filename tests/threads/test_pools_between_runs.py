"""Pools and threads of a module: each run finds them working, and asyncio's loop afterwards."""

from __future__ import annotations

import asyncio
import gc
import logging
import logging.handlers
import queue
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import pytest

import simloop

from .kept_log import Kept

RUNS = {"s": simloop.run, "r": asyncio.run}
ORDERS = ("ss", "rs", "sr", "rsr", "srs", "sssrrr")


class Submit:
    """A module's executor, used by submit and wrap_future."""

    def __init__(self):
        self.pool = ThreadPoolExecutor(2)

    async def job(self):
        async with asyncio.timeout(5):
            return await asyncio.wrap_future(self.pool.submit(sum, (1, 2)))

    def close(self):
        self.pool.shutdown()


class Map(Submit):
    """A module's executor, used by map on the loop's thread."""

    async def job(self):
        return sum(self.pool.map(abs, (-1, 2)))


class RunInExecutor(Submit):
    """A module's executor, used in turns as a real one and by submit."""

    async def job(self):
        loop = asyncio.get_running_loop()
        first = await loop.run_in_executor(self.pool, sum, (1,))
        return first + await asyncio.wrap_future(self.pool.submit(sum, (2,)))


class Apply:
    """A module's pool of threads, used on the loop's thread."""

    def __init__(self):
        self.pool = ThreadPool(2)

    async def job(self):
        return self.pool.apply(sum, ((1, 2),))

    def close(self):
        self.pool.close()
        self.pool.join()


class ApplyAsync(Apply):
    """The same, with a callback that speaks to the loop."""

    async def job(self):
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self.pool.apply_async(
            sum,
            ((1, 2),),
            callback=lambda value: loop.call_soon_threadsafe(future.set_result, value),
        )
        async with asyncio.timeout(5):
            return await future


class Lazy(Apply):
    """The same, made where it is first used."""

    def __init__(self):
        self.pool = None

    async def job(self):
        self.pool = self.pool or ThreadPool(2)
        return sum(self.pool.map(abs, (-1, 2)))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", [Submit, Map, RunInExecutor, Apply, ApplyAsync, Lazy])
def test_a_pool_works_in_every_run(kind, order):
    """Simulated and real runs, in any order, have their jobs done by one pool."""
    user = kind()
    try:
        assert [RUNS[which](user.job()) for which in order] == [3] * len(order)
    finally:
        user.close()


def test_jobs_of_a_modules_executor_take_virtual_time():
    """In each run a job that sleeps takes virtual time, whoever made the pool."""
    pool = ThreadPoolExecutor(1)
    pool.submit(int).result()

    async def main():
        await asyncio.wrap_future(pool.submit(time.sleep, 3600))
        return time.monotonic()

    assert [simloop.run(main()) for _ in range(2)] == [3600.0, 3600.0]
    pool.shutdown()


def test_a_job_that_a_run_has_not_begun_is_done_outside():
    """What still waits for a worker when the run is over is done by workers from outside."""
    pool = ThreadPoolExecutor(1)
    left = []

    async def main():
        pool.submit(threading.Event().wait)
        left.append(pool.submit(sum, (1, 2)))
        await asyncio.sleep(1)

    simloop.run(main())
    assert left[0].result(5) == 3
    pool.shutdown()


def test_a_job_of_a_pool_that_a_run_has_not_ended_is_an_error():
    """The result of a job that ended with its run says so, and does not keep one waiting."""
    pool = ThreadPool(1)
    left = []

    async def main():
        left.append(pool.apply_async(threading.Event().wait))
        await asyncio.sleep(1)

    simloop.run(main())
    with pytest.raises(simloop.UsageError, match="had not ended"):
        left[0].get(5)
    assert pool.apply(sum, ((1, 2),)) == 3
    pool.close()
    pool.join()


def test_a_job_of_an_executor_that_a_run_has_not_ended_is_an_error():
    """Its result is an error that says so, and no SystemExit, which would end the program."""
    executor = ThreadPoolExecutor(2)
    left = []

    async def main():
        left.append(executor.submit(threading.Event().wait))
        left.append(executor.submit(sys.exit, 3))
        await asyncio.sleep(1)

    simloop.run(main())
    with pytest.raises(simloop.UsageError, match="had not ended"):
        left[0].result(5)
    with pytest.raises(SystemExit):  # The program's own.
        left[1].result(5)
    executor.shutdown()


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ThreadPool])
def test_a_pool_that_a_run_shuts_down_stays_so(kind):
    """Closing a module's pool in a run ends its threads from outside, too."""
    before = threading.active_count()
    pool = kind(1)
    (pool.submit(int).result() if kind is ThreadPoolExecutor else pool.apply(int))

    async def main():
        if kind is ThreadPoolExecutor:
            pool.submit(int).result()
            pool.shutdown()
        else:
            pool.apply(int)
            pool.close()
            pool.join()

    simloop.run(main())
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(5)  # It has been told, and may not have come to its end yet.
    assert threading.active_count() == before
    with pytest.raises((RuntimeError, ValueError)):
        pool.submit(int) if kind is ThreadPoolExecutor else pool.apply(int)


def test_a_pool_of_a_run_goes_with_it():
    """What a run made and nobody holds leaves no thread and no object behind."""
    before, made = threading.active_count(), []

    async def main():
        executor, pool = ThreadPoolExecutor(2), ThreadPool(2)
        made.extend((weakref.ref(executor), weakref.ref(pool)))
        assert executor.submit(sum, (1, 2)).result() + pool.apply(sum, ((1, 2),)) == 6
        pool.close()

    simloop.run(main())
    gc.collect()
    assert [find() for find in made] == [None, None]
    assert threading.active_count() == before


@pytest.mark.parametrize("started", ["in a run", "outside"])
@pytest.mark.parametrize("order", ["s", *ORDERS])
def test_a_listener_of_a_log_loses_no_line(order, started):
    """Lines of all runs arrive, whether the listener was started in the first one or before."""
    lines, kept = queue.Queue(), Kept()
    listener = logging.handlers.QueueListener(lines, kept)
    log = logging.getLogger("tests.pools_between_runs")
    log.propagate = False
    log.setLevel(logging.INFO)
    log.handlers = [logging.handlers.QueueHandler(lines)]
    if started == "outside":
        listener.start()

    async def main(number):
        if listener._thread is None:
            listener.start()
        log.info("line %d", number)
        await asyncio.sleep(0)

    for number, which in enumerate(order):
        RUNS[which](main(number))
    listener.stop()
    assert kept.lines == [f"line {number}" for number in range(len(order))]


def test_a_listener_of_a_run_that_was_stopped_leaves_no_thread():
    """A listener that is stopped in the run does not go on outside."""
    before = threading.active_count()

    async def main():
        listener = logging.handlers.QueueListener(queue.Queue(), Kept())
        listener.start()
        await asyncio.sleep(1)
        listener.stop()

    simloop.run(main())
    assert threading.active_count() == before


def test_a_pool_that_serves_a_run_takes_jobs_of_the_loop_too():
    """``run_in_executor`` behind ``submit`` on one pool: one line of jobs, in virtual time."""
    pool = ThreadPoolExecutor(3)

    async def main():
        for _ in range(6):
            pool.submit(time.sleep, 0.5)
        value = await asyncio.get_running_loop().run_in_executor(pool, sum, (1, 2))
        return value, time.monotonic()

    with pool:
        assert simloop.run(main()) == (3, 1.0)
        assert pool.submit(sum, (1, 2)).result() == 3
