"""TLS by the ``ssl`` module itself, on virtual sockets: in threads, and on the loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

import simloop

CERTS = Path(__file__).parents[1] / "loop_io" / "certs"


def server_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTS / "localhost.pem")
    return context


def client_context():
    return ssl.create_default_context(cafile=str(CERTS / "ca.pem"))


def connect(port, context=None):
    raw = socket.create_connection(("127.0.0.1", port))
    return (context or client_context()).wrap_socket(raw, server_hostname="localhost")


def test_a_blocking_client_talks_to_a_server_on_the_loop(run_either):
    """A thread's SSLSocket shakes hands, sends megabytes and shuts down, as on a real one."""
    size = 3_000_000

    async def echo(reader, writer):
        writer.write(await reader.readexactly(size))
        await writer.drain()
        assert await reader.read() == b""
        writer.close()

    def client(port):
        with connect(port) as sock:
            assert sock.version() == "TLSv1.3"
            assert sock.getpeercert()["subjectAltName"]
            sender = threading.Thread(target=sock.sendall, args=(b"x" * size,))
            sender.start()
            with sock.makefile("rb") as file:
                assert len(file.read(size)) == size
            sender.join()
            sock.unwrap().close()
        return "done"

    async def main():
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context())
        port = server.sockets[0].getsockname()[1]
        async with server:
            return await asyncio.to_thread(client, port)

    assert run_either(main()) == "done"


def test_a_blocking_server_serves_a_client_on_the_loop(run_either):
    """The server's side of the handshake works in a thread, too."""

    def serve(listener):
        connection, _ = listener.accept()
        with server_context().wrap_socket(connection, server_side=True) as sock:
            assert sock.recv(5) == b"hello"
            sock.sendall(b"welcome")

    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.create_task(asyncio.to_thread(serve, listener))
            reader, writer = await asyncio.open_connection(
                *listener.getsockname(), ssl=client_context(), server_hostname="localhost"
            )
            writer.write(b"hello")
            answer = await reader.read()
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            await serving
        return answer

    assert run_either(main()) == b"welcome"


def test_a_certificate_that_is_not_trusted_is_refused_on_both_sides(run_either):
    """The client raises what ssl raises, and the server hears of it by an alert."""
    heard = []

    def serve(listener):
        connection, _ = listener.accept()
        try:
            server_context().wrap_socket(connection, server_side=True).recv(1)
        except ssl.SSLError as error:
            heard.append(error.reason)
        finally:
            connection.close()

    def client(port):
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(port, ssl.create_default_context())

    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.create_task(asyncio.to_thread(serve, listener))
            await asyncio.to_thread(client, listener.getsockname()[1])
            await serving

    run_either(main())
    assert heard == ["TLSV1_ALERT_UNKNOWN_CA"]


def test_a_blocking_handshake_times_out_in_virtual_time():
    """With a timeout, and a peer that says nothing, the words are those of the ssl module."""

    def client(port):
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.settimeout(300)
            with pytest.raises(TimeoutError, match="The handshake operation timed out"):
                client_context().wrap_socket(raw, server_hostname="localhost")
            return time.monotonic()

    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            return await asyncio.to_thread(client, listener.getsockname()[1])

    assert simloop.run(main()) == 300.0


def test_a_non_blocking_tls_socket_says_what_it_waits_for(run_either):
    """A library that shakes hands by itself is told to wait for reading or for room."""

    async def complete(sock, step, *args):
        loop = asyncio.get_running_loop()
        while True:
            ready = loop.create_future()
            try:
                return step(*args)
            except ssl.SSLWantReadError:
                loop.add_reader(sock, ready.set_result, None)
                await ready
                loop.remove_reader(sock)
            except ssl.SSLWantWriteError:
                loop.add_writer(sock, ready.set_result, None)
                await ready
                loop.remove_writer(sock)

    async def main():
        total, done = 0, asyncio.Event()

        async def count(reader, writer):
            nonlocal total
            await asyncio.sleep(0.05)
            while data := await reader.read(1 << 16):
                total += len(data)
            writer.close()
            done.set()

        server = await asyncio.start_server(count, "127.0.0.1", 0, ssl=server_context())
        raw = socket.create_connection(server.sockets[0].getsockname())
        raw.setblocking(False)
        sock = client_context().wrap_socket(
            raw, server_hostname="localhost", do_handshake_on_connect=False
        )
        await complete(sock, sock.do_handshake)
        rest = memoryview(bytes(8_000_000))
        while rest:
            rest = rest[await complete(sock, sock.send, rest[:100_000]) :]
        await complete(sock, sock.unwrap)
        sock.close()
        await done.wait()
        server.close()
        return total

    assert run_either(main()) == 8_000_000


def test_reading_does_not_wait_for_room_to_write(run_either):
    """While a peer does not read, what it has written can be read, or is not there yet."""

    async def main():
        def both_ends():
            left, right = socket.socketpair()
            ours = lambda: server_context().wrap_socket(left, server_side=True)  # noqa: E731
            thread = threading.Thread(target=lambda: ends.append(ours()))
            ends = []
            thread.start()
            ends.append(client_context().wrap_socket(right, server_hostname="localhost"))
            thread.join()
            return sorted(ends, key=lambda end: end.server_side)

        client, server = await asyncio.to_thread(both_ends)
        for end in (client, server):
            end.setblocking(False)
        with contextlib.suppress(ssl.SSLWantWriteError):
            while True:
                client.send(bytes(16_000))
        with pytest.raises(ssl.SSLWantReadError):
            client.recv(10)
        server.send(b"hello")
        hello = client.recv(10)
        with pytest.raises(ssl.SSLWantReadError):
            client.recv(10)
        for end in (client, server):
            end.close()
        return hello

    assert run_either(main()) == b"hello"


@pytest.mark.slow
def test_the_same_seed_ciphers_the_same():
    """What a blocking client sends is drawn from the seed, so a digest is one."""

    async def echo(reader, writer):
        writer.write(await reader.read(100))
        writer.close()

    def client(port):
        with connect(port) as sock:
            sock.sendall(b"hello")
            return sock.recv(100)

    async def main():
        async with await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context()) as server:
            return await asyncio.to_thread(client, server.sockets[0].getsockname()[1])

    simloop.check(main, seeds=range(2))
