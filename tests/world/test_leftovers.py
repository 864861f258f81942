"""What a run leaves behind in the process: nothing."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

import simloop


async def sleep() -> None:
    await asyncio.gather(*[asyncio.sleep(number) for number in range(5)])


def test_a_world_goes_with_its_run() -> None:
    """Nobody holds a world after its run, so it is gone without the garbage collector."""
    simloop.run(sleep())  # What the first run makes for all stays.
    gc.collect()
    gc.disable()
    try:
        world = simloop.World(seed=1)
        gone = weakref.ref(world)
        simloop.run(sleep(), world=world)
        del world
        assert gone() is None
    finally:
        gc.enable()


def garbage_of(run) -> list[type]:
    """List the kinds of our objects that only the garbage collector gets rid of after a run."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        run()
        gc.collect()
        kinds = {type(thing) for thing in gc.garbage}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    return [kind for kind in kinds if kind.__module__.startswith(("simloop", "_asyncio"))]


def test_a_small_run_leaves_no_garbage() -> None:
    """A run of tasks and timers leaves none of its objects to the garbage collector."""
    simloop.run(sleep())
    # Threads of earlier tests may end meanwhile; what the run itself leaves it leaves each time.
    assert [] in [garbage_of(lambda: simloop.run(sleep())) for _ in range(3)]


def test_parts_of_a_world_that_is_gone_say_so() -> None:
    """Who keeps only a part of a world is told to keep the world."""
    sandbox = simloop.World().sandbox
    with pytest.raises(simloop.UsageError, match="keep the World"):
        sandbox.sockets.gethostname()


@pytest.mark.parametrize("run", [simloop.run, asyncio.run], ids=["simloop", "asyncio"])
def test_what_a_program_scheduled_last_runs(run) -> None:
    """A callback that is ready when the program ends runs, and what it schedules, too."""
    log = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, log.append, "ran")

    run(main())
    assert log == ["ran"]


def test_what_is_left_is_ended_in_steps() -> None:
    """Tasks and generators that a program leaves are ended; who leaves none takes no step more."""
    ended = []

    async def endless() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("task")

    async def numbers():
        try:
            yield 1
            yield 2
        finally:
            ended.append("generator")

    async def leaving() -> None:
        task = asyncio.create_task(endless())
        generator = numbers()
        async for _ in generator:
            break
        await asyncio.sleep(1)
        kept.extend((task, generator))

    kept: list = []
    simloop.run(leaving())
    assert ended == ["task", "generator"]
    assert simloop.simulate(lambda: asyncio.sleep(0)).steps == 3
