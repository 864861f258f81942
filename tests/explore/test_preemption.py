"""Threads are preempted where they make a call: races are found, and right programs left alone."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

import pytest

import simloop
from simloop._presence import call_hearers
from simloop.exploration.explaining import explanation_of

from .elsewhere import assert_replayed
from .threaded_programs import (
    HOSTED,
    RIGHT,
    lost_between_records,
    lost_between_zones,
    lost_update,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
FAILURES = ("error", "deadlock", "limit", "unretrieved", "callback")
NEEDS = {"janus_queues": "janus", "databases": "aiosqlite"}
each_right = pytest.mark.parametrize("main", RIGHT, ids=lambda main: main.__name__)
each_hosted = pytest.mark.parametrize(("bug", "twin"), HOSTED.values(), ids=HOSTED)


@each_right
def test_a_right_program_is_left_alone_at_a_glance(main) -> None:
    """Locks, queues, conditions, pools, files: used rightly, no schedule breaks them."""
    pytest.importorskip(NEEDS.get(main.__name__, "asyncio"))
    found = simloop.explore(main, schedules=25, failures=FAILURES)
    assert not found.failures, str(found)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["timing", "random", "pct", "pos", "surw"])
@each_right
def test_a_right_program_is_left_alone(main, strategy) -> None:
    """Nor do hundreds, nor strategies that permute."""
    pytest.importorskip(NEEDS.get(main.__name__, "asyncio"))
    found = simloop.explore(main, schedules=200, seed=1, strategy=strategy, failures=FAILURES)
    assert not found.failures, str(found)


@each_hosted
def test_processes_of_a_host_race(bug, twin) -> None:
    """Two processes of one machine are preempted at their calls on files, and the twin is right."""
    found = simloop.explore(bug, schedules=60)
    assert found.failures
    assert len(found.failures[0].schedule.deviations) <= 2
    assert not simloop.explore(twin, schedules=25).failures


def locking(tasks, calls):
    """``tasks`` threads that each take so many locks, which nobody else wants."""

    async def main():
        locks = [threading.Lock() for _ in range(tasks * calls)]

        def take(first):
            for lock in locks[first : first + calls]:
                lock.acquire()

        jobs = [asyncio.to_thread(take, first) for first in range(0, len(locks), calls)]
        await asyncio.gather(*jobs)

    return main


@pytest.mark.parametrize(("calls", "count"), [(1, 70), (2, 252)])
def test_a_complete_search_counts_calls_of_threads(calls, count) -> None:
    """Two rows of 3 + ``calls`` steps are merged in every way: task, parts of a thread, task."""
    found = simloop.explore(locking(2, calls), schedules=None, stop=None, strategy="dfs")
    assert (found.ran, found.exhausted, found.failures) == (count, True, [])


@pytest.mark.parametrize("strategy", ["dfs", "pct", "pos", "surw", "delay:2", "single", "random"])
def test_every_strategy_preempts_threads(strategy) -> None:
    """For those that permute, a thread is one among the tasks."""
    found = simloop.explore(lost_update, schedules=200, strategy=strategy, shrink=False)
    assert found.failures, str(found)


def test_a_waiting_loop_thread_lets_held_threads_wait() -> None:
    """Where the loop's own thread joins threads, one that is held is passed by the other."""

    async def main():
        total, lock = [0], threading.Lock()

        def add():
            value = total[0]
            with lock:
                pass
            total[0] = value + 1

        threads = [threading.Thread(target=add) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert total == [2]

    for strategy in ("timing", "dfs"):
        found = simloop.explore(main, schedules=100, strategy=strategy)
        assert found.failures, strategy


def test_nobody_hears_of_calls_but_in_explored_threads() -> None:
    """A plain run, and an explored one without threads, pays for no call."""
    heard = []

    async def without_threads():
        lock = threading.Lock()
        with lock:
            heard.append(list(call_hearers))

    async def with_threads():
        await asyncio.to_thread(lambda: heard.append(list(call_hearers)))

    simloop.run(with_threads())
    simloop.explore(without_threads, schedules=3)
    assert heard
    assert not any(heard)
    heard.clear()
    simloop.explore(with_threads, schedules=3)
    assert all(heard)
    assert not call_hearers


def test_what_is_killed_while_it_is_held_is_silent() -> None:
    """A process that dies while a thread of it is preempted never goes on."""
    ran = []

    async def main():
        host = simloop.current_world().add_host("m")

        def work():
            lock = threading.Lock()
            for number in range(20):
                with lock:
                    ran.append(number)
                time.sleep(0.01)

        process = host.start(work)
        await asyncio.sleep(0.1)
        process.kill()
        count = len(ran)
        await asyncio.sleep(100)
        assert len(ran) == count

    found = simloop.explore(main, schedules=40)
    assert not found.failures, str(found)
    assert not call_hearers


def test_an_explanation_shows_steps_of_threads() -> None:
    """Which thread, which line, where it was held; a thread begins at the line of its function."""
    failure = simloop.explore(lost_update).failures[0]
    explained = explanation_of(failure)
    text = " ".join(str(explained).split())
    assert "(lost_update" in text or "(add)" in text
    assert " was held for " in text
    assert "in add(), threaded_programs.py:" in text
    assert "(with lock:)" in text
    rows = [row for row in explained.plain if row.who.startswith("thread ")]
    assert [row.who for row in rows] == ["thread 1", "thread 2"]
    assert {row.source for row in rows} == {"def add():"}
    goes_on = [row.source for row in explained.failing if row.who.startswith("thread ")]
    assert "with lock:" in goes_on


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["timing", "pos", "surw"])
@pytest.mark.parametrize("main", [lost_update, lost_between_records, lost_between_zones])
def test_another_process_replays_a_preemption(main, strategy, tmp_path) -> None:
    """By file and by token, also where the first run of a process locks or reads once more."""
    failure = simloop.explore(main, strategy=strategy).failures[0]
    failure.schedule.save(tmp_path / "found.json")
    assert_replayed(main, failure, tmp_path / "found.json", failure.schedule.token)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["timing", "pos", "surw"])
def test_a_handler_of_pytests_is_no_part_of_the_program(strategy, caplog) -> None:
    """What captures records for a report has a lock of its own, which no other process has."""
    logger = logging.getLogger(lost_between_records.__name__)
    logger.addHandler(caplog.handler)
    try:
        failure = simloop.explore(lost_between_records, strategy=strategy).failures[0]
    finally:
        logger.removeHandler(caplog.handler)
    assert_replayed(lost_between_records, failure, failure.schedule.token)


async def killed_among_beginnings() -> None:
    """A process of a host is killed, and threads of it may not have begun."""

    def program() -> None:
        def work() -> None:
            while True:
                time.sleep(0.01)

        for _ in range(2):
            threading.Thread(target=work).start()
        time.sleep(100)

    host = simloop.current_world().add_host("killed", program)
    await asyncio.sleep(0.35)
    host.processes[0].kill()
    await asyncio.sleep(1)


@pytest.mark.slow
def test_a_thread_may_be_killed_before_it_begins() -> None:
    """It never comes to be, and the run ends as any other."""
    found = simloop.explore(killed_among_beginnings, schedules=100, failures=FAILURES)
    assert not found.failures, str(found)
