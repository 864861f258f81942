"""A heartbeat's ping goes into a connection that is closing, in a task that nobody awaits.

A timer sends a ping by a task of its own. If the peer has closed the connection by then the write
fails, and the error stays in the task until the garbage collector finds it.

Fails: ConnectionResetError in a task, never retrieved.
"""

from __future__ import annotations

import asyncio

from bugs.scaffold import LOOPBACK, listening

SOURCE = "https://github.com/aio-libs/aiohttp/issues/5766"


class Socket(asyncio.Protocol):
    """The client's end, with a heartbeat."""

    def __init__(self) -> None:
        self.is_closed = False
        self.has_pong = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, _data: bytes) -> None:
        self.has_pong.set()

    def connection_lost(self, _exc: Exception | None) -> None:
        self.is_closed = True
        self.has_pong.set()

    def heartbeat(self) -> None:
        asyncio.get_running_loop().create_task(self.ping())

    async def ping(self) -> None:
        if self.is_closed:
            raise ConnectionResetError("cannot write to a closing connection")
        self.transport.write(b"ping\n")


class FixedSocket(Socket):
    """A heart that beats only as long as the connection lives."""

    def heartbeat(self) -> None:
        if not self.is_closed:
            super().heartbeat()

    async def ping(self) -> None:
        if not self.is_closed:
            await super().ping()


async def session(factory: type[Socket]) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await asyncio.sleep(0.05)

    async with listening(serve) as port:
        loop = asyncio.get_running_loop()
        transport, socket = await loop.create_connection(factory, LOOPBACK, port)
        transport.write(b"hello\n")
        await socket.has_pong.wait()
        timer = loop.call_later(0.02, socket.heartbeat)
        await asyncio.sleep(0.03)
        timer.cancel()
        transport.close()
        await asyncio.sleep(0)


async def buggy() -> None:
    await session(Socket)


async def fixed() -> None:
    await session(FixedSocket)
