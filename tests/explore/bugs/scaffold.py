"""What the programs share: a server on loopback for the length of a block, and connections to it.

Owns: the sockets of a program, from the first to the last.
Must not know: any program.
Invariants: when a block ends, its sockets are closed and its handlers have ended; an error in a
handler is raised by the block, so a server may assert.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
    Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

LOOPBACK = "127.0.0.1"


@asynccontextmanager
async def listening(serve: Handler) -> AsyncIterator[int]:
    """Serve connections on a free port, which is what the block is given."""
    tasks: list[asyncio.Task[None]] = []
    failures: list[Exception] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # The peer has gone. Python 3.11's streams report a handler that ends cancelled.
        except Exception as error:  # noqa: BLE001 - raised again at the end of the block
            failures.append(error)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if failures:
            raise failures[0]


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Stream]:
    """Connect to a port of this machine for the length of a block."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def serve_lines(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    answer: Callable[[str], Awaitable[str]],
) -> None:
    """Answer each line of a connection with one line, in order."""
    while line := await reader.readline():
        writer.write(f"{await answer(line.decode().strip())}\n".encode())


async def ask(stream: Stream, line: str) -> str:
    """Send one line and return the next one that comes."""
    reader, writer = stream
    writer.write(f"{line}\n".encode())
    answer = await reader.readline()
    if not answer:
        raise ConnectionResetError("the peer closed the connection")
    return answer.decode().strip()
