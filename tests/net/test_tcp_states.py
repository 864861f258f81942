"""TCP, call by call: each scenario runs on both arms and must give the same."""

from __future__ import annotations

import errno
import socket
import struct

import pytest

from simloop.net import make_socket

ANY = "0.0.0.0"  # noqa: S104  # An address in a virtual world, mostly.
RESET = struct.pack("ii", 1, 0)
LINGER = (socket.SOL_SOCKET, socket.SO_LINGER, RESET)
SO_ERROR = (socket.SOL_SOCKET, socket.SO_ERROR)
NOBODY = ("127.0.0.1", 1)


def look(arm, sock, *, label=""):
    """Ask a socket for everything that tells its state, without changing it (but SO_ERROR)."""
    arm.poll(f"{label} poll", sock)
    arm.do(f"{label} peername", sock.getpeername)


def end(arm, sock, label=""):
    """Find out how a connection ended, by each call in turn."""
    look(arm, sock, label=label)
    for call, args in (("recv", (9,)), ("recv", (9,)), ("send", (b"x",)), ("send", (b"x",))):
        arm.do(f"{label} {call}", getattr(sock, call), *args)
    arm.do(f"{label} error", sock.getsockopt, *SO_ERROR)
    arm.poll(f"{label} poll at the end", sock)


def fresh_socket(arm):
    sock = arm.tcp()
    look(arm, sock)
    arm.do("name", sock.getsockname)
    for call, args in (
        ("recv", (1,)),
        ("send", (b"x",)),
        ("accept", ()),
        ("shutdown", (socket.SHUT_WR,)),
        ("sendto", (b"x", NOBODY)),
        ("recvfrom", (4,)),
    ):
        arm.do(call, getattr(sock, call), *args)


def listener(arm):
    sock = arm.listener()
    arm.do("name", sock.getsockname)
    look(arm, sock)
    arm.do("accepts", sock.getsockopt, socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    for call, args in (
        ("recv", (1,)),
        ("send", (b"x",)),
        ("accept", ()),
        ("connect_ex", (sock.getsockname(),)),
        ("listen", (7,)),
        ("bind", (("127.0.0.1", 0),)),
        ("shutdown", (socket.SHUT_WR,)),
    ):
        arm.do(call, getattr(sock, call), *args)
    look(arm, sock)
    arm.do("shutdown for reading", sock.shutdown, socket.SHUT_RD)
    look(arm, sock)
    arm.do("accept", sock.accept)
    arm.do("listen again", sock.listen)
    look(arm, sock)


def listen_without_bind(arm):
    sock = arm.tcp()
    arm.do("listen", sock.listen)
    arm.do("name", lambda: sock.getsockname()[0])
    arm.do("port", lambda: sock.getsockname()[1] > 0)


def connect_succeeds(arm):
    server = arm.listener()
    client = arm.tcp()
    arm.do("connect", client.connect, server.getsockname())
    arm.wait(client, "out")
    look(arm, client)
    arm.do("error", client.getsockopt, *SO_ERROR)
    arm.do("connect again", client.connect_ex, server.getsockname())
    arm.do("and again", client.connect_ex, server.getsockname())
    arm.poll("server", server)
    peer = arm.accept(server)
    arm.do("same ends", lambda: peer.getpeername() == client.getsockname())
    arm.do("other ends", lambda: peer.getsockname() == client.getpeername())
    arm.do("nothing more", server.accept)
    arm.do("listen", client.listen)
    arm.do("bind", client.bind, ("127.0.0.1", 0))
    arm.do("accept", client.accept)


def connect_refused(arm):
    sock = arm.tcp()
    arm.do("connect", sock.connect_ex, NOBODY)
    arm.wait(sock, "hup")
    look(arm, sock)
    arm.do("error", sock.getsockopt, *SO_ERROR)
    arm.do("error again", sock.getsockopt, *SO_ERROR)
    look(arm, sock)
    arm.do("recv", sock.recv, 1)
    arm.do("send", sock.send, b"x")
    arm.do("connect", sock.connect_ex, NOBODY)
    look(arm, sock)
    arm.do("connect", sock.connect_ex, NOBODY)


@pytest.mark.parametrize("call", ["recv", "send", "connect_ex"])
def test_who_hears_first_of_a_refused_connection(same, call):
    """The first call after a refused connect gives ECONNREFUSED, the next ones what Linux says."""

    def body(arm):
        sock = arm.tcp()
        sock.connect_ex(NOBODY)
        arm.wait(sock, "hup")
        args = {"recv": (1,), "send": (b"x",), "connect_ex": (NOBODY,)}[call]
        for _ in range(3):
            arm.do(call, getattr(sock, call), *args)

    same(body)


def connect_to_the_wildcard(arm):
    server = arm.listener((ANY, 0))
    client = arm.tcp()
    arm.do("connect", client.connect_ex, (ANY, server.getsockname()[1]))
    arm.wait(client, "out")
    arm.do("peer", lambda: client.getpeername()[0])
    arm.do("name", lambda: client.getsockname()[0])
    other = arm.tcp()
    arm.do("connect", other.connect_ex, ("127.0.0.5", server.getsockname()[1]))
    arm.wait(other, "out")
    arm.do("names", lambda: (other.getsockname()[0], other.getpeername()[0]))
    arm.accept(server)
    arm.do("served at", lambda: arm.accept(server).getsockname()[0])


def connect_from_a_bound_address(arm):
    server = arm.listener()
    client = arm.tcp()
    client.bind(("127.0.0.9", 0))
    port = client.getsockname()[1]
    client.connect_ex(server.getsockname())
    arm.wait(client, "out")
    arm.do("name", lambda: client.getsockname() == ("127.0.0.9", port))
    arm.do("seen as", lambda: arm.accept(server).getpeername() == ("127.0.0.9", port))


def connect_where_nobody_can_be(arm):
    for address in (("255.255.255.255", 80), ("224.0.0.1", 80)):
        sock = arm.tcp()
        arm.do(address[0], sock.connect_ex, address)
        look(arm, sock)


def bytes_cross(arm):
    _, client, server = arm.connected()
    look(arm, client, label="client")
    look(arm, server, label="server")
    arm.do("nothing", server.recv, 10)
    arm.do("send", client.send, b"hello ")
    arm.do("send", client.send, b"world")
    arm.poll("server", server)
    arm.do("peek", server.recv, 3, socket.MSG_PEEK)
    arm.do("part", server.recv, 8)
    arm.do("rest", server.recv, 100)
    arm.do("nothing", server.recv, 100)
    arm.do("empty", client.send, b"")
    arm.poll("server", server)
    arm.do("sendto", server.sendto, b"abc", ("127.0.0.1", 9))
    arm.do("recvfrom", client.recvfrom, 10)
    arm.do("sendmsg", server.sendmsg, [b"a", bytearray(b"b"), memoryview(b"cd")])
    arm.do("recvmsg", client.recvmsg, 3, 100)
    arm.do("sendall", server.sendall, b"efghij")
    buffers = [bytearray(2), bytearray(3)]
    arm.do("recvmsg_into", client.recvmsg_into, buffers)
    arm.note("buffers", buffers)
    buffer = bytearray(8)
    arm.do("recv_into", client.recv_into, buffer, 1)
    arm.do("recv_into", client.recv_into, memoryview(buffer)[1:])
    arm.note("buffer", bytes(buffer))


def half_close(arm):
    _, client, server = arm.connected()
    client.send(b"last")
    arm.do("shutdown", client.shutdown, socket.SHUT_WR)
    look(arm, client, label="client")
    look(arm, server, label="server")
    arm.do("send", client.send, b"x")
    arm.do("recv", server.recv, 10)
    arm.do("eof", server.recv, 10)
    arm.do("eof", server.recv, 10)
    arm.do("other way", server.send, b"yy")
    arm.do("other way", client.recv, 10)
    arm.do("again", client.shutdown, socket.SHUT_WR)
    arm.do("shutdown", server.shutdown, socket.SHUT_WR)
    for label, sock in (("client", client), ("server", server)):
        arm.do(f"{label} shutdown", sock.shutdown, socket.SHUT_RDWR)
        end(arm, sock, label)


def shut_for_reading(arm):
    _, client, server = arm.connected()
    arm.do("shutdown", server.shutdown, socket.SHUT_RD)
    look(arm, server, label="server")
    arm.do("recv", server.recv, 10)
    arm.do("send", client.send, b"abc")
    look(arm, client, label="client")
    arm.do("recv", server.recv, 10)
    arm.do("recv", server.recv, 10)
    arm.do("send", server.send, b"k")
    arm.do("recv", client.recv, 10)


def peer_closed(arm):
    _, client, server = arm.connected()
    server.send(b"bye")
    server.close()
    look(arm, client)
    end(arm, client)


def peer_closed_send_first(arm):
    _, client, server = arm.connected()
    server.close()
    arm.do("send", client.send, b"x")
    look(arm, client)
    arm.do("send", client.send, b"x")
    arm.do("recv", client.recv, 1)
    arm.do("error", client.getsockopt, *SO_ERROR)


def peer_closed_error_asked(arm):
    _, client, server = arm.connected()
    server.close()
    arm.do("recv", client.recv, 1)
    arm.do("send", client.send, b"x")
    arm.do("error", client.getsockopt, *SO_ERROR)
    end(arm, client)


def peer_closed_with_unread_bytes(arm):
    _, client, server = arm.connected()
    client.send(b"unread")
    server.send(b"world")
    server.close()
    end(arm, client)
    arm.do("connect", client.connect_ex, NOBODY)


def peer_reset(arm):
    _, client, server = arm.connected()
    server.setsockopt(*LINGER)
    server.close()
    end(arm, client)


def peer_reset_send_first(arm):
    _, client, server = arm.connected()
    server.setsockopt(*LINGER)
    server.close()
    arm.do("send", client.send, b"x")
    arm.do("recv", client.recv, 1)
    arm.do("send", client.send, b"x")
    arm.do("shutdown", client.shutdown, socket.SHUT_WR)


def peer_reset_with_bytes_before(arm):
    _, client, server = arm.connected()
    server.send(b"world")
    server.setsockopt(*LINGER)
    server.close()
    end(arm, client)


def half_closed_and_reset(arm):
    _, client, server = arm.connected()
    client.send(b"x")
    client.shutdown(socket.SHUT_WR)
    server.close()
    end(arm, client)


def full_backlog(arm):
    server = arm.listener(backlog=2)
    clients = [arm.tcp() for _ in range(4)]
    for number, client in enumerate(clients):
        arm.do(f"connect {number}", client.connect_ex, server.getsockname())
        arm.poll(f"client {number}", client)
    for number in range(3):
        arm.do(
            f"order {number}",
            lambda number=number: arm.accept(server).getpeername() == clients[number].getsockname(),
        )


def listener_closes_with_a_queue(arm):
    server = arm.listener()
    client = arm.tcp()
    client.connect_ex(server.getsockname())
    arm.wait(client, "out")
    arm.do("send before accept", client.send, b"hi")
    server.close()
    end(arm, client)


def client_is_gone_before_accept(arm):
    server = arm.listener()
    client = arm.tcp()
    client.connect_ex(server.getsockname())
    arm.wait(client, "out")
    client.send(b"hi")
    client.close()
    peer = arm.accept(server)
    arm.do("recv", peer.recv, 10)
    arm.do("eof", peer.recv, 10)
    client = arm.tcp()
    client.connect_ex(server.getsockname())
    arm.wait(client, "out")
    client.setsockopt(*LINGER)
    client.close()
    peer = arm.accept(server)
    end(arm, peer)


def buffers_fill(arm):
    _, client, server = arm.connected()
    sent = arm.fill(client)
    arm.note("a lot", sent > 65536)
    arm.poll("client", client)
    arm.poll("server", server)
    got = 0
    while got < sent:
        got += len(server.recv(1 << 20))
    arm.note("all", got == sent)
    arm.wait(client, "out")
    arm.do("send", client.send, b"x")


def close_with_bytes_under_way(arm):
    _, client, server = arm.connected()
    sent = arm.fill(client)
    client.close()
    got = 0
    while got < sent:
        arm.wait(server, "in")
        got += len(server.recv(1 << 20))
    arm.wait(server, "rdhup")
    arm.do("eof", server.recv, 1)
    arm.do("send", server.send, b"x")
    arm.wait(server, "hup")
    arm.do("send", server.send, b"x")


def address_family_of_dual_stack(arm):
    server = arm.listener(("::", 0), socket.AF_INET6)
    port = server.getsockname()[1]
    for family, address in (
        (socket.AF_INET, ("127.0.0.1", port)),
        (socket.AF_INET6, ("::1", port)),
        (socket.AF_INET6, ("::ffff:127.0.0.1", port)),
    ):
        client = arm.tcp(family)
        arm.do("connect", client.connect_ex, address)
        arm.wait(client, "out")
        peer, seen = server.accept()
        arm.keep(peer)
        arm.note("address", seen)
        for call in (peer.getsockname, peer.getpeername, client.getsockname, client.getpeername):
            arm.do("name", call)


def ipv6_only(arm):
    server = arm.listener(("::", 0), socket.AF_INET6, options=[(41, socket.IPV6_V6ONLY, 1)])
    client = arm.tcp()
    arm.do("connect", client.connect_ex, ("127.0.0.1", server.getsockname()[1]))
    arm.wait(client, "hup")
    client = arm.tcp(socket.AF_INET6)
    client.setsockopt(41, socket.IPV6_V6ONLY, 1)
    arm.do("mapped bind", client.bind, ("::ffff:127.0.0.1", 0))
    arm.do("mapped connect", client.connect_ex, ("::ffff:127.0.0.1", 80))
    client = arm.tcp(socket.AF_INET6)
    client.bind(("::1", 0))
    arm.do("too late", client.setsockopt, 41, socket.IPV6_V6ONLY, 1)
    arm.do("other family", client.connect_ex, ("::ffff:127.0.0.1", 80))


def options_are_inherited(arm):
    options = [
        (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77),
    ]
    _, _, server = arm.connected(options)
    for level, name, _ in options:
        arm.do("option", server.getsockopt, level, name)


def shut_before_it_connects(arm):
    for how in (socket.SHUT_RD, socket.SHUT_WR):
        server = arm.listener()
        client = arm.tcp()
        arm.do(f"{how} shutdown", client.shutdown, how)
        arm.do(f"{how} connect", client.connect_ex, server.getsockname())
        arm.wait(server, "in")
        child = arm.accept(server)
        arm.do(f"{how} send", child.send, b"x")
        end(arm, child, f"{how} server")


def tcp_info_tells_the_state(arm):
    def info(label, sock):
        arm.do(label, lambda: sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[0])

    info("fresh", arm.tcp())
    listener, client, server = arm.connected()
    info("listener", listener)
    for label, sock in (("client", client), ("server", server)):
        info(f"{label} connected", sock)
    client.shutdown(socket.SHUT_WR)
    arm.wait(server, "rdhup")
    info("the peer sends no more", server)  # The client's waits for Linux' delayed ACK.
    server.shutdown(socket.SHUT_WR)
    arm.wait(client, "hup")
    for label, sock in (("client", client), ("server", server)):
        info(f"{label} at the end", sock)
    _, client, server = arm.connected()
    arm.fill(client)
    client.shutdown(socket.SHUT_WR)
    info("its end is queued", client)
    server.shutdown(socket.SHUT_WR)
    arm.wait(client, "rdhup")
    info("both ends are under way", client)
    _, client, server = arm.connected()
    arm.fill(client)
    server.shutdown(socket.SHUT_WR)
    arm.wait(client, "rdhup")
    client.shutdown(socket.SHUT_WR)
    info("its end is queued behind the peer's", client)


def reset_in_each_state(arm):
    for first, second in (("client", None), ("server", None), ("client", "server")):
        for order in ((first, second), (second, first)):
            _, client, server = arm.connected()
            arm.fill(client)
            for name in filter(None, order):
                sock = client if name == "client" else server
                sock.shutdown(socket.SHUT_WR)
                if name == "server":
                    arm.wait(client, "rdhup")
            server.setsockopt(*LINGER)
            server.close()
            arm.wait(client, "hup")
            arm.do(f"{order} error", client.getsockopt, *SO_ERROR)
            end(arm, client, f"{order}")


def shut_before_and_after_it_connects(arm):
    server = arm.listener()
    client = arm.tcp()
    arm.do("shutdown", client.shutdown, socket.SHUT_WR)
    arm.do("connect", client.connect_ex, server.getsockname())
    arm.wait(server, "in")
    child = arm.accept(server)
    arm.do("send", client.send, b"x")
    arm.poll("child", child)
    arm.do("shutdown", client.shutdown, socket.SHUT_WR)
    arm.poll("child", child)
    arm.do("recv", child.recv, 1)


SCENARIOS = [
    fresh_socket,
    listener,
    listen_without_bind,
    connect_succeeds,
    connect_refused,
    connect_to_the_wildcard,
    connect_from_a_bound_address,
    connect_where_nobody_can_be,
    bytes_cross,
    half_close,
    shut_for_reading,
    peer_closed,
    peer_closed_send_first,
    peer_closed_error_asked,
    peer_closed_with_unread_bytes,
    peer_reset,
    peer_reset_send_first,
    peer_reset_with_bytes_before,
    half_closed_and_reset,
    full_backlog,
    listener_closes_with_a_queue,
    client_is_gone_before_accept,
    shut_before_it_connects,
    shut_before_and_after_it_connects,
    tcp_info_tells_the_state,
    reset_in_each_state,
    buffers_fill,
    close_with_bytes_under_way,
    address_family_of_dual_stack,
    ipv6_only,
    options_are_inherited,
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_tcp_is_linux(same, scenario):
    """Every call of the scenario gives the value or the error that it gives on Linux."""
    same(scenario)


def test_a_full_backlog_moves_up(host):
    """Who found the queue full is connected as soon as an accept makes room."""
    server = make_socket(host)
    server.setblocking(False)
    server.bind(("127.0.0.1", 0))
    server.listen(0)
    clients = [make_socket(host) for _ in range(3)]
    for client in clients:
        client.setblocking(False)
        assert client.connect_ex(server.getsockname()) == errno.EINPROGRESS
    assert [client.file.writable for client in clients] == [True, False, False]
    served = [server.accept()[0] for _ in clients]
    assert [client.file.writable for client in clients] == [True, True, True]
    assert [sock.getpeername() for sock in served] == [client.getsockname() for client in clients]
    host.check()
    for sock in (server, *clients, *served):
        sock.close()


def test_those_who_wait_for_a_closed_listener_are_refused(host):
    """A client outside of a full queue gets ECONNREFUSED when the listener closes."""
    server = make_socket(host)
    server.bind(("127.0.0.1", 0))
    server.listen(0)
    first, second = make_socket(host), make_socket(host)
    for client in (first, second):
        client.setblocking(False)
        client.connect_ex(server.getsockname())
    server.close()
    assert first.getsockopt(*SO_ERROR) == errno.ECONNRESET
    assert second.getsockopt(*SO_ERROR) == errno.ECONNREFUSED
    first.close()
    second.close()
