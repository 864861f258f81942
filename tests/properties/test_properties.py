"""Properties: when they are looked at, what a failure says, and that it can't be swallowed."""

from __future__ import annotations

import asyncio
import functools
import math
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

import simloop
from simloop.exploration.same_failure import identity_of


def test_always_is_looked_at_after_each_step(run):
    """A condition that is false between two steps of one turn ends the run, whatever runs it."""

    async def main():
        values = [0]
        simloop.always(lambda: values[0] == 0, "it is zero")
        await asyncio.sleep(1)
        loop = asyncio.get_running_loop()
        loop.call_soon(values.__setitem__, 0, 1)
        loop.call_soon(values.__setitem__, 0, 0)
        await asyncio.sleep(5)

    with pytest.raises(simloop.PropertyError) as caught:
        run(main)
    first, second = str(caught.value).splitlines()
    assert first == "always 'it is zero': false at 1.0 s, after a step of list.__setitem__"
    assert second.startswith(f"  stated at {__file__}:")


def test_a_failure_is_told_alike_whatever_runs_it(run):
    """The message names the coroutine of the step, the same in watched runs and in plain ones."""

    async def work(values):
        await asyncio.sleep(1)
        values.append(1)
        await asyncio.sleep(1)

    async def main():
        values = []
        simloop.always(lambda: not values, "empty")
        await asyncio.create_task(work(values))

    name = r"after a step of test_a_failure_is_told_alike_whatever_runs_it\.<locals>\.work"
    with pytest.raises(simloop.PropertyError, match=name):
        run(main)


def test_every_turn_does_not_look_within_one(run):
    """With every="turn" a condition may break within a turn, and not from one to the next."""

    async def main(*, keeps):
        values = [0]
        simloop.always(lambda: values[0] == 0, "it is zero", every="turn")
        await asyncio.sleep(1)
        loop = asyncio.get_running_loop()
        loop.call_soon(values.__setitem__, 0, 1)
        if keeps:
            loop.call_soon(values.__setitem__, 0, 0)
        await asyncio.sleep(5)
        return loop.time()

    assert run(functools.partial(main, keeps=True)) == 6.0
    with pytest.raises(simloop.PropertyError, match=r"false at 1.0 s, after a turn"):
        run(functools.partial(main, keeps=False))


@pytest.mark.parametrize("every", ["step", "turn"])
def test_the_turn_in_which_it_is_stated_is_left_alone(run, every):
    """What happens in the rest of that turn is not looked at, whether the run is watched or not."""

    async def main():
        values = [0]
        loop = asyncio.get_running_loop()
        asyncio.create_task(asyncio.sleep(0)).add_done_callback(lambda _: None)
        loop.call_soon(lambda: simloop.always(lambda: values[0] == 0, "it is zero", every=every))
        loop.call_soon(values.__setitem__, 0, 1)
        loop.call_soon(values.__setitem__, 0, 0)
        await asyncio.sleep(1)
        return "done"

    assert run(main) == "done"


def test_what_is_false_when_it_is_stated_fails_there(run):
    """A condition that does not hold at first is an error of the line that states it."""

    async def main():
        simloop.always(lambda: False, "never")

    with pytest.raises(simloop.PropertyError, match=r"false at 0.0 s, when it was stated"):
        run(main)


def test_a_condition_that_raises_has_failed(run):
    """What a condition raises is told, and is the cause of the error."""

    async def main():
        table = {"x": 1}
        simloop.always(lambda: table["x"], "x is there")
        await asyncio.sleep(1)
        del table["x"]
        await asyncio.sleep(1)

    with pytest.raises(
        simloop.PropertyError, match="'x is there': raised KeyError: 'x' at"
    ) as caught:
        run(main)
    assert isinstance(caught.value.__cause__, KeyError)


def swallowing_handler(fail):
    async def main():
        async def serve():
            while True:
                try:
                    await asyncio.sleep(1)
                    fail()
                except Exception:  # noqa: BLE001, S110 - as a server does it
                    pass

        server = asyncio.create_task(serve())
        await asyncio.sleep(10)
        server.cancel()
        return "all is well"

    return main


@pytest.mark.parametrize(
    "fail",
    [
        lambda: simloop.unreachable("two leaders"),
        lambda: simloop.always(lambda: False, "one leader"),
        lambda: simloop.eventually(lambda: 1 // 0, "a leader", within=1),
    ],
    ids=["unreachable", "always", "eventually"],
)
def test_a_failure_can_not_be_swallowed(run, fail):
    """A program that catches everything fails all the same, at that moment."""
    with pytest.raises(simloop.PropertyError, match=r"at 1.0 s"):
        run(swallowing_handler(fail))


def test_a_failure_in_the_last_step_is_told(run_to_end):
    """A property that fails in the last step is the error of the run, swallowed or not."""

    async def main():
        with suppress(simloop.PropertyError):
            simloop.unreachable("the end")

    with pytest.raises(simloop.PropertyError, match=r"unreachable 'the end': reached at 0.0 s, at"):
        run_to_end(main)


def test_a_failure_of_a_child_is_no_group(run_to_end):
    """In a task group a property fails the run by its own error, not by a group of errors."""

    async def child():
        await asyncio.sleep(1)
        simloop.unreachable("here")

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(child())
            group.create_task(asyncio.sleep(5))

    with pytest.raises(simloop.PropertyError, match="'here'"):
        run_to_end(main)


def test_the_program_may_clean_up_after_a_failure(run_to_end):
    """A run that a property has ended cancels its tasks, whose clean-up is not looked at."""
    log = []

    async def main():
        simloop.always(lambda: asyncio.get_running_loop().time() < 3, "it is early")
        try:
            await asyncio.sleep(5)
        finally:
            await asyncio.sleep(1)
            log.append(asyncio.get_running_loop().time())

    with pytest.raises(simloop.PropertyError, match=r"false at 5.0 s"):
        run_to_end(main)
    assert log == [6.0]


def test_a_blocking_thread_sees_no_error_of_others(run_to_end):
    """A step in the middle of a blocking call ends the run after the call, not in it."""
    log = []

    async def main():
        values = [0]
        simloop.always(lambda: values[0] == 0, "it is zero")
        await asyncio.sleep(1)

        def work():
            time.sleep(1)
            values[0] = 1

        thread = threading.Thread(target=work)
        thread.start()
        try:
            thread.join()
            log.append("joined")
        finally:
            log.append("after")

    with pytest.raises(simloop.PropertyError, match=r"'it is zero': false at 2.0 s"):
        run_to_end(main)
    assert log in (["joined", "after"], [])


def test_eventually_is_true_once(run):
    """A condition that was true for one step is fulfilled, and its name is free again."""

    async def main():
        event = asyncio.Event()
        loop = asyncio.get_running_loop()
        for at in (1, 7):
            simloop.eventually(event.is_set, "it rings", within=5)
            loop.call_at(at, event.set)
            await asyncio.sleep(2)
            event.clear()
            await asyncio.sleep(4)
        return loop.time()

    assert run(main) == 12.0


@pytest.mark.parametrize(("delay", "is_late"), [(5, False), (5.000001, True)])
def test_the_last_moment_of_eventually_counts(run, delay, is_late):
    """What is true at the deadline is in time, whichever timer was set first."""

    async def main():
        event = asyncio.Event()
        simloop.eventually(event.is_set, "it rings", within=5)
        await asyncio.sleep(delay)
        event.set()
        await asyncio.sleep(60)

    if is_late:
        with pytest.raises(
            simloop.PropertyError, match=r"not once true at 5.0000+1 s, at its dead"
        ):
            run(main)
    else:
        run(main)


@pytest.mark.parametrize("within", [60, math.inf])
def test_what_was_never_true_fails_when_the_program_ends(run_to_end, within):
    """A program that ends before the deadline has failed: no time is left in which it could be."""

    async def main():
        simloop.eventually(lambda: False, "it rings", within=within)
        await asyncio.sleep(1)

    with pytest.raises(simloop.PropertyError, match=r"not once true at 1.0 s, when the program"):
        run_to_end(main)


def test_the_error_of_the_program_comes_first(run_to_end):
    """A program that fails by itself is told by its own error, whatever was still to be true."""

    async def main():
        simloop.eventually(lambda: False, "it rings", within=60)
        await asyncio.sleep(1)
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        run_to_end(main)


def test_a_deadlock_is_found_when_nothing_is_to_be_true(run_to_end):
    """A fulfilled property leaves no timer behind that would hide a deadlock."""

    async def main():
        simloop.eventually(lambda: True, "at once", within=60)
        await asyncio.Event().wait()

    with pytest.raises(simloop.DeadlockError):
        run_to_end(main)


def test_looking_changes_no_digest():
    """A run with properties that hold is step for step the run without them."""

    async def main(*, states):
        values = []
        if states:
            simloop.always(lambda: len(values) < 9, "few")
            simloop.always(lambda: True, "by turn", every="turn")
            simloop.eventually(lambda: len(values) > 2, "some", within=60)
        for number in range(5):
            if states:
                simloop.sometimes(number > 2, "late")
                simloop.reachable("here")
            await asyncio.sleep(number)
            values.append(number)

    plain = simloop.simulate(functools.partial(main, states=False))
    stated = simloop.simulate(functools.partial(main, states=True))
    assert (plain.digest, plain.steps) == (stated.digest, stated.steps)
    assert stated.error is None


def test_tallies_count_what_was_asked_and_true(explored):
    """A run counts how often each property was looked at, and how often it was true."""

    async def main():
        simloop.always(lambda: True, "always")
        simloop.eventually(lambda: True, "at once", within=1)
        for number in range(4):
            assert simloop.sometimes(number > 2, "late") is (number > 2)
        simloop.reachable("here")
        simloop.reachable("here")
        await asyncio.sleep(1)

    ran, _ = explored(main)
    tallies = ran.world.properties.tallies()
    assert tallies["late"] == ("sometimes", 4, 1)
    assert tallies["here"] == ("reachable", 2, 2)
    assert tallies["at once"] == ("eventually", 1, 1)
    kind, asked, true = tallies["always"]
    assert kind == "always"
    assert asked == true > 2


def test_failures_are_told_apart_by_name(explored):
    """Two properties that fail are two failures, and one that fails twice is one."""

    def failing(name):
        async def main():
            simloop.always(lambda: asyncio.get_running_loop().time() < 1, name)
            await asyncio.sleep(2)

        return identity_of(explored(main)[0].error)

    assert failing("a") == failing("a") != failing("b")


def test_a_property_of_a_host_is_looked_at_in_all_steps():
    """A property that is stated on one loop is looked at after the steps of others, too."""
    world = simloop.World()

    async def main():
        values = [0]
        simloop.always(lambda: values[0] == 0, "it is zero")
        other = simloop.SimLoop(world=world)
        other.call_later(1, values.__setitem__, 0, 1)
        try:
            await asyncio.sleep(2)
        finally:
            other.close()

    with pytest.raises(simloop.PropertyError, match=r"false at 1.0 s"):
        simloop.run(main(), world=world)


def test_a_world_has_new_properties_in_its_next_run():
    """What stood, and what failed, in one run of a world is over in the next."""
    world = simloop.World()

    async def main(limit):
        simloop.always(lambda: asyncio.get_running_loop().time() < limit, "early")
        await asyncio.sleep(2)

    with pytest.raises(simloop.PropertyError):
        simloop.run(main(1), world=world)
    simloop.run(main(9), world=world)


def test_outside_of_a_run_nothing_happens():
    """Outside of a run every function does nothing, and nothing of the engine is loaded for it."""
    code = """
import sys, simloop, asyncio
simloop.always(lambda: 1 / 0, "")
simloop.eventually(None, None, within=-1)
assert simloop.sometimes(3, "x") == 3
simloop.reachable("x")
simloop.unreachable("x")
assert simloop.choose([7, 8]) == 7 and simloop.choose(3) == 0
assert simloop.buggify("x", p=1) is False
assert asyncio.run(simloop.cut_short(asyncio.sleep(0, "done"))) == "done"
print(sorted(name for name in sys.modules if name.startswith(("simloop.world", "simloop._"))))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == (
        "['simloop._only_copy', 'simloop._presence', 'simloop._version']",
        "",
    )


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: simloop.always(True, "x"), r"it takes a function: always\(lambda: ..., 'x'\)"),
        (lambda: simloop.always(lambda: True, ""), "a property has a name"),
        (lambda: simloop.always(lambda: True, None), "a property has a name"),
        (lambda: simloop.always(asyncio.sleep, "x"), "the condition is async"),
        (lambda: simloop.always(lambda: True, "x", every="hour"), "every 'step' or 'turn'"),
        (lambda: simloop.eventually(1, "x", within=1), "it takes a function"),
        (lambda: simloop.eventually(lambda: True, "x", within=-1), "it takes seconds from 0 on"),
        (lambda: simloop.eventually(lambda: True, "x", within=None), "it takes seconds from 0 on"),
        (lambda: simloop.eventually(lambda: True, "x", within=math.nan), "it takes seconds from 0"),
        (lambda: simloop.eventually(lambda: True, "x", within=True), "it takes seconds from 0 on"),
        (lambda: simloop.sometimes(lambda: True, "x"), "a function is always true; call it"),
        (lambda: simloop.sometimes(True, 3), "a property has a name"),
        (lambda: simloop.reachable(""), "a property has a name"),
        (lambda: simloop.unreachable(""), "a property has a name"),
        (
            lambda: [simloop.always(lambda: True, "x")] * 2 and simloop.always(lambda: True, "x"),
            "'x' is stated twice, at",
        ),
        (lambda: [simloop.reachable("x"), simloop.sometimes(True, "x")], "a name of its own"),
        (lambda: [simloop.reachable("x"), simloop.always(lambda: True, "x")], "a name of its own"),
        (lambda: simloop.choose([]), "there is nothing to choose"),
        (lambda: simloop.choose(0), "there is nothing to choose"),
        (lambda: simloop.choose(-3), "it takes a sequence, or a number"),
        (lambda: simloop.choose({1, 2}), "it takes a sequence, or a number"),
        (lambda: simloop.choose({1: 2}), "it takes a sequence, or a number"),
        (lambda: simloop.choose(None), "it takes a sequence, or a number"),
        (lambda: simloop.choose(True), "it takes a sequence, or a number"),
        (lambda: simloop.buggify("x", p=1.5), "it takes a probability, from 0 to 1"),
        (lambda: simloop.buggify("x", p=-1), "it takes a probability, from 0 to 1"),
        (lambda: simloop.buggify("x", p=math.nan), "it takes a probability, from 0 to 1"),
        (lambda: simloop.buggify("x", p="often"), "it takes a probability, from 0 to 1"),
        (lambda: simloop.buggify(None), "a fault has a name"),
        (lambda: simloop.cut_short(asyncio.sleep), "it can't be awaited; call the function"),
    ],
)
def test_bad_input_is_told(call, told):
    """What means nothing is an error of the call, which names the value and the way out."""

    async def main():
        call()

    with pytest.raises(simloop.UsageError, match=told):
        simloop.run(main())
