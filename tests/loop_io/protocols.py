"""Protocols that note what happens to them."""

from __future__ import annotations

import asyncio


class Noting(asyncio.Protocol):
    """Keep everything that is received, and when it ended."""

    def __init__(self, *, keep_open=False):
        self.events = []
        self.received = bytearray()
        self.keep_open = keep_open
        loop = asyncio.get_running_loop()
        self.made = loop.create_future()
        self.ended = loop.create_future()
        self.lost = loop.create_future()
        self.paused = 0
        self.resumed = 0
        self.waiters = []

    def connection_made(self, transport):
        self.events.append("made")
        self.transport = transport
        self.made.set_result(transport)

    def data_received(self, data):
        self.events.append("data")
        self.received += data
        for size, waiter in self.waiters:
            if len(self.received) >= size and not waiter.done():
                waiter.set_result(None)

    async def has_received(self, size):
        waiter = asyncio.get_running_loop().create_future()
        if len(self.received) >= size:
            return
        self.waiters.append((size, waiter))
        await waiter

    def eof_received(self):
        self.events.append("eof")
        if not self.ended.done():
            self.ended.set_result(None)
        return self.keep_open

    def pause_writing(self):
        self.paused += 1

    def resume_writing(self):
        self.resumed += 1

    def connection_lost(self, exc):
        self.events.append("lost")
        self.error = exc
        self.lost.set_result(exc)


class Pair:
    """A server's protocol and a client's, connected."""

    def __init__(self, server, client, peer):
        self.server = server
        self.client = client
        self.peer = peer

    async def close(self):
        for protocol in (self.client, self.peer):
            if not protocol.lost.done():
                protocol.transport.abort()
                await protocol.lost
        self.server.close()
        await self.server.wait_closed()


async def connected(client=Noting, peer=Noting, **options):
    """Connect a client protocol with a peer protocol over TCP."""
    loop = asyncio.get_running_loop()
    accepted = loop.create_future()

    def make_peer():
        protocol = peer()
        accepted.set_result(protocol)
        return protocol

    server = await loop.create_server(make_peer, "127.0.0.1", 0, **options)
    port = server.sockets[0].getsockname()[1]
    _, protocol = await loop.create_connection(client, "127.0.0.1", port)
    other = await accepted
    await other.made
    return Pair(server, protocol, other)
