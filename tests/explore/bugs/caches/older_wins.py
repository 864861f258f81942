"""Of two loads under way, the one that was asked first may end last, and overwrites the newer value.

A dashboard reloads its numbers when something changed, and shows what came last. The answer to the
earlier request, on another connection, may come after the later one's.

Fails: the older number is shown.
"""

from __future__ import annotations

import asyncio

from bugs.scaffold import ask, connected, listening, serve_lines

SOURCE = "https://github.com/vectorize-io/hindsight/pull/2315"


class Dashboard:
    """The last number."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.shown = ""
        self.asked = 0

    async def reload(self) -> None:
        self.asked += 1
        mine = self.asked
        async with connected(self.port) as stream:
            found = await ask(stream, "count")
        if self.is_current(mine):
            self.shown = found

    def is_current(self, _request: int) -> bool:
        return True


class FixedDashboard(Dashboard):
    """Only the last request may show what it found."""

    def is_current(self, request: int) -> bool:
        return request == self.asked


async def two_changes(factory: type[Dashboard]) -> None:
    count = 1

    async def answer(_line: str) -> str:
        found = count
        await asyncio.sleep(0.005)
        return str(found)

    async def change(dashboard: Dashboard) -> None:
        nonlocal count
        await asyncio.sleep(0.03)
        count = 2
        await dashboard.reload()

    async with listening(lambda r, w: serve_lines(r, w, answer)) as port:
        dashboard = factory(port)
        await asyncio.gather(dashboard.reload(), change(dashboard))
    assert dashboard.shown == "2"


async def buggy() -> None:
    await two_changes(Dashboard)


async def fixed() -> None:
    await two_changes(FixedDashboard)
