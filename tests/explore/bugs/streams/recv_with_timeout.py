"""``recv`` with a timeout drops a message that was taken off the queue as the timeout struck.

``recv`` waits for the next message or the end of the connection, whichever comes first, by a task
for the message. When it is cancelled it cancels that task, which may have the message already.

Fails: one message is missing.
"""

from __future__ import annotations

import asyncio
from collections import deque

from bugs.scaffold import connected, listening

SOURCE = "https://github.com/python-websockets/websockets/issues/486"


class ConnectionClosedError(Exception):
    """No message will come any more."""


class Socket:
    """Messages that a reader task has put into a queue."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[str] = asyncio.Queue()
        self.returned: deque[str] = deque()
        self.closed = asyncio.get_running_loop().create_future()

    async def receive(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            self.messages.put_nowait(line.decode().strip())
        self.closed.set_result(None)

    async def recv(self) -> str:
        if self.returned:
            return self.returned.popleft()
        message = asyncio.ensure_future(self.messages.get())
        try:
            await asyncio.wait([message, self.closed], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.abandon(message)
            raise
        if not message.done():
            message.cancel()
            if self.messages.empty():
                raise ConnectionClosedError
            return self.messages.get_nowait()
        return message.result()

    def abandon(self, message: asyncio.Task[str]) -> None:
        message.cancel()


class FixedSocket(Socket):
    """A message that is there already is kept for the next call."""

    def abandon(self, message: asyncio.Task[str]) -> None:
        if message.done():
            self.returned.append(message.result())
        else:
            message.cancel()


async def subscriber(factory: type[Socket]) -> None:
    sent = [f"tick {number}" for number in range(5)]

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in sent:
            await asyncio.sleep(0.03)
            writer.write(f"{line}\n".encode())

    received = []
    async with listening(serve) as port, connected(port) as (reader, _):
        socket = factory()
        receiving = asyncio.create_task(socket.receive(reader))
        while True:
            try:
                async with asyncio.timeout(0.05):
                    received.append(await socket.recv())
            except TimeoutError:
                continue  # Time to do something else.
            except ConnectionClosedError:
                break
        await receiving
    assert received == sent


async def buggy() -> None:
    await subscriber(Socket)


async def fixed() -> None:
    await subscriber(FixedSocket)
