"""An explanation is one screen: what failed, what went otherwise, both runs, the replay."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys

import pytest

import simloop
from simloop.exploration.explaining import explanation_of
from simloop.exploration.explaining.columns import Column, first_difference, side_by_side
from simloop.exploration.explaining.fitting import columns_of
from simloop.exploration.explaining.step_log import Row
from simloop.exploration.explaining.words import sentence

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
    in_a_line = " ".join(text.split())  # Long sentences are wrapped.
    assert "until the sleep of Task-3 in later(), broken_programs.py:" in in_a_line
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


class Terminal(io.StringIO):
    """A terminal, as far as who writes looks."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_an_explanation_fits_the_terminal(columns, monkeypatch) -> None:
    """Sentences are wrapped and columns are as wide as there is room; a file gets 119."""
    failure = simloop.explore(broken_programs.check_then_act).failures[0]
    assert 100 < max(map(len, table_and_sentences(failure.explain()))) <= 119
    monkeypatch.setattr(os, "get_terminal_size", lambda _fd: os.terminal_size((columns, 24)))
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert max(map(len, table_and_sentences(failure.explain()))) <= columns


def table_and_sentences(text):
    """Return the rows of both columns but for the last, and the lines of what happens."""
    rows = [line for line in text.splitlines() if " | " in line]
    sentences = text.partition(" happens:")[2].partition("\n\n")[0].splitlines()
    assert rows[0].startswith("undisturbed")
    assert len(sentences) > 1
    return rows[:-1] + sentences


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        (
            "stall",
            "simloop._loop.transports.stream_transport.StreamTransport._read_step",
            "after the loop's reading and writing the loop was away for 1 s",
        ),
        (
            "stall",
            "asyncio.futures._set_result_unless_cancelled",
            "after the end of a sleep the loop was away for 1 s",
        ),
        (
            "late",
            "m/simloop.world.hosts.program_thread.ProgramThread._main in thread 1",
            "m/the main program in thread 1 woke 1 s late",
        ),
        ("late", "sleep of Task-1 (main)", "the loop woke 1 s late for the sleep of Task-1 (main)"),
        (
            "late",
            "simloop.net.wire.path.Path._arrive",
            "the loop woke 1 s late for the arrival of a packet",
        ),
        (
            "late",
            "simloop.world.faults.campaign.Campaign._draw",
            "the loop woke 1 s late for a fault",
        ),
        (
            "stall",
            "db/asyncio.futures._set_result_unless_cancelled",
            "after the end of a sleep on db the loop was away for 1 s",
        ),
        (
            "stall",
            "db/simloop._loop.io.readiness.Readiness._poll",
            "after some work of the loop's own on db the loop was away for 1 s",
        ),
        ("cpu", "Task-1: app.fetch", "a step of Task-1 (fetch) took 1 s"),
        ("stall", "", "after the start the loop was away for 1 s"),
        ("job", "app.work in thread 2", "app.work in thread 2 went on 1 s later"),
        ("name", "None", "the answer for the addresses of this machine came 1 s later"),
        ("name", "db", "the answer for the name 'db' came 1 s later"),
    ],
)
def test_what_is_ours_has_words(kind, name, text) -> None:
    """A name of the engine's says nothing to who wrote the program."""
    deviation = simloop.Deviation(kind, name, 1, 90)
    assert sentence(deviation, (0, 1_000_000_000), "") == text


async def leaves_an_error() -> None:
    """Fail in a task that nobody awaits."""

    async def fail() -> None:
        await asyncio.sleep(0.01)
        raise LookupError("lost")

    task = asyncio.create_task(fail())
    await asyncio.sleep(1)
    del task
    await asyncio.sleep(1)


async def fails_in_a_callback() -> None:
    """Fail in a callback, of which asyncio tells its exception handler alone."""
    asyncio.get_running_loop().call_later(0.5, {}.__getitem__, "missing")
    await asyncio.sleep(1)


@pytest.mark.parametrize(
    ("main", "kind", "told"),
    [
        (leaves_an_error, "unretrieved", "nobody retrieved LookupError at"),
        (fails_in_a_callback, "callback", "a callback raised KeyError at"),
    ],
    ids=["unretrieved", "callback"],
)
def test_an_error_that_ended_nothing_is_told_as_one(main, kind, told) -> None:
    """The program itself ends well: that it "fails: LookupError" would send a reader astray."""
    found = simloop.explore(main, schedules=1, failures=(kind,))
    assert told in str(found)
    text = found.failures[0].explain()
    assert f"{main.__name__} fails: {told}" in text
    assert "The error ended nothing: the program went on" in text
    assert f"of the kind {kind!r}" in " ".join(text.split())


def test_a_timer_that_the_program_did_not_set_is_no_timeout_of_its_tasks() -> None:
    """The answer of a resolver was held; the task that waits for it has set no timeout."""

    async def serve() -> None:
        (await asyncio.start_server(lambda _reader, writer: writer.close(), port=7000)).close()

    async def main() -> None:
        task = asyncio.create_task(serve())
        async with asyncio.timeout(0.5):
            await asyncio.sleep(0.1)
            assert task.done()

    found = simloop.explore(main, schedules=30, stop=None)
    told = " ".join(" ".join(each.explain().split()) for each in found.failures)
    assert "late for the wait of Task-2 (" in told
    assert "the timeout of Task-2" not in told


def test_rows_begin_where_time_parts() -> None:
    """A step that another one ended late is the cause, though the same steps come in both."""
    plain = [Row(at, "Task-1", f"main(), a.py:{at}", "") for at in range(6)]
    late = [Row(at + 10 * (at > 1), "Task-1", f"main(), a.py:{at}", "") for at in range(5)]
    lines = side_by_side(Column("plain", plain), Column("failing", late, "the end"))
    assert any("a.py:2" in line for line in lines)


def test_names_break_no_table_and_reach_no_terminal() -> None:
    """Line breaks and escape sequences in a task's name are shown as such; wide ones take two."""
    wide = "日本語の仕事" * 4

    async def main() -> None:
        seen: list[float] = []

        async def get(delay: float) -> None:
            await asyncio.sleep(delay)
            reader, writer = await asyncio.open_connection("127.0.0.1", 7000)
            await reader.read()
            writer.close()
            seen.append(delay)

        async with await asyncio.start_server(lambda _, w: w.close(), "127.0.0.1", 7000):
            first = asyncio.create_task(get(0), name="a\nb\x1b[31mred")
            await asyncio.gather(first, asyncio.create_task(get(0.02), name=wide))
        assert seen == [0, 0.02], "\x1b[32mtold in green"

    text = simloop.explore(main, schedules=300).failures[0].explain()
    assert "\x1b" not in text
    assert r"a\nb\x1b[31mred" in text
    table = text[text.index("undisturbed") : text.index("Replay:")].splitlines()
    assert all(columns_of(line) <= 119 for line in table)
    assert {columns_of(line.partition("|")[0]) for line in table if "|" in line} == {59}
