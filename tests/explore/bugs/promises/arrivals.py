"""Timers run by their deadlines; what one connection or one thread sends comes in order."""

from __future__ import annotations

import asyncio
from collections import deque

from bugs.scaffold import LOOPBACK, connected, listening


async def timers_by_deadline() -> None:
    """Timers run in the order of their deadlines, however late the loop is."""
    loop = asyncio.get_running_loop()
    now = loop.time()
    rung: list[str] = []
    done = asyncio.Event()
    loop.call_at(now + 0.03, rung.append, "third")
    loop.call_at(now + 0.01, rung.append, "first")
    loop.call_at(now + 0.02, rung.append, "second")
    loop.call_at(now + 0.04, done.set)
    await done.wait()
    assert rung == ["first", "second", "third"]


async def sleepers_by_deadline() -> None:
    """Tasks that wait until different times go on in the order of these times."""
    loop = asyncio.get_running_loop()
    now = loop.time()
    awake: deque[float] = deque()

    async def wait_until(seconds: float) -> None:
        alarm = asyncio.Event()
        loop.call_at(now + seconds, alarm.set)
        await alarm.wait()
        awake.append(seconds)

    await asyncio.gather(wait_until(0.03), wait_until(0.01), wait_until(0.02))
    assert list(awake) == [0.01, 0.02, 0.03]


async def thread_calls_in_order() -> None:
    """What one thread passes to the loop runs in the order in which it was passed."""
    loop = asyncio.get_running_loop()
    progress: list[int] = []

    def work() -> None:
        for percent in (0, 50, 100):
            loop.call_soon_threadsafe(progress.append, percent)

    await asyncio.to_thread(work)
    while len(progress) < 3:  # From 3.14 on a thread that is quick has its result there at once.
        await asyncio.sleep(0)
    assert progress == [0, 50, 100]


async def protocol_calls_in_order() -> None:
    """A protocol hears of its connection, then of data, then of the end."""
    heard: list[str] = []
    lost = asyncio.Event()

    class Client(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            heard.append("made")

        def data_received(self, data: bytes) -> None:
            if heard[-1] != "data":
                heard.append("data")

        def eof_received(self) -> None:
            heard.append("end")

        def connection_lost(self, exc: Exception | None) -> None:
            heard.append("lost")
            lost.set()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"welcome and good bye")

    async with listening(serve) as port:
        await asyncio.get_running_loop().create_connection(Client, LOOPBACK, port)
        await lost.wait()
    assert heard == ["made", "data", "end", "lost"]


async def lines_in_order() -> None:
    """Lines of one connection that are queued as they come are handled in the order of sending."""
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    handled: list[bytes] = []

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(4):
            writer.write(b"%d\n" % number)
            await asyncio.sleep(0.01 if number == 1 else 0)

    async def receive(port: int) -> None:
        loop = asyncio.get_running_loop()
        async with connected(port) as (reader, _):
            while line := await reader.readline():
                loop.call_soon(queue.put_nowait, line.strip())
        loop.call_soon(queue.put_nowait, b"")

    async def handle() -> None:
        while line := await queue.get():
            handled.append(line)

    async with listening(serve) as port:
        await asyncio.gather(receive(port), handle())
    assert handled == [b"0", b"1", b"2", b"3"]
