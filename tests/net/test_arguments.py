"""What is wrong before any byte moves: types, ranges, closed sockets, descriptors, options."""

from __future__ import annotations

import re
import socket
import struct
from functools import partial

import pytest

from simloop.errors import UnsupportedError, UsageError
from simloop.net import VirtualSocket, make_socket, make_socketpair, set_host_finder
from simloop.net.addressing.addresses import is_plain, parse_inet
from simloop.net.syscalls.socket_methods import SocketMethods

V6 = socket.AF_INET6


def _name(value: object) -> str:
    """Name a case for pytest, the same in every process: a view's repr holds its address."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


ADDRESSES = [
    (socket.AF_INET, address)
    for address in (
        ("127.0.0.1", 0),
        ("", 0),
        (b"127.0.0.1", 0),
        (bytearray(b"127.0.0.1"), 0),
        ("127.0.0.9", 0),
        ("127.1", 0),
        ("localhost", 0),
        ("<broadcast>", 0),
        ("255.255.255.255", 0),
        ("127.0.0.1", 65536),
        ("127.0.0.1", -1),
        ("127.0.0.1", "80"),
        ("127.0.0.1", 1.5),
        ("127.0.0.1", None),
        ("127.0.0.1", True),
        ("127.0.0.1",),
        ("127.0.0.1", 0, 0),
        ["127.0.0.1", 0],
        "127.0.0.1",
        b"127.0.0.1",
        None,
        7,
        (None, 0),
        (1, 0),
        ("a\0b", 0),
        ("::1", 0),
        ("203.0.113.9", 0),
    )
] + [
    (V6, address)
    for address in (
        ("::1", 0),
        ("", 0),
        ("::1", 0, 0),
        ("::1", 0, 0, 0),
        ("::1", 0, 0, 0, 0),
        ("::1",),
        ("::1", 70000),
        ("::1", 0, 1 << 20),
        ("::1", 0, -1),
        ("127.0.0.1", 0),
        ("::ffff:127.0.0.1", 0),
        ("2001:db8::1", 0),
        ("fe80::1", 0),
        "::1",
    )
]


@pytest.mark.parametrize(("family", "address"), ADDRESSES, ids=_name)
def test_bind_takes_and_refuses_what_linux_does(same, family, address):
    """bind() of each shape of address gives the type and errno of error that the real one gives."""

    def body(arm):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            sock = arm.make(family, kind)
            arm.do("bind", sock.bind, address)
            arm.do("host", lambda sock=sock: sock.getsockname()[0])

    same(body)


@pytest.mark.parametrize("call", ["connect", "connect_ex", "sendto"])
@pytest.mark.parametrize(
    "address", [("127.0.0.1", 65536), ("127.0.0.1",), "x", None, ("::1", 80), (1, 2)], ids=_name
)
def test_destinations_are_checked_as_on_linux(same, call, address):
    """connect(), connect_ex() and sendto() refuse a malformed address as the real ones do."""

    def body(arm):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            sock = arm.make(socket.AF_INET, kind)
            args = (b"x", address) if call == "sendto" else (address,)
            arm.do(call, getattr(sock, call), *args)

    same(body)


MADE = [
    (),
    (socket.AF_INET, 99),
    (99,),
    (socket.AF_INET, socket.SOCK_STREAM, 99),
    (socket.AF_INET, socket.SOCK_STREAM, 6),
    (socket.AF_INET, socket.SOCK_STREAM, 17),
    (socket.AF_INET, socket.SOCK_DGRAM, 17),
    (socket.AF_INET, socket.SOCK_DGRAM, 6),
    (socket.AF_INET, socket.SOCK_SEQPACKET),
    (socket.AF_UNIX, socket.SOCK_STREAM, 1),
    (socket.AF_UNIX, socket.SOCK_STREAM, 6),
    (socket.AF_UNIX, socket.SOCK_SEQPACKET),
    (socket.AF_UNIX, socket.SOCK_DGRAM),
    (socket.AF_UNIX, 99),
    (V6, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC),
    ("x",),
    (socket.AF_INET, 1.5),
]


@pytest.mark.parametrize("args", MADE, ids=_name)
def test_sockets_are_made_and_refused_as_on_linux(same, args):
    """socket(family, type, proto) gives the same attributes or the same error."""

    def body(arm):
        sock = arm.do("make", arm.make, *args)
        if sock is not None:
            arm.note("is", (sock.family, sock.type, sock.proto, sock.timeout, sock.gettimeout()))

    same(body)


CLOSED = [
    ("send", b"x"),
    ("send", "x"),
    ("recv", 1),
    ("recv", 0),
    ("recv", -1),
    ("bind", ("127.0.0.1", 0)),
    ("bind", "x"),
    ("listen",),
    ("accept",),
    ("connect", ("127.0.0.1", 1)),
    ("connect_ex", ("127.0.0.1", 1)),
    ("getsockname",),
    ("getpeername",),
    ("shutdown", 1),
    ("setsockopt", 1, 2, 1),
    ("getsockopt", 1, 2),
    ("fileno",),
    ("detach",),
    ("settimeout", 1),
    ("gettimeout",),
    ("setblocking", False),
    ("getblocking",),
    ("dup",),
    ("sendto", b"x", ("127.0.0.1", 1)),
    ("recvfrom", 1),
    ("recv_into", bytearray(1)),
    ("recvfrom_into", bytearray(1)),
    ("sendmsg", [b"x"]),
    ("recvmsg", 1),
    ("recvmsg_into", [bytearray(1)]),
    ("sendall", b""),
    ("sendall", b"x"),
    ("get_inheritable",),
    ("set_inheritable", True),
    ("close",),
]


@pytest.mark.parametrize("call", CLOSED, ids=_name)
def test_a_closed_socket_answers_as_on_linux(same, call):
    """Each method of a closed socket fails, or not, as the real one: EBADF in most cases."""

    def body(arm):
        sock = arm.tcp()
        sock.close()
        name, *args = call
        arm.do(name, getattr(sock, name), *args)

    same(body)


CALLS = [
    ("send", "x"),
    ("send", 1),
    ("send",),
    ("send", b"x", 0, 0),
    ("send", memoryview(b"abcdef")[::2]),
    ("send", memoryview(b"abcd").cast("H")),
    ("recv", "x"),
    ("recv", -1),
    ("recv", 0),
    ("recv", True),
    ("recv_into", b"x"),
    ("recv_into", "x"),
    ("recv_into", bytearray(4), 9),
    ("recv_into", bytearray(4), -1),
    ("recv_into", bytearray(0)),
    ("recvfrom", -1),
    ("recvfrom_into", bytearray(3), 9),
    ("recvfrom_into", bytearray(3), -1),
    ("sendall", "x"),
    ("sendto", b"x"),
    ("sendto", b"x", 1),
    ("sendto", b"x", 0, 0, 0),
    ("sendto", "x", ("127.0.0.1", 9)),
    ("sendmsg", b"x"),
    ("sendmsg", [b"x", 1]),
    ("sendmsg", 7),
    ("sendmsg", []),
    ("sendmsg", [b"a"], [(1, 2)]),
    ("sendmsg", [b"a"], [], 0, ("127.0.0.1", 1)),
    ("recvmsg", -1),
    ("recvmsg", 1, -1),
    ("recvmsg_into", [b"x"]),
    ("shutdown", 9),
    ("shutdown", "x"),
    ("settimeout", -1),
    ("settimeout", "x"),
    ("settimeout", float("nan")),
    ("settimeout", float("inf")),
    ("settimeout", 0),
    ("listen",),
    ("listen", "x"),
    ("listen", 1 << 40),
    ("accept",),
    ("connect",),
    ("setsockopt", 1, 2),
    ("setsockopt", 1, 2, "x"),
    ("setsockopt", 1, 2, None),
    ("setsockopt", 1, 2, None, 4),
    ("setsockopt", 1, 999, 1),
    ("setsockopt", 999, 1, 1),
    ("setsockopt", 1, 2, b"x"),
    ("setsockopt", 1, 2, 1 << 40),
    ("setsockopt", 1, 13, 1),
    ("setsockopt", 1, 13, b"x"),
    ("setsockopt", 1, socket.SO_TYPE, 1),
    ("setsockopt", 1, socket.SO_ERROR, 1),
    ("setsockopt", 6, 999, 1),
    ("setsockopt", 41, socket.IPV6_V6ONLY, 1),
    ("setsockopt", 0, socket.IP_TTL, 300),
    ("setsockopt", 6, socket.TCP_KEEPIDLE, 0),
    ("setsockopt", 1, 25, b"nope\0"),
    ("setsockopt", 1, 25, b"lo\0"),
    ("getsockopt", 1, 999),
    ("getsockopt", 999, 1),
    ("getsockopt", 41, socket.IPV6_V6ONLY),
    ("getsockopt", 1, 2, -1),
    ("getsockopt", 1, 2, 2000),
    ("getsockopt", 1, 2, 4),
    ("getsockopt", 1, 2, 2),
    ("getsockopt", 1, 13),
    ("getsockopt", 1, 13, 8),
    ("getsockopt", 1, 2, "x"),
]


@pytest.mark.parametrize("call", CALLS, ids=_name)
def test_arguments_are_checked_as_on_linux(same, call):
    """Each call on a connected socket with odd arguments gives what the real one gives."""

    def body(arm):
        _, sock, _ = arm.connected()
        name, *args = call
        arm.do(name, getattr(sock, name), *args)
        arm.do("alive", sock.getsockopt, 1, socket.SO_ERROR)

    same(body)


SOL, TCP, IP = socket.SOL_SOCKET, socket.IPPROTO_TCP, socket.IPPROTO_IP
OPTIONS = [
    (SOL, socket.SO_REUSEADDR, 5),
    (SOL, socket.SO_REUSEPORT, 1),
    (SOL, socket.SO_KEEPALIVE, 1),
    (SOL, socket.SO_BROADCAST, 1),
    (SOL, socket.SO_OOBINLINE, 1),
    (SOL, socket.SO_DONTROUTE, 1),
    (SOL, socket.SO_RCVLOWAT, 5),
    (SOL, socket.SO_SNDLOWAT, 5),
    (SOL, socket.SO_SNDBUF, 1),
    (SOL, socket.SO_RCVBUF, 1),
    (SOL, socket.SO_SNDBUF, 50000),
    (SOL, socket.SO_RCVBUF, 50000),
    (SOL, socket.SO_LINGER, struct.pack("ii", 3, 7)),
    (SOL, socket.SO_DEBUG, 0),
    (SOL, 12, 3),
    (SOL, socket.SO_DOMAIN, 1),
    (SOL, socket.SO_PROTOCOL, 1),
    (TCP, socket.TCP_NODELAY, 1),
    (TCP, socket.TCP_CORK, 1),
    (TCP, socket.TCP_KEEPIDLE, 77),
    (TCP, socket.TCP_KEEPINTVL, 7),
    (TCP, socket.TCP_KEEPCNT, 3),
    (TCP, socket.TCP_KEEPCNT, 300),
    (TCP, socket.TCP_SYNCNT, 3),
    (TCP, socket.TCP_USER_TIMEOUT, 3000),
    (TCP, socket.TCP_DEFER_ACCEPT, 0),
    (IP, socket.IP_TOS, 0x10),
    (IP, socket.IP_TTL, 5),
    (IP, socket.IP_TTL, b"\5"),
    (IP, socket.IP_MULTICAST_TTL, 7),
    (IP, socket.IP_MULTICAST_TTL, 256),
    (IP, socket.IP_MULTICAST_LOOP, 0),
]


@pytest.mark.parametrize("option", OPTIONS, ids=_name)
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_options_keep_what_linux_keeps(same, kind, option):
    """An option starts, is set, is refused and is rounded as on Linux."""

    def body(arm):
        sock = arm.make(socket.AF_INET, kind)
        level, name, value = option
        if not (level == SOL and name in (socket.SO_SNDBUF, socket.SO_RCVBUF)):
            arm.do("before", sock.getsockopt, level, name)
        arm.do("set", sock.setsockopt, level, name, value)
        if not (kind == socket.SOCK_DGRAM and name == socket.SO_SNDLOWAT):
            arm.do("after", sock.getsockopt, level, name)
            arm.do("bytes", sock.getsockopt, level, name, 8)

    same(body)


def test_ipv6_options(same):
    """The options of IPv6 exist on IPv6 sockets, beside those of IP."""

    def body(arm):
        sock = arm.udp(V6)
        for name in ("V6ONLY", "UNICAST_HOPS", "MULTICAST_HOPS", "MULTICAST_LOOP", "RECVPKTINFO"):
            option = getattr(socket, f"IPV6_{name}")
            arm.do(name, sock.getsockopt, 41, option)
            arm.do(name, sock.setsockopt, 41, option, 1)
            arm.do(name, sock.getsockopt, 41, option)
        arm.do("tos", sock.setsockopt, IP, socket.IP_TOS, 8)
        arm.do("bad interface", sock.setsockopt, 41, socket.IPV6_MULTICAST_IF, 99)

    same(body)


def test_descriptors(same):
    """dup, detach and a new object for a descriptor behave as with the real ones."""

    def body(arm):
        first, second = arm.socketpair()
        twin = first.dup()
        arm.keep(twin)
        first.close()
        arm.do("send", twin.send, b"x")
        fd = twin.detach()
        arm.note("gone", (twin.fileno(), twin.detach()))
        again = arm.adopt(fileno=fd)
        arm.note("kinds", (again.family, again.type, again.proto))
        arm.do("send", again.send, b"y")
        again.close()
        arm.do("recv", second.recv, 10)
        arm.do("eof", second.recv, 10)
        listener = arm.listener()
        again = arm.adopt(fileno=listener.detach())
        arm.note("kinds", (again.family, again.type, again.proto))
        odd = arm.adopt(V6, socket.SOCK_DGRAM, 17, fileno=again.detach())
        arm.note("kinds", (odd.family, odd.type, odd.proto))
        arm.do("not open", lambda: arm.adopt(fileno=1_900_000))
        arm.do("negative", lambda: arm.adopt(fileno=-3))
        arm.do("no number", lambda: arm.adopt(fileno="x"))
        arm.do("no socket", lambda: arm.adopt(fileno=arm.pipe()[0]))

    same(body)


def test_timeouts_of_accepted_and_doubled_sockets(same):
    """An accepted socket blocks, a doubled one keeps the timeout."""

    def body(arm):
        listener, _, _ = arm.connected()
        client = arm.tcp()
        client.connect_ex(listener.getsockname())
        listener.settimeout(2)
        accepted, _ = listener.accept()
        arm.note("accepted", accepted.gettimeout())
        twin = listener.dup()
        arm.note("twin", (twin.gettimeout(), twin.getblocking(), twin.timeout))
        twin.close()
        accepted.close()

    same(body)


def test_files_over_sockets(same):
    """makefile() works, and the descriptor stays open until the file is closed too."""

    def body(arm):
        first, second = arm.socketpair()
        for sock in (first, second):
            sock.setblocking(True)
        reader = first.makefile("rb")
        writer = second.makefile("w")
        first.close()
        arm.note("still open", first.fileno() >= 0)
        writer.write("hello\nworld\n")
        writer.flush()
        arm.do("line", reader.readline)
        arm.do("line", reader.readline)
        second.setblocking(False)
        reader.close()
        arm.note("closed", first.fileno())
        arm.do("eof", second.recv, 1)
        writer.close()

    same(body)


def test_sendfile_reads_and_sends(same, tmp_path):
    """sendfile() on a blocking socket sends a file's content."""
    path = tmp_path / "data"
    path.write_bytes(b"0123456789")

    def body(arm):
        first, second = arm.socketpair()
        with path.open("rb") as file:
            arm.do("non-blocking", first.sendfile, file)
            first.setblocking(True)
            arm.do("sendfile", first.sendfile, file, 2, 5)
        arm.do("recv", second.recv, 100)

    same(body)


def test_every_method_of_the_parent_is_overridden():
    """No method of socket.socket that could touch a descriptor is inherited."""
    harmless = (
        *("makefile", "close", "_decref_socketios", "__exit__", "__getstate__", "sendmsg_afalg"),
        *("_sendfile_use_send", "_check_sendfile_params", "_sendfile_use_sendfile"),
        *("_sendfile_zerocopy", "__new__"),
    )
    own = [*vars(VirtualSocket), *vars(SocketMethods)]
    inherited = [
        name
        for name in dir(socket.socket)
        if name not in own and name not in harmless and getattr(object, name, None) is None
        if callable(getattr(socket.socket, name)) or name in ("family", "type", "proto", "timeout")
    ]
    assert inherited == []


def test_it_is_a_socket(host):
    """A virtual socket passes isinstance, says what it is, and shows no address of memory."""
    sock = make_socket(host)
    assert isinstance(sock, socket.socket)
    assert sock.family is socket.AF_INET
    assert sock.type is socket.SOCK_STREAM
    assert sock.fileno() == 1_000_000
    shown = "<simloop.VirtualSocket fd=1000000, family=2, type=1, proto=0, laddr=('0.0.0.0', 0)>"
    assert repr(sock) == shown
    with sock:
        assert not sock.get_inheritable()
    assert repr(sock) == "<simloop.VirtualSocket [closed] fd=-1, family=2, type=1, proto=0>"


def test_descriptors_are_the_lowest_free_ones(host):
    """Numbers are given as POSIX gives them, so that a run repeats them."""
    socks = [make_socket(host) for _ in range(4)]
    assert [sock.fileno() - 1_000_000 for sock in socks] == [0, 1, 2, 3]
    socks[2].close()
    socks[0].close()
    socks[0], socks[2] = make_socket(host), make_socket(host)
    assert [sock.fileno() - 1_000_000 for sock in socks] == [0, 1, 2, 3]
    for sock in socks:
        sock.close()


def test_an_unclosed_socket_warns_and_closes(host):
    """A socket that is collected without close() gives the warning that a real one gives."""
    sock = make_socket(host)
    with pytest.warns(ResourceWarning, match=r"unclosed <simloop.VirtualSocket fd=1000000"):
        del sock
    assert len(host.descriptors) == 0


def test_a_call_that_would_block_the_world_is_refused(host):
    """In blocking mode a call that would wait names itself, the reason and the way out."""
    first, second = make_socketpair(host)
    with pytest.raises(UnsupportedError, match=r"recv\(\) on .*run_in_executor"):
        first.recv(1)
    second.send(b"x")
    assert first.recv(1) == b"x"
    for sock in (first, second):
        sock.close()


def test_whoever_owns_the_threads_decides_about_blocking(host):
    """The hook gets the socket, the call and the seconds left, and the call is tried again."""
    first, second = make_socketpair(host)
    asked = []

    def on_would_block(sock, what, timeout):
        asked.append((sock is first, what, timeout))
        if len(asked) == 3:
            second.send(b"late")
        return timeout - 1

    host.on_would_block = on_would_block
    first.settimeout(5)
    assert first.recv(10) == b"late"
    assert asked == [(True, "recv", 5.0), (True, "recv", 4.0), (True, "recv", 3.0)]
    for sock in (first, second):
        sock.close()


@pytest.mark.parametrize(("family", "address"), ADDRESSES, ids=_name)
def test_a_plain_address_needs_no_parsing(host, family, address):
    """What counts as plain is what the checks and the look-up would leave as it is."""
    if family == socket.AF_INET and is_plain(address):
        as_checked = ((address[0].encode()), address[1])  # Bytes go the long way.
        assert parse_inet(family, as_checked, "connect", host.resolve) == address
        assert parse_inet(family, address, "connect", host.resolve) is address


def test_most_numeric_addresses_are_plain():
    """Four canonical numbers and a port in its range, in plain types, and nothing else."""
    assert is_plain(("127.0.0.1", 0))
    assert is_plain(("10.0.0.255", 65_535))
    for address in (
        ("127.0.0.01", 1),
        ("127.1", 1),
        ("::1", 1),
        ("", 1),
        ("localhost", 1),
        ("1.2.3.4\0", 1),
        ("127.0.0.1", True),
        ("127.0.0.1", 65_536),
        ["127.0.0.1", 1],
        ("127.0.0.1", 1, 0),
        "127.0.0.1",
    ):
        assert not is_plain(address), address


def test_accept_ready_tells_nobody_from_no_room(host):
    """It gives None where accept() would block, and the same errors where that fails."""
    server = make_socket(host)
    server.setblocking(False)
    with pytest.raises(OSError, match="Invalid argument"):
        server.accept_ready()
    server.bind(("127.0.0.1", 0))
    server.listen()
    assert server.accept_ready() is None
    client = make_socket(host)
    client.setblocking(False)
    client.connect_ex(server.getsockname())
    sock, address = server.accept_ready()
    assert (address, sock.getpeername()) == (client.getsockname(), address)
    host.descriptors.limit = 3
    with pytest.raises(OSError, match="Too many open files"):
        server.accept_ready()
    for each in (server, client, sock):
        each.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        server.accept_ready()
    with pytest.raises(OSError, match="Bad file descriptor"):
        server.setblocking(False)


def test_a_socket_may_be_made_non_blocking(host):
    """SOCK_NONBLOCK is no part of the type; it is the same by the class and by the host."""
    before = set_host_finder(lambda: host)
    kind = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
    for make in (VirtualSocket, partial(make_socket, host)):
        for family in (-1, socket.AF_INET):
            with make(family, kind, -1) as sock:
                assert (sock.family, sock.type, sock.proto) == (socket.AF_INET, 1, 0)
                assert sock.gettimeout() == 0
        with make(-1, -1, -1) as sock:
            assert (sock.family, sock.type, sock.gettimeout()) == (socket.AF_INET, 1, None)
    set_host_finder(before)


def test_outside_of_a_world_there_is_no_host():
    """VirtualSocket() without a world says where it belongs."""
    before = set_host_finder(None)
    with pytest.raises(UsageError, match="in a run"):
        VirtualSocket()
    set_host_finder(before)
