"""UNIX sockets and pipes, call by call against Linux."""

from __future__ import annotations

import array
import os
import socket
import struct

import pytest

from simloop.net import make_pipe, make_socket, make_socketpair

SO_ERROR = (socket.SOL_SOCKET, socket.SO_ERROR)
DGRAM, PACKETS = socket.SOCK_DGRAM, socket.SOCK_SEQPACKET


def look(arm, sock):
    arm.poll("poll", sock)
    arm.do("peername", sock.getpeername)
    arm.do("name", sock.getsockname)


def names(arm):
    sock = arm.unix()
    look(arm, sock)
    path = arm.path("a")
    for label, call, args in (
        ("listen", sock.listen, ()),
        ("accept", sock.accept, ()),
        ("send", sock.send, (b"x",)),
        ("recv", sock.recv, (1,)),
        ("sendto", sock.sendto, (b"x", path)),
        ("bind", sock.bind, (path,)),
        ("bind again", sock.bind, (arm.path("b"),)),
        ("taken", arm.unix().bind, (path,)),
        ("too long", arm.unix().bind, ("x" * 108,)),
        ("longest", arm.unix().bind, ("\0" + "x" * 107,)),
        ("a number", arm.unix().bind, (5,)),
        ("a tuple", arm.unix().bind, (("a", 1),)),
        ("not listening", arm.unix().connect_ex, (path,)),
        ("missing", arm.unix().connect_ex, (arm.path("zz"),)),
        ("abstract missing", arm.unix().connect_ex, ("\0simloop-zz",)),
        ("a tuple", arm.unix().connect_ex, (("a", 1),)),
        ("wrong type", arm.unix(DGRAM).connect_ex, (path,)),
        ("wrong type", arm.unix(PACKETS).connect_ex, (path,)),
    ):
        arm.do(label, call, *args)
    look(arm, sock)
    sock.close()
    arm.do("still there", arm.unix().bind, path)
    arm.do("refused", arm.unix().connect_ex, path)
    arm.unlink(path)
    arm.do("free", arm.unix().bind, path)


def abstract_names(arm):
    name = f"\0simloop-{os.getpid()}"
    sock = arm.unix()
    arm.do("bind", sock.bind, name)
    arm.do("name", lambda: type(sock.getsockname()))
    arm.do("bytes too", arm.unix().bind, name.encode())
    sock.close()
    again = arm.unix()
    arm.do("free at once", again.bind, name.encode())
    auto = arm.unix()
    arm.do("autobind", auto.bind, "")
    arm.do("form", lambda: (auto.getsockname()[:1], len(auto.getsockname())))


def connections(arm):
    path = arm.path("s")
    server = arm.unix()
    server.bind(path)
    server.listen(1)
    arm.poll("server", server)
    clients = [arm.unix() for _ in range(4)]
    for client in clients:
        arm.do("connect", client.connect_ex, path)
        look(arm, client)
    arm.do("connect again", clients[0].connect_ex, path)
    peer = arm.accept(server)
    look(arm, peer)
    arm.do("again", clients[0].connect_ex, path)
    arm.do("send", clients[0].send, b"hi")
    arm.do("recvfrom", peer.recvfrom, 9)
    arm.do("sendto", peer.sendto, b"hi", path)
    arm.do("credentials", lambda: len(peer.getsockopt(socket.SOL_SOCKET, 17, 12)))
    fresh = arm.unix()
    arm.do("nobody", lambda: struct.unpack("3i", fresh.getsockopt(socket.SOL_SOCKET, 17, 12)))
    server.close()
    arm.poll("left in the queue", clients[1])
    arm.do("recv", clients[1].recv, 1)
    arm.do("recv", clients[1].recv, 1)
    arm.do("send", clients[1].send, b"x")
    arm.do("refused", arm.unix().connect_ex, path)


def accepted_address(arm):
    server, client = arm.unix(), arm.unix()
    server.bind(arm.path("s"))
    server.listen()
    client.bind(arm.path("c"))
    client.connect(arm.path("s"))
    peer, address = server.accept()
    arm.keep(peer)
    arm.note("address", address)
    arm.do("peername", peer.getpeername)
    arm.do("recvfrom", lambda: (client.send(b"x"), peer.recvfrom(9)))


def bytes_cross(arm):
    first, second = arm.socketpair()
    look(arm, first)
    arm.do("nothing", first.recv, 1)
    arm.do("sendmsg", first.sendmsg, [b"a", bytearray(b"bc"), memoryview(b"d")])
    arm.do("peek", second.recv, 2, socket.MSG_PEEK)
    arm.do("recvmsg", second.recvmsg, 10, 100)
    arm.do("nodelay", first.setsockopt, socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    arm.do("reuse", first.setsockopt, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    arm.do("ipv6", first.getsockopt, 41, socket.IPV6_V6ONLY)


def ends(arm):
    for label, sends, reads_all in (
        ("unread", b"q", False),
        ("unread, nothing back", b"", False),
        ("read", b"q", True),
    ):
        first, second = arm.socketpair()
        first.send(b"x")
        if reads_all:
            second.recv(1)
        if sends:
            second.send(sends)
        second.close()
        arm.poll(label, first)
        for call, args in (
            ("send", (b"y",)),
            ("recv", (1,)),
            ("recv", (1,)),
            ("recv", (1,)),
            ("getpeername", ()),
            ("shutdown", (socket.SHUT_RDWR,)),
        ):
            arm.do(f"{label} {call}", getattr(first, call), *args)
        arm.poll(label, first)


@pytest.mark.parametrize("how", [socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR])
def test_shutdown_of_a_pair(same, how):
    """Each way to shut one end shows at both ends as on Linux."""

    def body(arm):
        first, second = arm.socketpair()
        second.send(b"before")
        arm.do("shutdown", first.shutdown, how)
        for label, sock in (("first", first), ("second", second)):
            arm.poll(label, sock)
            for call, args in (("send", (b"x",)), ("recv", (99,)), ("recv", (99,))):
                arm.do(f"{label} {call}", getattr(sock, call), *args)
        arm.do("fresh", arm.unix().shutdown, how)

    same(body)


def buffers_fill(arm):
    first, second = arm.socketpair()
    sent = arm.fill(first)
    arm.note("a lot", 150_000 < sent < 300_000)
    arm.poll("full", first)
    second.recv(4096)
    arm.poll("not enough room", first)
    arm.note("all", len(arm.drain(second)) + 4096 == sent)
    arm.poll("room", first)


def rights(arm):
    first, second = arm.socketpair()
    reader, writer = arm.pipe()

    def carried(message):
        data, ancillary, flags, address = message
        fds = array.array("i")
        for _, _, raw in ancillary:
            fds.frombytes(raw)
        for fd in fds:
            arm.write(fd, b"!") if fd % 2 == -1 else None
            arm.close_fd(fd)
        return data, [(level, kind, len(raw)) for level, kind, raw in ancillary], flags, address

    def send(data, *fds):
        item = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
        return first.sendmsg([data], [item] if fds else [])

    send(b"12")
    arm.do("send", send, b"ab", reader, writer)
    send(b"cd")
    arm.do("up to the files", lambda: carried(second.recvmsg(10, 100)))
    arm.do("the rest", lambda: carried(second.recvmsg(10, 100)))
    send(b"ab", reader)
    arm.do("part", lambda: carried(second.recvmsg(1, 100)))
    arm.do("rest", lambda: carried(second.recvmsg(9, 100)))
    send(b"12")
    send(b"ab", reader)
    send(b"cd")
    arm.do("recv drops them", second.recv, 10)
    arm.do("recv", second.recv, 10)
    send(b"ab", reader, writer)
    arm.do("no room", lambda: carried(second.recvmsg(10)))
    send(b"ab", reader, writer)
    arm.do("room for one", lambda: carried(second.recvmsg(10, socket.CMSG_LEN(4))))
    arm.do("not open", send, b"x", 1_900_000)
    arm.do("no bytes", send, b"", reader)
    item = (socket.SOL_SOCKET, 77, b"1234")
    arm.do("unknown", first.sendmsg, [b"x"], [item])
    arm.do("other level", first.sendmsg, [b"x"], [(77, 1, b"1234")])


def files_travel(arm):
    first, second = arm.socketpair()
    reader, writer = arm.pipe()
    item = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [writer]))
    first.sendmsg([b"x"], [item])
    arm.close_fd(writer)
    arm.poll("kept open by the message", reader)
    _, ancillary, _, _ = second.recvmsg(9, 99)
    fd = array.array("i", ancillary[0][2])[0]
    arm.do("write", arm.write, fd, b"through")
    arm.do("read", arm.read, reader, 99)
    arm.close_fd(fd)
    arm.poll("closed", reader)


def datagrams(arm):
    first, second = arm.socketpair(DGRAM)
    look(arm, first)
    arm.do("send", first.send, b"abc")
    arm.do("cut", second.recvfrom, 2)
    arm.do("gone", second.recv, 2)
    arm.do("empty", first.send, b"")
    arm.do("empty", second.recv, 9)
    arm.do("recvmsg", lambda: (first.send(b"abcd"), second.recvmsg(2)))
    sent = 0
    try:
        while True:
            first.send(b"x")
            sent += 1
    except BlockingIOError:
        arm.note("full", 200 < sent < 400)
    arm.poll("full", first)
    second.recv(1)
    arm.poll("not enough room", first)
    arm.do("too large", first.send, bytes(300_000))
    for _ in range(sent - 1):
        second.recv(1)
    arm.poll("room", first)
    second.close()
    for call, args in (("send", (b"x",)), ("send", (b"x",)), ("recv", (1,))):
        arm.do(call, getattr(first, call), *args)
    arm.poll("alone", first)


def named_datagrams(arm):
    server, client = arm.unix(DGRAM), arm.unix(DGRAM)
    server.bind(arm.path("d"))
    for label, call, args in (
        ("send", client.send, (b"x",)),
        ("recv", client.recv, (1,)),
        ("shutdown", arm.unix(DGRAM).shutdown, (1,)),
        ("listen", client.listen, ()),
        ("accept", client.accept, ()),
        ("sendto", client.sendto, (b"hi", arm.path("d"))),
        ("from nobody", server.recvfrom, (9,)),
        ("bind", client.bind, (arm.path("e"),)),
        ("sendto", client.sendto, (b"hi", arm.path("d"))),
        ("from", server.recvfrom, (9,)),
        ("answer", server.sendto, (b"yo", arm.path("e"))),
        ("from", client.recvfrom, (9,)),
        ("connect", client.connect_ex, (arm.path("d"),)),
        ("send", client.send, (b"z",)),
        ("peer", client.getpeername, ()),
        ("a stranger", arm.unix(DGRAM).sendto, (b"q", arm.path("e"))),
        ("missing", arm.unix(DGRAM).sendto, (b"q", arm.path("nope"))),
    ):
        arm.do(label, call, *args)
    server.close()
    for label, call, args in (
        ("closed", client.send, (b"z",)),
        ("again", client.send, (b"z",)),
        ("sendto", client.sendto, (b"z", arm.path("d"))),
    ):
        arm.do(label, call, *args)


def packets(arm):
    first, second = arm.socketpair(PACKETS)
    arm.do("send", first.send, b"abc")
    arm.do("send", first.send, b"de")
    arm.do("peek", second.recv, 2, socket.MSG_PEEK)
    arm.do("cut", second.recvmsg, 2)
    arm.do("recv", second.recv, 10)
    arm.do("nothing", second.recv, 10)
    arm.do("sendto", first.sendto, b"x", arm.path("a"))
    arm.do("recv", second.recv, 10)
    arm.poll("idle", second)
    first.close()
    arm.do("eof", second.recv, 1)
    arm.do("send", second.send, b"x")
    arm.poll("over", second)
    server, client = arm.unix(PACKETS), arm.unix(PACKETS)
    server.bind(arm.path("p"))
    server.listen()
    arm.do("connect", client.connect_ex, arm.path("p"))
    peer = arm.accept(server)
    client.send(b"one")
    client.send(b"two")
    arm.do("one", peer.recv, 99)
    arm.do("two", peer.recv, 99)


def pipes(arm):
    reader, writer = arm.pipe()
    arm.poll("reader", reader)
    arm.poll("writer", writer)
    arm.do("nothing", arm.read, reader, 1)
    arm.do("write", arm.write, writer, b"hello")
    arm.do("read", arm.read, reader, 3)
    arm.do("read", arm.read, reader, 30)
    arm.do("wrong end", arm.write, reader, b"x")
    arm.do("wrong end", arm.read, writer, 1)
    arm.do("negative", arm.read, reader, -1)
    arm.do("zero", arm.read, reader, 0)
    arm.do("text", arm.write, writer, "x")
    arm.do("empty", arm.write, writer, b"")
    arm.do("capacity", lambda: arm.write(writer, bytes(100_000)) == 65536)
    arm.poll("full", writer)
    arm.do("full", arm.write, writer, b"x")
    arm.read(reader, 4096)
    arm.poll("room", writer)
    arm.do("atomic", lambda: arm.write(writer, bytes(4096)) == 4096)
    arm.do("drained", lambda: len(arm.read(reader, 100_000)) == 65536)
    arm.write(writer, b"last")
    arm.close_fd(writer)
    arm.poll("writer gone", reader)
    arm.do("read", arm.read, reader, 30)
    arm.do("eof", arm.read, reader, 30)
    arm.poll("at the end", reader)


def broken_pipe(arm):
    reader, writer = arm.pipe()
    arm.close_fd(reader)
    arm.poll("reader gone", writer)
    arm.do("write nothing", arm.write, writer, b"")
    arm.do("write", arm.write, writer, b"x")
    arm.do("closed", arm.read, reader, 1)
    arm.do("closed", arm.close_fd, reader)


def reading_sockets_by_descriptor(arm):
    first, second = arm.socketpair()
    arm.do("write", arm.write, first.fileno(), b"abc")
    arm.do("read", arm.read, second.fileno(), 2)
    arm.do("read", arm.read, second.fileno(), 2)
    arm.do("nothing", arm.read, second.fileno(), 2)
    first.close()
    arm.do("eof", arm.read, second.fileno(), 2)
    arm.do("write", arm.write, second.fileno(), b"x")


def datagrams_that_end(arm):
    for how in (socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR):
        first, second = arm.socketpair(DGRAM)
        arm.do("shutdown", first.shutdown, how)
        for label, sock in (("first", first), ("second", second)):
            arm.poll(label, sock)
            arm.do(f"{label} send", sock.send, b"x")
    arm.do("shutdown", first.shutdown, 9)
    first, second = arm.socketpair(DGRAM)
    first.send(b"unread")
    second.close()
    arm.poll("room again", first)
    sock = arm.unix(DGRAM)
    sock.bind(arm.path("gone"))
    arm.do("oob", sock.sendto, b"x", socket.MSG_OOB, arm.path("gone"))
    arm.do("to itself", sock.sendto, b"x", arm.path("gone"))
    arm.do("from itself", sock.recvfrom, 9)


def files_in_messages(arm):
    for kind in (DGRAM, PACKETS):
        first, second = arm.socketpair(kind)
        reader, writer = arm.pipe()
        item = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [writer]))
        arm.do("send", first.sendmsg, [b"x"], [item])
        arm.do("send", first.sendmsg, [b"y"], [item])
        arm.do("send", first.sendmsg, [b"z"], [item])
        arm.close_fd(writer)
        arm.do("dropped", second.recv, 9)
        _, ancillary, _, _ = second.recvmsg(9, 99)
        fd = array.array("i", ancillary[0][2])[0]
        arm.do("write", arm.write, fd, b"through")
        arm.do("read", arm.read, reader, 99)
        arm.close_fd(fd)
        arm.poll("one is left in the queue", reader)
        second.close()
        arm.poll("closed", reader)


def packets_fill(arm):
    first, second = arm.socketpair(PACKETS)
    arm.do("too large", first.send, bytes(300_000))
    sent = arm.fill(first, bytes(10_000))
    arm.note("a lot", 100_000 < sent < 300_000)
    arm.poll("full", first)
    arm.note("all", len(arm.drain(second)) == sent)
    arm.poll("room", first)


def options_of_unix_sockets(arm):
    for kind in (socket.SOCK_STREAM, DGRAM, PACKETS):
        first, _ = arm.socketpair(kind)
        for name in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            arm.do("set", first.setsockopt, socket.SOL_SOCKET, name, 20_000)
            arm.do("get", first.getsockopt, socket.SOL_SOCKET, name)
        for name in (socket.SO_TYPE, socket.SO_DOMAIN, socket.SO_PROTOCOL, socket.SO_ACCEPTCONN):
            arm.do("get", first.getsockopt, socket.SOL_SOCKET, name)


SCENARIOS = [
    datagrams_that_end,
    files_in_messages,
    packets_fill,
    options_of_unix_sockets,
    names,
    abstract_names,
    connections,
    accepted_address,
    bytes_cross,
    ends,
    buffers_fill,
    rights,
    files_travel,
    datagrams,
    named_datagrams,
    packets,
    pipes,
    broken_pipe,
    reading_sockets_by_descriptor,
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_unix_is_linux(same, scenario):
    """Every call of the scenario gives the value or the error that it gives on Linux."""
    same(scenario)


def test_permissions_of_paths(host):
    """Without the owner's right to write a path, nobody can connect to it."""
    server = make_socket(host, socket.AF_UNIX)
    server.bind("/run/s")
    server.listen()
    assert host.unix.entry("/run/s").mode == 0o755
    host.unix.chmod("/run/s", 0o555)
    client = make_socket(host, socket.AF_UNIX)
    with pytest.raises(PermissionError):
        client.connect("/run/s")
    host.unix.chmod("/run/s", 0o600)
    client.connect("/run/s")
    server.close()
    client.close()
    assert host.unix.exists("/run/s")
    host.unix.unlink("/run/s")
    with pytest.raises(FileNotFoundError):
        host.unix.unlink("/run/s")


def test_a_blocking_connect_to_a_full_queue_waits(host):
    """In blocking mode a UNIX connect that finds the queue full waits by the hook."""
    server = make_socket(host, socket.AF_UNIX)
    server.bind("s")
    server.listen(0)
    first, second = make_socket(host, socket.AF_UNIX), make_socket(host, socket.AF_UNIX)
    first.connect("s")
    asked = []

    def on_would_block(sock, what, timeout):
        asked.append((what, timeout))
        server.accept()[0].close()
        return timeout

    host.on_would_block = on_would_block
    second.connect("s")
    assert asked == [("connect", None)]
    for sock in (server, first, second):
        sock.close()


def test_files_in_flight_are_closed_with_the_socket(host):
    """Files that nobody received are released when the message is lost."""
    first, second = make_socketpair(host)
    reader, writer = make_pipe(host)
    item = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [writer]))
    first.sendmsg([b"x"], [item])
    host.close(writer)
    second.close()
    assert host.read(reader, 1) == b""
    first.close()
    host.close(reader)
    assert len(host.descriptors) == 0


def test_socketpair_is_for_unix_only(host):
    """A pair of another family is refused as on Linux."""
    with pytest.raises(OSError, match="Operation not supported"):
        make_socketpair(host, socket.AF_INET)
