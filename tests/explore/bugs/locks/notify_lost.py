"""A notification goes to a waiter that is being cancelled, and the next one sleeps on.

Two workers wait for jobs, one of them only for a while. ``notify`` wakes one; if the worker that
was chosen leaves by its timeout instead, the job lies there and the other worker is not told.

Fails: the remaining worker waits for ever beside a job.
"""

from __future__ import annotations

import asyncio
from collections import deque

from bugs.scaffold import connected, listening

SOURCE = "https://github.com/python/cpython/issues/112202"


class Condition:
    """Without a lock: nothing here gives up the processor inside."""

    def __init__(self) -> None:
        self.waiters: deque[asyncio.Future[None]] = deque()

    async def wait(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter in self.waiters:
                self.waiters.remove(waiter)
            self.left(waiter)
            raise

    def left(self, waiter: asyncio.Future[None]) -> None:
        """Care for the notification of a waiter that leaves by an error."""

    def notify(self) -> None:
        if self.waiters:
            waiter = self.waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)


class FixedCondition(Condition):
    """A notification that was not taken is passed on, also one that hit a cancelled waiter."""

    def left(self, waiter: asyncio.Future[None]) -> None:
        if not waiter.cancelled():
            self.notify()

    def notify(self) -> None:
        while self.waiters and self.waiters[0].done():
            self.waiters.popleft()
        super().notify()


class Workshop:
    """Two jobs, and whoever does them."""

    def __init__(self, condition: Condition) -> None:
        self.condition = condition
        self.jobs: deque[bytes] = deque()
        self.handled: list[bytes] = []

    async def receive(self, port: int) -> None:
        async with connected(port) as (reader, _):
            while job := await reader.readline():
                self.jobs.append(job)
                self.condition.notify()

    async def work(self) -> None:
        while not self.jobs and len(self.handled) < 2:
            await self.condition.wait()
        if self.jobs:
            self.handled.append(self.jobs.popleft())
        if len(self.handled) == 2:
            self.condition.notify()  # The other one may go home, too.

    async def worker(self) -> None:
        while len(self.handled) < 2:
            await self.work()

    async def helper(self) -> None:
        try:
            async with asyncio.timeout(0.08):
                await self.work()
        except TimeoutError:
            pass  # Then the other one does it all.


async def dispatcher(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for _ in range(2):
        await asyncio.sleep(0.02)
        writer.write(b"job\n")


async def two_jobs(condition: Condition) -> None:
    shop = Workshop(condition)
    async with listening(dispatcher) as port:
        await asyncio.gather(shop.worker(), shop.helper(), shop.receive(port))
    assert len(shop.handled) == 2


async def buggy() -> None:
    await two_jobs(Condition())


async def fixed() -> None:
    await two_jobs(FixedCondition())
