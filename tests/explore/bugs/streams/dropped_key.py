"""A key that is pressed as the wait for it times out is read and thrown away.

A terminal waits for a key by watching its descriptor: the watcher reads the key into a future, and
the wait is limited. If the key and the timeout come in one turn of the loop, the key has been read,
and the timeout wins.

Fails: one of the keys is missing.
"""

from __future__ import annotations

import asyncio
import socket

SOURCE = "https://github.com/jquast/blessed/pull/401"

KEYS = b"hjkl."


class Terminal:
    """Keys, one at a time, from a socket that plays the terminal."""

    def __init__(self, tty: socket.socket) -> None:
        self.tty = tty
        self.key: asyncio.Future[bytes] | None = None

    def on_readable(self) -> None:
        if self.key is not None and not self.key.done():
            self.key.set_result(self.tty.recv(1))

    async def inkey(self, seconds: float) -> bytes:
        """Return a key, or nothing after so many seconds."""
        loop = asyncio.get_running_loop()
        self.key = loop.create_future()
        loop.add_reader(self.tty, self.on_readable)
        try:
            async with asyncio.timeout(seconds):
                return await self.key
        except TimeoutError:
            return self.timed_out(self.key)
        finally:
            loop.remove_reader(self.tty)

    def timed_out(self, _key: asyncio.Future[bytes]) -> bytes:
        return b""


class FixedTerminal(Terminal):
    """A key that has been read is returned, timeout or not."""

    def timed_out(self, key: asyncio.Future[bytes]) -> bytes:
        return b"" if key.cancelled() else key.result()


async def session(factory: type[Terminal]) -> None:
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)

    async def typist() -> None:
        for key in KEYS:
            await asyncio.sleep(0.03)
            far.send(bytes([key]))
        far.close()

    terminal = factory(near)
    typing = asyncio.create_task(typist())
    pressed = b""
    while not pressed.endswith(b"."):
        key = await terminal.inkey(0.05)
        if not key and typing.done() and not waits(near):
            break
        pressed += key
    await typing
    near.close()
    assert pressed == KEYS


def waits(tty: socket.socket) -> bool:
    """Return whether a key can be read now."""
    try:
        return bool(tty.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False


async def buggy() -> None:
    await session(Terminal)


async def fixed() -> None:
    await session(FixedTerminal)
