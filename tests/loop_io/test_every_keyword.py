"""Every keyword and every corner of asyncio's calls on the network, on both loops.

A body makes the calls and records what they gave; the real loop's record is the expectation.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import os
import re
import socket
import struct
import sys

import pytest

from .protocols import Noting, connected

LOCAL = "127.0.0.1"
V6 = socket.AF_INET6
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM


async def settled(turns=5):
    """Let some turns pass, in real time too, for the real kernel."""
    for _ in range(turns):
        await asyncio.sleep(0.001)


# -- servers ---------------------------------------------------------------------------------------

HOSTS = [
    (LOCAL,),
    ([LOCAL, "127.0.0.2"],),
    ([LOCAL, LOCAL, "127.0.0.1"],),
    (("127.0.0.1", "::1"),),
    ({LOCAL: 1},),
    ("::1",),
    (None,),
    ("",),
    ("0.0.0.0",),  # noqa: S104 - in a world, mostly
    ("::",),
]


@pytest.mark.parametrize("family", [0, socket.AF_INET, V6])
@pytest.mark.parametrize("hosts", HOSTS, ids=repr)
def test_hosts_of_a_server(same, hosts, family):
    """Which sockets a server listens on, and their addresses and options."""

    async def body(record):
        loop = asyncio.get_running_loop()
        server = await record.do("serve", loop.create_server, Noting, *hosts, 0, family=family)
        if server is None:
            return
        # asyncio's own loop has them in the order of a set.
        for sock in sorted(server.sockets, key=lambda sock: sock.getsockname()):
            record.note("socket", (sock.family, sock.type, sock.getsockname()[0]))
            for level, option in (
                (socket.SOL_SOCKET, socket.SO_REUSEADDR),
                (socket.SOL_SOCKET, socket.SO_REUSEPORT),
                (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                (socket.SOL_SOCKET, socket.SO_ACCEPTCONN),
                (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY),
            ):
                await record.do("option", sock.getsockopt, level, option)
            record.note("blocking", sock.gettimeout())
        server.close()
        record.note("closed", server.sockets)
        await server.wait_closed()

    same(body)


def test_one_port_for_all_hosts(same):
    """A second server on the port, of the same family, of the other, on every address."""

    async def body(record):
        loop = asyncio.get_running_loop()
        first = await loop.create_server(Noting, LOCAL, 0)
        port = first.sockets[0].getsockname()[1]
        for host in (LOCAL, "127.0.0.2", "::1", None, "0.0.0.0", "::"):  # noqa: S104
            server = await record.do(f"on {host}", loop.create_server, Noting, host, port)
            if server is not None:
                record.note("sockets", len(server.sockets))
                server.close()
                await server.wait_closed()
        first.close()
        await first.wait_closed()
        again = await record.do("again", loop.create_server, Noting, LOCAL, port)
        again.close()

    same(body)


def test_a_server_as_a_context(same):
    """``async with`` closes; serve_forever and start_serving of a closed server are refused."""

    async def body(record):
        loop = asyncio.get_running_loop()
        async with await loop.create_server(Noting, LOCAL, 0, start_serving=False) as server:
            record.note("serving", server.is_serving())
            await record.do("start", server.start_serving)
            await record.do("again", server.start_serving)
            record.note("serving", server.is_serving())
            forever = asyncio.ensure_future(server.serve_forever())
            await asyncio.sleep(0)
            await record.do("twice", server.serve_forever)
            forever.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await forever
            record.note("serving", server.is_serving())
        await record.do("start", server.start_serving)
        await record.do("forever", server.serve_forever)
        await record.do("close", server.close)
        await record.do("wait", server.wait_closed)
        record.note("sockets", server.sockets)
        await record.do("loop", lambda: server.get_loop() is loop)

    same(body)


def test_closing_with_clients_in_the_queue(same):
    """Clients that nobody accepted are told when the server closes."""

    async def body(record):
        loop = asyncio.get_running_loop()
        listener = socket.create_server((LOCAL, 0))
        server = await loop.create_server(Noting, sock=listener, start_serving=False)
        name = listener.getsockname()
        _, client = await loop.create_connection(Noting, *name)
        client.transport.write(b"hello")
        await settled()
        server.close()
        await client.lost
        record.note("events", client.events)
        record.note("error", repr(client.error))
        await record.do("refused", loop.create_connection, Noting, *name)

    same(body)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="close_clients came with Python 3.13")
@pytest.mark.parametrize("call", ["close_clients", "abort_clients"])
def test_ends_of_clients(same, call):
    """close_clients sends what was written, abort_clients drops it; both end every connection."""

    async def body(record):
        loop = asyncio.get_running_loop()
        peers = []

        def accept():
            peers.append(Noting())
            return peers[-1]

        server = await loop.create_server(accept, LOCAL, 0)
        name = server.sockets[0].getsockname()
        clients = [(await loop.create_connection(Noting, *name))[1] for _ in range(3)]
        await settled()
        for peer in peers:
            peer.transport.write(b"goodbye")
        getattr(server, call)()
        for each in (*peers, *clients):
            await each.lost
        for each in (*peers, *clients):
            record.note("end", (each.events, repr(each.error)))
        record.note("received", [bytes(each.received) for each in clients])
        record.note("serving", server.is_serving())
        server.close()
        await server.wait_closed()
        getattr(server, call)()

    same(body)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="keep_alive came with Python 3.13")
@pytest.mark.parametrize("value", [None, False, True])
def test_keep_alive(same, value):
    """keep_alive is an option of the listening sockets, and of what they accept."""

    async def body(record):
        loop = asyncio.get_running_loop()
        peer = loop.create_future()

        class Accepted(Noting):
            def connection_made(self, transport):
                super().connection_made(transport)
                peer.set_result(self)

        server = await loop.create_server(Accepted, LOCAL, 0, keep_alive=value)
        option = (socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        record.note("listener", server.sockets[0].getsockopt(*option))
        name = server.sockets[0].getsockname()
        _, client = await loop.create_connection(Noting, *name)
        transport = (await peer).transport
        record.note("accepted", transport.get_extra_info("socket").getsockopt(*option))
        record.note("client", client.transport.get_extra_info("socket").getsockopt(*option))
        client.transport.abort()
        server.close()
        await settled()

    same(body)


# -- connections -----------------------------------------------------------------------------------


async def free_port(family=socket.AF_INET, host=LOCAL):
    with socket.socket(family) as sock:
        sock.bind((host, 0))
        return sock.getsockname()[1]


def patched(hosts):
    """Return a getaddrinfo that gives these addresses for every name."""

    def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):  # noqa: A002
        return [
            (V6 if ":" in each else socket.AF_INET, TCP, 6, "", (each, port))
            for each in hosts
            if family in (0, V6 if ":" in each else socket.AF_INET)
        ]

    return getaddrinfo


OPTIONS = [
    {},
    {"happy_eyeballs_delay": 0.01},
    {"happy_eyeballs_delay": 0},
    {"interleave": 1},
    {"interleave": 2},
    {"happy_eyeballs_delay": 0.01, "interleave": 2},
    {"family": socket.AF_INET},
    {"family": V6},
    {"local_addr": ("127.0.0.9", 0)},
    {"all_errors": True},
    {"all_errors": True, "happy_eyeballs_delay": 0.01},
    {"all_errors": True, "local_addr": (LOCAL, 0)},
]
NOBODY = [
    ("127.0.0.7", "127.0.0.8"),
    ("::1", "127.0.0.7", "127.0.0.8"),
    ("127.0.0.7",),
    (),
]


@pytest.mark.parametrize("options", OPTIONS, ids=repr)
@pytest.mark.parametrize("hosts", NOBODY, ids=repr)
def test_errors_of_several_addresses(same, monkeypatch, hosts, options):
    """What a connection fails with when none of a name's addresses answers."""
    if "all_errors" in options and sys.version_info < (3, 12):
        pytest.skip("all_errors came with Python 3.12")

    async def body(record):
        loop = asyncio.get_running_loop()
        port = await free_port()
        with monkeypatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", patched(hosts))
            await record.do("connect", loop.create_connection, Noting, "a.name", port, **options)

    texts = [
        [(label, re.sub(r", \d+", ", PORT", text)) for label, text in record.texts]
        for record in same(body)
    ]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("options", OPTIONS[:9], ids=repr)
@pytest.mark.parametrize("hosts", [(*NOBODY[1], LOCAL), (LOCAL, "::1"), ("::1", LOCAL)], ids=repr)
def test_the_address_that_answers(same, monkeypatch, hosts, options):
    """Among several addresses the one that is served is found, and its transport tells it."""

    async def body(record):
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Noting, LOCAL, 0)
        port = server.sockets[0].getsockname()[1]
        with monkeypatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", patched(hosts))
            made = await record.do(
                "connect", loop.create_connection, Noting, "a.name", port, **options
            )
        if made is not None:
            transport, protocol = made
            record.note("peer", transport.get_extra_info("peername") == (LOCAL, port))
            record.note("name", transport.get_extra_info("sockname")[0])
            transport.abort()
            await protocol.lost
        server.close()
        await settled()

    same(body)


def test_a_mapped_address(same):
    """A dual-stack listener accepts IPv4 and IPv6, and shows IPv4 peers as mapped."""

    async def body(record):
        loop = asyncio.get_running_loop()
        with socket.socket(V6) as listener:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.bind(("::", 0))
            port = listener.getsockname()[1]
            listener.listen()
            listener.setblocking(False)
            for host in (LOCAL, "::1", "::ffff:127.0.0.1"):
                transport, _ = await loop.create_connection(Noting, host, port)
                record.note("client", transport.get_extra_info("peername"))
                sock, address = await loop.sock_accept(listener)
                record.note("accepted", (address, sock.getsockname(), sock.family))
                transport.abort()
                sock.close()
                await settled()

    same(body)


def test_what_a_transport_knows(same):
    """get_extra_info of every name that asyncio documents, on a plain connection."""

    async def body(record):
        pair = await connected()
        for name in (
            *("peername", "sockname", "sslcontext", "ssl_object", "cipher", "compression"),
            *("peercert", "pipe", "subprocess", "nonsense"),
        ):
            record.note(name, pair.client.transport.get_extra_info(name, "missing"))
        sock = pair.client.transport.get_extra_info("socket")
        record.note("type", type(sock).__name__)
        for name, *args in (
            *(("family",), ("type",), ("proto",)),
            *(("getpeername",), ("getsockname",), ("get_inheritable",)),
            *(("getsockopt", socket.IPPROTO_TCP, socket.TCP_NODELAY), ("gettimeout",)),
            *(("settimeout", 0), ("settimeout", 1), ("setblocking", False), ("setblocking", True)),
            *(("shutdown", 1), ("dup",)),
        ):
            value = getattr(sock, name)
            if callable(value):
                result = await record.do(name, value, *args)
                if isinstance(result, socket.socket):
                    result.close()
            else:
                record.note(name, value)
        await pair.close()
        record.note("after", repr(pair.client.transport.get_extra_info("peername") is not None))

    same(body)


@pytest.mark.parametrize("unread", [False, True])
@pytest.mark.parametrize("way", ["close", "abort", "linger"])
def test_ends_of_connections(same, way, unread):
    """What the peer hears of each way to end, with and without bytes that were not read."""

    async def body(record):
        pair = await connected()
        if unread:
            pair.client.transport.pause_reading()
            pair.peer.transport.write(b"x" * 1000)
            await settled()
        if way == "linger":
            sock = pair.client.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            pair.client.transport.close()
        else:
            pair.client.transport.write(b"last words")
            getattr(pair.client.transport, way)()
        await pair.peer.lost
        await pair.client.lost
        record.note("received", bytes(pair.peer.received))
        record.note("peer", (pair.peer.events, repr(pair.peer.error)))
        record.note("client", (pair.client.events, repr(pair.client.error)))
        pair.server.close()

    same(body)


def test_writing_to_a_peer_that_is_gone(same):
    """Writes after the peer's end go unheard, then break, then count as lost."""

    async def body(record):
        pair = await connected()
        pair.peer.transport.abort()
        pair.client.keep_open = True
        await settled()
        for index in range(4):
            await record.do("write", pair.client.transport.write, b"x")
            await settled()
            record.note(f"{index}", (pair.client.events, pair.client.transport.is_closing()))
        pair.client.transport.abort()
        await pair.client.lost
        record.note("error", repr(pair.client.error))
        pair.server.close()

    same(body)


def test_half_closed_in_both_orders(same):
    """Ends of both directions, one after the other, with bytes in between."""

    async def body(record):
        pair = await connected(
            client=lambda: Noting(keep_open=True), peer=lambda: Noting(keep_open=True)
        )
        client, peer = pair.client, pair.peer
        client.transport.write(b"request")
        client.transport.write_eof()
        await peer.ended
        await record.do("write after eof", client.transport.write, b"x")
        await record.do("eof again", client.transport.write_eof)
        peer.transport.write(b"answer")
        peer.transport.write_eof()
        await client.ended
        record.note("received", (bytes(peer.received), bytes(client.received)))
        record.note("closing", (peer.transport.is_closing(), client.transport.is_closing()))
        client.transport.close()
        await client.lost
        await settled()
        record.note("peer", peer.events)
        peer.transport.close()
        await peer.lost
        record.note("events", (client.events, peer.events, repr(peer.error)))
        pair.server.close()

    same(body)


# -- sockets ---------------------------------------------------------------------------------------

FLAGS = {
    "peek": socket.MSG_PEEK,
    "dontwait": socket.MSG_DONTWAIT,
    "trunc": socket.MSG_TRUNC,
    "waitall": socket.MSG_WAITALL | socket.MSG_DONTWAIT,
    "oob": socket.MSG_OOB,
    "errqueue": socket.MSG_ERRQUEUE,
    "nosignal": socket.MSG_NOSIGNAL,
    "peek and trunc": socket.MSG_PEEK | socket.MSG_TRUNC,
}


async def tcp_pair():
    loop = asyncio.get_running_loop()
    with socket.create_server((LOCAL, 0)) as listener:
        listener.setblocking(False)
        ours = socket.socket()
        ours.setblocking(False)
        await loop.sock_connect(ours, listener.getsockname())
        theirs, _ = await loop.sock_accept(listener)
    return ours, theirs


async def udp_pair():
    ours, theirs = socket.socket(socket.AF_INET, UDP), socket.socket(socket.AF_INET, UDP)
    for sock in (ours, theirs):
        sock.setblocking(False)
        sock.bind((LOCAL, 0))
    ours.connect(theirs.getsockname())
    theirs.connect(ours.getsockname())
    return ours, theirs


async def unix_pair(type_=TCP):
    pair = socket.socketpair(socket.AF_UNIX, type_)
    for sock in pair:
        sock.setblocking(False)
    return pair


PAIRS = {
    "tcp": tcp_pair,
    "udp": udp_pair,
    "unix": unix_pair,
    "unix datagrams": lambda: unix_pair(UDP),
    "unix packets": lambda: unix_pair(socket.SOCK_SEQPACKET),
}


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("kind", PAIRS)
def test_flags_of_receiving(same, kind, flags):
    """Each flag of recv, recvfrom, recv_into and recvmsg on each kind of socket."""

    def told(received):
        """With MSG_TRUNC only lengths mean something."""
        if "trunc" not in flags:
            return received
        if isinstance(received, tuple):
            return (len(received[0]), *received[1:])
        return len(received) if isinstance(received, bytes) else received

    async def body(record):
        ours, theirs = await PAIRS[kind]()
        for data in (b"0123456789", b"abcdefghij"):
            theirs.send(data)
        await settled(2)
        flag = FLAGS[flags]
        await record.do("recv", lambda: told(ours.recv(4, flag)))
        buffer = bytearray(6)
        await record.do("recv_into", ours.recv_into, buffer, 0, flag)
        if kind != "tcp" or "trunc" not in flags:
            record.note("buffer", bytes(buffer))
        await record.do("recvfrom", lambda: told(ours.recvfrom(3, flag)))
        await record.do("recvmsg", lambda: told(ours.recvmsg(5, 0, flag)))
        await record.do("rest", ours.recv, 100)
        ours.close()
        theirs.close()

    same(body)


@pytest.mark.parametrize("flags", [socket.MSG_OOB, socket.MSG_EOR, socket.MSG_NOSIGNAL])
@pytest.mark.parametrize("kind", PAIRS)
def test_flags_of_sending(same, kind, flags):
    """Each flag of send and sendmsg on each kind of socket."""
    if flags == socket.MSG_OOB and kind in {"tcp", "unix"}:
        pytest.skip("there is no urgent data in a world: an UnsupportedError")

    async def body(record):
        ours, theirs = await PAIRS[kind]()
        await record.do("send", theirs.send, b"abc", flags)
        await record.do("sendmsg", theirs.sendmsg, [b"de", b"f"], [], flags)
        await settled(2)
        if flags != socket.MSG_OOB:
            await record.do("received", ours.recv, 100)
        ours.close()
        theirs.close()

    same(body)


def rights(*fds):
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]


@pytest.mark.parametrize("kind", ["unix", "unix datagrams", "unix packets"])
def test_descriptors_that_travel(same, kind):
    """SCM_RIGHTS: files arrive under new numbers, cut off where there is no room for them."""

    async def body(record):
        ours, theirs = await PAIRS[kind]()
        reading, writing = os.pipe()
        await record.do("one", theirs.sendmsg, [b"a"], rights(writing))
        await record.do("two", theirs.sendmsg, [b"b"], rights(writing, reading))
        await record.do("bad", theirs.sendmsg, [b"c"], rights(1_900_000))
        await record.do("bad kind", theirs.sendmsg, [b"c"], [(socket.SOL_SOCKET, 99, b"")])
        await record.do("bad level", theirs.sendmsg, [b"c"], [(99, 99, b"abcd")])
        await record.do("odd", theirs.sendmsg, [b"d"], [(1, 1, b"abc")])
        await record.do("text", theirs.sendmsg, [b"d"], [(1, 1, "abcd")])
        await record.do("short", theirs.sendmsg, [b"d"], [(1, 1)])
        data, ancillary, flags, address = ours.recvmsg(10, socket.CMSG_SPACE(4))
        record.note("first", (data, len(ancillary), flags, address))
        fd = int.from_bytes(ancillary[0][2], sys.byteorder)
        os.write(fd, b"through")
        record.note("through", os.read(reading, 10))
        os.close(fd)
        data, ancillary, flags, address = ours.recvmsg(10, socket.CMSG_LEN(4))
        record.note("second", (data, [(a, b, len(c)) for a, b, c in ancillary], flags, address))
        for _, _, raw in ancillary:
            for number in array.array("i", raw):
                os.close(number)
        for _ in range(3):
            await record.do("rest", ours.recvmsg, 10, 100)
        for sock in (ours, theirs):
            sock.close()
        os.close(reading)
        os.close(writing)

    same(body)


@pytest.mark.parametrize("kind", PAIRS)
def test_credentials_that_travel(same, kind):
    """SO_PASSCRED tells whoever receives by recvmsg who sent; the internet does not know."""

    async def body(record):
        ours, theirs = await PAIRS[kind]()
        await record.do("get", ours.getsockopt, socket.SOL_SOCKET, socket.SO_PASSCRED)
        await record.do("set", ours.setsockopt, socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        await record.do("get", ours.getsockopt, socket.SOL_SOCKET, socket.SO_PASSCRED)
        theirs.send(b"one")
        await settled(2)
        data, ancillary, flags, _ = ours.recvmsg(10, 100)
        record.note("one", (data, [(*item[:2], len(item[2])) for item in ancillary], flags))
        if ancillary:
            pid, uid, _ = struct.unpack("3i", ancillary[0][2])
            record.note("who", (pid > 0, uid >= 0))
            reading, writing = os.pipe()
            theirs.sendmsg([b"two"], rights(reading))
            data, ancillary, flags, _ = ours.recvmsg(10, 100)
            record.note("two", (data, [item[:2] for item in ancillary], flags))
            for fd in (reading, writing, *array.array("i", ancillary[1][2])):
                os.close(fd)
            theirs.close()
            if kind != "unix datagrams":
                await record.do("end", ours.recvmsg, 10, 100)
        ours.close()
        theirs.close()

    same(body)


@pytest.mark.parametrize("kind", PAIRS)
def test_options_at_their_limits(same, kind):
    """Options that are refused, restored to a default, or belong to another protocol."""

    async def body(record):
        ours, theirs = await PAIRS[kind]()
        for level, option, values in (
            (socket.IPPROTO_IP, socket.IP_TTL, (0, 1, 255, 256, -1)),
            (socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, (0, 255, 256, -1, -2)),
            (socket.SOL_SOCKET, socket.SO_REUSEPORT, (0, 1)),
            (socket.IPPROTO_UDP, 77, (1,)),
        ):
            if kind != "udp" and level == socket.IPPROTO_UDP:
                continue
            for value in values:
                await record.do(f"set {level} {option}", ours.setsockopt, level, option, value)
                await record.do(f"get {level} {option}", ours.getsockopt, level, option)
        ours.close()
        theirs.close()

    same(body)


@pytest.mark.parametrize(
    ("family", "level", "option", "enable"),
    [
        (socket.AF_INET, socket.IPPROTO_IP, 8, "pktinfo"),
        (socket.AF_INET, socket.IPPROTO_IP, 12, "ttl"),
        (socket.AF_INET, socket.IPPROTO_IP, 13, "tos"),
        (V6, socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, "pktinfo"),
        (V6, socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, "hops"),
        (V6, socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, "class"),
    ],
)
def test_ancillary_data(same, family, level, option, enable):
    """What recvmsg tells of a datagram beside its bytes, when asked to."""

    async def body(record):
        host = "::1" if family == V6 else LOCAL
        with socket.socket(family, UDP) as ours, socket.socket(family, UDP) as theirs:
            for sock in (ours, theirs):
                sock.setblocking(False)
                sock.bind((host, 0))
            await record.do("set", ours.setsockopt, level, option, 1)
            theirs.sendto(b"x", ours.getsockname())
            await settled(2)
            data, ancillary, flags, _ = ours.recvmsg(10, 200)
            record.note(enable, (data, ancillary, flags))

    same(body)


# -- datagrams -------------------------------------------------------------------------------------


class Datagrams(asyncio.DatagramProtocol):
    """Keep what is heard."""

    def __init__(self):
        self.heard = []
        self.errors = []

    def datagram_received(self, data, addr):
        self.heard.append((data, addr))

    def error_received(self, exc):
        self.errors.append(type(exc).__name__)


def test_a_group(same):
    """A group on the loopback: members hear, with loop on, and others do not."""

    async def body(record):
        loop = asyncio.get_running_loop()
        group = "239.1.2.3"
        member = struct.pack("4s4s", socket.inet_aton(group), socket.inet_aton(LOCAL))
        socks = []
        port = 0
        for _ in range(2):
            sock = socket.socket(socket.AF_INET, UDP)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("", port))
            port = sock.getsockname()[1]
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(LOCAL))
            socks.append(sock)
        await record.do(
            "join", socks[0].setsockopt, socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member
        )
        await record.do(
            "twice", socks[0].setsockopt, socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member
        )
        ends = [await loop.create_datagram_endpoint(Datagrams, sock=sock) for sock in socks]
        ends[1][0].sendto(b"to all", (group, port))
        await settled()
        record.note("heard", [[data for data, _ in end[1].heard] for end in ends])
        sock = ends[0][0].get_extra_info("socket")
        await record.do(
            "leave", sock.setsockopt, socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP, member
        )
        await record.do(
            "twice", sock.setsockopt, socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP, member
        )
        ends[1][0].sendto(b"to nobody", (group, port))
        await settled()
        record.note("heard", [[data for data, _ in end[1].heard] for end in ends])
        for transport, _ in ends:
            transport.close()
        await settled()

    same(body)


@pytest.mark.parametrize("allow", [None, False, True])
def test_broadcasting_needs_the_option(same, allow):
    """allow_broadcast sets SO_BROADCAST; without it a broadcast is EACCES."""

    async def body(record):
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_datagram_endpoint(
            Datagrams, local_addr=(LOCAL, 0), allow_broadcast=allow
        )
        sock = transport.get_extra_info("socket")
        record.note("option", sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST))
        transport.sendto(b"x", ("127.255.255.255", 9))
        await settled()
        record.note("errors", protocol.errors)
        transport.close()
        await settled()

    same(body)


def test_unix_datagrams_by_path(same):
    """UNIX datagram endpoints: by path, connected, without a name, and to nobody."""

    async def body(record):
        loop = asyncio.get_running_loop()
        path = f"{record.root}/server"
        server, heard = await loop.create_datagram_endpoint(
            Datagrams, local_addr=path, family=socket.AF_UNIX
        )
        record.note("name", server.get_extra_info("sockname"))
        client, answers = await loop.create_datagram_endpoint(
            Datagrams, remote_addr=path, family=socket.AF_UNIX
        )
        record.note("names", (client.get_extra_info("sockname"), client.get_extra_info("peername")))
        client.sendto(b"one")
        client.sendto(b"two", path)
        await record.do("elsewhere", client.sendto, b"x", "/elsewhere")
        await settled()
        record.note("heard", heard.heard)
        server.sendto(b"nobody", f"{record.root}/nobody")
        await settled()
        record.note("errors", heard.errors)
        again = await record.do(
            "again",
            loop.create_datagram_endpoint,
            Datagrams,
            local_addr=path,
            family=socket.AF_UNIX,
        )
        client.sendto(b"to the old one")
        await settled()
        record.note("heard", (heard.heard, again[1].heard))
        for transport in (server, client, again[0]):
            transport.close()
        await settled()
        await record.do(
            "gone",
            loop.create_datagram_endpoint,
            Datagrams,
            remote_addr=path,
            family=socket.AF_UNIX,
        )
        del answers

    same(body)
