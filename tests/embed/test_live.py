"""A SimLoop inside a live loop: asyncio's, another SimLoop, trio's."""

from __future__ import annotations

import asyncio

import pytest

import simloop
from simloop.embed.live import Live, run_in_trio


@pytest.fixture
def guest():
    guest = simloop.SimLoop()
    yield guest
    guest.close()


async def count(seen, pause=60) -> None:
    while True:
        await asyncio.sleep(pause)
        seen.append(asyncio.get_running_loop().time())


def test_the_guest_keeps_pace_with_its_host(guest) -> None:
    """Its clock goes by the driver's, times the factor, also where the driver only sleeps."""
    seen = []

    async def driver() -> None:
        async with Live(guest, factor=60) as live:
            task = live.create_task(count(seen))
            await asyncio.sleep(3.5)
            assert seen == [60.0, 120.0, 180.0]
            assert live.now() == 210.0
        await asyncio.sleep(100)
        task.cancel()

    simloop.run(driver())
    guest.run_ready()
    assert seen == [60.0, 120.0, 180.0]


def test_the_host_steers_the_guest(guest) -> None:
    """What the driver asks for happens at once, at the driver's time, and its result comes back."""

    async def driver():
        async with Live(guest, factor=10) as live:
            gate = asyncio.Event()
            arrived = []

            async def passenger(name: str) -> str:
                await gate.wait()
                arrived.append((name, guest.time()))
                await asyncio.sleep(5)
                return name

            waiting = asyncio.create_task(live.run(passenger("first")))
            await asyncio.sleep(2)
            assert not arrived
            live.call(gate.set)
            assert await waiting == "first"
            assert arrived == [("first", 20.0)]
            assert await live.run(passenger("second")) == "second"
            assert arrived[1:] == [("second", 25.0)]
            return asyncio.get_running_loop().time()

    assert simloop.run(driver()) == 3.0


def test_errors_reach_the_host(guest) -> None:
    """A task's error comes out of wait(); so does what ends the guest itself."""

    async def fail() -> None:
        await asyncio.sleep(1)
        raise LookupError("gone")

    async def spin() -> None:
        while True:
            await asyncio.sleep(0)

    async def driver() -> None:
        async with Live(guest) as live:
            with pytest.raises(LookupError, match="gone"):
                await live.run(fail())
        guest.world.limit(max_steps=guest.world.steps + 100)
        with pytest.raises(simloop.LimitError, match="max_steps"):
            async with Live(guest) as live:
                await live.run(spin())

    simloop.run(driver())


def test_waiting_without_a_driver_is_refused(guest) -> None:
    """Before the context is entered, after it was left, and if it is left while somebody waits."""

    async def driver() -> None:
        live = Live(guest)
        task = live.create_task(asyncio.sleep(1000))
        with pytest.raises(simloop.UsageError, match=r"wait\(\) would never end"):
            await live.wait(task)
        async with live:
            waiting = asyncio.create_task(live.wait(task))
            await asyncio.sleep(1)
        with pytest.raises(simloop.UsageError, match="was left while <Task"):
            await waiting
        with pytest.raises(simloop.UsageError, match=r"run\(\) would never end"):
            await live.run(asyncio.sleep(1))
        async with live:
            await live.wait(task)

    simloop.run(driver())


def test_a_real_loop_is_a_host(guest) -> None:
    """In asyncio's own loop an hour passes in a moment of real time, with threads calling in."""

    async def driver() -> float:
        async with Live(guest, factor=1e6) as live:
            asyncio.get_running_loop().call_later(0.001, live.call, print)
            await live.run(asyncio.sleep(3600))
            await asyncio.to_thread(guest.call_soon_threadsafe, print)
            return guest.time()

    assert asyncio.run(driver()) >= 3600.0


def test_trio_is_a_host(guest) -> None:
    """Under trio's clock the guest is paced as well, and woken by what trio tasks set."""
    trio = pytest.importorskip("trio")
    from trio.testing import MockClock

    gate = asyncio.Event()

    async def main() -> float:
        await gate.wait()
        await asyncio.sleep(300)
        return asyncio.get_running_loop().time()

    async def driver():
        async with trio.open_nursery() as nursery:

            async def open_gate() -> None:
                await trio.sleep(2)
                guest.call_soon_threadsafe(gate.set)

            nursery.start_soon(open_gate)
            began = trio.current_time()
            ended = await run_in_trio(guest, main(), factor=100)
            return ended, trio.current_time() - began

    ended, took = trio.run(driver, clock=MockClock(autojump_threshold=0))
    assert ended == pytest.approx(500.0)
    assert took == pytest.approx(5.0)


def test_who_is_cancelled_in_trio_cancels_the_guest(guest) -> None:
    """The coroutine on the guest hears of it at once, and what trio's scope says holds."""
    trio = pytest.importorskip("trio")
    from trio.testing import MockClock

    ended = []

    async def main() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(asyncio.current_task().cancelling())

    async def driver() -> bool:
        with trio.move_on_after(5) as scope:
            await run_in_trio(guest, main())
        assert ended == [1]
        return scope.cancelled_caught

    assert trio.run(driver, clock=MockClock(autojump_threshold=0))


def test_errors_reach_trio(guest) -> None:
    """What the coroutine fails with comes out, and what ends the guest itself."""
    trio = pytest.importorskip("trio")

    async def fail() -> None:
        await asyncio.sleep(0.001)
        raise LookupError("gone")

    async def spin() -> None:
        while True:
            await asyncio.sleep(0)

    async def driver() -> None:
        with pytest.raises(LookupError, match="gone"):
            await run_in_trio(guest, fail())
        guest.world.limit(max_steps=guest.world.steps + 100)
        with pytest.raises(simloop.LimitError, match="max_steps"):
            await run_in_trio(guest, spin())

    trio.run(driver)


@pytest.mark.parametrize("factor", [0, -1, float("inf")])
def test_a_bad_factor_is_refused(guest, factor) -> None:
    """Only a pace above 0 is one."""

    async def driver() -> None:
        with pytest.raises(simloop.UsageError, match=f"factor={factor}"):
            Live(guest, factor=factor)

    simloop.run(driver())
