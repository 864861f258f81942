"""A lock file of someone who has died is removed, and a new one put in its place, in two steps.

Two who want the lock find that its holder is dead. The one removes the file and makes its own; the
other then removes that and makes its own, too.

Fails: two hold the lock.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from pathlib import Path

SOURCE = "https://github.com/notque/vexjoy-agent/pull/887"


class LockFile:
    """A file with its holder's name."""

    def __init__(self, home: str) -> None:
        self.path = Path(home) / "lock"
        self.write("dead")

    def write(self, name: str) -> None:
        fd = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        os.write(fd, name.encode())
        os.close(fd)

    def is_stale(self) -> bool:
        try:
            return self.path.read_text() == "dead"
        except FileNotFoundError:
            return False

    def acquire(self, name: str) -> bool:
        try:
            if self.is_stale():
                self.path.unlink()
            self.write(name)
        except (FileExistsError, FileNotFoundError):
            return False
        return True


class FixedLockFile(LockFile):
    """Those who would take it over do so one at a time."""

    def __init__(self, home: str) -> None:
        super().__init__(home)
        self.stealing = threading.Lock()

    def acquire(self, name: str) -> bool:
        with self.stealing:
            return super().acquire(name)


async def jobs(factory: type[LockFile]) -> None:
    with tempfile.TemporaryDirectory() as home:
        lock = factory(home)
        held = await asyncio.gather(*(asyncio.to_thread(lock.acquire, name) for name in "ab"))
        assert sum(held) == 1


async def buggy() -> None:
    await jobs(LockFile)


async def fixed() -> None:
    await jobs(FixedLockFile)
