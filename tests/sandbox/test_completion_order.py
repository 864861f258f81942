"""What completes together is told in one order: asyncio.as_completed and concurrent.futures."""

from __future__ import annotations

import asyncio
import concurrent.futures as cf
import inspect
import sys
import time

import pytest

import simloop


async def number(n: int, seconds: float = 0) -> int:
    """Be one of several that are done at one time."""
    await asyncio.sleep(seconds)
    return n


def test_coroutines_complete_in_the_order_given():
    """Those that are done at one time are told in the order in which they were passed."""

    async def main() -> list[int]:
        return [await each for each in asyncio.as_completed([number(n) for n in range(50)])]

    assert simloop.run(main()) == list(range(50))


def test_any_iterable_of_awaitables_will_do():
    """Coroutines, tasks and futures may be mixed, given twice, and come from a generator."""

    async def main() -> list[int]:
        task = asyncio.create_task(number(1))
        future = asyncio.get_running_loop().create_future()
        future.set_result(2)
        given = iter([number(0), task, future, task, number(3)])
        return sorted([await each for each in asyncio.as_completed(given)])

    assert simloop.run(main()) == [0, 1, 2, 3]


@pytest.mark.skipif(sys.version_info < (3, 13), reason="asynchronous iteration came with 3.13")
def test_asynchronous_iteration_is_in_order_too():
    """It yields tasks, of which those that were given are the same objects."""

    async def main() -> list[int]:
        task = asyncio.create_task(number(9))
        found = [each async for each in asyncio.as_completed([task, *map(number, range(20))])]
        assert found[0] is task
        return [each.result() for each in found]

    assert simloop.run(main()) == [9, *range(20)]


@pytest.mark.parametrize("simulated", [False, True])
def test_as_completed_refuses_and_waits_as_ever(simulated):
    """It refuses what is no iterable of awaitables, times out, and makes tasks when asked."""

    async def main() -> list[str]:
        told = []
        coroutine = number(0)
        for given in (coroutine, asyncio.get_running_loop().create_future(), [3], 3):
            try:
                for each in asyncio.as_completed(given):
                    await each
            except TypeError as error:
                told.append(str(error))
        coroutine.close()
        try:
            for each in asyncio.as_completed([number(2, 9)], timeout=0):
                await each
        except TimeoutError:
            told.append("timeout")
        coroutine = number(3)
        iterator = asyncio.as_completed([coroutine])
        told.append(inspect.getcoroutinestate(coroutine))
        before = len(asyncio.all_tasks())
        first = next(iter(iterator))
        told += [f"{len(asyncio.all_tasks()) - before} more", str(await first)]
        return told

    told = (simloop.run if simulated else asyncio.run)(main())
    assert len(told) == 4 + 1 + 3
    assert told[4] == "timeout"
    assert told[6:] == ["1 more" if sys.version_info < (3, 13) else "0 more", "3"]
    _told.setdefault("told", told)
    assert _told["told"] == told


_told: dict = {}


def jobs_of(pool: cf.Executor) -> list[cf.Future]:
    return [pool.submit(lambda n=n: (time.sleep(1), n)[1]) for n in range(12)]


def test_futures_of_pools_complete_in_order():
    """as_completed and wait in a thread of the run tell of jobs in one order, by number."""

    def work() -> list:
        with cf.ThreadPoolExecutor(4) as pool:
            completed = [job.result() for job in cf.as_completed(jobs_of(pool))]
            jobs = jobs_of(pool)
            done, _ = cf.wait(jobs)
            return [completed, [jobs.index(job) for job in done]]

    async def main() -> list:
        return await asyncio.to_thread(work)

    completed, done = simloop.run(main())
    assert sorted(completed) == sorted(done) == list(range(12))
    assert [completed, done] == simloop.run(main())


def test_locks_of_futures_are_taken_by_number():
    """In a run that is the order of their numbers, and outside that of addresses, as ever."""
    from concurrent.futures._base import _AcquireFutures

    async def main() -> list[int]:
        futures = [cf.Future() for _ in range(9)]
        for each in reversed(futures):
            hash(each)
        return [futures.index(each) for each in _AcquireFutures(futures).futures]

    assert simloop.run(main()) == [8, 7, 6, 5, 4, 3, 2, 1, 0]
    futures = [cf.Future() for _ in range(9)]
    assert _AcquireFutures(futures).futures == sorted(futures, key=id)
