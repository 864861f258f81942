"""A task that is cancelled as its wait comes to an end goes on as if nothing had happened.

A waiting function of one's own, as asyncio's was once: when it is cancelled and what it waited for
is done already, it returns that. The cancellation, which is told only once, is lost.

Fails: the worker waits for ever for work, and who stopped it for its end.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from bugs.scaffold import connected, listening

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    Wait = Callable[[Coroutine[object, object, bytes]], Awaitable[bytes]]

SOURCE = "https://github.com/python/cpython/issues/86296"

T = TypeVar("T")


async def wait_for(coroutine: Coroutine[object, object, T]) -> T:
    task = asyncio.ensure_future(coroutine)
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        if task.done():
            return task.result()
        task.cancel()
        raise
    return task.result()


async def fixed_wait_for(coroutine: Coroutine[object, object, T]) -> T:
    task = asyncio.ensure_future(coroutine)
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        task.cancel()
        raise
    return task.result()


async def stop(wait: Wait) -> None:
    queue: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(4):
            await asyncio.sleep(0.02)
            writer.write(b"job %d\n" % number)

    async def receive(port: int) -> None:
        async with connected(port) as (reader, _):
            while job := await reader.readline():
                queue.put_nowait(job)

    async def work() -> None:
        while True:
            await wait(queue.get())

    async with listening(serve) as port:
        receiving = asyncio.create_task(receive(port))
        working = asyncio.create_task(work())
        await asyncio.sleep(0.11)
        working.cancel()
        await asyncio.wait([working])
        await receiving
    assert working.cancelled()


async def buggy() -> None:
    await stop(wait_for)


async def fixed() -> None:
    await stop(fixed_wait_for)
