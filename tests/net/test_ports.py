"""Who may bind what: Linux' rules of sharing, ephemeral ports, and the table against a model."""

from __future__ import annotations

import errno
import itertools
import random
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from simloop.net import Network, make_socket
from simloop.net.addressing.port_tables import PortTable, may_share_tcp

ANY = "0.0.0.0"  # noqa: S104  # An address in a virtual world, mostly.
SOL = socket.SOL_SOCKET
REUSE = (SOL, socket.SO_REUSEADDR)
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


def talk_and_close(arm, options, first):
    """What may bind the ports of a connection that ``first`` (0: the client) closes first."""
    sets = [(*REUSE, 1)] if options[0] else []
    listener, client, server = arm.connected(sets)
    names = server.getsockname(), client.getsockname()
    pair = [client, server]
    pair[first].close()
    pair[1 - first].close()
    arm.do("listener still there", rebind, arm, names[0], options[1])
    listener.close()
    # A client's port may be that of another one in TIME_WAIT, too: connect() shares those on Linux.
    for name in names if first == 0 else names[:1]:
        arm.do("bind again", rebind, arm, name, options[1])


def rebind(arm, name, is_reusing):
    sock = arm.tcp()
    if is_reusing:
        sock.setsockopt(*REUSE, 1)
    sock.bind(name)
    sock.listen()
    sock.close()


@pytest.mark.parametrize("options", list(itertools.product((False, True), repeat=2)))
@pytest.mark.parametrize("first", [0, 1])
def test_the_first_closer_holds_its_port(same, options, first):
    """TIME_WAIT: the port of the end that was closed first is free to those alone that share it."""
    same(lambda arm: talk_and_close(arm, options, first))


def half_closed(arm):
    listener, client, server = arm.connected()
    names = server.getsockname(), client.getsockname()
    listener.close()
    client.close()
    arm.do("the closed end", rebind, arm, names[1], False)
    arm.do("the open end", rebind, arm, names[0], False)
    server.close()
    arm.do("the closed end", rebind, arm, names[1], False)
    arm.do("the other", rebind, arm, names[0], False)


def resets(arm):
    listener, client, server = arm.connected()
    names = server.getsockname(), client.getsockname()
    listener.close()
    server.send(b"unread")
    arm.wait(client, "in")
    client.close()
    server.close()
    arm.do("bind", rebind, arm, names[0], False)  # Of the client, as above.


def both_at_once(arm):
    listener, client, server = arm.connected()
    names = server.getsockname(), client.getsockname()
    listener.close()
    for sock in (client, server):
        sock.shutdown(socket.SHUT_WR)
    for sock in (client, server):
        arm.do("end", sock.recv, 1)
        sock.close()
    arm.do("one of them", lambda: [rebinds(arm, name) for name in names].count(True) < 2)


def rebinds(arm, name):
    try:
        rebind(arm, name, False)
    except OSError:
        return False
    return True


def the_same_pair_again(arm):
    """A fixed source port, in TIME_WAIT: bind with SO_REUSEADDR, and connect to the same peer."""
    listener = arm.listener(options=[(*REUSE, 1)])
    name = None
    for _ in range(2):
        client = arm.tcp()
        client.setsockopt(*REUSE, 1)
        arm.do("bind", client.bind, name or ("127.0.0.1", 0))
        name = client.getsockname()
        if arm.do("connect", client.connect_ex, listener.getsockname()) == errno.EADDRNOTAVAIL:
            break
        arm.wait(listener, "in")
        server = arm.accept(listener)
        client.close()
        server.close()


@pytest.mark.parametrize("scenario", [half_closed, resets, both_at_once, the_same_pair_again])
def test_what_a_connection_leaves_behind(same, scenario):
    """Half closed, reset, closed at once: which ports stay held is as on Linux."""
    same(scenario)


def test_time_wait_ends_after_a_minute(network, host):
    """A port is held for 60 seconds after the end, and nothing is left after that."""
    clock = [0]
    network.now_ns = lambda: clock[0]
    for _ in range(3):
        listener = make_socket(host)
        listener.bind(("127.0.0.1", 4000))
        listener.listen()
        client = make_socket(host)
        client.connect(("127.0.0.1", 4000))
        server = listener.accept()[0]
        for sock in (server, client, listener):
            sock.close()
        with make_socket(host) as again:
            clock[0] += 59_999_999_999
            with pytest.raises(OSError, match="Address already in use"):
                again.bind(("127.0.0.1", 4000))
            clock[0] += 1
            again.bind(("127.0.0.1", 4000))
        host.check()
        assert host.tcp.holders == {}


def test_a_thousand_closed_connections_leave_one_mark(host):
    """Connections of one server that are over share what holds its port."""
    listener = make_socket(host)
    listener.bind(("127.0.0.1", 4000))
    listener.listen()
    for _ in range(1000):
        client = make_socket(host)
        client.connect(("127.0.0.1", 4000))
        listener.accept()[0].close()
        client.close()
    listener.close()
    assert [len(there) for there in host.tcp.holders.values()] == [1]


def test_connects_go_on_when_all_ports_wait(host):
    """A burst at one instant to one server uses ports again that Linux would hold for a second."""
    listener = make_socket(host)
    listener.bind(("127.0.0.1", 4000))
    listener.listen()
    host.tcp.last = host.tcp.first + 9
    for _ in range(30):
        client = make_socket(host)
        client.connect(("127.0.0.1", 4000))
        server = listener.accept()[0]
        client.close()
        server.close()
    host.check()
    listener.close()


def ports_of(arm, make, count):
    found = []
    for _ in range(count):
        sock = make(arm)
        found.append(sock.getsockname()[1])
        sock.close()
    return found


def bound_tcp(arm, options=()):
    sock = arm.tcp()
    for option in options:
        sock.setsockopt(*option, 1)
    sock.bind(("127.0.0.1", 0))
    return sock


def ephemeral(arm):
    """Which parity, range and order the ports of the system's choice have."""
    ports = ports_of(arm, bound_tcp, 40)
    arm.note("tcp: odd", all(port % 2 for port in ports))
    arm.note("range", all(32768 <= port <= 60999 for port in ports))
    arm.note("both halves", [min(ports) < 46884, max(ports) > 46884])
    arm.note("no order", ports == sorted(ports))
    ports = ports_of(arm, lambda arm: bound_tcp(arm, [REUSE]), 40)
    arm.note("SO_REUSEADDR: odd, of the lower half", all(p % 2 and p < 46884 for p in ports))
    ports = ports_of(arm, lambda arm: arm.udp(bind=("127.0.0.1", 0)), 60)
    arm.note("udp: any", sorted({port % 2 for port in ports}))
    listener = arm.listener(backlog=100)
    clients = [arm.tcp() for _ in range(40)]
    for client in clients:
        client.connect_ex(listener.getsockname())
    ports = [client.getsockname()[1] for client in clients]
    arm.note("connect: even", all(port % 2 == 0 for port in ports))
    steps = [(later - earlier) % 28232 for earlier, later in itertools.pairwise(ports)]
    arm.note("rising", sum(2 <= step <= 64 for step in steps) > len(steps) // 2)
    arm.note("not all alike", len(dict.fromkeys(steps)) > 2)


def test_ephemeral_ports_are_handed_out_as_by_linux(same):
    """bind() gets random odd ports, connect() rising even ones; UDP random ones."""
    same(ephemeral)


def test_a_port_found_free_is_not_the_next_one_given(host):
    """A program that looks for a free port and gives it back finds it free a moment later."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        for _ in range(300):
            with make_socket(host, socket.AF_INET, kind) as sock:
                sock.bind(("127.0.0.1", 0))
                found = sock.getsockname()
            with make_socket(host, socket.AF_INET, kind) as other:
                other.bind(("127.0.0.1", 0))
                assert other.getsockname() != found
            with make_socket(host, socket.AF_INET, kind) as client:
                client.connect_ex(found)
                assert client.getsockname() != found


def test_ports_follow_the_seed():
    """The same random numbers give the same ports, others give others."""
    found = []
    for seed in (1, 1, 2):
        network = Network()
        network.make_random = lambda seed=seed: random.Random(seed)
        host = network.add_host()
        with make_socket(host) as sock:
            sock.bind(("127.0.0.1", 0))
            found.append(sock.getsockname())
    assert found[0] == found[1] != found[2]


def itself(arm):
    """Connect a socket with itself, speak, and close."""
    sock = arm.tcp()
    sock.bind(("127.0.0.1", 0))
    name = sock.getsockname()
    arm.do("connect", sock.connect_ex, name)
    arm.wait(sock, "out")
    arm.do("done", sock.connect_ex, name)
    arm.note("names", sock.getsockname() == sock.getpeername())
    arm.poll("connected", sock)
    arm.do("send", sock.send, b"hello")
    arm.wait(sock, "in")
    arm.do("recv", sock.recv, 3)
    arm.do("shutdown", sock.shutdown, socket.SHUT_WR)
    arm.poll("shut", sock)
    arm.do("rest", sock.recv, 10)
    arm.do("end", sock.recv, 10)
    arm.do("send", sock.send, b"more")
    arm.poll("at the end", sock)
    sock.close()
    arm.do("in TIME_WAIT", rebind, arm, name, False)


def test_a_socket_may_connect_to_itself(same):
    """A socket that is bound to its destination is its own peer: both ends open at once."""
    same(itself)


def test_ephemeral_ports_run_out(host):
    """When all ephemeral ports are held bind() fails, and gets the one that is given back."""
    host.tcp.last = host.tcp.first + 2
    socks = [make_socket(host) for _ in range(3)]
    for sock in socks:
        sock.bind(("127.0.0.1", 0))
    with make_socket(host) as one_more, pytest.raises(OSError, match="Address already in use"):
        one_more.bind(("127.0.0.1", 0))
    port = socks[1].getsockname()[1]
    socks[1].close()
    with make_socket(host) as sock:
        sock.bind(("127.0.0.1", 0))
        assert sock.getsockname()[1] == port
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
    assert host.tcp.sockets() == []


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
def test_free_ports_are_found_while_there_are_any(numbers):
    """An odd port is given out while one is free, then an even one, never a held one."""
    table = PortTable(may_share_tcp, 100, 199)
    held = {}
    for number in [*range(80), *numbers]:
        for sock in held.pop(100 + number, ()):
            table.release(sock, 100 + number)
        free = [port for port in range(100, 200) if port not in held]
        sock = Sock(ANY, reuse_address=False, reuse_port=False)
        if not free:
            with pytest.raises(OSError, match="Address already in use"):
                table.bind(sock, ANY, 0)
            continue
        port = table.bind(sock, ANY, 0)
        assert port in free
        odd = [each for each in free if each % 2]
        assert port % 2 or len(odd) < 2  # The last one may be that of a moment ago.
        held[port] = [sock]
        table.check()
