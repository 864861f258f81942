"""Every caller who misses asks the database.

A decorator stores a result when the call is over. Callers that come while the first call is under
way miss as well, and each of them runs the query.

Fails: the query has run twice.
"""

from __future__ import annotations

import asyncio

from bugs.scaffold import ask, connected, listening, serve_lines

SOURCE = "https://github.com/duolicious/duolicious/pull/1616"


class Cached:
    """The results of a query."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.results: dict[str, str] = {}
        self.running: dict[str, asyncio.Task[str]] = {}

    async def query(self, key: str) -> str:
        async with connected(self.port) as stream:
            return await ask(stream, key)

    async def get(self, key: str) -> str:
        if key not in self.results:
            self.results[key] = await self.query(key)
        return self.results[key]


class FixedCached(Cached):
    """What is stored is the call, from its beginning."""

    async def get(self, key: str) -> str:
        if key not in self.running:
            self.running[key] = asyncio.create_task(self.query(key))
        return await asyncio.shield(self.running[key])


async def visitors(factory: type[Cached]) -> None:
    queries = 0

    async def answer(key: str) -> str:
        nonlocal queries
        queries += 1
        await asyncio.sleep(0.01)
        return f"profiles like {key}"

    async def visit(cached: Cached, after: float) -> str:
        await asyncio.sleep(after)
        return await cached.get("ann")

    async with listening(lambda r, w: serve_lines(r, w, answer)) as port:
        cached = factory(port)
        pages = await asyncio.gather(visit(cached, 0), visit(cached, 0.05))
    assert [*pages] == ["profiles like ann"] * 2
    assert queries == 1


async def buggy() -> None:
    await visitors(Cached)


async def fixed() -> None:
    await visitors(FixedCached)
