"""The table of hits over the corpus: what it counts, and what it tells apart."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:  # The benchmarks are no part of what is installed.
    sys.path.append(str(ROOT))

from benchmarks import corpus  # noqa: E402 - found by the line above


def searching(**answers):
    """A tool that knows one bug: by its name, what it says of the bug and of the twin."""

    def find(main, seed, schedules):
        return answers.get(main.__name__, corpus.Search)(seed, schedules)

    return find


def clean(_seed, schedules):
    return corpus.Search(schedules)


def hit(seed, _schedules):
    return corpus.Search(3 + seed, "AssertionError", 1 + seed, 10)


def test_schedules_per_hit_are_runs_by_hits():
    """Searches without a hit count with all that they ran."""
    find = searching(
        buggy=lambda seed, schedules: (hit if seed else clean)(seed, schedules), fixed=clean
    )
    row = corpus.search_for(corpus.BUGS[0], find, schedules=100, count=3)
    assert (row.hits, row.cost) == (2, (100 + 4 + 5) / 2)
    assert row.is_able
    assert "2/3" in corpus.line(row)
    assert "- 4 5" in corpus.line(row)


@pytest.mark.parametrize(
    "refusing",
    [
        {"fixed": lambda *_: corpus.Search(1, "UnsupportedError"), "buggy": hit},
        {"fixed": lambda *_: corpus.Search(1, "IndexError"), "buggy": hit},
        {"fixed": clean, "buggy": lambda *_: corpus.Search(9, "StandsStillError")},
    ],
    ids=["refuses", "always fails", "stands still"],
)
def test_a_program_that_cannot_be_run_is_told_apart(refusing):
    """What fails whatever the schedule is neither a hit nor a false alarm."""
    row = corpus.search_for(corpus.BUGS[0], searching(**refusing), schedules=100, count=3)
    assert not row.is_able
    assert row.hits == 0
    assert "can't run it" in corpus.line(row)
    assert "false alarms: 0 of 0 twins" in corpus.tail([row], {}, 1.0)


def test_a_false_alarm_is_told():
    """A twin that fails under some schedule only, or a correct program that does, is accused."""
    find = searching(buggy=hit, fixed=hit)
    row = corpus.search_for(corpus.BUGS[0], find, schedules=100, count=3)
    assert "ACCUSES THE TWIN" in corpus.line(row)
    rights = {"promises.ready.x": corpus.Search(7, "AssertionError")}
    assert "1 of 1 twins, 1 of 1 correct programs" in corpus.tail([row], rights, 1.0)


def test_a_search_that_stands_still_is_given_up():
    """A tool that waits for ever costs a search its seconds and no more."""

    def stand_still(_main, _seed, _schedules):
        raise corpus.StandsStillError

    find = corpus.limited(stand_still, 60)
    assert find(corpus.BUGS[0].buggy, 0, 5) == corpus.Search(5, "StandsStillError")


def test_a_tool_that_breaks_is_told():
    """An error that the search raises itself, rather than tells of, is the tool's."""

    def search_and_break(_main, _seed, _schedules):
        raise LookupError

    find = corpus.limited(search_and_break, 60)
    row = corpus.search_for(corpus.BUGS[0], find, schedules=5, count=2)
    assert "can't run it: the tool's own LookupError" in corpus.line(row)


def test_the_command_writes_what_it_prints(tmp_path, capsys, monkeypatch):
    """One command prints a line for each bug and writes the same as JSON."""
    monkeypatch.setitem(corpus.TOOLS, "simloop", ("none", searching(buggy=hit, fixed=clean)))
    path = tmp_path / "found.json"
    corpus.main(["--only", "locks", "--searches", "2", "--json", str(path)])
    printed = capsys.readouterr().out
    found = json.loads(path.read_text())
    assert len(found["rows"]) == sum(bug.name.startswith("locks") for bug in corpus.BUGS)
    assert all(row["name"] in printed for row in found["rows"])
    assert "geometric mean 3.5" in printed
