"""Clocks of hosts: wrong dates, crystals that are fast or slow, and steps of the wall clock."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import math
import os
import select
import signal
import socket
import threading
import time

import pytest

import simloop
from simloop.errors import UsageError

from .test_add_host import world

START = 1_704_067_200.0


def run_with_clock(program, **clock):
    """Run a program on a host with a clock; return its result and the world's time then."""
    results = []

    async def wrapped():
        results.append((await program(), world().time_ns / 1e9))

    async def main():
        await world().add_host("db", **clock).start(wrapped).exited()

    simloop.run(main())
    return results[0]


async def clocks():
    await asyncio.sleep(100)
    loop = asyncio.get_running_loop()
    return loop.time(), time.monotonic(), time.time() - START


def test_a_right_clock_is_the_world_s():
    """A host that was given no clock of its own shows the world's time."""
    assert run_with_clock(clocks) == ((100.0, 100.0, 100.0), 100.0)


def test_a_skewed_clock_shows_another_date():
    """A skew moves the wall clock alone."""
    assert run_with_clock(clocks, skew=-3600.5) == ((100.0, 100.0, 100.0 - 3600.5), 100.0)


def test_a_drifting_clock_is_fast_or_slow():
    """A drift moves all clocks, so a sleep is over when the host's own clock says so."""
    assert run_with_clock(clocks, drift=0.25) == ((100.0, 100.0, 100.0), 80.0)
    assert run_with_clock(clocks, drift=-0.5) == ((100.0, 100.0, 100.0), 200.0)


def test_dates_follow_the_host():
    """``datetime.now`` is the host's wall clock."""

    async def date():
        return dt.datetime.now(dt.UTC)

    shown, _ = run_with_clock(date, skew=86_400)
    assert shown == dt.datetime(2024, 1, 2, tzinfo=dt.UTC)


def test_a_step_moves_the_wall_clock_alone():
    """A step is seen by ``time.time`` at once, in processes that run; timers do not notice."""
    seen = []

    async def program():
        for _ in range(3):
            await asyncio.sleep(10)
            seen.append((time.time() - START, time.monotonic()))

    async def main():
        host = world().add_host("db", program)
        await asyncio.sleep(15)
        host.clock.step(100)
        skews = [host.clock.skew]
        await asyncio.sleep(10)
        host.clock.skew = -5
        await asyncio.sleep(10)
        return skews, host.clock.skew, time.time() - START

    assert simloop.run(main()) == ([100.0], -5.0, 35.0)
    assert seen == [(10.0, 10.0), (120.0, 20.0), (25.0, 30.0)]


def test_a_drift_that_changes_moves_the_timers():
    """A timer is due when the host's clock shows its time, whatever the clock did meanwhile."""
    seen = []

    async def program():
        handle = asyncio.get_running_loop().call_later(1000, int)
        for _ in range(3):
            await asyncio.sleep(10)
            seen.append((time.monotonic(), world().time_ns / 1e9, handle.when()))

    async def main():
        host = world().add_host("db", program)
        await asyncio.sleep(15)  # The second sleep has 5 s left.
        host.clock.drift = 0.25
        drifts = [host.clock.drift]
        await asyncio.sleep(4)  # 5 s by the host's clock.
        await asyncio.sleep(1)
        host.clock.drift = 0
        await asyncio.sleep(20)
        return drifts

    assert simloop.run(main()) == [0.25]
    assert seen == [(10.0, 10.0, 1000.0), (20.0, 19.0, 1000.0), (30.0, 28.75, 1000.0)]


def test_threads_go_by_their_host_s_clock():
    """A thread sleeps, and waits, by the clock of its machine."""

    def nap():
        began = time.monotonic(), time.time()
        time.sleep(10)
        threading.Event().wait(10)
        return time.monotonic() - began[0], time.time() - began[1]

    async def program():
        return await asyncio.to_thread(nap)

    assert run_with_clock(program, drift=0.25) == ((20.0, 20.0), 16.0)


def waits_of_a_thread():
    """Return what the clock says of some waits of 10 s each."""
    shown = []
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.bind(("", 0))
    sock.settimeout(10)
    rang = threading.Event()
    signal.signal(signal.SIGALRM, lambda *_: rang.set())

    def alarm():
        signal.alarm(10)
        rang.wait()

    def receive():
        with contextlib.suppress(TimeoutError):
            sock.recv(1)

    for wait in (
        lambda: time.sleep(10), lambda: threading.Event().wait(10), receive, alarm,
        lambda: select.select([sock], [], [], 10), lambda: asyncio.run(asyncio.sleep(10)),
    ):  # fmt: skip
        began = time.monotonic()
        wait()
        shown.append(round(time.monotonic() - began, 3))
    sock.close()
    return shown


@pytest.mark.parametrize("drift", [0.25, -0.5])
def test_all_waits_of_a_thread_are_as_long_as_its_host_s_clock_says(drift):
    """So are a socket's timeout, an alarm and a loop of its own."""

    async def main():
        shown = []
        host = world().add_host("db", drift=drift)
        assert await host.start(lambda: shown.extend(waits_of_a_thread())).exited() == 0
        return shown

    assert simloop.run(main()) == [10.0] * 6


@pytest.mark.parametrize("drift", [0.25, -0.5])
def test_a_drift_that_changes_moves_the_waits_of_a_thread(drift):
    """No wait is shorter, or longer, by the host's own clock, whatever that did meanwhile."""

    async def main():
        shown = []
        host = world().add_host("db")
        process = host.start(lambda: shown.extend(waits_of_a_thread()))
        for _ in range(30):
            await asyncio.sleep(2.3)
            host.clock.drift = 0 if host.clock.drift else drift
        assert await process.exited() == 0
        return shown

    assert simloop.run(main()) == [10.0] * 6


def test_a_loop_in_a_thread_goes_by_the_host_s_clock():
    """A plain function with ``asyncio.run`` sleeps by the clock of its machine."""
    seen = []

    async def inner():
        await asyncio.sleep(10)
        seen.append((asyncio.get_running_loop().time(), time.monotonic()))

    async def main():
        process = world().add_host("db", drift=0.25).start(lambda: asyncio.run(inner()))
        await process.exited()
        return asyncio.get_running_loop().time()

    assert simloop.run(main()) == 8.0
    assert seen == [(10.0, 10.0)]


def test_a_clock_stays_wrong_over_a_boot():
    """The clock is the machine's: a restart neither sets it right nor sets it back."""
    seen = []

    async def program():
        seen.append(time.time() - START)

    async def main():
        host = world().add_host("db", program, skew=10)
        await asyncio.sleep(5)
        host.clock.step(1)
        host.restart()
        await asyncio.sleep(5)

    simloop.run(main())
    assert seen == [10.0, 16.0]


@pytest.mark.parametrize("value", [math.nan, math.inf, "1", None, True])
def test_what_is_no_time_is_refused(value):
    """A skew, a step and a drift are finite numbers; a drift is above -1."""

    async def main():
        clock = world().add_host("db").clock
        with pytest.raises(UsageError, match="no finite number of seconds"):
            clock.skew = value
        with pytest.raises(UsageError, match="no finite number of seconds"):
            clock.step(value)
        with pytest.raises(UsageError, match="no rate error"):
            clock.drift = value
        with pytest.raises(UsageError, match="no rate error"):
            clock.drift = -1.0
        return clock.skew, clock.drift

    assert simloop.run(main()) == (0.0, 0.0)


def test_each_process_has_its_own_time_zone():
    """A zone that a program sets by TZ and tzset() is its own, and stays when others run."""
    seen = []

    async def program(zone, name):
        os.environ["TZ"] = zone
        time.tzset()
        for _ in range(2):
            seen.append((os.environ["TZ"], time.localtime(0).tm_zone == name))
            await asyncio.sleep(1)

    async def main():
        world().add_host("berlin", program, args=("CET-1", "CET"))
        world().add_host("boston", program, args=("EST5", "EST"))
        await asyncio.sleep(5)
        return os.environ["TZ"], time.localtime(0).tm_zone

    assert simloop.run(main()) == ("UTC", "UTC")
    assert seen == [("CET-1", True), ("EST5", True)] * 2
