"""A waiter clears the event after it was set, and waits for a second one that never comes.

A client that finds itself disconnected writes a line to its log, clears the event "connected" and
waits. When the connection comes up while the log is written, the event is set first and cleared
afterwards.

Fails: the client waits for ever for a connection that it has.
"""

from __future__ import annotations

import asyncio
import time

from bugs.scaffold import connected, listening

SOURCE = "https://github.com/caproto/caproto/pull/190"


class Link:
    """A connection that comes up by itself."""

    def __init__(self) -> None:
        self.is_up = False
        self.came_up = asyncio.Event()

    async def connect(self, port: int) -> None:
        async with connected(port) as (reader, _):
            await reader.readline()
            self.is_up = True
            self.came_up.set()

    async def until_up(self) -> None:
        if not self.is_up:
            await asyncio.to_thread(write_log, "waiting for the link")
            self.came_up.clear()
            await self.came_up.wait()


class FixedLink(Link):
    """The event is never cleared behind the back of who sets it."""

    async def until_up(self) -> None:
        if not self.is_up:
            await asyncio.to_thread(write_log, "waiting for the link")
            await self.came_up.wait()


def write_log(_line: str) -> None:
    time.sleep(0.002)


async def start(link: Link) -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        writer.write(b"welcome\n")

    async with listening(greet) as port, asyncio.TaskGroup() as group:
        group.create_task(link.connect(port))
        await link.until_up()
    assert link.is_up


async def buggy() -> None:
    await start(Link())


async def fixed() -> None:
    await start(FixedLink())
