"""A sweep that stopped goes on where it was: what it finds is what one finds that never stopped."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import simloop
from simloop.errors import UsageError
from simloop.exploration.sweeping.journal_report import report_of
from simloop.sweeps import journal as journals
from simloop.sweeps.journal import Journal, read_journal
from simloop.sweeps.sweeping import KeepError
from simloop.sweeps.work import Finding, Part

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


async def rare() -> None:
    """Fails in two ways, by a choice and by a delay, and at random."""
    kind = simloop.choose(20, "kind")
    simloop.sometimes(kind == 7, "seven")
    if kind == 13:
        raise LookupError(kind)
    if random.random() < 0.05:
        raise ValueError("unlucky")
    async with asyncio.timeout(1):
        await asyncio.sleep(0.9)


def told(found):
    failures = [
        (each.found_at, each.kind, each.schedule, each.original, each.runs, each.outcome.digest)
        for each in found.failures
    ]
    return found.ran, failures, found.properties


@pytest.mark.parametrize("strategy", ["timing", ["pct:2", "timing"], "single"], ids=str)
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_exploration_goes_on(tmp_path, strategy, jobs) -> None:
    """In three sessions, each longer than the one before: the findings of one."""
    path = tmp_path / "journal"
    whole = simloop.explore(rare, schedules=90, stop=None, strategy=strategy, seed=1)
    for schedules in (30, 61, 90):
        found = simloop.explore(
            rare,
            schedules=schedules,
            stop=None,
            strategy=strategy,
            seed=1,
            jobs=jobs,
            journal=path,
        )
    assert told(found) == told(whole)
    again = simloop.explore(rare, schedules=90, stop=None, strategy=strategy, seed=1, journal=path)
    assert told(again) == told(whole)
    assert again.resumed == again.ran
    report = report_of(read_journal(path))
    assert report.done == whole.ran
    assert [row.replay for row in report.failures] == [
        f"token {each.schedule.token}" for each in whole.failures
    ]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_sweep_over_seeds_goes_on(tmp_path, jobs) -> None:
    """A range may go on to a later end; other seeds are another sweep."""
    path = tmp_path / "journal"
    for seeds in (range(50), range(120)):
        swept = simloop.sweep(rare, seeds=seeds, jobs=jobs, journal=path)
    whole = simloop.sweep(rare, seeds=range(120))
    assert swept.resumed == 50
    assert (swept.ran, swept.properties) == (whole.ran, whole.properties)
    assert [(each.identity, each.seeds) for each in swept.failures] == [
        (each.identity, each.seeds) for each in whole.failures
    ]
    with pytest.raises(UsageError, match="has 120 seeds"):
        simloop.sweep(rare, seeds=range(50), journal=path)
    with pytest.raises(UsageError, match="seeds was 'from 0 by 1'"):
        simloop.sweep(rare, seeds=range(1, 50), journal=path)
    with pytest.raises(UsageError, match="kind was 'seeds' and is 'schedules'"):
        simloop.explore(rare, journal=path)


def test_another_exploration_is_refused(tmp_path) -> None:
    """Another strategy, seed, cap, option or program; and a strategy that can't go on."""
    path = tmp_path / "journal"
    simloop.explore(rare, schedules=5, journal=path)
    for name, given in {
        "strategy": {"strategy": "random"},
        "seed": {"seed": 3},
        "delays": {"delays": simloop.Delays(each=1.0)},
        "options": {"max_time": 5},
        "failures": {"failures": ["error"]},
    }.items():
        with pytest.raises(UsageError, match=f"another sweep: {name} was"):
            simloop.explore(rare, schedules=5, journal=path, **given)
    with pytest.raises(UsageError, match="can't go on in its middle"):
        simloop.explore(rare, strategy="dfs", journal=path)


def test_a_journal_that_is_full_ends_the_sweep(tmp_path, monkeypatch) -> None:
    """What was found is returned, and the report says why it ended."""
    kept = Journal.keep

    def full(journal, part):
        if part.first > 20:
            raise KeepError("the journal can't be written any more: disk is full")
        kept(journal, part)

    monkeypatch.setattr(Journal, "keep", full)
    swept = simloop.sweep(rare, seeds=range(10_000), journal=tmp_path / "journal")
    assert swept.interrupted
    assert "disk is full" in str(swept)
    assert 20 < swept.ran < 10_000
    found = simloop.explore(rare, schedules=None, stop=None, jobs=2, journal=tmp_path / "other")
    assert found.interrupted
    assert "disk is full" in str(found)


def test_a_journal_is_read_as_of_one_moment(tmp_path, monkeypatch) -> None:
    """Another process keeps on writing it: what it keeps meanwhile is wholly in, or wholly out."""
    path = tmp_path / "journal"
    writer = Journal(path, {"program": "rare"})
    writer.keep(_part(1))

    def read_slowly(*args: object, **named: object) -> Part:
        monkeypatch.undo()  # Once.
        writer.keep(_part(11))
        return Part(*args, **named)

    monkeypatch.setattr(journals, "Part", read_slowly)
    (kept,) = read_journal(path)
    assert [part.first for part in kept.parts] == [1]
    assert [finding.number for finding in kept.findings()] == [1]
    (kept,) = read_journal(path)
    assert [part.first for part in kept.parts] == [1, 11]
    writer.close()


def _part(first: int) -> Part:
    return Part(first, first + 10, findings=[Finding(first, f"failure {first}", {})])


KILLED = """
import sys
sys.path.insert(0, sys.argv[2])
import simloop
from test_journals import rare
simloop.explore(rare, schedules=1500, stop=None, jobs=2, journal=sys.argv[1])
"""


@pytest.mark.slow
def test_a_sweep_that_is_killed_goes_on(tmp_path) -> None:
    """Killed at any moment, three times: the same findings, each schedule counted once."""
    path, here = tmp_path / "journal", str(Path(__file__).parent)
    line = [sys.executable, "-c", KILLED, str(path), here]
    done = 0
    for _ in range(3):
        with subprocess.Popen(line) as process:
            try:
                while process.poll() is None:
                    kept = read_journal(path) if path.exists() else []
                    if kept and kept[0].done.count > done + 50:
                        done = kept[0].done.count
                        break
                    time.sleep(0.05)
            finally:
                process.send_signal(signal.SIGKILL)
    subprocess.run(line, check=True)
    (kept,) = read_journal(path)
    numbers = [each for part in kept.parts for each in range(part.first, part.end)]
    assert sorted(numbers) == list(range(1, 1501))
    whole = simloop.explore(rare, schedules=1500, stop=None)
    assert [each.number for each in kept.findings()] == [each.found_at for each in whole.failures]
    asked = sum(part.tallies["seven"][1] for part in kept.parts if "seven" in part.tallies)
    assert asked == whole.properties["seven"].asked
