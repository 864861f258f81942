"""A command that is cancelled leaves its reply on the connection, for the next command to read.

A cache client answers from Redis if that is quick and does without if it is not. The timeout
cancels the wait for the reply and the connection stays in use: from then on each command reads
what the one before it asked for.

Fails: the value of another key is returned.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bugs.scaffold import LOOPBACK, ask, listening, serve_lines

if TYPE_CHECKING:
    from bugs.scaffold import Stream

SOURCE = "https://github.com/redis/redis-py/issues/2624"


class Client:
    """One connection, made when it is needed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.stream: Stream | None = None

    async def get(self, key: str) -> str:
        if self.stream is None:
            self.stream = await asyncio.open_connection(LOOPBACK, self.port)
        return await self.command(self.stream, key)

    async def command(self, stream: Stream, key: str) -> str:
        return await ask(stream, key)

    def close(self) -> None:
        if self.stream is not None:
            self.stream[1].close()
            self.stream = None


class FixedClient(Client):
    """A connection with a reply under way is of no use to anyone."""

    async def command(self, stream: Stream, key: str) -> str:
        try:
            return await ask(stream, key)
        except asyncio.CancelledError:
            self.close()
            raise


async def lookups(factory: type[Client]) -> None:
    async def answer(key: str) -> str:
        await asyncio.sleep(0.01)
        return f"value of {key}"

    async with listening(lambda r, w: serve_lines(r, w, answer)) as port:
        client = factory(port)
        try:
            async with asyncio.timeout(0.05):
                assert await client.get("foo") == "value of foo"
        except TimeoutError:
            pass
        assert await client.get("bar") == "value of bar"
        client.close()


async def buggy() -> None:
    await lookups(Client)


async def fixed() -> None:
    await lookups(FixedClient)
