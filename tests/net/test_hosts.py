"""Hosts, the link between them, the tap, watchers, and system calls by descriptor."""

from __future__ import annotations

import errno
import select
import socket
import stat
from pathlib import Path

import pytest

from simloop.errors import UnsupportedError, UsageError
from simloop.net import (
    DescriptorTable,
    Network,
    SystemCalls,
    make_pipe,
    make_socket,
    make_socketpair,
)
from simloop.net.files.open_file import File


@pytest.fixture
def pair(network):
    """Two hosts that can reach each other."""
    return network.add_host("one", "10.0.0.1", "fd00::1"), network.add_host("two", "10.0.0.2")


def listen(host, address):
    sock = make_socket(host)
    sock.setblocking(False)
    sock.bind(address)
    sock.listen()
    return sock


def connect(host, address):
    sock = make_socket(host)
    sock.setblocking(False)
    assert sock.connect_ex(address) == errno.EINPROGRESS
    return sock


def error_of(sock):
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def close(*socks):
    for sock in socks:
        sock.close()


def test_hosts_reach_each_other_by_address(pair):
    """A connection crosses from host to host, and each side sees the other's address."""
    one, two = pair
    server = listen(two, ("0.0.0.0", 80))  # noqa: S104  # In a virtual world.
    client = connect(one, ("10.0.0.2", 80))
    peer, address = server.accept()
    assert address == client.getsockname()
    assert address[0] == "10.0.0.1"
    assert peer.getsockname() == ("10.0.0.2", 80)
    client.send(b"hello")
    assert peer.recv(9) == b"hello"
    close(server, client, peer)


def test_loopback_is_each_hosts_own(pair):
    """127.0.0.1 of one host is not that of another, nor is its address bindable there."""
    one, two = pair
    server = listen(two, ("127.0.0.1", 80))
    client = connect(one, ("127.0.0.1", 80))
    assert error_of(client) == errno.ECONNREFUSED
    with pytest.raises(OSError, match="Cannot assign requested address"), make_socket(one) as sock:
        sock.bind(("10.0.0.2", 0))
    close(server, client)


def test_routes(network, pair):
    """An address of nobody is unreachable; a host without addresses reaches nobody at all."""
    client = connect(pair[0], ("10.9.9.9", 80))
    assert error_of(client) == errno.EHOSTUNREACH
    client.close()
    alone = network.add_host("alone")
    with make_socket(alone) as sock:
        assert sock.connect_ex(("10.0.0.1", 80)) == errno.ENETUNREACH
    with make_socket(pair[1], socket.AF_INET6) as sock:
        assert sock.connect_ex(("fd00::1", 80)) == errno.ENETUNREACH


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("one",), "already has a host 'one'"),
        (("new", "10.0.0.1"), "already belongs to the host 'one'"),
        (("new", "127.0.0.1"), "cannot belong to one host"),
        (("new", "224.0.0.1"), "cannot belong to one host"),
        (("new", "0.0.0.0"), "cannot belong to one host"),  # noqa: S104
        (("new", "nonsense"), "'nonsense' is no numeric address"),
    ],
)
def test_hosts_that_cannot_be(network, pair, args, message):
    """A host name or address that is taken, or none, is refused, and nothing is added."""
    with pytest.raises(UsageError, match=message):
        network.add_host(*args)
    assert list(network.hosts.values()) == list(pair)


def test_a_link_sees_every_packet(network, pair):
    """What passes from socket to socket passes the link, in order, and waits for it."""
    one, two = pair
    waiting = []
    network.link = waiting.append

    def deliver():
        kinds = []
        while waiting:
            packet = waiting.pop(0)
            kinds.append(packet.kind)
            packet.deliver()
        return kinds

    server = listen(two, ("10.0.0.2", 80))
    client = connect(one, ("10.0.0.2", 80))
    assert not client.file.writable
    assert deliver() == ["syn", "syn-ack"]
    peer, _ = server.accept()
    assert client.file.writable
    client.send(b"hello")
    client.send(b"world")
    assert not peer.file.readable
    assert [packet.data for packet in waiting] == [b"hello", b"world"]
    source = client.getsockname()
    assert repr(waiting[0]) == f"<Packet data {source} -> ('10.0.0.2', 80) size=5>"
    assert deliver() == ["data", "data"]
    assert peer.recv(99) == b"helloworld"
    client.shutdown(socket.SHUT_WR)
    assert not peer.file.readable
    assert deliver() == ["fin"]
    assert peer.recv(9) == b""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    assert deliver() == ["rst"]
    assert error_of(client) == errno.ECONNRESET
    refused = connect(one, ("10.0.0.2", 81))
    assert deliver() == ["syn", "refuse"]
    assert error_of(refused) == errno.ECONNREFUSED
    close(client, server, refused)


def test_a_client_that_gives_up_while_the_answer_is_under_way(network, pair):
    """A connection that nobody wants any more is reset on the listener's side."""
    one, two = pair
    waiting = []
    network.link = waiting.append
    server = listen(two, ("10.0.0.2", 80))
    client = connect(one, ("10.0.0.2", 80))
    waiting.pop(0).deliver()
    client.close()
    waiting.pop(0).deliver()
    peer, _ = server.accept()
    assert error_of(peer) == errno.ECONNRESET
    close(server, peer)


def test_a_lost_request_leaves_a_client_connecting(network, pair):
    """A link that drops a connection request is all that a partition is."""
    network.link = lambda packet: None
    client = connect(pair[0], ("10.0.0.2", 80))
    assert client.connect_ex(("10.0.0.2", 80)) == errno.EALREADY
    assert not client.file.writable
    with pytest.raises(BlockingIOError):
        client.send(b"x")
    client.close()
    assert pair[0].tcp.sockets() == []


def test_datagrams_may_be_lost_doubled_and_reordered(network, pair):
    """A link may deliver a datagram never, twice, and in any order."""
    one, two = pair
    waiting = []
    network.link = waiting.append
    sock, speaker = (make_socket(host, socket.AF_INET, socket.SOCK_DGRAM) for host in (two, one))
    sock.bind(("10.0.0.2", 9))
    for letter in (b"a", b"b", b"c"):
        speaker.sendto(letter, ("10.0.0.2", 9))
    for packet in (waiting[2], waiting[0], waiting[0]):
        packet.deliver()
    assert [sock.recv(9) for _ in range(3)] == [b"c", b"a", b"a"]
    close(sock, speaker)


def test_the_tap_hears_every_accepted_send(network, pair):
    """What a digest hashes: kind, source, destination and the bytes that were taken."""
    one, two = pair
    heard = []
    network.tap = lambda *event: heard.append(event)
    server = listen(two, ("10.0.0.2", 80))
    client = connect(one, ("10.0.0.2", 80))
    peer, _ = server.accept()
    assert client.send(b"x" * 600_000) == 515_072
    assert heard == [("tcp", client.getsockname(), ("10.0.0.2", 80), b"x" * 515_072)]
    heard.clear()
    first, second = make_socketpair(one)
    first.send(b"pair")
    reader, writer = make_pipe(one)
    one.write(writer, b"pipe")
    speaker = make_socket(one, socket.AF_INET, socket.SOCK_DGRAM)
    speaker.sendto(b"gram", ("127.0.0.1", 9))
    assert heard == [
        ("unix", ("", 0), ("", 0), b"pair"),
        ("pipe", ("", 0), ("", 0), b"pipe"),
        ("udp", ("127.0.0.1", speaker.getsockname()[1]), ("127.0.0.1", 9), b"gram"),
    ]
    network.tap = None
    first.send(b"unheard")
    assert len(heard) == 3
    close(server, client, peer, first, second, speaker)
    for fd in (reader, writer):
        one.close(fd)


def test_several_watchers_of_one_file(host):
    """Each watcher is called, in the order in which it came, until it is taken away."""
    first, second = make_socketpair(host)
    heard = []
    calls = [lambda number=number: heard.append(number) for number in range(3)]
    for call in calls:
        first.file.watch_readable(call)
    second.send(b"x")
    assert heard == [0, 1, 2]
    first.file.unwatch_readable(calls[1])
    second.send(b"x")
    assert heard == [0, 1, 2, 0, 2]
    first.file.unwatch_readable(calls[0])
    first.file.unwatch_readable(calls[0])
    second.send(b"x")
    assert heard == [0, 1, 2, 0, 2, 2]
    first.file.unwatch_readable(calls[2])
    assert first.file.on_readable is None
    close(first, second)


def test_a_watcher_may_take_itself_away(host):
    """A watcher that stops watching while it is called does not disturb the others."""
    first, second = make_socketpair(host)
    heard = []

    def once():
        heard.append("once")
        first.file.unwatch_readable(once)

    first.file.watch_readable(once)
    first.file.watch_readable(lambda: heard.append("always"))
    second.send(b"x")
    second.send(b"x")
    assert heard == ["once", "always", "always"]
    close(first, second)


def test_closing_forgets_the_watchers(host):
    """A file without descriptors calls nobody; one that is still open elsewhere does."""
    first, second = make_socketpair(host)
    heard = []
    first.file.watch_readable(lambda: heard.append("first"))
    second.file.watch_readable(lambda: heard.append("second"))
    twin = first.dup()
    first.close()
    second.send(b"x")
    assert heard == ["first"]
    second.close()
    assert heard == ["first", "first"]
    twin.close()
    assert heard == ["first", "first"]


def test_poll_by_descriptor(host):
    """poll() tells what was asked for and what always matters, at once."""
    first, second = make_socketpair(host)
    first.send(b"x")
    second_fd = second.fileno()
    interest = {first.fileno(): select.POLLIN, second_fd: select.POLLIN, 5: select.POLLIN}
    assert host.poll(interest) == [(second_fd, select.POLLIN), (5, select.POLLNVAL)]
    first.close()
    assert host.poll({second_fd: 0}) == [(second_fd, select.POLLHUP)]
    second.close()


def test_descriptors_run_out():
    """At the limit of a table one more descriptor is EMFILE."""
    table = DescriptorTable(base=10, limit=1)
    table.add(File())
    with pytest.raises(OSError, match="Too many open files"):
        table.add(File())
    table.close(10)
    assert table.add(File()) == 10
    table.check()


def test_blocking_reads_and_writes_ask_the_hook(host):
    """os.read on a blocking descriptor is refused unless somebody can make it ready."""
    reader, writer = make_pipe(host)
    with pytest.raises(UnsupportedError, match=r"os\.read\(\) on 1000000"):
        host.read(reader, 1)
    host.on_would_block = lambda fd, what, timeout: host.file(writer).write(b"now")
    assert host.read(reader, 9) == b"now"
    taken = []
    host.on_would_block = lambda fd, what, timeout: taken.append(len(host.read(reader, 70_000)))
    assert host.write(writer, bytes(200_000)) == 200_000
    assert sum(taken) + len(host.read(reader, 70_000)) == 200_000
    host.close(reader)
    host.close(writer)


@pytest.fixture
def system(host):
    """The system calls of a host."""
    return SystemCalls(lambda: host)


def test_system_calls_by_descriptor(system, host):
    """The functions of os work on virtual numbers under their own names."""
    reader, writer = system.pipe()
    assert system.owns(reader)
    assert not system.owns(3)
    assert stat.S_ISFIFO(system.fstat(reader).st_mode)
    assert system.get_blocking(reader)
    system.set_blocking(reader, False)
    assert not system.get_blocking(reader)
    assert not system.isatty(reader)
    twin = system.dup(writer)
    system.close(writer)
    assert system.write(twin, b"abc") == 3
    assert system.poll(reader) == select.POLLIN
    assert system.read(reader, 9) == b"abc"
    system.close(twin)
    system.close(reader)
    first, second = system.socketpair(socket.AF_UNIX, socket.SOCK_STREAM, 0)
    assert stat.S_ISSOCK(system.fstat(first.fileno()).st_mode)
    close(first, second)
    with pytest.raises(OSError, match="Bad file descriptor"):
        system.isatty(reader)
    assert len(host.descriptors) == 0


def test_system_calls_about_names(system):
    """Lookups answer from the world's table with plain numbers, as the C functions do."""
    assert system.gethostname() == "localhost"
    assert system.getaddrinfo("127.0.0.1", 80, socket.AF_INET, socket.SOCK_STREAM, 0, 0) == [
        (2, 1, 6, "", ("127.0.0.1", 80))
    ]
    assert system.getnameinfo(("127.0.0.1", 80), 0) == ("localhost", "http")
    assert system.gethostbyname("localhost") == "127.0.0.1"
    assert system.gethostbyname_ex("localhost") == ("localhost", [], ["127.0.0.1"])
    assert system.gethostbyaddr("127.0.0.1") == ("localhost", [], ["127.0.0.1"])
    assert system.if_nameindex() == [(1, "lo")]
    assert system.if_nametoindex("lo") == 1
    with pytest.raises(OSError, match=r"no interface|No such device"):
        system.if_nametoindex("eth0")


def test_file_objects_on_descriptors(system, host):
    """open(fd) and os.fdopen give files that read, write and close the descriptor."""
    reader, writer = system.pipe()
    source = system.fdopen(reader, "r", encoding="utf-8")
    sink = system.fdopen(writer, "wb", 0)
    assert (source.fileno(), sink.fileno(), source.readable()) == (reader, writer, True)
    sink.write("größer\nzwei\n".encode())
    assert source.readline() == "größer\n"
    sink.close()
    assert source.read() == "zwei\n"
    source.close()
    assert len(host.descriptors) == 0
    with pytest.raises(OSError, match="Bad file descriptor"):
        system.fdopen(reader)
    with pytest.raises(ValueError, match="unbuffered"):
        system.fdopen(system.pipe()[0], "r", 0)
    for fd in host.descriptors.numbers():
        system.close(fd)


def test_raw_files_on_non_blocking_descriptors(system):
    """A raw read without data and a raw write without room give None, as io does."""
    reader, writer = system.pipe()
    for fd in (reader, writer):
        system.set_blocking(fd, False)
    source, sink = system.fdopen(reader, "rb", 0), system.fdopen(writer, "wb", 0)
    assert source.read(1) is None
    assert sink.write(bytes(65536)) == 65536
    assert sink.write(b"x") is None
    with pytest.raises(OSError, match="not open for writing"):
        source.write(b"x")
    with pytest.raises(OSError, match="Illegal seek"):
        source.seek(0)
    kept = system.fdopen(reader, "rb", 0, closefd=False)
    kept.close()
    assert system.owns(reader)
    source.close()
    sink.close()
    with pytest.raises(ValueError, match="closed"):
        source.fileno()


def test_closed_connections_leave_nothing_behind():
    """After both ends are closed, nothing of a connection is reachable from the network."""
    network = Network()
    host = network.add_host()
    server = listen(host, ("127.0.0.1", 80))
    for closes_first in (0, 1):
        client = connect(host, ("127.0.0.1", 80))
        peer, _ = server.accept()
        files = [client.file, peer.file]
        socks = [client, peer]
        client.send(b"x")
        peer.recv(1)
        socks[closes_first].close()
        socks[1 - closes_first].close()
        assert [file.peer for file in files] == [None, None]
        assert [file.references for file in files] == [0, 0]
    server.close()
    assert host.tcp.sockets() == []
    assert host.tcp.listeners == {}


def test_real_descriptors_are_never_touched(host):
    """A whole conversation opens and closes no descriptor of the real process."""
    before = sorted(Path("/proc/self/fd").iterdir())
    server = listen(host, ("127.0.0.1", 80))
    client = connect(host, ("127.0.0.1", 80))
    peer, _ = server.accept()
    client.sendall(b"x" * 1000)
    assert len(peer.recv(5000)) == 1000
    assert sorted(Path("/proc/self/fd").iterdir()) == before
    close(server, client, peer)
    assert sorted(Path("/proc/self/fd").iterdir()) == before
