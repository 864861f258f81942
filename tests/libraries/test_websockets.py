"""websockets, and WebSockets of other libraries speaking to it."""

from __future__ import annotations

import asyncio

import pytest

from ..loop_io.certificates import client_context, server_context  # noqa: TID252 - shared by two folders
from .bodies import BIG, HERE

pytest.importorskip("websockets")
from websockets.asyncio.client import connect, unix_connect
from websockets.asyncio.server import broadcast, serve, unix_serve
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.sync.client import connect as connect_blocking
from websockets.sync.server import serve as serve_blocking

# What a library warns about is not ours.
pytestmark = pytest.mark.filterwarnings("ignore")


async def reverse(socket):
    async for message in socket:
        await socket.send(message[::-1])


def port_of(server):
    return server.sockets[0].getsockname()[1]


async def exchange(socket):
    """A burst, and five megabytes there and back."""
    for number in range(50):
        await socket.send(str(number))
    for number in range(50):
        assert await socket.recv() == str(number)[::-1]
    await socket.send(BIG)
    assert await socket.recv() == BIG[::-1]


def test_plain(live):
    """A burst, five megabytes, minutes of silence in which pings go on, a server that leaves."""

    async def main():
        server = await serve(reverse, HERE, 0, max_size=None)
        async with connect(f"ws://{HERE}:{port_of(server)}", max_size=None) as socket:
            await exchange(socket)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(600):
                    await socket.recv()
            server.close()
            with pytest.raises(ConnectionClosedOK):
                await socket.recv()
            assert socket.close_code == 1001
        await server.wait_closed()

    assert live(main).time >= 600


def test_over_tls(live):
    """The same, encrypted."""

    async def main():
        async with serve(reverse, HERE, 0, ssl=server_context(), max_size=None) as server:
            address = f"wss://localhost:{port_of(server)}"
            async with connect(address, ssl=client_context(), max_size=None) as socket:
                await exchange(socket)

    live(main)


def test_over_a_unix_socket(live):
    """The same, by a path."""

    async def main():
        async with (
            unix_serve(reverse, "/run/ws.sock", max_size=None),
            unix_connect("/run/ws.sock", max_size=None) as socket,
        ):
            await exchange(socket)

    live(main)


def test_a_peer_that_answers_no_pings(live):
    """A client that stands still is given up when it leaves a ping without an answer."""

    async def main():
        gone = asyncio.get_running_loop().create_future()

        async def watch(socket):
            try:
                await socket.recv()
            except ConnectionClosedError as error:
                gone.set_result((str(error), asyncio.get_running_loop().time()))

        async with serve(watch, HERE, 0, ping_interval=20, ping_timeout=30) as server:
            socket = await connect(f"ws://{HERE}:{port_of(server)}", ping_interval=None)
            socket.transport.pause_reading()
            error, time = await gone
            socket.transport.abort()
        return error, time

    error, time = live(main).value
    assert "keepalive ping timeout" in error
    assert time >= 50


def test_a_broadcast(live):
    """One message to fifty clients."""

    async def main():
        connections = []  # The server's own is a set, in the order of addresses in memory.

        async def listen(socket):
            connections.append(socket)
            await socket.wait_closed()

        async with serve(listen, HERE, 0) as server:
            address = f"ws://{HERE}:{port_of(server)}"
            clients = await asyncio.gather(*[connect(address) for _ in range(50)])
            broadcast(connections, "all")
            assert [await client.recv() for client in clients] == ["all"] * 50
            await asyncio.gather(*[client.close() for client in clients])

    live(main)


def test_its_blocking_client_and_server_in_threads(live):
    """The library's other face: blocking sockets and threads on both sides."""

    def answer(socket):
        for message in socket:
            socket.send(message[::-1])

    async def main():
        server = serve_blocking(answer, HERE, 8001, max_size=None)
        serving = asyncio.create_task(asyncio.to_thread(server.serve_forever))

        def ask():
            with connect_blocking(f"ws://{HERE}:8001", max_size=None) as socket:
                socket.send(BIG)
                assert socket.recv() == BIG[::-1]
                with pytest.raises(TimeoutError):
                    socket.recv(timeout=300)

        await asyncio.gather(*[asyncio.to_thread(ask) for _ in range(3)])
        await asyncio.to_thread(server.shutdown)
        await serving

    assert live(main).time >= 300
