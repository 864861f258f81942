"""A worker that was slow deletes a lock that is no longer its own.

The lock is a key with a time to live in a shared store. The first worker is done well before its
lease ends, or else the lease ends first, another worker takes the lock, and the first one deletes
the key as if it were its own.

Fails: the second worker's lock is deleted by the first.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bugs.scaffold import ask, connected, listening, serve_lines

if TYPE_CHECKING:
    from bugs.scaffold import Stream

SOURCE = "https://github.com/CERT-Polska/Artemis/pull/2560"

LEASE = 0.08


class Store:
    """One key, which expires."""

    def __init__(self) -> None:
        self.owner: str | None = None
        self.expiry: asyncio.TimerHandle | None = None
        self.stolen: list[str] = []

    async def answer(self, line: str) -> str:
        verb, caller = line.split()
        if verb == "set" and self.owner is None:
            self.owner = caller
            self.expiry = asyncio.get_running_loop().call_later(LEASE, self.clear)
            return "ok"
        if verb == "delete" or (verb == "compare-and-delete" and self.owner == caller):
            if self.owner not in {None, caller}:
                self.stolen.append(f"{self.owner}'s by {caller}")
            self.clear()
            return "ok"
        return "no"

    def clear(self) -> None:
        self.owner = None
        if self.expiry is not None:
            self.expiry.cancel()


async def scans(release: str) -> None:
    store = Store()

    async def acquire(stream: Stream, name: str) -> None:
        while await ask(stream, f"set {name}") != "ok":
            await asyncio.sleep(0.02)

    async def scan(port: int, name: str, work: float) -> None:
        async with connected(port) as stream:
            await acquire(stream, name)
            await asyncio.sleep(work)
            await ask(stream, f"{release} {name}")

    async with listening(lambda r, w: serve_lines(r, w, store.answer)) as port:
        await asyncio.gather(scan(port, "first", 0.02), scan(port, "second", 0.04))
    assert not store.stolen


async def buggy() -> None:
    await scans("delete")


async def fixed() -> None:
    await scans("compare-and-delete")
