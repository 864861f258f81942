"""The short ways of connections and datagrams: every packet and every state is the long ones'."""

from __future__ import annotations

import asyncio
import contextlib
from unittest import mock

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import simloop
from simloop.net.segments.quiet import Quiet
from simloop.net.wire.packet import Packet

# One exchange: who speaks, how many bytes, how long it rests before, and what befalls the wire.
EXCHANGES = st.lists(
    st.tuples(
        st.sampled_from(["client", "server"]),
        st.sampled_from([1, 100, 1400, 2000, 5000, 60_000]),
        st.sampled_from([0.0, 0.001, 0.03, 0.041, 0.3, 3.0]),
        st.sampled_from([None, None, None, "loss", "hold", "cut", "rule", "switch"]),
    ),
    min_size=1,
    max_size=12,
)
FIELDS = ("kind", "seq", "ack", "window", "sack", "size", "sent_ns", "due_ns", "data")
STATES = [
    "snd_una",
    "snd_nxt",
    "snd_window",
    "window_ack",
    "rcv_nxt",
    "ack_sent",
    "ack_right",
    "heard_ns",
    "received_ns",
    "rack_ns",
    "rack_end",
    "rack_trip_ns",
    "answers",
    "blocked",
    "is_limited",
    "most_out",
    "usage_end",
    "backoff",
    "soft_error",
    "retries",
    "resent_since_ns",
    "probes",
    "probing_since_ns",
    "saw_reordering",
    "ack_due_ns",
    "capacity",
]


def begin(net, trouble, rules):
    """Begin a trouble of the wire."""
    if trouble == "loss":
        net.configure(loss=0.5)
    elif trouble == "hold":
        net.hold("driver", "db")
    elif trouble == "cut":
        net.partition("driver", "db")
    elif trouble == "rule":
        rules.enter_context(net.rule(lambda packet: simloop.Drop() if packet.data else None))
    elif trouble == "switch":
        net.switched = True


def end(net, rules):
    """End all troubles of the wire."""
    net.configure(loss=0)
    net.release()
    net.heal()
    rules.close()
    net.switched = False


def note_packets(net, seen):
    """Note each packet when it sets out."""
    real = net.wire.call_at_ns

    def call_at_ns(when_ns, callback, *args):
        packet = args[0] if args else None
        if isinstance(packet, tuple):  # Sent simply: numbers until somebody asks.
            packet = callback.__self__._packet_of(packet)
        if isinstance(packet, Packet):
            seen.append([getattr(packet, field) for field in FIELDS])
        return real(when_ns, callback, *args)

    net.wire.call_at_ns = call_at_ns


def packets_of(exchanges, latency):
    """Run the exchanges; return all packets that were sent, and what both ends are in the end."""
    seen = []
    held = []
    rules = contextlib.ExitStack()

    class Speaker(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport
            held.append(transport._file.connection)

    async def serve(speakers):
        def make():
            speakers.append(Speaker())
            return speakers[0]

        server = await asyncio.get_running_loop().create_server(make, port=80)
        await server.serve_forever()

    async def main():
        world = simloop.current_world()
        net = world.network
        speakers = []
        world.add_host("db", serve, args=(speakers,))
        net.configure(latency=latency)
        await asyncio.sleep(1)
        note_packets(net, seen)
        _, mine = await asyncio.get_running_loop().create_connection(Speaker, "db", 80)
        for who, size, rest, trouble in exchanges:
            await asyncio.sleep(rest)
            begin(net, trouble, rules)
            speaker = mine if who == "client" else (speakers or [mine])[0]
            speaker.transport.write(b"x" * size)
            for connection in held:
                connection.check()
            if trouble is not None:
                await asyncio.sleep(0.5)
                end(net, rules)
        await asyncio.sleep(30)
        states = [
            [each.trip.srtt_ns, each.trip.rto_ns, *(getattr(each, name) for name in STATES)]
            for each in held
        ]
        mine.transport.abort()
        return states

    return simloop.run(main()), seen


SENT_AGAIN = [("client", 100, 0.3, None)] * 3 + [("client", 100, 1.0, "hold")]
"""What was sent by the short way and had to be sent again is not taken for what is sent next."""


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EXCHANGES, st.sampled_from([0.0, 0.02, (0.001, 0.05)]))
@example(SENT_AGAIN * 2, 0.02)
def test_the_short_ways_send_what_the_long_ones_send(exchanges, latency):
    """Packet by packet, and in all that an end remembers, the short ways are the long ones."""
    short = packets_of(exchanges, latency)
    with (
        mock.patch.object(Quiet, "send_quietly", return_value=False),
        mock.patch.object(Quiet, "take_quietly", return_value=False),
    ):
        assert packets_of(exchanges, latency) == short


def datagrams_of(exchanges, latency, *, is_watched):
    """Send datagrams to and fro; return all packets that were sent, and what has arrived when.

    A watcher that does nothing, as a capture has one, shuts the short way.
    """
    seen, got, rules = [], [], contextlib.ExitStack()

    class Speaker(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            got.append((len(data), addr, asyncio.get_running_loop().time()))
            if len(data) % 2:
                self.transport.sendto(data * 2, addr)

    async def serve():
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(Speaker, ("0.0.0.0", 80))  # noqa: S104 - virtual
        await asyncio.sleep(1000)

    async def main():
        world = simloop.current_world()
        net = world.network
        db = world.add_host("db", serve)
        net.configure(latency=latency)
        note_packets(net, seen)
        if is_watched:
            net.wire.watchers.append(lambda _: None)
            net.wire.settle_paths()
        await asyncio.sleep(1)
        loop = asyncio.get_running_loop()
        mine, _ = await loop.create_datagram_endpoint(Speaker, ("0.0.0.0", 0))  # noqa: S104
        for _, size, rest, trouble in exchanges:
            await asyncio.sleep(rest)
            begin(net, trouble, rules)
            mine.sendto(b"x" * size, (db.addresses[0], 80))
            mine.sendto(b"x" * (size + 1), (db.addresses[0], 80 + (size == 100)))
            if trouble is not None:
                await asyncio.sleep(0.2)
                end(net, rules)
        await asyncio.sleep(3)
        mine.close()

    simloop.run(main())
    return seen, got


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EXCHANGES, st.sampled_from([0.0, 0.02, (0.001, 0.05)]))
def test_datagrams_by_the_short_way_are_those_by_the_long_one(exchanges, latency):
    """Packet by packet, and in what arrives when, a known way is the one that asks everything."""
    short = datagrams_of(exchanges, latency, is_watched=False)
    assert datagrams_of(exchanges, latency, is_watched=True) == short


def test_the_short_ways_are_taken():
    """A request and its answer go by them, or this file would compare a thing with itself."""
    calls = []
    real_send, real_take = Quiet.send_quietly, Quiet.take_quietly

    def send(self, data):
        calls.append(real_send(self, data))
        return calls[-1]

    def take(self, *packet):
        calls.append(real_take(self, *packet))
        return calls[-1]

    with (
        mock.patch.object(Quiet, "send_quietly", send),
        mock.patch.object(Quiet, "take_quietly", take),
    ):
        packets_of([("client", 100, 0.3, None), ("server", 100, 0.3, None)] * 5, 0.02)
    assert calls.count(True) >= 16


def test_a_packet_that_was_looked_at_is_one_packet_until_it_arrives():
    """Who asks for what is on its way gets the same object each time; it can be dropped by it."""
    got = []

    class Speaker(asyncio.Protocol):
        def data_received(self, data):
            got.append((asyncio.get_running_loop().time(), len(data)))

    async def serve():
        server = await asyncio.get_running_loop().create_server(Speaker, port=80)
        await server.serve_forever()

    async def main():
        net = simloop.current_world().network
        simloop.current_world().add_host("db", serve)
        net.configure(latency=0.25)
        await asyncio.sleep(1)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, "db", 80)
        for size in (1, 2, 3):
            await asyncio.sleep(1)
            transport.write(b"x" * size)
            seen = net.in_flight()
            again = net.in_flight()
            assert [each.path for each in seen] == [each.path for each in again] != [None]
            assert [id(each) for each in seen] == [id(each) for each in again]
            assert [(each.kind, each.data, each.due_at) for each in seen] == [
                ("data", b"x" * size, loop.time() + 0.25)
            ]
            if size == 2:
                seen[0].drop()
                assert not net.in_flight()
            await asyncio.sleep(5)
            assert seen[0].path is None
        transport.abort()

    simloop.run(main())
    assert [size for _, size in got] == [1, 2, 3]
