"""aiofastnet, which brings transports in C: in a run it stands on the loop's."""

from __future__ import annotations

import asyncio
import os

import pytest

import simloop

from .sealed import SEALED

aiofastnet = pytest.importorskip("aiofastnet")


class Echo(asyncio.Protocol):
    """Sends back what comes, and notes it."""

    def __init__(self, noted=None):
        self.noted = noted
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        if self.noted is None:
            self.transport.write(data)
        else:
            self.noted.append(bytes(data))
            self.transport.close()

    def connection_lost(self, _error):
        self.ended.set_result(None)


async def echo():
    """Send something through a server and a client of the library's."""
    loop, noted = asyncio.get_running_loop(), []
    server = await aiofastnet.create_server(loop, Echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport, protocol = await aiofastnet.create_connection(
        loop, lambda: Echo(noted), "127.0.0.1", port
    )
    transport.write(b"hello")
    await protocol.ended
    server.close()
    await server.wait_closed()
    return noted


def test_a_server_and_a_client_talk():
    """Bytes come back, and a run is the same twice."""
    outcomes = [simloop.simulate(echo) for _ in range(2)]
    assert [outcome.value for outcome in outcomes] == [[b"hello"]] * 2
    assert outcomes[0].digest == outcomes[1].digest


@pytest.mark.skipif(SEALED in os.environ, reason="the kernel forbids real sockets here")
def test_the_real_loop_has_them_again():
    """After a run the library's transports are its own."""
    simloop.run(echo())
    assert asyncio.run(echo()) == [b"hello"]
