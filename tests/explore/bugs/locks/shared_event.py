"""A client keeps one event for all its requests, and the second request replaces the first one's.

Price histories come over one connection. Each call makes a fresh event, keeps it on the client and
waits. While two calls are under way, the answer to the first sets the event of the second, which
wakes to find nothing of its own.

Fails: KeyError in the second call; the first one is left waiting.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bugs.scaffold import connected, listening, serve_lines

if TYPE_CHECKING:
    from bugs.scaffold import Stream

SOURCE = "https://github.com/rundef/async_rithmic/pull/52"


class History:
    """The client's half: a reader, and calls that wait for it."""

    def __init__(self, stream: Stream) -> None:
        self.reader, self.writer = stream
        self.bars: dict[str, str] = {}
        self.event = asyncio.Event()

    async def receive(self) -> None:
        while line := await self.reader.readline():
            symbol, _, bars = line.decode().strip().partition(" ")
            self.bars[symbol] = bars
            self.arrived(symbol)

    def arrived(self, _symbol: str) -> None:
        self.event.set()

    async def fetch(self, symbol: str) -> str:
        self.event = asyncio.Event()
        self.writer.write(f"{symbol}\n".encode())
        await self.event.wait()
        return self.bars.pop(symbol)


class FixedHistory(History):
    """An event for each request."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self.events: dict[str, asyncio.Event] = {}

    def arrived(self, symbol: str) -> None:
        self.events.pop(symbol).set()

    async def fetch(self, symbol: str) -> str:
        event = self.events[symbol] = asyncio.Event()
        self.writer.write(f"{symbol}\n".encode())
        await event.wait()
        return self.bars.pop(symbol)


async def two_charts(client: type[History]) -> None:
    async def answer(symbol: str) -> str:
        await asyncio.sleep(0.01)
        return f"{symbol} bars of {symbol}"

    async def second(history: History) -> str:
        await asyncio.sleep(0.04)
        return await history.fetch("GOOG")

    async with (
        listening(lambda r, w: serve_lines(r, w, answer)) as port,
        connected(port) as stream,
    ):
        history = client(stream)
        receiving = asyncio.create_task(history.receive())
        charts = await asyncio.gather(history.fetch("AAPL"), second(history))
        receiving.cancel()
    assert [*charts] == ["bars of AAPL", "bars of GOOG"]


async def buggy() -> None:
    await two_charts(History)


async def fixed() -> None:
    await two_charts(FixedHistory)
