"""Threads against naive models: whatever they do, it comes out as a queue would have it."""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
import time

from hypothesis import given, settings
from hypothesis import strategies as st

import simloop

_seconds = st.integers(0, 4)
_visits = st.lists(st.tuples(_seconds, _seconds), min_size=1, max_size=6)


@settings(deadline=None, max_examples=30)
@given(_visits, st.sampled_from([threading.Lock, threading.RLock]))
def test_a_lock_is_a_queue(visits, make) -> None:
    """Jobs that come at some time and hold a lock for another leave it as customers of one desk."""

    async def main() -> list[float]:
        lock = make()

        def job(arrival: int, stay: int) -> float:
            time.sleep(arrival)
            with lock:
                time.sleep(stay)
                return time.monotonic()

        return await asyncio.gather(*(asyncio.to_thread(job, *visit) for visit in visits))

    free, expected = 0, {}
    order = sorted(range(len(visits)), key=lambda index: (visits[index][0], index))
    for index in order:
        arrival, stay = visits[index]
        free = expected[index] = max(free, arrival) + stay
    left = simloop.run(main())
    # Who comes at the very moment at which another leaves may be served before those who wait.
    assert max(left) == free
    if len({arrival for arrival, _ in visits}) == 1:
        assert left == [expected[index] for index in range(len(visits))]
    busy = sorted((end - stay, end) for end, (_, stay) in zip(left, visits, strict=True))
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(busy))
    assert all(end - stay >= came for end, (came, stay) in zip(left, visits, strict=True))


_actions = st.lists(
    st.tuples(st.sampled_from(["loop", "job", "thread"]), _seconds), min_size=1, max_size=12
)


@settings(deadline=None, max_examples=30)
@given(_actions, st.sampled_from([queue.Queue, queue.SimpleQueue]))
def test_a_queue_loses_and_reorders_nothing(actions, make) -> None:
    """Items come out in the order of their times, whoever puts them in, and never two at once."""

    async def main() -> list[tuple[float, int]]:
        box = make()

        def put(delay: int, number: int) -> None:
            time.sleep(delay)
            box.put((time.monotonic(), number))

        def take() -> list[tuple[float, int]]:
            taken = []
            while len(taken) < len(actions):
                came, number = box.get()
                assert came == time.monotonic()
                taken.append((came, number))
            return taken

        taker = asyncio.create_task(asyncio.to_thread(take))
        loop = asyncio.get_running_loop()
        for number, (kind, delay) in enumerate(actions):
            if kind == "loop":
                due = loop.time() + delay
                loop.call_at(due, lambda due=due, number=number: box.put((due, number)))
            elif kind == "job":
                loop.run_in_executor(None, put, delay, number)
            else:
                threading.Thread(target=put, args=(delay, number)).start()
        return await taker

    taken = simloop.run(main())
    assert sorted(number for _, number in taken) == list(range(len(actions)))
    assert [came for came, _ in taken] == sorted(delay for _, delay in actions)
