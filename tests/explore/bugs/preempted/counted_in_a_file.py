"""A counter in a file is read, and written back with one more.

Hooks of sessions that overlap count in one file. Each write is whole; what was counted between the
reading and the writing is gone.

Fails: two were counted, and the file says one.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from pathlib import Path

SOURCE = "https://github.com/tigerless-labs/autoharness/issues/156"


class Counter:
    """A number in a file."""

    def __init__(self, home: str) -> None:
        self.path = Path(home) / "requests"
        self.path.write_text("0")

    def bump(self) -> None:
        value = int(self.path.read_text()) + 1
        temporary = self.path.with_name(f"requests.{threading.get_ident()}")
        temporary.write_text(str(value))
        temporary.replace(self.path)


class FixedCounter(Counter):
    """One at a time."""

    def __init__(self, home: str) -> None:
        super().__init__(home)
        self.lock = threading.Lock()

    def bump(self) -> None:
        with self.lock:
            super().bump()


async def sessions(factory: type[Counter]) -> None:
    with tempfile.TemporaryDirectory() as home:
        counter = factory(home)
        await asyncio.gather(*(asyncio.to_thread(counter.bump) for _ in range(2)))
        assert counter.path.read_text() == "2"


async def buggy() -> None:
    await sessions(Counter)


async def fixed() -> None:
    await sessions(FixedCounter)
