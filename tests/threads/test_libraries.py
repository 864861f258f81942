"""Libraries that start threads of their own, unmodified."""

from __future__ import annotations

import asyncio
import time

import pytest


def test_aiosqlite(simulate) -> None:
    """A database in a thread of its own answers at the same instant, in the same order."""
    aiosqlite = pytest.importorskip("aiosqlite")

    async def main() -> object:
        async with aiosqlite.connect(":memory:") as db:
            await db.execute("create table numbers (number)")
            inserts = (db.execute("insert into numbers values (?)", (each,)) for each in range(9))
            await asyncio.gather(*inserts)
            await asyncio.sleep(3600)
            async with db.execute("select number from numbers") as cursor:
                return [row[0] async for row in cursor], asyncio.get_running_loop().time()

    assert simulate(main).value == (list(range(9)), 3600.0)


def test_janus(simulate) -> None:
    """Both ends of one queue: a thread that produces, a coroutine that consumes."""
    janus = pytest.importorskip("janus")

    async def main() -> object:
        box = janus.Queue(maxsize=2)

        def produce() -> float:
            for number in range(10):
                box.sync_q.put(number)
                time.sleep(0.1)
            box.sync_q.join()
            return time.monotonic()

        producer = asyncio.create_task(asyncio.to_thread(produce))
        seen = []
        for _ in range(10):
            seen.append(await box.async_q.get())
            box.async_q.task_done()
            await asyncio.sleep(0.25)
        return seen, round(await producer, 6)

    assert simulate(main).value == (list(range(10)), 2.25)


def test_anyio(simulate) -> None:
    """Worker threads of anyio call back into the loop, by from_thread and by a portal."""
    anyio = pytest.importorskip("anyio")
    pytest.importorskip("anyio.from_thread")
    pytest.importorskip("anyio.to_thread")

    async def main() -> object:
        loop = asyncio.get_running_loop()
        seen: list[float] = []

        def work(seconds: int) -> float:
            anyio.from_thread.run(anyio.sleep, seconds)
            time.sleep(seconds)
            return anyio.from_thread.run_sync(loop.time)

        async def one(seconds: int) -> None:
            seen.append(await anyio.to_thread.run_sync(work, seconds))

        async with anyio.create_task_group() as group:
            for seconds in (3, 1, 2):
                group.start_soon(one, seconds)
        async with anyio.from_thread.BlockingPortal() as portal:
            await anyio.to_thread.run_sync(portal.call, anyio.sleep, 4)
        return seen, loop.time()

    assert simulate(main).value == ([2.0, 4.0, 6.0], 10.0)
