"""Choices of the program: what they are undisturbed, and what an exploration makes of them."""

from __future__ import annotations

import asyncio

import pytest

import simloop


async def choosing():
    return simloop.choose("abc", "letter"), simloop.choose(3), simloop.choose([9])


def test_without_an_exploration_the_first_option_is_taken(explored):
    """A plain run takes the first option, and so does an explored one whose answers are 0."""
    assert simloop.run(choosing()) == ("a", 0, 9)
    assert [simloop.run(choosing(), seed=seed) for seed in range(5)] == [("a", 0, 9)] * 5
    assert explored(choosing)[0].value == ("a", 0, 9)


def test_an_exploration_takes_any_option(explored):
    """Each choice with two options or more is asked by its name, or by its function's."""
    ran, asked = explored(choosing, 2, 1)
    assert ran.value == ("c", 1, 9)
    place = f"{choosing.__module__}.choosing"
    assert asked == [("choice", "letter", 3, None), ("choice", place, 3, None)]


def test_a_choice_may_be_of_anything_in_order(explored):
    """Ranges, tuples and lists are chosen from, and a number is below another."""

    async def main():
        return simloop.choose(range(5, 9)), simloop.choose((None, "x")), simloop.choose(2)

    assert explored(main, 3, 1, 1)[0].value == (8, "x", 1)


def test_buggify_is_off_without_an_exploration(explored):
    """A fault of the program's own happens only where an exploration says so."""

    async def main():
        return [simloop.buggify("a short write", p=0.5), simloop.buggify("never", p=0)]

    assert simloop.run(main()) == [False, False]
    assert explored(main)[0].value == [False, False]
    ran, asked = explored(main, 1, 1)
    assert ran.value == [True, False]
    assert asked == [("buggify", "a short write", 2, 0.5)]


async def fetch(log):
    log.append("began")
    try:
        await asyncio.sleep(1)
        log.append("asked")
        await asyncio.sleep(1)
        log.append("heard")
        return "answer"
    finally:
        await asyncio.sleep(0)
        log.append("ended")


@pytest.mark.parametrize(
    ("answers", "log", "time"),
    [
        ((), ["began", "asked", "heard", "ended"], 2.0),
        ((1,), ["began", "ended", "cut"], 0.0),
        ((0, 1), ["began", "asked", "ended", "cut"], 1.0),
    ],
)
def test_cut_short_cancels_at_an_await(explored, answers, log, time):
    """It may be cut at each await, where its clean-up runs and TimeoutError is raised."""
    told = []

    async def main():
        try:
            assert await simloop.cut_short(fetch(told), "the call") == "answer"
        except TimeoutError:
            told.append("cut")
        return asyncio.get_running_loop().time()

    ran, asked = explored(main, *answers)
    assert ran.error is None
    assert told == log
    assert ran.value == time
    assert {each[:3] for each in asked} == {("cut", "the call", 2)}


def test_cut_short_reaches_what_is_waited_for(explored):
    """A cut cancels the task or the future that is awaited, as a timeout does."""

    async def main():
        task = asyncio.create_task(asyncio.sleep(5))
        future = asyncio.get_running_loop().create_future()
        for each in (task, future):
            with pytest.raises(TimeoutError):
                await simloop.cut_short(each)
        return task.cancelled(), future.cancelled(), asyncio.current_task().cancelling()

    assert explored(main, 1, 1)[0].value == (True, True, 0)


def test_a_cancellation_from_outside_is_none_of_it(explored):
    """A task that is cancelled while it may be cut is cancelled, and not timed out."""

    async def main():
        task = asyncio.create_task(_call())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return "cancelled"

    assert explored(main)[0].value == "cancelled"


async def _call():
    await simloop.cut_short(asyncio.sleep(5), "the call")


def test_what_raises_raises_through_it(explored):
    """An error of what is awaited comes out as it is."""

    async def fail():
        await asyncio.sleep(1)
        raise LookupError("gone")

    async def main():
        with pytest.raises(LookupError, match="gone"):
            await simloop.cut_short(fail())

    assert explored(main)[0].error is None


@pytest.mark.parametrize("kind", ["coroutine", "future", "object"])
def test_an_exploration_without_cuts_is_the_plain_run(explored, kind):
    """All answers 0 give the plain run, digest and all, whatever is awaited."""

    class Thing:
        def __await__(self):
            yield from asyncio.sleep(1, "done").__await__()
            return "done"

    async def main():
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_later(1, future.set_result, "done")
        things = {"coroutine": lambda: asyncio.sleep(1, "done"), "future": lambda: future}
        return await simloop.cut_short(things.get(kind, Thing)())

    plain, (ran, _) = simloop.simulate(main), explored(main)
    assert plain.value == ran.value == "done"
    assert (ran.digest, ran.world.steps) == (plain.digest, plain.steps)


def test_a_deadlock_is_told_through_it(explored):
    """The report of a deadlock names what is waited for inside, and where."""

    async def wait_for_ever():
        await asyncio.Event().wait()

    async def main():
        await simloop.cut_short(wait_for_ever())

    ran, _ = explored(main)
    assert isinstance(ran.error, simloop.DeadlockError)
    assert "in test_a_deadlock_is_told_through_it.<locals>.wait_for_ever" in str(ran.error)
    assert "waits for the event" in str(ran.error)
