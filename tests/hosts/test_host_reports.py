"""What else knows hosts: reports of deadlocks, limits, traces, driving, checks and explorations."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time

import pytest

import simloop
from simloop.errors import DeadlockError, LimitError
from simloop.world.tracing.trace_file import writing_trace

from .test_add_host import ask, serve, world


async def wait_for_ever():
    await asyncio.Event().wait()


def test_a_deadlock_names_the_host_of_each_task():
    """The report lists the tasks of all hosts, each by its host; others are the driver's."""

    async def main():
        world().add_host("db", wait_for_ever)
        world().add_host("web", wait_for_ever)
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError) as caught:
        simloop.run(main())
    text = str(caught.value)
    assert "3 pending tasks" in text
    for name in ("\n  Task-1 (", "\n  db/Task-1 (wait_for_ever", "\n  web/Task-1 (wait_for_ever"):
        assert name in text


def test_a_deadlock_tells_what_hosts_are_not_up():
    """Hosts that are off or paused, and processes that have ended, are told: they may be why."""

    async def main():
        world().add_host("db", wait_for_ever).crash()
        paused = world().add_host("web", wait_for_ever)
        paused.processes[0].pause()
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError) as caught:
        simloop.run(main())
    assert "the host 'db' is off" in str(caught.value)
    assert "the host 'web' is paused" in str(caught.value)


def test_one_ticking_host_hides_no_limit():
    """A limit of time holds for all hosts together."""

    async def tick():
        while True:
            await asyncio.sleep(1)

    async def main():
        world().add_host("db", tick)
        await asyncio.Event().wait()

    with pytest.raises(LimitError):
        simloop.run(main(), max_time=10)


def test_slow_callbacks_of_a_host_in_debug_mode_are_logged(caplog):
    """Debug mode is each loop's own, on hosts too."""

    async def slow():
        asyncio.get_running_loop().set_debug(True)
        await asyncio.sleep(1)
        time.sleep(0.5)

    async def main():
        process = world().add_host("db").start(slow)
        await process.exited()

    with caplog.at_level(logging.WARNING):
        simloop.run(main())
    assert [each.process for each in caplog.records] == [1001]
    assert "took 0.500 seconds" in caplog.text


async def scenario():
    db = world().add_host("db", serve, restart="always")
    answers = []
    for _ in range(3):
        await asyncio.sleep(1)
        try:
            answers.append(await ask("db"))
        except OSError:
            answers.append(None)
        db.processes[0].kill() if db.processes else None
        await asyncio.sleep(0.5)
    return answers


def test_a_run_with_hosts_can_be_checked():
    """``check`` finds no difference between two runs with hosts that are killed and restarted."""
    simloop.check(scenario, seeds=[1, 2])


def test_a_run_with_hosts_can_be_explored():
    """An exploration runs schedules of many hosts, and none of them accuses a correct program."""
    found = simloop.explore(scenario, schedules=20)
    assert found.ran == 20
    assert found.failures == []


def test_hosts_are_driven_from_outside():
    """A loop that is stepped from outside takes the hosts of its world along."""
    loop = simloop.SimLoop()
    host = loop.world.add_host("db", serve)
    task = loop.create_task(ask_later())
    for _ in range(5):
        loop.run_for(0.5)
        assert os.getpid() != host.processes[0].pid
    assert task.result() == b"hello"
    host.crash()
    loop.run_until_idle()
    assert host.state == "off"
    loop.close()


async def ask_later():
    await asyncio.sleep(1)
    return await ask("db")


def test_advance_takes_hosts_along():
    """``advance`` runs what is due on all hosts."""
    seen = []

    async def tick():
        while True:
            await asyncio.sleep(1)
            seen.append(asyncio.get_running_loop().time())

    async def main():
        world().add_host("db", tick)
        await simloop.current_loop().advance(3)
        return list(seen)

    assert simloop.run(main(), autojump=False) == [1.0, 2.0, 3.0]


def test_a_trace_has_a_process_for_each_host(tmp_path):
    """In Chrome's format hosts are processes, and what the world does by itself is one, too."""

    async def main():
        db = world().add_host("db", serve, restart="always")
        answer = await ask_later()
        db.processes[0].kill()
        await asyncio.sleep(2)
        return answer

    path = tmp_path / "trace.json"
    made = simloop.World()
    with writing_trace(made, str(path), "scenario"):
        assert simloop.run(main(), world=made) == b"hello"
    events = json.loads(path.read_text())["traceEvents"]
    names = [each["args"]["name"] for each in events if each.get("name") == "process_name"]
    assert names == ["localhost", "db", "the world"]
