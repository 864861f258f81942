"""A kept connection is used again at the moment at which the server closes it for being idle.

The server drops a connection after a while without requests; the client keeps it for the next
request, which is soon enough unless one of them is slow. Then the request goes into a connection
whose end is on its way.

Fails: ConnectionResetError for a request that could simply be sent again.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from bugs.scaffold import LOOPBACK, ask, listening

SOURCE = "https://github.com/aio-libs/aiohttp/pull/7363"


class Client:
    """GET requests on one kept connection."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.kept: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> str:
        stream = self.kept or await asyncio.open_connection(LOOPBACK, self.port)
        self.kept = None
        try:
            response = await ask(stream, path)
        except ConnectionError:
            stream[1].close()
            raise
        self.kept = stream
        return response


class FixedClient(Client):
    """A safe request is sent again, on a new connection, if the kept one ends before it answers."""

    async def get(self, path: str) -> str:
        try:
            return await super().get(path)
        except ConnectionError:
            return await super().get(path)


async def visits(factory: type[Client]) -> None:
    async def serve_kept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(TimeoutError):
            await serve(reader, writer)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = await reader.readline()
        while path:
            writer.write(b"200 " + path)
            async with asyncio.timeout(0.06):
                path = await reader.readline()

    async with listening(serve_kept) as port:
        client = factory(port)
        assert await client.get("/a") == "200 /a"
        await asyncio.sleep(0.02)
        assert await client.get("/b") == "200 /b"
        if client.kept is not None:
            client.kept[1].close()


async def buggy() -> None:
    await visits(Client)


async def fixed() -> None:
    await visits(FixedClient)
