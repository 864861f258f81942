"""``simloop sweep`` and journals from the command line: run, resumed, shown, merged."""

from __future__ import annotations

import io
import json
import re
import sys
from types import SimpleNamespace

import pytest

from simloop.cli import ExitStatus, main
from simloop.cli._arguments import parse
from simloop.cli._exploring import sweep_progress
from simloop.cli._exploring.sweep_arguments import (
    SweepMergeArguments,
    SweepRunArguments,
    SweepShowArguments,
)
from simloop.cli._exploring.sweep_progress import SweepProgress

UNLUCKY = """
import asyncio, random

async def main():
    await asyncio.sleep(1)
    if random.random() < 0.1:
        raise LookupError("unlucky & more")

async def late():
    async with asyncio.timeout(1):
        await asyncio.sleep(0.9)
"""


@pytest.fixture
def simloop(command_on):
    """Run the command on the program, in this process."""
    return command_on("app.py", UNLUCKY)


def test_the_options_are_read():
    """Each action has a record of its own."""
    line = "sweep run a.py --seeds 5-9 --seconds 2 --stop 3 --jobs auto --journal j --resume"
    line += " --real-run-limit 4 --memory-limit 64"
    assert parse(line.split()) == SweepRunArguments(
        "a.py", range(5, 10), 2.0, 3, "auto", 4.0, 64, "j", True
    )
    assert parse(["sweep", "run", "a.py"]) == SweepRunArguments("a.py")
    assert parse(["sweep", "run", "a.py", "--seeds", "1,5-6"]).seeds == [1, 5, 6]
    assert parse(["sweep", "show", "j"]) == SweepShowArguments("j")
    assert parse(["sweep", "merge", "a", "b", "-o", "c"]) == SweepMergeArguments(("a", "b"), "c")


def test_seeds_are_swept_and_resumed(simloop, tmp_path):
    """A failing seed with the line that runs it again; the journal goes on where it was."""
    line = "sweep", "run", "app.py:main", "--journal", "j.db"
    first = simloop(*line, "--seeds", "0-49", "--jobs", "2")
    assert first.status == ExitStatus.FAILED
    (seed,) = re.findall(r"simloop run app.py:main --seed (\d+)", first.out)
    assert simloop("run", "app.py:main", "--seed", seed).status == 1
    refused = simloop(*line, "--seeds", "0-99")
    assert refused.status == ExitStatus.USAGE
    assert "--resume goes on with it" in refused.err
    assert "100 seeds" in simloop(*line, "--seeds", "0-99", "--resume").out
    assert simloop("sweep", "run", "app.py:late", "--seeds", "0-9").status == ExitStatus.OK
    for wrong in (("--resume",), ("--resume", "--journal", "none.db")):
        assert simloop("sweep", "run", "app.py", *wrong).status == ExitStatus.USAGE
    assert simloop("sweep", "run", "none.py").status == ExitStatus.USAGE


def test_journals_are_shown_and_merged(simloop, tmp_path):
    """A table and a page of each; merged ones have what both have."""
    for seed in ("1", "2"):
        line = "explore", "app.py:late", "--schedules", "40", "--stop", "3", "--seed", seed
        explored = simloop(*line, "--journal", f"{seed}.db", "--jobs", seed)
        assert explored.status == ExitStatus.FAILED
    token = re.search(r"token (\w+)", explored.out)[1]
    shown = simloop("sweep", "show", "2.db")
    assert shown.status == ExitStatus.OK
    assert "app.py:late: 40 schedules" in shown.out
    assert f"token {token}" in shown.out
    page = (tmp_path / "2.html").read_text()
    assert "<polyline" in page
    assert token in page
    assert "http" not in page.replace("http-equiv", "")
    merged = simloop("sweep", "merge", "1.db", "2.db", "-o", "both.db")
    assert merged.status == ExitStatus.OK
    assert "80 runs of 2 sweeps, 1 different failure" in merged.err
    assert "80 schedules" in simloop("sweep", "show", "both.db", "-o", "other.html").out
    assert (tmp_path / "other.html").exists()
    assert not (tmp_path / "both.html").exists()
    resumed = simloop(*line, "--journal", "both.db", "--resume")
    assert "40 schedules" in resumed.out


def test_what_can_t_be_shown_is_told(simloop, tmp_path):
    """No such journal, a page over the journal, a folder that is not there."""
    simloop("sweep", "run", "app.py:late", "--seeds", "0-9", "--journal", "j.html")
    for line, why in (
        (("show", "none.db"), "no journal"),
        (("show", "j.html"), "over the journal"),
        (("show", "j.html", "-o", "no/folder.html"), "can't be written"),
        (("merge", "j.html", "-o", "j.html"), "there already"),
    ):
        told = simloop("sweep", *line)
        assert told.status == ExitStatus.USAGE
        assert why in told.err


def test_a_page_of_nothing_is_a_page(simloop, tmp_path):
    """A journal whose sweep never ran a seed, and one without failures."""
    simloop("sweep", "run", "app.py:late", "--seeds", "0-9", "--journal", "j.db")
    shown = simloop("sweep", "show", "j.db")
    assert "no failure" in shown.out
    assert "<p>none</p>" in (tmp_path / "j.html").read_text()


FOUND = SimpleNamespace(ran=1500, resumed=500, seconds=4.0, failures=[1], lost=[1, 2])


class Stream(io.StringIO):
    """A stream that says whether it is a terminal."""

    def __init__(self, *, is_terminal):
        super().__init__()
        self.isatty = lambda: is_terminal


@pytest.mark.parametrize(
    ("is_terminal", "expected"),
    [
        (True, "\r1,500 of 10,000 seeds, 250 a second, 1 failure, 2 lost, 0:00:34 left\x1b[K"),
        (
            False,
            (
                '{"simloop": {"done": 1500, "of": 10000, "what": "seeds", "per_second": 250.0,'
                ' "found": 1, "lost": 2, "seconds": 4.0, "left": 34.0}}\n'
            ),
        ),
    ],
)
def test_progress_is_shown_for_people_and_for_programs(monkeypatch, is_terminal, expected):
    """A line on a terminal; JSON elsewhere; neither more often than it can be read."""
    clock = SimpleNamespace(now=100.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(sweep_progress, "real_clock", clock)
    monkeypatch.setattr(sys, "stderr", Stream(is_terminal=is_terminal))
    progress = SweepProgress("seeds", 10_000)
    progress(FOUND)
    assert sys.stderr.getvalue() == ""
    clock.now += 11
    progress(FOUND)
    progress(FOUND)
    assert sys.stderr.getvalue() == expected
    progress.end()
    if not is_terminal:
        assert json.loads(sys.stderr.getvalue())["simloop"]["done"] == 1500


def test_progress_stays_in_one_line_of_a_narrow_terminal(monkeypatch):
    """What is wider than the terminal is cut, since a line that wraps is not overwritten."""
    clock = SimpleNamespace(now=100.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(sweep_progress, "real_clock", clock)
    monkeypatch.setattr(sys, "stderr", Stream(is_terminal=True))
    monkeypatch.setenv("COLUMNS", "30")
    progress = SweepProgress("seeds", 10_000)
    clock.now += 11
    progress(FOUND)
    assert sys.stderr.getvalue() == "\r1,500 of 10,000 seeds, 250 a \x1b[K"


def test_a_wrong_option_of_an_action_is_told_under_its_name(capsys):
    """The error begins with the command as one types it, and names what the option takes."""
    with pytest.raises(SystemExit):
        main(["sweep", "run", "app.py", "--jobs", "many"])
    said = capsys.readouterr().err
    assert "simloop sweep run: error: argument --jobs: 'many' is no whole number" in said
    assert said.endswith("above 0, nor auto\n")


def test_the_end_is_told_by_what_comes_first(monkeypatch):
    """The seconds that are given may be over before the number is."""
    assert SweepProgress("seeds", 10_000, 10).record(FOUND)["left"] == 6.0
    assert SweepProgress("seeds", None).record(FOUND)["left"] is None
    orders = SimpleNamespace(**vars(FOUND), interleavings=7)
    progress = SweepProgress("schedules", None)
    assert "7 orders of steps" in progress.line(progress.record(orders))


def test_a_job_of_github_has_a_summary(simloop, tmp_path, monkeypatch):
    """Where the variable names a file, the report is added to it."""
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    simloop("sweep", "run", "app.py:main", "--seeds", "0-49")
    simloop("explore", "app.py:late", "--schedules", "40")
    text = summary.read_text()
    assert "### simloop: app.py:main" in text
    assert "LookupError" in text
    assert "TimeoutError" in text
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no" / "folder"))
    assert simloop("sweep", "run", "app.py:late", "--seeds", "0-9").status == ExitStatus.OK


ON_A_DISK = """
import os, simloop

async def main():
    assert not os.path.exists("f")
    with open("f", "w") as file:
        file.write("x")

async def cut():
    await main()
    simloop.current_world().disk.crash()
    assert os.path.exists("f")
"""


def test_runs_may_have_a_disk_each(command_on, tmp_path):
    """With ``--disk`` seeds, and runs of a seed, find no file of others; nothing becomes real."""
    simloop = command_on("disks.py", ON_A_DISK)
    swept = simloop("sweep", "run", "disks.py", "--seeds", "0-4", "--disk")
    assert swept.status == ExitStatus.OK, swept.out
    checked = simloop("check", "disks.py", "--seeds", "0-1", "--disk")
    assert (checked.status, "equal" in checked.err) == (ExitStatus.OK, True)
    failed = simloop("sweep", "run", "disks.py:cut", "--seeds", "0-4", "--disk")
    assert failed.status == ExitStatus.FAILED
    line = re.search(r"simloop (run .* --disk)$", failed.out, re.MULTILINE)
    assert simloop(*line[1].split()).status == ExitStatus.FAILED
    assert sorted(path.name for path in tmp_path.iterdir() if path.name[0] not in "._") == [
        "disks.py"
    ]
    assert parse(["sweep", "run", "a.py", "--disk"]).disk
