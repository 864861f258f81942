"""Packets in explored runs: what a way may do to them is asked, and nothing else."""

from __future__ import annotations

import asyncio
import socket

import pytest

import simloop
from simloop.exploration.explaining.words import sentence


class Sink(asyncio.DatagramProtocol):
    """Keeps what it hears."""

    def __init__(self, heard):
        self.heard = heard

    def datagram_received(self, data, addr):
        self.heard.append(data)


async def serve(heard):
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Sink(heard), local_addr=("0.0.0.0", 9))  # noqa: S104
    await asyncio.sleep(100)


async def heard_by_db(senders=1, count=1, **conditions):
    """Let hosts send numbered datagrams to one host; return what it hears."""
    world, heard = simloop.current_world(), []
    world.add_host("db", serve, args=(heard,))
    world.network.configure(**conditions)

    async def send(number):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for each in range(count):
            sock.sendto(b"%d of %d" % (each, number), ("db", 9))
        await asyncio.sleep(10)
        sock.close()

    await asyncio.sleep(1)
    for number in range(senders):
        world.add_host(f"from{number}", send, args=(number,))
    await asyncio.sleep(5)
    return heard


class Only(simloop.Strategy):
    """Answers what is asked of ways, and nothing else."""

    kinds = ("drop", "twice", "swap", "flight")

    def answer(self, kind, thing, options):
        return self.random.randrange(options) if self.random.random() < 0.3 else 0


def explored(check, **conditions):
    """Explore until what is heard is not right."""

    async def main():
        heard = await heard_by_db(**conditions)
        assert check(heard), heard

    return main, simloop.explore(main, schedules=100, strategy=Only())


@pytest.mark.parametrize(
    ("kind", "conditions", "check"),
    [
        ("drop", {"loss": 1e-9}, lambda heard: len(heard) == 1),
        ("twice", {"duplicate": 1e-9}, lambda heard: len(heard) == 1),
        ("swap", {"reorder": 1e-9, "count": 2}, lambda heard: heard == sorted(heard)),
        ("flight", {"latency": (0.001, 0.05), "senders": 2}, lambda heard: heard[0] == b"0 of 1"),
    ],
)
def test_what_chance_may_do_is_found_shrunk_and_replayed(kind, conditions, check):
    """However unlikely it is: one deviation of this kind is what is left, and it is told."""
    main, found = explored(check, **conditions)
    (failure,) = found.failures
    (deviation,) = failure.schedule.deviations
    assert deviation.kind == kind
    told = sentence(deviation, None, "")
    assert "on the way from" in told
    assert told in failure.explain()
    assert str(simloop.replay(main, failure).error) == str(failure.error)


@pytest.mark.parametrize("conditions", [{"mtu": 1500}, {"latency": 0.02}, {"bandwidth": 1e6}])
def test_a_way_without_chance_is_not_asked(conditions):
    """Where a packet takes one time and arrives, no schedule changes that."""
    _, found = explored(lambda heard: heard == [b"0 of 0"], **conditions)
    assert not found.failures, str(found)


def test_latencies_stay_in_their_bounds():
    """No packet takes a time that its way does not have."""
    taken = []

    async def main():
        world = simloop.current_world()
        world.add_host("db", serve, args=([],))
        world.network.configure(latency=(0.010, 0.020))
        await asyncio.sleep(1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for _ in range(5):
                sock.sendto(b"x", ("db", 9))
            taken.extend(each.due_at - each.sent_at for each in world.network.in_flight())

    simloop.explore(main, schedules=50, strategy=Only())
    assert len(taken) >= 250
    assert len(dict.fromkeys(taken)) > 5
    assert all(0.00999 <= each <= 0.02001 for each in taken)


@pytest.mark.parametrize("conditions", [{"latency": (0.001, 0.05)}, {"loss": 0.3, "reorder": 0.3}])
def test_a_run_without_deviations_is_the_plain_run(conditions):
    """Digest and all: the questions draw nothing and add no step."""

    async def main():
        await heard_by_db(senders=2, count=5, **conditions)
        raise LookupError

    (failure,) = simloop.explore(main, schedules=1).failures
    assert failure.found_at == 1
    assert failure.outcome.digest == simloop.simulate(main).digest


def test_streams_cross_where_their_ways_vary():
    """Which of two connections is served first is found both ways, by the time that one takes."""
    served = []

    async def listen():
        async def note(reader, writer):
            order.append(await reader.read())
            writer.close()

        order = served[-1]
        server = await asyncio.start_server(note, port=80)
        await server.serve_forever()

    async def ask(name):
        _, writer = await asyncio.open_connection("db", 80)
        writer.write(name.encode())
        writer.close()
        await asyncio.sleep(10)

    async def main():
        served.append([])
        world = simloop.current_world()
        world.add_host("db", listen)
        world.network.configure(latency=(0.001, 0.05))
        await asyncio.sleep(1)
        for name in ("a", "b"):
            world.add_host(name, ask, args=(name,))
        await asyncio.sleep(3)

    simloop.explore(main, schedules=30, strategy=Only())
    assert {tuple(each) for each in served} == {(b"a", b"b"), (b"b", b"a")}
