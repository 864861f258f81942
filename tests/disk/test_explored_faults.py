"""Each fault of a disk is found by exploration where it does harm, and shrunk to itself."""

from __future__ import annotations

import asyncio
import os
from functools import partial

import pytest

import simloop

OLD, NEW = b"o" * 8192, b"n" * 8192


async def too_slow(folder):
    """A program that gives a file half a second."""
    with open(folder / "f", "wb", buffering=0) as file:
        file.writelines(b"x" for _ in range(3))
    assert asyncio.get_running_loop().time() < 0.4


async def reads_what_it_can(folder):
    """A program that takes an error for an empty file."""
    (folder / "f").write_bytes(b"kept")
    try:
        data = (folder / "f").read_bytes()
    except OSError:
        data = b""
    assert data == b"kept"


async def writes_and_believes(folder):
    """A program that goes on as if its write had succeeded."""
    fd = os.open(folder / "f", os.O_RDWR | os.O_CREAT)
    try:
        os.write(fd, b"kept")
    except OSError:
        os.lseek(fd, 0, os.SEEK_END)
    assert os.pread(fd, 10, 0) == b"kept"
    os.close(fd)


async def syncs_again(folder):
    """A program that asks once more after a failed fsync, which succeeds without the data."""
    disk = simloop.current_world().disk
    disk.write(str(folder / "f"), b"")
    fd = os.open(folder / "f", os.O_RDWR)
    os.write(fd, b"kept")
    for _ in range(2):
        try:
            os.fsync(fd)
            break
        except OSError:
            continue
    os.close(fd)
    disk.configure(sync_error=0.0)
    disk.crash()
    assert (folder / "f").read_bytes() == b"kept"


async def checks_no_sum(folder):
    """A program that believes each byte that it reads."""
    (folder / "f").write_bytes(b"kept")
    assert (folder / "f").read_bytes() == b"kept"


async def writes_two_sectors(folder):
    """A program that takes a write of two sectors for one that is there or is not."""
    disk = simloop.current_world().disk
    disk.write(str(folder / "f"), OLD)
    fd = os.open(folder / "f", os.O_RDWR)
    os.pwrite(fd, NEW, 0)
    disk.crash()
    assert (folder / "f").read_bytes() in (OLD, NEW)


async def fills_the_disk(folder):
    """A program that takes a short write for a whole one; which file is too much is chosen."""
    simloop.current_world().disk.configure(capacity=10)
    size = 4 + simloop.choose(8, "size")
    fd = os.open(folder / "f", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"x" * size)
    assert os.fstat(fd).st_size == size


PROGRAMS = {
    too_slow: ({"latency": (0.1, 0.3)}, "latency of write of f"),
    reads_what_it_can: ({"read_error": 0.01}, "read error of f"),
    writes_and_believes: ({"write_error": 0.01}, "write error of f"),
    syncs_again: ({"sync_error": 0.01}, "sync error of f"),
    checks_no_sum: ({"corrupt": 0.01}, "corruption of f"),
    writes_two_sectors: ({}, "f: overwrite 1 of 1"),
    fills_the_disk: ({}, "size"),
}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda each: each.__name__)
def test_a_fault_is_found_and_shrunk_to_itself(program, tmp_path):
    """It takes at most two hundred schedules, what is left names the fault, and it is replayed."""
    settings, named = PROGRAMS[program]

    async def main():
        simloop.current_world().disk.configure(**settings)
        await program(tmp_path)

    found = simloop.explore(main, schedules=200, disk=True)
    (failure,) = found.failures
    names = [each.name for each in failure.schedule.deviations]
    assert any(name.endswith(named) for name in names), names
    # What a failed sync loses, and where a bit flips, are questions of their own.
    assert len(names) == 1 or (named, len(names)) == ("sync error of f", 2), names
    again = simloop.replay(main, failure.schedule.token)
    assert str(again.error) == str(failure.error)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("latency", [0.1, (0.1, 0.1)])
def test_an_undisturbed_run_takes_the_least_time(latency, tmp_path):
    """Schedule 1 has no fault, and each call takes the least that was configured."""
    main = partial(too_slow, tmp_path)

    async def configured():
        simloop.current_world().disk.configure(latency=latency, read_error=1.0, corrupt=1.0)
        await main()
        assert (tmp_path / "f").read_bytes() == b"xxx"

    assert not simloop.explore(configured, schedules=1, disk=True).failures
