"""A queue puts an item into the hands of a getter that has just given up.

Orders come in over a socket. ``put`` gives the order straight to the future of a waiting getter;
the consumer polls with a timeout, and when it strikes between the delivery and the getter's next
step the future dies with the order inside.

Fails: fewer orders are handled than came in.
"""

from __future__ import annotations

import asyncio
from collections import deque

from bugs.scaffold import connected, listening

SOURCE = "https://github.com/tornadoweb/tornado/issues/2826"


class Queue:
    """Unbounded; an item goes to the first getter, if one waits."""

    def __init__(self) -> None:
        self.items: deque[str] = deque()
        self.getters: deque[asyncio.Future[str]] = deque()

    def put(self, item: str) -> None:
        while self.getters:
            getter = self.getters.popleft()
            if not getter.done():
                getter.set_result(item)
                return
        self.items.append(item)

    async def get(self) -> str:
        if self.items:
            return self.items.popleft()
        getter: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.getters.append(getter)
        try:
            return await getter
        except asyncio.CancelledError:
            self.undelivered(getter)
            raise

    def undelivered(self, getter: asyncio.Future[str]) -> None:
        """Care for an item that its getter will not take."""


class FixedQueue(Queue):
    """What a getter was given and did not take goes back to the front."""

    def undelivered(self, getter: asyncio.Future[str]) -> None:
        if not getter.cancelled():
            self.items.appendleft(getter.result())


async def orders(queue: Queue) -> None:
    async def shop(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(4):
            await asyncio.sleep(0.04)
            writer.write(f"order {number}\n".encode())

    async def receive(port: int) -> None:
        async with connected(port) as (reader, _):
            while line := await reader.readline():
                queue.put(line.decode().strip())
        queue.put("end")

    async def consume() -> list[str]:
        handled: list[str] = []
        while True:
            try:
                async with asyncio.timeout(0.06):
                    order = await queue.get()
            except TimeoutError:
                if receiving.done() and not queue.items:
                    return handled
                continue
            if order == "end":
                return handled
            handled.append(order)

    async with listening(shop) as port:
        receiving = asyncio.create_task(receive(port))
        handled = await consume()
    assert handled == [f"order {number}" for number in range(4)]


async def buggy() -> None:
    await orders(Queue())


async def fixed() -> None:
    await orders(FixedQueue())
