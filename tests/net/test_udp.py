"""UDP, call by call against Linux; then what no second process may see: groups, broadcast, loss."""

from __future__ import annotations

import socket
import struct

import pytest

from simloop.net import make_socket

ANY = "0.0.0.0"  # noqa: S104  # An address in a virtual world, mostly.
NOBODY = ("127.0.0.1", 1)
ANYWHERE = ("127.0.0.1", 0)
SO_ERROR = (socket.SOL_SOCKET, socket.SO_ERROR)


def unconnected(arm):
    first, second = arm.udp(bind=ANYWHERE), arm.udp(bind=ANYWHERE)
    there = second.getsockname()
    arm.poll("fresh", first)
    for call, args in (
        ("send", (b"x",)),
        ("recv", (1,)),
        ("getpeername", ()),
        ("listen", ()),
        ("accept", ()),
        ("shutdown", (socket.SHUT_WR,)),
        ("bind", (ANYWHERE,)),
        ("sendto", (b"x", ("127.0.0.1", 0))),
        ("sendto", (b"hello", there)),
    ):
        arm.do(call, getattr(first, call), *args)
    arm.poll("ready", second)
    arm.do("peek", second.recvfrom, 2, socket.MSG_PEEK)
    arm.do("cut", second.recvfrom, 3)
    arm.do("rest is gone", second.recv, 3)
    arm.do("empty", first.sendto, b"", there)
    arm.poll("ready", second)
    arm.do("empty", second.recvfrom, 3)
    arm.do("sendmsg", first.sendmsg, [b"ab", b"cd"], [], 0, there)
    arm.do("recvmsg", second.recvmsg, 3)
    arm.do("sendto", first.sendto, b"abc", 0, there)
    buffer = bytearray(2)
    arm.do("recvfrom_into", second.recvfrom_into, buffer)
    arm.note("buffer", bytes(buffer))


def sizes(arm):
    first, second = arm.udp(bind=ANYWHERE), arm.udp(bind=ANYWHERE)
    there = second.getsockname()
    arm.do("largest", lambda: first.sendto(b"x" * 65507, there) == 65507)
    arm.do("too large", first.sendto, b"x" * 65508, there)
    arm.do("whole", lambda: len(second.recv(70000)) == 65507)


def connected_to_nobody(arm):
    sock = arm.udp()
    arm.do("connect", sock.connect_ex, NOBODY)
    arm.do("peer", sock.getpeername)
    arm.do("host", lambda: sock.getsockname()[0])
    arm.do("send", sock.send, b"x")
    arm.poll("error", sock)
    arm.do("told by send", sock.send, b"x")
    arm.do("send", sock.send, b"x")
    arm.do("told by recv", sock.recv, 1)
    arm.do("recv", sock.recv, 1)
    arm.do("send", sock.send, b"x")
    arm.do("told by SO_ERROR", sock.getsockopt, *SO_ERROR)
    arm.do("SO_ERROR", sock.getsockopt, *SO_ERROR)
    arm.do("elsewhere", sock.sendto, b"x", ("127.0.0.1", 2))
    arm.do("not told", sock.recv, 1)


def not_connected_to_nobody(arm):
    sock = arm.udp()
    arm.do("sendto", sock.sendto, b"x", NOBODY)
    arm.do("recv", sock.recv, 1)
    arm.poll("ready", sock)
    arm.do("host", lambda: sock.getsockname()[0])
    arm.do("has a port", lambda: sock.getsockname()[1] > 0)


def connected_hears_its_peer_only(arm):
    peer, other, sock = arm.udp(bind=ANYWHERE), arm.udp(bind=ANYWHERE), arm.udp()
    sock.connect(peer.getsockname())
    here = sock.getsockname()
    arm.do("other", other.sendto, b"no", here)
    arm.do("recv", sock.recv, 9)
    arm.do("peer", peer.sendto, b"yes", here)
    arm.do("recv", sock.recv, 9)
    arm.do("sendto elsewhere", sock.sendto, b"hi", other.getsockname())
    arm.do("there", other.recv, 9)
    arm.do("connect again", sock.connect_ex, other.getsockname())
    arm.do("same port", lambda: sock.getsockname() == here)
    arm.do("shutdown", sock.shutdown, socket.SHUT_WR)
    arm.do("send", sock.send, b"x")
    arm.poll("half", sock)
    arm.do("shutdown", sock.shutdown, socket.SHUT_RD)
    arm.poll("shut", sock)
    arm.do("recv", sock.recv, 1)


def permission_to_broadcast(arm):
    for address in (("255.255.255.255", 9), ("127.255.255.255", 9), ("<broadcast>", 9)):
        sock = arm.udp()
        arm.do("connect", sock.connect_ex, address)
        arm.do("sendto", sock.sendto, b"x", address)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if address[0] != "127.255.255.255":
            arm.do("sendto", sock.sendto, b"x", address)


def broadcast_inside(arm):
    sock = arm.udp(bind=(ANY, 0))
    speaker = arm.udp()
    speaker.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    arm.do("sendto", speaker.sendto, b"x", ("127.255.255.255", sock.getsockname()[1]))
    arm.wait(sock, "in")
    arm.do("recvfrom", lambda: sock.recvfrom(4)[1][0])


def who_gets_it(arm):
    speaker = arm.udp(bind=ANYWHERE)
    reuse = (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    first, second, wide = (arm.udp() for _ in range(3))
    for sock in (first, second, wide):
        sock.setsockopt(*reuse)
    first.bind(ANYWHERE)
    second.bind(first.getsockname())
    wide.bind((ANY, first.getsockname()[1]))
    speaker.sendto(b"1", first.getsockname())
    for label, sock in (("first", first), ("second", second), ("wide", wide)):
        arm.do(label, sock.recv, 9)
    first.connect(speaker.getsockname())
    speaker.sendto(b"2", first.getsockname())
    for label, sock in (("first", first), ("second", second), ("wide", wide)):
        arm.do(label, sock.recv, 9)


def both_families(arm):
    wide = arm.udp(socket.AF_INET6, bind=("::", 0))
    port = wide.getsockname()[1]
    old, new = arm.udp(bind=ANYWHERE), arm.udp(socket.AF_INET6, bind=("::1", 0))
    arm.do("v4", old.sendto, b"4", ("127.0.0.1", port))
    arm.do("from", wide.recvfrom, 9)
    arm.do("v6", new.sendto, b"6", ("::1", port))
    arm.do("from", wide.recvfrom, 9)
    arm.do("answer", wide.sendto, b"x", (f"::ffff:{old.getsockname()[0]}", old.getsockname()[1]))
    arm.do("comes", old.recv, 9)
    arm.do("wrong family", old.sendto, b"x", ("::1", port))
    arm.do("v6 cannot speak v4", new.sendto, b"x", ("::ffff:127.0.0.1", port))


def memberships(arm):
    sock = arm.udp(bind=("", 0))
    here, group = socket.inet_aton("127.0.0.1"), socket.inet_aton("224.0.0.251")
    add, drop = socket.IP_ADD_MEMBERSHIP, socket.IP_DROP_MEMBERSHIP
    for label, option, value in (
        ("join", add, group + here),
        ("join again", add, group + here),
        ("no such interface", add, group + socket.inet_aton("9.9.9.9")),
        ("no group", add, socket.inet_aton("1.0.0.1") + here),
        ("short", add, b"1234"),
        ("by number", add, struct.pack("4s4si", socket.inet_aton("224.0.0.9"), bytes(4), 1)),
        ("leave", drop, group + here),
        ("leave again", drop, group + here),
        ("interface", socket.IP_MULTICAST_IF, here),
        ("strange interface", socket.IP_MULTICAST_IF, socket.inet_aton("9.9.9.9")),
    ):
        arm.do(label, sock.setsockopt, 0, option, value)
    arm.do("interface", sock.getsockopt, 0, socket.IP_MULTICAST_IF, 4)
    sock = arm.udp(socket.AF_INET6, bind=("::", 0))
    group = socket.inet_pton(socket.AF_INET6, "ff02::fb")
    for label, name, value in (
        ("join", socket.IPV6_JOIN_GROUP, group + struct.pack("@I", 1)),
        ("join again", socket.IPV6_JOIN_GROUP, group + struct.pack("@I", 1)),
        ("bad interface", socket.IPV6_JOIN_GROUP, group + struct.pack("@I", 99)),
        ("no group", socket.IPV6_JOIN_GROUP, b"\xfe" + group[1:] + struct.pack("@I", 1)),
        ("leave", socket.IPV6_LEAVE_GROUP, group + struct.pack("@I", 1)),
        ("leave again", socket.IPV6_LEAVE_GROUP, group + struct.pack("@I", 1)),
    ):
        arm.do(label, sock.setsockopt, socket.IPPROTO_IPV6, name, value)


def group_on_loopback(arm):
    reuse = (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    here, group = socket.inet_aton("127.0.0.1"), socket.inet_aton("224.0.0.251")
    joined, other, bound = (arm.udp() for _ in range(3))
    for sock in (joined, other, bound):
        sock.setsockopt(*reuse)
    joined.bind(("", 0))
    port = joined.getsockname()[1]
    other.bind(("", port))
    bound.bind(("127.0.0.1", port))
    joined.setsockopt(0, socket.IP_ADD_MEMBERSHIP, group + here)
    speaker = arm.udp()
    speaker.setsockopt(0, socket.IP_MULTICAST_IF, here)
    arm.do("send", speaker.sendto, b"q", ("224.0.0.251", port))
    for label, sock in (("joined", joined), ("other", other), ("bound", bound)):
        arm.do(label, sock.recv, 9)
    other.setsockopt(0, 49, 0)  # IP_MULTICAST_ALL
    arm.do("send", speaker.sendto, b"r", ("224.0.0.251", port))
    for label, sock in (("joined", joined), ("other", other), ("bound", bound)):
        arm.do(label, sock.recv, 9)


def packet_info(arm):
    sock, speaker = arm.udp(bind=(ANY, 0)), arm.udp(bind=ANYWHERE)
    sock.setsockopt(socket.IPPROTO_IP, 8, 1)
    speaker.sendto(b"z", ("127.0.0.7", sock.getsockname()[1]))
    arm.wait(sock, "in")
    arm.do("recvmsg", sock.recvmsg, 10, 100)


SCENARIOS = [
    unconnected,
    sizes,
    connected_to_nobody,
    not_connected_to_nobody,
    connected_hears_its_peer_only,
    permission_to_broadcast,
    broadcast_inside,
    who_gets_it,
    both_families,
    memberships,
    group_on_loopback,
    packet_info,
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_udp_is_linux(same, scenario):
    """Every call of the scenario gives the value or the error that it gives on Linux."""
    same(scenario)


def speaker_of(host, *options):
    sock = make_socket(host, socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    for option in options:
        sock.setsockopt(*option)
    return sock


def close(*socks):
    for sock in socks:
        sock.close()


def test_a_full_receive_buffer_drops(host):
    """Datagrams that find no room are lost without a word, and room comes back with reading."""
    sock, speaker = speaker_of(host), speaker_of(host)
    sock.bind(("127.0.0.1", 9))
    for number in range(1000):
        assert speaker.sendto(b"%04d" % number * 250, ("127.0.0.1", 9)) == 1000
    kept = 0
    while sock.file.readable:
        assert sock.recv(2000)[:4] == b"%04d" % kept
        kept += 1
    assert 50 < kept < 500
    speaker.sendto(b"again", ("127.0.0.1", 9))
    assert sock.recv(10) == b"again"
    close(sock, speaker)


def test_bursts_of_large_datagrams_fit(host):
    """Three datagrams of 60 KB wait in the default buffer."""
    sock, speaker = speaker_of(host), speaker_of(host)
    sock.bind(("127.0.0.1", 9))
    for _ in range(3):
        speaker.sendto(bytes(60_000), ("127.0.0.1", 9))
    assert [len(sock.recv(65536)) for _ in range(3)] == [60_000] * 3
    close(sock, speaker)


def test_reuse_port_serves_datagrams_in_turn(host):
    """Sockets that share a port by SO_REUSEPORT get datagrams one after the other."""
    socks = [speaker_of(host, (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)) for _ in range(3)]
    for sock in socks:
        sock.bind(("127.0.0.1", 9))
    speaker = speaker_of(host)
    for number in range(6):
        speaker.sendto(b"%d" % number, ("127.0.0.1", 9))
    assert [[sock.recv(9), sock.recv(9)] for sock in socks] == [
        [b"0", b"3"],
        [b"1", b"4"],
        [b"2", b"5"],
    ]
    close(speaker, *socks)


def test_two_hosts_hear_each_other_in_a_group(network):
    """What mDNS needs: a group on the link between hosts, where everybody hears everybody."""
    hosts = [network.add_host("one", "10.0.0.1"), network.add_host("two", "10.0.0.2")]
    group = socket.inet_aton("224.0.0.251") + bytes(4)
    socks = []
    for host in hosts:
        sock = speaker_of(host, (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1))
        sock.bind(("", 5353))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        socks.append(sock)
    socks[0].sendto(b"who is there", ("224.0.0.251", 5353))
    assert [sock.recvfrom(99) for sock in socks] == [(b"who is there", ("10.0.0.1", 5353))] * 2
    socks[0].setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
    socks[0].sendto(b"only the others", ("224.0.0.251", 5353))
    assert not socks[0].file.readable
    assert socks[1].recv(99) == b"only the others"
    close(*socks)
    assert [host.memberships for host in hosts] == [{}, {}]


def test_ipv6_groups_show_the_interface(network):
    """A group of IPv6 is joined by interface number, and reached by the scope of an address."""
    host = network.add_host("one", "fd00::1")
    sock = make_socket(host, socket.AF_INET6, socket.SOCK_DGRAM)
    sock.bind(("::", 5353))
    packed = socket.inet_pton(socket.AF_INET6, "ff02::fb") + struct.pack("@I", 2)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, packed)
    sock.sendto(b"x", ("ff02::fb", 5353, 0, 2))
    assert sock.recvfrom(9) == (b"x", ("fd00::1", 5353, 0, 0))
    sock.sendto(b"x", ("ff02::fb", 5353, 0, 1))
    assert not sock.file.readable
    sock.close()


def test_broadcast_reaches_every_host_of_the_net(network):
    """A broadcast goes to all hosts with an address on the net, the sender's own one included."""
    hosts = [network.add_host(f"h{number}", f"10.0.0.{number}") for number in (1, 2)]
    hosts.append(network.add_host("far", "10.0.9.1"))
    socks = [speaker_of(host, (socket.SOL_SOCKET, socket.SO_BROADCAST, 1)) for host in hosts]
    for sock in socks:
        sock.bind((ANY, 67))
    socks[0].sendto(b"net", ("10.0.0.255", 67))
    assert [sock.file.readable for sock in socks] == [True, True, False]
    socks[0].sendto(b"all", ("255.255.255.255", 67))
    assert [sock.file.readable for sock in socks] == [True, True, True]
    close(*socks)


def test_broadcast_to_all_of_ten_reaches_what_worlds_give(network):
    """The broadcast of 10.0.0.0/8, of which a world gives its hosts addresses, reaches them all."""
    places = ("10.0.0.1", "10.0.9.1", "10.255.255.254", "192.168.0.1")
    hosts = [network.add_host(f"h{number}", place) for number, place in enumerate(places)]
    socks = [speaker_of(host, (socket.SOL_SOCKET, socket.SO_BROADCAST, 1)) for host in hosts]
    for sock in socks:
        sock.bind((ANY, 67))
    socks[0].sendto(b"all", ("10.255.255.255", 67))
    assert [sock.file.readable for sock in socks] == [True, True, True, False]
    close(*socks)


def test_no_route(network):
    """A host without addresses reaches no other; one with addresses sends into the void."""
    alone, there = network.add_host("alone"), network.add_host("there", "10.0.0.1")
    sock = speaker_of(alone)
    with pytest.raises(OSError, match="Network is unreachable"):
        sock.sendto(b"x", ("10.0.0.1", 9))
    other = speaker_of(there)
    assert other.sendto(b"x", ("10.0.0.77", 9)) == 1
    close(sock, other)


def faults_in_order(arm):
    """Calls that are wrong in two ways: which fault is told is the order of Linux's checks."""
    long, longest = b"x" * 65_520, b"x" * 70_000
    sock = arm.udp()
    arm.do("too long, no peer", sock.send, longest)
    arm.do("has a port now", lambda: sock.getsockname()[1] > 0)
    arm.do("long, no peer", sock.send, long)
    arm.do("too long, urgent", sock.send, longest, socket.MSG_OOB)
    arm.do("too long, no port", sock.sendto, longest, ("127.0.0.1", 0))
    arm.do("long, no port", sock.sendto, long, ("127.0.0.1", 0))
    arm.do("long, broadcast", sock.sendto, long, ("255.255.255.255", 9))
    arm.do("long", sock.sendto, long, ("127.0.0.1", 9))
    arm.do("bound, foreign", sock.bind, ("192.0.2.1", 0))
    arm.do("bound", sock.bind, ("127.0.0.1", 0))
    six = arm.udp(socket.AF_INET6)
    six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    arm.do("foreign", six.bind, ("2001:db8::1", 0))
    arm.do("mapped, only IPv6", six.bind, ("::ffff:127.0.0.1", 0))
    six.bind(("::1", 0))
    arm.do("bound, foreign", six.bind, ("2001:db8::1", 0))
    arm.do("too long, no port", six.sendto, longest, ("::1", 0))
    arm.do("too long", six.sendto, longest, ("::1", 9))
    stream = arm.tcp()
    stream.bind(("127.0.0.1", 0))
    arm.do("bound, foreign", stream.bind, ("192.0.2.1", 0))
    arm.do("stream to a group", arm.tcp(socket.AF_INET6).bind, ("ff02::1", 0))


def test_of_two_faults_linux_s_first_is_told(same):
    """Programs go by errno: the first check of the kernel decides which one they see."""
    same(faults_in_order)
