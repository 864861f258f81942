"""Measure each row of what Linux shows, and write the page that has both beside each other.

    python .ci/linux_rows.py

It writes docs/reference/linux-rows.md; tests/wire holds that each row agrees.
"""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "linux-rows.md"
MODULES = ("connecting", "data", "ends", "power", "ports")
HEAD = """# Linux, and here

Measured on Linux 6.18 (Python 3.11, CUBIC, default kernel parameters, MTU 1500, a round trip of
50 ms where nothing else is said), and in a world. Times are seconds. `.ci/linux_rows.py` makes this
page; each row is a test.
"""


def load() -> types.ModuleType:
    """Import the rows of tests/wire, which is no package on its own."""
    package = types.ModuleType("wire_rows")
    package.__path__ = [str(ROOT / "tests" / "wire")]
    sys.modules["wire_rows"] = package
    for name in MODULES:
        importlib.import_module(f"wire_rows.rows_{name}")
    return importlib.import_module("wire_rows.rows")


def shown(value: object) -> str:
    """Return a value as a table has it."""
    if isinstance(value, (tuple, list)):
        return ", ".join(map(shown, value))
    if isinstance(value, float):
        return f"{value:.0f}" if value > 1000 else f"{value:.3g}"  # noqa: PLR2004
    return str(value)


def main() -> None:
    """Write the page."""
    rows = load()
    machines = importlib.import_module("wire_rows.machines").Machines
    lines = [HEAD]
    for chapter, found in rows.CHAPTERS.items():
        lines += [f"## {chapter}\n", "| what | Linux | here |", "|---|---|---|"]
        for row in found:
            made = []

            def make(*more: str, _made: list[object] = made, **conditions: object) -> object:
                _made.append(machines(*more, **conditions))
                return _made[-1]

            here = row.measure(make)
            for each in made:
                each.close()
            lines.append(f"| {row.what} | {shown(row.linux)} | {shown(here)} |")
        lines.append("")
    PAGE.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
