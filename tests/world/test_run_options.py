"""The options of a run, given to each place that takes them: every one acts or is refused."""

from __future__ import annotations

import asyncio
import math
import re
import unittest
from typing import Any

import pytest

import simloop
from simloop.embed._driven import end, new_loop
from simloop.testing import SimTestCase, virtual_time

NOW = 5.0
"""The time of a driver, which is no option of its loop."""


async def program() -> None:
    """Go far enough to pass each limit below."""
    for _ in range(10):
        await asyncio.sleep(1)


def run(**options: Any) -> None:
    simloop.run(program(), **options)  # Refused, it leaves no coroutine that would warn.


def simulate(**options: Any) -> None:
    if error := simloop.simulate(program, **options).error:
        raise error


def check(**options: Any) -> None:
    simloop.check(program, seeds=[1], processes=False, **options)


def decorated(**options: Any) -> None:
    virtual_time(**options)(program)()


class _Kept(unittest.TestResult):
    """A result that keeps the error of a test, which is told when the test has ended."""

    error: BaseException | None = None

    def addError(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802 - unittest's name
        self.error = err[1]


def case(**options: Any) -> None:
    class Case(SimTestCase):
        async def live(self) -> None:
            await program()

    Case.options = options
    kept = _Kept()
    Case("live").run(kept)
    if kept.error is not None:
        raise kept.error


def looped(**options: Any) -> None:
    """Run on a loop as adapters of simulators make it."""
    loop = new_loop("Adapter()", options, NOW)
    try:
        loop.run_until_complete(loop.create_task(program()))
    finally:
        end(loop)


ENTRIES = [run, simulate, check, decorated, case, looped]
VALUES = [
    ("seed", 1.5, "an integer or a string"),
    ("seed", b"seed", "an integer or a string"),
    ("start_time", -1, "from 0 on"),
    ("start_time", math.nan, "a number of seconds"),
    ("start_date", "2024-01-01", "a number of seconds"),
    ("start_date", math.inf, "finite POSIX seconds"),
    ("tz", "Mars/Base", "the name of a time zone that this machine knows"),
    ("tz", "../UTC", "the name of a time zone that this machine knows"),
    ("tz", 3, "the name of a time zone that this machine knows"),
    ("allow", "files", r"allow=('files',)"),
    ("allow", ("filse",), "allow any of files"),
    ("max_time", -1, "from 0 on"),
    ("max_time", "long", "a number of seconds"),
    ("max_steps", 0, "a whole number above 0"),
    ("max_steps", 1e6, "a whole number above 0"),
    ("livelock_steps", -1, "a whole number above 0"),
    ("disk", "yes", "True or False"),
    ("strict", 1, "True or False"),
    ("autojump", 0, "True or False"),
    ("autojump", "no", "True or False"),
    ("realtime", 0, "a number above 0"),
    ("realtime", "fast", "a number above 0"),
]
NOT_HERE = {check: ("seed", "world"), looped: ("start_time", "realtime")}
"""What means nothing to a place; each gives its reason."""


@pytest.mark.parametrize(("name", "value", "way_out"), VALUES)
@pytest.mark.parametrize("entry", ENTRIES)
def test_a_value_that_means_nothing_is_refused(entry, name, value, way_out) -> None:
    """Whatever takes the option names it, its value and what it takes instead."""
    with pytest.raises(simloop.UsageError) as caught:
        entry(**{name: value})
    if name not in NOT_HERE.get(entry, ()):
        assert way_out in str(caught.value)
    shown = value[0] if isinstance(value, tuple) else value
    assert repr(shown) in str(caught.value)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(
    ("name", "nearest"), [("max_tme", "max_time"), ("maxsteps", "max_steps"), ("alow", "allow")]
)
def test_an_unknown_option_names_the_nearest(entry, name, nearest) -> None:
    """A misspelt option is refused with its name and value, and the one that was meant."""
    with pytest.raises(simloop.UsageError, match=rf"{name}=3; it takes .*did you mean .*{nearest}"):
        entry(**{name: 3})


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({"max_time": NOW + 3}, "max_time"),
        ({"max_steps": 3}, "max_steps"),
        ({"max_time": NOW + 3, "max_steps": 1000}, "max_time"),
    ],
)
def test_every_limit_holds_everywhere(entry, options, limit) -> None:
    """A limit ends the program, whatever runs it."""
    if entry is check:
        return  # It compares how runs end, and they end alike.
    with pytest.raises(simloop.LimitError, match=f"raise {limit}"):
        entry(**options)


OF_WORLD = [
    ("seed", 0),
    ("seed", "other"),
    ("start_time", 0.0),
    ("start_date", 0),
    ("tz", "UTC"),
    ("allow", ()),
    ("strict", False),
]


@pytest.mark.parametrize(("name", "value"), OF_WORLD)
@pytest.mark.parametrize("entry", [run, simulate, looped])
def test_an_option_of_the_world_beside_a_world_is_refused(entry, name, value) -> None:
    """Also where it is the default: the world has its own, and the message makes one with it."""
    if entry is looped and name == "start_time":
        return  # It is refused in any case.
    told = re.escape(f"{name}={value!r}")
    with pytest.raises(
        simloop.UsageError, match=rf"{told} beside world=.*simloop\.World\({told}\)"
    ):
        entry(world=simloop.World(), **{name: value})


@pytest.mark.parametrize("option", [{"seed": 0}, {"start_time": 0.0}])
def test_a_loop_has_the_seed_of_its_world(option) -> None:
    """A seed or a time beside the world of a loop is refused, and nothing is left of the loop."""
    world = simloop.World()
    with pytest.raises(simloop.UsageError, match=r"SimLoop\(\) got .* beside world="):
        simloop.SimLoop(world=world, **option)
    assert world.loops == []


@pytest.mark.parametrize("entry", [check, decorated, case])
def test_a_world_that_could_not_be_used_is_refused(entry) -> None:
    """What makes a world for each run says so where it is given one."""
    with pytest.raises(simloop.UsageError, match=r"got world=.*: each \w+ has a"):
        entry(world=simloop.World())


@pytest.mark.parametrize("entry", [run, simulate])
def test_a_world_that_is_none_is_refused(entry) -> None:
    """A seed given as the world, say, is told at the call and not by a missing attribute."""
    with pytest.raises(simloop.UsageError, match=r"got world=3; it takes a simloop\.World"):
        entry(world=3)


def test_check_takes_seeds() -> None:
    """A seed and a recorder are refused with what takes their place."""
    with pytest.raises(simloop.UsageError, match=r"check\(\) got seed=3: .*seeds="):
        check(seed=3)
    with pytest.raises(simloop.UsageError, match=r"recorder=.*simulate\(\) takes one"):
        check(recorder=None)


@pytest.mark.parametrize("options", [{"start_time": 1.0}, {"realtime": 2.0}])
def test_a_driven_loop_has_the_drivers_clock(options) -> None:
    """Neither its start nor its pace is an option of a loop that is driven."""
    with pytest.raises(simloop.UsageError, match="the simulator that drives"):
        looped(**options)


def test_options_beside_a_loop_are_refused() -> None:
    """An adapter that is given a loop makes none, so it can give it no seed."""
    simpy = pytest.importorskip("simpy")
    from simloop.embed.simpy import LoopProcess

    loop = simloop.SimLoop()
    with pytest.raises(simloop.UsageError, match=r"LoopProcess\(\) got seed=0 beside a loop"):
        LoopProcess(simpy.Environment(), loop, seed=0)
    loop.close()


def test_a_loop_that_an_adapter_makes_has_its_options() -> None:
    """Seed, date, debug mode and limits are those of any run, and the clock is the driver's."""
    loop = new_loop(
        "Adapter()", {"seed": "s", "debug": True, "max_time": 60, "allow": ["files"]}, NOW
    )
    assert (loop.world.seed, loop.get_debug(), loop.time()) == ("s", True, NOW)
    assert loop.world.sandbox.allowed == ("files",)
    loop.close()


def test_an_option_that_a_case_would_hide_is_refused() -> None:
    """An attribute beside the same option, or one that no test reads, is an error of the test."""

    class Twice(SimTestCase):
        seed = 7
        options = {"seed": 8}  # noqa: RUF012 - as a user writes it

        async def live(self) -> None:
            pass

    class Unread(SimTestCase):
        max_steps = 100

        async def live(self) -> None:
            pass

    for kind, message in (
        (Twice, "seed=7 as an attribute and seed=8"),
        (Unread, "write options ="),
    ):
        result = unittest.TestResult()
        kind("live").run(result)
        assert message in result.errors[0][1]


def test_a_world_has_its_limits_back() -> None:
    """A run's limits end with it, however it ends; a run without any is under the world's."""
    world = simloop.World()
    world.limit(max_time=100)
    with pytest.raises(simloop.LimitError, match=r"the limit is 5\.0 s"):
        run(world=world, max_time=5)
    run(world=world, max_time=1000)
    with pytest.raises(simloop.LimitError, match=r"the limit is 100\.0 s"):
        simloop.run(asyncio.sleep(100), world=world)
    assert world.kernel.limits.current() == {
        "steps_max": None,
        "time_max_ns": 100 * 10**9,
        "livelock_steps": 1_000_000,
        "clock_reads": 10_000,
        "clock_tick_ns": 0,
    }


def test_autojump_is_the_runs() -> None:
    """A clock that a run moved by hand jumps again in the world's next run."""

    async def by_hand() -> None:
        await asyncio.get_running_loop().advance(3)

    world = simloop.World()
    simloop.run(by_hand(), world=world, autojump=False)
    simloop.run(asyncio.sleep(3), world=world)
    assert world.time_ns == 6 * 10**9


def test_simulate_takes_a_world() -> None:
    """The outcome in a given world has its seed, and its steps and time so far."""
    world = simloop.World(7)
    first, second = (simloop.simulate(program, world=world) for _ in range(2))
    assert (first.seed, first.time, second.time) == (7, 10.0, 20.0)
    assert second.steps == 2 * first.steps
