"""``simloop explore`` and ``simloop replay``: found, explained, kept, replayed."""

from __future__ import annotations

import html
import io
import json
import re
import sys

import pytest

from simloop.cli import ExitStatus
from simloop.cli._arguments import parse
from simloop.cli._exploring.exploring_arguments import (
    DiffArguments,
    ExploreArguments,
    ReplayArguments,
)

RACE = """
import asyncio

async def main():
    done = asyncio.get_running_loop().create_future()

    async def work():
        await asyncio.sleep(0.9)
        done.set_result("done")

    worker = asyncio.create_task(work())
    async with asyncio.timeout(1):
        await done
    await worker

async def fine():
    await asyncio.sleep(1)

def plain():
    pass
"""


LOSSY = """
from pathlib import Path
import simloop

async def main():
    Path("made").write_text("x")
    simloop.current_world().disk.crash()
    Path("made").stat()
"""


@pytest.fixture
def simloop(command_on):
    """Run the command on the program, in this process."""
    return command_on("race.py", RACE)


def test_the_options_are_read():
    """Each option reaches its record."""
    line = "explore a.py --schedules 1e3 --seconds 2 --seed 7 --strategy dfs:2 --strategy pos"
    line += " --sleeps 3 --stop 2 --save d --page p.html --json p.json"
    line += " --jobs 3 --real-run-limit 5 --memory-limit 64 --journal j --resume --disk"
    assert parse(line.split()) == ExploreArguments(
        "a.py",
        1000,
        2.0,
        7,
        ("dfs:2", "pos"),
        3.0,
        2,
        "d",
        "p.html",
        "p.json",
        3,
        5.0,
        64,
        "j",
        True,
        True,
    )
    assert parse(["explore", "a.py", "--jobs", "auto"]).jobs == "auto"
    assert parse(["explore", "a.py"]) == ExploreArguments("a.py")
    line = "replay x.json a.py:main --trace t.json --break-at 7"
    assert parse(line.split()) == ReplayArguments("x.json", "a.py:main", "t.json", 7)
    assert parse(["diff", "x.json", "undisturbed"]) == DiffArguments("x.json", "undisturbed")


def test_workers_find_the_same(simloop):
    """With several processes the report is the one of one process, but for its speed."""
    one, two = (
        re.sub(
            r"[0-9]+ a second",
            "",
            simloop("explore", "race.py", "--jobs", jobs, "--save", jobs).out,
        )
        for jobs in ("1", "2")
    )
    assert one.replace(" 1/", " 2/") == two


def test_a_failure_is_explained_kept_and_replayed(simloop, tmp_path):
    """Exit status 1, one screen, a file that replays, and a token that does."""
    explored = simloop("explore", "race.py")
    assert explored.status == ExitStatus.FAILED
    assert "It fails when this happens" in explored.out
    (kept,) = (tmp_path / ".simloop").iterdir()
    assert f"simloop replay {kept.relative_to(tmp_path)}" in explored.out
    token = re.search(r"simloop replay (\w+) race.py", explored.out)[1]
    by_file = simloop("replay", str(kept))
    by_token = simloop("replay", token, "race.py", "--trace", "run.json")
    assert by_file.status == by_token.status == ExitStatus.FAILED
    assert by_file.err == by_token.err
    assert "TimeoutError" in by_file.err
    assert (tmp_path / "run.json").stat().st_size > 0
    assert "in 2 schedules" in simloop("explore", "race.py").out


def test_a_program_is_explored_on_a_disk(command_on, tmp_path):
    """With --disk a lost file is found, told in words and replayed, and nothing became real."""
    simloop = command_on("lossy.py", LOSSY)
    explored = simloop("explore", "lossy.py", "--disk")
    assert explored.status == ExitStatus.FAILED
    assert "the power cut took the last 1 of the changes of folders" in explored.out
    (kept,) = (tmp_path / ".simloop").iterdir()
    assert "FileNotFoundError" in simloop("replay", str(kept)).err
    assert not (tmp_path / "made").exists()


def test_two_schedules_are_shown_side_by_side(simloop, tmp_path):
    """From where they part, with both ends; a schedule beside itself is the same run."""
    simloop("explore", "race.py")
    (kept,) = (tmp_path / ".simloop").iterdir()
    beside = simloop("diff", str(kept), "undisturbed")
    assert beside.status == ExitStatus.FAILED
    assert "TimeoutError" in beside.out
    assert beside.out.rstrip().endswith("the end")
    again = simloop("diff", str(kept), str(kept))
    assert again.status == ExitStatus.OK
    assert "are the same run" in again.out


def test_a_schedule_of_another_program_is_told_beside(simloop, tmp_path):
    """Deviations that a program never asks for are a note: the run is shown all the same."""
    simloop("explore", "race.py")
    (kept,) = (tmp_path / ".simloop").iterdir()
    other = simloop("diff", str(kept), "undisturbed", "race.py:fine")
    assert other.status == ExitStatus.OK
    assert "1 of 1 deviations were never asked for" in other.out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("undisturbed undisturbed race.py", "both are the undisturbed run"),
        ("missing.json undisturbed race.py", "no schedule can be read"),
        ("s1fcEicYq6llq8G1mg undisturbed", "does not tell its program"),
    ],
)
def test_a_wrong_comparison_is_told(simloop, line, message):
    """What is wrong, and what to do."""
    done = simloop("diff", *line.split())
    assert done.status == ExitStatus.USAGE
    assert message in done.err


def test_a_debugger_stops_in_the_step(simloop, monkeypatch):
    """``--break-at`` stops at the first line of the program that the step runs."""
    explored = simloop("explore", "race.py")
    token = re.search(r"simloop replay (\w+) race.py", explored.out)[1]
    monkeypatch.setattr(sys, "stdin", io.StringIO("p 'here'\nc\n"))
    stopped = simloop("replay", token, "race.py", "--break-at", "1")
    assert "race.py" in stopped.out
    assert "'here'" in stopped.out


def test_nothing_found_is_status_0(simloop):
    """The report says how many schedules ran."""
    explored = simloop("explore", "race.py:fine", "--schedules", "20")
    assert explored.status == ExitStatus.OK
    assert "race.py:fine: no failure in 20 schedules" in explored.out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("explore race.py:plain", "no coroutine function"),
        ("explore race.py:gone", "has no function 'gone'"),
        ("explore gone.py", "does not exist"),
        ("explore race.py --strategy best", "no such strategy"),
        ("replay s1xyz race.py", "no token"),
        ("replay gone.json race.py", "no schedule can be read"),
        ("explore race.py --save race.py", "race.py is no folder"),
        ("explore race.py --save race.py/below", "race.py is no folder"),
        ("explore race.py --page no/such/folder/race.html", "there is no folder 'no/such/folder'"),
        ("explore race.py --json no/race.json", "there is no folder 'no'"),
        ("explore race.py --json -", "it takes the name of a file"),
        ("explore race.py --page .", "that is a folder"),
    ],
)
def test_a_wrong_call_is_told(simloop, line, message):
    """Exit status 2, and a line that names what is wrong."""
    told = simloop(*line.split())
    assert told.status == ExitStatus.USAGE
    assert message in told.err


@pytest.mark.parametrize("sleeps", ["-1", "long", "nan", "inf"])
def test_a_wrong_factor_of_sleeps_is_told(simloop, capsys, sleeps):
    """As every argument that can't be read: it is no duration, and the message says what it is."""
    with pytest.raises(SystemExit):
        simloop("explore", "race.py", f"--sleeps={sleeps}")
    assert f"{sleeps!r} says how many times longer a sleep may take" in capsys.readouterr().err


def test_a_schedule_of_a_script_s_own_main_needs_its_program(simloop, tmp_path):
    """Which script was ``__main__`` no schedule tells; the message says how to name it."""
    simloop("explore", "race.py", "--save", "kept")
    (kept,) = (tmp_path / "kept").iterdir()
    kept.write_text(kept.read_text().replace('"race.py"', '"__main__:main"'))
    told = simloop("replay", str(kept))
    assert told.status == ExitStatus.USAGE
    assert "does not tell its program" in told.err


def test_a_step_that_never_comes_is_told(simloop):
    """The run ends without a debugger, and says why."""
    explored = simloop("explore", "race.py")
    token = re.search(r"simloop replay (\w+) race.py", explored.out)[1]
    assert (
        "--break-at 9999 was not reached: the run has"
        in simloop("replay", token, "race.py", "--break-at", "9999").err
    )


def test_a_token_needs_its_program(simloop):
    """A token does not tell the program; the message says how to name it."""
    explored = simloop("explore", "race.py")
    token = re.search(r"simloop replay (\w+) race.py", explored.out)[1]
    assert "does not tell its program" in simloop("replay", token).err


def test_a_finding_is_drawn_and_told_as_values(simloop, tmp_path):
    """--page writes one file with both runs, --json what explains each failure."""
    explored = simloop("explore", "race.py", "--page", "race.html", "--json", "race.json")
    assert explored.status == ExitStatus.FAILED
    assert "race.html: both runs side by side" in explored.err
    page = (tmp_path / "race.html").read_text(encoding="utf-8")
    assert page.count("<iframe") == 2
    assert "It fails when this happens" in page
    (told,) = json.loads((tmp_path / "race.json").read_text(encoding="utf-8"))
    assert told["deviations"][0] in html.unescape(page)
    assert told["token"] in page
    assert [0 <= moment < 1_000_000_000 for moment in told["moments_ns"]] == [True]


def test_a_file_that_cannot_be_written_is_told(simloop):
    """What was found is shown all the same."""
    explored = simloop("explore", "race.py", "--page", "/dev/full")
    assert explored.status == ExitStatus.USAGE
    assert "It fails when this happens" in explored.out
    assert "can't be written to a file" in explored.err


CHECKED = """
import asyncio, random

async def main():
    await asyncio.sleep(random.random())

async def fails():
    assert random.random() < 0.9

async def differs():
    await asyncio.sleep(id(object()) % 1000 + len(str(id(object()))))
    runs.append(1)
    await asyncio.sleep(len(runs))

runs = []
"""


@pytest.mark.slow
def test_seeds_are_checked(simloop, tmp_path):
    """0 where all is the same, 1 where the program fails, 82 where runs differ, 2 for nonsense."""
    (tmp_path / "checked.py").write_text(CHECKED)
    fine = simloop("check", "checked.py", "--seeds", "0-9,20", "--jobs", "2", "--runs", "3")
    assert fine.status == ExitStatus.OK
    assert "check: equal, 11 seeds, 3 runs of each" in fine.err
    failing = simloop("check", "checked.py:fails", "--seeds", "0-30")
    assert failing.status == ExitStatus.FAILED
    assert "the program fails with seed" in failing.err
    differing = simloop("check", "checked.py:differs", "--seeds", "3")
    assert differing.status == ExitStatus.DIFFERS
    assert "runs 1 and 2 of seed 3 differ" in differing.err
    assert simloop("check", "nothing.py").status == ExitStatus.USAGE


@pytest.mark.parametrize(("seeds", "why"), [("x", "no range"), ("5-3", "ends before it begins")])
def test_wrong_seeds_are_told(simloop, capsys, seeds, why):
    """A range that is none names itself."""
    with pytest.raises(SystemExit) as ended:
        simloop("check", "race.py", "--seeds", seeds)
    assert ended.value.code == ExitStatus.USAGE
    assert why in capsys.readouterr().err
