"""Two first calls find no connection and make one each.

A channel connects when it is first used. The second call comes a little later and finds the
connection, unless connecting takes longer than that little; then one connection is never used, and
never closed.

Fails: the server has seen two connections.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bugs.scaffold import LOOPBACK, ask, listening, serve_lines

if TYPE_CHECKING:
    from bugs.scaffold import Stream

SOURCE = "https://github.com/vmagamedov/grpclib/issues/44"


class Channel:
    """Calls over one connection, one at a time."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.stream: Stream | None = None
        self.connecting = asyncio.Lock()
        self.calling = asyncio.Lock()

    async def connect(self) -> Stream:
        if self.stream is None:
            self.stream = await asyncio.open_connection(LOOPBACK, self.port)
        return self.stream

    async def call(self, method: str) -> str:
        stream = await self.connect()
        async with self.calling:
            return await ask(stream, method)


class FixedChannel(Channel):
    """Who waits for the lock looks again."""

    async def connect(self) -> Stream:
        async with self.connecting:
            return await super().connect()


async def calls(factory: type[Channel]) -> None:
    accepted = 0

    async def answer(method: str) -> str:
        return f"{method} done"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        await serve_lines(reader, writer, answer)

    async def second(channel: Channel) -> str:
        await asyncio.sleep(0.02)
        return await channel.call("health")

    async with listening(serve) as port:
        channel = factory(port)
        done = await asyncio.gather(channel.call("login"), second(channel))
        assert [*done] == ["login done", "health done"]
        assert channel.stream is not None
        channel.stream[1].close()
    assert accepted == 1


async def buggy() -> None:
    await calls(Channel)


async def fixed() -> None:
    await calls(FixedChannel)
