"""Ten thousand connections to one server in one world: all are served, and leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import socket
import tracemalloc

import pytest

import simloop

WARM_UP = 100  # Connections that fill caches and grow tables before memory is measured.


class Echo(asyncio.Protocol):
    """Send back what comes."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def talk(port, number):
    """Open a connection, have a line echoed, and keep it open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"%d\n" % number)
    assert await reader.readline() == b"%d\n" % number
    return writer


async def serve_streams():
    async def echo(reader, writer):
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()

    return await asyncio.start_server(echo, "127.0.0.1", 0, backlog=100)


async def serve_protocol():
    return await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=100)


SERVERS = {"streams": serve_streams, "protocol": serve_protocol}


async def burst(port, count, look=lambda: None):
    """Open that many connections at once, echo while all are open, look, and close them."""
    host = asyncio.get_running_loop().host
    writers = await asyncio.gather(*[talk(port, number) for number in range(count)])
    assert len(host.descriptors) == 2 * count + 1
    found = look()
    for writer in writers:
        writer.close()
    await asyncio.gather(*[writer.wait_closed() for writer in writers])
    await asyncio.sleep(61)  # Ports of the side that closed first are held for a minute.
    socket.create_server(("127.0.0.1", 0)).close()  # The next bind finds them free.
    assert len(host.descriptors) == 1
    return found


KINDS = (
    "simloop.net.",
    "simloop._loop.transports.",
    "asyncio.streams",
    "asyncio.trsock",
    "_asyncio",
)
"""Modules of what a connection is made of."""


def living():
    """Return what connections are made of: sockets, transports, streams, tasks, marks of ports."""
    gc.collect()
    return {id(each) for each in gc.get_objects() if str(type(each).__module__).startswith(KINDS)}


def size():
    """Return how many bytes are in use."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", SERVERS)
def test_ten_thousand_connections_echo_and_go(kind):
    """All echo while all are open; when all are closed, none of their objects is left."""

    async def main():
        server = await SERVERS[kind]()
        port = server.sockets[0].getsockname()[1]
        await burst(port, WARM_UP)
        before = living()
        await burst(port, 10_000)
        after = living()
        server.close()
        await server.wait_closed()
        return len(after - earlier) - len(before - earlier)

    # What other tests left comes to light in between: a large world sets it aside for a while.
    earlier = living()
    assert simloop.run(main()) < WARM_UP


@pytest.mark.slow
def test_the_memory_of_connections_comes_back():
    """Closed connections give back what they took, but for room in tables and notes of tasks."""

    async def main():
        server = await serve_streams()
        port = server.sockets[0].getsockname()[1]
        await burst(port, WARM_UP)
        before = size()
        during = await burst(port, 500, size)
        after = size()
        server.close()
        await server.wait_closed()
        return during - before, after - before

    tracemalloc.start()
    try:
        taken, kept = simloop.run(main())
    finally:
        tracemalloc.stop()
    assert kept < taken / 20, (taken, kept)


def test_a_burst_is_the_same_twice():
    """A run of a hundred connections at once has one digest."""

    async def main():
        server = await serve_streams()
        await burst(server.sockets[0].getsockname()[1], 100)
        server.close()
        await server.wait_closed()

    first, second = (simloop.simulate(main) for _ in range(2))
    assert first.error is None
    assert first.digest == second.digest
