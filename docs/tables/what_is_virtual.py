"""Make the page that tells, call by call, what is virtual.

Owns: reading the rows, and writing them as Markdown. Run it in the project's folder after changing
a row::

    python docs/tables/what_is_virtual.py

The page is the same on every Python. That it is true is held by ``tests/docs/test_tables.py``.
"""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

ROWS = Path(__file__).with_name("what-is-virtual.txt")
PAGE = Path(__file__).parents[1] / "reference" / "what-is-virtual.md"
COMMAND = "python docs/tables/what_is_virtual.py"
VERDICTS = ("virtual", "emulated", "real", "refused")

OPENING = f"""# What is virtual

<!-- Made by {COMMAND}: change docs/tables/what-is-virtual.txt, and run it. -->

Each call of asyncio, of sockets, descriptors, processes, signals and threads, and who answers it
inside a run:

virtual
: The world: its clock, network, names, programs.

emulated
: The world, by another way that gives the same result.

real
: The machine, because the answer is the same on every machine, or was asked for.

refused
: Nobody. The call raises {{class}}`~simloop.UnsupportedError` or {{class}}`~simloop.EscapeError`,
  which name the way out.

Below each answer stands the test that shows it, in `tests/`. Most run on asyncio's own loop, too,
and hold that both give the same.
"""


class Row(NamedTuple):
    """One call."""

    name: str
    since: str
    verdict: str
    how: str
    test: str


def read(text: str) -> list[Row]:
    """Read the rows of one section."""
    rows = []
    for line in filter(None, text.splitlines()):
        names, verdict, how, test = (part.strip() for part in line.split("|"))
        for each in names.split(", "):
            name, _, since = each.partition(" +")
            rows.append(Row(name, since, verdict, how, test))
    return rows


def sections() -> dict[str, list[Row]]:
    """Read all rows, by title."""
    _, *parts = ROWS.read_text().split("\n## ")
    return {title: read(text) for title, _, text in (part.partition("\n") for part in parts)}


def page() -> str:
    """Return the page."""
    parts = [OPENING]
    found = sections()
    counts = Counter(row.verdict for rows in found.values() for row in rows)
    parts.append(", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS) + ".\n")
    for title, rows in found.items():
        parts.append(f"## {title}\n")
        parts.append("| call | here | how |\n| --- | --- | --- |")
        # Calls with one answer share a row, as they share a line of the file.
        for (verdict, how, test), calls in groupby(rows, lambda row: row[2:]):
            names = ", ".join(
                f"`{call.name}`{f' (from {call.since} on)' if call.since else ''}" for call in calls
            )
            shown = f"{how or 'as documented'}<br>`{test}`"
            parts.append(f"| {names} | {verdict} | {shown} |")
        parts.append("")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
