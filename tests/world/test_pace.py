"""Virtual time at the pace of the wall."""

from __future__ import annotations

import asyncio
import math
import time

import pytest

import simloop
from simloop.world import realtime as pace


class Wall:
    """A wall clock that only waiting moves; a wait can be cut short."""

    def __init__(self) -> None:
        self.now_ns = 5_000_000_000
        self.waits: list[float] = []
        self.interrupt = lambda: None

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now_ns += math.ceil(seconds * 1e9)
        self.interrupt()


@pytest.fixture
def wall(monkeypatch):
    """Put a fake wall clock in the place of the real one, which nobody waits for then."""
    wall = Wall()
    monkeypatch.setattr(pace.real_clock, "monotonic_ns", wall.monotonic_ns)
    return wall


def paced(wall, factor, **options):
    world = simloop.World(**options)
    world.threads.real_work.pause = wall.wait
    world.pace(factor)
    return world


async def ticks():
    loop = asyncio.get_running_loop()
    times = []
    for _ in range(3):
        await asyncio.sleep(10)
        times.append(loop.time())
    return times


@pytest.mark.parametrize("factor", [1.0, 10, 0.5])
def test_the_clock_keeps_pace_with_the_wall(wall, factor) -> None:
    """Each jump waits for as long as it is, divided by the factor; the times are the same."""
    began_ns = wall.now_ns
    assert simloop.run(ticks(), world=paced(wall, factor)) == [10.0, 20.0, 30.0]
    assert wall.waits == [pytest.approx(10 / factor)] * 3
    assert wall.now_ns - began_ns == pytest.approx(30e9 / factor)


def test_a_slow_program_catches_up(wall) -> None:
    """What a computation takes is not waited for again."""

    async def main():
        await asyncio.sleep(1)
        wall.now_ns += 15_000_000_000
        await asyncio.sleep(10)
        await asyncio.sleep(10)

    simloop.run(main(), world=paced(wall, 1))
    assert wall.waits == [pytest.approx(1), pytest.approx(5)]


def test_what_comes_from_outside_comes_at_the_walls_time(wall) -> None:
    """A callback during a wait runs at once, with the clock where the wall is."""
    world = paced(wall, 2)
    seen = []

    async def main():
        loop = asyncio.get_running_loop()

        def arrive() -> None:
            wall.now_ns -= 3_000_000_000  # It came before the wait was over.
            wall.interrupt = lambda: None
            loop.call_soon_threadsafe(lambda: seen.append(loop.time()))

        wall.interrupt = arrive
        await asyncio.sleep(10)
        return loop.time()

    assert simloop.run(main(), world=world) == 10.0
    assert seen == [pytest.approx(4.0)]


def test_the_steps_are_those_of_an_unpaced_run(wall, monkeypatch) -> None:
    """Pacing changes when a step runs for us, not what runs."""
    monkeypatch.setattr(
        "simloop._threads.real_threads.RealWork.pause", lambda _, seconds: wall.wait(seconds)
    )
    paced = simloop.simulate(ticks, realtime=3)
    assert paced == simloop.simulate(ticks)
    assert sum(wall.waits) == pytest.approx(10)


@pytest.mark.parametrize("factor", [0, -1, float("inf"), float("nan")])
def test_a_bad_factor_is_refused(factor) -> None:
    """Only a pace above 0 is one."""
    with pytest.raises(simloop.UsageError, match=f"realtime={factor}"):
        simloop.World(realtime=factor)


def test_a_world_has_one_pace() -> None:
    """A second one is refused."""
    world = simloop.World(realtime=1)
    with pytest.raises(simloop.UsageError, match="has a pace already"):
        world.pace(2)


def test_real_time_really_passes() -> None:
    """A virtual second at a hundredfold pace takes a hundredth of a real one."""
    began_s = time.monotonic()
    simloop.run(asyncio.sleep(1), realtime=100)
    assert time.monotonic() - began_s >= 0.01
