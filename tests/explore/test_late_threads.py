"""Threads get the processor late: where they begin, where they wake, where they told the loop."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

import simloop


async def wakes_from_a_sleep(patience: float) -> None:
    beats: list[int] = []

    def beat() -> None:
        time.sleep(0.02)
        beats.append(1)

    thread = threading.Thread(target=beat)
    thread.start()
    await asyncio.sleep(patience)
    assert beats, "late"
    thread.join()


async def begins(patience: float) -> None:
    begun: list[int] = []
    thread = threading.Thread(target=begun.append, args=(1,))
    thread.start()
    await asyncio.sleep(patience)
    assert begun, "late"
    thread.join()


async def is_a_timer(patience: float) -> None:
    rung: list[int] = []
    timer = threading.Timer(0.02, rung.append, [1])
    timer.start()
    await asyncio.sleep(patience)
    assert rung, "late"
    timer.join()


async def wakes_in_a_job(patience: float) -> None:
    done: list[int] = []

    def work() -> None:
        time.sleep(0.02)
        done.append(1)

    job = asyncio.ensure_future(asyncio.to_thread(work))
    await asyncio.sleep(patience)
    assert done, "late"
    await job


async def wakes_after_another_one(patience: float) -> None:
    first: list[int] = []
    missed: list[int] = []

    def one() -> None:
        time.sleep(0.02)
        first.append(1)

    def other() -> None:
        time.sleep(patience)
        if not first:
            missed.append(1)

    await asyncio.gather(asyncio.to_thread(one), asyncio.to_thread(other))
    assert not missed, "late"


LATE = [
    wakes_from_a_sleep,
    begins,
    is_a_timer,
    wakes_in_a_job,
    wakes_after_another_one,
]


@pytest.mark.parametrize("program", LATE)
@pytest.mark.parametrize("strategy", ["timing", "single"])
def test_a_thread_that_is_late_is_found(program, strategy) -> None:
    """On a machine that is busy 30 ms more are soon over, whatever the thread waited for."""

    async def main() -> None:
        await program(0.05)

    found = simloop.explore(main, schedules=300, strategy=strategy)
    (failure,) = found.failures
    assert "late" in str(failure.error)
    assert len(failure.schedule.deviations) == 1
    assert str(simloop.replay(main, failure).error) == str(failure.error)


@pytest.mark.parametrize("program", LATE)
def test_no_thread_is_late_for_ever(program) -> None:
    """Who waits longer than a schedule may delay sees it come."""

    async def main() -> None:
        await program(3600)

    assert not simloop.explore(main, schedules=100).failures


async def tells_first(*, is_right: bool) -> None:
    shared: dict[str, int] = {}
    seen: list[bool] = []
    loop = asyncio.get_running_loop()

    def work() -> None:
        if is_right:
            shared["x"] = 1
        loop.call_soon_threadsafe(lambda: seen.append("x" in shared))
        shared["x"] = 1

    await asyncio.to_thread(work)
    await asyncio.sleep(0.001)
    assert seen == [True]


async def tells_a_coroutine_first(*, is_right: bool) -> None:
    shared: dict[str, int] = {}
    loop = asyncio.get_running_loop()

    async def look() -> bool:
        return "x" in shared

    def work() -> bool:
        if is_right:
            shared["x"] = 1
        told = asyncio.run_coroutine_threadsafe(look(), loop)
        shared["x"] = 1
        return told.result()

    assert await asyncio.to_thread(work)


@pytest.mark.parametrize("program", [tells_first, tells_a_coroutine_first])
def test_the_loop_may_be_faster_than_who_told_it(program) -> None:
    """A real loop is told by a byte in a pipe: it may run the callback before the next line."""

    async def wrong() -> None:
        await program(is_right=False)

    async def right() -> None:
        await program(is_right=True)

    assert simloop.explore(wrong, schedules=100).failures
    assert not simloop.explore(right, schedules=100).failures
