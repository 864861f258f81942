"""A second message is sent between the fragments of the first.

A long message goes out in fragments as its source produces them. Nothing keeps another task from
sending a message of its own meanwhile, which the peer takes for the next fragment.

Fails: the receiver finds a message inside of another.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from bugs.scaffold import connected, listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SOURCE = "https://github.com/python-websockets/websockets/issues/542"


class Socket:
    """Sends whole messages and messages in fragments."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer

    async def send(self, message: str) -> None:
        self.writer.write(f"whole {message}\n".encode())
        await self.writer.drain()

    async def send_all(self, fragments: AsyncIterator[str]) -> None:
        async for fragment in fragments:
            self.writer.write(f"part {fragment}\n".encode())
            await self.writer.drain()
        self.writer.write(b"end\n")


class FixedSocket(Socket):
    """One message at a time."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        super().__init__(writer)
        self.sending = asyncio.Lock()

    async def send(self, message: str) -> None:
        async with self.sending:
            await super().send(message)

    async def send_all(self, fragments: AsyncIterator[str]) -> None:
        async with self.sending:
            await super().send_all(fragments)


async def upload(factory: type[Socket]) -> None:
    received: list[str] = []
    has_both = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        is_inside = False
        while line := await reader.readline():
            kind, _, _ = line.decode().strip().partition(" ")
            assert kind != "whole" or not is_inside, "a message inside of another"
            is_inside = kind == "part"
            if not is_inside:
                received.append(kind)
            if len(received) == 2:
                has_both.set()

    async def pages() -> AsyncIterator[str]:
        for number in range(3):
            await asyncio.to_thread(time.sleep, 0.005)
            yield f"page {number}"

    async with listening(serve) as port, connected(port) as (reader, writer):
        socket = factory(writer)
        sending = asyncio.create_task(socket.send_all(pages()))
        await asyncio.sleep(0.05)
        await socket.send("note")
        await sending
        ended = asyncio.ensure_future(reader.read())
        waiting = asyncio.ensure_future(has_both.wait())
        await asyncio.wait([ended, waiting], return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        waiting.cancel()
    assert sorted(received) == ["end", "whole"]


async def buggy() -> None:
    await upload(Socket)


async def fixed() -> None:
    await upload(FixedSocket)
