"""Threads that are left when their run is over end in silence, wherever they stand."""

from __future__ import annotations

import _thread
import asyncio
import concurrent.futures
import queue
import threading

import pytest

import simloop

SCHEDULES = 25


def by_event(rows):
    stop = threading.Event()
    while not stop.wait(0.02):
        rows.append(1)


def by_condition(rows, condition=None):
    condition = condition or threading.Condition()
    while True:
        with condition:
            condition.wait(0.02)
        rows.append(1)


def by_condition_of_a_lock(rows):
    by_condition(rows, threading.Condition(threading.Lock()))


def by_queue(rows):
    jobs = queue.Queue()
    while True:
        try:
            jobs.get(timeout=0.02)
        except queue.Empty:
            rows.append(1)


def by_semaphore(rows):
    semaphore = threading.Semaphore(0)
    while not semaphore.acquire(timeout=0.02):
        rows.append(1)


def by_future(rows):
    future = concurrent.futures.Future()
    while True:
        try:
            future.result(0.02)
        except TimeoutError:
            rows.append(1)


def by_a_lock_given_back_inside(rows):
    lock, woken = threading.Lock(), threading.Lock()
    woken.acquire()
    while True:
        with lock:
            lock.release()
            try:
                woken.acquire(timeout=0.02)
            finally:
                lock.acquire()
        rows.append(1)


WAYS = [
    *(by_event, by_condition, by_condition_of_a_lock, by_queue, by_semaphore, by_future),
    by_a_lock_given_back_inside,
]


@pytest.fixture
def hooked(monkeypatch):
    """List what reaches the hook for errors that nobody caught in a thread."""
    told: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(repr(args.exc_value)))
    return told


@pytest.mark.parametrize("way", WAYS)
def test_an_idle_daemon_ends_in_silence_in_an_exploration(way, hooked) -> None:
    """However it idles, and wherever it was preempted: no error of its end is told or caught."""
    caught: list[BaseException] = []

    def idle() -> None:
        try:
            way([])
        except Exception as error:  # noqa: BLE001 - as a program that logs all that goes wrong
            caught.append(error)

    async def main() -> None:
        threading.Thread(target=idle, daemon=True).start()
        await asyncio.sleep(0.1)

    found = simloop.explore(main, schedules=SCHEDULES)
    assert not found.failures
    assert hooked == []
    assert caught == []


def test_two_that_share_a_condition_end_in_silence(hooked) -> None:
    """One of them may hold the lock that the other, at its end, would take back."""
    caught: list[BaseException] = []

    async def main() -> None:
        condition = threading.Condition(threading.Lock())

        def idle() -> None:
            try:
                by_condition([], condition)
            except Exception as error:  # noqa: BLE001 - as above
                caught.append(error)

        for _ in range(3):
            threading.Thread(target=idle, daemon=True).start()
        await asyncio.sleep(0.1)

    assert not simloop.explore(main, schedules=SCHEDULES).failures
    assert hooked == []
    assert caught == []


def test_a_lock_that_was_held_is_free_after_the_end() -> None:
    """What outlives the run, a lock of a module, can be had in the next one."""
    lock = threading.Lock()
    condition = threading.Condition(lock)

    async def main() -> None:
        assert not lock.locked()
        threading.Thread(target=by_condition, args=([], condition), daemon=True).start()
        await asyncio.sleep(0.1)

    assert not simloop.explore(main, schedules=SCHEDULES).failures
    assert not lock.locked()


def test_a_lock_that_another_holds_is_not_given_back_for_it(hooked) -> None:
    """A thread that waited with a condition's lock given up leaves it to who has it."""
    seen = []

    async def main() -> None:
        condition = threading.Condition(threading.Lock())

        def idle() -> None:
            with condition:
                condition.wait()

        def hold() -> None:
            with condition:
                try:
                    threading.Event().wait()
                finally:
                    seen.append(condition._lock.locked())

        threading.Thread(target=idle, daemon=True).start()
        threading.Thread(target=hold, daemon=True).start()

    simloop.run(main())
    assert seen == [True]
    assert hooked == []


def fail_at_the_end() -> None:
    try:
        threading.Event().wait()
    finally:
        raise LookupError


def test_what_goes_wrong_as_it_ends_is_not_told(hooked) -> None:
    """The process that it was in would be over, and run nothing of it."""

    async def main() -> None:
        threading.Thread(target=fail_at_the_end, daemon=True).start()

    simloop.run(main())
    assert hooked == []


def test_a_thread_without_an_object_ends_in_silence(monkeypatch) -> None:
    """One that was started by ``_thread`` does, too."""
    told: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", told.append)

    async def main() -> None:
        _thread.start_new_thread(fail_at_the_end, ())
        await asyncio.sleep(0)

    simloop.run(main())
    assert told == []
