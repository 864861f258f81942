"""The reader and the heartbeat both find the connection gone, and both make a new one.

The reader sees the end of the connection and reconnects. The heartbeat, which comes round a little
later, finds the client connected again, unless that takes longer; then it reconnects as well.

Fails: the server has seen a third connection.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bugs.scaffold import LOOPBACK, listening

if TYPE_CHECKING:
    from bugs.scaffold import Stream

SOURCE = "https://github.com/miguelgrinberg/python-socketio/pull/1369"


class Client:
    """Keeps one connection."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.stream: Stream | None = None
        self.reconnecting: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        self.stream = await asyncio.open_connection(LOOPBACK, self.port)
        reader, writer = self.stream
        writer.write(b"hello\n")
        await reader.readline()

    async def read(self) -> None:
        while True:
            if self.stream is None or not await self.stream[0].readline():
                self.drop()
                await self.reconnect()
                return

    async def heartbeat(self) -> None:
        await asyncio.sleep(0.06)
        if self.stream is None:
            await self.reconnect()

    def drop(self) -> None:
        if self.stream is not None:
            self.stream[1].close()
            self.stream = None

    async def reconnect(self) -> None:
        await self.connect()


class FixedClient(Client):
    """One task reconnects, whoever asked for it."""

    async def reconnect(self) -> None:
        if self.reconnecting is None or self.reconnecting.done():
            self.reconnecting = asyncio.create_task(self.connect())
        await self.reconnecting


async def one_restart(factory: type[Client]) -> None:
    accepted = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        is_first = accepted == 1
        writer.write(await reader.readline())
        await asyncio.sleep(0.02)
        if not is_first:
            await reader.read()

    async with listening(serve) as port:
        client = factory(port)
        await client.connect()
        await asyncio.gather(client.read(), client.heartbeat())
        client.drop()
    assert accepted == 2


async def buggy() -> None:
    await one_restart(Client)


async def fixed() -> None:
    await one_restart(FixedClient)
