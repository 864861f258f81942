"""``read(4)`` is taken for four bytes, and is up to four.

Frames begin with their length in four bytes. On loopback and in tests they come in one piece; a
network may cut anywhere, also inside of the length.

Fails: a length made of too few bytes, then garbage.
"""

from __future__ import annotations

import asyncio

from bugs.scaffold import connected, listening

SOURCE = "https://github.com/komuw/naz/pull/153"


async def read_some(reader: asyncio.StreamReader, count: int) -> bytes:
    return await reader.read(count)


async def read_all(reader: asyncio.StreamReader, count: int) -> bytes:
    return await reader.readexactly(count)


async def frames(*, exactly: bool) -> None:
    read = read_all if exactly else read_some
    sent = [b"bind", b"submit " * 20, b"unbind"]

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for frame in sent:
            writer.write(len(frame).to_bytes(4, "big") + frame)
            await asyncio.sleep(0.01)

    received = []
    async with listening(serve) as port, connected(port) as (reader, _):
        for _ in sent:
            length = int.from_bytes(await read(reader, 4), "big")
            received.append(await read(reader, length))
    assert received == sent


async def buggy() -> None:
    await frames(exactly=False)


async def fixed() -> None:
    await frames(exactly=True)
