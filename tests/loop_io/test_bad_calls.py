"""Calls on sockets and transports that make no sense: errors, errnos and moments as on Linux."""

from __future__ import annotations

import array
import asyncio
import errno
import inspect
import io
import math
import os
import re
import socket
import sys

import pytest

import simloop

from .odd_sockets import LOCAL, SOCKETS
from .protocols import Noting, connected

NAN = math.nan


def _name(value):
    """Name a case for pytest, the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


CALLS = {
    "sock_recv": (10,),
    "sock_recv_into": (bytearray(10),),
    "sock_recvfrom": (10,),
    "sock_recvfrom_into": (bytearray(10),),
    "sock_sendall": (b"data",),
    "sock_sendto": (b"data", (LOCAL, 9)),
    "sock_accept": (),
    "sock_connect": ((LOCAL, 1),),
}


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("kind", SOCKETS)
@pytest.mark.parametrize("name", CALLS)
def test_sockets_of_other_kinds(same, name, kind, debug):
    """A sock_* call on a socket of another kind, a closed one, a blocking one: as on Linux."""
    if (name, kind, debug) in BLOCKS:
        pytest.skip("the real loop blocks: only debug mode refuses a blocking socket")

    async def body(record):
        loop = asyncio.get_running_loop()
        sock = SOCKETS[kind]()
        if kind != "blocking" and sock.fileno() >= 0:
            sock.setblocking(False)
        await record.do(name, getattr(loop, name), sock, *CALLS[name])
        await record.do("again", getattr(loop, name), sock, *CALLS[name])
        record.note("watched", loop.remove_reader(5) if kind == "closed" else None)
        sock.close()

    same(body, debug=debug)


BLOCKS = {("sock_accept", "blocking", False)}

PAIR_CALLS = [
    ("sock_recv", "x"),
    ("sock_recv", None),
    ("sock_recv", -1),
    ("sock_recv", 0),
    ("sock_recv", 1.5),
    ("sock_recv",),
    ("sock_recv_into", b"read only"),
    ("sock_recv_into", "x"),
    ("sock_recv_into", None),
    ("sock_recv_into", bytearray()),
    ("sock_recv_into", array.array("i", [0, 0])),
    ("sock_recvfrom", -1),
    ("sock_recvfrom", "x"),
    ("sock_recvfrom", 0),
    ("sock_recvfrom_into", b"read only"),
    ("sock_recvfrom_into", bytearray(4), -1),
    ("sock_recvfrom_into", bytearray(4), 9),
    ("sock_recvfrom_into", bytearray(4), "x"),
    ("sock_recvfrom_into", None),
    ("sock_sendall", "text"),
    ("sock_sendall", None),
    ("sock_sendall", 5),
    ("sock_sendall", b""),
    ("sock_sendall", [b"x"]),
    ("sock_sendall", memoryview(b"abcdef")[::2]),
    ("sock_sendto", "text", (LOCAL, 9)),
    ("sock_sendto", b"x", None),
    ("sock_sendto", b"x", "/nowhere"),
    ("sock_sendto", b"x", (LOCAL, 9)),
    ("sock_connect", (LOCAL, 1)),
    ("sock_connect", "/nowhere"),
    ("sock_connect", None),
    ("sock_accept",),
    ("sock_sendfile", "x"),
    ("sock_sendfile", None),
    ("sock_sendfile", io.BytesIO(b"abc")),
    ("sock_sendfile", io.StringIO("abc")),
]


@pytest.mark.parametrize("call", PAIR_CALLS, ids=_name)
def test_arguments_of_calls_on_a_connected_socket(same, call):
    """A connected socket that has data, and odd arguments: as on Linux."""
    name, *args = call

    async def body(record):
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        for sock in (ours, theirs):
            sock.setblocking(False)
        theirs.send(b"0123456789")
        for file in args:
            if isinstance(file, io.BytesIO):
                file.seek(0)  # The other arm has read it.
        await record.do(name, getattr(loop, name), ours, *args)
        await record.do("what is left", loop.sock_recv, ours, 100)
        await record.do("what came", loop.sock_recv, theirs, 100)
        ours.close()
        theirs.close()

    same(body)


ADDRESSES = [
    (LOCAL, 65536),
    (LOCAL, -1),
    (LOCAL, "1"),
    (LOCAL, "x"),
    (LOCAL, 1.5),
    (LOCAL, None),
    (LOCAL,),
    (LOCAL, 1, 2),
    [LOCAL, 1],
    LOCAL,
    None,
    5,
    (),
    (1, 1),
    (None, 1),
    ("", 1),
    ("::1", 1),
    ("a\0b", 1),
    (b"127.0.0.1", 1),
    (LOCAL, 1),
]


@pytest.mark.parametrize("address", ADDRESSES, ids=_name)
@pytest.mark.parametrize("kind", ["unconnected", "udp"])
def test_addresses_of_calls(same, kind, address):
    """sock_connect and sock_sendto check their addresses as asyncio's do."""

    async def body(record):
        loop = asyncio.get_running_loop()
        for name, args in (("sock_connect", ()), ("sock_sendto", (b"x",))):
            sock = SOCKETS[kind]()
            sock.setblocking(False)
            await record.do(name, getattr(loop, name), sock, *args, address)
            sock.close()

    same(body)


@pytest.mark.parametrize("thing", [None, 5, -1, "x", object()], ids=_name)
@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_socket(same, name, thing):
    """A sock_* call on something else fails as asyncio's does."""

    async def body(record):
        loop = asyncio.get_running_loop()
        await record.do(name, getattr(loop, name), thing, *CALLS[name])

    same(body)


WRITES = [
    ("write", "text"),
    ("write", None),
    ("write", 5),
    ("write", [b"x"]),
    ("write", array.array("b", [1])),
    ("write", b""),
    ("write", memoryview(b"abcdef")[::2]),
    ("write", memoryview(array.array("i", [1, 2]))),
    ("write",),
    ("writelines", b"bytes"),
    ("writelines", [b"x", "text"]),
    ("writelines", None),
    ("writelines", []),
    ("writelines", [b""]),
    ("writelines", "text"),
    ("set_write_buffer_limits", -1),
    ("set_write_buffer_limits", 10, 20),
    ("set_write_buffer_limits", None, -1),
    ("set_write_buffer_limits", "x"),
    ("set_write_buffer_limits", 1.5),
    ("set_write_buffer_limits", NAN),
    ("set_write_buffer_limits", 0),
    ("set_write_buffer_limits", None, 0),
    ("set_protocol", None),
    ("get_extra_info",),
    ("get_extra_info", "nonsense", 7),
    ("get_extra_info", None),
    ("write_eof", 1),
]
# Early releases of 3.12 and 3.13 sent what was given to a closed transport into its buffer.
DROPS_LINES = sys.version_info < (3, 12) or "_conn_lost" in inspect.getsource(
    asyncio.selector_events._SelectorSocketTransport.writelines
)
AFTER = {
    "fresh": [],
    "after eof": ["write_eof"],
    "closed": ["close"],
    "aborted": ["abort"],
    "paused": ["pause_reading"],
}


@pytest.mark.parametrize("state", AFTER)
@pytest.mark.parametrize("call", WRITES, ids=_name)
def test_calls_of_a_transport(same, call, state):
    """Each call of a stream's transport with odd arguments, in each state: as asyncio's."""
    name, *args = call
    if name == "set_protocol" and state == "after eof":
        pytest.skip("the peer's answer may come before or after the end")
    if name == "writelines" and state in {"closed", "aborted"} and not DROPS_LINES:
        pytest.skip("later releases of this Python drop what is written after the end")

    async def body(record):
        pair = await connected()
        transport = pair.client.transport
        for before in AFTER[state]:
            getattr(transport, before)()
        await record.do(name, getattr(transport, name), *args)
        record.note("size", transport.get_write_buffer_size())
        record.note("limits", transport.get_write_buffer_limits())
        record.note("closing", transport.is_closing())
        if name != "set_protocol":
            for _ in range(3):
                await asyncio.sleep(0)
            transport.abort()
            await pair.peer.lost
            await pair.client.lost
            record.note("received", bytes(pair.peer.received))
            record.note("error", repr(pair.client.error))
        pair.server.close()

    same(body)


TWICE = ("pause_reading", "resume_reading", "write_eof", "close", "abort")


@pytest.mark.parametrize("second", TWICE)
@pytest.mark.parametrize("first", TWICE)
def test_calls_in_any_order(same, first, second):
    """Any two calls on a transport, each also twice: what they give and what becomes of it."""

    async def body(record):
        pair = await connected()
        transport = pair.client.transport
        for name in (first, first, second, second):
            await record.do(name, getattr(transport, name))
            record.note("reading", transport.is_reading())
            record.note("closing", transport.is_closing())
            record.note("can write eof", transport.can_write_eof())
        transport.abort()
        await pair.client.lost
        await pair.peer.lost
        record.note("events", (pair.client.events, pair.peer.events))
        for name in ("is_reading", "is_closing", "close", "abort", "pause_reading", *TWICE):
            await record.do(name, getattr(transport, name))
        await record.do("write", transport.write, b"x")
        pair.server.close()

    same(body)


SENDS = [
    ("text",),
    (None,),
    (5,),
    (b"x", (LOCAL, 65536)),
    (b"x", (LOCAL, -1)),
    (b"x", (LOCAL, "x")),
    (b"x", (LOCAL,)),
    (b"x", LOCAL),
    (b"x", ("::1", 9)),
    (b"x", (None, 9)),
    (b"x", 5),
    (b"x", (LOCAL, 0)),
    (b"x", ("255.255.255.255", 9)),
    (b"x",),
    (b"x" * 70_000, (LOCAL, 9)),
    (bytearray(b"x"), (LOCAL, 9)),
    (memoryview(b"abcdef")[::2], (LOCAL, 9)),
    (array.array("b", [1]), (LOCAL, 9)),
    ([b"x"], (LOCAL, 9)),
    (b"x", ()),
]


class Datagrams(asyncio.DatagramProtocol):
    """Note errors, and the end."""

    def __init__(self, record):
        self.record = record

    def error_received(self, exc):
        self.record.fail("told", "received", exc)

    def connection_lost(self, exc):
        self.record.note("lost", exc and type(exc).__name__)


@pytest.mark.parametrize("is_connected", [False, True])
@pytest.mark.parametrize("args", SENDS, ids=_name)
def test_sending_datagrams(same, args, is_connected):
    """Odd data to odd addresses: what sendto raises, and what the protocol is told."""

    async def body(record):
        loop = asyncio.get_running_loop()
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind((LOCAL, 0))
        options = {"local_addr": (LOCAL, 0)}
        if is_connected:
            options = {"remote_addr": receiver.getsockname()}
        transport, _ = await loop.create_datagram_endpoint(lambda: Datagrams(record), **options)
        await record.do("sendto", transport.sendto, *args)
        record.note("closing", transport.is_closing())
        await asyncio.sleep(0.002)
        transport.close()
        await asyncio.sleep(0.002)
        await record.do("sendto", transport.sendto, *args)
        receiver.close()

    same(body)


@pytest.mark.parametrize("name", ["add_reader", "add_writer"])
def test_a_descriptor_that_is_nowhere_is_a_bad_one(arm, name):
    """A number under which nothing is open, here or in the real process, is EBADF."""

    async def main():
        with pytest.raises(OSError, match="Bad file descriptor") as caught:
            getattr(asyncio.get_running_loop(), name)(99_999, print)
        return caught.value.errno

    assert arm.run(main) == errno.EBADF


@pytest.mark.parametrize("name", ["add_reader", "add_writer", "remove_reader", "remove_writer"])
@pytest.mark.parametrize(
    "fd", [-1, None, "x", 1.5, object(), 1 << 40, True, io.BytesIO()], ids=_name
)
def test_what_is_no_descriptor(same, name, fd):
    """Watching what is no descriptor fails as asyncio's does."""

    async def body(record):
        loop = asyncio.get_running_loop()
        args = (print,) if name.startswith("add") else ()
        await record.do(name, getattr(loop, name), fd, *args)

    if fd is True and name.startswith("add"):
        return  # Standard output, which the real loop would watch.
    same(body)


@pytest.mark.parametrize("name", ["add_reader", "add_writer", "remove_reader", "remove_writer"])
def test_descriptors_of_closed_sockets(same, name):
    """Watching a closed socket, its old number, and removing what was never added: as asyncio's."""

    async def body(record):
        loop = asyncio.get_running_loop()
        args = (print,) if name.startswith("add") else ()
        ours, theirs = socket.socketpair()
        number = ours.fileno()
        if name.startswith("remove"):
            await record.do(name, getattr(loop, name), ours)
        ours.close()
        await record.do(name, getattr(loop, name), ours, *args)
        await record.do(name, getattr(loop, name), number, *args)
        theirs.close()

    same(body)


LOOKUPS = [
    ((LOCAL, 65536), {}),
    ((LOCAL, -1), {}),
    ((LOCAL, "x"), {}),
    ((LOCAL, b"http"), {}),
    ((LOCAL, 1.5), {}),
    ((LOCAL, []), {}),
    ((None, None), {}),
    ((5, 80), {}),
    ((LOCAL, 80), {"family": "x"}),
    ((LOCAL, 80), {"family": 99}),
    ((LOCAL, 80), {"type": "x"}),
    ((LOCAL, 80), {"type": 99}),
    ((LOCAL, 80), {"proto": "x"}),
    ((LOCAL, 80), {"proto": 99}),
    ((LOCAL, 80), {"flags": "x"}),
    ((LOCAL, 80), {"flags": 1 << 30}),
    ((LOCAL, 80), {"flags": 1 << 40}),
    ((LOCAL, 80), {"family": None}),
    ((LOCAL, 80), {"nonsense": 1}),
    ((), {}),
    (("a" * 300, 80), {}),
    (("a..b", 80), {}),
    (("", 80), {}),
    ((b"", 80), {}),
]


@pytest.mark.parametrize(("args", "options"), LOOKUPS, ids=_name)
def test_getaddrinfo(same, args, options):
    """Lookups that make no sense fail as with the real resolver."""

    async def body(record):
        loop = asyncio.get_running_loop()
        await record.do("getaddrinfo", loop.getaddrinfo, *args, **options)

    same(body)


@pytest.mark.parametrize(
    "args",
    [
        ((LOCAL, 80, 0),),
        ((LOCAL,),),
        (LOCAL,),
        (None,),
        ((LOCAL, "x"),),
        ((5, 80),),
        ((LOCAL, 65536), 1),
        ((LOCAL, -1), 1),
        ((LOCAL, 80), "x"),
        ((LOCAL, 80), 1 << 40),
        (("::1", 80, 1 << 30, 0), 1),
        (("not a number", 80), 1),
        (),
    ],
    ids=_name,
)
def test_getnameinfo(same, args):
    """Reverse lookups that make no sense fail as with the real resolver."""

    async def body(record):
        loop = asyncio.get_running_loop()
        await record.do("getnameinfo", loop.getnameinfo, *args)

    same(body)


PIPES = [None, 5, "x", object(), io.BytesIO()]


# asyncio's transport fails half-made, and its finalizer then fails over that.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("pipe", PIPES, ids=_name)
@pytest.mark.parametrize("name", ["connect_read_pipe", "connect_write_pipe"])
def test_what_is_no_pipe(same, name, pipe):
    """What has no descriptor is no pipe: the error is asyncio's."""

    async def body(record):
        loop = asyncio.get_running_loop()
        await record.do(name, getattr(loop, name), Noting, pipe)

    same(body)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("name", ["connect_read_pipe", "connect_write_pipe"])
def test_pipes_the_wrong_way(same, name, end):
    """A pipe's wrong end, a closed end: the error, or what becomes of it, is asyncio's."""

    async def body(record):
        loop = asyncio.get_running_loop()
        numbers = os.pipe()
        ends = [os.fdopen(numbers[0], "rb", 0), os.fdopen(numbers[1], "wb", 0)]
        result = await record.do(name, getattr(loop, name), Noting, ends[end])
        await asyncio.sleep(0.002)
        if result is not None:
            transport, protocol = result
            record.note("events", protocol.events)
            transport.close()
            await asyncio.sleep(0.002)
        for each in ends:
            each.close()
        await record.do("closed", getattr(loop, name), Noting, ends[end])

    same(body)


@pytest.mark.parametrize(
    "call",
    [
        ("add_signal_handler", 0, print),
        ("add_signal_handler", 99, print),
        ("add_signal_handler", "x", print),
        ("add_signal_handler", 9, print),
        ("add_signal_handler", 15, None),
        ("add_signal_handler", 15, asyncio.sleep),
        ("remove_signal_handler", 0),
        ("remove_signal_handler", "x"),
        ("remove_signal_handler", 15),
        ("remove_signal_handler", 9),
        ("run_in_executor", None, None),
        ("run_in_executor", "x", print),
        ("set_default_executor", "x"),
        ("set_default_executor", None),
        ("set_exception_handler", 5),
        ("set_task_factory", 5),
        ("call_later", "x", print),
        ("call_later", None, print),
        ("call_at", None, print),
        ("call_later", 1, None),
        ("call_soon",),
        ("create_task", None),
        ("create_task", 5),
        ("run_until_complete", None),
        ("run_forever",),
        ("close",),
        ("sendfile", None, None),
        ("start_tls", None, None, None),
    ],
    ids=_name,
)
@pytest.mark.parametrize("debug", [False, True])
def test_other_calls_of_a_loop(same, call, debug):
    """The loop's other calls with arguments that make no sense: as asyncio's."""
    name, *args = call

    async def body(record):
        loop = asyncio.get_running_loop()
        await record.do(name, getattr(loop, name), *args)
        await asyncio.sleep(0)
        if name == "add_signal_handler":
            for sig in (9, 15):
                await record.do("remove", loop.remove_signal_handler, sig)

    same(body, debug=debug)


@pytest.mark.parametrize(
    ("name", "args", "options"),
    [
        ("subprocess_exec", (None,), {}),
        ("subprocess_exec", (), {}),
        ("subprocess_exec", (5,), {}),
        ("subprocess_exec", ("cat", 5), {}),
        ("subprocess_exec", ("cat",), {"universal_newlines": True}),
        ("subprocess_exec", ("cat",), {"shell": True}),
        ("subprocess_exec", ("cat",), {"bufsize": 1}),
        ("subprocess_exec", ("cat",), {"text": True}),
        ("subprocess_exec", ("cat",), {"encoding": "utf-8"}),
        ("subprocess_exec", ("cat",), {"errors": "strict"}),
        ("subprocess_shell", (None,), {}),
        ("subprocess_shell", (5,), {}),
        ("subprocess_shell", ("true",), {"shell": False}),
        ("subprocess_shell", ("true",), {"bufsize": 1}),
        ("subprocess_shell", ("true",), {"text": True}),
        ("subprocess_shell", ("true",), {"universal_newlines": True}),
    ],
    ids=_name,
)
def test_processes(same, name, args, options):
    """Processes with options that asyncio refuses: refused in the same way."""

    async def body(record):
        loop = asyncio.get_running_loop()
        await record.do(name, getattr(loop, name), asyncio.SubprocessProtocol, *args, **options)

    same(body)


AFTER_CLOSE = [
    ("call_soon", print),
    ("call_later", 1, print),
    ("call_at", 1, print),
    ("call_soon_threadsafe", print),
    ("run_in_executor", None, print),
    ("run_until_complete", None),
    ("run_forever",),
    ("close",),
    ("stop",),
    ("is_running",),
    ("is_closed",),
    ("create_future",),
    ("add_reader", 0, print),
    ("remove_reader", 0),
    ("add_writer", 0, print),
    ("remove_writer", 0),
    ("add_signal_handler", 15, print),
    ("remove_signal_handler", 15),
    ("get_debug",),
    ("set_debug", True),
    ("time",),
    ("default_exception_handler", {"message": "x"}),
    ("call_exception_handler", {"message": "x"}),
    ("shutdown_asyncgens",),
    ("shutdown_default_executor",),
    ("set_default_executor", None),
    ("get_exception_handler",),
    ("get_task_factory",),
]


@pytest.mark.parametrize("call", AFTER_CLOSE, ids=_name)
def test_a_closed_loop(call):
    """Each call of a closed loop gives what it gives on asyncio's own, or the same error."""
    name, *args = call
    outcomes = []
    for factory in (asyncio.SelectorEventLoop, simloop.SimLoop):
        loop = factory()
        loop.close()
        try:
            result = getattr(loop, name)(*args)
            if hasattr(result, "close"):
                result.close()
            outcomes.append("value")
        except Exception as error:  # noqa: BLE001 - whatever it is
            outcomes.append((type(error).__name__, str(error)))
    assert outcomes[0] == outcomes[1]
