"""TLS where it is seldom looked at: names, ends, time-outs, garbage; the same on both loops."""

from __future__ import annotations

import asyncio
import contextlib
import math
import ssl

import pytest

from .certificates import client_context, server_context
from .protocols import Noting

LOCAL = "127.0.0.1"
NAMED = {"server_hostname": "localhost"}


async def settled(turns=5):
    """Let some turns pass, in real time too, for the real kernel."""
    for _ in range(turns):
        await asyncio.sleep(0.001)


async def serve(peer=Noting, context=None, **options):
    """Serve TLS; return the server, its address, and who is accepted."""
    accepted = []

    def accept():
        accepted.append(peer())
        return accepted[-1]

    loop = asyncio.get_running_loop()
    server = await loop.create_server(accept, LOCAL, 0, ssl=context or server_context(), **options)
    return server, server.sockets[0].getsockname(), accepted


async def connect(name, client=Noting, context=None, **options):
    loop = asyncio.get_running_loop()
    options = {"ssl": context or client_context(), **NAMED, **options}
    _, protocol = await loop.create_connection(client, *name, **options)
    return protocol


def told(protocol):
    """Return what a protocol saw, its reads as one."""
    events = [
        event
        for event, before in zip(protocol.events, [None, *protocol.events], strict=False)
        if event != "data" or before != "data"
    ]
    error = getattr(protocol, "error", None)
    return events, error and type(error).__name__, bytes(protocol.received)


def test_what_a_transport_knows(same):
    """get_extra_info of every name that asyncio documents, on both sides of TLS."""

    async def body(record):
        server, name, accepted = await serve(context=server_context(alpn=["h2", "x"]))
        client = await connect(name, context=client_context(alpn=["x"]))
        await settled()
        for side in (client, accepted[0]):
            transport = side.transport
            for key in ("peername", "sockname", "cipher", "compression", "peercert", "pipe"):
                record.note(key, transport.get_extra_info(key, "missing"))
            found = transport.get_extra_info("ssl_object")
            record.note("alpn", found.selected_alpn_protocol())
            record.note("version", found.version())
            record.note("reused", found.session_reused)
            record.note("server side", found.server_side)
            record.note("name", found.server_hostname)
            record.note("context", type(transport.get_extra_info("sslcontext")).__name__)
            for call in (
                *("can_write_eof", "is_reading", "is_closing", "get_write_buffer_size"),
                *("get_write_buffer_limits", "get_protocol", "write_eof"),
            ):
                await record.do(call, getattr(transport, call))
        client.transport.close()
        await client.lost
        await accepted[0].lost
        record.note("ends", (told(client), told(accepted[0])))
        server.close()

    same(body)


def test_the_name_that_is_asked_for(same):
    """A server's SNI callback hears the name that the client gives, and may refuse it."""

    async def body(record):
        context = server_context()

        def asked(sock, name, _):
            record.note("asked", name)
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME if name == "other" else None

        context.sni_callback = asked
        server, name, _ = await serve(context=context)
        client = await connect(name)
        client.transport.abort()
        loose = client_context()
        loose.check_hostname = False
        refused = await record.do("refused", connect, name, context=loose, server_hostname="other")
        assert refused is None
        nameless = await record.do("no name", connect, name, context=loose, server_hostname="")
        nameless.transport.abort()
        await settled()
        server.close()

    same(body)


@pytest.mark.parametrize("debug", [False, True])
def test_garbage_at_a_server(same, debug):
    """A client that does not speak TLS is sent away, which debug mode reports."""

    async def body(record):
        loop = asyncio.get_running_loop()
        server, name, accepted = await serve()
        _, client = await loop.create_connection(Noting, *name)
        client.transport.write(b"GET / HTTP/1.0\r\n\r\n")
        await client.lost
        await settled()
        record.note("client", told(client)[:2])
        record.note("server", [each.events for each in accepted])
        server.close()

    same(body, debug=debug)


def test_a_server_that_does_not_speak_tls(same):
    """A TLS client of a plain server fails with the error of the ssl module."""

    async def body(record):
        loop = asyncio.get_running_loop()

        class Plain(Noting):
            def data_received(self, data):
                super().data_received(data)
                self.transport.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
                self.transport.close()

        server = await loop.create_server(Plain, LOCAL, 0)
        await record.do("connect", connect, server.sockets[0].getsockname())
        server.close()
        await settled()

    same(body)


@pytest.mark.parametrize("when", ["at once", "after hello"])
def test_a_peer_that_leaves_in_the_handshake(same, when):
    """A connection that ends in the middle of the handshake is an error of the connection."""

    async def body(record):
        loop = asyncio.get_running_loop()

        class Rude(Noting):
            def connection_made(self, transport):
                super().connection_made(transport)
                if when == "at once":
                    transport.close()

            def data_received(self, data):
                super().data_received(data)
                self.transport.abort()

        server = await loop.create_server(Rude, LOCAL, 0)
        await record.do("connect", connect, server.sockets[0].getsockname())
        server.close()
        await settled()

    same(body)


@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("way", ["close", "abort", "under"])
def test_ends(same, way, side):
    """What both sides hear of a polite end, an abort, and an end under the TLS layer."""

    async def body(record):
        server, name, accepted = await serve()
        client = await connect(name)
        await settled()
        ends = [client, accepted[0]]
        if side == "server":
            ends.reverse()
        ours, theirs = ends
        theirs.transport.write(b"from them")
        ours.transport.write(b"from us")
        await settled()
        if way == "under":
            ours.transport._ssl_protocol._transport.abort()
        else:
            getattr(ours.transport, way)()
        await ours.lost
        await theirs.lost
        record.note("ours", told(ours))
        record.note("theirs", told(theirs))
        for call in ("close", "abort", "is_closing", "get_write_buffer_size"):
            await record.do(call, getattr(ours.transport, call))
        await record.do("write", ours.transport.write, b"x")
        server.close()

    same(body)


def test_a_shutdown_that_nobody_answers(same):
    """After the shutdown timeout the connection is aborted, with a TimeoutError."""

    async def body(record):
        server, name, accepted = await serve(ssl_shutdown_timeout=0.05)
        client = await connect(name, ssl_shutdown_timeout=0.05)
        await settled()
        peer = accepted[0]
        peer.transport.pause_reading()
        client.transport._ssl_protocol._transport.pause_reading()
        client.transport.close()
        await client.lost
        record.note("client", told(client))
        await asyncio.sleep(0.1)
        peer.transport.abort()
        await settled()
        server.close()

    same(body)


@pytest.mark.parametrize("debug", [False, True])
def test_a_handshake_that_nobody_answers(same, debug):
    """After the handshake timeout the connection is aborted, on either side."""

    async def body(record):
        loop = asyncio.get_running_loop()
        silent = await loop.create_server(Noting, LOCAL, 0)
        name = silent.sockets[0].getsockname()
        await record.do("client", connect, name, ssl_handshake_timeout=0.05)
        server, name, accepted = await serve(ssl_handshake_timeout=0.05)
        _, client = await loop.create_connection(Noting, *name)
        await client.lost
        record.note("server", (told(client), [each.events for each in accepted]))
        silent.close()
        server.close()
        await settled()

    same(body, debug=debug)


@pytest.mark.parametrize("name", ["ssl_handshake_timeout", "ssl_shutdown_timeout"])
@pytest.mark.parametrize("timeout", [0, -1, "x", math.nan, None, True, 1.5], ids=repr)
def test_timeouts(same, name, timeout):
    """Time-outs that make no sense are refused by client, server and start_tls alike."""
    if timeout != timeout:  # noqa: PLR0124 - not a number
        pytest.skip("the real loop takes it for a time, and never comes to it")

    async def body(record):
        loop = asyncio.get_running_loop()
        server, where, accepted = await serve()
        client = await record.do("client", connect, where, **{name: timeout})
        if client is not None:
            client.transport.abort()
        second = await record.do("server", serve, **{name: timeout})
        if second is not None:
            second[0].close()
        transport, protocol = await loop.create_connection(Noting, *where)
        await record.do(
            "start_tls",
            loop.start_tls,
            transport,
            protocol,
            client_context(),
            **NAMED,
            **{name: timeout},
        )
        transport.abort()
        await settled()
        server.close()
        del accepted

    same(body)


def test_a_plain_connection_becomes_encrypted(same):
    """loop.start_tls on both sides of a connection of protocols, and once more inside of it."""

    async def body(record):
        loop = asyncio.get_running_loop()
        peers = []

        def accept():
            peers.append(Noting())
            return peers[-1]

        server = await loop.create_server(accept, LOCAL, 0)
        _, client = await loop.create_connection(Noting, *server.sockets[0].getsockname())
        await settled()
        plain = (client.transport, peers[0].transport)
        transports = await asyncio.gather(
            loop.start_tls(plain[0], client, client_context(), **NAMED),
            loop.start_tls(plain[1], peers[0], server_context(), server_side=True),
        )
        transports[0].write(b"through TLS")
        await peers[0].has_received(11)
        record.note("received", bytes(peers[0].received))
        record.note("made", client.events)
        record.note("protocol", transports[0].get_protocol() is client)
        inner = await asyncio.gather(
            loop.start_tls(transports[0], client, client_context(), **NAMED),
            loop.start_tls(transports[1], peers[0], server_context(), server_side=True),
        )
        inner[1].write(b"through both")
        await client.has_received(12)
        record.note("received", bytes(client.received))
        for transport in inner:
            transport.abort()
        await client.lost
        await peers[0].lost
        record.note("ends", (client.events[-1], peers[0].events[-1]))
        server.close()

    same(body)


def test_a_library_that_encrypts_by_itself(same):
    """An SSLProtocol that a program makes and gives to create_connection works."""

    async def body(record):
        loop = asyncio.get_running_loop()
        server, name, accepted = await serve()
        client = Noting()
        waiter = loop.create_future()
        made = asyncio.sslproto.SSLProtocol(
            loop, client, client_context(), waiter, False, "localhost"
        )
        transport, _ = await loop.create_connection(lambda: made, *name)
        await waiter
        client.transport.write(b"hello")
        await settled()
        await accepted[0].has_received(5)
        record.note("received", bytes(accepted[0].received))
        transport.abort()
        await client.lost
        await accepted[0].lost
        record.note("ends", (told(client), told(accepted[0])))
        server.close()

    same(body)


def test_flow_control(same):
    """A protocol over TLS is paused when its peer does not read, and resumed when it does."""

    async def body(record):
        server, name, accepted = await serve()
        client = await connect(name)
        await settled()
        peer = accepted[0]
        peer.transport.pause_reading()
        client.transport.set_write_buffer_limits(high=100_000)
        record.note("limits", client.transport.get_write_buffer_limits())
        for _ in range(200):
            client.transport.write(b"x" * 100_000)
            await asyncio.sleep(0)
        record.note("paused", client.paused > 0)
        peer.transport.resume_reading()
        await peer.has_received(200 * 100_000)
        await settled()
        record.note("resumed", client.paused == client.resumed)
        record.note("size", client.transport.get_write_buffer_size())
        for bad in (-1, "x"):
            await record.do("limits", client.transport.set_write_buffer_limits, bad)
        client.transport.close()
        await client.lost
        await peer.lost
        server.close()

    same(body)


def test_streams_start_tls_by_themselves(same):
    """StreamWriter.start_tls with names, and with a server that wants a certificate."""

    async def body(record):
        async def handle(reader, writer):
            await reader.readline()
            writer.write(b"go on\n")
            with contextlib.suppress(OSError):
                await writer.start_tls(server_context(asks_for_certificate=True))
                subject = writer.get_extra_info("peercert")["subject"]
                writer.write(repr(subject).encode() + b"\n")
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(handle, LOCAL, 0)
        name = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*name)
        writer.write(b"STARTTLS\n")
        await reader.readline()
        await record.do("start_tls", writer.start_tls, client_context(certificate=True), **NAMED)
        record.note("who", await reader.readline())
        writer.close()
        await record.do("closed", writer.wait_closed)
        server.close()
        await settled()

    same(body)
