"""Wrong calls of the command, and programs that do not even load: one line, or their own lines."""

from __future__ import annotations

import pytest

from simloop.cli import ExitStatus

APP = """
import asyncio
async def main():
    await asyncio.sleep(1)
async def needs(what):
    pass
async def fails():
    raise ValueError("always")
"""
SCHEDULE = "s1fYIJsaKldj6PsJgm"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("run --disk --allow files app.py", "leaves the files real for the whole run"),
        ("run --check --disk --allow files app.py", "leaves the files real for the whole run"),
        ("run app.py --trace /nowhere/x", "the trace can't be written"),
        ("replay nowhere.json app.py", "nowhere.json"),
        (f"replay {SCHEDULE} app.py --trace /nowhere/x", "the trace can't be written"),
        ("diff undisturbed undisturbed app.py", "name a schedule"),
        ("explore app.py --strategy none", "none"),
        ("check app.py:needs", "app:needs takes (what)"),
        ("explore app.py:needs", "app:needs takes (what)"),
        ("sweep show nowhere.db", "nowhere.db"),
        ("show ''", "can't be read"),
        ("show nowhere.json", "can't be read"),
    ],
)
def test_a_wrong_call_is_told_in_a_line(command_on, line, told):
    """With status 2, and nothing of simloop's own insides."""
    simloop = command_on("app.py", APP)
    done = simloop(*["" if word == "''" else word for word in line.split()])
    assert done.status == ExitStatus.USAGE, done.err
    assert told in done.err
    assert "Traceback" not in done.err
    assert done.err.startswith("simloop: error: ")


def test_what_cannot_be_kept_is_explained_all_the_same(command_on, monkeypatch):
    """The folder was there when the search began: what it found is told, then what went wrong."""

    def fail(*_args, **_options):
        raise PermissionError("no more")

    monkeypatch.setattr("simloop.exploration.schedules.schedule.Schedule.save", fail)
    done = command_on("app.py", APP)("explore", "app.py:fails")
    assert done.status == ExitStatus.USAGE
    assert "ValueError at " in done.out
    assert "simloop replay" in done.out
    assert "can't be kept in .simloop: no more" in done.err


def test_more_seeds_than_can_be_listed_are_refused(command_on, capsys):
    """A slip of the keyboard does not fill the memory."""
    with pytest.raises(SystemExit):
        command_on("app.py", APP)("check", "app.py", "--seeds", "0-999999999999")
    assert "more than 10,000,000 seeds" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "first", "last"),
    [
        ("import asyncio\nasync def main( : pass\n", '  File "', "SyntaxError: "),
        ("def f():\n    raise ValueError('broken')\nf()\n", "Traceback", "ValueError: broken"),
    ],
)
@pytest.mark.parametrize(
    "line",
    [
        "run broken.py", "run broken.py:main", "run app.py --hosts broken.py", "explore broken.py",
        f"replay {SCHEDULE} broken.py", f"diff {SCHEDULE} undisturbed broken.py", "check broken.py",
        "sweep run broken.py --seeds 0-1",
    ],
)  # fmt: skip
def test_a_program_that_does_not_load_is_told_as_by_python(command_on, line, source, first, last):
    """By its own lines alone, and with the status of a program that fails."""
    command_on("app.py", APP)
    done = command_on("broken.py", source)(*line.split())
    assert done.status == ExitStatus.FAILED, done.err
    told = [each for each in done.err.splitlines() if not each.startswith("simloop: 0:00:00")]
    assert told[0].startswith(first)
    assert told[-1].startswith(last)
    assert "simloop/cli" not in done.err
    assert "importlib" not in done.err
