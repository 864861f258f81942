"""Exploration with faults: found, shrunk to what it needs, told in words, replayed."""

from __future__ import annotations

import asyncio
import contextlib

import simloop
from simloop import Faults

SMALL = simloop.Delays(each=0.01, total=0.1)
"""Timing has its own tests; here it is faults that break programs."""


def faults_of(failure):
    """Return the deviations of a failure that are faults."""
    return [each for each in failure.schedule.deviations if each.kind.startswith("fault.")]


def test_one_crash_breaks_a_counter_that_acknowledges_first(replicated):
    """An early acknowledgement is found, and shrunk to a crash or two, told in words."""

    async def main():
        faults = Faults(crash=True, partition=True, hosts=["primary"], until=10)
        await replicated.count(faults, acknowledges_first=True)

    found = simloop.explore(main, schedules=60, delays=SMALL)
    (failure,) = found.failures
    kinds = [(each.kind, each.name) for each in faults_of(failure)]
    assert kinds in ([("fault.crash", "primary")], [("fault.crash", "primary")] * 2)
    assert "primary loses its power, for 0.2 s" in failure.explain()
    assert simloop.replay(main, failure).digest == failure.outcome.digest


def test_one_partition_breaks_a_lease_that_is_trusted_too_long(replicated):
    """A leader that outlives its lease is found, and shrunk to one partition, told in words."""

    async def main():
        faults = Faults(partition=True, clock=True, hosts=["one", "two"], until=6)
        await replicated.lead(faults, trusts_itself=True)

    found = simloop.explore(main, schedules=60, delays=SMALL)
    (failure,) = found.failures
    assert [each.kind for each in faults_of(failure)] == ["fault.partition"]
    assert "cut off from all others, for" in failure.explain()


def test_correct_twins_are_not_accused(replicated):
    """Faults alone are no failure: what is made to survive them does."""

    async def counter():
        faults = Faults(crash=True, partition=True, hosts=["primary"], until=10)
        await replicated.count(faults, acknowledges_first=False)

    async def lease():
        faults = Faults(partition=True, clog=True, hosts=["one", "two"], until=6)
        await replicated.lead(faults, trusts_itself=False)

    assert not simloop.explore(counter, schedules=12, delays=SMALL).failures
    assert not simloop.explore(lease, schedules=8, delays=SMALL).failures


def test_the_undisturbed_run_has_no_fault(replicated):
    """In an exploration 0 is no fault, so its first schedule has none, whatever the seed."""
    seen = []

    async def main():
        world = simloop.current_world()
        world.add_host("backup", replicated.backup)
        campaign = world.inject(Faults(crash=5, reset=True, until=5))
        await campaign.healed()
        seen.append(campaign.events)

    simloop.explore(main, schedules=1, seed=7)
    assert dict.fromkeys(seen) == {(): None}


def test_a_shape_is_named_after_its_fault():
    """A fault whose shape matters is shrunk to two deviations, both told in words."""

    async def serve():
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), port=80)
        await server.serve_forever()

    async def main():
        world = simloop.current_world()
        world.add_host("db", serve)
        campaign = world.inject(Faults(clock=2, until=4))
        await campaign.healed()
        assert not any("fast" in event.what for event in campaign.events)

    found = simloop.explore(main, schedules=200, delays=SMALL)
    (failure,) = found.failures
    kinds = [(each.kind, each.name) for each in failure.schedule.deviations]
    assert kinds == [
        ("fault.clock", "db"),
        ("fault.shape", f"db: clock {failure.schedule.deviations[0].nth - 1}"),
    ]
    text = failure.explain()
    assert "the clock of db runs fast by 1 %, for 0.5 s" in text
    assert "option" not in text


def test_a_host_whose_clock_goes_wrong_is_explored_further():
    """A drift that comes in the middle of a connect, or later, leaves a loop its questions."""

    async def look_up_later():
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            await asyncio.open_connection(simloop.current_world().hosts["server"].addresses[0], 80)
        began = loop.time()
        await loop.getaddrinfo("server", 80)
        assert loop.time() - began < 0.5, "a name took long"

    async def main():
        world = simloop.current_world()
        world.add_host("server")
        client = world.add_host("client", look_up_later)
        await asyncio.sleep(0.0005)  # A packet takes longer.
        client.clock.drift = 0.1
        await asyncio.sleep(20)

    found = simloop.explore(main, schedules=60, delays=simloop.Delays(each=2.0, total=4.0))
    (failure,) = found.failures
    assert "a name took long" in str(failure.error)
    assert [each.kind for each in failure.schedule.deviations] == ["name"]
