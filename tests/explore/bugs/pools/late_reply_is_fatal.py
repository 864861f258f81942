"""A reply that comes after its request timed out tears the whole connection down.

Requests are pipelined, each with a future in a queue. A request that timed out leaves a cancelled
future there; ``set_result`` on it raises InvalidStateError inside of ``data_received``, which
asyncio takes for a broken protocol.

Fails: InvalidStateError, as which the next request hears that the connection is lost.
"""

from __future__ import annotations

import asyncio
from collections import deque

from bugs.scaffold import LOOPBACK, listening, serve_lines

SOURCE = "https://github.com/qualisys/qualisys_python_sdk/pull/48"


class Camera(asyncio.Protocol):
    """Commands and their answers, in order."""

    def __init__(self) -> None:
        self.pending: deque[asyncio.Future[str]] = deque()
        self.buffer = b""
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            self.deliver(self.pending.popleft(), line.decode())

    def deliver(self, future: asyncio.Future[str], line: str) -> None:
        future.set_result(line)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        for future in self.pending:
            if not future.done():
                future.set_exception(exc or ConnectionResetError("closed"))

    async def command(self, line: str) -> str:
        if self.is_lost:
            raise ConnectionResetError("the connection was lost")
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.pending.append(future)
        self.transport.write(f"{line}\n".encode())
        return await future


class FixedCamera(Camera):
    """A late answer is dropped with the future that gave up on it."""

    def deliver(self, future: asyncio.Future[str], line: str) -> None:
        if not future.done():
            future.set_result(line)


async def commands(factory: type[Camera]) -> None:
    async def answer(command: str) -> str:
        await asyncio.sleep(0.01)
        return f"{command} done"

    async with listening(lambda r, w: serve_lines(r, w, answer)) as port:
        loop = asyncio.get_running_loop()
        transport, camera = await loop.create_connection(factory, LOOPBACK, port)
        try:
            async with asyncio.timeout(0.05):
                await camera.command("state")
        except TimeoutError:
            pass
        assert await camera.command("start") == "start done"
        transport.close()


async def buggy() -> None:
    await commands(Camera)


async def fixed() -> None:
    await commands(FixedCamera)
