"""A balance is read, changed and written back, with two waits in between.

A game's bot keeps the players' chests in a file that is read and written in threads. A chest that
is opened while a fight pays its reward writes back a number from before the reward.

Fails: the reward is gone.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SOURCE = "https://github.com/aikaterna/gobcog/issues/27"


class Store:
    """Chests, in something slow."""

    def __init__(self) -> None:
        self.chests = 3

    def read(self) -> int:
        time.sleep(0.002)
        return self.chests

    def write(self, chests: int) -> None:
        time.sleep(0.002)
        self.chests = chests

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        yield

    async def add(self, count: int) -> None:
        async with self.alone():
            chests = await asyncio.to_thread(self.read)
            await asyncio.to_thread(self.write, chests + count)


class FixedStore(Store):
    """One change at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = asyncio.Lock()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        async with self.lock:
            yield


async def adventure(store: Store) -> None:
    async def fight() -> None:
        await asyncio.sleep(0.03)
        await store.add(2)

    await asyncio.gather(store.add(-1), fight())
    assert store.chests == 4


async def buggy() -> None:
    await adventure(Store())


async def fixed() -> None:
    await adventure(FixedStore())
