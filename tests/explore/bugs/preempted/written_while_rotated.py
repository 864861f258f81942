"""A log is closed, renamed and opened anew, and a thread that writes meanwhile meets a closed file.

Only one thread rotates; all of them write, by the attribute that holds the file.

Fails: a thread's write raises, and the thread is gone.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from pathlib import Path
from typing import IO

SOURCE = "https://github.com/springfall2008/batpred/pull/4684"


class Log:
    """A file that is replaced when it is full."""

    def __init__(self, home: str) -> None:
        self.path = Path(home) / "log"
        self.file: IO[str] = self.path.open("a")

    def write(self, line: str) -> None:
        self.file.write(f"{line}\n")

    def rotate(self) -> None:
        self.file.close()
        self.path.rename(self.path.with_suffix(".1"))
        self.file = self.path.open("a")


class FixedLog(Log):
    """Who writes and who rotates take turns."""

    def __init__(self, home: str) -> None:
        super().__init__(home)
        self.lock = threading.Lock()

    def write(self, line: str) -> None:
        with self.lock:
            super().write(line)

    def rotate(self) -> None:
        with self.lock:
            super().rotate()


async def components(factory: type[Log]) -> None:
    with tempfile.TemporaryDirectory() as home:
        log = factory(home)
        try:
            await asyncio.gather(
                asyncio.to_thread(log.write, "trained"), asyncio.to_thread(log.rotate)
            )
        finally:
            log.file.close()
        lines = "".join(path.read_text() for path in Path(home).iterdir())
        assert lines == "trained\n"


async def buggy() -> None:
    await components(Log)


async def fixed() -> None:
    await components(FixedLog)
