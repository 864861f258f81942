"""Faults of disks: what programs see of them, and that a disk works again afterwards."""

from __future__ import annotations

import asyncio
import os
from collections import Counter

import simloop


async def write_and_read(seen, path):
    """Write, sync and read now and then; note what fails, and what takes long."""
    loop = asyncio.get_running_loop()
    for number in range(1000):
        began = loop.time()
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT)
            try:
                os.write(fd, b"%04d" % number)
                os.fsync(fd)
                os.lseek(fd, 0, 0)
                os.read(fd, 4)
            finally:
                os.close(fd)
        except OSError as error:
            seen[error.errno] += 1
        if loop.time() - began > 0.04:
            seen["slow"] += 1
        await asyncio.sleep(0.05)


async def main(seen, faults, **settings):
    world = simloop.current_world()
    host = world.add_host("db", write_and_read, args=(seen, "/tmp/simloop-failing"))  # noqa: S108
    host.disk.configure(**settings)
    campaign = world.inject(faults)
    await campaign.healed()
    during = Counter(seen)
    await asyncio.sleep(5)
    return during, Counter(seen), host.disk.settings, [event.what for event in campaign.events]


def test_programs_see_the_trouble_and_then_none():
    """By some seed each shape strikes; after the campaign no call fails, and settings are back."""
    told = Counter()
    for seed in range(12):
        faults = simloop.Faults(disk=3, until=20)
        during, after, settings, events = simloop.run(
            main(Counter(), faults, sync_error=0.0, sector=512), seed=seed
        )
        assert after == during  # Nothing went wrong any more.
        assert settings == type(settings)(sector=512)
        assert events[-1] == "the disk of db works again"
        told.update(event.removeprefix("the disk of db ") for event in events)
        if any(event.startswith("the disk of db fails") for event in events):
            told.update(f"errno {each}" for each in during if each != "slow")
    assert told.keys() >= {
        "fails to sync at times",
        "fails to write at times",
        "fails to read at times",
        "takes up to half a second for a call",
        "is full",
        "works again",
        "errno 5",
    }


def test_what_a_test_sets_meanwhile_stays():
    """Only what the fault itself has set is undone."""

    async def set_meanwhile():
        world = simloop.current_world()
        host = world.add_host("db")
        often = simloop.Often(every=1, lasting=2)
        campaign = world.inject(simloop.Faults(disk=often, until=3))
        while host.disk.is_perfect:
            await asyncio.sleep(0.01)
        host.disk.configure(
            sync_error=0.25, write_error=0.25, read_error=0.25, latency=0.25, capacity=10**6
        )
        await campaign.healed()
        return host.disk.settings

    settings = simloop.run(set_meanwhile())
    assert (settings.sync_error, settings.write_error, settings.read_error) == (0.25, 0.25, 0.25)
    assert (settings.latency, settings.capacity) == (0.25, 10**6)


def test_a_program_that_forgets_to_look_at_a_sync_is_found():
    """Explored, a failing sync is found, and told in a line."""

    async def store():
        fd = os.open("/tmp/simloop-store", os.O_RDWR | os.O_CREAT)  # noqa: S108
        for _ in range(50):
            os.write(fd, b"x")
            os.fsync(fd)
            await asyncio.sleep(0.1)

    async def search():
        world = simloop.current_world()
        world.add_host("db", store)
        await world.inject(simloop.Faults(disk=True, until=4)).healed()

    found = simloop.explore(search, schedules=100)
    (failure,) = found.failures
    assert isinstance(failure.error, OSError)
    assert "the disk of db" in failure.explain()
