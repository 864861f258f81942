"""Pipes, bare sockets, watchers, UNIX names and streams in their corners, on both loops."""

from __future__ import annotations

import asyncio
import errno
import os
import pathlib
import socket
import struct
from unittest import mock

import pytest

from .protocols import Noting, connected

LOCAL = "127.0.0.1"


async def settled(turns=5):
    """Let some turns pass, in real time too, for the real kernel."""
    for _ in range(turns):
        await asyncio.sleep(0.001)


# -- patches ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bind", "listen", "setsockopt", "setblocking"])
def test_a_patch_of_the_class_is_met(same, name):
    """What a test puts in the place of a method of ``socket.socket`` is called by a server."""

    async def body(record):
        error = OSError(errno.EPERM, "not today")
        with mock.patch.object(socket.socket, name, side_effect=error) as patched:
            try:
                await asyncio.start_server(lambda *_: None, LOCAL, 0)
            except OSError as raised:
                record.note("raised", (raised.errno, str(raised)))
            record.note("called", bool(patched.call_count))
        async with await asyncio.start_server(lambda *_: None, LOCAL, 0) as server:
            record.note("then", len(server.sockets))

    same(body)


def test_a_patched_socket_sends_by_the_patch(same):
    """A blocking program's calls go to what stands on the class, and to the real method again."""

    async def body(record):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            with mock.patch.object(socket.socket, "send", return_value=3) as patched:
                record.note("sent", ours.send(b"abcd"))
                record.note("with", patched.call_args)
            record.note("sent", ours.send(b"abcd"))
            with mock.patch.object(socket.socket, "recv", return_value=b"mine"):
                record.note("received", theirs.recv(2))
            record.note("received", theirs.recv(9))

    same(body)


def _talk_unbound(record, ours, theirs):
    """Call the methods of ``socket.socket`` with sockets, as a subclass of the old style does."""
    of = socket.socket
    record.note("sent", [of.send(ours, b"one"), of.sendall(ours, b"two"), of.sendmsg(ours, [b"3"])])
    record.note("received", of.recv(theirs, 3))
    room = bytearray(2)
    record.note("into", (of.recv_into(theirs, room), bytes(room)))
    record.note("from", of.recvfrom(theirs, 1)[0])
    record.note("message", of.recvmsg(theirs, 9)[0])
    of.settimeout(ours, 3)
    record.note("timeout", (of.gettimeout(ours), ours.timeout, of.getblocking(ours)))
    record.note("number", of.fileno(ours) == ours.fileno())
    record.note("peer", of.getpeername(ours) == of.getsockname(theirs))
    record.note("kind", of.getsockopt(ours, socket.SOL_SOCKET, socket.SO_TYPE))
    of.setsockopt(ours, socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    of.shutdown(ours, socket.SHUT_WR)
    record.note("end", of.recv(theirs, 1))


def test_methods_are_called_unbound(same):
    """``socket.socket.recv(sock, n)`` is ``sock.recv(n)``, for every method of a socket."""

    async def body(record):
        with socket.create_server((LOCAL, 0)) as server, socket.socket() as ours:
            socket.socket.connect(ours, socket.socket.getsockname(server))
            with server.accept()[0] as theirs:
                _talk_unbound(record, ours, theirs)
            record.note("again", socket.socket.connect_ex(ours, server.getsockname()) > 0)
        for name in ("fileno", "getsockname", "getpeername"):
            try:
                record.note(name, getattr(socket.socket, name)(ours))
            except OSError as error:
                record.note(name, error.errno)

    same(body)


@pytest.mark.parametrize("name", ["send", "recv", "connect", "fileno"])
def test_a_method_is_put_back_by_hand(same, name):
    """Sockets are as they were after a test that saves a method of the class and sets it again."""
    saved = getattr(socket.socket, name)

    async def body(record):
        setattr(socket.socket, name, saved)
        try:
            with socket.create_server((LOCAL, 0)) as server, socket.socket() as ours:
                ours.connect(server.getsockname())
                with server.accept()[0] as theirs:
                    record.note("sent", ours.send(b"abc"))
                    record.note("received", theirs.recv(9))
                    record.note("open", ours.fileno() >= 0)
        finally:
            delattr(socket.socket, name)

    same(body)


def test_a_subclass_calls_its_parent_by_name(same):
    """A class of the old style goes on to ``socket.socket`` by its name, not by ``super``."""

    class Counting(socket.socket):
        def connect(self, address):
            self.calls = ["connect"]
            return socket.socket.connect(self, address)

        def send(self, data):
            self.calls.append("send")
            return socket.socket.send(self, data)

        def detach(self):
            self.calls.append("detach")
            return socket.socket.detach(self)

    async def body(record):
        with socket.create_server((LOCAL, 0)) as server, Counting() as ours:
            ours.connect(server.getsockname())
            record.note("sent", ours.send(b"abc"))
            number = ours.detach()
            record.note("closed", (ours.fileno(), number >= 0, ours.calls))
            socket.close(number)

    same(body)


# -- pipes -----------------------------------------------------------------------------------------


async def piped(read=Noting, write=Noting):
    """Connect both ends of a pipe; return (file, transport, protocol) of each."""
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    files = os.fdopen(reading, "rb", 0), os.fdopen(writing, "wb", 0)
    ours = await loop.connect_read_pipe(read, files[0])
    theirs = await loop.connect_write_pipe(write, files[1])
    return (files[0], *ours), (files[1], *theirs)


def test_what_a_pipe_s_transport_knows(same):
    """Names, states and calls that make no sense, of both ends of a pipe."""

    async def body(record):
        (file, reading, reader), (other, writing, writer) = await piped()
        for transport, expected in ((reading, file), (writing, other)):
            record.note("pipe", transport.get_extra_info("pipe") is expected)
            record.note("missing", transport.get_extra_info("peername", "missing"))
            record.note("closing", transport.is_closing())
            record.note("protocol", transport.get_protocol() in (reader, writer))
        record.note("reading", reading.is_reading())
        for name in ("pause_reading", "pause_reading", "resume_reading", "resume_reading"):
            await record.do(name, getattr(reading, name))
            record.note("reading", reading.is_reading())
        record.note("can write eof", writing.can_write_eof())
        record.note("limits", writing.get_write_buffer_limits())
        for data in ("text", None, 5, b"", memoryview(b"ab"), bytearray(b"cd")):
            await record.do("write", writing.write, data)
        await record.do("writelines", writing.writelines, [b"ef", b"gh"])
        await settled()
        record.note("received", bytes(reader.received))
        await record.do("write eof", writing.write_eof)
        await record.do("write eof", writing.write_eof)
        await record.do("write", writing.write, b"late")
        await reader.lost
        await writer.lost
        record.note("events", (reader.events, writer.events))
        for name in ("close", "abort", "is_closing", "get_write_buffer_size"):
            await record.do(name, getattr(writing, name))
        for name in ("close", "is_closing", "is_reading", "pause_reading", "resume_reading"):
            await record.do(name, getattr(reading, name))

    same(body)


@pytest.mark.parametrize("end", ["reader", "writer"])
@pytest.mark.parametrize("way", ["close", "abort"])
def test_ends_of_pipes(same, way, end):
    """What each end of a pipe hears when one is closed or aborted with bytes under way."""
    if (end, way) == ("reader", "abort"):
        pytest.skip("asyncio's read pipes have no abort()")

    async def body(record):
        (_, reading, reader), (_, writing, writer) = await piped()
        reading.pause_reading()
        writing.write(b"x" * 200_000)
        record.note("size", writing.get_write_buffer_size() > 0)
        getattr(reading if end == "reader" else writing, way)()
        await settled()
        reading.resume_reading()
        await reader.lost
        await writer.lost
        record.note("received", len(reader.received) in {0, 200_000} or end == "writer")
        record.note("reader", (reader.events[-1], repr(reader.error)))
        record.note("writer", (writer.events[-1], type(writer.error).__name__))
        record.note("paused", (writer.paused, writer.resumed))

    same(body)


def test_a_socket_is_a_pipe_too(same):
    """A socket's two ends may be connected as pipes, each in one direction."""

    async def body(record):
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        reading, reader = await loop.connect_read_pipe(Noting, ours)
        writing, writer = await loop.connect_write_pipe(Noting, theirs)
        writing.write(b"across")
        await reader.has_received(6)
        record.note("received", bytes(reader.received))
        writing.close()
        await writer.lost
        await reader.lost
        record.note("events", (reader.events, writer.events))
        del reading

    same(body)


# -- bare sockets ----------------------------------------------------------------------------------


async def pair():
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setblocking(False)
    return ours, theirs


def test_two_calls_on_one_socket(same):
    """A second sock_recv takes the place of the first one, which never ends."""

    async def body(record):
        loop = asyncio.get_running_loop()
        ours, theirs = await pair()
        first = asyncio.ensure_future(loop.sock_recv(ours, 10))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(loop.sock_recv(ours, 10))
        await asyncio.sleep(0)
        theirs.send(b"x")
        done, waiting = await asyncio.wait((first, second), timeout=0.02)
        record.note("done", [task is second for task in done])
        for task in waiting:
            task.cancel()
        await asyncio.wait((first, second))
        record.note("results", (first.cancelled(), second.result()))
        theirs.send(b"y")
        await record.do("after", loop.sock_recv, ours, 10)
        for sock in (ours, theirs):
            sock.close()

    same(body)


def test_reading_and_writing_at_once(same):
    """A call that reads and one that writes share a socket; cancelling one leaves the other."""

    async def body(record):
        loop = asyncio.get_running_loop()
        ours, theirs = await pair()
        reading = asyncio.ensure_future(loop.sock_recv(ours, 10))
        writing = asyncio.ensure_future(loop.sock_sendall(ours, b"x" * 1_000_000))
        await settled()
        record.note("waiting", (reading.done(), writing.done()))
        writing.cancel()
        await asyncio.wait((writing,))
        theirs.send(b"y")
        await record.do("read", lambda: reading)
        total = 0
        while data := await asyncio.wait_for(loop.sock_recv(theirs, 1 << 20), 1):
            total += len(data)
            if total > 100_000:
                break
        record.note("something came", total > 0)
        record.note("readers", loop.remove_reader(ours))
        record.note("writers", loop.remove_writer(ours))
        for sock in (ours, theirs):
            sock.close()

    same(body)


def test_calls_on_a_socket_of_a_transport(same):
    """sock_* calls and watchers on a transport's socket are refused while it is open."""

    async def body(record):
        loop = asyncio.get_running_loop()
        both = await connected()
        sock = both.client.transport.get_extra_info("socket")
        fd = sock.fileno()
        for call, args in (
            (loop.add_reader, (print,)),
            (loop.add_writer, (print,)),
            (loop.remove_reader, ()),
            (loop.remove_writer, ()),
        ):
            await record.do(call.__name__, call, fd, *args)
        again = socket.socket(fileno=os.dup(fd))
        again.setblocking(False)
        await record.do("recv by another number", loop.sock_recv, again, 10)
        again.close()
        await both.close()
        await record.do("after", loop.remove_reader, fd)

    same(body)


def test_sockets_of_descriptors_that_are_none(same, tmp_path):
    """A file is no socket (ENOTSOCK), a number that is not open no file (EBADF)."""

    async def body(record):
        with (tmp_path / "file").open("wb") as file:
            await record.do("file", lambda: socket.socket(fileno=file.fileno()))
            await record.do("typed", lambda: socket.socket(2, 1, 0, fileno=file.fileno()))
        reading, writing = os.pipe()
        await record.do("pipe", lambda: socket.socket(fileno=reading))
        os.close(reading)
        os.close(writing)
        await record.do("closed", lambda: socket.socket(fileno=1_900_000))

    same(body)


def test_errors_of_the_system_have_no_context(same, tmp_path):
    """What a call of the system raises is no consequence of another error."""

    async def body(record):
        path = tmp_path / "file"
        path.touch()
        with socket.socket(socket.AF_UNIX) as sock:
            for name, call in (
                ("a name", lambda: socket.getaddrinfo("nowhere.invalid", 1)),
                ("a protocol", lambda: socket.getprotobyname("nothing")),
                ("a descriptor", lambda: os.read(1_900_000, 1)),
                ("closing", lambda: os.close(1_900_000)),
                ("a path", lambda: sock.bind(str(path))),
            ):
                with pytest.raises(OSError, match=r".") as caught:
                    call()
                record.note(name, (caught.value.errno, caught.value.__context__))

    same(body)


def test_watchers_change_under_way(same):
    """Watchers that remove themselves, each other, or add others, in the middle of a turn."""

    async def body(record):
        loop = asyncio.get_running_loop()
        ours, theirs = await pair()
        heard = []

        def once():
            heard.append(("once", loop.remove_reader(ours), loop.remove_reader(ours)))

        loop.add_reader(ours, once)
        theirs.send(b"x")
        await settled()
        record.note("heard", heard)

        def other():
            heard.append("other")
            loop.remove_writer(ours)

        def first():
            heard.append("first")
            loop.add_reader(ours, second)

        def second():
            heard.append("second")
            ours.recv(10)
            loop.remove_reader(ours)

        heard.clear()
        loop.add_reader(ours, first)
        loop.add_writer(ours, other)
        await settled()
        record.note("heard", sorted(heard))
        record.note("left", (loop.remove_reader(ours), loop.remove_writer(ours)))

        def broken():
            heard.append("broken")
            loop.remove_writer(ours)
            raise ZeroDivisionError

        heard.clear()
        loop.add_writer(ours, broken)
        await settled()
        record.note("heard", heard)
        for sock in (ours, theirs):
            sock.close()

    same(body)


@pytest.mark.parametrize("call", ["sock_recv", "sock_accept", "sock_sendall", "sock_connect"])
def test_cancelled_calls(same, call):
    """A cancelled call leaves no watcher behind, and the socket works."""

    async def body(record):
        loop = asyncio.get_running_loop()
        ours, theirs = await pair()
        listener = socket.create_server((LOCAL, 0))
        listener.setblocking(False)
        client = socket.socket()
        client.setblocking(False)
        sock, *args = {
            "sock_recv": (ours, 10),
            "sock_accept": (listener,),
            "sock_sendall": (ours, b"x" * 1_000_000),
            "sock_connect": (client, listener.getsockname()),
        }[call]
        task = asyncio.ensure_future(getattr(loop, call)(sock, *args))
        if call != "sock_connect":
            await settled(2)
        record.note("cancelled", task.cancel())
        await asyncio.wait((task,))
        record.note("was", task.cancelled())
        record.note("left", (loop.remove_reader(sock), loop.remove_writer(sock)))
        if call == "sock_accept":
            other = asyncio.ensure_future(loop.sock_connect(client, listener.getsockname()))
            accepted, _ = await loop.sock_accept(listener)
            await other
            accepted.close()
        for each in (ours, theirs, listener, client):
            each.close()

    same(body)


# -- UNIX names ------------------------------------------------------------------------------------


def test_paths_of_all_kinds(same):
    """Text, bytes, pathlib and abstract names; what sockets tell of them."""

    async def body(record):
        loop = asyncio.get_running_loop()
        root = record.root
        for number, path in enumerate(
            (
                f"{root}/text",
                f"{root}/bytes".encode(),
                pathlib.Path(root) / "path",
                f"\0{root}/abstract",
                f"\0{root}/bytes".encode(),
            )
        ):
            server = await record.do("serve", loop.create_unix_server, Noting, path)
            name = server.sockets[0].getsockname()
            record.note(f"name {number}", name if isinstance(name, str) else name[:1])
            transport, client = await loop.create_unix_connection(Noting, path)
            peer = transport.get_extra_info("peername")
            record.note("peer", peer if isinstance(peer, str) else peer[:1])
            record.note("own", transport.get_extra_info("sockname"))
            transport.close()
            await client.lost
            record.note("is there", os.path.exists(path))  # noqa: PTH110 - bytes, too
            server.close()
            await server.wait_closed()
            record.note("is there", os.path.exists(path))  # noqa: PTH110 - bytes, too

    same(body)


def test_a_path_that_was_renamed_or_removed(same):
    """A server whose path was removed serves who is connected, and nobody else."""

    async def body(record):
        loop = asyncio.get_running_loop()
        path = f"{record.root}/path"
        server = await loop.create_unix_server(Noting, path)
        transport, client = await loop.create_unix_connection(Noting, path)
        os.unlink(path)  # noqa: PTH108 - as programs do
        await record.do("gone", loop.create_unix_connection, Noting, path)
        again = await record.do("again", loop.create_unix_server, Noting, path)
        transport.write(b"still here")
        await settled()
        record.note("open", transport.is_closing())
        server.close()
        await settled()
        record.note("is there", os.path.exists(path))  # noqa: PTH110 - as programs do
        transport.abort()
        await client.lost
        again.close()
        await settled()

    same(body)


# -- streams ---------------------------------------------------------------------------------------


async def streams(handler, **options):
    server = await asyncio.start_server(handler, LOCAL, 0, **options)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), **options)
    return server, reader, writer


def test_readers_and_their_limits(same):
    """Reads of every kind at, below and above the limit, and at the end."""

    async def body(record):
        async def handle(reader, writer):
            writer.write(b"a line\n" + b"x" * 100 + b"\nafter;and--more\n" + b"y" * 10)
            await writer.drain()
            writer.write_eof()
            await reader.read()
            writer.close()

        server, reader, writer = await streams(handler=handle, limit=50)
        await settled()
        await record.do("line", reader.readline)
        await record.do("too long", reader.readline)
        await record.do("until", reader.readuntil, b";")
        await record.do("nothing", reader.readuntil, b"")
        await record.do("text", reader.readuntil, "x")
        await record.do("read", reader.read, 5)
        await record.do("none", reader.read, 0)
        await record.do("negative", reader.readexactly, -1)
        await record.do("exactly", reader.readexactly, 4)
        await record.do("at end", reader.at_eof)
        await record.do("all", reader.read)
        await record.do("at end", reader.at_eof)
        for name, *args in (("readline",), ("read", 5), ("readexactly", 1), ("readuntil", b"x")):
            await record.do(name, getattr(reader, name), *args)
        record.note("exception", reader.exception())
        writer.close()
        await record.do("closed", writer.wait_closed)
        server.close()
        await settled()

    same(body)


def test_writers_after_the_end(same):
    """Write, drain, write_eof and close of a writer whose peer is gone, and of a closed one."""

    async def body(record):
        async def handle(_reader, writer):
            writer.transport.abort()

        server, reader, writer = await streams(handler=handle)
        writer.write(b"unread")
        await settled()
        await record.do("read", reader.read)
        for _ in range(3):
            await record.do("write", writer.write, b"x")
            await record.do("drain", writer.drain)
            await settled(2)
        await record.do("eof", writer.write_eof)
        await record.do("closing", writer.is_closing)
        for _ in range(2):
            await record.do("close", writer.close)
            await record.do("wait", writer.wait_closed)
        await record.do("drain", writer.drain)
        await record.do("info", lambda: writer.get_extra_info("peername")[0])
        server.close()
        await settled()

    same(body)


@pytest.mark.parametrize("kind", ["error", "exit early", "cancelled"])
def test_handlers_that_fail(same, kind):
    """What a client sees, and the loop's handler hears, of a server's handler that fails."""

    async def body(record):
        async def handle(reader, writer):
            await reader.readline()
            if kind == "error":
                raise ZeroDivisionError
            if kind == "cancelled":
                asyncio.current_task().cancel()
                await asyncio.sleep(0)
            writer.close()

        server, reader, writer = await streams(handler=handle)
        writer.write(b"go\n")
        await record.do("read", reader.read)
        writer.close()
        await record.do("closed", writer.wait_closed)
        server.close()
        await settled()

    same(body)


@pytest.mark.parametrize("linger", [None, struct.pack("ii", 1, 0)])
def test_the_queue_of_errors_is_empty_whatever_became_of_the_peer(same, linger):
    """MSG_ERRQUEUE reads neither the end of the stream nor its error; these come as ever."""

    async def body(record):
        with socket.create_server((LOCAL, 0)) as listener:
            ours = socket.create_connection(listener.getsockname())
            theirs, _ = listener.accept()
        if linger is not None:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        theirs.close()
        await asyncio.sleep(0.05)
        with ours:
            ours.setblocking(False)
            for flags in (socket.MSG_ERRQUEUE, 0):
                await record.do(f"with {flags}", lambda flags=flags: ours.recv(9, flags))

    same(body)
