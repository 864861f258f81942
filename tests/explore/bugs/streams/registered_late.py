"""A request is written down as pending after it was sent, and its answer comes before that.

The client sends, writes a line to its journal, and enters the request into the table in which the
reader looks for whom an answer is. An answer that is quicker than the journal finds no entry and is
dropped as unknown.

Fails: the request waits for ever.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from bugs.scaffold import connected, listening, serve_lines

if TYPE_CHECKING:
    from bugs.scaffold import Stream

SOURCE = "https://github.com/alexander-akhmetov/python-telegram/pull/44"


class Client:
    """Requests by number, answers in any order."""

    def __init__(self, stream: Stream) -> None:
        self.reader, self.writer = stream
        self.pending: dict[str, asyncio.Future[str]] = {}

    async def receive(self) -> None:
        while line := await self.reader.readline():
            number, _, answer = line.decode().strip().partition(" ")
            future = self.pending.pop(number, None)
            if future is not None:
                future.set_result(answer)

    async def call(self, number: str) -> str:
        self.writer.write(f"{number}\n".encode())
        await asyncio.to_thread(journal, number)
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.pending[number] = future
        return await future


class FixedClient(Client):
    """Whoever sends is ready to be answered."""

    async def call(self, number: str) -> str:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.pending[number] = future
        self.writer.write(f"{number}\n".encode())
        await asyncio.to_thread(journal, number)
        return await future


def journal(_number: str) -> None:
    time.sleep(0.001)


async def calls(factory: type[Client]) -> None:
    async def answer(number: str) -> str:
        await asyncio.sleep(0.04)
        return f"{number} chats"

    async with (
        listening(lambda r, w: serve_lines(r, w, answer)) as port,
        connected(port) as stream,
    ):
        client = factory(stream)
        receiving = asyncio.create_task(client.receive())
        assert await client.call("7") == "chats"
        receiving.cancel()


async def buggy() -> None:
    await calls(Client)


async def fixed() -> None:
    await calls(FixedClient)
