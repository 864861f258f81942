"""A timer that was replaced and not stopped strikes in the middle of a request.

A server closes a connection that is idle for a while: a timer begins when a response is complete
and ends when data comes. A request that comes before the last response is complete finds no timer
to stop; the response then sets one, and the next response another, over it.

Fails: a connection is closed while a request is being answered.
"""

from __future__ import annotations

import asyncio
from collections import deque

from bugs.scaffold import LOOPBACK

SOURCE = "https://github.com/Kludex/uvicorn/issues/824"


class Server(asyncio.Protocol):
    """Answers lines in order, each after the time that it names."""

    killed: list[str]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.requests: deque[str] = deque()
        self.now: str | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        self.requests.extend(line.decode() for line in lines)
        self.next_request()

    def next_request(self) -> None:
        if self.now is None and self.requests:
            self.now = self.requests.popleft()
            asyncio.get_running_loop().call_later(float(self.now), self.respond)

    def respond(self) -> None:
        self.transport.write(b"done\n")
        self.now = None
        self.keep_alive()
        self.next_request()

    def keep_alive(self) -> None:
        self.timer = asyncio.get_running_loop().call_later(0.1, self.idle)

    def idle(self) -> None:
        if self.now is not None:
            self.killed.append(self.now)
        self.transport.close()


class FixedServer(Server):
    """A timer only where nothing is left to do."""

    def keep_alive(self) -> None:
        if not self.requests:
            super().keep_alive()


async def requests(server_type: type[Server]) -> None:
    loop = asyncio.get_running_loop()
    killed: list[str] = []

    def factory() -> Server:
        protocol = server_type()
        protocol.killed = killed
        return protocol

    server = await loop.create_server(factory, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        for seconds in ("0.01", "0.01", "0.15"):
            writer.write(f"{seconds}\n".encode())
            await asyncio.sleep(0.03)
        for _ in range(3):
            if not await reader.readline():
                break
    except ConnectionError:
        pass  # Closed for being idle, which is the server's right.
    finally:
        writer.close()
        server.close()
    assert not killed


async def buggy() -> None:
    await requests(Server)


async def fixed() -> None:
    await requests(FixedServer)
