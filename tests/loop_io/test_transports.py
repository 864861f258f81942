"""Transports and protocols over TCP: asyncio's contract, on both loops."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import sys
import warnings

import pytest

from .protocols import Noting, connected


class Buffered(asyncio.BufferedProtocol):
    """Receive into a small buffer of its own."""

    def __init__(self):
        self.buffer = bytearray(7)
        self.received = bytearray()
        self.made = asyncio.get_running_loop().create_future()
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.made.set_result(None)

    def get_buffer(self, sizehint):
        assert sizehint == -1
        return self.buffer

    def buffer_updated(self, nbytes):
        self.received += self.buffer[:nbytes]

    def connection_lost(self, exc):
        self.lost.set_result(exc)


class Slow(socket.socket):
    """A socket of a program's own: it counts what passes, and sends three bytes at a time."""

    def __init__(self, *args, **kwargs):
        self.calls = dict.fromkeys(("recv", "recv_into", "send"), 0)
        self.broken = None
        super().__init__(*args, **kwargs)

    def _count(self, call):
        self.calls[call] += 1
        if self.broken == call:
            raise ValueError(call)

    def recv(self, *args):
        self._count("recv")
        return super().recv(*args)

    def recv_into(self, *args):
        self._count("recv_into")
        return super().recv_into(*args)

    def send(self, data, *args):
        self._count("send")
        return super().send(data[:3], *args)

    def sendmsg(self, buffers, *args):
        self._count("send")
        return super().sendmsg([next(iter(buffers))[:3]], *args)


def of_own_class(family):
    """Return a connected socket of a class of one's own, and its plain peer."""
    plain, peer = socket.socketpair(family)
    sock = Slow(family, socket.SOCK_STREAM, fileno=plain.detach())
    sock.setblocking(False)
    peer.setblocking(False)
    return sock, peer


@pytest.mark.parametrize("cls", [Noting, Buffered])
def test_a_socket_of_ones_own_class_is_called(arm, cls):
    """A transport sends and receives by the calls of its socket, however little one takes."""

    async def main():
        loop = asyncio.get_running_loop()
        sock, peer = of_own_class(socket.AF_UNIX)
        transport, protocol = await loop.connect_accepted_socket(cls, sock)
        transport.write(b"ten bytes!")
        transport.write(b"more")
        received = b""
        while len(received) < 14:
            received += await loop.sock_recv(peer, 100)
        assert received == b"ten bytes!more"
        await loop.sock_sendall(peer, b"answer")
        peer.close()
        await protocol.lost
        assert sock.calls["send"] >= 5
        assert sock.calls["recv_into" if cls is Buffered else "recv"] >= 2

    arm.run(main)


@pytest.mark.parametrize("call", ["recv", "send"])
def test_what_a_socket_of_ones_own_raises_ends_the_connection(arm, caplog, call):
    """The protocol hears of it; so does the log, for an error that is no OSError."""

    async def main():
        loop = asyncio.get_running_loop()
        sock, peer = of_own_class(socket.AF_UNIX)
        transport, protocol = await loop.connect_accepted_socket(Noting, sock)
        sock.broken = call
        transport.write(b"x")
        if call == "recv":
            await loop.sock_sendall(peer, b"answer")
        error = await protocol.lost
        assert (type(error), str(error)) == (ValueError, call)
        peer.close()

    arm.run(main)
    fatal = "Fatal read error" if call == "recv" else "Fatal write error"
    assert f"{fatal} on socket transport" in caplog.text


def test_datagrams_pass_the_calls_of_a_socket_of_ones_own_class(arm):
    """A datagram transport calls ``sendto``, or ``send`` if connected, and ``recvfrom``."""
    calls: list[str] = []

    class Telling(socket.socket):
        def send(self, data):
            calls.append("send")
            return super().send(data)

        def sendto(self, data, address):
            calls.append("sendto")
            return super().sendto(data, address)

        def recvfrom(self, size):
            calls.append("recvfrom")
            return super().recvfrom(size)

    class Answering(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, address):
            if data == b"ping":
                self.transport.sendto(b"pong", address)
            else:
                done.set_result(data)

    async def main():
        nonlocal done
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        server, client = (Telling(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        server.bind(("127.0.0.1", 0))
        client.connect(server.getsockname())
        ends = [await loop.create_datagram_endpoint(Answering, sock=it) for it in (server, client)]
        ends[1][0].sendto(b"ping")
        assert await done == b"pong"
        for transport, _ in ends:
            transport.close()

    done = None
    arm.run(main)
    assert calls == ["send", "recvfrom", "sendto", "recvfrom"]


def test_a_patch_of_a_call_is_met_by_transports(arm, monkeypatch):
    """What a tool sets on ``socket.socket`` is called by the transports that are made then."""
    sent: list[bytes] = []
    real = socket.socket.send

    def send(self, data, *args):
        sent.append(bytes(data))
        return real(self, data, *args)

    async def main():
        monkeypatch.setattr(socket.socket, "send", send, raising=False)
        pair = await connected()
        pair.client.transport.write(b"abc")
        pair.client.transport.close()
        await pair.peer.lost
        monkeypatch.undo()
        await pair.close()

    arm.run(main)
    assert b"abc" in sent


def test_events_of_a_connection_come_in_order(arm):
    """A protocol sees made, data, eof and lost, each at its time and the ends once."""

    async def main():
        pair = await connected()
        pair.client.transport.write(b"abc")
        pair.client.transport.close()
        assert await pair.peer.lost is None
        assert await pair.client.lost is None
        assert pair.peer.events == ["made", "data", "eof", "lost"]
        assert pair.client.events == ["made", "lost"]
        await pair.close()

    arm.run(main)


def test_a_transport_knows_its_names(arm):
    """peername, sockname and socket tell where a connection goes."""

    async def main():
        pair = await connected()
        ours, theirs = pair.client.transport, pair.peer.transport
        assert ours.get_extra_info("peername") == theirs.get_extra_info("sockname")
        assert ours.get_extra_info("sockname") == theirs.get_extra_info("peername")
        sock = ours.get_extra_info("socket")
        assert sock.family == socket.AF_INET
        assert sock.type == socket.SOCK_STREAM
        assert sock.getsockname() == ours.get_extra_info("sockname")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert ours.get_extra_info("nothing", 5) == 5
        assert ours.get_protocol() is pair.client
        await pair.close()

    arm.run(main)


def test_writes_of_every_kind_of_bytes_arrive(arm):
    """bytes, bytearray and memoryview are sent as they were at the time of the write."""

    async def main():
        pair = await connected()
        data = bytearray(b"two")
        pair.client.transport.write(b"one")
        pair.client.transport.write(data)
        data[:] = b"xxx"
        pair.client.transport.write(memoryview(b"three"))
        pair.client.transport.write(b"")
        pair.client.transport.writelines([b"four", bytearray(b"five"), memoryview(b"six")])
        await pair.peer.has_received(18)
        assert pair.peer.received == b"onetwothreefourfivesix"
        await pair.close()

    arm.run(main)


@pytest.mark.parametrize("data", ["text", 5, None, [b"x"]])
def test_writing_what_is_no_bytes_is_refused(arm, data):
    """write() of anything but bytes is a TypeError that names the type."""

    async def main():
        pair = await connected()
        with pytest.raises(TypeError, match=type(data).__name__):
            pair.client.transport.write(data)
        await pair.close()

    arm.run(main)


def test_order_survives_pausing(arm):
    """What arrives while reading is paused comes later, whole and in order."""

    async def main():
        pair = await connected()
        pair.peer.transport.pause_reading()
        pair.peer.transport.pause_reading()
        assert not pair.peer.transport.is_reading()
        for number in range(100):
            pair.client.transport.write(b"%02d" % number)
        await asyncio.sleep(0.01)
        assert not pair.peer.received
        pair.peer.transport.resume_reading()
        pair.peer.transport.resume_reading()
        assert pair.peer.transport.is_reading()
        await pair.peer.has_received(200)
        assert pair.peer.received == b"".join(b"%02d" % number for number in range(100))
        await pair.close()

    arm.run(main)


def test_the_protocol_is_paused_and_resumed(arm):
    """A full write buffer pauses the protocol; a drained one resumes it."""

    async def main():
        pair = await connected()
        transport = pair.client.transport
        transport.set_write_buffer_limits(high=1000, low=100)
        assert transport.get_write_buffer_limits() == (100, 1000)
        pair.peer.transport.pause_reading()
        size = 0
        while not pair.client.paused:
            transport.write(bytes(100_000))
            size += 100_000
        assert transport.get_write_buffer_size() > 1000
        transport.write(bytes(5000))
        assert (pair.client.paused, pair.client.resumed) == (1, 0)
        pair.peer.transport.resume_reading()
        await pair.peer.has_received(size + 5000)
        assert (pair.client.paused, pair.client.resumed) == (1, 1)
        assert transport.get_write_buffer_size() == 0
        await pair.close()

    arm.run(main)


def test_negative_limits_are_refused(arm):
    """Write buffer limits have to be in order and not negative."""

    async def main():
        pair = await connected()
        with pytest.raises(ValueError, match="must be >= low"):
            pair.client.transport.set_write_buffer_limits(high=5, low=10)
        with pytest.raises(ValueError, match="must be >= 0"):
            pair.client.transport.set_write_buffer_limits(low=-1)
        await pair.close()

    arm.run(main)


def test_close_sends_what_was_written(arm):
    """close() loses nothing that was written before, however much."""

    async def main():
        pair = await connected()
        pair.client.transport.write(bytes(3_000_000))
        pair.client.transport.close()
        assert pair.client.transport.is_closing()
        await pair.peer.has_received(3_000_000)
        assert await pair.client.lost is None
        await pair.close()

    arm.run(main)


def test_abort_drops_what_was_not_sent(arm):
    """abort() ends the connection at once; connection_lost(None) comes once."""

    async def main():
        pair = await connected()
        pair.peer.transport.pause_reading()
        pair.client.transport.write(bytes(30_000_000))
        pair.client.transport.abort()
        pair.client.transport.abort()
        assert await pair.client.lost is None
        assert pair.client.events.count("lost") == 1
        await pair.close()

    arm.run(main)


def test_write_eof_is_sent_behind_the_data(arm):
    """write_eof() closes one direction after everything that was written."""

    async def main():
        pair = await connected(peer=lambda: Noting(keep_open=True))
        assert pair.client.transport.can_write_eof()
        pair.client.transport.write(bytes(2_000_000))
        pair.client.transport.write_eof()
        pair.client.transport.write_eof()
        with pytest.raises(RuntimeError, match="after write_eof"):
            pair.client.transport.write(b"more")
        await pair.peer.ended
        assert len(pair.peer.received) == 2_000_000
        assert not pair.peer.transport.is_closing()
        pair.peer.transport.write(b"still here")
        await pair.client.has_received(10)
        pair.peer.transport.close()
        await pair.client.lost
        await pair.close()

    arm.run(main)


def test_writes_after_the_end_are_dropped_and_warned_about(arm, caplog):
    """From the fifth write on a lost connection on, each one is logged."""

    async def main():
        pair = await connected()
        pair.client.transport.abort()
        for _ in range(4):
            pair.client.transport.write(b"x")
        assert not caplog.records
        pair.client.transport.write(b"x")
        pair.client.transport.write(b"x")
        await pair.close()

    with caplog.at_level(logging.WARNING, logger="asyncio"):
        arm.run(main)
    assert [record.message for record in caplog.records] == ["socket.send() raised exception."] * 2


def test_a_write_to_a_peer_that_is_gone_ends_the_connection(arm):
    """Writing after the peer reset gives connection_lost with the error."""

    async def main():
        pair = await connected(client=lambda: Noting(keep_open=True))
        pair.client.transport.write(b"unread")
        pair.peer.transport.pause_reading()
        pair.client.transport.pause_reading()
        await asyncio.sleep(0.01)
        pair.peer.transport.abort()
        await pair.peer.lost
        await asyncio.sleep(0.01)
        for _ in range(3):
            pair.client.transport.write(b"x")
            await asyncio.sleep(0.001)
        error = await pair.client.lost
        assert isinstance(error, ConnectionError)
        await pair.close()

    arm.run(main)


def test_a_protocol_may_be_changed_in_the_middle(arm):
    """set_protocol gives what comes from then on to the new protocol."""

    async def main():
        pair = await connected()
        pair.client.transport.write(b"first")
        await pair.peer.has_received(5)
        second = Noting()
        transport = pair.peer.transport
        transport.set_protocol(second)
        assert transport.get_protocol() is second
        pair.client.transport.write(b"second")
        await second.has_received(6)
        third = Buffered()
        transport.set_protocol(third)
        pair.client.transport.write(b"third, in pieces")
        while len(third.received) < 16:
            await asyncio.sleep(0.001)
        assert bytes(third.received) == b"third, in pieces"
        transport.set_protocol(second)
        pair.client.transport.write(b"back")
        await second.has_received(10)
        assert pair.peer.received == b"first"
        transport.set_protocol(pair.peer)
        await pair.close()

    arm.run(main)


def test_a_buffered_protocol_gets_everything(arm):
    """A protocol with a buffer of seven bytes receives a megabyte in order."""

    async def main():
        pair = await connected(peer=Buffered)
        data = bytes(range(250)) * 40
        pair.client.transport.write(data)
        pair.client.transport.close()
        assert await pair.peer.lost is None
        assert pair.peer.received == data
        await pair.close()

    arm.run(main)


class Broken(Noting):
    """Fail in one of its methods."""

    where = ""

    def data_received(self, data):
        if self.where == "data_received":
            raise LookupError("data")
        super().data_received(data)

    def eof_received(self):
        if self.where == "eof_received":
            raise LookupError("eof")
        return super().eof_received()


class BrokenBuffer(Buffered):
    where = ""

    def get_buffer(self, sizehint):
        if self.where == "get_buffer":
            raise LookupError("buffer")
        return bytearray() if self.where == "empty" else super().get_buffer(sizehint)

    def buffer_updated(self, nbytes):
        raise LookupError("updated")


@pytest.mark.parametrize(
    ("kind", "where", "message"),
    [
        (Broken, "data_received", "protocol.data_received() call failed."),
        (Broken, "eof_received", "protocol.eof_received() call failed."),
        (BrokenBuffer, "get_buffer", "protocol.get_buffer() call failed."),
        (BrokenBuffer, "empty", "protocol.get_buffer() call failed."),
        (BrokenBuffer, "buffer_updated", "protocol.buffer_updated() call failed."),
    ],
)
def test_an_error_in_a_protocol_ends_its_connection_only(arm, kind, where, message):
    """An error in a protocol is reported with its transport, and connection_lost hears of it."""

    async def main():
        contexts = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: contexts.append(context))
        pair = await connected(peer=kind)
        pair.peer.where = where
        transport = pair.peer.transport
        pair.client.transport.write(b"x")
        if where == "eof_received":
            pair.client.transport.write_eof()
        error = await pair.peer.lost
        assert isinstance(error, LookupError | RuntimeError)
        (context,) = contexts
        assert context["message"] == f"Fatal error: {message}"
        assert context["exception"] is error
        assert context["transport"] is transport
        assert context["protocol"] is pair.peer
        await pair.close()

    arm.run(main)


def test_an_error_in_connection_made_does_not_lose_the_connection(arm):
    """An error in connection_made is reported, and the connection goes on, as asyncio does it."""

    async def main():
        contexts = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: contexts.append(context))

        class Odd(Noting):
            def connection_made(self, transport):
                super().connection_made(transport)
                raise LookupError("made")

        pair = await connected(peer=Odd)
        pair.client.transport.write(b"x")
        await pair.peer.has_received(1)
        assert isinstance(contexts[0]["exception"], LookupError)
        await pair.close()

    arm.run(main)


def test_a_transport_tells_its_state_in_its_repr(arm):
    """repr() shows the descriptor, what is polled, and the end."""

    async def main():
        pair = await connected()
        transport = pair.client.transport
        await asyncio.sleep(0)
        fd = transport.get_extra_info("socket").fileno()
        assert f"fd={fd} read=polling write=<idle, bufsize=0>" in repr(transport)
        transport.pause_reading()
        assert "read=idle" in repr(transport)
        transport.close()
        assert " closing " in repr(transport)
        await pair.client.lost
        assert f" closed fd={fd}>" in repr(transport)
        await pair.close()

    arm.run(main)


def test_an_unclosed_transport_warns_when_its_loop_is_gone(arm):
    """A transport that was never closed gives a ResourceWarning when it is collected."""

    async def main():
        pair = await connected()
        pair.server.close()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        arm.run(main)
        gc.collect()
    texts = [str(warning.message) for warning in caught if warning.category is ResourceWarning]
    assert [text for text in texts if text.startswith("unclosed transport")]


def test_descriptors_of_transports_cannot_be_watched(arm):
    """add_reader on a descriptor that a transport uses is refused, and names the transport."""

    async def main():
        pair = await connected()
        loop = asyncio.get_running_loop()
        sock = pair.client.transport.get_extra_info("socket")
        for call in (loop.add_reader, loop.add_writer):
            with pytest.raises(RuntimeError, match="is used by transport"):
                call(sock.fileno(), print)
        for call in (loop.remove_reader, loop.remove_writer):
            with pytest.raises(RuntimeError, match="is used by transport"):
                call(sock)
        await pair.close()

    arm.run(main)


def test_contexts_of_connections_do_not_mix(arm):
    """A context variable that one connection's protocol sets is not seen by another's."""
    import contextvars

    variable = contextvars.ContextVar("variable", default="none")

    async def main():
        class Setting(Noting):
            def data_received(self, data):
                self.before = variable.get()
                variable.set(bytes(data).decode())
                super().data_received(data)

        first = await connected(peer=Setting)
        second = await connected(peer=Setting)
        for pair, word in ((first, b"one"), (second, b"two"), (first, b"more")):
            size = len(pair.peer.received) + len(word)
            pair.client.transport.write(word)
            await pair.peer.has_received(size)
        assert second.peer.before == "none"
        assert first.peer.before == "one"
        assert variable.get() == "none"
        await first.close()
        await second.close()

    arm.run(main)


def test_connect_accepted_socket_serves_it(arm):
    """A connection that was accepted by hand gets a transport and a protocol."""

    async def main():
        loop = asyncio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        connecting = asyncio.ensure_future(loop.create_connection(Noting, *listener.getsockname()))
        sock, _ = await loop.sock_accept(listener)
        transport, peer = await loop.connect_accepted_socket(Noting, sock)
        _, client = await connecting
        client.transport.write(b"hello")
        await peer.has_received(5)
        transport.close()
        client.transport.close()
        await peer.lost
        await client.lost
        listener.close()

    arm.run(main)


def test_a_connected_socket_becomes_a_connection(arm):
    """create_connection(sock=) takes a socket that is connected already."""

    async def main():
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with pytest.raises(ValueError, match="can not be specified at the same time"):
            await loop.create_connection(Noting, "127.0.0.1", 80, sock=ours)
        _, client = await loop.create_connection(Noting, sock=ours)
        theirs.setblocking(False)
        await loop.sock_sendall(theirs, b"hi")
        await client.has_received(2)
        client.transport.write(b"ho")
        assert await loop.sock_recv(theirs, 10) == b"ho"
        client.transport.close()
        await client.lost
        theirs.close()

    arm.run(main)


def test_a_datagram_socket_is_no_stream(arm):
    """create_connection and create_server refuse sockets that are no streams."""

    async def main():
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            with pytest.raises(ValueError, match="A Stream Socket was expected"):
                await loop.create_connection(Noting, sock=sock)
            with pytest.raises(ValueError, match="A Stream Socket was expected"):
                await loop.create_server(Noting, sock=sock)

    arm.run(main)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"server_hostname": "x"}, "server_hostname is only meaningful with ssl"),
        ({"ssl_handshake_timeout": 1}, "ssl_handshake_timeout is only meaningful with ssl"),
        ({"ssl_shutdown_timeout": 1}, "ssl_shutdown_timeout is only meaningful with ssl"),
        ({"ssl": True}, "You must set server_hostname when using ssl without a host"),
        ({}, "host and port was not specified and no sock specified"),
    ],
)
def test_options_that_make_no_sense_are_refused(arm, options, message):
    """create_connection refuses combinations of options in asyncio's words."""

    async def main():
        with pytest.raises(ValueError, match=message):
            await asyncio.get_running_loop().create_connection(Noting, **options)

    arm.run(main)


def test_a_local_address_may_be_chosen(arm):
    """local_addr is the address that the peer sees."""

    async def main():
        loop = asyncio.get_running_loop()
        pair = await connected()
        port = pair.server.sockets[0].getsockname()[1]
        pair.client.transport.abort()
        await pair.client.lost
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            local = free.getsockname()
        accepted = asyncio.get_running_loop().create_future()
        server = await loop.create_server(
            lambda: accepted.set_result(Noting()) or accepted.result(), "127.0.0.1", 0
        )
        port = server.sockets[0].getsockname()[1]
        transport, _ = await loop.create_connection(Noting, "127.0.0.1", port, local_addr=local)
        assert transport.get_extra_info("sockname") == local
        peer = await accepted
        await peer.made
        assert peer.transport.get_extra_info("peername") == local
        transport.abort()
        await peer.lost
        server.close()
        await pair.close()

    arm.run(main)


def test_happy_eyeballs_take_the_address_that_answers(arm):
    """With an address that nobody serves in front, the connection comes by the next one."""

    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Noting, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport, protocol = await loop.create_connection(
            Noting, "localhost", port, happy_eyeballs_delay=0.25
        )
        assert transport.get_extra_info("peername")[0] == "127.0.0.1"
        transport.abort()
        await protocol.lost
        server.close()

    arm.run(main)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="all_errors came with Python 3.12")
def test_all_errors_are_told_together(arm):
    """all_errors=True raises one group with an error for each address."""

    async def main():
        loop = asyncio.get_running_loop()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with pytest.raises(ExceptionGroup, match="create_connection failed") as caught:
            await loop.create_connection(Noting, "127.0.0.1", port, all_errors=True)
        assert isinstance(caught.value.exceptions[0], ConnectionRefusedError)

    arm.run(main)


def test_bytes_come_after_what_is_ready_when_they_arrive(arm):
    """A task that begins in the step that sends has begun when its peer hears of the bytes."""

    async def main():
        loop = asyncio.get_running_loop()
        pair = await connected()
        await asyncio.sleep(0.01)
        order = []
        pair.peer.data_received = order.append
        loop.call_soon(loop.call_soon, order.append, "a turn later")
        pair.client.transport.write(b"sent")
        loop.call_soon(order.append, "soon")
        loop.call_later(0, order.append, "due")
        while len(order) < 4:
            await asyncio.sleep(0.01)
        assert order == ["soon", b"sent", "due", "a turn later"]
        await pair.close()

    arm.run(main)


def test_a_connection_is_accepted_after_what_is_ready_when_it_comes(arm):
    """A callback of the step that connects runs before the server hears of the client."""

    async def main():
        loop = asyncio.get_running_loop()
        order = []

        class Server(asyncio.Protocol):
            def connection_made(self, transport):
                order.append("accepted")
                transport.close()

        server = await loop.create_server(Server, "127.0.0.1", 0)
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(server.sockets[0].getsockname())
        loop.call_soon(order.append, "soon")
        while len(order) < 2:
            await asyncio.sleep(0.01)
        assert order == ["soon", "accepted"]
        client.close()
        server.close()
        await server.wait_closed()

    arm.run(main)
