"""An explanation is one screen: what failed, what went otherwise, both runs, the replay."""

from __future__ import annotations

import asyncio
import json

import pytest

import simloop
from simloop.exploration.explaining import explanation_of
from simloop.exploration.explaining.columns import Column, first_difference, side_by_side
from simloop.exploration.explaining.step_log import Row

from . import broken_programs

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_an_explanation_says_what_a_reader_must_know() -> None:
    """The error and its line, the deviation until whose deadline, both columns, the replay line."""
    failure = simloop.explore(broken_programs.check_then_act).failures[0]
    text = failure.explain()
    lines = text.splitlines()
    assert lines[0].startswith("tests.explore.broken_programs:check_then_act fails: AssertionError")
    assert lines[1].strip() == "assert len(loads) == 1"
    assert "the listener tcp 127.0.0.1:7000" in text or "connection 1 to tcp" in text
    assert "until the sleep of Task-3 in later(), broken_programs.py:" in text
    assert any(line.startswith("undisturbed") and "| failing" in line for line in lines)
    assert "AssertionError at broken_programs.py" in text
    assert f'"{failure.schedule.token}"' in lines[-1]
    assert len(lines) <= 45
    assert max(map(len, lines)) <= 150


@pytest.mark.parametrize(
    "main", broken_programs.BROKEN, ids=lambda main: getattr(main, "__name__", "")
)
def test_every_explanation_is_one_screen(main) -> None:
    """At most 45 lines, and the same each time."""
    failure = simloop.explore(main).failures[0]
    text = failure.explain()
    assert len(text.splitlines()) <= 45
    assert text == failure.explain()


def test_an_explanation_is_json_too() -> None:
    """Its parts are values that JSON takes."""
    failure = simloop.explore(broken_programs.effect_after_timeout).failures[0]
    record = json.loads(json.dumps(explanation_of(failure).to_json()))
    assert record["what"].startswith("tests.explore.broken_programs:effect_after_timeout")
    assert record["failing"][0]["who"] == "Task-1"


def rows(*whos: str) -> list[Row]:
    return [Row(index, who, "f(), x.py:1", "pass") for index, who in enumerate(whos)]


def test_runs_part_at_their_first_difference() -> None:
    """Times don't count: a delay moves them, and the steps are the same."""
    late = [Row(row.now_ns + 5, row.who, row.where, row.source) for row in rows("a", "b")]
    assert first_difference(rows("a", "b"), late) == 2
    assert first_difference(rows("a", "b", "c"), rows("a", "c", "b")) == 1


def test_columns_begin_just_before_runs_part_and_end_at_the_failure() -> None:
    """Equal steps stand beside each other; what the plain run did later is left out."""
    plain = rows("1", "2", "3", "4", "5", "6")
    failing = Column("failing", rows("1", "2", "3", "9", "4"), "boom")
    lines = side_by_side(Column("undisturbed", plain), failing)
    text = "\n".join(lines)
    assert " 1 f()" not in text
    assert " 6 f()" not in text
    assert lines[-1].endswith("| boom")
    assert sum("9 f()" in line for line in lines) == 1


def test_a_property_has_no_line_of_ours() -> None:
    """What the world itself raises is told by its text; a line of the engine would say nothing."""

    async def main() -> None:
        simloop.eventually(lambda: False, "it happens", within=1)
        await asyncio.sleep(5)

    failure = simloop.explore(main, schedules=1).failures[0]
    text = failure.explain()
    assert "stated at" in text
    assert "raise " not in text
    assert "property_run" not in text
