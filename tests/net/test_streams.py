"""Streams against a naive model: whatever both sides do, no byte is lost, doubled or reordered."""

from __future__ import annotations

import socket
import struct
import tracemalloc
from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from simloop.net import Network, make_pipe, make_socket, make_socketpair
from simloop.net.inet.buffers import ByteQueue

SIDES = st.sampled_from([0, 1])
SIZES = st.sampled_from([0, 1, 2, 7, 100, 2304, 5000, 40_000, 300_000])
BUFFERS = st.sampled_from([None, 1, 5000, 60_000])
PATTERN = bytes(range(256)) * 2000
LINGER = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Side:
    """One end: the socket, and what the model knows of it."""

    def __init__(self, sock):
        self.sock = sock
        self.file = sock.file
        self.sent = bytearray()  # Taken from the program, in order.
        self.got = bytearray()
        self.is_open = True
        self.is_shut = False  # No more writes: shut, closed or broken.
        self.is_ended = False  # Saw the end of stream.
        self.was_readable = self.file.readable
        self.was_writable = self.file.writable
        self.told_readable = self.told_writable = 0
        self.file.watch_readable(self.on_readable)
        self.file.watch_writable(self.on_writable)

    def on_readable(self):
        self.told_readable += 1

    def on_writable(self):
        self.told_writable += 1


class Streams(RuleBasedStateMachine):
    """Two connected TCP sockets, with no link between them."""

    is_linked = False

    def __init__(self):
        super().__init__()
        self.network = Network()
        self.host = self.network.add_host()
        self.packets = deque()
        self.was_reset = False
        self.sides = []

    @initialize(sizes=st.tuples(BUFFERS, BUFFERS, BUFFERS, BUFFERS))
    def connect(self, sizes):
        first, second = self.pair()
        for sock, sizes_of_one in ((first, sizes[:2]), (second, sizes[2:])):
            sock.setblocking(False)
            for name, size in zip((socket.SO_SNDBUF, socket.SO_RCVBUF), sizes_of_one, strict=True):
                if size is not None:
                    sock.setsockopt(socket.SOL_SOCKET, name, size)
        if self.is_linked:
            self.network.link = self.packets.append
        self.sides = [Side(first), Side(second)]

    def pair(self):
        listener, client = make_socket(self.host), make_socket(self.host)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        listener.close()
        return client, server

    @rule(number=SIDES, size=SIZES)
    def write(self, number, size):
        side = self.sides[number]
        start = len(side.sent) % 256
        data = PATTERN[start : start + size]
        try:
            count = side.sock.send(data)
        except BlockingIOError:
            assert not side.is_shut
            return
        except OSError:
            assert side.is_shut or not side.is_open or not self.is_peer_reading(number)
            side.is_shut = True
            return
        assert side.is_open
        assert not side.is_shut
        assert 0 <= count <= size
        assert count or not size
        side.sent += data[:count]
        if count and not self.sides[1 - number].is_open:
            self.was_reset = True  # Bytes for a closed side are answered with a reset.

    def is_peer_reading(self, number):
        return self.sides[1 - number].is_open and not self.was_reset

    @rule(number=SIDES, size=SIZES.filter(bool))
    def read(self, number, size):
        side, peer = self.sides[number], self.sides[1 - number]
        try:
            data = side.sock.recv(size)
        except BlockingIOError:
            assert not side.is_ended
            if not self.is_linked:
                assert len(side.got) == len(peer.sent) or not side.file.readable
            return
        except OSError:
            assert not side.is_open or self.was_reset or not peer.is_open
            side.is_shut = True
            return
        assert side.is_open
        if not data:
            side.is_ended = True
            if not self.was_reset:
                assert side.got == peer.sent
                assert peer.is_shut
        else:
            assert not side.is_ended
            assert len(data) <= size
        side.got += data
        assert peer.sent[: len(side.got)] == side.got

    @rule(number=SIDES)
    def shut(self, number):
        side = self.sides[number]
        try:
            side.sock.shutdown(socket.SHUT_WR)
        except OSError:
            assert not side.is_open or self.was_reset or side.is_ended or self.is_over(number)
        side.is_shut = True

    def is_over(self, number):
        peer = self.sides[1 - number]
        return not peer.is_open or (peer.is_shut and self.sides[number].is_shut)

    @precondition(lambda self: len([side for side in self.sides if side.is_open]) == 2)
    @rule(number=SIDES, by_reset=st.booleans())
    def close(self, number, by_reset):
        side = self.sides[number]
        if by_reset:
            side.sock.setsockopt(*LINGER)
        if by_reset or self.holds_unread(side):
            self.was_reset = True
        side.sock.close()
        side.is_open = False
        side.is_shut = True

    def holds_unread(self, side):
        return side.file.inbox.size > 0

    @rule(count=st.integers(1, 5))
    def deliver(self, count):
        for _ in range(min(count, len(self.packets))):
            self.packets.popleft().deliver()
            if not self.sides[0].is_open or not self.sides[1].is_open:
                self.was_reset = True  # Bytes may have met a closed side.

    @invariant()
    def edges_come_with_levels(self):
        """Who becomes ready is told so."""
        for side in self.sides:
            if not side.is_open:
                continue
            readable, writable = side.file.readable, side.file.writable
            assert not (readable and not side.was_readable) or side.told_readable, side.file
            assert not (writable and not side.was_writable) or side.told_writable, side.file
            side.was_readable, side.was_writable = readable, writable
            side.told_readable = side.told_writable = 0

    @invariant()
    def check(self):
        self.network.check()
        for side in self.sides:
            side.file.check()

    def teardown(self):
        """Nothing may be left over: all that was accepted arrives, unless there was a reset."""
        while self.packets:
            self.packets.popleft().deliver()
        if all(side.is_open for side in self.sides) and not self.was_reset:
            for number in (0, 1):
                self.read_to_the_end(number)
        for side in self.sides:
            side.sock.close()
        while self.packets:
            self.packets.popleft().deliver()
        assert len(self.host.descriptors) == 0
        assert self.host.tcp.sockets() == []

    def read_to_the_end(self, number):
        side, peer = self.sides[number], self.sides[1 - number]
        while len(side.got) < len(peer.sent):
            data = side.sock.recv(1 << 20)
            assert data
            side.got += data
            while self.packets:
                self.packets.popleft().deliver()
        assert side.got == peer.sent


class LinkedStreams(Streams):
    """Two connected TCP sockets with a link that delivers when it likes."""

    is_linked = True

    def holds_unread(self, side):
        return True  # What is under way when a side closes may reset the connection later.


def test_room_that_a_closing_peer_leaves_is_told():
    """Bytes that go on to a peer which closed with a full inbox leave room: the watcher hears."""
    state = LinkedStreams()
    state.connect(sizes=(None, None, None, None))
    for call, options in (
        (state.write, {"number": 1, "size": 300_000}),
        (state.deliver, {"count": 1}),
        (state.read, {"number": 0, "size": 1}),
        (state.close, {"number": 0, "by_reset": False}),
        (state.write, {"number": 1, "size": 1}),
    ):
        state.edges_come_with_levels()
        call(**options)
    state.edges_come_with_levels()
    state.teardown()


class UnixStreams(Streams):
    """Two connected UNIX sockets."""

    def pair(self):
        return make_socketpair(self.host)


for machine in (Streams, LinkedStreams, UnixStreams):
    machine.TestCase.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)

TestTcpStreams = Streams.TestCase
TestLinkedStreams = LinkedStreams.TestCase
TestUnixStreams = UnixStreams.TestCase


class Queue(RuleBasedStateMachine):
    """The queue of chunks against one bytearray."""

    def __init__(self):
        super().__init__()
        self.queue = ByteQueue()
        self.model = bytearray()

    @rule(data=st.binary(max_size=10))
    def append(self, data):
        self.queue.append(data)
        self.model += data

    @rule(size=st.integers(-1, 25))
    def take(self, size):
        expected = bytes(self.model[: max(size, 0)])
        assert self.queue.peek(size) == expected
        assert self.queue.take(size) == expected
        del self.model[: max(size, 0)]

    @rule()
    def clear(self):
        self.queue.clear()
        self.model.clear()

    @invariant()
    def check(self):
        self.queue.check()
        assert self.queue.size == len(self.model)


Queue.TestCase.settings = settings(max_examples=60, deadline=None)
TestQueue = Queue.TestCase


def test_bytes_cross_without_a_copy(host):
    """A bytes object that fits is handed to the receiver itself."""
    first, second = make_socketpair(host)
    data = b"x" * 50_000
    first.send(data)
    assert second.recv(65536) is data
    first.send(data)
    assert second.recv(10) == data[:10]
    assert second.recv(65536) == data[10:]
    for sock in (first, second):
        sock.close()


def test_small_sends_are_joined(host):
    """A receive gives as much as is there, over the borders of the sends."""
    first, second = make_socketpair(host)
    for letter in (b"a", b"b", b"c"):
        first.send(letter)
    assert second.recv(2) == b"ab"
    first.send(b"d")
    assert second.recv(9) == b"cd"
    for sock in (first, second):
        sock.close()


@pytest.mark.parametrize("size", [1, 1000, 131_072, 131_073, 5_000_000])
def test_a_send_takes_what_both_buffers_hold(host, size):
    """A send to an idle peer takes up to the receive buffer and the send buffer together."""
    listener, client = make_socket(host), make_socket(host)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    client.connect(listener.getsockname())
    server, _ = listener.accept()
    client.setblocking(False)
    assert client.send(bytes(size)) == min(size, 3_939_840)
    for sock in (client, server, listener):
        sock.close()


def test_writable_again_by_linux_rule(host):
    """A full TCP sender is told when a third of its queue is free, not at the first byte."""
    listener, client = make_socket(host), make_socket(host)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    client.connect(listener.getsockname())
    server, _ = listener.accept()
    client.setblocking(False)
    client.send(bytes(1_000_000))
    told = []
    client.file.watch_writable(lambda: told.append(client.file.unsent_size))
    assert not client.file.writable
    while not told:
        server.recv(500)
    assert 16_384 - told[0] >= told[0] // 2
    assert client.file.writable
    for sock in (client, server, listener):
        sock.close()


@pytest.mark.slow
def test_ten_thousand_connections(host):
    """Ten thousand connections at once echo, and closing them gives everything back."""
    listener = make_socket(host)
    listener.setblocking(False)
    listener.bind(("127.0.0.1", 80))
    listener.listen(100)
    pairs = []
    for number in range(10_000):
        client = make_socket(host)
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", 80))
        server, address = listener.accept()
        assert address == client.getsockname()
        client.send(b"%d" % number)
        server.send(server.recv(99))
        pairs.append((client, server))
    for number, (client, server) in enumerate(pairs):
        assert client.recv(99) == b"%d" % number
        (client if number % 2 else server).close()
        (server if number % 2 else client).close()
    assert len(host.descriptors) == 1
    assert [sock.local[1] for sock in host.tcp.sockets()] == [80]
    listener.close()
    host.check()
    assert host.tcp.sockets() == []


@pytest.mark.parametrize("kind", ["pipe", "unix"])
def test_a_write_copies_no_more_than_it_takes(host, kind):
    """Of a buffer far larger than the room a small part is copied, or 40 MB take 600 copies."""
    pair = make_socketpair(host)
    writer = make_pipe(host)[1] if kind == "pipe" else pair[1].fileno()
    host.file(writer).is_blocking = False
    data = bytearray(32 << 20)
    most_taken = host.file(writer).most_taken()
    tracemalloc.start()
    try:
        taken = host.write(writer, data)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0 < taken < 1 << 20
    assert taken <= most_taken
    assert most < 2 << 20
    for sock in pair:
        sock.close()
