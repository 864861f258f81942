"""Tests that move the clock without ClockedTestCase. Run by test_as_asynctest.py."""

import asyncio

import pytest

import asynctest_compat as asynctest
import simloop

LOOPS = [simloop.SimLoop, asyncio.SelectorEventLoop]
seen = []


async def tick(clock, times):
    while True:
        await asyncio.sleep(3600)
        times.append(clock.time())


def test_a_plain_function(clock):
    times = []

    async def day():
        task = asyncio.create_task(tick(clock, times))
        await clock.advance(86_400)
        task.cancel()

    assert clock.time() == 0
    clock.run(day())
    assert clock.time() == 86_400
    assert times == [3600 * hour for hour in range(1, 25)]
    seen.append(clock.loop)


def test_the_loop_was_closed(clock):
    assert seen
    assert all(loop.is_closed() for loop in seen)
    assert not clock.loop.is_closed()


@pytest.mark.simloop
async def test_a_coroutine_of_simloop(clock):
    started = clock.time()
    task = asyncio.create_task(asyncio.sleep(10, "slept"))
    await clock.advance(9)
    assert not task.done()
    await clock.advance(1)
    assert task.result() == "slept"
    assert clock.time() == started + 10


@pytest.mark.parametrize("factory", LOOPS)
def test_a_coroutine_of_anyone(clock, factory):
    async def main():
        task = asyncio.create_task(asyncio.sleep(1000, "slept"))
        await clock.advance(1000)
        return task.result()

    with asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(main()) == "slept"


@pytest.mark.parametrize("factory", LOOPS)
def test_the_function(factory):
    async def main():
        loop = asyncio.get_running_loop()
        with asynctest.frozen_clock() as clock:
            frozen = loop.time()
            task = asyncio.create_task(asyncio.sleep(1000, "slept"))
            await clock.advance(1000)
            assert loop.time() == clock.time() == frozen + 1000
        await asyncio.sleep(0.001)  # its own time again
        return task.result()

    with asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(main()) == "slept"


def test_a_forgotten_advance_says_so(clock):
    with pytest.raises(simloop.DeadlockError, match=r"awaits advance\(seconds\)"):
        clock.run(asyncio.sleep(5))


@pytest.mark.parametrize("factory", LOOPS)
def test_a_forgotten_advance_of_the_function_says_so(factory):
    async def main():
        with asynctest.frozen_clock():
            await asyncio.sleep(5)

    with (
        asyncio.Runner(loop_factory=factory) as runner,
        pytest.raises(simloop.DeadlockError, match=r"advance\(seconds\)"),
    ):
        runner.run(main())


def test_a_step_back_is_refused(clock):
    with pytest.raises(ValueError, match="-1 seconds"):
        clock.run(clock.advance(-1))


class TestBeside(asynctest.ClockedTestCase):
    async def test_a_clocked_case(self):
        await self.advance(5)
        assert self.loop.time() == 5
