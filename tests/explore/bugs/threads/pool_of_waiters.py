"""All places of a pool are taken by work that waits for more work in the same pool.

A view runs in one of two places for threads. It calls back into the loop for a part of its work,
which goes to a thread again and needs a place of its own. One view at a time is fine; two that
overlap hold both places and wait.

Fails: both views wait for ever.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = "https://github.com/django/asgiref/issues/249"


class Pool:
    """Two places, in each of which one function runs."""

    def __init__(self) -> None:
        self.places = threading.BoundedSemaphore(2)
        self.loop = asyncio.get_running_loop()

    def _run(self, function: Callable[[int], int], number: int) -> int:
        with self.places:
            return function(number)

    async def run(self, function: Callable[[int], int], number: int) -> int:
        return await asyncio.to_thread(self._run, function, number)

    def run_from_thread(self, function: Callable[[int], int], number: int) -> int:
        waiting = asyncio.run_coroutine_threadsafe(self.run(function, number), self.loop)
        return waiting.result()


class FixedPool(Pool):
    """Who has a place already works in it."""

    def run_from_thread(self, function: Callable[[int], int], number: int) -> int:
        return function(number)


def write_row(number: int) -> int:
    time.sleep(0.002)
    return number * 10


async def two_views(pool: Pool) -> None:
    def view(number: int) -> int:
        time.sleep(0.002)
        return pool.run_from_thread(write_row, number)

    async def later() -> int:
        await asyncio.sleep(0.03)
        return await pool.run(view, 2)

    assert [*await asyncio.gather(pool.run(view, 1), later())] == [10, 20]


async def buggy() -> None:
    await two_views(Pool())


async def fixed() -> None:
    await two_views(FixedPool())
