"""What jobs cost that take no time: nothing, until a chain of them would stand still for ever."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

import simloop

FREE = 1000


@pytest.fixture(params=["the loop's", "its own"])
def pool(request):
    """An executor to watch by: the default one, or a real one of the program's."""
    if request.param == "the loop's":
        yield None
        return
    with ThreadPoolExecutor(1) as executor:
        yield executor


async def watch(pool) -> tuple[int, float]:
    """Look by jobs whether a timer has come, without a pause: a job took no time."""
    loop = asyncio.get_running_loop()
    there: list[bool] = []
    loop.call_later(0.01, there.append, True)
    looked = 0
    while not await loop.run_in_executor(pool, there.copy):
        looked += 1
    return looked, loop.time()


def test_watching_by_jobs_comes_to_the_next_timer(pool):
    """The clock moves from the thousandth job on, by count: the same in each run."""
    found = [simloop.run(watch(pool)) for _ in range(2)]
    assert found[0] == found[1]
    looked, time = found[0]
    assert looked > FREE
    assert 0.01 <= time < 0.02


def test_a_chain_of_some_jobs_costs_nothing(pool):
    """Programs that hand over often between two moments keep their instant."""

    async def main():
        loop = asyncio.get_running_loop()
        for _ in range(FREE // 2):
            await loop.run_in_executor(pool, int)
        return loop.time()

    assert simloop.run(main()) == 0


def test_jobs_that_are_submitted_at_once_cost_nothing():
    """However many there are: none was submitted after another had ended."""

    async def main():
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(None, int) for _ in range(3 * FREE)))
        return loop.time()

    assert simloop.run(main()) == 0
