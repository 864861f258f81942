"""Threads that spin on a flag of another thread: they yield, and see it when it is set."""

from __future__ import annotations

import asyncio
import sys
import threading
import time

import pytest

pytestmark = pytest.mark.skipif(
    sys.gettrace() is not None and not hasattr(sys, "monitoring"),
    reason="on 3.11 a thread that is traced, by coverage say, is left alone",
)


class Flag:
    is_set = False


def spin_on_a_list(flag, event, box):
    while not flag:
        pass


def spin_on_an_event(flag, event, box):
    while not event.is_set():
        pass


def spin_on_an_attribute(flag, event, box):
    while True:
        if box.is_set:
            break


SPINS = (spin_on_a_list, spin_on_an_event, spin_on_an_attribute)


@pytest.mark.slow  # A tenth of a second of real time goes by before a thread is looked at.
@pytest.mark.parametrize("setter", ["loop", "thread"])
@pytest.mark.parametrize("spin", SPINS)
def test_a_thread_sees_the_flag_that_another_sets(spin, setter, simulate):
    """It sees it soon after the flag was set, and the run is the same each time."""

    async def main():
        flag, event, box = [], threading.Event(), Flag()

        def work():
            spin(flag, event, box)
            return time.monotonic()

        def put():
            flag.append(1)
            event.set()
            box.is_set = True

        def put_later():
            time.sleep(3)
            put()

        if setter == "loop":
            asyncio.get_running_loop().call_later(3, put)
        else:
            threading.Thread(target=put_later).start()
        return await asyncio.to_thread(work)

    assert 3 <= simulate(main).value < 3.01
    if hasattr(sys, "monitoring"):
        assert [sys.monitoring.get_tool(each) for each in (3, 4)] == [None, None]


@pytest.mark.slow  # It computes for longer than a thread may before it is looked at.
@pytest.mark.parametrize("kind", ["local", "attribute", "items"])
def test_a_thread_that_computes_is_left_alone(kind, simulate):
    """Work that changes something takes no virtual time, however long it computes."""

    async def main():
        def work():
            number, box, items = 0, Flag(), [0]
            box.number = 0
            until = time.thread_time_ns  # Virtual: it stands still.
            began = until()
            for _ in range(40):
                rounds = 50_000
                while kind == "local" and number < rounds:
                    number += 1
                while kind == "attribute" and box.number < rounds:
                    box.number += 1
                while kind == "items" and len(items) < rounds:
                    items.append(1)
                number, box.number, items = 0, 0, [0]
            return until() - began

        return await asyncio.to_thread(work)

    assert simulate(main).value == 0
