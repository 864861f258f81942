"""The lanes of hosts in a trace: packets with both ends, what is the matter, and what happened."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket

import pytest

import simloop
from simloop.net.wire.path import Path
from simloop.net.wire.wire import Wire
from simloop.world.tracing.trace_file import writing_trace


def world():
    return simloop.current_world()


async def serve():
    async def answer(reader, writer):
        with contextlib.suppress(OSError):
            writer.write(await reader.readline())
        writer.close()

    server = await asyncio.start_server(answer, port=7)
    await server.serve_forever()


async def ask(name="db"):
    reader, writer = await asyncio.open_connection(name, 7)
    try:
        writer.write(b"hello\n")
        return await reader.readline()
    finally:
        writer.close()


def packets(written):
    """Each packet as (kind, host it left, where it ended, why it was lost or None, how long)."""
    hosts = {
        each["pid"]: each["args"]["name"]
        for each in written.events
        if each.get("name") == "process_name"
    }
    left, found = {}, []
    for event in written.of("packet", "B") + written.of("lost packet", "B"):
        about = event["args"]
        if "to" in about:
            left[about["packet"]] = event
        else:
            first = left[about["packet"]]
            ends = hosts[first["pid"]], hosts[event["pid"]]
            took = event["ts"] - first["ts"]
            found.append((first["name"], *ends, about.get("why"), took))
    assert len(found) == len(left)
    return found


def test_each_packet_goes_from_lane_to_lane(trace):
    """The packets of a connection are on the lanes of both hosts, a millisecond apart."""

    async def main():
        world().add_host("db", serve)
        await asyncio.sleep(1)
        await ask()
        await asyncio.sleep(1)

    found = packets(trace(main))
    assert found[:3] == [
        ("syn", "localhost", "db", None, 1000),
        ("syn-ack", "db", "localhost", None, 1000),
        ("ack", "localhost", "db", None, 1000),
    ]
    assert {"data", "fin"} < {each[0] for each in found}


def test_a_packet_says_what_it_is(trace):
    """A packet has its endpoints, where it goes, its size and first bytes."""

    async def main():
        world().add_host("db", serve)
        await asyncio.sleep(1)
        await ask()

    written = trace(main)
    (data, *_) = [each for each in written.of("packet", "B") if each["name"] == "data"]
    assert data["args"]["from"].startswith("10.255.255.254:")
    assert data["args"] == {
        "packet": 4,
        "from": data["args"]["from"],
        "to": "10.0.0.1:7",
        "host": "db",
        "bytes": 6,
        "begins": "hello\n",
    }
    assert set(written.threads().values()) >= {"packets", "power", "callbacks"}


def test_what_is_sent_first_is_read_too(trace):
    """Sent while the other end is not there yet, it goes to the task that reads it later."""

    async def main():
        world().add_host("db", serve)
        await asyncio.sleep(1)
        await ask()
        await asyncio.sleep(1)

    assert trace(main).messages() == [("Task-1", "db/Task-2", 6), ("db/Task-2", "Task-1", 6)]


def datagram_to(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x" * 500, (address, 7))


async def cut(net):
    net.partition("driver", "db")
    datagram_to("10.0.0.1")


async def cut_on_its_way(net):
    datagram_to("10.0.0.1")
    net.partition("driver", "db")


async def full_queue(net):
    net.configure("driver", "db", bandwidth=1000, queue=100)
    datagram_to("10.0.0.1")
    datagram_to("10.0.0.1")


async def off(net):
    del net
    world().hosts["db"].crash()
    datagram_to("10.0.0.1")


async def lossy(net):
    net.configure("driver", "db", loss=1.0)
    datagram_to("10.0.0.1")


async def to_no_host(net):
    del net
    datagram_to("10.9.9.9")


async def held(net):
    net.hold("driver", "db")
    datagram_to("10.0.0.1")


async def by_rule(net):
    with net.rule(lambda _: simloop.Drop()):
        datagram_to("10.0.0.1")


async def by_hand(net):
    datagram_to("10.0.0.1")
    net.in_flight()[0].drop()


@pytest.mark.parametrize(
    ("lose", "why", "where"),
    [
        (cut, "the way is cut", "localhost"),
        (cut_on_its_way, "the way is cut", "db"),
        (lossy, "lost", "localhost"),
        (full_queue, "the queue is full", "localhost"),
        (off, "db is off", "db"),
        (to_no_host, "no host has the address", "localhost"),
        (by_rule, "dropped by a rule", "localhost"),
        (by_hand, "dropped", "db"),
        (held, "on its way at the end of the run", "db"),
    ],
)
def test_a_lost_packet_says_why(trace, lose, why, where):
    """Whatever becomes of a packet that does not arrive, its end tells it, at the right host."""

    async def main():
        world().add_host("db")
        await lose(world().network)
        await asyncio.sleep(1)

    lost = [each for each in packets(trace(main)) if each[3]]
    assert [(*each[:2], each[2], each[3]) for each in lost] == [
        ("datagram", "localhost", where, why)
    ]


def test_a_packet_that_is_held_and_released_is_one(trace):
    """It sets out once and arrives once, later."""

    async def main():
        world().add_host("db")
        await held(world().network)
        await asyncio.sleep(1)
        world().network.release()
        await asyncio.sleep(1)

    (found, *_) = packets(trace(main))
    assert found == ("datagram", "localhost", "db", None, 1_000_000)


def test_what_is_the_matter_is_a_span(trace):
    """A host that is off, paused or cut off has spans of that length, and moments beside."""

    async def main():
        db = world().add_host("db", serve)
        net = world().network
        await asyncio.sleep(1)
        db.processes[0].pause()
        await asyncio.sleep(1)
        db.processes[0].resume()
        net.partition("driver", "db")
        await asyncio.sleep(1)
        net.heal()
        db.crash()
        await asyncio.sleep(1)
        db.restart()
        await asyncio.sleep(1)

    written = trace(main)
    spans = [
        (each[2], each[3] / 1e6, each[4] / 1e6)
        for each in written.spans()
        if each[1] in ("power", "network")
    ]
    assert sorted(spans) == [
        ("cut off from db", 2, 3),
        ("cut off from driver", 2, 3),
        ("off", 3, 4),
        ("paused", 1, 2),
    ]
    moments = [(each["ts"] / 1e6, each["name"]) for each in written.events if each["ph"] == "i"]
    assert moments[:2] == [
        (0, "db is added: 10.0.0.1"),
        (0, "1001 on db begins: ['serve']"),
    ]
    assert [text for _, text in moments[2:]] == [
        "1001 on db stops",
        "1001 on db goes on",
        "db crashes",
        "1001 on db ends: -9",
        "db boots",
        "1002 on db begins: ['serve']",
        "1002 on db ends: -9",
    ]


async def faulty():
    world().add_host("db", serve, restart="always")
    world().network.configure(loss=0.1, duplicate=0.1, reorder=0.1, bandwidth=50_000, queue=2000)
    world().inject(simloop.Faults(crash=2, partition=2, pause=2, clog=2, reset=1, until=12.0))
    for _ in range(8):
        with contextlib.suppress(OSError):
            async with asyncio.timeout(3):
                await ask()
        await asyncio.sleep(0.5)


@pytest.mark.parametrize("seed", range(3))
def test_a_traced_run_of_hosts_is_the_run(tmp_path, seed, format_checker):
    """Faults and all: with and without a trace the digest is the same, and the trace is whole."""
    plain = simloop.simulate(faulty, seed=seed)
    made = simloop.World(seed=seed)
    with writing_trace(made, str(tmp_path / "run.json"), "faulty"):
        traced = simloop.simulate(faulty, world=made)
    assert traced.digest == plain.digest
    assert traced.error is plain.error is None
    events = json.loads((tmp_path / "run.json").read_text())["traceEvents"]
    format_checker(events)
    assert any(each.get("s") == "g" for each in events)  # The moments of faults.


def test_a_wire_is_plain_again_afterwards(tmp_path):
    """What nobody watches any more has the classes that ask nothing."""
    made = simloop.World()
    made.add_host("db")
    wire = made.network.wire

    async def main():
        datagram_to("10.0.0.1")
        await asyncio.sleep(1)

    with writing_trace(made, str(tmp_path / "run.json"), "p"):
        assert type(wire) is not Wire
        simloop.run(main(), world=made)
        assert {type(path) for path in wire.paths.values()}.isdisjoint({Path})
    assert type(wire) is Wire
    assert {type(path) for path in wire.paths.values()} == {Path}
