"""Two attempts to connect succeed, one is used, and the other is never closed.

A client starts with one address and tries the next when the first takes long. Both may succeed
before the race is looked at; the runner-up is neither pending, to be cancelled, nor used.

Fails: a connection stays open that nobody has.
"""

from __future__ import annotations

import asyncio

from bugs.scaffold import LOOPBACK, listening

SOURCE = "https://github.com/aio-libs/aiohappyeyeballs/pull/143"


async def race(*, closes_runners_up: bool) -> None:
    opened: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def attempt(port: int) -> asyncio.StreamWriter:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
        opened.append(writer)
        return writer

    async def connect(ports: list[int]) -> asyncio.StreamWriter:
        attempts: list[asyncio.Task[asyncio.StreamWriter]] = []
        for port in ports:
            attempts.append(asyncio.create_task(attempt(port)))
            await asyncio.wait(attempts, timeout=0.03, return_when=asyncio.FIRST_COMPLETED)
            if any(each.done() for each in attempts):
                break
        else:
            await asyncio.wait(attempts, return_when=asyncio.FIRST_COMPLETED)
        winner, *others = sorted(attempts, key=lambda each: not each.done())
        for other in others:
            if not other.done():
                other.cancel()
            elif closes_runners_up:
                other.result().close()
        await asyncio.gather(*others, return_exceptions=True)
        return winner.result()

    async with listening(serve) as first, listening(serve) as second:
        used = await connect([first, second])
        open_ones = [writer for writer in opened if not writer.is_closing()]
        used.close()
    assert open_ones == [used]


async def buggy() -> None:
    await race(closes_runners_up=False)


async def fixed() -> None:
    await race(closes_runners_up=True)
