"""Properties and choices in explorations: found, shrunk, counted, and required of tests."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

import simloop

pytest_plugins = ["pytester"]


async def racing():
    """Two transfers, of which one is cut or slow now and then."""
    balance = {"alice": 10, "bob": 0}
    simloop.always(lambda: sum(balance.values()) == 10, "money is kept", every="turn")
    simloop.sometimes(simloop.choose(3, "size") == 2, "a large one")
    simloop.sometimes(False, "never")

    async def move():
        balance["alice"] -= 1
        if simloop.buggify("a slow disk", p=0.9):
            await asyncio.sleep(1)
        balance["bob"] += 1

    await asyncio.create_task(move())


def test_a_property_is_found_shrunk_and_replayed():
    """A fault that breaks a property is found, shrunk to itself, and fails alike in a replay."""
    found = simloop.explore(racing, schedules=60)
    (failure,) = found.failures
    assert isinstance(failure.error, simloop.PropertyError)
    (deviation,) = failure.schedule.deviations
    assert deviation.key[:2] == ("buggify", "a slow disk")
    outcome = simloop.replay(racing, failure)
    assert str(outcome.error) == str(failure.error)
    assert outcome.digest == failure.outcome.digest


def test_an_exploration_adds_up_what_was_true():
    """The findings count properties over all schedules, and the report names what never was."""

    async def main():
        simloop.sometimes(simloop.choose(3, "size") == 2, "a large one")
        simloop.sometimes(False, "never")
        simloop.reachable("the end")

    found = simloop.explore(main, schedules=40)
    assert found.properties["never"] == ("sometimes", found.ran, 0)
    assert found.properties["the end"] == ("reachable", found.ran, found.ran)
    assert 0 < found.properties["a large one"].true < found.ran
    assert "Never true: sometimes 'never'" in str(found)


def test_cuts_are_found():
    """A cut that loses what was done before it is found, and shrunk to one deviation."""

    async def main():
        done = []

        async def work():
            done.append("taken")
            await asyncio.sleep(1)
            done.append("put back")

        with suppress(TimeoutError):
            await simloop.cut_short(work(), "the work")
        assert done != ["taken"], "lost"

    (failure,) = simloop.explore(main, schedules=60).failures
    assert [each.key[:2] for each in failure.schedule.deviations] == [("cut", "the work")]


@pytest.mark.slow
def test_an_explored_test_requires_over_all_schedules(pytester, monkeypatch):
    """What a test requires has to be true in one of its schedules, not in each."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(
        """
import pytest, simloop

@pytest.mark.simloop(explore=40, require=["large"])
async def test_has():
    simloop.sometimes(simloop.choose(3) == 2, "large")

@pytest.mark.simloop(explore=20, require=["larger"])
async def test_misses():
    simloop.sometimes(simloop.choose(3) == 3, "larger")
"""
    )
    result = pytester.runpytest_subprocess("-p", "simloop.testing.plugin")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*never true, though required: sometimes 'larger' (asked 20 times)"]
    )
