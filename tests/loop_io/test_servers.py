"""Servers: their sockets, their life, their clients; on both loops."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys

import pytest

from .protocols import Noting


def test_a_server_knows_its_sockets_and_its_loop(arm):
    """sockets, is_serving and get_loop tell what a server does; a closed one has none."""

    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Noting, "127.0.0.1", 0)
        (sock,) = server.sockets
        assert sock.getsockname()[0] == "127.0.0.1"
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1
        assert server.is_serving()
        assert server.get_loop() is loop
        assert isinstance(server, asyncio.Server)
        server.close()
        server.close()
        assert not server.is_serving()
        assert server.sockets == ()
        await server.wait_closed()

    arm.run(main)


def test_a_server_starts_when_told(arm):
    """With start_serving=False nobody is let in before start_serving()."""

    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Noting, "127.0.0.1", 0, start_serving=False)
        where = server.sockets[0].getsockname()
        assert not server.is_serving()
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Noting, *where)
        await server.start_serving()
        await server.start_serving()
        transport, protocol = await loop.create_connection(Noting, *where)
        transport.abort()
        await protocol.lost
        server.close()

    arm.run(main)


def test_serve_forever_ends_when_cancelled(arm):
    """serve_forever() serves until it is cancelled, and then the server is closed."""

    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Noting, "127.0.0.1", 0)
        task = asyncio.ensure_future(server.serve_forever())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="already being awaited on serve_forever"):
            await server.serve_forever()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert server.sockets == ()
        with pytest.raises(RuntimeError, match="is closed"):
            await server.serve_forever()

    arm.run(main)


def test_closing_a_server_leaves_its_connections(arm):
    """A connection goes on after its server closed; later clients are refused."""

    async def main():
        loop = asyncio.get_running_loop()
        accepted = loop.create_future()

        def make():
            protocol = Noting()
            accepted.set_result(protocol)
            return protocol

        server = await loop.create_server(make, "127.0.0.1", 0)
        where = server.sockets[0].getsockname()
        transport, protocol = await loop.create_connection(Noting, *where)
        peer = await accepted
        server.close()
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Noting, *where)
        transport.write(b"still here")
        await peer.has_received(10)
        waiting = asyncio.ensure_future(server.wait_closed())
        await asyncio.sleep(0.01)
        assert waiting.done() == (sys.version_info < (3, 12))
        transport.close()
        await protocol.lost
        await peer.lost
        await waiting

    arm.run(main)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="close_clients came with Python 3.13")
@pytest.mark.parametrize("call", ["close_clients", "abort_clients"])
def test_a_server_ends_all_its_clients(arm, call):
    """close_clients() and abort_clients() end every connection, and wait_closed() returns."""

    async def main():
        loop = asyncio.get_running_loop()
        peers = []
        server = await loop.create_server(
            lambda: peers.append(Noting()) or peers[-1], "127.0.0.1", 0
        )
        where = server.sockets[0].getsockname()
        pairs = [await loop.create_connection(Noting, *where) for _ in range(20)]
        while len(peers) < 20:
            await asyncio.sleep(0)
        server.close()
        getattr(server, call)()
        await server.wait_closed()
        for transport, protocol in pairs:
            await protocol.lost
            assert transport.is_closing()

    arm.run(main)


def test_one_server_on_several_hosts(arm):
    """A list of hosts gives a socket for each address, each one once."""

    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Noting, ["127.0.0.1", "::1", "127.0.0.1"], 0)
        assert sorted(sock.getsockname()[0] for sock in server.sockets) == ["127.0.0.1", "::1"]
        for sock in server.sockets:
            transport, protocol = await loop.create_connection(Noting, *sock.getsockname()[:2])
            transport.abort()
            await protocol.lost
        server.close()

    arm.run(main)


def test_no_host_means_every_address(arm):
    """host=None and host='' listen on every address of both families, on one port if told."""

    async def main():
        loop = asyncio.get_running_loop()
        for host in (None, ""):
            server = await loop.create_server(Noting, host, 0)
            names = sorted(sock.getsockname()[0] for sock in server.sockets)
            assert names == ["0.0.0.0", "::"]  # noqa: S104 - what it shows
            server.close()

    arm.run(main)


def test_a_listening_socket_becomes_a_server(arm):
    """create_server(sock=) takes a bound socket and closes it in the end."""

    async def main():
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(ValueError, match="can not be specified at the same time"):
            await loop.create_server(Noting, "127.0.0.1", 0, sock=sock)
        with pytest.raises(ValueError, match="Neither host/port nor sock were specified"):
            await loop.create_server(Noting)
        server = await loop.create_server(Noting, sock=sock)
        transport, protocol = await loop.create_connection(Noting, *sock.getsockname())
        transport.abort()
        await protocol.lost
        server.close()
        assert sock.fileno() == -1

    arm.run(main)


def test_an_address_of_somebody_else_cannot_be_served(arm):
    """Binding to an address that this machine lacks is an error that names it."""

    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(OSError, match=r"192\.0\.2\.1"):
            await loop.create_server(Noting, "192.0.2.1", 0)

    arm.run(main)


@pytest.mark.parametrize("port", [65536, -1])
def test_a_port_out_of_range_is_refused(arm, port):
    """Ports that do not exist are an OverflowError, for servers and for clients."""

    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(OverflowError):
            await loop.create_server(Noting, "127.0.0.1", port)
        with pytest.raises(OverflowError):
            await loop.create_connection(Noting, "127.0.0.1", port)

    arm.run(main)


# The real loop leaves such a connection to the garbage collector; ours closes it.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_factory_that_fails_costs_one_connection(arm):
    """An error in a protocol factory is reported in debug mode, and the server goes on."""

    async def main():
        loop = asyncio.get_running_loop()
        contexts = []
        loop.set_exception_handler(lambda _, context: contexts.append(context))
        factories = [Noting]

        def make():
            if factories:
                return factories.pop()()
            raise LookupError("no protocol")

        server = await loop.create_server(make, "127.0.0.1", 0)
        where = server.sockets[0].getsockname()
        first, one = await loop.create_connection(Noting, *where)
        second, two = await loop.create_connection(Noting, *where)
        while not contexts:
            await asyncio.sleep(0.001)
        assert contexts[0]["message"] == "Error on transport creation for incoming connection"
        assert isinstance(contexts[0]["exception"], LookupError)
        contexts.clear()
        for transport, protocol in ((first, one), (second, two)):
            transport.abort()
            await protocol.lost
        server.close()

    arm.run(main, debug=True)
    gc.collect()


def test_reuse_port_lets_two_servers_share(arm):
    """Two servers with reuse_port may have one port."""

    async def main():
        loop = asyncio.get_running_loop()
        first = await loop.create_server(Noting, "127.0.0.1", 0, reuse_port=True)
        port = first.sockets[0].getsockname()[1]
        second = await loop.create_server(Noting, "127.0.0.1", port, reuse_port=True)
        first.close()
        second.close()

    arm.run(main)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="keep_alive came with Python 3.13")
def test_keep_alive_is_set(arm):
    """keep_alive=True is seen on the listening socket."""

    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Noting, "127.0.0.1", 0, keep_alive=True)
        (sock,) = server.sockets
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        server.close()

    arm.run(main)


def test_without_descriptors_a_server_rests_and_tries_again(virtual):
    """When descriptors run out, accepting stops for a second and then goes on."""

    async def main():
        loop = asyncio.get_running_loop()
        contexts = []
        loop.set_exception_handler(lambda _, context: contexts.append(context))
        server = await loop.create_server(Noting, "127.0.0.1", 0)
        where = server.sockets[0].getsockname()
        table = loop.host.descriptors
        limit, table.limit = table.limit, len(table) + 1
        transport, protocol = await loop.create_connection(Noting, *where)
        await asyncio.sleep(0.5)
        assert contexts[0]["message"] == "socket.accept() out of system resource"
        table.limit = limit
        before = len(table)
        await asyncio.sleep(1)
        assert len(table) == before + 1
        transport.abort()
        await protocol.lost
        server.close()

    virtual.run(main)
