"""The loop and the world of the code that asks."""

from __future__ import annotations

import asyncio
import threading

import pytest

import simloop


def test_a_run_tells_its_loop_and_world():
    """In a coroutine and in a callback the loop is the running one, with its own world."""
    world = simloop.World()

    async def main():
        loop = simloop.current_loop()
        assert loop is asyncio.get_running_loop()
        assert simloop.current_world() is world
        heard = loop.create_future()
        loop.call_soon(lambda: heard.set_result(simloop.current_loop()))
        assert await heard is loop

    simloop.run(main(), world=world)


def test_a_thread_of_a_run_has_its_world_and_no_loop():
    """A thread belongs to the run's world, the world itself and not a stand-in; no loop runs it."""
    world = simloop.World()

    def work():
        with pytest.raises(simloop.UsageError, match="no simulated loop runs this code"):
            simloop.current_loop()
        return simloop.current_world()

    async def main():
        return await asyncio.to_thread(work)

    assert simloop.run(main(), world=world) is world


def test_a_program_has_the_world_that_it_runs_in():
    """A registered program asks for the same world as what started it."""
    found = []

    async def program(_process):
        found.append(simloop.current_world())
        return 0

    async def main():
        simloop.current_world().programs.register("tool", program)
        process = await asyncio.create_subprocess_exec("tool")
        await process.wait()
        return simloop.current_world()

    world = simloop.World()
    assert simloop.run(main(), world=world) is world
    assert found == [world]


@pytest.mark.parametrize("call", [simloop.current_loop, simloop.current_world])
def test_outside_of_a_run_the_way_out_is_named(call):
    """Neither where nothing runs, nor on a real loop, nor in a thread beside a run."""
    with pytest.raises(simloop.UsageError, match=r"simloop\.run\(main\(\)"):
        call()

    async def main():
        with pytest.raises(simloop.UsageError, match=call.__name__):
            call()

    asyncio.run(main())
    errors = []

    def beside():
        try:
            call()
        except simloop.UsageError as error:
            errors.append(error)

    thread = threading.Thread(target=beside)
    thread.start()
    thread.join()
    assert len(errors) == 1
