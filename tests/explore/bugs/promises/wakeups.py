"""Those who wait are woken in the order in which they came, and before what is scheduled after."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial


async def done_callbacks_in_order() -> None:
    """A future's callbacks run in the order in which they were added."""
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    heard: list[int] = []

    def hear(number: int, _future: asyncio.Future[str]) -> None:
        heard.append(number)

    for number in range(3):
        future.add_done_callback(partial(hear, number))
    future.set_result("done")
    await asyncio.sleep(0)
    assert heard == [0, 1, 2]


async def event_wakes_in_order() -> None:
    """Runners that wait for one event leave in the order in which they lined up."""
    start, left = asyncio.Event(), deque[int]()

    async def run(number: int) -> None:
        await start.wait()
        left.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(run(number))
        await asyncio.sleep(0.01)
        start.set()
    assert list(left) == [0, 1, 2]


async def waiter_before_what_follows() -> None:
    """Who awaits a future goes on before a callback that is scheduled after its result is set."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[str] = loop.create_future()
    is_over = False

    def end() -> None:
        nonlocal is_over
        is_over = True

    def produce() -> None:
        future.set_result("last")
        loop.call_soon(end)

    loop.call_later(0.01, produce)
    assert await future == "last"
    assert not is_over


async def lock_is_fair() -> None:
    """Tasks get a lock in the order in which they asked for it."""
    lock, order = asyncio.Lock(), deque[int]()

    async def use(number: int) -> None:
        async with lock:
            order.append(number)
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(use(number))
    assert list(order) == [0, 1, 2]


async def semaphore_is_fair() -> None:
    """Of five who ask for two permits, the first two come first, and so on."""
    semaphore, order = asyncio.Semaphore(2), deque[int]()

    async def use(number: int) -> None:
        async with semaphore:
            order.append(number)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(use(number))
    assert list(order) == [0, 1, 2, 3, 4]


async def queue_serves_getters_in_order() -> None:
    """Items go to those who wait for them, first come, first served."""
    queue: asyncio.Queue[str] = asyncio.Queue()

    async with asyncio.TaskGroup() as group:
        getters = [group.create_task(queue.get()) for _ in range(3)]
        await asyncio.sleep(0.01)
        for item in "abc":
            queue.put_nowait(item)
    assert [getter.result() for getter in getters] == ["a", "b", "c"]


async def condition_notifies_in_order() -> None:
    """``notify`` wakes the one who has waited longest."""
    condition, woken = asyncio.Condition(), deque[int]()

    async def wait(number: int) -> None:
        async with condition:
            await condition.wait()
            woken.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(wait(number))
        await asyncio.sleep(0.01)
        async with condition:
            condition.notify(2)
        await asyncio.sleep(0.01)
        async with condition:
            condition.notify()
    assert list(woken) == [0, 1, 2]
