"""What happens between the look at a state and the subscription to its changes is never heard of.

A service waits until the database is initialized: it looks, and if it is too early it subscribes
and waits for the notification. A database that gets ready in between has notified nobody.

Fails: the service waits for ever.
"""

from __future__ import annotations

import asyncio

from bugs.scaffold import ask, connected, listening

SOURCE = "https://github.com/sonic-net/sonic-py-swsssdk/issues/13"


class Database:
    """Gets ready once, and tells who has subscribed."""

    def __init__(self) -> None:
        self.is_ready = False
        self.subscribers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            if line == b"subscribe\n":
                self.subscribers.append(writer)
                writer.write(b"subscribed\n")
            else:
                writer.write(b"ready\n" if self.is_ready else b"starting\n")

    def get_ready(self) -> None:
        self.is_ready = True
        for subscriber in self.subscribers:
            subscriber.write(b"notification\n")


async def until_ready(port: int) -> None:
    async with connected(port) as stream:
        if await ask(stream, "get") == "ready":
            return
        assert await ask(stream, "subscribe") == "subscribed"
        assert await stream[0].readline() == b"notification\n"


async def fixed_until_ready(port: int) -> None:
    async with connected(port) as stream, connected(port) as other:
        assert await ask(stream, "subscribe") == "subscribed"
        if await ask(other, "get") == "ready":
            return
        assert await stream[0].readline() == b"notification\n"


async def boot(*, subscribes_first: bool) -> None:
    database = Database()
    asyncio.get_running_loop().call_later(0.05, database.get_ready)
    async with listening(database.serve) as port:
        await (fixed_until_ready if subscribes_first else until_ready)(port)


async def buggy() -> None:
    await boot(subscribes_first=False)


async def fixed() -> None:
    await boot(subscribes_first=True)
