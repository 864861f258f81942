"""A database thread sets the result of a call whose caller has timed out.

A worker thread runs the statement and passes the rows to the loop: ``call_soon_threadsafe`` with
the future's ``set_result``. If the caller has been cancelled meanwhile, so has the future.

Fails: InvalidStateError in a callback of the loop, which nobody awaits.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = "https://github.com/omnilib/aiosqlite/issues/80"

Rows = list[tuple[int, str]]


def set_result(future: asyncio.Future[Rows], rows: Rows) -> None:
    future.set_result(rows)


def fixed_set_result(future: asyncio.Future[Rows], rows: Rows) -> None:
    if not future.done():
        future.set_result(rows)


async def queries(deliver: Callable[[asyncio.Future[Rows], Rows], None]) -> None:
    loop = asyncio.get_running_loop()

    def execute(future: asyncio.Future[Rows]) -> None:
        time.sleep(0.01)
        loop.call_soon_threadsafe(deliver, future, [(1, "message")])

    future: asyncio.Future[Rows] = loop.create_future()
    job = loop.run_in_executor(None, execute, future)
    try:
        async with asyncio.timeout(0.05):
            assert await future == [(1, "message")]
    except TimeoutError:
        pass
    await job
    await asyncio.sleep(0)


async def buggy() -> None:
    await queries(set_result)


async def fixed() -> None:
    await queries(fixed_set_result)
