"""Campaigns: what they do in a plain run, and that all is healed at their end."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

import simloop
from simloop import Faults, Often
from simloop.world.faults.faults import KINDS

NAMES = ("a", "b", "c")


async def serve():
    """Answer each connection with the time of the wall clock and of the loop's clock."""

    async def answer(_reader, writer):
        try:
            writer.write(repr(time.time()).encode())
            await writer.drain()
        except OSError:
            pass
        writer.close()

    server = await asyncio.start_server(answer, port=80)
    await server.serve_forever()


async def ask(name, within=1.0):
    """Return what a host answers, or None."""
    writer = None
    try:
        async with asyncio.timeout(within):
            reader, writer = await asyncio.open_connection(name, 80)
            return float(await reader.read() or b"nan")
    except OSError:
        return None
    finally:
        if writer is not None:
            writer.close()


def world_of(*names, seed=0, **options):
    """Return a world with such hosts."""
    world = simloop.World(seed=seed)
    for name in names or NAMES:
        world.add_host(name, serve, **options)
    return world


def campaign_of(faults, *names, seed=0, **options):
    """Run a campaign to its end, with a driver that asks around; return it."""
    world = world_of(*names, seed=seed, **options)

    async def main():
        campaign = world.inject(faults)
        healed = asyncio.ensure_future(campaign.healed())
        while not healed.done():
            await ask(next(iter(world.hosts)), 0.2)
            await asyncio.sleep(0.3)
        return campaign

    return simloop.run(main(), world=world)


# What is healed -----------------------------------------------------------------------------------


async def all_is_well(world):
    """Assert that every host is up, that every pair can talk, and that clocks agree."""
    assert [host.state for host in world.hosts.values()] == ["up"] * len(world.hosts)
    await asyncio.sleep(0.01)  # Programs that were started now listen.
    talked = []

    async def ask_all(name):
        for other in world.hosts:
            if other != name:
                shown = await ask(other)
                assert shown is not None, f"{name} does not hear {other}"
                talked.append((name, other, time.time() - shown))

    askers = [host.start(ask_all, args=(name,)) for name, host in world.hosts.items()]
    assert [await each.exited() for each in askers] == [0] * len(askers)
    for name in world.hosts:
        shown = await ask(name)
        talked.append(("driver", name, time.time() - shown))
    assert len(talked) == len(world.hosts) ** 2
    assert all(0 <= late < 0.01 for _, _, late in talked), talked
    for host in world.hosts.values():
        assert (host.clock.skew, host.clock.drift) == (0.0, 0.0)


@pytest.mark.parametrize("seed", range(12))
def test_after_the_end_all_is_well(seed):
    """After healed() hosts are up, pairs talk, names are right and clocks agree, and stay so."""
    world = world_of(seed=seed)

    async def main():
        campaign = world.inject(Faults(until=20))
        await campaign.healed()
        assert asyncio.get_running_loop().time() == 20
        await all_is_well(world)
        count = len(campaign.events)
        await asyncio.sleep(60)
        await all_is_well(world)
        assert len(campaign.events) == count

    simloop.run(main(), world=world)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_strikes_and_is_healed(kind):
    """One kind alone does what it says, again and again, and nothing of it is left."""
    world = world_of(seed=1)
    kinds = set()

    async def main():
        campaign = world.inject(Faults(**{kind: Often(every=0.5)}, until=20))
        await campaign.healed()
        await all_is_well(world)
        kinds.update(event.kind for event in campaign.events)
        return campaign.events

    events = simloop.run(main(), world=world)
    assert kinds == {kind}
    assert len(events) > 10


def test_what_the_test_has_set_stays():
    """A cut, a latency, a skew, a drift and a name of the test's own are there afterwards."""
    world = world_of("a", "b")
    net = world.network
    net.partition("a", "driver")
    net.configure("b", latency=0.25)
    world.hosts["b"].clock.skew = 7
    world.hosts["b"].clock.drift = 0.5
    world.names.fail("b.internal", socket.EAI_AGAIN)

    async def main():
        faults = Faults(partition=Often(1), clog=Often(1), clock=Often(1), names=Often(1), until=20)
        await world.inject(faults).healed()
        assert await ask("a", 5) is None
        began = asyncio.get_running_loop().time()
        assert await ask("b", 5) is not None
        assert asyncio.get_running_loop().time() - began == pytest.approx(1.0)
        with pytest.raises(socket.gaierror):
            socket.gethostbyname("b.internal")
        return world.hosts["b"].clock.drift, world.hosts["b"].clock.skew, world.time_ns / 1e9

    drift, skew, now = simloop.run(main(), world=world)
    assert drift == 0.5
    assert skew == pytest.approx(7 + now / 2, abs=1e-6)


def test_a_host_that_the_program_switched_off_stays_off():
    """The campaign boots what it has crashed, and nothing else."""
    world = world_of("a")

    async def main():
        world.hosts["a"].crash()
        campaign = world.inject(Faults(crash=Often(1), kill=Often(1), pause=Often(1), until=10))
        await campaign.healed()
        return campaign.events, world.hosts["a"].state

    assert simloop.run(main(), world=world) == ((), "off")


@pytest.mark.parametrize("policy", ["never", "on-failure", "always"])
def test_a_killed_program_runs_once_afterwards(policy):
    """A program that was killed is started again, whatever its restart policy, and once."""
    world = world_of("a", restart=policy, seed=2)

    async def main():
        await world.inject(Faults(kill=Often(2), until=20)).healed()
        await asyncio.sleep(5)
        return len(world.hosts["a"].processes)

    assert simloop.run(main(), world=world) == 1


# What is drawn ------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_events():
    """Events are a function of the seed, and another seed gives others."""
    records = {seed: campaign_of(Faults(), seed=seed).events for seed in (1, 2, 3)}
    assert len({str(record) for record in records.values()}) == 3
    for seed, record in records.items():
        assert campaign_of(Faults(), seed=seed).events == record


def test_kinds_and_intensity_differ_by_seed():
    """Swarm testing: each run has some of the kinds, at least one, and some have few faults."""
    runs = [campaign_of(Faults(until=10), seed=seed).events for seed in range(15)]
    kinds = [frozenset(event.kind for event in events) for events in runs]
    assert len(set(kinds)) > 5
    assert frozenset().union(*kinds) == set(KINDS)
    assert all(len(each) < len(KINDS) for each in kinds)


def test_a_number_is_so_many_times():
    """A number of times is that number, in each run, one after another."""
    for seed in range(5):
        events = campaign_of(Faults(reset=3, until=10), seed=seed).events
        assert [int(event.time * 3 / 10) for event in events] == [0, 1, 2]


def test_faults_of_one_host_end_each_at_its_own_time():
    """A clog that ends leaves a partition of the same host in place, and the other way round."""
    world = world_of("a", seed=4)
    cuts = []

    async def main():
        often = {"partition": Often(10, lasting=9), "clog": Often(1, lasting=0.3)}
        campaign = world.inject(Faults(**often, until=10))
        while not campaign.events or campaign.events[-1].kind != "clog":
            await asyncio.sleep(0.01)
        while "partition" not in [event.kind for event in campaign.events]:
            await asyncio.sleep(0.01)
        began = world.time_ns
        while world.time_ns < began + 3_000_000_000:
            await asyncio.sleep(0.25)
            if campaign.events[-1].what != "the partition is healed":
                cuts.append(len(world.network.wire.cuts))
        await campaign.healed()
        return [event.kind for event in campaign.events], world.network.wire

    kinds, wire = simloop.run(main(), world=world)
    assert kinds.count("clog") > 10
    assert cuts
    assert set(cuts) == {1}
    assert not wire.cuts
    assert not wire.holds


def test_a_deadlock_tells_what_went_wrong():
    """The report of a run that can't go on has the last faults."""
    world = world_of("a", seed=1)

    async def main():
        campaign = world.inject(Faults(crash=1, until=5))
        await campaign.healed()
        world.hosts["a"].crash()
        await asyncio.get_running_loop().create_future()

    with pytest.raises(simloop.DeadlockError, match=r"(?s)'a' is off.* s: a loses its power"):
        simloop.run(main(), world=world)


def test_often_says_how_often_and_how_long():
    """With Often there is a fault in each such part of the time, and it lasts as it says."""
    events = campaign_of(Faults(pause=Often(4, lasting=0.5), until=40), "a", seed=5).events
    begins = [event.time for event in events[::2]]
    ends = [event.time for event in events[1::2]]
    assert len(begins) == 10
    assert [end - begin for begin, end in zip(begins, ends, strict=True)] == pytest.approx(
        [0.5] * 10
    )


def test_only_the_hosts_that_are_named_are_faulty():
    """Faults of hosts strike those that were given, and never the driver."""
    faults = Faults(crash=True, kill=True, pause=True, clock=True, names=True, hosts=["b"])
    for seed in range(5):
        events = campaign_of(faults, seed=seed).events
        assert {event.hosts for event in events} <= {("b",)}


def test_all_shapes_of_partitions_and_clogs_come():
    """Halves, isolation, one way, flapping and bridges; held, slow, lossy, narrow and swizzle."""
    told = [
        event.what
        for seed in range(4)
        for event in campaign_of(Faults(partition=30, clog=30), seed=seed).events
    ]
    for words in (
        "is cut off from all others", " sends arrives", "nothing that is sent to",
        "and joined, by turns", "are cut off from all others", "and not each other",
        "is held", "takes up to", "is lost at times", "is lost mostly", "10 kB a second",
        "one after another", "comes twice",
    ):  # fmt: skip
        assert any(words in what for what in told), words


# Where it is told ---------------------------------------------------------------------------------


def test_events_are_told_to_those_who_watch():
    """What a campaign does is in the record of the run, at its time."""
    world = world_of("a", seed=1)
    heard = []

    class Watcher:
        def step(self, now_ns, handle):
            pass

        def happened(self, what, data):
            if what == "fault":
                heard.append((world.time_ns / 1e9, data))

    world.watch(Watcher())

    async def main():
        campaign = world.inject(Faults(crash=3))
        await campaign.healed()
        return campaign

    campaign = simloop.run(main(), world=world)
    assert heard == [(event.time, event.what) for event in campaign.events]
    assert len(heard) == 6
    assert str(campaign).splitlines()[0].endswith(" s: a loses its power")


def test_a_program_that_ends_early_ends_its_campaign():
    """A run that is over has no more faults, and is no longer for them."""
    world = world_of("a")

    async def main():
        world.inject(Faults(crash=Often(1)))
        await asyncio.sleep(2.5)

    simloop.run(main(), world=world)
    assert world.time_ns == 2_500_000_000
