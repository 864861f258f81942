"""What programs of hosts do with files: descriptors, locks, threads, children, clocks, errors."""

from __future__ import annotations

import asyncio
import datetime as dt
import errno
import fcntl
import os
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

import simloop

from .test_add_host import world
from .test_host_disks import HERE, LOG


def run_one(program, **options):
    """Return what a program of a host returns by its exit code, and the host's disk after it."""

    async def main():
        host = world().add_host("db", **options)
        code = await host.start(program).exited()
        return code, host.disk

    return simloop.run(main())


def test_a_descriptor_of_another_host_is_ebadf():
    """What one process has open is a descriptor of no other process, host, or of the test."""
    descriptors, errors = {}, []

    def try_it(fd):
        for call in (os.fstat, os.close, lambda fd: os.read(fd, 1), lambda fd: os.write(fd, b"x")):
            with pytest.raises(OSError) as caught:  # noqa: PT011 - looked at below
                call(fd)
            errors.append(caught.value.errno)

    async def holder(name):
        HERE.mkdir(exist_ok=True)
        descriptors[name] = os.open(HERE / name, os.O_RDWR | os.O_CREAT)
        await asyncio.sleep(5)
        os.write(descriptors[name], b"still mine")

    async def stranger():
        for fd in descriptors.values():
            try_it(fd)

    async def main():
        one = world().add_host("one", holder, args=("first",))
        one.start(holder, args=("second",))
        await asyncio.sleep(1)
        assert len(set(descriptors.values())) == 2
        world().add_host("other", stranger)
        one.start(stranger)
        await stranger()
        await asyncio.sleep(5)
        return [one.disk.read(str(HERE / name)) for name in ("first", "second")]

    assert simloop.run(main()) == [b"still mine"] * 2
    assert errors == [errno.EBADF] * 24


def test_a_killed_process_s_locks_are_gone():
    """Locks by flock and by range end with the process, and who waits for one has it."""
    seen = []

    async def holder():
        HERE.mkdir()
        LOG.touch()
        fd = os.open(LOG, os.O_RDWR)
        fcntl.flock(fd, fcntl.LOCK_EX)
        fcntl.lockf(fd, fcntl.LOCK_EX)
        await asyncio.sleep(1e6)

    def waiter(lock):
        fd = os.open(LOG, os.O_RDWR)
        with pytest.raises(BlockingIOError):
            lock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock(fd, fcntl.LOCK_EX)
        seen.append(round(time.monotonic(), 1))

    async def main():
        host = world().add_host("db", holder)
        await asyncio.sleep(1)
        host.start(waiter, args=(fcntl.flock,))
        host.start(waiter, args=(fcntl.lockf,))
        await asyncio.sleep(9)
        assert not seen
        host.processes[0].kill()
        await asyncio.sleep(2)
        return seen

    assert simloop.run(main()) == [10.0, 10.0]


def test_locks_of_two_hosts_do_not_meet():
    """Each host may lock the same path."""

    async def program():
        HERE.mkdir()
        file = LOG.open("w")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        await asyncio.sleep(10)

    async def main():
        hosts = [world().add_host(name, program) for name in "abc"]
        await asyncio.sleep(1)
        return [host.state for host in hosts if host.processes]

    assert simloop.run(main()) == ["up"] * 3


def test_a_lock_tells_who_holds_it():
    """F_GETLK gives the pid of the process that holds the lock."""
    import struct

    form = struct.Struct("hhqqi4x")
    seen = []

    async def holder():
        HERE.mkdir()
        file = LOG.open("w")
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        await asyncio.sleep(10)

    async def asker():
        with LOG.open("r+") as file:
            answer = fcntl.fcntl(file, fcntl.F_GETLK, form.pack(fcntl.F_WRLCK, 0, 0, 0, 0))
        seen.append(form.unpack(answer)[-1])

    async def main():
        host = world().add_host("db", holder)
        await asyncio.sleep(1)
        await host.start(asker).exited()
        return [host.processes[0].pid] == seen

    assert simloop.run(main())


def test_threads_and_jobs_write_to_their_host_s_disk():
    """to_thread, executors and threads of a program use its disk, folder and all."""

    async def program():
        HERE.mkdir()
        os.chdir(HERE)
        await asyncio.to_thread(lambda: (HERE / "job").write_text("x"))
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, lambda: Path("relative").touch())

        def work():
            time.sleep(1)
            (HERE / "thread").write_text("x")

        thread = threading.Thread(target=work)
        thread.start()
        await asyncio.sleep(2)
        thread.join()

    code, disk = run_one(program)
    assert code == 0
    assert disk.files() == [str(HERE / name) for name in ("job", "relative", "thread")]


def test_children_write_to_their_host_s_disk():
    """A program that a host's program starts works on the host's files."""

    async def child(process):
        del process
        (HERE / "child").write_text("x")
        return 0

    async def program():
        HERE.mkdir()
        started = await asyncio.create_subprocess_exec("tool")
        await started.wait()

    async def main():
        world().programs.register("tool", child)
        host = world().add_host("db", program)
        await asyncio.sleep(1)
        return host.disk.files()

    assert simloop.run(main()) == [str(HERE / "child")]
    assert not HERE.exists()


def test_times_are_those_of_the_host_s_clock():
    """What a host writes bears its clock's time, also where a test writes it."""

    def program():
        HERE.mkdir()
        LOG.write_text("x")
        assert LOG.stat().st_mtime == time.time()
        assert (HERE / "prepared").stat().st_mtime == pytest.approx(time.time() - 1)

    start = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)

    async def main():
        hosts = [
            world().add_host("ahead", skew=3600.0),
            world().add_host("fast", drift=0.5),
            world().add_host("right"),
        ]
        await asyncio.sleep(100)
        for host in hosts:
            host.disk.write(str(HERE / "prepared"), b"")
        await asyncio.sleep(1)
        times = []
        for host in hosts:
            reader = host.start(lambda: times.append((HERE / "prepared").stat().st_mtime))
            await reader.exited()
        return [each - start.timestamp() for each in times]

    assert simloop.run(main(), start_date=start) == [3700.0, 150.0, 100.0]


def test_a_crash_in_the_middle_of_a_write():
    """A thread that waits for its slow disk when the power goes writes nothing any more."""
    seen = []

    def program():
        HERE.mkdir()
        fd = os.open(LOG, os.O_WRONLY | os.O_CREAT)
        for _ in range(10):
            os.write(fd, b"x" * 10)
            os.fsync(fd)
            seen.append(time.monotonic())

    async def main():
        host = world().add_host("db", program)
        host.disk.configure(latency=1.0)
        await asyncio.sleep(4.5)  # In the third write.
        size = len(host.disk.read(str(LOG)))
        host.crash()
        host.disk.configure(latency=0.0)
        await asyncio.sleep(100)
        return size, [len(host.disk.read(path)) for path in host.disk.files()]

    assert simloop.run(main()) in ((20, [20]), (20, []))  # No sync of the folder.
    assert seen == [2.0, 4.0]


def test_a_full_disk_and_a_path_that_may_not_be_written():
    """The errno that Linux gives, on the host that it is of alone."""
    seen = {}

    async def program(name):
        try:
            HERE.mkdir()
            LOG.write_bytes(b"x" * 100)
            os.chmod(HERE, 0o500)  # noqa: PTH101 - of a folder
            (HERE / "new").touch()
        except OSError as error:
            seen[name] = errno.errorcode[error.errno], LOG.stat().st_size

    async def main():
        full = world().add_host("full", program, args=("full",))
        full.disk.configure(capacity=64)
        world().add_host("shut", program, args=("shut",))
        await asyncio.sleep(1)

    simloop.run(main())
    assert seen == {"full": ("ENOSPC", 64), "shut": ("EACCES", 100)}


def test_unix_sockets_lie_in_the_host_s_folders():
    """A socket may be bound in a folder that only the host has, by the same path on each."""
    told = []

    async def program(name):
        HERE.mkdir()
        os.chdir(HERE)

        async def greet(_reader, writer):
            writer.write(name.encode())
            writer.close()

        async with await asyncio.start_unix_server(greet, HERE / "socket"):
            reader, writer = await asyncio.open_unix_connection("socket")
            told.append(await reader.read())
            writer.close()
            told.append((HERE / "socket").is_socket())

    async def main():
        for name in "ab":
            await world().add_host(name).start(program, args=(name,)).exited()

    simloop.run(main())
    assert told == [b"a", True, b"b", True]


def test_paths_of_unix_sockets_are_gone_after_a_reboot():
    """A server that left its path behind binds it again after the boot, as in /run on Linux."""
    told = []

    async def serve():
        told.append(os.path.exists("/run/app.sock"))  # noqa: PTH110 - what the call answers
        server = await asyncio.start_unix_server(lambda *_: None, "/run/app.sock")
        await server.serve_forever()

    async def main():
        host = world().add_host("db", serve)
        for _ in range(2):
            await asyncio.sleep(1)
            host.crash()
            host.restart()
        await asyncio.sleep(1)
        return host.state, [each.exit_code for each in host.processes]

    assert simloop.run(main()) == ("up", [None])
    assert told == [False, False, False]


def test_a_script_is_read_by_its_host_and_modules_are_imported(tmp_path):
    """A script and its modules are the real files; what the script writes is its host's."""
    (tmp_path / "neighbour_of_script.py").write_text("VALUE = 7\n")
    (tmp_path / "script.py").write_text(
        "import pathlib, neighbour_of_script\n"
        "pathlib.Path(__file__).with_name('out').write_text(str(neighbour_of_script.VALUE))\n"
    )

    async def main():
        host = world().add_host("db", tmp_path / "script.py")
        await asyncio.sleep(1)
        return host.disk.read(str(tmp_path / "out")), host.disk.files()

    assert simloop.run(main()) == (b"7", [str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
    sys.modules.pop("neighbour_of_script", None)


def test_a_block_of_a_host_may_mean_the_real_files(tmp_path):
    """Within allow("files") a host writes what is real."""

    async def program():
        with simloop.allow("files"):
            (tmp_path / "real").write_text("x")
        (tmp_path / "own").write_text("x")

    code, disk = run_one(program)
    assert code == 0
    assert [each.name for each in tmp_path.iterdir()] == ["real"]
    assert disk.files() == [str(tmp_path / "own")]


def test_files_of_dead_processes_are_closed_wherever_they_are_held():
    """A file object that outlives its process is closed, also after a new boot uses its number."""
    held = []

    async def program():
        HERE.mkdir(exist_ok=True)
        held.append((HERE / f"f{len(held)}").open("w"))
        held[-1].write("buffered")
        await asyncio.sleep(1e6)

    async def main():
        host = world().add_host("db", program)
        await asyncio.sleep(1)
        host.restart()
        await asyncio.sleep(1)
        first, second = held
        assert first.buffer.raw.closed
        assert not second.closed
        with pytest.raises(ValueError, match="closed file"):
            first.flush()
        assert second.fileno()
        second.flush()
        held.clear()
        del first
        return host.disk.read(str(HERE / "f1"))

    assert simloop.run(main()) == b"buffered"


def test_the_driver_s_sockets_outlive_a_process_that_it_starts():
    """A further process on the driver leaves what the test has open as it is."""

    async def program():
        left, right = socket.socketpair()
        left.close()
        right.close()

    async def main():
        left, right = socket.socketpair()
        await world().driver.start(program).exited()
        left.send(b"x")
        got = right.recv(1)
        left.close()
        right.close()
        return got

    assert simloop.run(main()) == b"x"
