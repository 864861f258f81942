"""Real threads beside a run: what they hold is waited for, what they say is heard."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import queue
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

import simloop
from simloop._sandbox.patching.registry import original


@contextmanager
def beside(work):
    """Call a function again and again on a real thread, until the block ends."""
    stop = threading.Event()

    def again():
        while not stop.is_set():
            work()

    thread = threading.Thread(target=again)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_lock_that_a_real_thread_holds_for_moments_is_no_deadlock():
    """A run may log while a real thread logs by the same handler."""
    log = logging.getLogger("tests.threads_outside")
    log.propagate = False
    log.setLevel(logging.INFO)
    log.handlers = [logging.StreamHandler(io.StringIO())]

    async def main():
        for _ in range(500):
            log.info("from the run")
            await asyncio.sleep(1)
        return True

    with beside(lambda: log.info("from outside")):
        assert simloop.run(main())


def test_a_queue_may_be_shared_with_a_real_thread():
    """A run may put into a queue that a real thread empties."""
    jobs = queue.Queue()

    def take():
        with suppress(queue.Empty):
            jobs.get(timeout=0.001)

    async def main():
        for _ in range(500):
            jobs.put("job")
            await asyncio.sleep(1)
        return True

    with beside(take):
        assert simloop.run(main())


@pytest.mark.parametrize("kind", ["Lock", "RLock", "Condition", "Semaphore", "Event", "Queue"])
def test_what_a_real_thread_lets_go_of_is_had(kind):
    """The loop's thread waits for a lock, an event or an item as long as a real thread lives."""
    begin, holds = threading.Event(), threading.Event()
    thing = queue.Queue() if kind == "Queue" else getattr(threading, kind)()

    def hold():
        if kind == "Event":
            holds.set()
            begin.wait()
            sum(range(100_000))
            thing.set()
        elif kind == "Queue":
            holds.set()
            begin.wait()
            sum(range(100_000))
            thing.put("item")
        else:
            with thing:
                holds.set()
                begin.wait()
                sum(range(100_000))

    async def main():
        begin.set()
        if kind == "Event":
            return thing.wait()
        if kind == "Queue":
            return thing.get() == "item"
        with thing:
            return True

    thread = threading.Thread(target=hold)
    thread.start()
    holds.wait()
    try:
        assert simloop.run(main())
    finally:
        thread.join()


def test_a_thread_from_before_the_loop_is_heard_when_it_was_woken():
    """A real thread that the run wakes, and that the loop never heard of, answers."""
    loop = simloop.SimLoop()
    for _ in range(2):
        woken, future = threading.Event(), loop.create_future()

        def answer(woken=woken, future=future):
            woken.wait()
            sum(range(100_000))
            loop.call_soon_threadsafe(future.set_result, 42)

        thread = threading.Thread(target=answer)
        thread.start()
        loop.call_soon(woken.set)
        assert loop.run_until_complete(future) == 42
        thread.join()
    loop.close()


@pytest.mark.slow  # It waits for real: two seconds are what such threads are given.
def test_a_deadlock_beside_threads_that_never_rest_is_told_and_names_them():
    """A thread that goes on for ever keeps no deadlock from being told; the report shows it."""

    async def main():
        await asyncio.Event().wait()

    with beside(lambda: sum(range(100))), pytest.raises(simloop.DeadlockError) as caught:
        simloop.run(main())
    (note,) = caught.value.__notes__
    assert "outside of the run" in note
    assert "real_wait_limit" in note
    assert "outside of the run" not in str(caught.value)  # Which is in the run's digest.


def timed_event(pool):
    return lambda: threading.Event().wait(0.01)


def timed_future(pool):
    def wait():
        try:
            return Future().result(timeout=0.01)
        except TimeoutError:
            return "late"

    return wait


def timed_queue(pool):
    def wait():
        try:
            return queue.Queue().get(timeout=0.01)
        except queue.Empty:
            return "empty"

    return wait


def other_pool(pool):
    return lambda: pool.submit(sum, (1, 2)).result()


def own_thread(pool):
    def wait():
        seen, done = [], threading.Event()

        def work():
            sum(range(100_000))
            seen.append(3)
            done.set()

        threading.Thread(target=work).start()
        done.wait()
        return seen

    return wait


KINDS = (timed_event, timed_future, timed_queue, other_pool, own_thread)


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_of_a_real_executor_may_wait_for_more_than_the_loop(kind, run_either):
    """It waits for a time, for another pool or for a thread of its own, as on asyncio's loop."""

    async def main():
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(1) as other:
            first = await loop.run_in_executor(pool, kind(other))
            await asyncio.sleep(0.01)
            return first, await loop.run_in_executor(pool, kind(other))

    results = {
        timed_event: False,
        timed_future: "late",
        timed_queue: "empty",
        other_pool: 3,
        own_thread: [3],
    }
    assert run_either(main()) == (results[kind], results[kind])


def test_a_job_that_waits_for_the_loop_lets_the_clock_jump():
    """A timed wait for the loop itself is no reason for the clock to stand still."""

    async def later():
        await asyncio.sleep(3600)
        return time.monotonic()

    async def main():
        loop = asyncio.get_running_loop()

        def ask():
            return asyncio.run_coroutine_threadsafe(later(), loop).result(timeout=60)

        with ThreadPoolExecutor(1) as pool:
            return await loop.run_in_executor(pool, ask)

    assert simloop.run(main()) == 3600


RECEIVER = """
def receive(file):
    file.read(1)
"""


def test_a_thread_of_a_tool_that_reads_its_pipe_is_not_heard_out():
    """A deadlock is told at once, also when the read began while a run was on."""
    # Such a read stands behind a guard of ours and seemed to be at work: under pytest-xdist, whose
    # thread reads so, each deadlock took two real seconds.
    tool = {"__name__": "execnet.receiver"}
    exec(RECEIVER, tool)  # noqa: S102 - a function of another module's
    reading, writing = os.pipe()
    has_begun, is_reading = threading.Event(), []

    def receive(file):
        has_begun.wait()
        is_reading.append(threading.get_ident())
        tool["receive"](file)

    frames = original(sys._current_frames)  # In a run the function tells of its threads alone.

    def stands_in_a_guard():
        frame = frames().get(is_reading[0]) if is_reading else None
        return frame is not None and "blocking_reads" in frame.f_code.co_filename

    async def main():
        has_begun.set()
        while not stands_in_a_guard():
            pass
        await asyncio.Event().wait()

    with os.fdopen(reading, "rb", buffering=0) as file:
        thread = threading.Thread(target=receive, args=(file,))
        thread.start()
        try:
            with pytest.raises(simloop.DeadlockError) as caught:
                simloop.run(main())
        finally:
            os.write(writing, b"x")
            thread.join()
            os.close(writing)
    assert "outside of the run" not in "".join(getattr(caught.value, "__notes__", ()))
