"""Threads that a program or a library starts inside a run take turns with the loop."""

from __future__ import annotations

import _thread
import asyncio
import concurrent.futures as cf
import sys
import threading
import time

import pytest

import simloop
from simloop._sandbox.process.threads import _lines as lines_of_waiters


def test_a_thread_begins_at_once_and_is_virtual(simulate) -> None:
    """Starting runs the thread until it waits; joining waits in virtual time."""

    async def main() -> list[object]:
        seen: list[object] = []

        def work() -> None:
            seen.append("began")
            time.sleep(60)
            seen.append(time.monotonic())

        thread = threading.Thread(target=work)
        thread.start()
        seen.append(thread.is_alive())
        thread.join(1)
        seen.append((thread.is_alive(), time.monotonic()))
        thread.join()
        return [*seen, thread.is_alive()]

    assert simulate(main).value == ["began", True, (True, 1.0), 60.0, False]


def test_a_thread_that_answers_by_the_loop_needs_no_waiting_for(simulate) -> None:
    """A worker that is fed by a queue and answers by ``call_soon_threadsafe`` is deterministic."""

    async def main() -> object:
        loop = asyncio.get_running_loop()
        orders = cf.thread.queue.SimpleQueue()

        def work() -> None:
            while (order := orders.get()) is not None:
                future, number = order
                time.sleep(number)
                loop.call_soon_threadsafe(future.set_result, number * number)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        futures = []
        for number in (3, 1, 2):
            futures.append(loop.create_future())
            orders.put((futures[-1], number))
        squares = await asyncio.gather(*futures)
        await asyncio.sleep(1000)  # Nobody waits for a thread that is idle.
        orders.put(None)
        thread.join()
        return squares, loop.time()

    assert simulate(main).value == ([9, 1, 4], 1006.0)


def test_threads_may_start_threads(simulate) -> None:
    """A thread of a thread belongs to the same world, and a Timer is one."""

    async def main() -> list[float]:
        seen: list[float] = []

        def outer() -> None:
            timer = threading.Timer(10, lambda: seen.append(time.monotonic()))
            timer.start()
            timer.join()
            seen.append(time.monotonic())

        thread = threading.Thread(target=outer)
        thread.start()
        thread.join()
        return seen

    assert simulate(main).value == [10.0, 10.0]


def test_a_pool_that_the_program_uses_by_itself_is_virtual(simulate) -> None:
    """``ThreadPoolExecutor.submit`` and ``map`` without the loop run under the same rule."""

    def job(seconds: int) -> float:
        time.sleep(seconds)
        return time.monotonic()

    async def main() -> object:
        with cf.ThreadPoolExecutor(2) as pool:
            first = await asyncio.wrap_future(pool.submit(job, 5))
            return first, list(pool.map(job, [1, 2, 3]))

    assert simulate(main).value == (5.0, [6.0, 7.0, 9.0])


def test_threads_end_with_their_loop() -> None:
    """A thread that waits for ever gets SystemExit where it waits, as its loop closes."""
    seen: list[str] = []

    def work() -> None:
        try:
            threading.Event().wait()
        finally:
            seen.append("ended")

    async def main() -> None:
        threading.Thread(target=work).start()

    before = threading.active_count()
    simloop.run(main())
    assert seen == ["ended"]
    assert threading.active_count() == before


def test_names_of_threads_count_per_run(simulate) -> None:
    """A thread without a name is called the same in every run, and so are those of pools."""

    async def main() -> list[str]:
        names = [threading.Thread(target=print).name for _ in range(2)]
        for _ in range(2):
            with cf.ThreadPoolExecutor() as pool:
                names.append(pool.submit(lambda: threading.current_thread().name).result())
        return names

    assert simulate(main).value == [
        "Thread-1 (print)",
        "Thread-2 (print)",
        "ThreadPoolExecutor-0_0",
        "ThreadPoolExecutor-1_0",
    ]


def test_a_deadlock_lists_the_programs_threads() -> None:
    """The report tells of threads that wait, at their line."""

    async def main() -> None:
        threading.Thread(target=lambda: threading.Event().wait(), daemon=True).start()
        await asyncio.Event().wait()

    with pytest.raises(simloop.DeadlockError, match=r"in thread 1 waits\n    at .*Event\(\)"):
        simloop.run(main())


def test_threads_outside_of_a_run_stay_real() -> None:
    """A thread that was there before sees the real world while a run is on."""
    go, seen = threading.Event(), []

    def work() -> None:
        go.wait()
        begin = time.monotonic()
        time.sleep(0.01)
        seen.append(time.monotonic() - begin)

    thread = threading.Thread(target=work)
    thread.start()

    async def main() -> None:
        await asyncio.sleep(3600)
        go.set()
        await asyncio.get_running_loop().run_in_executor(pool, thread.join)

    with cf.ThreadPoolExecutor(1) as pool:
        simloop.run(main())
    assert 0.01 <= seen[0] < 10


def test_an_ended_thread_is_joined_though_another_has_its_identifier(simulate) -> None:
    """The system gives identifiers of ended threads to new ones, which nobody then waits for."""

    async def main() -> object:
        first = threading.Thread(target=time.sleep, args=(1,))
        first.start()
        first.join()

        def work() -> bool:
            first._ident = threading.get_ident()  # As the system may have it.
            first.join()
            return first.is_alive()

        return await asyncio.to_thread(work), asyncio.get_running_loop().time()

    assert simulate(main).value == (False, 1.0)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="threads have handles from 3.13 on")
def test_a_thread_s_handle_is_joined_in_virtual_time(simulate) -> None:
    """Low-level threads, which have no object of ``threading``, are waited for like others."""

    async def main() -> list[object]:
        handle = _thread.start_joinable_thread(lambda: time.sleep(60))
        handle.join(1)
        seen: list[object] = [(handle.is_done(), time.monotonic())]
        handle.join()
        return [*seen, handle.is_done(), time.monotonic()]

    assert simulate(main).value == [(False, 1.0), True, 60.0]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="cancel() waits from 3.14 on")
@pytest.mark.parametrize("debug", [False, True])
def test_a_thread_that_cancels_a_running_callback_waits_for_its_end(run_either, debug) -> None:
    """Once a handle of call_soon_threadsafe is cancelled, its callback does not run any more."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_debug(debug)
        began = threading.Event()
        seen: list[object] = []
        done = loop.create_future()

        def callback() -> None:
            began.set()
            time.sleep(0.05)
            seen.append("ended")

        def work() -> None:
            handle = loop.call_soon_threadsafe(callback)
            began.wait()
            handle.cancel()
            seen.append(handle.cancelled())
            unwanted = loop.call_soon_threadsafe(seen.append, "unwanted")
            unwanted.cancel()
            loop.call_soon_threadsafe(done.set_result, handle.get_context() is not None)

        thread = threading.Thread(target=work)
        thread.start()
        assert await done
        thread.join()
        assert seen[:2] == ["ended", True]

    run_either(main())


def test_threads_of_jobs_are_no_daemons(run_either) -> None:
    """Nor are those that a job starts; both as in asyncio's default executor."""

    def job() -> tuple[bool, bool]:
        thread = threading.Thread(target=int)
        return threading.current_thread().daemon, thread.daemon

    async def main() -> tuple[bool, bool]:
        return await asyncio.to_thread(job)

    assert run_either(main()) == (False, False)


@pytest.mark.parametrize("wait", ["lock", "event", "queue"])
def test_a_wait_that_has_timed_out_takes_no_turn_of_a_later_one(run_either, wait) -> None:
    """Who gave up stands in line no more: the next one is woken, and nothing is kept."""

    def turns() -> list[str]:
        told: list[str] = []
        lock, event, queue = threading.Lock(), threading.Event(), cf.thread.queue.SimpleQueue()
        lock.acquire()

        def wait_for(seconds: float) -> bool:
            if wait == "lock":
                return lock.acquire(timeout=seconds)
            if wait == "event":
                return event.wait(seconds)
            try:
                return queue.get(timeout=seconds) is None
            except cf.thread.queue.Empty:
                return False

        def other() -> None:
            told.append(f"other: {wait_for(10)}")

        told += [f"gave up: {wait_for(0.01)}" for _ in range(2)]
        thread = threading.Thread(target=other)
        thread.start()
        time.sleep(0.01)
        for give in (lock.release, event.set, lambda: queue.put(None)):
            give()
        thread.join(5)
        return told

    async def main() -> list[str]:
        return await asyncio.to_thread(turns)

    lines_before = len(lines_of_waiters)
    assert run_either(main()) == ["gave up: False", "gave up: False", "other: True"]
    assert len(lines_of_waiters) == lines_before
