"""Two calls share one connection and both read from it.

Each call writes its request and reads the response. As long as calls do not overlap that is one
reader at a time; two at once are an error of their own in asyncio's streams, or each other's
responses in others.

Fails: RuntimeError, another coroutine is already waiting for incoming data.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bugs.scaffold import ask, connected, listening, serve_lines

if TYPE_CHECKING:
    from bugs.scaffold import Stream

SOURCE = "https://github.com/graphql-python/gql/pull/106"


class Session:
    """Queries over one connection."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    async def query(self, text: str) -> str:
        return await ask(self.stream, text)


class FixedSession(Session):
    """One query at a time."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self.lock = asyncio.Lock()

    async def query(self, text: str) -> str:
        async with self.lock:
            return await super().query(text)


async def dashboard(factory: type[Session]) -> None:
    async def answer(query: str) -> str:
        await asyncio.sleep(0.01)
        return f"data of {query}"

    async def refresh(session: Session) -> str:
        await asyncio.sleep(0.04)
        return await session.query("refresh")

    async with (
        listening(lambda r, w: serve_lines(r, w, answer)) as port,
        connected(port) as stream,
    ):
        session = factory(stream)
        found = await asyncio.gather(session.query("load"), refresh(session))
    assert [*found] == ["data of load", "data of refresh"]


async def buggy() -> None:
    await dashboard(Session)


async def fixed() -> None:
    await dashboard(FixedSession)
