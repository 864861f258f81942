"""The end of a run, and runs without one: what is told, and when."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import pytest

import simloop
from simloop._kernel import limits
from simloop.world import failed_run


async def leave_a_stubborn_task():
    """Return while a task is left that swallows its cancellation and sleeps on."""

    async def stubborn():
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1)

    task = asyncio.create_task(stubborn(), name="stubborn")
    await asyncio.sleep(5)
    return task


@pytest.fixture
def short_end(monkeypatch):
    """Let the end of a run be short."""
    monkeypatch.setattr(failed_run, "_ENDING_STEPS", 1000)


@pytest.mark.usefixtures("short_end")
@pytest.mark.parametrize("options", [{}, {"max_steps": 10**9}, {"world": None}])
def test_a_task_that_will_not_end_ends_the_run(options):
    """A run whose program has returned is over after so many steps, and names what is left."""
    if "world" in options:
        options = {"world": simloop.World()}
    with pytest.raises(simloop.LimitError, match="has returned") as caught:
        simloop.run(leave_a_stubborn_task(), **options)
    assert "stubborn" in str(caught.value)


@pytest.mark.usefixtures("short_end")
def test_an_outcome_tells_of_a_task_that_will_not_end():
    """``simulate`` returns in such a case, too, and the same each time."""
    first, second = (simloop.simulate(leave_a_stubborn_task) for _ in range(2))
    assert isinstance(first.error, simloop.LimitError)
    assert (first.digest, first.steps) == (second.digest, second.steps)


@pytest.mark.usefixtures("short_end")
def test_many_tasks_may_end():
    """Each task that is left brings steps of its own to end in."""

    async def left():
        try:
            await asyncio.sleep(1000)
        finally:
            for _ in range(50):
                await asyncio.sleep(0)

    async def main():
        tasks = [asyncio.create_task(left()) for _ in range(100)]
        await asyncio.sleep(1)
        return len(tasks)

    assert simloop.run(main()) == 100


@pytest.mark.usefixtures("short_end")
def test_the_limits_of_the_world_are_its_own_again():
    """What limits the end is gone afterwards."""
    world = simloop.World()
    before = world.kernel.limits.current()
    with pytest.raises(simloop.LimitError):
        simloop.run(leave_a_stubborn_task(), world=world)
    assert world.kernel.limits.current() == before


@pytest.mark.parametrize("delay", [1, 1e-12])
def test_a_run_that_goes_on_for_ever_gets_a_word(delay, monkeypatch, capfd):
    """After very many steps without a limit a line on the terminal names the way out."""
    monkeypatch.setattr(limits, "_WORD_STEPS", 15_000)
    monkeypatch.setattr(sys, "__stderr__", sys.stderr)

    async def main():
        for _ in range(50_000):
            await asyncio.sleep(delay)

    outcome = simloop.simulate(main)
    assert outcome.error is None
    told = capfd.readouterr().err
    assert told.count("simloop: this run has taken") == 2
    assert "max_steps=" in told

    simloop.run(main(), max_steps=10**6)
    assert not capfd.readouterr().err
    assert simloop.simulate(main, max_steps=10**6).digest == outcome.digest
