"""TLS over streams and transports, on both loops."""

from __future__ import annotations

import asyncio
import ssl
import sys

import pytest

import simloop

from .certificates import client_context, server_context
from .protocols import Noting


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def serve(context, handler=echo, **options):
    server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=context, **options)
    return server, server.sockets[0].getsockname()[1]


async def close(writer):
    writer.close()
    await writer.wait_closed()


def test_an_encrypted_echo(arm):
    """Bytes cross TLS both ways, and both ends know about it."""

    async def main():
        server, port = await serve(server_context(alpn=["h2", "echo"]))
        reader, writer = await asyncio.open_connection(
            "localhost", port, ssl=client_context(alpn=["echo"])
        )
        data = bytes(range(256)) * 4000
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "echo"
        assert writer.get_extra_info("cipher")[0]
        assert isinstance(writer.get_extra_info("sslcontext"), ssl.SSLContext)
        assert writer.get_extra_info("peercert")["subject"] == ((("commonName", "localhost"),),)
        assert writer.get_extra_info("peername") == ("127.0.0.1", port)
        await close(writer)
        server.close()

    arm.run(main)


def test_a_wrong_name_is_refused(arm):
    """A certificate for another host ends the handshake with asyncio's error."""

    async def main():
        server, port = await serve(server_context())
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection(
                "127.0.0.1", port, ssl=client_context(), server_hostname="example.com"
            )
        server.close()

    arm.run(main)


def test_client_certificates_are_asked_for(arm):
    """A server that wants a certificate takes a client that has one, and knows its name."""

    async def main():
        names = asyncio.Queue()

        async def greet(reader, writer):
            await reader.readexactly(1)
            names.put_nowait(writer.get_extra_info("peercert")["subject"])
            await close(writer)

        server, port = await serve(server_context(asks_for_certificate=True), greet)
        reader, writer = await asyncio.open_connection(
            "localhost", port, ssl=client_context(certificate=True)
        )
        writer.write(b"x")
        assert await reader.read() == b""
        assert await names.get() == ((("commonName", "client"),),)
        await close(writer)
        server.close()

    arm.run(main)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="StreamWriter.start_tls")
def test_a_stream_is_upgraded_in_the_middle(arm):
    """StreamWriter.start_tls encrypts from there on, on both sides."""

    async def main():
        async def handle(reader, writer):
            assert await reader.readline() == b"STARTTLS\n"
            writer.write(b"OK\n")
            await writer.start_tls(server_context())
            await echo(reader, writer)

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"OK\n"
        await writer.start_tls(client_context(), server_hostname="localhost")
        assert writer.get_extra_info("cipher")
        writer.write(b"secret\n")
        assert await reader.readline() == b"secret\n"
        await close(writer)
        server.close()

    arm.run(main)


def test_start_tls_refuses_what_cannot_be_encrypted(arm):
    """start_tls wants a context and a transport that can be upgraded."""

    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Noting, "127.0.0.1", 0)
        transport, protocol = await loop.create_connection(Noting, *server.sockets[0].getsockname())
        with pytest.raises(TypeError, match="sslcontext is expected"):
            await loop.start_tls(transport, protocol, None)
        with pytest.raises(TypeError, match="is not supported by start_tls"):
            await loop.start_tls(asyncio.Transport(), protocol, client_context())
        transport.abort()
        await protocol.lost
        server.close()

    arm.run(main)


def test_a_handshake_that_nobody_answers_times_out(virtual):
    """The handshake timeout passes in virtual time."""

    async def main():
        async def silent(reader, writer):
            await reader.read()
            await close(writer)

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        loop = asyncio.get_running_loop()
        with pytest.raises(ConnectionAbortedError, match="SSL handshake is taking longer"):
            await asyncio.open_connection(
                "127.0.0.1",
                server.sockets[0].getsockname()[1],
                ssl=client_context(),
                server_hostname="localhost",
            )
        assert loop.time() == 60
        server.close()

    simloop.run(main())


@pytest.mark.parametrize("timeout", [0, -1])
def test_timeouts_that_make_no_sense_are_refused(virtual, timeout):
    """TLS timeouts have to be positive."""

    async def main():
        server, port = await serve(server_context())
        for name in ("ssl_handshake_timeout", "ssl_shutdown_timeout"):
            with pytest.raises(ValueError, match=f"{name} should be a positive number"):
                await asyncio.open_connection(
                    "localhost", port, ssl=client_context(), **{name: timeout}
                )
        server.close()
        with pytest.raises(TypeError, match="ssl argument must be an SSLContext or None"):
            await asyncio.start_server(echo, "127.0.0.1", 0, ssl=True)

    virtual.run(main)


def test_encrypted_runs_are_the_same_twice():
    """The digest of a run with TLS in it is the same in every run of its seed."""

    async def main():
        server, port = await serve(server_context())
        reader, writer = await asyncio.open_connection("localhost", port, ssl=client_context())
        writer.write(b"secret")
        assert await reader.readexactly(6) == b"secret"
        await close(writer)
        server.close()
        await server.wait_closed()

    first, second = simloop.simulate(main), simloop.simulate(main)
    assert first.error is None
    assert first.digest == second.digest
