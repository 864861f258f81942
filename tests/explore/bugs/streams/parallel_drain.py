"""Two tasks wait for one write buffer to empty, and there is room for one waiter.

The flow control of a connection keeps one future for whoever waits until the peer has read enough.
Two tasks that send on one connection wait together only when the peer is slow.

Fails: AssertionError from the flow control.
"""

from __future__ import annotations

import asyncio

from bugs.scaffold import LOOPBACK, listening

SOURCE = "https://github.com/aio-libs/aiohttp/issues/2934"

FRAME = bytes(5_000_000)  # More than a connection on loopback takes while nobody reads.


class FlowControl(asyncio.Protocol):
    """The sending half of a connection."""

    def __init__(self) -> None:
        self.is_paused = False
        self.waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def pause_writing(self) -> None:
        self.is_paused = True

    def resume_writing(self) -> None:
        self.is_paused = False
        if self.waiter is not None:
            self.waiter.set_result(None)
            self.waiter = None

    async def drain(self) -> None:
        if self.is_paused:
            assert self.waiter is None, "somebody waits here already"
            self.waiter = asyncio.get_running_loop().create_future()
            await self.waiter

    async def send(self, frame: bytes) -> None:
        self.transport.write(frame)
        await self.drain()


class FixedFlowControl(FlowControl):
    """All who wait share the future."""

    async def drain(self) -> None:
        if self.is_paused:
            if self.waiter is None:
                self.waiter = asyncio.get_running_loop().create_future()
            await asyncio.shield(self.waiter)


async def relay(factory: type[FlowControl]) -> None:
    received = 0
    complete = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        nonlocal received
        while data := await reader.read(65536):
            received += len(data)
            if received == 2 * len(FRAME):
                complete.set()

    async with listening(serve) as port:
        loop = asyncio.get_running_loop()
        transport, flow = await loop.create_connection(factory, LOOPBACK, port)
        transport.set_write_buffer_limits(high=1000)

        async def later() -> None:
            await asyncio.sleep(0.1)
            await flow.send(FRAME)

        await asyncio.gather(flow.send(FRAME), later())
        await complete.wait()
        transport.close()


async def buggy() -> None:
    await relay(FlowControl)


async def fixed() -> None:
    await relay(FixedFlowControl)
