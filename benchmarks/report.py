"""What is told of a measurement: a table for people, JSON for programs.

Owns: the words and the shape of both. Costs are per unit; ratios are a peer's cost by simloop's, so
that above 1.0 simloop is ahead.
"""

from __future__ import annotations

import datetime as dt
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .contenders import BARE, SUBJECT
from .measuring import geometric_means

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


def table_head(about: dict[str, Any], columns: list[str]) -> str:
    """Return the lines above the table."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    heads = "".join(f"{name:>10}" for name in columns)
    return (
        f"{about['date']}, {about['python']}, {about['machine']}\n{versions}\n"
        "Ratios: a peer's cost by simloop's, median of pairs; above 1.0 simloop is ahead.\n\n"
        f"{'workload':{_WIDTH}}{SUBJECT:>10}{heads}   a unit is"
    )


def row_line(row: Row, columns: list[str]) -> str:
    """Return the table's line of one workload."""
    own = row.costs.get(SUBJECT)
    shown = "-" if own is None else cost(own, row.workload.quantity)
    cells = "".join(f"{_ratio(row.ratio(name)):>10}" for name in columns)
    return f"{row.workload.name:{_WIDTH}}{shown:>10}{cells}   {row.workload.unit}"


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def table_tail(rows: list[Row], columns: list[str], goals: list[Goal]) -> str:
    """Return the lines below the table: means, and what was to be shown."""
    means = geometric_means(rows)
    cells = "".join(f"{_ratio(means.get(name)):>10}" for name in columns)
    lines = [f"{'geometric mean':{_WIDTH}}{'':>10}{cells}   without the rows of memory", ""]
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
            }
            for row in rows
        ],
        "geometric_means": geometric_means(rows),
        "goals": [{"goal": goal.text, "is_met": goal.is_met} for goal in goals],
        "bare": f"{BARE!r} is the same Python work with no loop",
    }
