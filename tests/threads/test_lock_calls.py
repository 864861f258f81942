"""Locks of the system, on files and of ``multiprocessing``, and FIFOs: waits of the world."""

from __future__ import annotations

import asyncio
import fcntl
import multiprocessing
import os
import subprocess
import sys
import threading
import time

import pytest

import simloop

FILE_LOCKS = {
    "flock": (
        lambda file: fcntl.flock(file, fcntl.LOCK_EX),
        lambda file: fcntl.flock(file, fcntl.LOCK_UN),
    ),
    "open file description": (
        lambda file: fcntl.fcntl(file, fcntl.F_OFD_SETLKW, _record(fcntl.F_WRLCK)),
        lambda file: fcntl.fcntl(file, fcntl.F_OFD_SETLK, _record(fcntl.F_UNLCK)),
    ),
}


def _record(kind):
    import struct  # Only this test knows of it.

    return struct.pack("hhqqi", kind, os.SEEK_SET, 0, 0, 0) + b"\0" * 4


@pytest.mark.parametrize("kind", FILE_LOCKS)
def test_a_locked_file_is_waited_for_in_virtual_time(kind, simulate, tmp_path):
    """A thread that asks for a lock waits until another one of the run lets go of it."""
    path, (take, give) = tmp_path / "lock", FILE_LOCKS[kind]

    def hold(taken):
        with path.open("w") as file:
            take(file)
            taken.set()
            time.sleep(3600)
            give(file)
            time.sleep(1)

    def want():
        with path.open("w") as file:
            take(file)
            return time.monotonic()

    async def main():
        taken = threading.Event()
        holder = asyncio.create_task(asyncio.to_thread(hold, taken))
        await asyncio.to_thread(taken.wait)
        had = await asyncio.to_thread(want)
        await holder
        return had

    assert 3600 <= simulate(main).value < 3601.5


@pytest.mark.parametrize("kind", FILE_LOCKS)
def test_a_file_that_is_closed_is_unlocked(kind, simulate, tmp_path):
    """Closing a file unlocks it, which a waiting thread finds out within a second."""
    path, (take, _) = tmp_path / "lock", FILE_LOCKS[kind]

    def hold():
        with path.open("w") as file:
            take(file)
            time.sleep(60)

    def want():
        time.sleep(1)
        with path.open("w") as file:
            take(file)
            return time.monotonic()

    async def main():
        return (await asyncio.gather(asyncio.to_thread(hold), asyncio.to_thread(want)))[1]

    assert 60 <= simulate(main).value <= 61


@pytest.mark.parametrize("kind", FILE_LOCKS)
def test_the_loops_thread_that_waits_for_itself_is_told(kind, tmp_path):
    """To lock a file twice on the loop's thread is a deadlock, at that line."""
    take, _ = FILE_LOCKS[kind]

    async def main():
        with (tmp_path / "lock").open("w") as one, (tmp_path / "lock").open("w") as two:
            take(one)
            take(two)

    with pytest.raises(simloop.DeadlockError, match=r"test_lock_calls\.py"):
        simloop.run(main())


def test_a_lock_asked_for_without_waiting_is_answered_at_once(tmp_path):
    """With LOCK_NB the error is the system's."""

    async def main():
        with (tmp_path / "lock").open("w") as one, (tmp_path / "lock").open("w") as two:
            fcntl.flock(one, fcntl.LOCK_EX)
            fcntl.lockf(one, fcntl.LOCK_EX)
            os.lockf(one.fileno(), os.F_LOCK, 0)
            with pytest.raises(BlockingIOError):
                fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)

    simloop.run(main())


HOLDER = """
import fcntl, sys
with open(sys.argv[1], "w") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow  # It starts a process.
@pytest.mark.parametrize("take", [fcntl.flock, fcntl.lockf])
def test_what_another_process_holds_is_waited_for_in_real_time(take, tmp_path):
    """A lock of another process of the machine is had when that lets go; the clock stands still."""
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        threading.Timer(0.2, process.stdin.close).start()

        async def main():
            with path.open("w") as file:
                take(file, fcntl.LOCK_EX)
            return time.monotonic()

        assert simloop.run(main()) == 0


@pytest.mark.slow  # It starts a process, and waits for it in vain.
def test_what_another_process_does_not_let_go_is_told_with_the_limit(tmp_path):
    """After ``real_wait_limit`` seconds, which can be set, the error names both limit and cause."""
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()

        async def main():
            asyncio.get_running_loop().real_wait_limit = 0.05
            with path.open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)

        with pytest.raises(
            simloop.LimitError, match=r"another process .* 0\.05 s.*real_wait_limit"
        ):
            simloop.run(main())


def _locks():
    return {
        "Lock": multiprocessing.Lock(),
        "RLock": multiprocessing.RLock(),
        "Semaphore": multiprocessing.Semaphore(1),
        "Condition": multiprocessing.Condition(),
    }


@pytest.mark.parametrize("made", ["before", "in the run"])
@pytest.mark.parametrize("kind", ["Lock", "RLock", "Semaphore", "Condition"])
def test_a_lock_of_multiprocessing_is_waited_for_in_virtual_time(kind, made, simulate):
    """Threads of a run exclude each other by such a lock, and wait in virtual time."""
    before = _locks()[kind]

    async def main():
        lock = before if made == "before" else _locks()[kind]
        had = []

        def work():
            with lock:
                had.append(time.monotonic())
                time.sleep(10)

        def work_by_name():
            lock.acquire()
            had.append(time.monotonic())
            lock.release()

        await asyncio.gather(
            *(asyncio.to_thread(each) for each in (work, work, work_by_name)),
        )
        return had

    assert simulate(main).value == [0.0, 10.0, 20.0]


def test_a_lock_of_multiprocessing_has_time_outs_in_virtual_time():
    """What can't be had in time is not had, at that time."""

    async def main():
        lock = multiprocessing.Lock()
        assert lock.acquire()
        assert not lock.acquire(timeout=5)
        assert not lock.acquire(block=False)
        return time.monotonic()

    assert simloop.run(main()) == 5


FIRST_LOCK = """
import multiprocessing, multiprocessing.pool, simloop

async def lock():
    with multiprocessing.Lock():
        return 1

async def pool():
    with multiprocessing.pool.ThreadPool(2) as pool:
        return pool.map(abs, [-1, 2])

print(*dict.fromkeys(simloop.simulate(WHAT).digest for _ in range(3)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("what", ["lock", "pool"])
def test_the_first_lock_of_a_process_is_like_any_other(what):
    """Python 3.14 tries a folder then, which is not the run's; and all are cleaned up later."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST_LOCK.replace("WHAT", what)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.split()) == 1
    assert done.stderr == ""


@pytest.mark.parametrize("kind", ["Lock", "Semaphore", "Event"])
def test_a_lock_of_multiprocessing_that_nothing_frees_is_a_deadlock(kind):
    """The loop's thread that waits for itself is told, at that line."""

    async def main():
        if kind == "Event":
            multiprocessing.Event().wait()
        lock = _locks()[kind]
        lock.acquire()
        lock.acquire()

    with pytest.raises(simloop.DeadlockError, match=r"test_lock_calls\.py"):
        simloop.run(main())


@pytest.mark.parametrize("opening", ["open", "os.open", "pathlib"])
@pytest.mark.parametrize("mode", ["r", "w"])
def test_a_fifo_is_refused_where_it_would_wait(opening, mode, tmp_path):
    """To open a FIFO names the way out; without waiting it is opened as ever."""
    path = tmp_path / "fifo"

    async def main():
        os.mkfifo(path)
        if opening == "open":
            open(path, mode)  # noqa: PTH123, SIM115 - this is asked
        elif opening == "os.open":
            os.open(path, os.O_RDONLY if mode == "r" else os.O_WRONLY)
        else:
            path.open(mode)

    with pytest.raises(simloop.EscapeError, match=r'FIFO.*allow\("pipes"\)'):
        simloop.run(main())

    async def at_once():
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        return True

    assert simloop.run(at_once())
