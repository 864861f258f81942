"""A cache that asks its origin once, or so it says: a bug that waits for a slow machine.

``simloop explore examples/asked_once.py`` finds the schedule that breaks it. It imports nothing of
simloop; :func:`main_with_lock` is the corrected program.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

HERE = "127.0.0.1", 7000


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a request, as the origin of the data does."""
    writer.write(await reader.readline())
    writer.close()


async def ask(key: str) -> bytes:
    """Ask the origin."""
    reader, writer = await asyncio.open_connection(*HERE)
    writer.write(key.encode() + b"\n")
    value = await reader.readline()
    writer.close()
    return value


async def serve(guard: AbstractAsyncContextManager[Any]) -> None:
    """Get a key now and once more 20 ms later, when its answer is there; or is it?"""
    cache: dict[str, bytes] = {}
    asked = []
    origin = await asyncio.start_server(answer, *HERE)

    async def get(key: str) -> bytes:
        async with guard:
            if key not in cache:
                asked.append(key)
                cache[key] = await ask(key)
            return cache[key]

    async def get_later(key: str) -> bytes:
        await asyncio.sleep(0.02)
        return await get(key)

    await asyncio.gather(get("x"), get_later("x"))
    origin.close()
    assert asked == ["x"], f"asked {len(asked)} times"


async def main() -> None:
    """Check, then act, with an await between the two."""
    await serve(nullcontext())


async def main_with_lock() -> None:
    """One at a time."""
    await serve(asyncio.Lock())
