"""A lock is released when the await ends, and the thread that it guarded is still at work.

Statements run in threads, one at a time, under an ``asyncio.Lock``. When the caller of a long
insert is cancelled the lock is free at once, and the rollback that follows runs between two rows.

Fails: a row has survived the rollback.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = "https://github.com/TokenRhythm/opensquilla/pull/1586"


class Connection:
    """Statements in threads, in turn."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.lock = asyncio.Lock()

    async def run(self, statement: Callable[[], None]) -> None:
        async with self.lock:
            await asyncio.to_thread(statement)

    def insert(self) -> None:
        for row in range(3):
            time.sleep(0.005)
            self.rows.append(row)

    def rollback(self) -> None:
        self.rows.clear()


class FixedConnection(Connection):
    """The lock belongs to the thread: it is free when the thread is."""

    async def run(self, statement: Callable[[], None]) -> None:
        await self.lock.acquire()
        job = asyncio.get_running_loop().run_in_executor(None, statement)
        job.add_done_callback(lambda _: self.lock.release())
        await asyncio.shield(job)


async def transaction(connection: Connection) -> None:
    try:
        async with asyncio.timeout(0.08):
            await connection.run(connection.insert)
    except TimeoutError:
        await connection.run(connection.rollback)
        await asyncio.sleep(0.1)
        assert connection.rows == []
    else:
        assert connection.rows == [0, 1, 2]


async def buggy() -> None:
    await transaction(Connection())


async def fixed() -> None:
    await transaction(FixedConnection())
