"""Readings of clocks that take time (``clock_tick``), for programs that measure themselves."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import threading
import time
from typing import TYPE_CHECKING

import pytest

import simloop
from simloop.errors import LimitError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

CLOCKS = {
    "time.time": time.time,
    "time.time_ns": time.time_ns,
    "time.monotonic": time.monotonic,
    "time.perf_counter": time.perf_counter,
    "time.process_time": time.process_time,
    "time.clock_gettime": lambda: time.clock_gettime(time.CLOCK_REALTIME),
    "datetime.now": lambda: dt.datetime.now(dt.UTC),
    "loop.time": lambda: asyncio.get_running_loop().time(),
    "loop.time_ns": lambda: simloop.current_loop().time_ns(),
}


@pytest.mark.parametrize("name", CLOCKS)
def test_two_readings_differ(name):
    """Each reading of any clock is later than the one before, from the first one on, to a float."""
    read = CLOCKS[name]

    async def main():
        return [read() for _ in range(300)]

    readings = simloop.run(main(), clock_tick=1e-6)
    assert all(earlier < later for earlier, later in itertools.pairwise(readings))
    assert len(dict.fromkeys(simloop.run(main()))) == 1


def test_a_reading_takes_what_was_asked_for():
    """It is counted in whole nanoseconds, on all clocks alike."""

    async def main():
        first, second = time.perf_counter_ns(), simloop.current_loop().time_ns()
        await asyncio.sleep(1)
        return second - first, time.monotonic_ns() - second

    assert simloop.run(main(), clock_tick=0.25) == (250_000_000, 1_250_000_000)


def test_threads_and_loops_of_threads_see_it():
    """A thread's first readings differ, and those of a loop that it makes."""

    async def inner():
        return time.monotonic(), asyncio.get_running_loop().time()

    async def main():
        found: list[float] = []

        def work():
            found.extend((time.monotonic(), time.monotonic(), *asyncio.run(inner())))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return found

    readings = simloop.run(main(), clock_tick=1e-6)
    assert readings == sorted(dict.fromkeys(readings))
    assert len(readings) == 4


def test_a_wait_by_a_clock_still_ends():
    """A day of waiting by reading is soon over, as without a tick; a wait for ever is told."""

    async def main():
        end = time.monotonic() + 86_400
        while time.monotonic() < end:
            pass
        return time.monotonic() - end

    assert 0 <= simloop.run(main(), clock_tick=1e-6) < 100

    async def for_ever():
        while time.monotonic() >= 0:
            pass

    with pytest.raises(LimitError, match="reads the clock again and again"):
        simloop.run(for_ever(), clock_tick=1e-6)


def test_timers_are_late_by_what_readings_took():
    """As on a real machine: the step that reads is done when its readings are."""

    async def main():
        loop = asyncio.get_running_loop()
        timer = loop.create_future()
        loop.call_at(2.0, lambda: timer.set_result(loop.time()))
        await asyncio.sleep(1.5)
        for _ in range(10):
            loop.time()
        return await timer

    # Ten readings, the turn in which the task goes on, and the reading of the timer's callback.
    assert simloop.run(main(), clock_tick=0.125) == 3.0
    assert simloop.run(main()) == 2.0


def test_two_runs_are_one():
    """What readings take is counted, so the same seed is the same run."""

    async def main():
        for _ in range(50):
            await asyncio.sleep(0.001)
            print(time.perf_counter())  # noqa: T201 - into the digest

    simloop.check(main, seeds=[0, 1], processes=False, clock_tick=1e-5)


@pytest.mark.parametrize("tick", [0, -1e-6, 1e-7, 1.5, float("nan"), "1", float("inf"), True])
def test_what_is_no_tick_is_refused(tick):
    """A float of today's date has no room for less than a quarter of a microsecond."""
    with pytest.raises(UsageError, match="clock_tick="):
        simloop.run(asyncio.sleep(0), clock_tick=tick)


def test_a_world_may_have_it_from_some_moment_on():
    """``World.limit`` sets it, and takes it back."""

    async def main():
        world = simloop.current_world()
        before = time.monotonic() == time.monotonic()
        world.limit(clock_tick=1e-6)
        meanwhile = time.monotonic() == time.monotonic()
        world.limit()
        return before, meanwhile, time.monotonic() == time.monotonic()

    assert simloop.run(main()) == (True, False, True)


async def poll(delay: float) -> float:
    """Wait by turns of the loop for what a timer does; return how long that took."""
    loop, told = asyncio.get_running_loop(), []
    began = loop.time()
    loop.call_later(delay, told.append, True)
    while not told:
        await asyncio.sleep(0)
    return loop.time() - began


@pytest.mark.parametrize("debug", [False, True])
def test_turns_take_time(debug):
    """A loop reads the clock in each turn: who polls by turns comes to the next deadline."""
    assert 0.002 <= simloop.run(poll(0.002), clock_tick=1e-6, debug=debug) < 0.005
    with pytest.raises(LimitError, match="spins"):
        simloop.run(poll(0.002), livelock_steps=10_000)


def test_a_timer_of_a_microsecond_is_due_in_the_next_turn():
    """As on a machine, where no turn is shorter, it fires behind what was ready before it."""

    async def main():
        loop, order = asyncio.get_running_loop(), []
        loop.call_later(1e-6, order.append, "timer")
        loop.call_soon(lambda: loop.call_soon(order.append, "the turn after"))
        loop.call_soon(order.append, "next turn")
        await asyncio.sleep(0.001)
        return order

    assert simloop.run(main(), clock_tick=1e-6) == ["next turn", "timer", "the turn after"]
    with asyncio.Runner() as runner:
        assert runner.run(main()) == ["next turn", "timer", "the turn after"]
    assert simloop.run(main()) == ["next turn", "the turn after", "timer"]


def test_turns_take_no_time_where_nothing_is_due():
    """A program that spins while no timer is set is one that spins, and told."""

    async def main():
        while True:
            await asyncio.sleep(0)

    with pytest.raises(LimitError, match="spins"):
        simloop.run(main(), clock_tick=1e-6, livelock_steps=10_000)


def test_turns_that_take_time_keep_to_the_limit():
    """``max_time`` holds for them, too."""
    with pytest.raises(LimitError, match=r"0\.01 s"):
        simloop.run(poll(1), clock_tick=1e-6, max_time=0.01)


def test_the_command_has_it(tmp_path: Path, capfd):
    """``simloop run --clock-tick 1e-6``."""
    from simloop.cli import main

    program = tmp_path / "program.py"
    program.write_text(
        "import time\nasync def main():\n    print(time.time() == time.time())\n", encoding="utf-8"
    )
    assert main(["run", str(program)]) == 0
    assert main(["run", str(program), "--clock-tick", "1e-6"]) == 0
    assert capfd.readouterr().out.split() == ["True", "False"]
