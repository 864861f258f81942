"""A SimLoop as a component of a salabim simulation."""

from __future__ import annotations

import asyncio
import random

import pytest

import simloop

salabim = pytest.importorskip("salabim")
from simloop.embed.salabim import LoopComponent  # noqa: E402 - after the skip


@pytest.fixture(params=["yieldless", "by yields"])
def env(request):
    """Return an environment of either kind."""
    return salabim.Environment(trace=False, yieldless=request.param == "yieldless")


@pytest.fixture
def guest(env):
    guest = LoopComponent(env)
    yield guest
    guest.close()


def component(env, process):
    """Make a component of a generator function of one argument, in either kind of environment."""

    class Component(salabim.Component):
        def by_yields(self):
            yield from process(self)

        def yieldless(self) -> None:
            for _ in process(self):
                pass  # The call itself has waited.

    return Component(env=env, process="yieldless" if env.yieldless() else "by_yields")


def test_timers_and_holds_share_one_clock(env, guest) -> None:
    """Components and coroutines take turns by time, and see each other's time as their own."""
    seen = []

    def process(self):
        for _ in range(3):
            yield self.hold(2)
            seen.append(("component", env.now(), guest.now()))

    async def coroutine() -> None:
        for _ in range(2):
            await asyncio.sleep(3)
            seen.append(("coroutine", env.now(), guest.loop.time()))

    component(env, process)
    guest.task(coroutine())
    env.run(till=10)
    assert seen == [
        ("component", 2, 2.0),
        ("coroutine", 3, 3.0),
        ("component", 4, 4.0),
        ("coroutine", 6, 6.0),
        ("component", 6, 6.0),
    ]
    assert env.now() == 10


def test_events_go_both_ways(env, guest) -> None:
    """A component waits for a coroutine, and the coroutine for a state of salabim's."""
    seen = []
    door = salabim.State("door", env=env)

    async def work(seconds: float) -> float:
        await guest.wait(door)
        await asyncio.sleep(seconds)
        if seconds > 5:
            raise LookupError("too long")
        return seconds

    def process(self):
        yield self.hold(10)
        first, second = guest.task(work(5)), guest.task(work(6))
        yield self.wait(first, second, all=True)
        seen.append((first.result(), env.now()))
        with pytest.raises(LookupError, match="too long"):
            second.result()

    def opener(self):
        yield self.hold(12)
        door.set(True)

    component(env, process)
    component(env, opener)
    env.run(till=50)
    assert seen == [(5, 18)]


def test_who_stops_waiting_leaves_nothing_behind(env, guest) -> None:
    """A coroutine that gives up takes its waiter out of the state's queue."""
    door = salabim.State("door", env=env)

    async def impatient() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(4):
                await guest.wait(door)
        return guest.loop.time()

    done = guest.task(impatient())
    env.run(till=10)
    assert done.result() == 4.0
    assert len(door.waiters()) == 0


def test_what_the_host_sets_counts_from_its_time(env, guest) -> None:
    """A callback that a component schedules sees the component's time, at once."""
    seen = []

    def process(self):
        yield self.hold(5)
        guest.call(lambda: seen.append(guest.loop.time()))
        yield self.hold(1)
        guest.catch_up()
        guest.loop.call_later(2, lambda: seen.append(guest.loop.time()))
        yield self.hold(10)
        guest.loop.call_soon(lambda: seen.append(guest.loop.time()))

    component(env, process)
    env.run(till=20)
    assert seen == [5.0, 8.0, 16.0]


def test_a_cancelled_component_leaves_the_loop_where_it_is(env, guest) -> None:
    """The loop stands still from then on, and nothing breaks."""
    guest.loop.call_later(5, pytest.fail)
    env.run(till=1)
    guest.component.cancel()
    guest.loop.call_later(1, pytest.fail)
    env.run(till=20)
    assert guest.loop.time() < 5


def test_a_late_clock_does_not_stall(env) -> None:
    """At times where floats are coarse, each deadline is met all the same."""
    today = 1_700_000_000.0
    env.run(till=today)
    guest = LoopComponent(env)
    seen, expected = [], []

    async def naps(seen) -> None:
        draw = random.Random(5)
        for _ in range(20):
            await asyncio.sleep(draw.random())
            seen.append(asyncio.get_running_loop().time_ns())

    guest.task(naps(seen))
    env.run(till=today + 30)
    guest.close()
    simloop.run(naps(expected), start_time=today)
    assert seen == expected
