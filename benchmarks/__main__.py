"""The command ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from . import __doc__ as about_this
from .contenders import BARE, SUBJECT, available
from .goals import judge
from .growth import grow
from .instructions import is_available
from .measuring import measure
from .plot import plot
from .report import circumstances, document, row_line, table_head, table_tail
from .workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .contenders import Contender


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the arguments ask for, print it and write it."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.instructions and not is_available():
        parser.error("--instructions counts by valgrind, which is not installed here")
    peers = tuple(options.peers.split(",")) if options.peers else None
    contenders = available(peers and (SUBJECT, *(name for name in peers if name != SUBJECT)))
    found = _growth(options, contenders) if options.growth else _compare(options, contenders)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=about_this,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--only", metavar="A,B", help="workloads whose names contain one of these")
    add("--peers", metavar="A,B", help="peers to measure; all that are installed if not given")
    add("--rounds", type=int, default=5, help="pairs per workload (default: 5)")
    add("--tiny", action="store_true", help="a few units, once: shows that all of it works")
    add("--instructions", action="store_true", help="count instructions, too (needs valgrind)")
    add("--growth", action="store_true", help="measure how cost grows instead")
    add("--json", type=Path, metavar="FILE", help="write everything as JSON")
    add("--svg", type=Path, metavar="FILE", help="draw the ratios (needs matplotlib)")
    add("--list", action="store_true", help="name the workloads and stop")
    return parser


def _compare(options: argparse.Namespace, contenders: list[Contender]) -> dict[str, object]:
    """Measure workloads, a line each as soon as it is known."""
    chosen = [
        workload
        for name, workload in WORKLOADS.items()
        if not options.only or any(part in name for part in options.only.split(","))
    ]
    if options.list:
        print(*(f"{workload.name:17} {workload.unit}" for workload in chosen), sep="\n")
        return {}
    columns = [contender.name for contender in contenders if contender.name != SUBJECT]
    columns.append(BARE)
    about = circumstances(contenders)
    counted: bool = options.instructions
    print(table_head(about, columns, counted=counted))
    rows = []
    for workload in chosen:
        rows.append(
            measure(workload, contenders, rounds=options.rounds, tiny=options.tiny, counted=counted)
        )
        print(row_line(rows[-1], columns, counted=counted), flush=True)
    goals = judge(rows)
    print(table_tail(rows, columns, goals, counted=counted))
    if options.svg:
        plot(about, rows, options.svg)
    return document(about, rows, goals)


def _growth(options: argparse.Namespace, contenders: list[Contender]) -> dict[str, object]:
    """Measure the subject at growing sizes."""
    subject = next(contender for contender in contenders if contender.name == SUBJECT)
    about = circumstances([subject])
    return {**about, "growth": grow(subject, tiny=options.tiny)}


if __name__ == "__main__":
    main()
