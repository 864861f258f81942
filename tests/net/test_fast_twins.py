"""The fast paths of streams and their twins: on the same state they give and leave the same."""

from __future__ import annotations

import itertools
import socket
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simloop._loop.transports.stream_transport import StreamTransport
from simloop.net import Network, make_socket, make_socketpair
from simloop.net.inet.byte_stream import FastWriter

READ_SIZE = 256 * 1024
KINDS = ("tcp", "unix", "tapped", "linked")
# What is done to a pair of sockets before the twins meet them; each call is (end, name, argument).
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 1]),
        st.sampled_from(["send", "recv", "shut", "close", "room", "sizes"]),
        st.sampled_from([0, 1, 7, 3000, 200_000, 300_000]),
    ),
    max_size=6,
)


class Writer(FastWriter):
    """A transport that has nothing but a socket, and goes on with ``send``."""

    _is_flowing = True

    def __init__(self, file):
        self._file = file
        self.was_slow = False
        self.count = None

    def _write_slowly(self, data):
        self.was_slow = True
        self.count = self._file.send(data)


class Reader:
    """A transport that reads, and notes what its protocol is given."""

    _is_reading = True
    is_awake_again = False

    def __init__(self, file):
        self._file = file
        self._protocol = self
        self.found = None

    def data_received(self, data):
        self.found = data

    def _receive(self):
        self.found = answer(self._file.recv, READ_SIZE)
        return self.found if isinstance(self.found, bytes) else b""

    def _wake(self):
        self.is_awake_again = True


class Pair:
    """Two connected sockets, their watchers' calls, and the packets between them."""

    def __init__(self, kind, steps):
        self.network = Network()
        self.host = self.network.add_host()
        self.calls = []
        self.packets = deque()
        self.socks = self.unix() if kind == "unix" else self.tcp()
        self.files = [sock.file for sock in self.socks]
        for number, file in enumerate(self.files):
            file.watch_readable(lambda number=number: self.calls.append(("readable", number)))
            file.watch_writable(lambda number=number: self.calls.append(("writable", number)))
        if kind == "tapped":
            self.network.tap = lambda *told: self.calls.append(told[0])
        if kind == "linked":
            self.network.link = self.packets.append
        # Sizes first: an inbox may hold more than a window that shrank later.
        for number, name, argument in sorted(steps, key=lambda step: step[1] != "sizes"):
            self.step(number, name, argument)
        self.calls.clear()

    def unix(self):
        pair = make_socketpair(self.host)
        for sock in pair:
            sock.setblocking(False)
        return pair

    def tcp(self):
        listener, client = make_socket(self.host), make_socket(self.host)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        listener.close()
        return client, server

    def step(self, number, name, argument):
        sock, file = self.socks[number], self.files[number]
        try:
            if name == "send":
                file.send(bytes(argument))
            elif name == "recv":
                file.recv(argument)
            elif name == "shut":
                file.shutdown(argument % 3)
            elif name == "close":
                sock.close()
            elif name == "sizes":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, argument)
            elif self.packets:
                self.packets.popleft().deliver()
        except OSError:
            pass  # The state that it leaves is one more to try.

    def state(self):
        """Return all that a call may have changed."""
        marks = [
            (
                *(list(file.inbox.chunks), file.inbox.head, file.inbox.size, file.unsent_size),
                *(file.state, file.error, file.direct, file.blocked, file.in_flight, file.window),
                *(file.is_shut_read, file.is_shut_write, file.is_fin_taken, file.is_released),
            )
            for file in self.files
        ]
        return marks, self.calls, [(packet.kind, packet.data) for packet in self.packets]

    def close(self):
        self.network.check()
        for file in self.files:
            file.check()
        self.network.link = None
        for sock in self.socks:
            sock.close()


def answer(call, *args):
    """Return what a call gives, an error included."""
    try:
        return call(*args)
    except OSError as error:
        return type(error), error.errno


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(KINDS), STEPS, st.sampled_from([0, 1, 64, 100_000, 131_072, 400_000]))
def test_write_is_send(kind, steps, size):
    """A transport's ``write`` takes what ``send`` takes, and leaves both ends as it leaves them."""
    plain, fast = Pair(kind, steps), Pair(kind, steps)
    data = bytes(size)
    writer = Writer(fast.files[0])
    expected = answer(plain.files[0].send, data)
    found = answer(writer.write, data)
    if found is None:
        found = writer.count if writer.was_slow else size
    assert found == expected
    assert fast.state() == plain.state()
    for pair in (plain, fast):
        pair.close()


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(KINDS), STEPS)
def test_a_read_step_is_recv(kind, steps):
    """A transport's read step gives its protocol what ``recv`` gives, and leaves the same."""
    plain, fast = Pair(kind, steps), Pair(kind, steps)
    reader = Reader(fast.files[0])
    StreamTransport._read_step(reader)
    assert reader.found == answer(plain.files[0].recv, READ_SIZE)
    assert fast.state() == plain.state()
    rest = fast.files[0].inbox.size or fast.files[0].is_shut_read
    assert reader.is_awake_again is bool(rest and isinstance(reader.found, bytes) and reader.found)
    for pair in (plain, fast):
        pair.close()


@pytest.mark.parametrize(
    ("kind", "is_flowing", "data"),
    list(itertools.product(KINDS, [True, False], [b"x", b"", bytearray(b"x")])),
    ids=repr,
)
def test_the_fast_way_is_taken_where_it_is_open(kind, is_flowing, data):
    """Bytes go fast, with no tap and no link; all else is left to ``_write_slowly``, once."""
    pair = Pair(kind, [])
    writer = Writer(pair.files[0])
    writer._is_flowing = is_flowing
    writer.write(data)
    is_open = kind in ("tcp", "unix") and is_flowing and data == b"x" and type(data) is bytes
    assert writer.was_slow is not is_open
    if is_open:
        assert pair.files[1].recv(1) == b"x"
    pair.close()
