"""Tasks, sleeps, queues and timeouts."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

from ._registry import in_loop

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from benchmarks.measuring import Stopwatch

_TOGETHER = 1_000
_SLEEPERS = 10


def _drive(coroutine: Coroutine[Any, Any, object]) -> None:
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("it waits")


async def _nothing() -> None:
    pass


def _tasks_floor(count: int) -> None:
    for _ in range(count):
        _drive(_nothing())


def _sleep_zero_floor(count: int) -> None:
    async def main() -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    coroutine = main()
    try:
        while True:
            coroutine.send(None)
    except StopIteration:
        pass


def _delays(count: int, longest: float) -> list[float]:
    """Return random delays of more than half a millisecond, the least that uvloop's timers tell."""
    random = Random(1)
    return [0.0006 + random.random() * (longest - 0.0006) for _ in range(count)]


@in_loop(10_000)
async def sleeps_1k(watch: Stopwatch, count: int) -> None:
    """A thousand tasks sleep ten times each, up to 1 ms: one sleep."""
    delays = _delays(10, 0.001)

    async def sleeper(shift: int) -> None:
        for number in range(10):
            await asyncio.sleep(delays[(number + shift) % 10])

    with watch:
        await asyncio.gather(*[sleeper(number) for number in range(max(1, count // 10))])


@in_loop(100_000, rounds_max=3)
async def sleeps_100k(watch: Stopwatch, count: int) -> None:
    """A hundred thousand tasks sleep once, up to 20 ms: one task with its sleep."""
    delays = _delays(count, 0.02)
    with watch:
        await asyncio.gather(*[asyncio.sleep(delay) for delay in delays])


@in_loop(50_000, floor=_sleep_zero_floor)
async def sleep_zero(watch: Stopwatch, count: int) -> None:
    """Ten tasks give way by sleep(0) in turn: one sleep(0)."""

    async def spinner() -> None:
        for _ in range(max(1, count // _SLEEPERS)):
            await asyncio.sleep(0)

    with watch:
        await asyncio.gather(*[spinner() for _ in range(_SLEEPERS)])


@in_loop(10_000)
async def queue_ping_pong(watch: Stopwatch, count: int) -> None:
    """Two tasks pass an item to and fro through two queues: one round trip."""
    there: asyncio.Queue[int] = asyncio.Queue()
    back: asyncio.Queue[int] = asyncio.Queue()

    async def echo() -> None:
        for _ in range(count):
            back.put_nowait(await there.get())

    task = asyncio.ensure_future(echo())
    with watch:
        for number in range(count):
            there.put_nowait(number)
            await back.get()
    await task


@in_loop(20_000, floor=_tasks_floor)
async def tasks_created(watch: Stopwatch, count: int) -> None:
    """Tasks that do nothing, a thousand at a time, and are gathered: one task."""
    with watch:
        for _ in range(0, count, _TOGETHER):
            together = min(count, _TOGETHER)
            await asyncio.gather(*[asyncio.create_task(_nothing()) for _ in range(together)])


@in_loop(20_000)
async def task_groups(watch: Stopwatch, count: int) -> None:
    """Task groups of ten tasks that give way once: one task."""
    with watch:
        for _ in range(0, count, _SLEEPERS):
            async with asyncio.TaskGroup() as group:
                for _ in range(_SLEEPERS):
                    group.create_task(asyncio.sleep(0))


@in_loop(10_000)
async def timeouts(watch: Stopwatch, count: int) -> None:
    """asyncio.timeout around a sleep(0), as around most reads: one timeout."""
    with watch:
        for _ in range(count):
            async with asyncio.timeout(10):
                await asyncio.sleep(0)
