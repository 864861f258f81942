"""A request that was cancelled while it stood in line still gets the next free connection.

Requests wait in a list, and whoever gives a connection back assigns it to the first. A request that
is cancelled in the list stays there, as a ghost that takes a connection and never returns it.

Fails: the next request in the list waits for ever.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from bugs.scaffold import LOOPBACK, ask, listening, serve_lines

if TYPE_CHECKING:
    from bugs.scaffold import Stream

SOURCE = "https://github.com/encode/httpcore/issues/830"


class Waiting:
    """A request in line."""

    def __init__(self) -> None:
        self.stream: Stream | None = None
        self.assigned = asyncio.Event()


class Pool:
    """One connection, assigned in turn."""

    def __init__(self, stream: Stream) -> None:
        self.stream: Stream | None = stream
        self.line: deque[Waiting] = deque()

    async def request(self, path: str) -> str:
        waiting = Waiting()
        self.line.append(waiting)
        self.assign()
        await self.turn(waiting)
        assert waiting.stream is not None
        response = await asyncio.shield(asyncio.ensure_future(self.exchange(waiting.stream, path)))
        return response.removeprefix("200 ")

    async def turn(self, waiting: Waiting) -> None:
        await waiting.assigned.wait()

    async def exchange(self, stream: Stream, path: str) -> str:
        response = await ask(stream, path)
        self.give_back(stream)
        return response

    def assign(self) -> None:
        if self.line and self.stream is not None:
            waiting = self.line.popleft()
            waiting.stream, self.stream = self.stream, None
            waiting.assigned.set()

    def give_back(self, stream: Stream) -> None:
        self.stream = stream
        self.assign()


class FixedPool(Pool):
    """Whoever leaves the line takes its place away, or gives back what it was assigned."""

    async def turn(self, waiting: Waiting) -> None:
        try:
            await waiting.assigned.wait()
        except asyncio.CancelledError:
            if waiting.stream is not None:
                self.give_back(waiting.stream)
            else:
                self.line.remove(waiting)
            raise


async def requests(factory: type[Pool]) -> None:
    async def answer(path: str) -> str:
        await asyncio.sleep(0.01)
        return f"200 {path}"

    async def maybe(pool: Pool) -> None:
        try:
            async with asyncio.timeout(0.06):
                await pool.request("/maybe")
        except TimeoutError:
            pass

    async with listening(lambda r, w: serve_lines(r, w, answer)) as port:
        stream = await asyncio.open_connection(LOOPBACK, port)
        pool = factory(stream)
        first, _, last = await asyncio.gather(
            pool.request("/first"), maybe(pool), pool.request("/last")
        )
        assert (first, last) == ("/first", "/last")
        stream[1].close()


async def buggy() -> None:
    await requests(Pool)


async def fixed() -> None:
    await requests(FixedPool)
