"""Two writers of a cache write to temporary files of one name, and rename them into place.

Renaming makes a write whole for readers, not for other writers: the first one to rename takes the
second one's file with it.

Fails: the second one finds no file to rename.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

SOURCE = "https://github.com/karlicoss/cachew/pull/90"


class Cache:
    """One file."""

    def __init__(self, home: str) -> None:
        self.path = Path(home) / "rows.json"

    def temporary(self, writer: int) -> Path:
        del writer
        return self.path.with_suffix(".tmp")

    def write(self, writer: int) -> None:
        temporary = self.temporary(writer)
        temporary.write_text(f"[{writer}]")
        temporary.replace(self.path)


class FixedCache(Cache):
    """A name for each writer."""

    def temporary(self, writer: int) -> Path:
        return self.path.with_suffix(f".{writer}.tmp")


async def fill(factory: type[Cache]) -> None:
    with tempfile.TemporaryDirectory() as home:
        cache = factory(home)
        await asyncio.gather(*(asyncio.to_thread(cache.write, writer) for writer in range(2)))
        assert cache.path.read_text() in {"[0]", "[1]"}


async def buggy() -> None:
    await fill(Cache)


async def fixed() -> None:
    await fill(FixedCache)
