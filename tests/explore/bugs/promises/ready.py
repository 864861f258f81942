"""Callbacks that are ready run first in, first out."""

from __future__ import annotations

import asyncio


async def call_soon_is_a_queue() -> None:
    """A journal written by ``call_soon`` is in the order of the calls."""
    loop = asyncio.get_running_loop()
    journal: list[int] = []
    done = asyncio.Event()
    for number in range(4):
        loop.call_soon(journal.append, number)
    loop.call_soon(done.set)
    await done.wait()
    assert journal == [0, 1, 2, 3]


async def sleep_zero_hands_over() -> None:
    """Two tasks that give way by ``sleep(0)`` take turns strictly."""
    moves: list[str] = []

    async def play(name: str) -> None:
        for _ in range(3):
            moves.append(name)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(play("white"))
        group.create_task(play("black"))
    assert moves == ["white", "black"] * 3


async def tasks_begin_in_order() -> None:
    """Tickets drawn in the first step of each task are in the order of creation."""
    tickets = iter(range(4))

    async def draw() -> int:
        return next(tickets)

    tasks = [asyncio.create_task(draw()) for _ in range(4)]
    assert [await task for task in tasks] == [0, 1, 2, 3]


async def gather_begins_in_order() -> None:
    """Coroutines given to ``gather`` begin, and give their results, in the order of arguments."""
    begun: list[str] = []

    async def begin(name: str) -> int:
        begun.append(name)
        await asyncio.sleep(0)
        return len(begun)

    assert await asyncio.gather(*map(begin, "abc")) == [3, 3, 3]
    assert begun == ["a", "b", "c"]


async def cancelled_before_its_turn() -> None:
    """A callback that an earlier one cancels does not run."""
    loop = asyncio.get_running_loop()
    ran: list[str] = []
    done = asyncio.Event()
    handles: list[asyncio.Handle] = []

    def cancel_next() -> None:
        handles.pop().cancel()

    loop.call_soon(cancel_next)
    handles.append(loop.call_soon(ran.append, "cancelled"))
    loop.call_soon(done.set)
    await done.wait()
    assert ran == []
