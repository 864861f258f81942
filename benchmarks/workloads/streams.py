"""Byte streams: TCP, UNIX sockets and TLS, through streams and through protocols."""

from __future__ import annotations

import asyncio
import resource
import ssl
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ._registry import in_loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from benchmarks.measuring import Stopwatch

    Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_MESSAGE = b"x" * 64
_CHUNK = b"x" * 65_536
_CHUNKS = 16  # In a MiB.
_HOST = "127.0.0.1"
# Both ends are in one process, which needs some descriptors for itself.
_CONNECTIONS = min(10_000, (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 100) // 2)
_CERTIFICATES = Path(__file__).parents[2] / "tests" / "loop_io" / "certs"


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back whatever comes, until the peer is gone."""
    try:
        while data := await reader.read(65_536):
            writer.write(data)
    finally:
        writer.close()


async def _ask(pair: Pair, count: int) -> None:
    reader, writer = pair
    for _ in range(count):
        writer.write(_MESSAGE)
        await reader.readexactly(len(_MESSAGE))


@asynccontextmanager
async def _echo_server(**options: Any) -> AsyncIterator[int]:
    """Serve echoes over TCP and give the port; the connections end with the block."""
    server = await asyncio.start_server(_echo, _HOST, 0, backlog=1000, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _hang_up(pairs: list[Pair]) -> None:
    """Close connections and let the other sides hear of it."""
    for _, writer in pairs:
        writer.close()
    for _, writer in pairs:
        await writer.wait_closed()
    for _ in range(5):
        await asyncio.sleep(0)


async def _ask_over(watch: Stopwatch, connections: int, questions: int) -> None:
    async with _echo_server() as port:
        pairs = [await asyncio.open_connection(_HOST, port) for _ in range(connections)]
        with watch:
            await asyncio.gather(*[_ask(pair, questions) for pair in pairs])
        await _hang_up(pairs)


@in_loop(5_000, "tcp")
async def tcp_echo_1(watch: Stopwatch, count: int) -> None:
    """64 bytes to and fro over streams, 1 connection: one round trip."""
    await _ask_over(watch, 1, count)


@in_loop(5_000, "tcp", tiny=100)
async def tcp_echo_100(watch: Stopwatch, count: int) -> None:
    """The same with 100 connections at once: one round trip."""
    await _ask_over(watch, 100, count // 100)


@in_loop(2 * _CONNECTIONS, "tcp", "crowd", tiny=20, rounds_max=2)
async def tcp_echo_10k(watch: Stopwatch, count: int) -> None:
    """The same with 10,000 connections at once, or as many as one may open: one round trip."""
    await _ask_over(watch, count // 2, 2)


class _Echo(asyncio.Protocol):
    """Sends back whatever comes."""

    _transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


class _Asker(_Echo):
    """Asks again as soon as it is answered, so many times."""

    def __init__(self, count: int) -> None:
        self._left = count
        self.done = asyncio.get_running_loop().create_future()

    def ask(self) -> None:
        """Send the first question."""
        self._transport.write(_MESSAGE)

    def data_received(self, data: bytes) -> None:
        self._left -= 1
        if self._left > 0:
            self._transport.write(data)
        else:
            self.done.set_result(None)
            self._transport.close()


@in_loop(10_000, "tcp")
async def protocol_echo(watch: Stopwatch, count: int) -> None:
    """64 bytes to and fro between two protocols: one round trip."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Echo, _HOST, 0)
    port = server.sockets[0].getsockname()[1]
    _, asker = await loop.create_connection(lambda: _Asker(count), _HOST, port)
    with watch:
        asker.ask()
        await asker.done
    server.close()
    await asyncio.sleep(0)


@in_loop(64, "tcp")
async def tcp_bulk(watch: Stopwatch, count: int) -> None:
    """Chunks of 64 KiB one way, each drained: one MiB."""
    received = asyncio.get_running_loop().create_future()

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = 0
        while data := await reader.read(262_144):
            size += len(data)
        received.set_result(size)
        writer.close()

    server = await asyncio.start_server(swallow, _HOST, 0)
    _, writer = await asyncio.open_connection(_HOST, server.sockets[0].getsockname()[1])
    with watch:
        for _ in range(count * _CHUNKS):
            writer.write(_CHUNK)
            await writer.drain()
        writer.close()
        size = await received
    assert size == count * _CHUNKS * len(_CHUNK), size
    server.close()
    await writer.wait_closed()


@in_loop(500, "tcp", tiny=2)
async def tcp_connects(watch: Stopwatch, count: int) -> None:
    """Opened, accepted, and closed by both sides, one after the other: one connection."""
    async with _echo_server() as port:
        with watch:
            for _ in range(count):
                _, writer = await asyncio.open_connection(_HOST, port)
                writer.close()
                await writer.wait_closed()
        await asyncio.sleep(0)


@in_loop(5_000, "unix")
async def unix_echo(watch: Stopwatch, count: int) -> None:
    """64 bytes to and fro over streams on a UNIX socket: one round trip."""
    with TemporaryDirectory(prefix="bench") as folder:
        path = f"{folder}/socket"
        server = await asyncio.start_unix_server(_echo, path)
        pair = await asyncio.open_unix_connection(path)
        with watch:
            await _ask(pair, count)
        await _hang_up([pair])
        server.close()


@cache
def _contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the TLS contexts of server and client, with the certificates of the tests."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(_CERTIFICATES / "localhost.pem")
    return server, ssl.create_default_context(cafile=_CERTIFICATES / "ca.pem")


@in_loop(2_000, "tls")
async def tls_echo(watch: Stopwatch, count: int) -> None:
    """64 bytes to and fro over streams with TLS: one round trip."""
    for_server, for_client = _contexts()
    async with _echo_server(ssl=for_server) as port:
        pair = await asyncio.open_connection(
            _HOST, port, ssl=for_client, server_hostname="localhost"
        )
        with watch:
            await _ask(pair, count)
        await _hang_up([pair])
