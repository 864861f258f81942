"""A semaphore hands its permit to a waiter that is being cancelled, and the permit is gone.

A downloader limits itself to one transfer by a semaphore of its own. ``release`` wakes the first
waiter; when that waiter's timeout strikes before it has run, it leaves by the error, and whoever
waits behind it is never woken although nothing holds the permit. It takes a release and a timeout
within one turn of the loop.

Fails: the last download waits for ever.
"""

from __future__ import annotations

import asyncio
from collections import deque

from bugs.scaffold import ask, connected, listening, serve_lines

SOURCE = "https://github.com/python/asyncio/issues/270"


class Semaphore:
    """One permit; waiters in order."""

    def __init__(self) -> None:
        self.is_free = True
        self.waiters: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        while not self.is_free:
            waiter = asyncio.get_running_loop().create_future()
            self.waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                self.give_up(waiter)
                raise
        self.is_free = False

    def give_up(self, waiter: asyncio.Future[None]) -> None:
        """Be forgotten as a waiter."""

    def release(self) -> None:
        self.is_free = True
        self.wake_next()

    def wake_next(self) -> None:
        while self.waiters:
            waiter = self.waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return


class FixedSemaphore(Semaphore):
    """A waiter that was woken and leaves all the same wakes the next one."""

    def give_up(self, waiter: asyncio.Future[None]) -> None:
        if not waiter.cancelled() and self.is_free:
            self.wake_next()


async def transfers(semaphore: Semaphore) -> None:
    async def answer(name: str) -> str:
        await asyncio.sleep(0.01)
        return f"body of {name}"

    async def download(port: int, name: str) -> str:
        await semaphore.acquire()
        try:
            async with connected(port) as stream:
                return await ask(stream, name)
        finally:
            semaphore.release()

    async def download_soon(port: int, name: str, seconds: float) -> str:
        try:
            async with asyncio.timeout(seconds):
                return await download(port, name)
        except TimeoutError:
            return f"body of {name}"  # From the cache, say.

    async with listening(lambda r, w: serve_lines(r, w, answer)) as port:
        bodies = await asyncio.gather(
            download(port, "a"),
            download_soon(port, "b", 0.06),
            download_soon(port, "c", 0.07),
            download_soon(port, "d", 0.08),
            download(port, "e"),
        )
    assert [*bodies] == [f"body of {name}" for name in "abcde"]


async def buggy() -> None:
    await transfers(Semaphore())


async def fixed() -> None:
    await transfers(FixedSemaphore())
