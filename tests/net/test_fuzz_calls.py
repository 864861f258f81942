"""Random calls on two sockets, on both arms: after each one both kernels say the same.

The programs are the same in every run, for what a kernel says of a corner may change with its
version, and a test may not.
"""

from __future__ import annotations

import select
import socket
import struct
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import ARMS, ASKED, EVENTS

RESET = struct.pack("ii", 1, 0)
LINGER = (socket.SOL_SOCKET, socket.SO_LINGER, RESET)
SO_ERROR = (socket.SOL_SOCKET, socket.SO_ERROR)
SIDES = st.sampled_from([0, 1])

# What is asked and set, by number. Not among them: SO_RCVLOWAT and TCP_CORK, which wait for more
# bytes (a virtual stream never does), and IP_MULTICAST_TTL, which a connection gets from its peer.
OPTIONS = [
    *((socket.SOL_SOCKET, name) for name in (2, 3, 4, 6, 9, 10, 13, 15, 16, 30, 38, 39)),
    *((socket.IPPROTO_TCP, name) for name in (1, 4, 8, 18)),
    *((socket.IPPROTO_IP, name) for name in (1, 2, 8, 34)),
    *((socket.IPPROTO_IPV6, name) for name in (16, 26, 49)),
]
KEYS = st.integers(0, len(OPTIONS) - 1)

CALLS = [
    st.tuples(st.just("send"), SIDES, st.sampled_from([0, 1, 10, 1000])),
    st.tuples(st.just("recv"), SIDES, st.sampled_from([0, 1, 5, 2000])),
    st.tuples(st.just("peek"), SIDES, st.sampled_from([1, 2000])),
    st.tuples(st.just("shutdown"), SIDES, st.integers(0, 2)),
    st.tuples(st.just("close"), SIDES, st.just(0)),
    st.tuples(st.just("error"), SIDES, st.just(0)),
    st.tuples(st.just("names"), SIDES, st.just(0)),
    st.tuples(st.just("linger"), SIDES, st.just(0)),
    st.tuples(st.just("dup"), SIDES, st.just(0)),
    st.tuples(st.just("twin"), SIDES, st.just(0)),
    st.tuples(st.just("get"), SIDES, KEYS),
    st.tuples(st.just("set"), SIDES, st.tuples(KEYS, st.sampled_from([0, 1, 2]))),
]
BEGINNINGS = [
    st.tuples(st.just("connect"), SIDES, SIDES),
    st.tuples(st.just("accept"), SIDES, st.just(0)),
    st.tuples(st.just("bind"), SIDES, st.just(0)),
    st.tuples(st.just("listen"), SIDES, st.just(0)),
    st.tuples(st.just("sendto"), SIDES, SIDES),
    st.tuples(st.just("recvfrom"), SIDES, st.just(0)),
]


class Program:
    """Two sockets of one arm, and the calls on them."""

    def __init__(self, arm, socks):
        self.arm = arm
        self.socks = socks
        self.count = 0

    def send(self, sock, size):
        data = bytes((self.count + index) % 256 for index in range(size))
        self.count += size
        return sock.send(data)

    def recv(self, sock, size):
        return sock.recv(size)

    def peek(self, sock, size):
        return sock.recv(size, socket.MSG_PEEK)

    def shutdown(self, sock, how):
        return sock.shutdown(how)

    def close(self, sock, _):
        return sock.close()

    def error(self, sock, _):
        return sock.getsockopt(*SO_ERROR)

    def sendto(self, sock, other):
        self.count += 1
        name = self.socks[other].getsockname()
        if sock.family == socket.AF_INET6 and name[1] == 0:  # As above.
            return None
        return sock.sendto(b"%d" % self.count, name)

    def recvfrom(self, sock, _):
        return sock.recvfrom(100)

    def names(self, sock, _):
        return sock.getsockname(), sock.getpeername()

    def linger(self, sock, _):
        return sock.setsockopt(*LINGER)

    def dup(self, sock, _):
        """Go on with a copy of the descriptor; the other one stays open."""
        made = sock.dup()
        self.arm.note("dup", made.gettimeout())
        self.arm.keep(made)
        self.socks[self.socks.index(sock)] = made

    def twin(self, sock, _):
        """Go on with a copy of the descriptor; the other one is closed."""
        made = sock.dup()
        sock.close()
        self.arm.keep(made)
        self.socks[self.socks.index(sock)] = made

    def get(self, sock, key):
        return sock.getsockopt(*OPTIONS[key])

    def set(self, sock, argument):
        key, value = argument
        return sock.setsockopt(*OPTIONS[key], value)

    def connect(self, sock, other):
        name = self.socks[other].getsockname()
        if (
            sock.family != socket.AF_UNIX and name[1] == 0
        ):  # Linux lets datagrams of every port in then; who would ask for it?
            return None
        return sock.connect(name)

    def bind(self, sock, _):
        if sock.family == socket.AF_UNIX:
            return sock.bind(self.arm.path(f"path{self.socks.index(sock)}"))
        return sock.bind(("::1" if sock.family == socket.AF_INET6 else "127.0.0.1", 0))

    def listen(self, sock, _):
        return sock.listen(3)

    def accept(self, sock, _):
        made, _ = sock.accept()
        self.arm.keep(made)
        sock.close()
        self.socks[self.socks.index(sock)] = made

    def run(self, calls):
        for name, side, argument in calls:
            label = f"{name} {side} {argument}"
            self.arm.do(label, getattr(self, name), self.socks[side], argument)
            for number, sock in enumerate(self.socks):
                self.arm.note(f"{label}: events of {number}", events(self.arm, sock))


def events(arm, sock):
    """Ask for the events of a socket, without waiting."""
    if sock.fileno() < 0:
        return "closed"
    if arm.name == "virtual":
        return arm.events(sock)
    poll = select.poll()
    poll.register(sock, ASKED)
    ready = poll.poll(0)
    return [name for bit, name in EVENTS.items() if ready and ready[0][1] & bit]


def over_tcp(arm):
    listener, client, server = arm.connected()
    listener.close()
    return [client, server]


def over_udp(arm):
    socks = [arm.udp(bind=("127.0.0.1", 0)) for _ in range(2)]
    for sock, other in (socks, socks[::-1]):
        sock.connect(other.getsockname())
    return socks


PAIRS = {
    "tcp": over_tcp,
    "udp": over_udp,
    "unix": lambda arm: list(arm.socketpair()),
    "unix datagrams": lambda arm: list(arm.socketpair(socket.SOCK_DGRAM)),
    "unix packets": lambda arm: list(arm.socketpair(socket.SOCK_SEQPACKET)),
    "unconnected tcp": lambda arm: [arm.tcp(), arm.tcp()],
    "unconnected unix": lambda arm: [arm.unix(), arm.unix()],
    "unconnected udp": lambda arm: [arm.udp(), arm.udp()],
    "unconnected tcp6": lambda arm: [arm.tcp(socket.AF_INET6), arm.tcp(socket.AF_INET6)],
    "unconnected udp6": lambda arm: [arm.udp(socket.AF_INET6), arm.udp(socket.AF_INET6)],
    "unconnected unix packets": lambda arm: [
        arm.unix(socket.SOCK_SEQPACKET),
        arm.unix(socket.SOCK_SEQPACKET),
    ],
    "unconnected unix datagrams": lambda arm: [
        arm.unix(socket.SOCK_DGRAM),
        arm.unix(socket.SOCK_DGRAM),
    ],
}


def compare(kind, program):
    """Run a program on both arms; each call in it must have given the same."""
    records = []
    for make in ARMS:
        arm = make()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                Program(arm, PAIRS[kind](arm)).run(program)
        finally:
            arm.close()
        records.append(arm.record)
    assert records[1] == records[0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", PAIRS)
def test_random_calls_are_answered_as_by_linux(kind):
    """Values, errors and events of random calls are those of Linux, call by call."""
    calls = CALLS + BEGINNINGS if kind.startswith("unconnected") else CALLS

    @settings(
        max_examples=100,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.one_of(calls), min_size=1, max_size=14))
    def search(program):
        compare(kind, program)

    search()


BIND, LISTEN, RECV = ("bind", 0, 0), ("listen", 0, 0), ("recv", 0, 5)
SEND, EMPTY, BYTE = ("send", 1, 10), ("send", 1, 0), ("send", 1, 1)
READ_NO_MORE, WRITE_NO_MORE, CLOSE = ("shutdown", 0, 0), ("shutdown", 0, 1), ("close", 0, 0)
FOUND = [
    ("tcp", [READ_NO_MORE, WRITE_NO_MORE, SEND, RECV, ("error", 0, 0), EMPTY]),
    ("tcp", [READ_NO_MORE, SEND, RECV]),
    ("unconnected tcp", [READ_NO_MORE, WRITE_NO_MORE, RECV, ("send", 0, 1)]),
    ("unconnected unix", [BIND, BIND]),
    ("unconnected unix", [BIND, LISTEN, READ_NO_MORE, ("accept", 0, 0), ("connect", 1, 0)]),
    ("unix packets", [("send", 0, 0), ("close", 1, 0), RECV]),
    ("unix packets", [BYTE, CLOSE, EMPTY, EMPTY]),
    ("unix datagrams", [READ_NO_MORE, RECV, SEND, RECV]),
    ("unix datagrams", [("close", 1, 0), WRITE_NO_MORE, ("send", 0, 0)]),
    ("unix datagrams", [("send", 0, 1), CLOSE, SEND, ("recv", 1, 5)]),
    ("unconnected unix datagrams", [BIND, ("connect", 1, 0), ("connect", 0, 0), SEND]),
    ("unconnected unix datagrams", [BIND, ("sendto", 1, 0), ("bind", 1, 0), ("recvfrom", 0, 0)]),
    ("unix packets", [("set", 1, (8, 2)), SEND, ("names", 0, 0)]),
    ("unix packets", [("shutdown", 1, 2), ("set", 1, (8, 2)), SEND, ("names", 0, 0)]),
    ("unix packets", [("send", 0, 10), BYTE, CLOSE, ("recv", 1, 5)]),
    ("unix datagrams", [("set", 0, (8, 1)), ("send", 0, 1), ("names", 1, 0)]),
    ("unconnected unix datagrams", [("set", 1, (8, 2)), EMPTY, ("bind", 1, 0)]),
    ("unconnected tcp", [BIND, LISTEN, READ_NO_MORE, BIND]),
    ("unconnected tcp", [LISTEN, READ_NO_MORE, LISTEN]),
    ("unconnected tcp", [LISTEN, READ_NO_MORE, ("connect", 0, 0), ("names", 0, 0)]),
    ("unconnected tcp", [("shutdown", 1, 2), ("listen", 1, 0), ("connect", 0, 1), RECV]),
    ("unconnected tcp", [BIND, *[("connect", 1, 0)] * 2, ("connect", 1, 1), ("names", 1, 0)]),
    ("unconnected tcp", [BIND, ("bind", 1, 0), ("connect", 1, 0), ("bind", 1, 0)]),
    ("unconnected tcp", [BIND, WRITE_NO_MORE, ("connect", 0, 0), RECV]),
    ("unconnected tcp", [LISTEN, ("connect", 1, 0), ("shutdown", 1, 1), ("connect", 1, 0)]),
    ("unconnected tcp", [BIND, ("connect", 1, 0), ("shutdown", 1, 0), ("connect", 1, 0)]),
    ("unconnected tcp", [BIND, *[("connect", 1, 0)] * 2, ("listen", 1, 0), ("names", 1, 0)]),
    ("unconnected udp6", [BIND, ("get", 0, 21), ("set", 0, (21, 0))]),
    ("unconnected tcp6", [LISTEN, ("shutdown", 0, 2), ("set", 0, (21, 0))]),
    ("unconnected udp", [SEND, ("names", 1, 0), ("bind", 1, 0)]),
]


@pytest.mark.parametrize(("kind", "program"), FOUND)
def test_programs_that_were_answered_otherwise(kind, program):
    """Programs that the search found once are answered as by Linux."""
    compare(kind, program)
