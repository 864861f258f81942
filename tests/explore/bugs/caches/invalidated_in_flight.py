"""A value that was read before it changed is stored after the cache was told of the change.

A fetch is under way when the owner of a gateway changes and the entry is deleted from the cache.
The fetch ends afterwards and stores what it read before, for as long as entries live.

Fails: the old owner is still allowed.
"""

from __future__ import annotations

import asyncio

from bugs.scaffold import ask, connected, listening, serve_lines

SOURCE = "https://github.com/austinmesh/bridger/pull/261"


class Cache:
    """Values of a service, by key."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.values: dict[str, str] = {}

    async def get(self, key: str) -> str:
        if key not in self.values:
            self.store(key, await self.fetch(key))
        return self.values[key]

    async def fetch(self, key: str) -> str:
        async with connected(self.port) as stream:
            return await ask(stream, f"get {key}")

    def store(self, key: str, value: str) -> None:
        self.values[key] = value

    def invalidate(self, key: str) -> None:
        self.values.pop(key, None)


class FixedCache(Cache):
    """A value that was fetched across an invalidation is returned and not kept."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.generation = 0

    async def get(self, key: str) -> str:
        if key in self.values:
            return self.values[key]
        generation = self.generation
        value = await self.fetch(key)
        if generation == self.generation:
            self.store(key, value)
        return value

    def invalidate(self, key: str) -> None:
        self.generation += 1
        super().invalidate(key)


async def ownership(factory: type[Cache]) -> None:
    owner = "ann"

    async def answer(line: str) -> str:
        nonlocal owner
        verb, _, value = line.partition(" ")
        if verb == "set":
            owner = value
        found = owner
        await asyncio.sleep(0.01)
        return found

    async def change(port: int, cache: Cache) -> None:
        await asyncio.sleep(0.05)
        async with connected(port) as stream:
            await ask(stream, "set bob")
        cache.invalidate("owner")

    async with listening(lambda r, w: serve_lines(r, w, answer)) as port:
        cache = factory(port)
        first, _ = await asyncio.gather(cache.get("owner"), change(port, cache))
        assert first in {"ann", "bob"}
        assert await cache.get("owner") == "bob"


async def buggy() -> None:
    await ownership(Cache)


async def fixed() -> None:
    await ownership(FixedCache)
