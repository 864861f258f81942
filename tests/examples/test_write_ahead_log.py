"""The example of power cuts: three mistakes are found, and the corrected store is not accused."""

from __future__ import annotations

import runpy
from functools import partial
from pathlib import Path

import pytest

import simloop

PROGRAM = runpy.run_path(str(Path(__file__).parents[2] / "examples/write_ahead_log.py"))
survive = PROGRAM["survive"]


@pytest.mark.parametrize("mistake", ["", *PROGRAM["MISTAKES"]])
def test_a_power_cut_without_a_loss_shows_no_mistake(mistake):
    """Undisturbed, with all written back when the power goes, each of them holds."""
    found = simloop.explore(partial(survive, mistake), schedules=1, disk=True)
    assert not found.failures, str(found)


@pytest.mark.slow
@pytest.mark.parametrize("mistake", PROGRAM["MISTAKES"])
def test_each_mistake_is_found_and_shrunk_to_one_power_cut(mistake):
    """Within 200 schedules; what was lost and when the power went are the only deviations."""
    found = simloop.explore(partial(survive, mistake), schedules=200, disk=True)
    (failure,) = found.failures
    kinds = [each.kind for each in failure.schedule.deviations]
    assert kinds in (["fault.disk"], ["choice"], ["choice", "fault.disk"])
    replayed = simloop.replay(partial(survive, mistake), failure.schedule.token)
    assert str(replayed.error) == str(failure.error)


@pytest.mark.slow
def test_the_store_without_a_mistake_survives_two_thousand():
    """No schedule breaks the corrected store."""
    found = simloop.explore(survive, schedules=2000, disk=True)
    assert not found.failures, str(found)
    assert found.ran == 2000
