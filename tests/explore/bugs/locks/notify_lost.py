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


async def workers(condition: Condition) -> None:
    jobs: deque[bytes] = deque()
    handled: list[bytes] = []

    async def dispatcher(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await asyncio.sleep(0.02)
            writer.write(b"job\n")

    async def receive(port: int) -> None:
        async with connected(port) as (reader, _):
            while job := await reader.readline():
                jobs.append(job)
                condition.notify()

    async def work() -> None:
        while not jobs and len(handled) < 2:
            await condition.wait()
        if jobs:
            handled.append(jobs.popleft())
        if len(handled) == 2:
            condition.notify()  # The other one may go home, too.

    async def worker() -> None:
        while len(handled) < 2:
            await work()

    async def helper() -> None:
        try:
            async with asyncio.timeout(0.08):
                await work()
        except TimeoutError:
            pass  # Then the other one does it all.

    async with listening(dispatcher) as port:
        await asyncio.gather(worker(), helper(), receive(port))
    assert len(handled) == 2


async def buggy() -> None:
    await workers(Condition())


async def fixed() -> None:
    await workers(FixedCondition())
