"""Disks of hosts: files that never meet, and what a killed process and a power cut leave."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

import simloop
from simloop.trace import Recorder

from .test_add_host import world

HERE = Path("/tmp/simloop-app")  # noqa: S108 - on no machine that runs these tests
LOG = HERE / "log"


def names_in(folder):
    return sorted(each.name for each in folder.iterdir())


def write_and_wait(text, path=LOG, *, sync=False):
    """Return a program that writes a file and goes on for ever."""

    async def program():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(text)
            file.flush()
            if sync:
                os.fsync(file.fileno())
                for folder in path.parents:
                    fd = os.open(folder, os.O_RDONLY)
                    os.fsync(fd)
                    os.close(fd)
            await asyncio.sleep(1e6)

    return program


def test_files_of_two_hosts_never_meet(tmp_path):
    """Each host reads what is real and sees what it wrote itself; nothing becomes real."""
    shared = tmp_path / "shared"
    shared.write_text("real")
    seen = {}

    async def program(name):
        before = shared.read_text()
        shared.write_text(f"of {name}")
        (tmp_path / name).touch()
        await asyncio.sleep(1)
        seen[name] = before, shared.read_text(), names_in(tmp_path)

    async def main():
        hosts = [world().add_host(name, program, args=(name,)) for name in "ab"]
        await asyncio.sleep(0.5)
        real = shared.read_text(), names_in(tmp_path)
        await asyncio.sleep(1)
        return real, [host.disk.read(str(shared)) for host in hosts]

    assert simloop.run(main()) == (("real", ["shared"]), [b"of a", b"of b"])
    assert seen == {
        "a": ("real", "of a", ["a", "shared"]),
        "b": ("real", "of b", ["b", "shared"]),
    }
    assert shared.read_text() == "real"
    assert names_in(tmp_path) == ["shared"]


def test_the_driver_s_disk_is_the_world_s(tmp_path):
    """Of a world with a disk it is the driver's; of another the driver's files are real."""

    async def main():
        world().add_host("a", write_and_wait("a's", tmp_path / "f"))
        (tmp_path / "f").write_text("driver's")
        await asyncio.sleep(1)
        disk = world().driver.disk
        assert disk is world().disk
        return disk.read(str(tmp_path / "f")), world().hosts["a"].disk.read(str(tmp_path / "f"))

    assert simloop.run(main(), disk=True) == (b"driver's", b"a's")
    assert names_in(tmp_path) == []
    with pytest.raises(simloop.UsageError, match="disk=True"):
        simloop.World().driver.disk  # noqa: B018 - it raises


def test_processes_of_the_driver_use_its_files(tmp_path):
    """A process that is started on the driver writes where the test itself writes."""

    async def program():
        (tmp_path / "f").write_text("of a process")

    async def main():
        await world().driver.start(program).exited()
        return (tmp_path / "f").read_text()

    assert simloop.run(main(), disk=True) == "of a process"
    assert names_in(tmp_path) == []
    assert simloop.run(main()) == "of a process"
    assert names_in(tmp_path) == ["f"]


def test_a_world_that_allows_files_has_hosts_with_real_ones(tmp_path):
    """allow=("files",) holds for hosts, too, and their disk says why there is none."""

    async def main():
        host = world().add_host("a", write_and_wait("real", tmp_path / "f"))
        await asyncio.sleep(1)
        with pytest.raises(simloop.UsageError, match="for a block"):
            host.disk  # noqa: B018 - it raises

    simloop.run(main(), allow=("files",))
    assert (tmp_path / "f").read_text() == "real"


def test_processes_of_a_host_share_its_disk():
    """Each sees what another writes, with a folder and a mask of its own."""
    seen = []

    async def one():
        (HERE / "one").mkdir(parents=True)
        os.chdir(HERE / "one")
        os.umask(0o077)
        Path("f").write_text("of one")
        await asyncio.sleep(2)
        Path("mode").touch()
        seen.append((Path.cwd(), Path("mode").stat().st_mode & 0o777))

    async def other():
        await asyncio.sleep(1)
        (HERE / "g").touch()
        seen.append(((HERE / "one/f").read_text(), (HERE / "g").stat().st_mode & 0o777))

    async def main():
        host = world().add_host("a")
        processes = host.start(one), host.start(other)
        here = Path.cwd()
        await asyncio.sleep(0.5)
        cwds = processes[0].cwd, processes[1].cwd
        await asyncio.sleep(2)
        return cwds, Path.cwd() == here

    assert simloop.run(main()) == ((str(HERE / "one"), ""), True)
    assert seen == [("of one", 0o644), (HERE / "one", 0o600)]


def test_a_world_begins_in_a_folder_that_is_gone(tmp_path):
    """Where the real working directory was removed, a host's process begins at the root."""

    async def main():
        seen = []

        async def program():
            seen.append(Path.cwd())

        world().add_host("db", program)
        await asyncio.sleep(1)
        return seen

    here, gone = Path.cwd(), tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    try:
        gone.rmdir()
        seen = simloop.run(main())
    finally:
        os.chdir(here)
    assert seen == [Path("/")]


def test_a_killed_process_loses_nothing_that_a_call_took():
    """What was written is there after SIGKILL; what was in a buffer is not."""

    async def program():
        HERE.mkdir()
        file = LOG.open("w")
        file.write("taken")
        file.flush()
        file.write(", buffered")
        await asyncio.sleep(1e6)

    async def main():
        host = world().add_host("a", program)
        await asyncio.sleep(1)
        host.processes[0].kill()
        host.disk.check()
        return host.disk.read(str(LOG))

    assert simloop.run(main()) == b"taken"


def test_a_process_that_ends_writes_its_buffers():
    """What a program has in its buffers when it returns is written, as Python does at its exit."""
    kept = []

    async def program():
        HERE.mkdir()
        kept.append(LOG.open("w"))
        kept[0].write("buffered")

    async def main():
        host = world().add_host("a", program)
        await asyncio.sleep(1)
        with pytest.raises(ValueError, match="closed file"):
            kept[0].write("more")
        return host.disk.read(str(LOG))

    assert simloop.run(main()) == b"buffered"
    kept.clear()


def crashed(program, seed, look=lambda disk: disk.read(str(LOG))):
    """Return what is on a host's disk after a power cut, and what was told of that."""

    async def main():
        host = world().add_host("db", program)
        await asyncio.sleep(1)
        host.crash()
        host.disk.check()
        return look(host.disk)

    recorder = Recorder()
    outcome = simloop.simulate(main, seed=seed, recorder=recorder)
    assert isinstance(outcome.error, (FileNotFoundError, type(None)))
    told = [step.label for step in recorder.steps if step.label.startswith("disk: ")]
    return outcome.value, told


def test_a_power_cut_takes_what_was_not_synced():
    """Over seeds, unsynced bytes are there, partly there, or gone with the file; it is told."""
    results = [crashed(write_and_wait("x" * 6000), seed) for seed in range(30)]
    lengths = {len(value) if value is not None else None for value, _ in results}
    assert lengths == {None, 0, 4096, 6000}
    for value, told in results:
        if value == b"x" * 6000:
            assert told == []
        else:
            (line,) = told
            assert line.startswith("disk: db: power cut, lost: ")
            assert ("of log" in line) == (value is not None)


def test_what_was_synced_survives_each_power_cut():
    """After fsync of the file and of the folders on the way everything is there, for any seed."""
    program = write_and_wait("x" * 6000, sync=True)
    assert [crashed(program, seed) for seed in range(20)] == [(b"x" * 6000, [])] * 20


def test_a_host_boots_with_what_is_left():
    """The next boot of a host finds the files of the last one, and other hosts lose nothing."""
    found = []

    async def program():
        LOG.parent.mkdir(parents=True, exist_ok=True)
        found.append(LOG.read_text() if LOG.exists() else None)
        await write_and_wait("line\n", sync=True)()

    async def main():
        db = world().add_host("db", program)
        other = world().add_host("other", write_and_wait("not synced"))
        for _ in range(3):
            await asyncio.sleep(1)
            db.restart()
        await asyncio.sleep(1)
        return other.disk.read(str(LOG))

    assert simloop.run(main()) == b"not synced"
    assert found == [None, "line\n", "line\n" * 2, "line\n" * 3]


def test_a_program_may_cut_its_own_power():
    """A crash that a host's own code asks for loses by the same rules, and nothing runs after."""

    async def program():
        HERE.mkdir()
        with LOG.open("w") as file:
            file.write("x" * 6000)
            file.flush()
            file.write("never")
            world().hosts["db"].crash()
            file.write("never")

    results = [crashed(program, seed)[0] for seed in range(30)]
    assert {None if each is None else len(each) for each in results} == {None, 0, 4096, 6000}


def test_one_host_s_outcomes_do_not_move_another_s():
    """What a crash leaves is drawn by each host for itself."""

    def left(names):
        async def main():
            for name in names:
                world().add_host(name, write_and_wait("x" * 9000))
            await asyncio.sleep(1)
            for name in names:
                world().hosts[name].crash()
            return [world().hosts[name].disk.files() for name in names]

        return simloop.run(main(), seed=4)

    assert left("ab")[1] == left("cdb")[2]


def test_a_disk_is_at_hand_while_the_host_is_off():
    """A test reads, writes, lists, wipes and configures it, and the next boot finds that."""
    seen = []

    async def program():
        seen.append(Path("/data/config").read_text())
        try:
            Path("/data/big").write_bytes(b"x" * 100)
        except OSError as error:
            seen.append(errno.errorcode[error.errno])

    async def main():
        host = world().add_host("db", program)
        disk = host.disk
        disk.write("/data/config", b"a = 0")
        await asyncio.sleep(1)
        host.crash()
        disk.wipe()
        assert disk.files() == []
        disk.write("/data/config", b"a = 1")
        disk.configure(capacity=20)
        host.restart()
        await asyncio.sleep(1)
        return disk.files(), disk.read("/data/config"), len(disk.read("/data/big"))

    assert simloop.run(main()) == (["/data/big", "/data/config"], b"a = 1", 15)
    assert seen == ["a = 0", "a = 1", "ENOSPC"]


async def three_crash():
    """Cut the power of three hosts, of which one's loss does harm."""
    for name in ("a", "b", "c"):
        world().add_host(name, write_and_wait("x" * 9000))
        world().hosts[name].disk.write(str(LOG), b"")
    await asyncio.sleep(100)
    for host in world().hosts.values():
        host.crash()
    assert world().hosts["b"].disk.read(str(LOG)), "b has lost all"


def test_an_exploration_names_the_host_whose_loss_does_harm():
    """Outcomes of crashes are choices by the host's name; a finding is shrunk to those it needs."""
    found = simloop.explore(three_crash, schedules=200)
    (failure,) = found.failures
    deviations = [(each.kind, each.name) for each in failure.schedule.deviations]
    assert deviations == [("fault.disk", f"b: {LOG}: size")]
    assert f"took what changed the size of b: {LOG}" in failure.explain()
    assert "b has lost all" in str(simloop.replay(three_crash, failure).error)
