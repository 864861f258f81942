"""Random conversations of streams, TLS streams and bare sockets, in any pairing, against a model.

Each end follows a script of its own: it writes, reads in several ways, pauses, and ends its side
politely or not. The model is what was sent: what arrives is always a prefix of it, and all of it
where both ends stay to the end. A run that hangs is a deadlock, which simloop tells.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import simloop

from .certificates import client_context, server_context

PATIENCE = 30  # Virtual seconds: a peer that does not read makes a writer wait for ever.
RESET = struct.pack("ii", 1, 0)
SIZES = st.one_of(st.integers(1, 100), st.integers(1, 300_000))

ACTIONS = st.one_of(
    st.tuples(st.just("write"), SIZES),
    st.tuples(st.just("write"), SIZES),
    st.tuples(st.just("read"), SIZES),
    st.tuples(st.just("read_exactly"), st.integers(1, 2000)),
    st.tuples(st.just("read_until"), st.just(0)),
    st.tuples(st.just("sleep"), st.sampled_from([0, 0.001, 1])),
    st.tuples(st.just("end"), st.just(0)),
    st.tuples(st.just("close"), st.just(0)),
    st.tuples(st.just("abort"), st.just(0)),
)
POLITE = ACTIONS.filter(lambda action: action[0] not in {"end", "close", "abort"})
SCRIPTS = st.one_of(st.lists(POLITE, max_size=12), st.lists(ACTIONS, max_size=12))
GONE = (OSError, ssl.SSLError, asyncio.IncompleteReadError)


class End:
    """One end: what it sent, what it received, and how it is."""

    can_end = True

    def __init__(self):
        self.sent = bytearray()
        self.received = bytearray()
        self.has_ended = self.is_gone = self.heard_end = self.is_early = False

    def pattern(self, size):
        start = len(self.sent) * 7919
        return bytes((start + index) % 251 for index in range(min(size, 251))) * (size // 251 + 1)

    def take(self, data):
        self.received += data
        if not data:
            self.heard_end = True

    async def follow(self, script):
        """Do what the script says, as long as the connection lasts."""
        for name, amount in script:
            if self.is_gone:
                return
            if (name == "write" and self.has_ended) or (name.startswith("read") and self.heard_end):
                continue
            try:
                await asyncio.wait_for(getattr(self, name)(amount), PATIENCE)
            except TimeoutError:
                pass  # A cancelled call loses nothing, or says that it may have.
            except GONE:
                self.is_gone = self.is_early = True
                self.leave()

    async def sleep(self, seconds):
        await asyncio.sleep(seconds)

    async def rest(self, other):
        """Read what is left, until all that the other sent is there, or its end."""
        with contextlib.suppress(*GONE, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not (self.is_gone or self.heard_end) and len(self.received) < len(other.sent):
                    await self.read(1 << 20)


class StreamEnd(End):
    """An end that is a pair of streams."""

    def __init__(self, reader, writer):
        super().__init__()
        self.reader, self.writer = reader, writer
        self.can_end = writer.can_write_eof()

    async def write(self, size):
        data = self.pattern(size)[:size]
        self.sent += data
        self.writer.write(data)
        await self.writer.drain()

    async def read(self, size):
        self.take(await self.reader.read(size))

    async def read_exactly(self, size):
        try:
            self.take(await self.reader.readexactly(size))
        except asyncio.IncompleteReadError as error:
            self.received += error.partial
            self.heard_end = True

    async def read_until(self, _):
        try:
            self.take(await self.reader.readuntil(b"\x07"))
        except asyncio.IncompleteReadError as error:
            self.received += error.partial
            self.heard_end = True
        except asyncio.LimitOverrunError as error:
            self.take(await self.reader.read(error.consumed))

    async def end(self, _):
        if self.can_end:
            self.writer.write_eof()
            self.has_ended = True

    async def close(self, _):
        self.is_gone = self.is_early = True
        self.writer.close()

    async def abort(self, _):
        self.is_gone = self.is_early = True
        self.writer.transport.abort()

    def leave(self):
        self.writer.close()

    async def finish(self):
        self.writer.close()
        with contextlib.suppress(*GONE):
            await self.writer.wait_closed()


class SocketEnd(End):
    """An end that is a bare socket under the loop's ``sock_*`` calls."""

    def __init__(self, sock):
        super().__init__()
        self.sock = sock
        self.loop = asyncio.get_running_loop()

    async def write(self, size):
        data = self.pattern(size)[:size]
        self.sent += data
        try:
            await self.loop.sock_sendall(self.sock, data)
        except asyncio.CancelledError:  # Nobody knows how much went out: it says no more.
            self.has_ended = self.is_early = True
            raise

    async def read(self, size):
        self.take(await self.loop.sock_recv(self.sock, size))

    async def read_exactly(self, size):
        buffer = bytearray(size)
        count = await self.loop.sock_recv_into(self.sock, buffer)
        self.take(bytes(buffer[:count]))

    async def read_until(self, _):
        data, _ = await self.loop.sock_recvfrom(self.sock, 100)
        self.take(data)

    async def end(self, _):
        self.sock.shutdown(socket.SHUT_WR)
        self.has_ended = True

    async def close(self, _):
        self.is_gone = self.is_early = True
        self.sock.close()

    async def abort(self, _):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        await self.close(0)

    def leave(self):
        self.sock.close()

    async def finish(self):
        self.sock.close()


# -- pairs -----------------------------------------------------------------------------------------


async def serve(kind, connect):
    """Start a server of one kind, connect to it, and return both ends."""
    accepted = asyncio.get_running_loop().create_future()

    async def accept(reader, writer):
        accepted.set_result(StreamEnd(reader, writer))

    if kind == "unix":
        server = await asyncio.start_unix_server(accept, "/fuzz")
    else:
        options = {"ssl": server_context()} if kind == "tls" else {}
        server = await asyncio.start_server(accept, "127.0.0.1", 0, **options)
    client = await connect(server.sockets[0].getsockname())
    ends = client, await accepted
    server.close()
    return ends


async def streams(kind):
    async def connect(name):
        if kind == "unix":
            return StreamEnd(*await asyncio.open_unix_connection(name))
        options = {"ssl": client_context(), "server_hostname": "localhost"}
        return StreamEnd(
            *await asyncio.open_connection(*name, **(options if kind == "tls" else {}))
        )

    return await serve(kind, connect)


async def a_socket_and_a_stream(kind):
    async def connect(name):
        family = socket.AF_UNIX if kind == "unix" else socket.AF_INET
        sock = socket.socket(family)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, name)
        return SocketEnd(sock)

    return await serve(kind, connect)


async def two_sockets(kind):
    pair = socket.socketpair()
    for sock in pair:
        sock.setblocking(False)
    return tuple(map(SocketEnd, pair))


PAIRS = {
    "streams over TCP": lambda: streams("tcp"),
    "streams over UNIX": lambda: streams("unix"),
    "streams over TLS": lambda: streams("tls"),
    "a socket and a stream over TCP": lambda: a_socket_and_a_stream("tcp"),
    "a socket and a stream over UNIX": lambda: a_socket_and_a_stream("unix"),
    "two sockets": lambda: two_sockets("unix"),
}


async def converse(make, scripts):
    """Let both ends follow their scripts at once, read what is left, and compare."""
    loop = asyncio.get_running_loop()
    ends = await make()
    async with asyncio.timeout(10_000):
        await asyncio.gather(
            *[end.follow(script) for end, script in zip(ends, scripts, strict=True)]
        )
        await asyncio.gather(*[end.rest(other) for end, other in (ends, ends[::-1])])
    for end, other in (ends, ends[::-1]):
        assert other.sent.startswith(end.received)
    if not any(end.is_early for end in ends):
        for end, other in (ends, ends[::-1]):
            assert end.received == other.sent
            if not end.is_gone and other.has_ended and not end.heard_end:
                await asyncio.wait_for(end.read(1), PATIENCE)
                assert end.heard_end
    for end in ends:
        await asyncio.wait_for(end.finish(), 10_000)
    await asyncio.sleep(100)
    loop.host.network.check()
    assert len(loop.host.descriptors) == 0


BOTH_FILL = [("write", 300_000)] * 4


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS)
@settings(max_examples=25, deadline=None)
@example(scripts=(BOTH_FILL, BOTH_FILL))
@example(scripts=([("write", 10), ("close", 0)], [("sleep", 1), ("write", 10), ("read", 99)]))
@given(scripts=st.tuples(SCRIPTS, SCRIPTS))
def test_what_arrives_is_what_was_sent(pair, scripts):
    """Whatever both ends do, nothing is lost, doubled or moved, and nobody waits for ever."""
    simloop.run(converse(PAIRS[pair], scripts))


@settings(max_examples=10, deadline=None)
@given(scripts=st.tuples(SCRIPTS, SCRIPTS), pair=st.sampled_from(sorted(PAIRS)))
def test_conversations_are_the_same_twice(scripts, pair):
    """The same conversation has the same digest, enciphered or not."""
    outcomes = [simloop.simulate(lambda: converse(PAIRS[pair], scripts)) for _ in range(2)]
    assert outcomes[0].error is None
    assert outcomes[0].digest == outcomes[1].digest
