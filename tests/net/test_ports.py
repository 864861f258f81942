"""Who may bind what: Linux' rules of sharing, ephemeral ports, and the table against a model."""

from __future__ import annotations

import errno
import itertools
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from simloop.net import Network, make_socket
from simloop.net.addressing.port_tables import PortTable, may_share_tcp

ANY = "0.0.0.0"  # noqa: S104  # An address in a virtual world, mostly.
SOL = socket.SOL_SOCKET
PLAIN, ADDRESS, PORT = (), ((SOL, socket.SO_REUSEADDR, 1),), ((SOL, socket.SO_REUSEPORT, 1),)
V6ONLY = ((41, socket.IPV6_V6ONLY, 1),)
V4, V6 = socket.AF_INET, socket.AF_INET6


def bound(arm, family, kind, address, options, *, listens=False):
    sock = arm.make(family, kind)
    for option in options:
        sock.setsockopt(*option)
    sock.bind(address)
    if listens:
        sock.listen()
    return sock


def free_port(arm):
    """A port that nobody has, on either arm."""
    sock = arm.make(V6, socket.SOCK_STREAM)
    sock.bind(("::", 0))
    port = sock.getsockname()[1]
    sock.close()
    return port


HOSTS = ["127.0.0.1", ANY, "127.0.0.2"]


@pytest.mark.parametrize(
    ("first", "second", "mine", "yours"),
    [
        (first, second, mine, yours)
        for first, second in itertools.product(HOSTS[:2], HOSTS)
        for mine, yours in itertools.product((PLAIN, ADDRESS, PORT, ADDRESS + PORT), repeat=2)
    ],
    ids=repr,
)
def test_sharing_a_port(same, first, second, mine, yours):
    """bind() and listen() of a second socket succeed or are EADDRINUSE exactly as on Linux."""

    def body(arm):
        for kind, listens in (
            (socket.SOCK_STREAM, False),
            (socket.SOCK_STREAM, True),
            (socket.SOCK_DGRAM, False),
        ):
            port = free_port(arm)
            one = bound(arm, V4, kind, (first, port), mine, listens=listens)
            other = arm.make(V4, kind)
            for option in yours:
                other.setsockopt(*option)
            arm.do(f"bind {kind} {listens}", other.bind, (second, port))
            if kind == socket.SOCK_STREAM:
                arm.do("listen", other.listen)
            one.close()
            other.close()

    same(body)


FAMILIES = [(V4, "127.0.0.1"), (V4, ANY), (V6, "::1"), (V6, "::")]


@pytest.mark.parametrize(
    ("one", "other"), list(itertools.product(FAMILIES, FAMILIES)), ids=lambda pair: pair[1]
)
def test_both_families_share_one_space_of_ports(same, one, other):
    """A dual-stack wildcard collides with IPv4, one with IPV6_V6ONLY does not."""

    def body(arm):
        for mine, yours in itertools.product((PLAIN, V6ONLY), repeat=2):
            if (mine and one[0] == V4) or (yours and other[0] == V4):
                continue
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                port = free_port(arm)
                first = bound(arm, one[0], kind, (one[1], port), mine)
                second = arm.make(other[0], kind)
                for option in yours:
                    second.setsockopt(*option)
                arm.do("bind", second.bind, (other[1], port))
                first.close()
                second.close()

    same(body)


@pytest.mark.parametrize("options", [PLAIN, ADDRESS], ids=["plain", "reuse"])
def test_rebinding_while_a_connection_lives(same, options):
    """An accepted connection keeps its port from a new bind unless both have SO_REUSEADDR."""

    def body(arm):
        listener, client, server = arm.connected(options)
        name = listener.getsockname()
        listener.close()
        again = arm.tcp()
        for option in options:
            again.setsockopt(*option)
        arm.do("bind", again.bind, name)
        arm.do("listen", again.listen)
        client.send(b"x")
        arm.wait(server, "in")
        arm.do("still connected", server.recv, 1)

    same(body)


def test_rebinding_at_once_after_close(host):
    """No TIME_WAIT: a port is free as soon as its sockets are closed, whoever closed first."""
    for closes_first in (0, 1):
        listener = make_socket(host)
        listener.bind(("127.0.0.1", 4000))
        listener.listen()
        client = make_socket(host)
        client.connect(("127.0.0.1", 4000))
        pair = [client, listener.accept()[0]]
        pair[closes_first].close()
        pair[1 - closes_first].close()
        listener.close()
    assert host.tcp.holders == {}


def test_ephemeral_ports_count_up(host):
    """Ports of the system's choice are the same in every run, and not given twice in a row."""
    ports = []
    for _ in range(3):
        with make_socket(host) as sock:
            sock.bind(("127.0.0.1", 0))
            ports.append(sock.getsockname()[1])
    assert ports == [32768, 32769, 32770]


def test_ephemeral_ports_start_over(host):
    """After the last ephemeral port comes the first one that is free."""
    host.tcp.last = host.tcp.first + 2
    socks = [make_socket(host) for _ in range(3)]
    for sock in socks:
        sock.bind(("127.0.0.1", 0))
    with make_socket(host) as one_more, pytest.raises(OSError, match="Address already in use"):
        one_more.bind(("127.0.0.1", 0))
    socks[1].close()
    with make_socket(host) as sock:
        sock.bind(("127.0.0.1", 0))
        assert sock.getsockname()[1] == 32769
    for sock in socks:
        sock.close()


def test_connections_to_different_peers_share_ephemeral_ports(host):
    """When all ports are in use, connections to other peers go on, and to the same are refused."""
    listeners = [make_socket(host) for _ in range(2)]
    for number, listener in enumerate(listeners):
        listener.bind(("127.0.0.1", 1000 + number))
        listener.listen()
    host.tcp.last = host.tcp.first + 1
    clients = [make_socket(host) for _ in range(5)]
    for client, port in zip(clients, [1000, 1000, 1001, 1001], strict=False):
        client.connect(("127.0.0.1", port))
    assert clients[4].connect_ex(("127.0.0.1", 1000)) == errno.EADDRNOTAVAIL
    host.check()
    for sock in (*clients, *listeners):
        sock.close()
    assert host.tcp.holders == {}


def test_reuse_port_serves_in_turn(host):
    """Listeners that share a port by SO_REUSEPORT get the connections one after the other."""
    listeners = [make_socket(host) for _ in range(3)]
    for listener in listeners:
        listener.setsockopt(SOL, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", 1000))
        listener.listen()
    clients = [make_socket(host) for _ in range(6)]
    for client in clients:
        client.connect(("127.0.0.1", 1000))
    assert [len(listener.file.queue) for listener in listeners] == [2, 2, 2]
    host.network.share = lambda destination, count, source: count - 1
    clients.append(make_socket(host))
    clients[-1].connect(("127.0.0.1", 1000))
    assert [len(listener.file.queue) for listener in listeners] == [2, 2, 3]
    for sock in (*clients, *listeners):
        sock.close()


class Sock:
    """A holder for the table, as plain as can be."""

    is_v6only = False

    def __init__(self, held_ip, *, reuse_address, reuse_port):
        self.held_ip = held_ip
        self.reuse_address = reuse_address
        self.reuse_port = reuse_port
        self.is_listening = False
        self.shared_remote = None
        self.port = 0


class PortsAgainstModel(RuleBasedStateMachine):
    """The table, against a flat list of who holds what."""

    def __init__(self):
        super().__init__()
        self.table = PortTable(may_share_tcp, 100, 104)
        self.model = []

    def may_have(self, sock, port):
        for other in self.model:
            if other is sock or other.port != port:
                continue
            wide = ANY in (sock.held_ip, other.held_ip)
            if not wide and sock.held_ip != other.held_ip:
                continue
            if sock.reuse_port and other.reuse_port:
                continue
            if sock.reuse_address and other.reuse_address and not other.is_listening:
                continue
            return False
        return True

    @rule(
        ip=st.sampled_from(["10.0.0.1", "10.0.0.2", ANY]),
        port=st.integers(0, 0) | st.integers(100, 106),
        reuse_address=st.booleans(),
        reuse_port=st.booleans(),
    )
    def bind(self, ip, port, reuse_address, reuse_port):
        sock = Sock(ip, reuse_address=reuse_address, reuse_port=reuse_port)
        taken = [other.port for other in self.model]
        free = [number for number in range(100, 105) if number not in taken]
        expected = self.may_have(sock, port) if port else bool(free)
        if not expected:
            with pytest.raises(OSError, match="Address already in use"):
                self.table.bind(sock, ip, port)
            return
        sock.port = self.table.bind(sock, ip, port)
        assert sock.port == port if port else sock.port in free
        self.model.append(sock)

    @precondition(lambda self: any(not sock.is_listening for sock in self.model))
    @rule(data=st.data())
    def listen(self, data):
        sock = data.draw(st.sampled_from([one for one in self.model if not one.is_listening]))
        if not self.may_have(sock, sock.port):
            with pytest.raises(OSError, match="Address already in use"):
                self.table.listen(sock, sock.held_ip, sock.port)
            return
        self.table.listen(sock, sock.held_ip, sock.port)
        sock.is_listening = True

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def close(self, data):
        sock = data.draw(st.sampled_from(self.model))
        if sock.is_listening:
            self.table.unlisten(sock, sock.held_ip, sock.port)
        self.table.release(sock, sock.port)
        self.model.remove(sock)

    @rule(ip=st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3"]), port=st.integers(100, 106))
    def connect(self, ip, port):
        found = self.table.listeners_for(ip, port)
        listeners = [one for one in self.model if one.is_listening and one.port == port]
        exact = [one for one in listeners if one.held_ip == ip]
        wide = [one for one in listeners if one.held_ip == ANY]
        assert found == (exact or wide) or sorted(map(repr, found)) == sorted(
            map(repr, exact or wide)
        )

    @invariant()
    def holds(self):
        self.table.check()
        held = [sock for there in self.table.holders.values() for sock in there]
        assert len(held) == len(self.model)
        assert all(sock in self.table.holders[sock.port] for sock in self.model)


PortsAgainstModel.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None
)
TestPorts = PortsAgainstModel.TestCase


def test_hosts_have_ports_and_descriptors_of_their_own():
    """Two hosts bind the same port, and a descriptor of one is none of the other."""
    network = Network()
    one, other = network.add_host("one"), network.add_host("other")
    socks = [make_socket(host) for host in (one, other)]
    for sock in socks:
        sock.bind(("127.0.0.1", 80))
    assert socks[1].fileno() == 2_000_000
    with pytest.raises(OSError, match="Bad file descriptor"):
        one.file(socks[1].fileno())
    for sock in socks:
        sock.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 99), max_size=150))
def test_free_ports_are_found_in_turn(numbers):
    """Each ephemeral port given out is the next free one, however many held ones lie before it."""
    table = PortTable(may_share_tcp, 100, 199)
    held = {}
    last = 199
    for number in [*range(80), *numbers]:
        for sock in held.pop(100 + number, ()):
            table.release(sock, 100 + number)
        turn = itertools.chain(range(last + 1, 200), range(100, last + 1))
        expected = next((port for port in turn if port not in held), None)
        sock = Sock(ANY, reuse_address=False, reuse_port=False)
        if expected is None:
            with pytest.raises(OSError, match="Address already in use"):
                table.bind(sock, ANY, 0)
            continue
        assert table.bind(sock, ANY, 0) == expected
        held[expected] = [sock]
        last = expected
        table.check()
