"""What is told of a measurement: a table for people, JSON for programs.

Owns: the words and the shape of both. Costs are per unit; ratios are a peer's cost by simloop's, so
that above 1.0 simloop is ahead. Where instructions were counted, their ratio stands behind that of
time, in brackets.
"""

from __future__ import annotations

import datetime as dt
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .contenders import BARE, SUBJECT
from .measuring import counted_means, geometric_means

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .contenders import Contender
    from .goals import Goal
    from .measuring import Row

__all__ = ["circumstances", "cost", "document", "row_line", "table_head", "table_tail"]

_WIDTH = 17


def circumstances(contenders: Iterable[Contender]) -> dict[str, Any]:
    """Return when, where and of what versions something is measured."""
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d"),
        "machine": f"{_processor()}, {platform.system()} {platform.release().partition('-')[0]}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": {
            contender.name: contender.version() for contender in contenders if contender.version()
        },
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def cost(value: float, quantity: str) -> str:
    """Tell a cost per unit in a unit of its size."""
    if quantity == "bytes":
        return f"{value:,.0f} B"
    for scale, name in ((1.0, "s"), (1e3, "ms"), (1e6, "us")):
        if value * scale >= 1:
            return f"{value * scale:.3g} {name}"
    return f"{value * 1e9:.0f} ns"


def table_head(about: dict[str, Any], columns: list[str], *, counted: bool = False) -> str:
    """Return the lines above the table."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    heads = "".join(f"{name:>{_cell(counted)}}" for name in columns)
    more = "In brackets: the same of instructions in user space, by callgrind.\n" if counted else ""
    own = f"{SUBJECT:>10}" + (f"{'counted':>10}" if counted else "")
    return (
        f"{about['date']}, {about['python']}, {about['machine']}\n{versions}\n"
        f"Ratios: a peer's cost by simloop's, median of pairs; above 1.0 simloop is ahead.\n"
        f"{more}\n"
        f"{'workload':{_WIDTH}}{own}{heads}   a unit is"
    )


def row_line(row: Row, columns: list[str], *, counted: bool = False) -> str:
    """Return the table's line of one workload."""
    own = row.costs.get(SUBJECT)
    shown = f"{'-' if own is None else cost(own, row.workload.quantity):>10}"
    if counted:
        instructions = row.instructions.get(SUBJECT)
        shown += f"{'-' if instructions is None else _thousands(instructions):>10}"
    cells = "".join(
        f"{_ratios(row.ratio(name), row.counted_ratio(name), counted):>{_cell(counted)}}"
        for name in columns
    )
    return f"{row.workload.name:{_WIDTH}}{shown}{cells}   {row.workload.unit}"


def _cell(counted: bool) -> int:  # noqa: FBT001 - of two kinds of tables
    return 14 if counted else 10


def _thousands(instructions: float) -> str:
    return f"{instructions / 1000:,.1f} k"


def _ratios(ratio: float | None, of_counts: float | None, counted: bool) -> str:  # noqa: FBT001 - as above
    if not counted:
        return _ratio(ratio)
    behind = "" if of_counts is None else f"({of_counts:.2f})"
    return f"{_ratio(ratio)} {behind:>6}"


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def table_tail(
    rows: list[Row], columns: list[str], goals: list[Goal], *, counted: bool = False
) -> str:
    """Return the lines below the table: means, and what was to be shown."""
    means, of_counts = geometric_means(rows), counted_means(rows)
    cells = "".join(
        f"{_ratios(means.get(name), of_counts.get(name), counted):>{_cell(counted)}}"
        for name in columns
    )
    blank = " " * (20 if counted else 10)
    lines = [f"{'geometric mean':{_WIDTH}}{blank}{cells}   without the rows of memory", ""]
    lines += [f"{'met   ' if goal.is_met else 'MISSED'}  {goal.text}" for goal in goals]
    return "\n".join(lines)


def document(about: dict[str, Any], rows: list[Row], goals: list[Goal]) -> dict[str, Any]:
    """Return all of it for JSON."""
    return {
        **about,
        "rows": [
            {
                "workload": row.workload.name,
                "unit": row.workload.unit,
                "quantity": row.workload.quantity,
                "count": row.count,
                "costs": row.costs,
                "ratios": {peer: row.ratio(peer) for peer in row.ratios},
                "pairs": row.ratios,
                "instructions": row.instructions,
                "counted_ratios": {
                    peer: row.counted_ratio(peer) for peer in row.instructions if peer != SUBJECT
                },
            }
            for row in rows
        ],
        "geometric_means": geometric_means(rows),
        "counted_means": counted_means(rows),
        "goals": [{"goal": goal.text, "is_met": goal.is_met} for goal in goals],
        "bare": f"{BARE!r} is the same Python work with no loop",
    }
