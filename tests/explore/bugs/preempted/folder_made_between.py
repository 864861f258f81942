"""A folder is made where it does not exist, and by then it does.

Two parts of a program want the folder of the cache when they begin. Both look, both find nothing.

Fails: the second one to make it gets an error.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = "https://github.com/borgbackup/borg/issues/5439"


def make(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir()


def fixed_make(folder: Path) -> None:
    folder.mkdir(exist_ok=True)


async def begin(make: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "cache"
        await asyncio.gather(*(asyncio.to_thread(make, folder) for _ in range(2)))
        assert [*Path(home).iterdir()] == [folder]


async def buggy() -> None:
    await begin(make)


async def fixed() -> None:
    await begin(fixed_make)
