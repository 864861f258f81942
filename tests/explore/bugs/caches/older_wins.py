"""Of two loads under way, the one that began first may end last, and overwrites the newer value.

A dashboard loads its numbers in a thread whenever something changed, and shows what came last. The
load that began earlier, in another thread, may come back after the later one.

Fails: the older number is shown.
"""

from __future__ import annotations

import asyncio
import time

SOURCE = "https://github.com/vectorize-io/hindsight/pull/2315"


class Database:
    """Counts changes."""

    def __init__(self) -> None:
        self.changes = 0

    def load(self) -> int:
        found = self.changes
        time.sleep(0.005)
        return found


class Dashboard:
    """The last number."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.shown = 0
        self.asked = 0

    async def reload(self) -> None:
        self.asked += 1
        mine = self.asked
        found = await asyncio.to_thread(self.database.load)
        if self.is_current(mine):
            self.shown = found

    def is_current(self, _request: int) -> bool:
        return True


class FixedDashboard(Dashboard):
    """Only the last request may show what it found."""

    def is_current(self, request: int) -> bool:
        return request == self.asked


async def changes(factory: type[Dashboard]) -> None:
    database = Database()
    dashboard = factory(database)

    async def change(number: int) -> None:
        await asyncio.sleep(0.025 * number)
        database.changes += 1
        await dashboard.reload()

    await asyncio.gather(*(change(number) for number in range(1, 4)))
    assert dashboard.shown == 3


async def buggy() -> None:
    await changes(Dashboard)


async def fixed() -> None:
    await changes(FixedDashboard)
