"""In which context a protocol hears what, and what it may do while it is made."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import socket

import pytest

from .certificates import client_context, server_context

WHERE = contextvars.ContextVar("where", default="nowhere")


class Telling(asyncio.Protocol):
    """Notes in which context each of its methods is called."""

    def __init__(self, heard, name):
        self.heard, self.name = heard, name
        self.lost = asyncio.get_running_loop().create_future()
        self.tell("made by factory")

    def tell(self, what):
        self.heard.append(f"{self.name}: {what} in {WHERE.get()}")

    def connection_made(self, transport):
        self.transport = transport
        self.tell("connection_made")
        WHERE.set(f"{WHERE.get()}+{self.name}")

    def data_received(self, data):
        self.tell(f"data_received {len(data)}")

    def eof_received(self):
        self.tell("eof_received")

    def pause_writing(self):
        self.tell("pause_writing")

    def resume_writing(self):
        self.tell("resume_writing")

    def connection_lost(self, error):
        self.tell(f"connection_lost {type(error).__name__}")
        if not self.lost.done():
            self.lost.set_result(None)


class Packets(Telling):
    """The same, of an endpoint of datagrams."""

    def datagram_received(self, data, _address):
        self.tell(f"datagram_received {bytes(data)}")
        self.transport.close()


@contextlib.contextmanager
def within(where):
    """Set the context variable for a block."""
    token = WHERE.set(where)
    try:
        yield
    finally:
        WHERE.reset(token)


def told(heard, name):
    """Return what one side told, in order: between the two sides the system decides."""
    return [line for line in heard if line.startswith(name)]


@pytest.mark.parametrize("kind", ["tcp", "unix", "tls"])
def test_contexts_of_a_stream(same, kind, tmp_path):
    """Factories and callbacks run where the server, or the connection, was asked for."""

    async def body(record):
        loop, heard = asyncio.get_running_loop(), []
        peers = []

        def peer():
            peers.append(Telling(heard, "server"))
            return peers[-1]

        tls = kind == "tls"
        with within("serving"):
            if kind == "unix":
                server = await loop.create_unix_server(peer, str(tmp_path / "s"))
            else:
                server = await loop.create_server(
                    peer, "127.0.0.1", 0, ssl=server_context() if tls else None
                )
        with within("connecting"):
            if kind == "unix":
                made = loop.create_unix_connection(
                    lambda: Telling(heard, "client"), str(tmp_path / "s")
                )
            else:
                made = loop.create_connection(
                    lambda: Telling(heard, "client"),
                    *server.sockets[0].getsockname(),
                    ssl=client_context() if tls else None,
                    server_hostname="localhost" if tls else None,
                )
            transport, client = await made
        with within("writing"):
            transport.write(b"12345")
        while not any("data_received" in line for line in heard):
            await asyncio.sleep(0.001)
        with within("answering"):
            peers[0].transport.write(b"123")
        while sum("data_received" in line for line in heard) < 2:
            await asyncio.sleep(0.001)
        with within("closing"):
            transport.close()
        await client.lost
        await peers[0].lost
        server.close()
        record.note("client", told(heard, "client"))
        record.note("server", told(heard, "server"))
        record.note("after", WHERE.get())

    same(body)


def test_contexts_of_datagrams(same):
    """A packet is told where the endpoint was asked for."""

    async def body(record):
        loop, heard = asyncio.get_running_loop(), []
        with within("first"):
            first, one = await loop.create_datagram_endpoint(
                lambda: Packets(heard, "one"), local_addr=("127.0.0.1", 0)
            )
        with within("second"):
            second, _ = await loop.create_datagram_endpoint(
                lambda: Packets(heard, "two"), remote_addr=first.get_extra_info("sockname")
            )
        with within("sending"):
            second.sendto(b"x")
        await one.lost
        second.close()
        await asyncio.sleep(0.001)
        record.note("one", told(heard, "one"))
        record.note("two", told(heard, "two"))

    same(body)


def test_contexts_of_a_pipe(same):
    """So it is with both ends of a pipe."""

    async def body(record):
        loop, heard = asyncio.get_running_loop(), []
        reading, writing = os.pipe()
        with within("reading"):
            _, reader = await loop.connect_read_pipe(
                lambda: Telling(heard, "reader"), os.fdopen(reading, "rb", 0)
            )
        with within("writing"):
            transport, writer = await loop.connect_write_pipe(
                lambda: Telling(heard, "writer"), os.fdopen(writing, "wb", 0)
            )
        with within("sending"):
            transport.write(b"12345")
        transport.close()
        await writer.lost
        await reader.lost
        record.note("reader", told(heard, "reader"))
        record.note("writer", told(heard, "writer"))

    same(body)


def test_contexts_of_watchers(same):
    """A watcher runs where it was added, and hears nothing of where its file was written."""

    async def body(record):
        loop, heard = asyncio.get_running_loop(), []
        ours, theirs = socket.socketpair()
        with ours, theirs:
            done = loop.create_future()

            def readable():
                heard.append(WHERE.get())
                WHERE.set(f"{WHERE.get()}+")
                if ours.recv(1) == b"b":
                    loop.remove_reader(ours)
                    done.set_result(None)

            with within("added"):
                loop.add_reader(ours, readable)
            with within("sent"):
                theirs.send(b"ab")
            await done
        record.note("heard", heard)

    same(body)


@pytest.mark.parametrize("how", ["abort", "close", "raise"])
def test_a_protocol_that_ends_while_it_is_made(same, how):
    """One that aborts, closes or raises in ``connection_made``, on the server's side."""

    async def body(record):
        loop, heard, contexts = asyncio.get_running_loop(), [], []
        loop.set_exception_handler(lambda _, context: contexts.append(context["message"][:21]))

        class Ending(Telling):
            def connection_made(self, transport):
                super().connection_made(transport)
                if how == "raise":
                    raise ZeroDivisionError
                getattr(transport, how)()

        server = await loop.create_server(lambda: Ending(heard, "server"), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        if how == "raise":
            writer.write(b"12")
            while not any("data" in line for line in heard):
                await asyncio.sleep(0.001)
            writer.close()
        try:
            record.note("read", await reader.read())
        except ConnectionError as error:
            record.note("error", type(error).__name__)
        writer.close()
        while not any("lost" in line for line in heard):
            await asyncio.sleep(0.001)
        server.close()
        record.note("server", told(heard, "server"))
        record.note("told", contexts)

    same(body)


@pytest.mark.parametrize("when", [0, 1, 2])
def test_a_connection_over_a_socket_is_cancelled(same, when):
    """A handshake that is cancelled leaves the socket that it was given closed, or the caller's."""

    async def body(record):
        loop = asyncio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", 0))
        sock = socket.socket()
        sock.setblocking(False)
        with listener, sock:
            await loop.sock_connect(sock, listener.getsockname())
            task = asyncio.create_task(
                loop.create_connection(
                    asyncio.Protocol, sock=sock, ssl=client_context(), server_hostname="localhost"
                )
            )
            for _ in range(when):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            for _ in range(4):
                await asyncio.sleep(0.001)
            record.note("cancelled", task.cancelled())
            record.note("closed", sock.fileno() == -1)

    same(body)


def test_what_comes_behind_a_shutdown_of_tls_is_dropped(same):
    """A peer that writes on after it was told to close is not heard, and does no harm."""

    async def body(record):
        loop = asyncio.get_running_loop()
        ended = loop.create_future()

        async def serve(reader, writer):
            got = await reader.read(5)
            writer.write(b"answer")
            writer.close()
            ended.set_result(got)

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context())
        reader, writer = await asyncio.open_connection(
            *server.sockets[0].getsockname(), ssl=client_context(), server_hostname="localhost"
        )
        writer.write(b"hello")
        record.note("server", await ended)
        record.note("client", await reader.read())
        writer.write(b"too late" * 10_000)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        server.close()

    same(body)
