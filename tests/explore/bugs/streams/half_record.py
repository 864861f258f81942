"""A read that is cancelled in the middle of a record loses the half that it had.

Records of eight bytes are read from a socket, piece by piece, until one is complete. The reader is
given a timeout, so that it can look after other things; when it strikes between two pieces, the
first one dies with the reader, and all records after that are shifted.

Fails: records that were never sent, and one that is missing.
"""

from __future__ import annotations

import asyncio
import socket

SOURCE = "https://github.com/MagicStack/uvloop/issues/169"

RECORDS = [b"%08d" % number for number in range(3)]


class Device:
    """Reads records from a socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.reading: asyncio.Task[bytes] | None = None

    async def record(self) -> bytes:
        loop, data = asyncio.get_running_loop(), b""
        while len(data) < 8:
            piece = await loop.sock_recv(self.sock, 8 - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    async def record_within(self, seconds: float) -> bytes:
        async with asyncio.timeout(seconds):
            return await self.record()


class FixedDevice(Device):
    """The read goes on, whether one waits for it or not: what it has taken nobody else can read."""

    async def record_within(self, seconds: float) -> bytes:
        if self.reading is None:
            self.reading = asyncio.create_task(self.record())
        done, _ = await asyncio.wait([self.reading], timeout=seconds)
        if not done:
            raise TimeoutError
        self.reading = None
        return done.pop().result()


async def measure(factory: type[Device]) -> None:
    loop = asyncio.get_running_loop()
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)

    async def send() -> None:
        with far:
            for record in RECORDS:
                await asyncio.sleep(0.03)
                await loop.sock_sendall(far, record[:3])
                await asyncio.sleep(0.01)
                await loop.sock_sendall(far, record[3:])

    device, received = factory(near), []
    sending = asyncio.create_task(send())
    with near:
        while True:
            try:
                received.append(await device.record_within(0.07))
            except TimeoutError:
                continue
            except EOFError:
                break
    await sending
    assert received == RECORDS


async def buggy() -> None:
    await measure(Device)


async def fixed() -> None:
    await measure(FixedDevice)
