"""A thread that waits for room in a queue is not woken when the queue is closed.

A queue between a thread and the loop holds one item. The loop closes it after a while; a producer
that waits for room at that moment is told nothing.

Fails: the thread waits for ever, and the loop with it for the thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque

SOURCE = "https://github.com/aio-libs/janus/issues/237"


class ClosedError(Exception):
    """The queue takes no more."""


class Bridge:
    """One place, between a thread and the loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.changed = threading.Condition()
        self.items: deque[int] = deque()
        self.is_closed = False
        self.came = asyncio.Event()

    def put(self, item: int) -> None:
        with self.changed:
            while self.items and not self.is_closed:
                self.changed.wait()
            if self.is_closed:
                raise ClosedError
            self.items.append(item)
        self.loop.call_soon_threadsafe(self.came.set)

    async def get(self) -> int:
        while not self.items:
            self.came.clear()
            await self.came.wait()
        with self.changed:
            item = self.items.popleft()
            self.changed.notify()
        return item

    def close(self) -> None:
        self.is_closed = True


class FixedBridge(Bridge):
    """Whoever waits is told."""

    def close(self) -> None:
        with self.changed:
            self.is_closed = True
            self.changed.notify_all()


async def import_rows(factory: type[Bridge]) -> None:
    bridge = factory()

    def produce() -> int:
        for number in range(4):
            try:
                bridge.put(number)
            except ClosedError:
                return number
        return 4

    job = asyncio.get_running_loop().run_in_executor(None, produce)
    received: list[int] = []
    try:
        async with asyncio.timeout(0.05):
            while len(received) < 4:
                received.append(await bridge.get())
                await asyncio.sleep(0.005)
    except TimeoutError:
        pass
    bridge.close()
    assert await job >= len(received)


async def buggy() -> None:
    await import_rows(Bridge)


async def fixed() -> None:
    await import_rows(FixedBridge)
