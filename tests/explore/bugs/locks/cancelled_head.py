"""A lock that is released while its first waiter is being cancelled forgets all the others.

A job holds a lock on a lease that a timer ends. ``release`` looks at the first waiter only: one
that was cancelled in the same turn, and has not yet taken itself off the queue, is skipped, and
nothing wakes the living waiter behind it.

Fails: the second waiter waits for ever.
"""

from __future__ import annotations

import asyncio
from collections import deque

SOURCE = "https://github.com/agronholm/anyio/pull/1145"


class LeasedLock:
    """A lock that is held for a time."""

    def __init__(self) -> None:
        self.is_held = False
        self.waiters: deque[asyncio.Future[None]] = deque()

    async def acquire(self, lease: float) -> None:
        loop = asyncio.get_running_loop()
        if self.is_held:
            waiter = loop.create_future()
            self.waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter in self.waiters:
                    self.waiters.remove(waiter)
                elif not waiter.cancelled():
                    self.release()  # The lock was ours already.
                raise
        self.is_held = True
        loop.call_later(lease, self.release)

    def release(self) -> None:
        if self.waiters and not self.waiters[0].done():
            self.waiters.popleft().set_result(None)
        else:
            self.is_held = False


class FixedLock(LeasedLock):
    """Waiters that have gone are dropped until a living one is found."""

    def release(self) -> None:
        while self.waiters and self.waiters[0].done():
            self.waiters.popleft()
        super().release()


async def leases(lock: LeasedLock) -> None:
    async def impatient() -> bool:
        try:
            async with asyncio.timeout(0.02):
                await lock.acquire(0.01)
        except TimeoutError:
            return False
        return True

    async def patient() -> bool:
        await lock.acquire(0.01)
        return True

    await lock.acquire(0.05)
    first, second = await asyncio.gather(impatient(), patient())
    assert first in {True, False}
    assert second


async def buggy() -> None:
    await leases(LeasedLock())


async def fixed() -> None:
    await leases(FixedLock())
