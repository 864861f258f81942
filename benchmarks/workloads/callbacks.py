"""Callbacks and timers: what every step of every program is made of."""

from __future__ import annotations

import asyncio
from collections import deque
from heapq import heappop, heappush
from random import Random
from typing import TYPE_CHECKING

from ._registry import in_loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measuring import Stopwatch

_BATCH = 100


def _nothing() -> None:
    pass


def _countdown(count: int, done: Callable[[], object]) -> Callable[[], None]:
    """Make a callback that calls ``done`` when it is called for the last of ``count`` times."""
    left = count

    def step() -> None:
        nonlocal left
        left -= 1
        if not left:
            done()

    return step


def _chain_floor(count: int) -> None:
    ready: deque[Callable[[], None]] = deque()

    def step() -> None:
        nonlocal count
        count -= 1
        if count > 0:
            ready.append(step)

    ready.append(step)
    while ready:
        ready.popleft()()


def _burst_floor(count: int) -> None:
    step = _countdown(count, _nothing)
    ready = deque([step] * count)
    while ready:
        ready.popleft()()


def _timers_floor(count: int) -> None:
    random = Random(1)
    heap: list[tuple[float, int, Callable[[], None]]] = []
    for number in range(count):
        heappush(heap, (random.random(), number, _nothing))
    while heap:
        heappop(heap)[2]()


@in_loop(50_000, floor=_chain_floor)
async def call_soon_chain(watch: Stopwatch, count: int) -> None:
    """Each callback schedules the next: one callback."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    left = count

    def step() -> None:
        nonlocal left
        left -= 1
        if left > 0:
            loop.call_soon(step)
        else:
            done.set_result(None)

    with watch:
        loop.call_soon(step)
        await done


@in_loop(50_000, floor=_burst_floor)
async def call_soon_burst(watch: Stopwatch, count: int) -> None:
    """All are scheduled, then all run: one callback."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    step = _countdown(count, lambda: done.set_result(None))
    with watch:
        for _ in range(count):
            loop.call_soon(step)
        await done


@in_loop(100_000, floor=_timers_floor)
async def timers_random(watch: Stopwatch, count: int) -> None:
    """All are set to random deadlines within 20 ms, then all come due: one timer."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    step = _countdown(count, lambda: done.set_result(None))
    random = Random(1)
    delays = [0.001 + random.random() * 0.019 for _ in range(count)]
    with watch:
        for delay in delays:
            loop.call_later(delay, step)
        await done


@in_loop(5_000, "far", floor=_timers_floor)
async def timers_far(watch: Stopwatch, count: int) -> None:
    """The same, with deadlines all over an hour: one timer."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    step = _countdown(count, lambda: done.set_result(None))
    random = Random(1)
    delays = [random.random() * 3600 for _ in range(count)]
    with watch:
        for delay in delays:
            loop.call_later(delay, step)
        await done


@in_loop(50_000)
async def timers_cancelled(watch: Stopwatch, count: int) -> None:
    """Armed for a minute and cancelled by the next turn, as timeouts are: one timer."""
    loop = asyncio.get_running_loop()
    with watch:
        for _ in range(0, count, _BATCH):
            armed = [loop.call_later(60, _nothing) for _ in range(_BATCH)]
            await asyncio.sleep(0)
            for handle in armed:
                handle.cancel()
