"""The first message of an upgraded connection arrives in one read with the handshake, and is lost.

The client reads until it has the whole response to its upgrade, finds the switch agreed and starts
its message reader. A server that speaks at once may have sent its first message by then; what came
behind the response is thrown away with it.

Fails: the client waits for ever for the greeting.
"""

from __future__ import annotations

import asyncio

from bugs.scaffold import connected, listening

SOURCE = "https://github.com/circuits/circuits/issues/261"

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


async def handshake(reader: asyncio.StreamReader) -> None:
    response = b""
    while b"\r\n\r\n" not in response:
        response += await reader.read(4096)
    assert response.startswith(b"HTTP/1.1 101")


async def fixed_handshake(reader: asyncio.StreamReader) -> None:
    response = await reader.readuntil(b"\r\n\r\n")
    assert response.startswith(b"HTTP/1.1 101")


async def chat(*, is_careful: bool) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SWITCHING)
        await asyncio.sleep(0.03)
        writer.write(b"hello\n")
        await reader.read()

    async with listening(serve) as port, connected(port) as (reader, writer):
        writer.write(b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")
        await (fixed_handshake if is_careful else handshake)(reader)
        assert await reader.readline() == b"hello\n"


async def buggy() -> None:
    await chat(is_careful=False)


async def fixed() -> None:
    await chat(is_careful=True)
