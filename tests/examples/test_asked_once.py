"""The example of the README: a bug that an exploration finds, and its twin without it."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

import simloop

PROGRAM = runpy.run_path(str(Path(__file__).parents[2] / "examples/asked_once.py"))


@pytest.mark.parametrize("name", ["main", "main_with_lock"])
def test_the_program_holds_undisturbed(name):
    """That is why no test of it fails."""
    simloop.run(PROGRAM[name]())


def test_its_schedule_is_found_and_needs_one_delay():
    """The answer comes after the second request: one deviation, which replays."""
    found = simloop.explore(PROGRAM["main"], schedules=100)
    (failure,) = found.failures
    assert str(failure.error).startswith("asked 2 times")
    assert len(failure.schedule.deviations) == 1
    replayed = simloop.replay(PROGRAM["main"], failure.schedule.token)
    assert str(replayed.error).startswith("asked 2 times")


def test_the_corrected_program_is_not_accused():
    """With a lock around both there is no such schedule."""
    found = simloop.explore(PROGRAM["main_with_lock"], schedules=100)
    assert not found.failures, str(found)
