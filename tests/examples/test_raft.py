"""The example of Raft: each mistake is found, and the servers without one are not accused."""

from __future__ import annotations

import importlib
from functools import partial
from pathlib import Path

import pytest

import simloop

RAFT = Path(__file__).parents[2] / "examples/raft"
MISTAKES = {
    "forgets its vote at a restart": 0,
    "votes for a candidate whose log is behind": 40,
    "commits an entry of an older term by counting": 0,
    "cuts its log at what a late message says": 120,
    "answers reads without asking the others": 60,
}
"""Each with the number of schedules within which the tests look for it; 0: it takes hundreds."""


@pytest.fixture
def cluster(monkeypatch):
    """Give the module of the machines, as a program finds it that imports it."""
    monkeypatch.syspath_prepend(str(RAFT))
    return importlib.import_module("cluster")


def test_the_mistakes_are_these(cluster):
    """What is looked for here is what can be chosen there."""
    assert tuple(MISTAKES) == cluster.MISTAKES


@pytest.mark.parametrize("mistake", ["", *MISTAKES])
def test_no_mistake_shows_where_nothing_goes_wrong(cluster, mistake):
    """Undisturbed, each of them elects a leader and answers its users."""
    found = cluster.search(mistake, schedules=1)
    assert not found.failures, str(found)


def test_a_seed_is_one_run_whatever_goes_wrong(cluster):
    """With all kinds of faults two runs of a seed have one digest, and the servers are right."""
    for seed in range(2):
        first, second = (simloop.simulate(cluster.main, seed=seed) for _ in range(2))
        assert first.error is None
        assert first.digest == second.digest


@pytest.mark.slow
def test_the_servers_without_a_mistake_are_not_accused(cluster):
    """Neither by seeds nor by schedules."""
    for seed in range(2, 12):
        simloop.run(cluster.main(), seed=seed)
    found = cluster.search(schedules=15)
    assert not found.failures, str(found)


@pytest.mark.slow
@pytest.mark.parametrize("mistake", [name for name, schedules in MISTAKES.items() if schedules])
def test_a_mistake_is_found(cluster, mistake):
    """Within a few schedules, and what was found can be replayed."""
    found = cluster.search(mistake, MISTAKES[mistake], shrink=False)
    (failure,) = found.failures
    replayed = simloop.replay(partial(cluster.main, mistake), failure)
    assert str(replayed.error) == str(failure.error)
    assert isinstance(failure.error, simloop.PropertyError)
