"""The report on a history that does not hold: what a tired person reads."""

from __future__ import annotations

import asyncio
from xml.etree import ElementTree as ET

import pytest

import simloop

REPORT = """\
not linearizable of 'x': bob: get('x') gave None, and no order of the operations explains that
the first 3 operations are enough

           alice           carol        bob
  0.000 s  ┌ put('x', 1)
  0.001 s  │               ┌ get('x')
  0.002 s  │               └ 1
  0.002 s  │                            ┌ get('x')
  0.003 s  │                            └ None        ◄ this can't be

It could have given:
  1, after put('x', 1) of alice, get('x') of carol"""


def stale_read():
    """Record a read of what was before, after another client has read what is new."""
    history = simloop.History()

    async def main():
        write = history.invoke("alice", "put", "x", 1)
        await asyncio.sleep(0.001)
        with history.invoke("carol", "get", "x") as read:
            await asyncio.sleep(0.001)
            read.ok(1)
        with history.invoke("bob", "get", "x") as read:
            await asyncio.sleep(0.001)
            read.ok(None)
        await asyncio.sleep(0.001)
        write.ok()
        history.invoke("bob", "get", "x").ok(1)

    simloop.run(main())
    return history


def test_the_report_shows_what_can_not_be_and_what_could():
    """It has the operation, the timeline up to its end, and what it could have given instead."""
    history = stale_read()
    with pytest.raises(simloop.PropertyError) as caught:
        history.check(simloop.KeyValue())
    assert str(caught.value) == REPORT
    assert str(history.judge(simloop.KeyValue())) == REPORT


def test_the_picture_is_a_document():
    """The picture in SVG is well-formed XML with a bar and a text for each operation shown."""
    picture = stale_read().judge(simloop.KeyValue()).svg()
    root = ET.fromstring(picture)  # noqa: S314 - our own
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[1:4] == ["alice", "carol", "bob"]
    assert texts[4:] == ["put('x', 1) → unknown", "get('x') → 1", "get('x') → None"]
    assert simloop.History().judge(simloop.Register()).svg() == ""


def test_a_long_history_is_shown_from_its_end(record):
    """Before a screen of events it is said how many came before, and what the state was."""
    lines = ["z write 9", "z unknown"] + [f"a write {n}: None" for n in range(40)]
    report = str(record("\n".join([*lines, "b read: 3"])).judge(simloop.Register()))
    lines = report.splitlines()
    assert (
        lines[1]
        == "the first 42 operations are enough; 30 ended before what is shown; it was 28 or 9 then"
    )
    assert lines[2] == "may still be done: write(9) of z"
    assert len(lines) < 40
    assert (
        "  39, after ... write(37) of a, write(38) of a, write(39) of a" in report or "39" in report
    )


def test_what_goes_on_when_the_picture_begins_is_shown(record):
    """An operation that began before the picture does has a mark of its own there."""
    lines = ["z write 9"] + [f"a write {n}: None" for n in range(40)] + ["b read: 3", "z ok"]
    report = str(record("\n".join(lines)).judge(simloop.Register()))
    assert "╎ write(9)" in report
    assert report.count("┌ write") < 15


def test_an_operation_that_can_not_be_done_says_so(record):
    """A lock that is taken twice gives False then; one that is free can't be given back."""
    report = str(record("a acquire: None\nb acquire: None").judge(simloop.Mutex()))
    assert report.startswith("not linearizable: b: acquire() gave None, and no order")
    assert report.endswith("It could have given:\n  False, after acquire() of a")
    report = str(record("a release: None").judge(simloop.Mutex()))
    assert report.endswith("Until it ended it could not be done at all: it was free.")


def test_long_arguments_are_cut(record):
    """A label that is too wide for the screen is cut, and the lines stay narrow."""
    clients = [f"c{n} write '{'x' * 50}'" for n in range(6)]
    report = str(record("\n".join([*clients, "r read: 3"])).judge(simloop.Register()))
    timeline = [line for line in report.splitlines() if "┌" in line]
    assert timeline
    assert all(len(line) < 130 and ("…" in line or "read" in line) for line in timeline)


def test_each_client_has_a_column_for_each_operation_at_a_time(record):
    """A client with two operations at a time has two columns."""
    history = simloop.History()
    first, second = history.invoke("a", "write", 1), history.invoke("a", "write", 2)
    first.ok()
    second.ok()
    history.invoke("a", "read").ok(3)
    head = str(history.judge(simloop.Register())).splitlines()[3]
    assert head.split() == ["a", "a"]


def test_a_cycle_is_told_edge_by_edge(record):
    """The report on transactions says of each why it has to come before the next."""
    report = str(record("a append 'x' 1: None\nb read 'x': []").judge(simloop.ListAppend()))
    assert report.endswith(
        "Each of these has to come before the next one, and so before itself:\n"
        "  a's #0 before b's #2: a's #0 had ended when b's #2 began\n"
        "  b's #2 before a's #0: b's #2 read 'x' = [], without 1, which a's #0 appended"
    )
    verdict = record("a append 'x' 1: None\nb read 'x': []").judge(simloop.ListAppend())
    assert ET.fromstring(verdict.svg()) is not None  # noqa: S314 - our own
    assert len(verdict.prefix) == 2
