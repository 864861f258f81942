"""The clean-up after a failed request does not see the failure that is no ``Exception``.

A pool counts a connection as busy until its response has been read, and removes it when the
request fails. A request that is cancelled fails by ``CancelledError``, which ``except Exception``
has not caught since Python 3.8, so its connection stays busy for good.

Fails: the next request waits for ever for a free connection.
"""

from __future__ import annotations

import asyncio

from bugs.scaffold import ask, connected, listening, serve_lines

SOURCE = "https://github.com/encode/httpcore/issues/149"


class Pool:
    """At most so many requests at a time, each on a connection of its own."""

    caught: type[BaseException] = Exception

    def __init__(self, port: int, size: int) -> None:
        self.port = port
        self.free = size
        self.freed = asyncio.Event()

    async def request(self, path: str) -> str:
        while not self.free:
            self.freed.clear()
            await self.freed.wait()
        self.free -= 1
        try:
            async with connected(self.port) as stream:
                response = await ask(stream, path)
        except self.caught:
            self.give_back()
            raise
        self.give_back()
        return response

    def give_back(self) -> None:
        self.free += 1
        self.freed.set()


class FixedPool(Pool):
    """However a request ends, its place is free again."""

    caught = BaseException


async def requests(factory: type[Pool]) -> None:
    async def answer(path: str) -> str:
        await asyncio.sleep(0.02)
        return f"200 {path}"

    async def suggestion(pool: Pool) -> None:
        try:
            async with asyncio.timeout(0.06):
                await pool.request("/suggest")
        except TimeoutError:
            pass

    async with listening(lambda r, w: serve_lines(r, w, answer)) as port:
        pool = factory(port, 1)
        await suggestion(pool)
        assert await pool.request("/") == "200 /"


async def buggy() -> None:
    await requests(Pool)


async def fixed() -> None:
    await requests(FixedPool)
