"""Real work: executors that the user passes, and threads from outside."""

from __future__ import annotations

import asyncio
import concurrent.futures as cf
import ctypes
import gc
import itertools
import subprocess
import sys
import threading
import time

import pytest

import simloop
from simloop._threads import thread_scheduler
from simloop._threads.thread_position import queueing_time_s

block_unseen = ctypes.CDLL(None).usleep
"""Waits in C, where nobody sees it."""


def sleep_for_real(seconds: float) -> tuple[float, float]:
    """Sleep, and return when that began and ended, on this thread's clock."""
    began = time.monotonic()
    time.sleep(seconds)
    return began, time.monotonic()


def test_an_executor_of_the_users_runs_for_real() -> None:
    """The job's time is real, and the virtual clock stands still meanwhile."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        early = loop.call_later(0.001, pytest.fail, "the clock jumped")
        with cf.ThreadPoolExecutor() as pool:
            jobs = [loop.run_in_executor(pool, sleep_for_real, 0.02) for _ in range(3)]
            for began, ended in await asyncio.gather(*jobs):
                assert ended - began >= 0.02
            assert loop.time() == 0.0
            early.cancel()
            with pytest.raises(ZeroDivisionError):
                await loop.run_in_executor(pool, divmod, 1, 0)

    simloop.run(main())


def test_a_real_job_may_wait_for_the_loop() -> None:
    """While a real job waits for a coroutine, the loop goes on, jumps included."""

    async def main() -> list[object]:
        loop = asyncio.get_running_loop()

        def job() -> object:
            return asyncio.run_coroutine_threadsafe(asyncio.sleep(3600, "slept"), loop).result()

        with cf.ThreadPoolExecutor(1) as pool:  # One worker: the others wait for it.
            return [
                *await asyncio.gather(*(loop.run_in_executor(pool, job) for _ in range(3))),
                loop.time(),
            ]

    assert simloop.run(main()) == ["slept", "slept", "slept", 3 * 3600.0]


def test_a_pool_from_before_the_run_may_be_used() -> None:
    """Workers that were idle before the run work in it, and a second run may follow."""

    async def main() -> object:
        loop = asyncio.get_running_loop()

        def job() -> object:
            return asyncio.run_coroutine_threadsafe(asyncio.sleep(5, "slept"), loop).result()

        return await loop.run_in_executor(pool, job), loop.time()

    with cf.ThreadPoolExecutor(2) as pool:
        pool.submit(int).result()
        for _ in range(2):
            assert simloop.run(main()) == ("slept", 5.0)


def test_the_default_executor_may_be_a_real_one() -> None:
    """``set_default_executor`` makes to_thread real, and the run's end shuts it down."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(TypeError, match="must be ThreadPoolExecutor instance"):
            loop.set_default_executor(object())
        loop.set_default_executor(pool)
        began, ended = await asyncio.to_thread(sleep_for_real, 0.02)
        assert ended - began >= 0.02
        assert loop.time() == 0.0

    before = threading.active_count()
    pool = cf.ThreadPoolExecutor()
    simloop.run(main())
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(int)


@pytest.mark.slow
def test_processes_run_for_real() -> None:
    """A pool of processes, made before or in a run, works; its functions are pickled as ever."""

    async def main() -> object:
        loop = asyncio.get_running_loop()
        tasks = [loop.run_in_executor(pool, divmod, 7, number) for number in (1, 2)]
        with cf.ProcessPoolExecutor(1) as inner:
            tasks.append(loop.run_in_executor(inner, divmod, 7, 3))
            return await asyncio.gather(*tasks), loop.time()

    with cf.ProcessPoolExecutor(1) as pool:
        assert simloop.run(main()) == ([(7, 0), (3, 1), (2, 1)], 0.0)


@pytest.mark.slow
def test_a_standstill_ends_with_an_error_that_says_where() -> None:
    """A job that waits for something unseen fails after the limit; the run can go on."""

    def job() -> None:
        block_unseen(600_000)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.real_wait_limit = 0.1
        with pytest.raises(simloop.LimitError) as caught:
            await asyncio.to_thread(job)
        for part in ("job in thread 1", "0.1 s", "block_unseen(600_000)", "real_wait_limit"):
            assert part in str(caught.value)
        assert await asyncio.to_thread(int) == 0

    simloop.run(main())


@pytest.mark.slow
def test_a_standstill_of_a_programs_thread_ends_the_run() -> None:
    """Where no future could carry the error, it comes out of the run."""

    async def main() -> None:
        asyncio.get_running_loop().real_wait_limit = 0.1
        threading.Thread(target=lambda: block_unseen(400_000), daemon=True).start()
        await asyncio.sleep(1)

    with pytest.raises((simloop.LimitError, simloop.DeadlockError)):
        simloop.run(main())


@pytest.mark.slow
def test_computing_is_no_standstill() -> None:
    """A job that computes for longer than the limit is left to compute."""

    def job() -> float:
        began = time.thread_time()
        total = 0
        for number in range(6_000_000):
            total += number
        return total + began * 0

    async def main() -> float:
        asyncio.get_running_loop().real_wait_limit = 0.05
        return await asyncio.to_thread(job)

    assert simloop.run(main()) == sum(range(6_000_000))


@pytest.mark.slow
def test_a_thread_without_a_processor_is_no_standstill(monkeypatch) -> None:
    """On a busy machine a job may get no CPU time for longer than the limit, and still compute."""
    queued = itertools.count()
    monkeypatch.setattr(thread_scheduler, "computing_time_s", lambda _ident: 0.0)
    monkeypatch.setattr(thread_scheduler, "queueing_time_s", lambda _ident: float(next(queued)))

    async def main() -> None:
        asyncio.get_running_loop().real_wait_limit = 0.05
        await asyncio.to_thread(block_unseen, 300_000)

    simloop.run(main())
    assert next(queued) > 1


def test_the_system_tells_how_long_a_thread_queued() -> None:
    """A number that does not fall; 0 where the system tells none."""
    first = queueing_time_s(threading.get_ident())
    assert 0 <= first <= queueing_time_s(threading.get_ident())


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "times"), [("None", 2), ("ThreadPoolExecutor(1)", 1)])
def test_ctrl_c_ends_a_wait_for_real_work(kind, times) -> None:
    """The first Ctrl-C cancels the main task, as under asyncio.run; a second one ends the wait."""
    program = f"""
import asyncio, ctypes, os, signal, threading, time, simloop
from concurrent.futures import ThreadPoolExecutor
begun, slept = threading.Event(), []
def user():
    begun.wait()
    for _ in range({times}):
        time.sleep(0.4)  # One that comes just before a wait is heard after the wait's slice.
        os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=user, daemon=True).start()
def job():
    begun.set()
    ctypes.CDLL(None).usleep(5_000_000)
    slept.append(1)
async def main():
    try:
        await asyncio.get_running_loop().run_in_executor(pool, job)
    finally:
        if pool is not None:
            pool.shutdown(wait=False)
pool = {kind}
try:
    simloop.run(main())
except KeyboardInterrupt:
    print("interrupted", slept, flush=True)
os._exit(0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout.split() == ["interrupted", "[]"], done.stderr


@pytest.mark.slow
def test_the_main_thread_may_talk_to_a_loop_beside_it() -> None:
    """A loop in a thread of its own waits for the main thread while that is at work."""
    program = """
import asyncio, threading, time, simloop
ready, stop = threading.Event(), None
def run():
    async def main():
        global loop, stop
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        ready.set()
        await stop.wait()
        return loop.time()
    print(simloop.run(main()))
thread = threading.Thread(target=run)
thread.start()
ready.wait()
for _ in range(2):
    print(asyncio.run_coroutine_threadsafe(asyncio.sleep(5, "slept"), loop).result())
    time.sleep(0.2)
loop.call_soon_threadsafe(stop.set)
thread.join()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout.split() == ["slept", "slept", "10.0"], done.stderr


@pytest.mark.slow
def test_a_loop_beside_a_main_thread_that_waits_for_it_is_told_of_deadlock() -> None:
    """Nobody is left to speak to it: that is an error, not a hang."""
    program = """
import asyncio, threading, simloop
def run():
    try:
        simloop.run(asyncio.Event().wait())
    except simloop.DeadlockError:
        print("deadlock")
thread = threading.Thread(target=run)
thread.start()
thread.join()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout.split() == ["deadlock"], done.stderr


def test_a_pool_that_never_ends_is_not_waited_for_for_ever() -> None:
    """Where a real pool's threads don't end, a timeout of the shutdown passes in virtual time."""
    release = threading.Event()

    class Stuck(cf.ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, **_options: bool) -> None:  # noqa: FBT001,FBT002
            if wait:
                release.wait()

    loop = simloop.SimLoop()
    loop.real_wait_limit = 0.1
    loop.set_default_executor(Stuck())
    try:
        with pytest.warns(RuntimeWarning, match="within 300 seconds"):
            loop.run_until_complete(loop.shutdown_default_executor(300))
        assert loop.time() == 300.0
    finally:
        release.set()
        loop.close()


def test_a_worker_that_outlives_its_world_ends_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool that a real job uses and nobody shuts down prints nothing when it is freed."""
    told: list[object] = []
    workers: list[threading.Thread] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    def inner() -> None:
        workers.append(threading.current_thread())

    async def main() -> None:
        pool, other = cf.ThreadPoolExecutor(1), cf.ThreadPoolExecutor(1)
        await asyncio.get_running_loop().run_in_executor(pool, lambda: other.submit(inner).result())

    for _ in range(5):
        simloop.run(main())
    gc.collect()
    for worker in workers:
        worker.join(10)
    time.sleep(0.1)  # The last thing that such a thread does comes after what join() waits for.
    assert not told
