"""Drivers whose clock shows today's date: floats are coarse there, and nobody may stall."""

from __future__ import annotations

import asyncio
import random
from functools import partial

import pytest

import simloop

TODAY = 1_700_000_000.0
"""A float is coarser than a nanosecond here: one shows 238 of them."""


@pytest.fixture
def loop():
    """Return a loop whose clock shows the seconds since 1970, as many simulators' do."""
    loop = simloop.SimLoop(start_time=TODAY)
    yield loop
    loop.close()


async def naps(count: int, seen) -> None:
    """Sleep for spans that are no multiples of anything."""
    draw = random.Random(5)
    for _ in range(count):
        await asyncio.sleep(draw.random())
        seen.append(asyncio.get_running_loop().time_ns())


def count_down(run, step, peek, end) -> None:
    """Step as often as a healthy simulation may, before it is run to its end."""
    for _ in range(1000):
        if peek() > end:
            break
        step()
    else:
        pytest.fail("the driver stalls")
    run()


def under_simpy(loop) -> None:
    simpy = pytest.importorskip("simpy")
    from simloop.embed.simpy import LoopProcess

    env = simpy.Environment(initial_time=TODAY)
    LoopProcess(env, loop)
    count_down(partial(env.run, until=TODAY + 30), env.step, env.peek, TODAY + 30)


def under_mosaik(loop) -> None:
    pytest.importorskip("mosaik_api_v3")
    from simloop.embed.mosaik import LoopSimulator

    simulator = LoopSimulator({"models": {}})
    simulator.init("Naps-0")
    simulator.loop.close()
    simulator.loop = loop
    time = int(TODAY)
    for _ in range(100):
        if (due := simulator.step(time, {}, 1000)) is None:
            break
        assert due > time
        time = due
    else:
        pytest.fail("the driver stalls")


def with_fmi(loop) -> None:
    from simloop.embed.fmi import CoSimulation

    model = CoSimulation(loop, early_return=True)
    for number in range(300):
        model.do_step(TODAY + number * 0.1, 0.1)
    assert loop.time() == TODAY + 30


@pytest.mark.parametrize("driver", [under_simpy, under_mosaik, with_fmi])
def test_a_driver_with_todays_clock_does_not_stall(loop, driver) -> None:
    """It gets its guest through all deadlines, each at its own time."""
    seen, expected = [], []
    simloop.run(naps(20, expected), start_time=TODAY)
    loop.create_task(naps(20, seen))
    driver(loop)
    assert seen == expected
