"""What users say of the wire: conditions, partitions, rules, packets in flight, sockets, errors."""

from __future__ import annotations

import asyncio
import math
import re

import pytest

import simloop
from simloop.errors import DeadlockError, UsageError

from .machines import PORT, SERVER, Clock, Machines, connect, listener, outcome, serve_echo
from .rows_ends import recv, send
from .rows_ports import udp


async def trip(machines, sock):
    """Echo once; return how long it took."""
    clock = Clock(machines)
    await send(sock)
    await recv(sock)
    return clock()


def echoing(machines, ask):
    """Start an echo, connect, and go on with a function of the socket."""
    machines.start(serve_echo)

    async def main():
        await asyncio.sleep(1)
        with await connect(TCP_NODELAY=1) as sock:
            await trip(machines, sock)
            return await ask(sock)

    return machines.run(main)


# Conditions -----------------------------------------------------------------------------------


def test_a_packet_takes_a_millisecond_unless_told_otherwise():
    """The default latency is 1 ms each way."""
    world = simloop.World()
    world.make_host("localhost", "10.0.0.1").warns_of_unclosed = False
    world.make_host("server", SERVER)
    loop = simloop.SimLoop(world=world)

    async def main():
        began = loop.time()
        assert await outcome(connect()) == "ECONNREFUSED"
        return loop.time() - began

    assert loop.run_until_complete(main()) == 0.002
    loop.close()


def test_the_last_word_about_a_way_counts(machines):
    """A later call wins, for what it sets; one way is one way."""
    made = machines()
    net = made.net

    async def ask(sock):
        trips = [await trip(made, sock)]
        net.configure("server", latency=0.1)
        trips.append(await trip(made, sock))
        net.configure("localhost", "server", latency=0.2, one_way=True)
        trips.append(await trip(made, sock))
        await asyncio.sleep(1)  # What is on its way is not overtaken by what comes faster.
        net.configure(latency=0.01)
        trips.append(await trip(made, sock))
        return trips

    assert echoing(made, ask) == [0.05, 0.2, 0.3, 0.02]


def test_conditions_hold_for_hosts_that_come_later(machines):
    """What was said of all hosts is true of those that are added after it."""
    made = machines(latency=0.5)
    host = made.world.make_host("late", "10.0.0.9")

    async def main():
        clock = Clock(made)
        return await outcome(connect("10.0.0.9")), clock()

    assert made.run(main) == ("ECONNREFUSED", 1.0)
    assert host.hostname == "late"


def test_loopback_is_never_touched(machines):
    """Traffic of a host with itself, by any of its addresses, takes no time and is never lost."""
    made = machines(latency=1.0, loss=1.0)
    made.start(serve_echo, on="localhost")

    async def main():
        await asyncio.sleep(1)
        for address in ("127.0.0.1", "10.0.0.1"):
            with await connect(address) as sock:
                assert await trip(made, sock) == 0.0

    made.run(main)


@pytest.mark.parametrize(
    ("latency", "low", "high"),
    [
        ((0.1, 0.2), 0.1, 0.2),
        (simloop.latency.exponential(0.2, minimum=0.1), 0.1, 5),
        (simloop.latency.lognormal(0.2, minimum=0.1), 0.1, 5),
        (simloop.latency.pareto(0.1), 0.1, 50),
        (simloop.latency.constant(0.1), 0.1, 0.1),
    ],
    ids=str,
)
def test_latencies_are_drawn(machines, latency, low, high):
    """Each distribution keeps its minimum, and differs from packet to packet unless constant."""
    made = machines(latency=latency)
    times = []

    async def main():
        with made.net.rule(lambda packet: times.append(packet.kind)):
            for _ in range(100):
                udp().sendto(b"x", (SERVER, 9))
        found = [packet.due_at - packet.sent_at for packet in made.net.in_flight()]
        await asyncio.sleep(100)
        return found

    drawn = made.run(main)
    assert len(drawn) == 100
    assert all(low - 1e-9 <= each <= high + 1e-9 for each in drawn)
    assert (len({round(each, 9) for each in drawn}) > 50) == (low != high)


def test_a_queue_that_is_full_drops(machines):
    """A link sends one packet after the other, and drops what finds its queue full."""
    made = machines(bandwidth=10_000, queue=5_000)
    got = []

    async def serve():
        loop = asyncio.get_running_loop()
        sock = udp(("0.0.0.0", 9))  # noqa: S104
        while True:
            await loop.sock_recv(sock, 2000)
            got.append(made.now)

    async def main():
        await asyncio.sleep(1)
        sock = udp()
        for _ in range(20):
            sock.sendto(bytes(972), (SERVER, 9))  # 1000 with its headers: 0.1 s.
        await asyncio.sleep(10)

    made.start(serve)
    made.run(main)
    assert [round(when - 1.025, 3) for when in got] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]


# Partitions, holds, resets --------------------------------------------------------------------


def test_nothing_arrives_after_a_partition(machines):
    """What was on its way when the way was cut is lost, too."""
    made = machines()

    async def ask(sock):
        await send(sock)
        await asyncio.sleep(0.01)
        made.net.partition("server", "localhost")
        try:
            async with asyncio.timeout(30):
                return await recv(sock)
        except TimeoutError:
            return "nothing"

    assert echoing(made, ask) == "nothing"
    assert made.world.network.in_flight() == ()


def test_one_host_is_cut_off_from_all_others_and_healed_towards_one(machines):
    """``partition(a)`` is about all others; ``heal(a, b)`` about one of them."""
    made = machines("other")
    for name in ("server", "other"):
        made.start(serve_echo, on=name)

    async def main():
        async def reach(address):
            try:
                async with asyncio.timeout(0.9):
                    (await connect(address)).close()
            except TimeoutError:
                return False
            return True

        await asyncio.sleep(1)
        found = []
        made.net.partition("localhost")
        found.append((await reach(SERVER), await reach("10.0.0.3")))
        made.net.heal("localhost", "other")
        found.append((await reach(SERVER), await reach("10.0.0.3")))
        made.net.heal()
        found.append((await reach(SERVER), await reach("10.0.0.3")))
        made.net.partition({"localhost": 1, "server": 1}.keys(), "other")
        found.append((await reach(SERVER), await reach("10.0.0.3")))
        return found

    assert made.run(main) == [(False, False), (False, True), (True, True), (True, False)]


def test_a_reset_breaks_both_ends(machines):
    """``reset`` is ECONNRESET at both ends, at once, and for no other connection."""
    made = machines()

    async def serve():
        with listener() as server:
            sock, _ = await asyncio.get_running_loop().sock_accept(server)
        return await recv(sock), made.now

    async def main():
        await asyncio.sleep(1)
        sock = await connect()
        await asyncio.sleep(1)
        made.net.reset("localhost", "server")
        mine = await recv(sock), made.now
        await asyncio.sleep(0.1)
        return mine, served.result()

    served = made.start(serve)
    mine, theirs = made.run(main)
    assert mine == theirs
    assert mine[0] == "ECONNRESET"


def test_all_waits_for_ever_is_a_deadlock_and_no_row_of_probes():
    """Where no packet can be lost nothing is probed, so a deadlock is found at once."""
    made = Machines()

    async def serve():
        with listener() as server:
            sock, _ = await asyncio.get_running_loop().sock_accept(server)
        await asyncio.get_running_loop().create_future()
        sock.close()

    async def main():
        await asyncio.sleep(1)
        sock = await connect(SO_KEEPALIVE=1)
        await asyncio.get_running_loop().sock_sendall(sock, bytes(10_000_000))

    made.start(serve)
    with pytest.raises(DeadlockError):
        made.run(main)
    assert made.now < 10
    for task in made.tasks:
        task.cancel()
    made.close()


# Rules and packets in flight ------------------------------------------------------------------


def test_rules_are_asked_in_order_and_the_first_answer_counts(machines):
    """A rule that says None leaves it to the next; outside of the block it is asked no more."""
    made = machines()
    asked = []

    def first(packet):
        asked.append(packet.kind)
        return simloop.Deliver(after=0.5) if packet.data == b"late" else None

    def second(packet):
        return simloop.Drop() if packet.data in (b"late", b"lost") else None

    got = []

    async def serve():
        loop = asyncio.get_running_loop()
        sock = udp(("0.0.0.0", 9))  # noqa: S104
        while True:
            got.append((await loop.sock_recv(sock, 100), made.now))

    async def main():
        await asyncio.sleep(1)
        sock = udp()
        with made.net.rule(first), made.net.rule(second):
            for data in (b"late", b"lost", b"plain"):
                sock.sendto(data, (SERVER, 9))
        sock.sendto(b"lost", (SERVER, 9))
        await asyncio.sleep(5)

    made.start(serve)
    made.run(main)
    assert got == [(b"plain", 1.025), (b"lost", 1.025), (b"late", 1.5)]
    assert asked == ["datagram"] * 3


def test_a_duplicate_arrives_twice(machines):
    """``Duplicate`` sends the packet as ever, and a copy that arrives when it says."""
    made = machines()
    got = []

    async def serve():
        loop = asyncio.get_running_loop()
        sock = udp(("0.0.0.0", 9))  # noqa: S104
        while True:
            got.append((await loop.sock_recv(sock, 100), made.now))

    async def main():
        await asyncio.sleep(1)
        with made.net.rule(lambda _: simloop.Duplicate(after=1)):
            udp().sendto(b"x", (SERVER, 9))
        await asyncio.sleep(5)

    made.start(serve)
    made.run(main)
    assert got == [(b"x", 1.025), (b"x", 2.0)]


def test_packets_in_flight_can_be_seen_delivered_and_dropped(machines):
    """A packet tells what it is, and a test may let it arrive or lose it."""
    made = machines(latency=1.0)
    got = []

    async def serve():
        loop = asyncio.get_running_loop()
        sock = udp(("0.0.0.0", 9))  # noqa: S104
        while True:
            got.append((await loop.sock_recv(sock, 100), made.now))

    async def main():
        await asyncio.sleep(1)
        sock = udp(("10.0.0.1", 7))
        for data in (b"one", b"two", b"three"):
            sock.sendto(data, (SERVER, 9))
        packets = made.net.in_flight()
        one = packets[0]
        assert (one.kind, one.data, one.sent_at, one.due_at) == ("datagram", b"one", 1.0, 2.0)
        assert one.source == ("localhost", "10.0.0.1", 7)
        assert one.destination == ("server", SERVER, 9)
        packets[1].deliver()
        packets[2].drop()
        packets[2].deliver()
        assert made.net.in_flight() == (one,)
        await asyncio.sleep(5)
        one.drop()

    made.start(serve)
    made.run(main)
    assert got == [(b"two", 1.0), (b"one", 2.0)]


def test_what_is_held_is_due_never(machines):
    """A held packet is in flight, and due at infinity until it is released."""
    made = machines()

    async def main():
        made.net.hold("localhost", "server")
        udp().sendto(b"x", (SERVER, 9))
        await asyncio.sleep(1)
        (packet,) = made.net.in_flight()
        held = packet.due_at
        made.net.release("localhost", "server")
        return held, packet.due_at

    assert made.run(main) == (math.inf, 1.0)


def test_a_handshake_is_three_packets(machines):
    """The kinds of a connection's packets are those that the design names."""
    made = machines()
    kinds = []
    made.start(serve_echo)

    async def main():
        await asyncio.sleep(1)
        with made.net.rule(lambda packet: kinds.append((packet.source[0], packet.kind))):
            sock = await connect()
            await send(sock)
            await recv(sock)
            sock.close()
            await asyncio.sleep(1)

    made.run(main)
    assert kinds[:4] == [
        ("localhost", "syn"),
        ("server", "syn-ack"),
        ("localhost", "ack"),
        ("localhost", "data"),
    ]
    assert {kind for _, kind in kinds[4:]} == {"data", "ack", "fin"}


# Sockets --------------------------------------------------------------------------------------


def test_sockets_are_what_netstat_shows(machines):
    """Listeners, connections and what waits in their queues, by host."""
    made = machines()

    async def serve():
        with listener() as server:
            sock, _ = await asyncio.get_running_loop().sock_accept(server)
            await asyncio.sleep(100)
            sock.close()

    async def main():
        await asyncio.sleep(1)
        sock = await connect()
        await send(sock, b"unread")
        await asyncio.sleep(1)
        made.net.partition("localhost", "server")
        await send(sock, b"unacknowledged")
        assert made.net.sockets("localhost") == made.net.sockets()[:1]
        return sock.getsockname(), made.net.sockets()

    made.start(serve)
    name, records = made.run(main)
    shown = [
        (one.host, one.state, one.local, one.remote, one.receive_queue, one.send_queue)
        for one in records
    ]
    assert shown == [
        ("localhost", "ESTABLISHED", name, (SERVER, PORT), 0, 14),
        ("server", "LISTEN", ("0.0.0.0", PORT), None, 0, 0),  # noqa: S104
        ("server", "ESTABLISHED", (SERVER, PORT), name, 6, 0),
    ]


# Bad input ------------------------------------------------------------------------------------

NAN = float("nan")


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": -0.1},
        {"loss": 1.1},
        {"loss": NAN},
        {"loss": "0.1"},
        {"loss": True},
        {"duplicate": 2},
        {"reorder": NAN},
        {"latency": -1},
        {"latency": NAN},
        {"latency": math.inf},
        {"latency": (0.2, 0.1)},
        {"latency": "fast"},
        {"bandwidth": 0},
        {"bandwidth": NAN},
        {"queue": -1},
        {"queue": 1.5},
        {"queue": True},
        {"mtu": 100},
        {"mtu": 1500.0},
    ],
    ids=str,
)
def test_conditions_that_mean_nothing_are_refused(machines, settings):
    """The error comes at the call, names the value, and nothing has changed."""
    made = machines()
    with pytest.raises(UsageError, match=f"{next(iter(settings))}|constant|uniform"):
        made.net.configure(**{"mtu": 9000, "latency": 1.0, **settings})

    async def main():
        clock = Clock(made)
        await outcome(connect())
        return clock()

    assert made.run(main) == 0.05


@pytest.mark.parametrize(
    "call",
    [
        lambda net: net.partition("server", "server"),
        lambda net: net.partition(["server", "localhost"], "localhost"),
        lambda net: net.partition("nowhere"),
        lambda net: net.partition([]),
        lambda net: net.partition(None),
        lambda net: net.partition("server", refuse="maybe"),
        lambda net: net.hold("server", "server"),
        lambda net: net.reset("server", "server"),
        lambda net: net.heal("nowhere"),
        lambda net: net.release("nowhere"),
        lambda net: net.configure("nowhere", loss=0.1),
        lambda net: net.sockets("nowhere"),
        lambda net: net.rule("no function"),
        lambda net: net.capture(5),
        lambda net: net.configure("server", "server", loss=0.1),
        lambda net: net.configure("server"),
        lambda net: net.heal("server", ["server"]),
        lambda net: net.release("server", "server"),
        lambda net: setattr(net, "switched", "yes"),
        lambda _: simloop.Deliver(after=-1),
        lambda _: simloop.Duplicate(after=NAN),
        lambda _: simloop.latency.uniform(2, 1),
        lambda _: simloop.latency.exponential(0.1, minimum=0.2),
        lambda _: simloop.latency.lognormal(NAN),
        lambda _: simloop.latency.pareto(0),
    ],
)
def test_what_means_nothing_is_refused_at_the_call(machines, call):
    """Hosts that are not there, both sides the same, times below 0: a UsageError."""
    with pytest.raises(UsageError):
        call(machines().net)


@pytest.mark.parametrize(
    ("latency", "told"),
    [
        (-1, "latency=-1: pass a finite number, not below 0"),
        ((2, 1), "latency=(2, 1): high is below low"),
        ((0, NAN), "latency=(0, nan): pass a finite number, not below 0"),
        ("1 s", "latency='1 s' is none: pass seconds, (low, high), or"),
    ],
)
def test_a_latency_is_refused_as_it_was_given(machines, latency, told):
    """``constant(seconds=-1)`` is a call that the user has not made."""
    with pytest.raises(UsageError, match=re.escape(told)):
        machines().net.configure(latency=latency)


@pytest.mark.parametrize("answer", ["raises", "Drop"])
def test_a_rule_that_breaks_ends_the_run(answer):
    """A rule that raises, or answers what is no verdict, is a UsageError of the run."""
    made = Machines()

    def rule(_):
        if answer == "raises":
            raise LookupError(answer)
        return answer

    async def main():
        with made.net.rule(rule):
            udp().sendto(b"x", (SERVER, 9))
            await asyncio.sleep(1)

    with pytest.raises(UsageError, match=r"the rule .* (raised LookupError|returned 'Drop')"):
        made.run(main)
    made.close()


def test_a_kernel_parameter_that_is_unknown_is_refused(machines):
    """Names and values of ``sysctl`` are checked, and ``del`` restores a default."""
    sysctl = machines().server_host.sysctl
    assert sysctl["net.ipv4.tcp_syn_retries"] == 6
    with pytest.raises(UsageError, match="known are"):
        sysctl["net.ipv4.tcp_magic"] = 1
    with pytest.raises(UsageError, match="1 to 127"):
        sysctl["net.ipv4.tcp_syn_retries"] = 0
    sysctl["net.ipv4.tcp_syn_retries"] = 3
    assert dict(sysctl)["net.ipv4.tcp_syn_retries"] == 3
    del sysctl["net.ipv4.tcp_syn_retries"]
    assert sysctl["net.ipv4.tcp_syn_retries"] == 6
    assert len(sysctl) == len(list(sysctl)) > 5


def test_a_host_is_meant_by_its_name_or_itself(machines):
    """A name, the machine, what stands before a machine, and "driver" for the program of a run."""
    made = machines("other")

    class Shown:
        """As a world shows a host."""

        machine = made.hosts["other"]

    made.net.partition("driver", [made.server_host, Shown()])

    async def main():
        results = []
        for address in (SERVER, "10.0.0.3"):
            try:
                async with asyncio.timeout(1):
                    await connect(address)
            except TimeoutError:
                results.append("silence")
        return results

    assert made.run(main) == ["silence", "silence"]
