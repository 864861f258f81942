"""A pool asks its queue whether it is empty, and takes without waiting because it was not.

Two threads want a connection, and one is in the queue. Both see that it is not empty; the second
one that takes finds nothing, where a new connection would have been made.

Fails: one of the two gets an error of the queue.
"""

from __future__ import annotations

import asyncio
import queue

SOURCE = "https://github.com/cqlengine/cqlengine/pull/155"


class Pool:
    """Connections that are idle, and how many were ever opened."""

    def __init__(self) -> None:
        self.idle: queue.Queue[int] = queue.Queue()
        self.opened = 1
        self.idle.put(1)

    def get(self) -> int:
        if self.idle.empty():
            return self.open()
        return self.idle.get_nowait()

    def open(self) -> int:
        self.opened += 1
        return self.opened

    def execute(self) -> int:
        connection = self.get()
        self.idle.put(connection)
        return connection


class FixedPool(Pool):
    """Takes, and opens one where that did not work."""

    def get(self) -> int:
        try:
            return self.idle.get_nowait()
        except queue.Empty:
            return self.open()


async def queries(pool: Pool) -> None:
    used = await asyncio.gather(*(asyncio.to_thread(pool.execute) for _ in range(2)))
    assert set(used) <= {1, 2}


async def buggy() -> None:
    await queries(Pool())


async def fixed() -> None:
    await queries(FixedPool())
