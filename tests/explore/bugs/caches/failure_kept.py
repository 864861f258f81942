"""A cache keeps the call and not the result, and so it keeps a call that failed.

The first caller is in a hurry and gives the query a timeout. When it fails, the failed call stays
in the cache, and whoever asks later gets the same error from it.

Fails: TimeoutError for a caller who would have waited.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from bugs.scaffold import ask, connected, listening, serve_lines

SOURCE = "https://github.com/Yelp/paasta/pull/2403"


class Cache:
    """Calls under way and over, by key."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.calls: dict[str, asyncio.Task[str]] = {}

    async def get(self, key: str, seconds: float | None) -> str:
        call = self.calls.get(key)
        if call is None:
            call = self.calls[key] = asyncio.create_task(self.query(key, seconds))
            call.add_done_callback(lambda call: self.over(key, call))
        return await asyncio.shield(call)

    def over(self, key: str, call: asyncio.Task[str]) -> None:
        """Hear that a call is over."""

    async def query(self, key: str, seconds: float | None) -> str:
        async with asyncio.timeout(seconds), connected(self.port) as stream:
            return await ask(stream, key)


class FixedCache(Cache):
    """A failure is told to those who wait for it, and forgotten."""

    def over(self, key: str, call: asyncio.Task[str]) -> None:
        if call.cancelled() or call.exception() is not None:
            self.calls.pop(key)


async def lookups(factory: type[Cache]) -> None:
    async def answer(key: str) -> str:
        await asyncio.sleep(0.01)
        return f"instances of {key}"

    async with listening(lambda r, w: serve_lines(r, w, answer)) as port:
        cache = factory(port)
        with suppress(TimeoutError):
            await cache.get("web", 0.06)
        assert await cache.get("web", None) == "instances of web"


async def buggy() -> None:
    await lookups(Cache)


async def fixed() -> None:
    await lookups(FixedCache)
