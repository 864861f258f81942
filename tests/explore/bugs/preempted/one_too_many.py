"""A pool compares its size with the limit, opens a connection, and counts it afterwards.

Each step is guarded by the lock, and the two together are not: two threads that find room for one
more open one each.

Fails: more connections are open than the pool may have.
"""

from __future__ import annotations

import asyncio
import socket
import threading

SOURCE = "https://github.com/mozilla-services/ldappool/issues/10"


class Pool:
    """At most two connections."""

    limit = 2

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.open: list[tuple[socket.socket, socket.socket]] = []

    def has_room(self) -> bool:
        with self.lock:
            return len(self.open) < self.limit

    def grow(self) -> bool:
        if not self.has_room():
            return False
        pair = socket.socketpair()
        with self.lock:
            self.open.append(pair)
        return True

    def close(self) -> None:
        for pair in self.open:
            for end in pair:
                end.close()


class FixedPool(Pool):
    """Looks and counts in one go."""

    def grow(self) -> bool:
        with self.lock:
            if len(self.open) == self.limit:
                return False
            self.open.append(socket.socketpair())
            return True


async def clients(pool: Pool) -> None:
    await asyncio.gather(*(asyncio.to_thread(pool.grow) for _ in range(3)))
    count = len(pool.open)
    pool.close()
    assert count == pool.limit


async def buggy() -> None:
    await clients(Pool())


async def fixed() -> None:
    await clients(FixedPool())
