"""The page of a sweep: progress over time, and what was found.

Owns: laying it out, and the curve. The page loads nothing.

Must not know: where the numbers come from. It reads a report.
"""

from __future__ import annotations

import html
import re
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from simloop.exploration.sweeping.journal_report import JournalReport

__all__ = ["sweep_page"]

_WIDTH, _HEIGHT, _LEFT, _BELOW = 900, 260, 80, 30


def sweep_page(report: JournalReport) -> str:
    """Return the page of a sweep, as the text of an HTML file."""
    files = resources.files(__package__)
    parts = {
        "title": html.escape(f"{report.program}: {report.kind}, swept by simloop"),
        "style": (files / "page.css").read_text("utf-8"),
        "what": html.escape(f"{report.program}: {report.done:,} {report.kind}"),
        "report": html.escape(str(report).partition("\n")[0]),
        "curve": _curve(report.points),
        "failures": _table(
            ("failure", "times", "share", "first", "again by"),
            (
                (
                    row.error,
                    f"{row.count:,}",
                    f"{row.count / max(1, report.done):.3%}",
                    row.first,
                    row.replay,
                )
                for row in report.failures
            ),
        ),
        "lost": _table(("lost", "how"), report.lost),
        "properties": _table(
            ("property", "kind", "looked at", "true"),
            (
                (name, each.kind, f"{each.asked:,}", f"{each.true:,}")
                for name, each in report.properties.items()
            ),
        ),
        "about": _table(
            ("sweep", *dict.fromkeys(name for each in report.about for name in each)),
            (
                (str(number), *(str(value) for value in each.values()))
                for number, each in enumerate(report.about, 1)
            ),
        ),
    }
    template = (files / "sweep.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: parts[mark[1]], template)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, or a word where it would be empty."""
    body = "".join(f"<tr>{''.join(_cell('td', each) for each in row)}</tr>" for row in rows)
    if not body:
        return "<p>none</p>"
    return f"<table><tr>{''.join(_cell('th', each) for each in heads)}</tr>{body}</table>"


def _cell(tag: str, text: str) -> str:
    return f"<{tag}>{html.escape(text)}</{tag}>"


def _curve(points: Sequence[tuple[float, int]]) -> str:
    """Draw how many runs were done over time, with the ends of both axes told."""
    last_s, most = max(points[-1][0], 1e-9), max(points[-1][1], 1)
    places = " ".join(
        f"{_LEFT + at_s / last_s * _WIDTH:.1f},{_HEIGHT * (1 - done / most):.1f}"
        for at_s, done in points
    )
    return (
        f'<svg viewBox="0 -12 {_LEFT + _WIDTH + 20} {_HEIGHT + _BELOW + 12}" role="img"'
        f' aria-label="runs done over time">'
        f'<path class="axis" d="M{_LEFT} 0V{_HEIGHT}H{_LEFT + _WIDTH}"/>'
        f'<polyline class="curve" points="{places}"/>'
        f'<text x="{_LEFT - 8}" y="6" text-anchor="end">{most:,}</text>'
        f'<text x="{_LEFT - 8}" y="{_HEIGHT}" text-anchor="end">0</text>'
        f'<text x="{_LEFT + _WIDTH}" y="{_HEIGHT + 20}" text-anchor="end">{last_s:,.0f} s</text>'
        "</svg>"
    )
