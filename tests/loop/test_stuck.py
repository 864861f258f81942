"""Programs that can't go on: deadlocks, livelocks and limits, and what is told of them."""

from __future__ import annotations

import asyncio
import math

import pytest

import simloop


async def opposite_orders() -> None:
    """Take two locks in opposite orders."""
    first, second = asyncio.Lock(), asyncio.Lock()

    async def forth() -> None:
        async with first:
            await asyncio.sleep(1)
            async with second:
                pass

    async def back() -> None:
        async with second:
            await asyncio.sleep(2)
            async with first:
                pass

    async with asyncio.TaskGroup() as group:
        group.create_task(forth(), name="forth")
        group.create_task(back(), name="back")


def deadlock(coro, **options) -> str:
    with pytest.raises(simloop.DeadlockError) as caught:
        simloop.run(coro, **options)
    return str(caught.value)


def test_two_locks_in_opposite_order_name_both_tasks_locks_and_lines() -> None:
    """The report shows who waits for which lock, who holds it, since when, and the lines."""
    text = deadlock(opposite_orders())
    assert "waits for the lock 'second' (Lock), held by back, since 1.0 s" in text
    assert "waits for the lock 'first' (Lock), held by forth, since 2.0 s" in text
    assert "async with second:" in text
    assert "async with first:" in text
    assert text.count("test_stuck.py:") >= 3
    assert "at 2.0 s of virtual time" in text


WAITS = {
    "queue": (lambda: asyncio.Queue().get(), "an item from the queue"),
    "event": (lambda: asyncio.Event().wait(), "the event"),
    "semaphore": (lambda: asyncio.Semaphore(0).acquire(), "the semaphore"),
    "sleep": (lambda: asyncio.sleep(math.inf), "a sleep of inf s"),
    "stream": (lambda: asyncio.StreamReader().read(), "data on a stream"),
}


@pytest.mark.parametrize("kind", WAITS)
def test_each_primitive_is_named(kind: str) -> None:
    """A wait on one of asyncio's primitives is told in its words."""
    make, words = WAITS[kind]

    async def main() -> None:
        await make()

    text = deadlock(main())
    assert f"Task-1 ({main.__qualname__}) waits for {words}" in text
    assert "await make()" in text


def test_waits_for_tasks_futures_and_gathers_are_named() -> None:
    """A report tells which task is awaited, and that a bare future was never set."""

    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def waiting() -> None:
            await loop.create_future()

        child = asyncio.create_task(waiting(), name="child")

        async def parent() -> None:
            await child

        other = asyncio.create_task(parent(), name="parent")
        await asyncio.gather(child, other)

    text = deadlock(main())
    assert "child (" in text
    assert "waits for a future (Future) that nobody has set, since 0.0 s" in text
    assert "waits for the task child" in text
    assert "waits for a gather of child, parent" in text


def test_names_reach_no_terminal_as_they_are() -> None:
    """A line break and an escape sequence in a task's name are shown as what they are."""

    async def main() -> None:
        asyncio.current_task().set_name("a\nb\x1b[31mred")
        await asyncio.Event().wait()

    assert r"  a\nb\x1b[31mred (" in deadlock(main())


def test_waits_behind_generators_are_found() -> None:
    """The report sees through asynchronous generators to the line that waits."""

    async def numbers():
        yield 1
        await asyncio.Event().wait()  # the culprit
        yield 2

    async def main() -> None:
        async for _ in numbers():
            pass

    text = deadlock(main())
    assert "the culprit" in text
    assert "waits for the event" in text


def test_tasks_are_cancelled_after_a_deadlock() -> None:
    """After a deadlock tasks get to clean up, and a second deadlock there changes nothing."""
    cleaned = []

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(5)
            cleaned.append(asyncio.get_running_loop().time())
            await asyncio.Event().wait()

    text = deadlock(stubborn())
    assert cleaned == [5.0]
    assert "at 0.0 s" in text


def test_a_clean_up_that_fails_does_not_hide_the_deadlock() -> None:
    """A task that stops the loop while it is cancelled breaks the clean-up, not the report."""

    async def main() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            asyncio.get_running_loop().stop()
            await asyncio.sleep(0)

    with pytest.raises(simloop.DeadlockError, match="waits for the event"):
        simloop.run(main())


def test_a_loop_with_nothing_to_do_says_that_no_task_is_pending(loop) -> None:
    """run_forever with nothing scheduled can never end: that is told at once."""
    with pytest.raises(simloop.DeadlockError, match="no task is pending"):
        loop.run_forever()
    assert not loop.is_running()


def test_an_infinite_sleep_beside_other_work_is_fine() -> None:
    """sleep(inf) waits for ever, and whoever is beside it works on."""

    async def main() -> float:
        task = asyncio.create_task(asyncio.sleep(math.inf))
        await asyncio.sleep(1e9)
        task.cancel()
        return asyncio.get_running_loop().time()

    assert simloop.run(main()) == 1e9


def test_without_autojump_the_error_names_advance() -> None:
    """A frozen clock that would hang says what to call."""

    async def main() -> None:
        await asyncio.sleep(5)

    text = deadlock(main(), autojump=False)
    assert "next deadline is at 5.0 s" in text
    assert "autojump is off" in text
    assert "loop.advance(seconds)" in text


async def spin() -> None:
    while True:
        await asyncio.sleep(0)


def test_a_livelock_names_the_coroutine() -> None:
    """A coroutine that spins is named, and still gets to clean up."""
    with pytest.raises(simloop.LimitError, match=r"(?s)clock stood still.*spin.*livelock_steps"):
        simloop.run(spin(), livelock_steps=1000)


def test_max_steps_and_max_time_end_a_run() -> None:
    """Limits of steps and of time end a run that would go on for ever."""

    async def tick() -> None:
        while True:
            await asyncio.sleep(1)

    with pytest.raises(simloop.LimitError, match="took 50 steps"):
        simloop.run(tick(), max_steps=50)
    with pytest.raises(simloop.LimitError, match=r"next deadline is at 11.0 s"):
        simloop.run(tick(), max_time=10)
