"""Options of sockets, one by one against Linux: what they are at first, take and give back."""

from __future__ import annotations

import socket

import pytest

TCP, IP, IPV6 = socket.IPPROTO_TCP, socket.IPPROTO_IP, socket.IPPROTO_IPV6
SOL = socket.SOL_SOCKET
KINDS = [
    (socket.AF_INET, socket.SOCK_STREAM),
    (socket.AF_INET6, socket.SOCK_STREAM),
    (socket.AF_INET, socket.SOCK_DGRAM),
    (socket.AF_INET6, socket.SOCK_DGRAM),
    (socket.AF_UNIX, socket.SOCK_STREAM),
    (socket.AF_UNIX, socket.SOCK_DGRAM),
]
# By number where the socket module of some Python has no name.
OPTIONS = {
    SOL: [1, 2, 3, 4, 5, 6, 9, 10, 12, 15, 16, 17, 19, 29, 30, 38, 39, 40],
    IP: [1, 2, 3, 6, 7, 8, 11, 12, 13, 15, 24, 33, 34, 35, 36, 49],
    TCP: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 18, 25],
    IPV6: [16, 18, 19, 25, 26, 49, 51, 53, 56, 58, 60, 62, 66, 67],
}
VALUES = [0, 1, 2, 3, -1, 90, 200, 300]


@pytest.mark.parametrize("level", OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_options_are_those_of_linux(same, kind, level):
    """Each value is taken, changed or refused as Linux does, whichever family is asked."""

    def body(arm):
        for name in OPTIONS[level]:
            sock = arm.make(*kind)
            arm.do(f"{name}: fresh", sock.getsockopt, level, name)
            for value in VALUES:
                arm.do(f"{name}: set {value}", sock.setsockopt, level, name, value)
                arm.do(f"{name}: after {value}", sock.getsockopt, level, name)

    same(body)


def buffers(arm):
    """What is shown of the buffers of a connection, where they were set and where not."""
    for options in ([], [(SOL, socket.SO_SNDBUF, 8192)], [(SOL, socket.SO_RCVBUF, 8192)]):
        listener, client, server = arm.connected(options)
        for number, sock in enumerate((listener, client, server)):
            for name in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                size = sock.getsockopt(SOL, name)
                arm.note(f"{options} {number} {name}", "grown" if size > 2_000_000 else f"{size}")


def test_buffers_of_connections(same):
    """Send buffers grow to megabytes with the connection, unless the program set them."""
    same(buffers)


@pytest.mark.parametrize(
    ("options", "least", "most"),
    [
        ([], 3_800_000, 4_100_000),
        ([(SOL, socket.SO_SNDBUF, 65_536)], 131_072, 280_000),
        ([(SOL, socket.SO_RCVBUF, 65_536)], 3_800_000, 4_100_000),
        ([(SOL, socket.SO_SNDBUF, 8192), (SOL, socket.SO_RCVBUF, 8192)], 16_384, 33_000),
    ],
)
def test_bytes_that_a_connection_takes_while_nobody_reads(arm, options, least, most):
    """Loopback takes 3.9 MB and then blocks; sizes that were set bound it."""
    listener, client = arm.listener(options=options), arm.tcp()
    for option in options:
        client.setsockopt(*option)
    client.connect_ex(listener.getsockname())
    arm.wait(client, "out")
    assert least <= arm.fill(client) <= most
