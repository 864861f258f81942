"""Two locks of a connection are taken in one order by who connects, in the other by who asks.

Connecting holds the lock of the connection and wants that of writing; a request holds that of
writing and finds that it has to look at the connection.

Fails: both wait for ever.
"""

from __future__ import annotations

import asyncio
import threading

SOURCE = "https://github.com/python-hyper/hyper/pull/280"


class Connection:
    """A preamble, and requests after it."""

    def __init__(self) -> None:
        self.state = threading.RLock()
        self.writing = threading.RLock()
        self.written: list[str] = []
        self.is_open = False

    def connect(self) -> None:
        with self.state:
            if not self.is_open:
                with self.writing:
                    self.written.append("preamble")
                self.is_open = True

    def request(self, number: int) -> None:
        with self.writing:
            self.connect()
            self.written.append(f"request {number}")


class FixedConnection(Connection):
    """The lock of the connection always comes first."""

    def request(self, number: int) -> None:
        with self.state:
            super().request(number)


async def client(connection: Connection) -> None:
    await asyncio.gather(
        asyncio.to_thread(connection.connect), asyncio.to_thread(connection.request, 1)
    )
    assert connection.written == ["preamble", "request 1"]


async def buggy() -> None:
    await client(Connection())


async def fixed() -> None:
    await client(FixedConnection())
