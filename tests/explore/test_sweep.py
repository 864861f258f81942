"""A sweep over seeds gives what a loop over ``simulate`` gives, whatever runs it."""

from __future__ import annotations

import asyncio
import ctypes
import random
import signal
from contextlib import closing

import pytest

import simloop
from simloop.errors import NondeterminismError, SimError, UsageError
from simloop.exploration.sweeping.journal_report import report_of
from simloop.sweeps.journal import Journal, read_journal
from simloop.sweeps.sweeping import LostRun

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


async def unlucky() -> None:
    """Fails in two ways, at random."""
    await asyncio.sleep(1)
    drawn = random.random()
    simloop.sometimes(drawn > 0.9, "much")
    if drawn < 0.05:
        raise LookupError("little")
    if drawn > 0.95:
        raise ValueError("much")
    if 0.5 < drawn < 0.52:
        raise SystemExit


def by_hand(seeds):
    """The naive model: one outcome after the other."""
    found = {}
    for seed in seeds:
        error = simloop.simulate(unlucky, seed=seed).error
        if error is not None and not isinstance(error, SystemExit):
            found.setdefault(type(error), []).append(seed)
    return found


SEEDS = pytest.mark.parametrize("seeds", [range(150), range(7, 150, 3), ["a", 99, "b", *range(90)]])


@SEEDS
@pytest.mark.parametrize("jobs", [1, 2])
def test_each_seed_fails_as_it_does_alone(seeds, jobs) -> None:
    """Failures are grouped, and each names all its seeds, by one process or two."""
    swept = simloop.sweep(unlucky, seeds=seeds, jobs=jobs)
    expected = by_hand(seeds)
    assert {type(each.error): list(each.seeds) for each in swept.failures} == expected
    assert swept.ran == swept.seeds == len(seeds)
    assert [each.seed for each in swept.failures] == [each[0] for each in expected.values()]
    for failure in swept.failures:
        assert failure.outcome.digest == simloop.simulate(unlucky, seed=failure.seed).digest
        assert failure.replay_line == f"simloop.run(unlucky(), seed={failure.seed!r})"
        assert failure.replay_line in str(swept)
    assert swept.properties["much"].asked == len(seeds)


@pytest.mark.parametrize("jobs", [1, 2])
def test_progress_counts_failures_while_it_goes_on(jobs):
    """``progress`` sees how many different failures there are before the sweep has ended."""
    seen = []
    swept = simloop.sweep(
        unlucky,
        seeds=range(500),
        jobs=jobs,
        progress=lambda now: seen.append((now.found, len(now.failures))),
    )
    assert any(found and not failures for found, failures in seen)
    assert swept.found == len(swept.failures)


def test_it_stops_at_a_failure_where_asked_to() -> None:
    """The seeds behind it are not counted, by any number of processes."""
    one, two = (simloop.sweep(unlucky, seeds=range(500), stop=1, jobs=jobs) for jobs in (1, 2))
    assert len(one.failures) == len(two.failures) == 1
    assert one.ran == two.ran == one.failures[0].seed + 1 < 500
    assert one.properties == two.properties
    with pytest.raises(type(one.failures[0].error)) as raised:
        one.raise_first()
    assert "simloop.sweep" in raised.value.__notes__[0]


def test_bad_arguments_are_told() -> None:
    """Seeds that are none, options that mean nothing, and a program that is none."""
    for wrong in ((), 7, "7", [None]):
        with pytest.raises(UsageError, match="seed"):
            simloop.sweep(unlucky, seeds=wrong)
    with pytest.raises(UsageError, match="it takes several"):
        simloop.sweep(unlucky, seed=3)
    with pytest.raises(UsageError, match="max_step"):
        simloop.sweep(unlucky, max_stepz=3)
    with pytest.raises(UsageError, match="stop="):
        simloop.sweep(unlucky, stop=0)
    with pytest.raises(UsageError, match="seconds="):
        simloop.sweep(unlucky, seconds=-1)
    with pytest.raises(UsageError, match="progress="):
        simloop.sweep(unlucky, progress=3)
    with pytest.raises(UsageError, match="got a coroutine"):
        simloop.sweep(unlucky())


def test_a_seed_that_fails_once_only_is_told() -> None:
    """State that a program keeps makes findings that are none."""
    runs = []

    async def every_second() -> None:
        runs.append(1)
        if len(runs) == 2:
            raise LookupError

    with pytest.raises(NondeterminismError, match=r"seed 1 .*ended well"):
        simloop.sweep(every_second, seeds=range(5))


def test_ctrl_c_keeps_what_was_found_without_workers() -> None:
    """A sweep by this process ends at the run that is interrupted, and tells of those before."""

    def progress(swept) -> None:
        if swept.ran >= 140:
            signal.raise_signal(signal.SIGINT)

    swept = simloop.sweep(unlucky, seeds=range(10_000), progress=progress)
    assert swept.interrupted
    assert 140 <= swept.ran < 10_000
    assert {type(each.error): list(each.seeds) for each in swept.failures} == by_hand(
        range(swept.ran)
    )


@pytest.mark.slow
def test_a_seed_that_breaks_its_process_is_named() -> None:
    """It is lost, all others are run; without a failure that is what is raised."""

    async def fatal() -> None:
        await asyncio.sleep(1)
        if simloop.current_world().seed == 77:
            ctypes.string_at(0)

    swept = simloop.sweep(fatal, seeds=range(200), jobs=2)
    assert swept.ran == 200
    ((lost),) = swept.lost
    assert (lost.seed, lost.number) == (77, 78)
    assert "Lost: seed 77: its process died of SIGSEGV" in str(swept)
    with pytest.raises(SimError, match="seed 77: "):
        swept.raise_first()


@pytest.mark.parametrize("seeds", [range(10, 30, 2), [3, 1, 4, 15, 9, 2, 6, 5, 35, 8]])
def test_a_journal_names_a_lost_seed_as_the_sweep_does(seeds, tmp_path) -> None:
    """Its number among the seeds reads like a seed, and is another one's."""
    path = tmp_path / "journal"
    simloop.sweep(unlucky, seeds=seeds, journal=path)
    with closing(Journal(path, read_journal(path)[0].about)) as journal:
        journal.keep_lost(LostRun(9, "it died"))
    ((name, how),) = report_of(read_journal(path)).lost
    assert how == "it died"
    expected = f"seed {seeds[8]}" if isinstance(seeds, range) else "the seed at place 9 of the list"
    assert name == expected


def test_a_seed_that_is_given_twice_is_one_run() -> None:
    """What is counted is seeds, and a seed is one run."""
    swept = simloop.sweep(unlucky, seeds=[5, 7, 5, 5])
    assert swept.ran == 2
