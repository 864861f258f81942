"""A pooled connection is lost when its check at checkout takes longer than the caller waits.

``acquire`` takes a connection off the idle list and asks the server for a sign of life before it
hands it out. The caller's timeout cancels it in between, while the connection belongs to no list.

Fails: the pool of one is empty, and the next caller waits for ever.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bugs.scaffold import LOOPBACK, ask, listening, serve_lines

if TYPE_CHECKING:
    from bugs.scaffold import Stream

SOURCE = "https://github.com/MagicStack/asyncpg/issues/467"


class Pool:
    """Connections that are made once and handed round."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.idle: asyncio.Queue[Stream] = asyncio.Queue()

    async def open(self) -> None:
        self.idle.put_nowait(await asyncio.open_connection(LOOPBACK, self.port))

    async def acquire(self) -> Stream:
        stream = await self.idle.get()
        await ask(stream, "ping")
        return stream

    def release(self, stream: Stream) -> None:
        self.idle.put_nowait(stream)


class FixedPool(Pool):
    """A connection whose check was broken off is replaced by a new one, on its next checkout."""

    async def acquire(self) -> Stream:
        stream = await self.idle.get()
        try:
            if stream[1].is_closing():
                stream = await asyncio.open_connection(LOOPBACK, self.port)
            await ask(stream, "ping")
        except BaseException:
            stream[1].close()
            self.idle.put_nowait(stream)
            raise
        return stream


async def queries(factory: type[Pool]) -> None:
    async def answer(query: str) -> str:
        await asyncio.sleep(0.01)
        return f"rows of {query}"

    async with listening(lambda r, w: serve_lines(r, w, answer)) as port:
        pool = factory(port)
        await pool.open()
        try:
            async with asyncio.timeout(0.06):
                pool.release(await pool.acquire())
        except TimeoutError:
            pass
        stream = await pool.acquire()
        assert await ask(stream, "select 1") == "rows of select 1"
        stream[1].close()


async def buggy() -> None:
    await queries(Pool)


async def fixed() -> None:
    await queries(FixedPool)
