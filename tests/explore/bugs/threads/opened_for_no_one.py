"""A thread opens a connection for a task that has been cancelled, and nothing closes it.

``connect`` waits for a thread in which the database is opened. A task that is cancelled meanwhile
never gets the connection, and the code that would close it never runs.

Fails: a connection is open at the end.
"""

from __future__ import annotations

import asyncio
import time

SOURCE = "https://github.com/omnilib/aiosqlite/issues/259"


class Database:
    """Counts what is open."""

    def __init__(self) -> None:
        self.opened = 0
        self.jobs: list[asyncio.Future[None]] = []

    def open(self) -> None:
        time.sleep(0.01)
        self.opened += 1

    def close(self) -> None:
        self.opened -= 1

    async def connect(self) -> None:
        job = asyncio.get_running_loop().run_in_executor(None, self.open)
        self.jobs.append(job)
        try:
            await asyncio.shield(job)
        except asyncio.CancelledError:
            self.abandon(job)
            raise

    def abandon(self, job: asyncio.Future[None]) -> None:
        """Care for a connection that no one will get."""


class FixedDatabase(Database):
    """What is opened after all is closed at once."""

    def abandon(self, job: asyncio.Future[None]) -> None:
        job.add_done_callback(lambda _: self.close())


async def session(database: Database) -> None:
    try:
        async with asyncio.timeout(0.06):
            await database.connect()
            database.close()
    except TimeoutError:
        pass
    await asyncio.gather(*database.jobs)
    await asyncio.sleep(0)
    assert database.opened == 0


async def buggy() -> None:
    await session(Database())


async def fixed() -> None:
    await session(FixedDatabase())
