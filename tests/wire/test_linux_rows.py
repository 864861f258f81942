"""Each row of what Linux shows, measured here: see ``rows.py`` and the page that is made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import rows_connecting, rows_data, rows_ends, rows_ports, rows_power
from .rows import CHAPTERS

MODULES = (rows_connecting, rows_data, rows_ends, rows_power, rows_ports)

ROWS = [
    pytest.param(row, id=f"{chapter}: {row.what}", marks=[pytest.mark.slow] if row.slow else [])
    for chapter, rows in CHAPTERS.items()
    for row in rows
]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_what_linux_shows(row, machines):
    """Results and errno are Linux', times within 10 % or 20 ms, where the row allows no more."""
    made = []

    def make(*more, **conditions):
        made.append(machines(*more, **conditions))
        return made[-1]

    here = row.measure(make)
    assert row.agrees(here), f"Linux: {row.linux!r}, here: {here!r}"
    for each in made:
        each.check()


def test_a_row_that_differs_is_found():
    """The comparison takes other names, other counts and later times for differences."""
    connecting = {row.what: row for row in CHAPTERS["Connecting"]}
    row = connecting["port closed"]
    assert row.agrees(("ECONNREFUSED", 0.06))
    assert not row.agrees(("ECONNREFUSED", 0.08))
    assert not row.agrees(("ETIMEDOUT", 0.05))
    assert not row.agrees(("ECONNREFUSED",))


def test_the_page_has_each_row():
    """The page that ``.ci/linux_rows.py`` prints has a line for each row, and no other."""
    page = Path(__file__).parents[2] / "docs" / "reference" / "linux-rows.md"
    if not page.exists():
        pytest.skip("the documentation is not beside these tests")
    lines = [line.split(" | ") for line in page.read_text().splitlines()]
    table = [cells[0][2:] for cells in lines if len(cells) == 3 and cells[0] != "| what"]
    assert sorted(table) == sorted(row.what for rows in CHAPTERS.values() for row in rows)
