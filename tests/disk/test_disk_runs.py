"""Runs with a disk: what becomes real, what is refused, times, faults, seeds."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import importlib
import mmap
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

import simloop
from simloop.exploration.explaining.words import sentence
from simloop.trace import Recorder


def on_disk(main, **options):
    """Run a coroutine function with a disk."""
    return simloop.run(main(), disk=True, **options)


def test_what_is_written_stays_in_the_world(tmp_path):
    """A program changes, removes and renames real files, and they are as before."""
    (tmp_path / "kept").write_text("real")
    (tmp_path / "gone").write_text("real too")

    async def main():
        with (tmp_path / "kept").open("a") as file:
            file.write(", changed")
        (tmp_path / "gone").unlink()
        (tmp_path / "kept").rename(tmp_path / "moved")
        return sorted(os.listdir(tmp_path)), (tmp_path / "moved").read_text()

    assert on_disk(main) == (["moved"], "real, changed")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "kept": "real",
        "gone": "real too",
    }


def test_a_disk_is_its_worlds(tmp_path):
    """Two worlds do not see each other's files; a second run of a world sees the first's."""

    async def write():
        (tmp_path / "f").write_text("x")

    async def look():
        return (tmp_path / "f").exists()

    world, other = simloop.World(disk=True), simloop.World(disk=True)
    simloop.run(write(), world=world)
    assert simloop.run(look(), world=world)
    assert not simloop.run(look(), world=other)
    assert world.disk.read(str(tmp_path / "f")) == b"x"
    assert world.disk.files() == [str(tmp_path / "f")]


def test_a_test_prepares_and_reads_the_disk(tmp_path):
    """What a test writes on the disk is there for the program, and the other way round."""
    world = simloop.World(disk=True)
    world.disk.write(str(tmp_path / "etc/config"), b"port = 1")

    async def main():
        text = (tmp_path / "etc/config").read_text()
        (tmp_path / "etc/config").write_text(text + "2")

    simloop.run(main(), world=world)
    assert world.disk.read(str(tmp_path / "etc/config")) == b"port = 12"
    assert not (tmp_path / "etc").exists()


def test_a_world_without_a_disk_says_how_to_have_one():
    """world.disk of a world that has none is an error with the way out."""
    with pytest.raises(simloop.UsageError, match="disk=True"):
        simloop.World().disk  # noqa: B018 - it raises
    with pytest.raises(simloop.UsageError, match="for a block"):
        simloop.World(disk=True, allow=("files",))


def test_a_block_may_mean_the_real_files(tmp_path):
    """Within allow("files") files are the real ones."""

    async def main():
        with simloop.allow("files"):
            (tmp_path / "f").write_text("real")
            assert sqlite3.connect(tmp_path / "db").close() is None
        return (tmp_path / "f").read_text()

    assert on_disk(main) == "real"
    assert sorted(os.listdir(tmp_path)) == ["db", "f"]


def test_what_opens_by_itself_is_refused_by_name(tmp_path):
    """Databases and maps in C say what they are, why not, and the way out; nothing was written."""

    async def main():
        with pytest.raises(simloop.UnsupportedError, match=":memory:"):
            sqlite3.connect(tmp_path / "db")
        sqlite3.connect(":memory:").close()
        with (tmp_path / "f").open("w+b") as file:
            file.write(b"x")
            file.flush()
            with pytest.raises(simloop.UnsupportedError, match="read and write the file"):
                mmap.mmap(file.fileno(), 0)
            mmap.mmap(-1, 10).close()
        with pytest.raises(simloop.UnsupportedError, match="a UNIX socket"):
            os.mkfifo(tmp_path / "pipe")

    on_disk(main)
    assert os.listdir(tmp_path) == []


def test_times_are_the_worlds(tmp_path):
    """A file that a run writes has the run's times."""

    async def main():
        await asyncio.sleep(100)
        (tmp_path / "f").write_text("x")
        await asyncio.sleep(100)
        status = (tmp_path / "f").stat()
        return status.st_mtime, time.time()

    assert on_disk(main, start_date=1000) == (1100.0, 1200.0)


def test_a_module_is_imported_from_the_disk(tmp_path, monkeypatch):
    """A module that a program has written can be imported, and is not compiled into real files."""
    monkeypatch.syspath_prepend(str(tmp_path))

    async def main():
        (tmp_path / "written_in_a_run.py").write_text("VALUE = 42")
        importlib.invalidate_caches()
        return importlib.import_module("written_in_a_run").VALUE

    try:
        assert on_disk(main) == 42
    finally:
        sys.modules.pop("written_in_a_run", None)
        importlib.invalidate_caches()
    assert os.listdir(tmp_path) == []


def test_faults_strike_no_import(tmp_path, monkeypatch):
    """Which modules a run is the first to import is no part of it: they are read for real."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "real_module.py").write_text("VALUE = 1")
    importlib.invalidate_caches()

    async def main():
        simloop.current_world().disk.configure(read_error=1.0, latency=5.0)
        value = importlib.import_module("real_module").VALUE
        return value, asyncio.get_running_loop().time()

    try:
        assert on_disk(main) == (1, 0.0)
    finally:
        sys.modules.pop("real_module", None)
        importlib.invalidate_caches()


def test_one_seed_is_one_run(tmp_path):
    """Digest, result and choices are equal in each run of a seed, faults and crashes included."""

    async def main():
        disk = simloop.current_world().disk
        disk.configure(write_error=0.3, latency=(0.001, 0.002), corrupt=0.2)
        told = []
        for number in range(20):
            try:
                with (tmp_path / "f").open("ab", buffering=0) as file:
                    file.write(b"%d," % number)
            except OSError as error:
                told.append(error.errno)
        lost = str(disk.crash())
        disk.configure(write_error=0.0, corrupt=0.0)
        left = (tmp_path / "f").read_bytes() if (tmp_path / "f").exists() else None
        return told, lost, left, asyncio.get_running_loop().time()

    first, again = (simloop.simulate(main, disk=True, seed=3) for _ in range(2))
    assert first == again
    assert first.value[0].count(errno.EIO) > 1
    assert 0.02 < first.value[3] < 0.1
    others = [str(simloop.simulate(main, disk=True, seed=seed).value) for seed in range(6)]
    assert len(dict.fromkeys(others)) > 3
    simloop.check(main, seeds=range(2), disk=True, processes=False)


def test_what_is_written_is_part_of_the_digest(tmp_path):
    """Runs that write other bytes, by a descriptor or a file object, have other digests."""

    def program(data, *, raw):
        async def main():
            if raw:
                fd = os.open(tmp_path / "f", os.O_WRONLY | os.O_CREAT)
                os.write(fd, data)
                os.close(fd)
            else:
                with (tmp_path / "f").open("wb") as file:
                    file.write(data)

        return main

    for raw in (True, False):
        digests = [
            simloop.simulate(program(data, raw=raw), disk=True).digest
            for data in (b"1", b"2", b"1")
        ]
        assert digests[0] == digests[2] != digests[1]


def test_watchers_hear_of_power_cuts_and_faults(tmp_path):
    """A recording of a run tells what a power cut has taken, and which call failed."""

    async def main():
        (tmp_path / "f").write_text("x")
        disk = simloop.current_world().disk
        disk.crash()
        disk.configure(write_error=1.0)
        fd = os.open(tmp_path / "g", os.O_WRONLY | os.O_CREAT)
        with pytest.raises(OSError, match="Input/output"):
            os.write(fd, b"y")
        os.close(fd)

    recorder = Recorder()
    simloop.simulate(main, disk=True, recorder=recorder)
    told = [step.label for step in recorder.steps if "disk" in step.label]
    assert len(told) == 2
    assert "power cut, lost: " in told[0]
    assert "write error of g" in told[1]


def test_a_latency_may_be_any_distribution_of_the_wire(tmp_path):
    """A disk takes what a link takes, and draws from it by the seed."""

    def times(latency, seed):
        async def main():
            simloop.current_world().disk.configure(latency=latency)
            began = time.monotonic()
            (tmp_path / "f").write_text("x")
            return time.monotonic() - began

        return simloop.run(main(), seed=seed, disk=True)

    assert times(simloop.latency.constant(0.5), 0) == times(0.5, 0)
    for latency in (simloop.latency.uniform(1.0, 2.0), simloop.latency.exponential(2.0, 1.0)):
        drawn = [times(latency, seed) for seed in (1, 1, 2)]
        assert drawn[0] == drawn[1] != drawn[2]
        assert all(each >= 1.0 for each in drawn)


def test_latency_is_virtual_time(tmp_path):
    """Each call that reads, writes or syncs takes its time, which threads pass side by side."""

    async def main():
        simloop.current_world().disk.configure(latency=0.5)
        loop = asyncio.get_running_loop()

        def work(name):
            fd = os.open(tmp_path / name, os.O_RDWR | os.O_CREAT)
            os.write(fd, b"x")
            os.fsync(fd)
            os.close(fd)

        await asyncio.gather(*(asyncio.to_thread(work, name) for name in "ab"))
        threaded = loop.time()
        work("c")
        return threaded, loop.time()

    assert on_disk(main) == (1.0, 2.0)


def test_a_lock_is_waited_for(tmp_path):
    """A thread waits for a lock of a file until another one gives it up, in virtual time."""

    async def main():
        loop = asyncio.get_running_loop()
        taken = threading.Event()

        def hold():
            with (tmp_path / "f").open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                taken.set()
                time.sleep(5)

        def wait():
            taken.wait()
            with (tmp_path / "f").open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                return loop.time()

        _, when = await asyncio.gather(asyncio.to_thread(hold), asyncio.to_thread(wait))
        return when

    assert 5 <= on_disk(main) < 11


def test_sockets_have_paths_on_the_disk(tmp_path):
    """A UNIX socket lies in a folder of the disk, is listed there, and can be removed."""

    async def main():
        (tmp_path / "run").mkdir()
        path = tmp_path / "run/sock"

        async def answer(reader, writer):
            writer.write(await reader.readline())
            writer.close()

        server = await asyncio.start_unix_server(answer, path)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"ping\n")
        told = [await reader.readline(), path.exists(), path.is_socket()]
        writer.close()
        server.close()
        (tmp_path / "file").touch()
        with socket.socket(socket.AF_UNIX) as other, pytest.raises(OSError, match="in use"):
            other.bind(str(tmp_path / "file"))
        path.unlink(missing_ok=True)
        return [*told, path.exists()]

    assert on_disk(main) == [b"ping\n", True, True, False]
    assert os.listdir(tmp_path) == []


def test_a_strict_run_may_write_its_disk(tmp_path):
    """The strict mode refuses to change real files, which a run with a disk does not."""

    async def main():
        (tmp_path / "f").write_text("x")
        return (tmp_path / "f").read_text()

    assert on_disk(main, strict=True) == "x"


def test_the_machines_files_are_the_worlds():
    """Files that tell of the machine have the world's text; devices are devices."""

    async def main():
        with open("/dev/null", "w") as null:
            null.write("x")
        with open("/dev/urandom", "rb") as dice:
            return Path("/etc/hostname").read_text(), len(dice.read(5))

    assert on_disk(main) == ("localhost\n", 5)


def test_the_systems_own_files_are_not_changed(tmp_path):
    """Names can't be made, moved or linked where no disk is; /dev/shm is a folder as any other."""

    async def main():
        (tmp_path / "f").touch()
        shared = Path("/dev/shm/simloop_of_a_test")  # noqa: S108 - what is tested
        shared.write_text("x")
        told = [shared.read_text()]
        for call, *args in (
            (os.mkdir, "/dev/made"),
            (os.rename, tmp_path / "f", "/dev/moved"),
            (os.rename, "/dev/null", tmp_path / "null"),
            (os.symlink, "f", "/dev/linked"),
            (os.unlink, "/dev/null"),
            (os.chmod, "/dev/null", 0o600),
        ):
            with pytest.raises(OSError, match=r"system|cross") as caught:
                call(*args)
            told.append(errno.errorcode[caught.value.errno])
        with pytest.raises(simloop.UnsupportedError, match="by itself"):
            open("/dev/new", "w")
        return told

    assert on_disk(main) == ["x", "EROFS", "EXDEV", "EXDEV", "EROFS", "EROFS", "EROFS"]
    assert not Path("/dev/shm/simloop_of_a_test").exists()  # noqa: S108 - as above


def test_an_exploration_finds_what_a_crash_loses(tmp_path):
    """A file that is not synced is lost in some schedule, and the shrunk one names the loss."""

    async def main():
        with (tmp_path / "f").open("w") as file:
            file.write("important")
        simloop.current_world().disk.crash()
        assert (tmp_path / "f").exists()
        assert (tmp_path / "f").read_text() == "important"

    found = simloop.explore(main, schedules=200, disk=True)
    assert found.failures
    deviations = [
        (each.kind, each.name) for failure in found.failures for each in failure.schedule.deviations
    ]
    assert deviations in ([("fault.disk", "folders")], [("fault.disk", f"{tmp_path}/f: size")])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("folders", "took the last 2 of the changes of folders"),
        ("/f: size", "took what changed the size of /f"),
        ("/f: overwrite 1 of 3", "took overwrite 1 of 3 of /f"),
        ("/f: older overwrites", "took older overwrites of /f"),
        ("write error of f", "write error of f"),
        ("db: folders", "took the last 2 of the changes of folders of db"),
        ("db: /f: size", "took what changed the size of db: /f"),
    ],
)
def test_a_deviation_of_a_disk_is_told_in_words(name, told):
    """The explanation of a finding says what the power cut took, or which call failed."""
    deviation = simloop.Deviation("fault.disk", name, 1, 2)
    assert told in sentence(deviation, None, "")


@pytest.mark.slow
def test_the_command_has_the_option(tmp_path):
    """Simloop run --disk leaves the real files alone, also when it checks."""
    (tmp_path / "program.py").write_text(
        "import asyncio, pathlib\n"
        "async def main():\n"
        "    pathlib.Path('made').write_text('x')\n"
        "    print(pathlib.Path('made').read_text())\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "simloop", "run", "--disk", "program.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "x\n"
    assert os.listdir(tmp_path) == ["program.py"]


@pytest.mark.parametrize("missing", [False, True])
def test_files_have_the_same_numbers_whether_the_temporary_folder_was_known(missing, monkeypatch):
    """Python makes a file to find that folder, once in a process: not on a disk."""

    async def main():
        if missing:
            monkeypatch.setattr(
                tempfile, "_candidate_tempdir_list", lambda: ["/none", "/also none"]
            )
            tempfile.tempdir = None
            with pytest.raises(FileNotFoundError, match="No usable temporary directory found in"):
                tempfile.gettempdir()
            return None
        with tempfile.NamedTemporaryFile(dir=tempfile.gettempdir()) as file:
            return os.fstat(file.fileno()).st_ino, os.stat(tempfile.gettempdir()).st_mtime_ns

    told = []
    for known in (None, tempfile.gettempdir()):
        monkeypatch.setattr(tempfile, "tempdir", known)
        told.append(simloop.run(main(), disk=True))
    assert told[0] == told[1]


@pytest.mark.parametrize("close", ["file", "descriptor"])
@pytest.mark.parametrize("lock", [fcntl.flock, fcntl.lockf])
@pytest.mark.parametrize("on_host", [False, True])
def test_a_standby_waits_as_long_as_the_leader_leads(lock, close, on_host, tmp_path):
    """A lock is had when the file is closed, however late that is, and not a moment later."""
    # Locks of threads of one process do not keep each other out by fcntl(2), so these are left out.
    if lock is fcntl.lockf and not on_host:
        pytest.skip("a lock by fcntl is the process's")

    def leader():
        fd = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
        lock(fd, fcntl.LOCK_EX)
        time.sleep(30 * 86_400)
        os.close(fd) if close == "descriptor" else os.fdopen(fd).close()

    def standby():
        with open(tmp_path / "lock", "w") as file:
            lock(file, fcntl.LOCK_EX)
        taken.append(time.monotonic() - began)

    async def main():
        if on_host:
            host = simloop.current_world().add_host("db", leader)
            await asyncio.sleep(1)
            await host.start(standby).exited()
        else:
            await asyncio.gather(asyncio.to_thread(leader), asyncio.to_thread(standby))

    taken, began = [], 0
    on_disk(main)
    assert taken == [30 * 86_400]
