"""Input that makes no sense: the error, its errno and its moment are those of the real loop."""

from __future__ import annotations

import asyncio
import math
import re
import socket
import sys

import pytest

from .odd_sockets import SOCKETS
from .protocols import Noting

NAN = math.nan
V6 = socket.AF_INET6
LOCAL = "127.0.0.1"
ELSEWHERE = "203.0.113.9"  # Set aside for documentation: no machine has it.


def _name(value):
    """Name a case for pytest, the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


async def end(result):
    """Close what a call made, if it made something."""
    if result is None:
        return
    if isinstance(result, asyncio.Server):
        result.close()
        await asyncio.sleep(0)
        return
    transport, _ = result
    transport.abort()
    for _ in range(3):
        await asyncio.sleep(0)


SERVERS = [
    ((LOCAL, 65536), {}),
    ((LOCAL, -1), {}),
    ((LOCAL, "0"), {}),
    ((LOCAL, "nonsense"), {}),
    ((LOCAL, b"0"), {}),
    ((LOCAL, 0.5), {}),
    ((LOCAL, None), {}),
    ((LOCAL, True), {}),
    ((LOCAL, (0,)), {}),
    ((LOCAL, NAN), {}),
    ((1, 0), {}),
    ((1.5, 0), {}),
    ((b"127.0.0.1", 0), {}),
    (([], 0), {}),
    (([LOCAL, LOCAL], 0), {}),
    (([LOCAL, 1], 0), {}),
    ((object(), 0), {}),
    ((f"{LOCAL}\0", 0), {}),
    (("::1%99", 0), {}),
    (("999.1.1.1", 0), {"flags": socket.AI_NUMERICHOST}),
    ((ELSEWHERE, 0), {}),
    (([LOCAL, ELSEWHERE], 0), {}),
    (("a" * 300, 0), {}),
    (("é" * 70, 0), {}),
    ((LOCAL, 0), {"family": V6}),
    ((LOCAL, 0), {"family": socket.AF_UNIX}),
    ((LOCAL, 0), {"family": 99}),
    ((LOCAL, 0), {"family": -1}),
    ((LOCAL, 0), {"family": "x"}),
    ((LOCAL, 0), {"family": None}),
    ((LOCAL, 0), {"flags": -1}),
    ((LOCAL, 0), {"flags": "x"}),
    ((LOCAL, 0), {"flags": None}),
    (("localhost", 0), {"flags": socket.AI_NUMERICHOST}),
    ((LOCAL, 0), {"backlog": -1}),
    ((LOCAL, 0), {"backlog": 0}),
    ((LOCAL, 0), {"backlog": "x"}),
    ((LOCAL, 0), {"backlog": None}),
    ((LOCAL, 0), {"backlog": 1.5}),
    ((LOCAL, 0), {"backlog": 2**31}),
    ((LOCAL, 0), {"backlog": "x", "start_serving": False}),
    ((LOCAL, 0), {"ssl": True}),
    ((LOCAL, 0), {"ssl": False}),
    ((LOCAL, 0), {"ssl": "x"}),
    ((LOCAL, 0), {"ssl": 1}),
    ((LOCAL, 0), {"ssl_handshake_timeout": 1}),
    ((LOCAL, 0), {"ssl_shutdown_timeout": 1}),
    ((LOCAL, 0), {"ssl_shutdown_timeout": 0}),
    ((LOCAL, 0), {"reuse_address": "x"}),
    ((LOCAL, 0), {"reuse_port": "x"}),
    ((LOCAL, 0), {"reuse_port": None, "reuse_address": False}),
    ((LOCAL, 0), {"nonsense": 1}),
    ((), {}),
    ((None, None), {}),
    ((LOCAL, 0), {"sock": "x"}),
    ((), {"sock": "x"}),
    ((), {"sock": 5}),
]


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(("args", "options"), SERVERS, ids=_name)
def test_create_server(same, args, options, debug):
    """create_server refuses and takes what asyncio's own does."""

    async def body(record):
        loop = asyncio.get_running_loop()
        await end(await record.do("serve", loop.create_server, Noting, *args, **options))

    same(body, debug=debug)


WITH_SOCKETS = (
    *("create_server", "create_unix_server", "create_connection", "create_unix_connection"),
    *("create_datagram_endpoint", "connect_accepted_socket"),
)


@pytest.mark.parametrize("kind", SOCKETS)
@pytest.mark.parametrize("name", WITH_SOCKETS)
def test_sockets_of_other_kinds(same, name, kind):
    """A call with sock= refuses a socket of another kind, a closed one, an unconnected one."""
    if (name, kind) == ("create_datagram_endpoint", "packets") and sys.version_info >= (3, 13):
        pytest.skip("it is taken, and then both loops spin: there is nothing but errors to read")

    async def body(record):
        loop = asyncio.get_running_loop()
        sock = SOCKETS[kind]()
        result = await record.do("call", getattr(loop, name), Noting, sock=sock)
        if result is not None and not isinstance(result, asyncio.Server):
            await asyncio.sleep(0.01)
            record.note("events", result[1].events)
        await end(result)
        record.note("open", sock.fileno() >= 0)
        sock.close()

    same(body)


CONNECTIONS = [
    ((LOCAL, 65536), {}),
    ((LOCAL, -1), {}),
    ((LOCAL, 1), {}),
    ((LOCAL, 0), {}),
    ((LOCAL, "nonsense"), {}),
    ((LOCAL, "1"), {}),
    ((LOCAL, b"1"), {}),
    ((LOCAL, b"x"), {}),
    ((LOCAL, 0.5), {}),
    ((LOCAL, None), {}),
    ((LOCAL, ""), {}),
    ((None, 1), {}),
    (("", 1), {}),
    ((1, 1), {}),
    ((b"127.0.0.1", 1), {}),
    ((b"\xff", 1), {}),
    ((bytearray(b"127.0.0.1"), 1), {}),
    (([LOCAL], 1), {}),
    ((f"{LOCAL}\0", 1), {}),
    (("999.1.1.1", 1), {"flags": socket.AI_NUMERICHOST}),
    (("a" * 300, 1), {}),
    ((LOCAL, 1), {"family": V6}),
    ((LOCAL, 1), {"family": socket.AF_UNIX}),
    ((LOCAL, 1), {"family": "x"}),
    ((LOCAL, 1), {"proto": 17}),
    ((LOCAL, 1), {"proto": 99}),
    ((LOCAL, 1), {"proto": "x"}),
    ((LOCAL, 1), {"flags": -1}),
    ((LOCAL, 1), {"flags": "x"}),
    ((LOCAL, 1), {"local_addr": (LOCAL, 65536)}),
    ((LOCAL, 1), {"local_addr": (ELSEWHERE, 0)}),
    ((LOCAL, 1), {"local_addr": ("::1", 0)}),
    ((LOCAL, 1), {"local_addr": (LOCAL,)}),
    ((LOCAL, 1), {"local_addr": LOCAL}),
    ((LOCAL, 1), {"local_addr": (LOCAL, 0, 0)}),
    ((LOCAL, 1), {"local_addr": 5}),
    ((LOCAL, 1), {"local_addr": ()}),
    ((LOCAL, 1), {"happy_eyeballs_delay": -1}),
    ((LOCAL, 1), {"happy_eyeballs_delay": 0}),
    ((LOCAL, 1), {"interleave": "x"}),
    ((LOCAL, 1), {"interleave": -1}),
    ((LOCAL, 1), {"interleave": 0}),
    ((LOCAL, 1), {"interleave": 5}),
    ((LOCAL, 1), {"interleave": 1.5}),
    ((LOCAL, 1), {"server_hostname": "x"}),
    ((LOCAL, 1), {"server_hostname": ""}),
    ((LOCAL, 1), {"ssl": "x"}),
    ((LOCAL, 1), {"ssl": True}),
    ((LOCAL, 1), {"ssl_handshake_timeout": 1}),
    ((LOCAL, 1), {"ssl_shutdown_timeout": 0}),
    ((LOCAL, 1), {"sock": "x"}),
    ((), {"sock": "x"}),
    ((), {"ssl": True}),
    ((), {}),
    ((LOCAL, 1), {"nonsense": 1}),
]


@pytest.mark.parametrize(("args", "options"), CONNECTIONS, ids=_name)
def test_create_connection(same, args, options):
    """create_connection refuses and takes what asyncio's own does."""

    async def body(record):
        loop = asyncio.get_running_loop()
        await end(await record.do("connect", loop.create_connection, Noting, *args, **options))

    same(body)


DATAGRAMS = [
    {},
    {"local_addr": (LOCAL, 65536)},
    {"local_addr": (LOCAL, -1)},
    {"local_addr": (LOCAL, "x")},
    {"local_addr": (LOCAL,)},
    {"local_addr": LOCAL},
    {"local_addr": [LOCAL, 0]},
    {"local_addr": (LOCAL, 0, 0)},
    {"local_addr": (ELSEWHERE, 0)},
    {"local_addr": ("::1", 0), "family": socket.AF_INET},
    {"local_addr": ("::1", 0), "remote_addr": (LOCAL, 9)},
    {"local_addr": (None, 0)},
    {"local_addr": ("", 0)},
    {"local_addr": ("localhost", 0)},
    {"local_addr": 5},
    {"local_addr": ()},
    {"remote_addr": (LOCAL, 65536)},
    {"remote_addr": (LOCAL, 0)},
    {"remote_addr": (LOCAL,)},
    {"remote_addr": "x"},
    {"remote_addr": ("255.255.255.255", 9)},
    {"remote_addr": ("255.255.255.255", 9), "allow_broadcast": True},
    {"family": socket.AF_INET},
    {"family": V6},
    {"family": 99},
    {"family": "x"},
    {"family": socket.AF_UNIX},
    {"family": socket.AF_UNIX, "local_addr": (LOCAL, 0)},
    {"family": socket.AF_UNIX, "local_addr": 5},
    {"family": socket.AF_UNIX, "local_addr": ""},
    {"family": socket.AF_UNIX, "remote_addr": "/no/such/path"},
    {"family": socket.AF_UNIX, "remote_addr": "\0nobody"},
    {"family": socket.AF_UNIX, "local_addr": "/" + "x" * 200},
    {"local_addr": (LOCAL, 0), "proto": 6},
    {"local_addr": (LOCAL, 0), "proto": "x"},
    {"local_addr": (LOCAL, 0), "flags": -1},
    {"local_addr": (LOCAL, 0), "reuse_port": "x"},
    {"local_addr": (LOCAL, 0), "reuse_address": True},
    {"local_addr": (LOCAL, 0), "reuse_address": False},
    {"local_addr": (LOCAL, 0), "sock": "x"},
    {"sock": "x"},
    {"nonsense": 1},
]


@pytest.mark.parametrize("options", DATAGRAMS, ids=_name)
def test_create_datagram_endpoint(same, options):
    """create_datagram_endpoint refuses and takes what asyncio's own does."""

    async def body(record):
        loop = asyncio.get_running_loop()
        await end(
            await record.do(
                "open", loop.create_datagram_endpoint, asyncio.DatagramProtocol, **options
            )
        )

    same(body)


UNIX = [
    ((), {}),
    (("",), {}),
    ((b"",), {}),
    ((5,), {}),
    ((1.5,), {}),
    (("{root}/" + "x" * 200,), {}),
    (("\0" + "x" * 200,), {}),
    (("\0abstract",), {}),
    (("{root}/a\0b",), {}),
    (("{root}/é",), {}),
    (("{root}/file",), {}),
    (("{root}/new",), {}),
    (("{root}/new",), {"backlog": "x"}),
    (("{root}/new",), {"backlog": -1}),
    (("{root}/new",), {"ssl": True}),
    (("{root}/new",), {"ssl": "x"}),
    (("{root}/new",), {"sock": "x"}),
    (("{root}/new",), {"ssl_handshake_timeout": 1}),
    (("{root}/new",), {"server_hostname": "x"}),
    (("{root}/new",), {"ssl_shutdown_timeout": 0}),
    (("{root}/new",), {"ssl": True, "server_hostname": "x"}),
    ((), {"sock": "x"}),
    (("{root}/new",), {"nonsense": 1}),
]


@pytest.mark.parametrize("name", ["create_unix_server", "create_unix_connection"])
@pytest.mark.parametrize(("args", "options"), UNIX, ids=_name)
def test_unix_paths(same, name, args, options):
    """Paths that cannot be bound or reached are refused as on Linux."""

    async def body(record):
        loop = asyncio.get_running_loop()
        paths = [
            path.replace("{root}", record.root) if isinstance(path, str) else path for path in args
        ]
        await end(await record.do("call", getattr(loop, name), Noting, *paths, **options))

    same(body)
