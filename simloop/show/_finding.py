"""The page of a finding: what failed and why, and the pictures of both runs beside each other.

Owns: laying it out, and where both pictures begin. The page loads nothing, as each picture's.

Must not know: how a finding came about. It reads an explanation, and two pictures.
"""

from __future__ import annotations

import html
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

from ._page import page
from ._pair import begin_where_they_part
from ._sequence import sequence_diagram

if TYPE_CHECKING:
    from simloop.exploration.explaining import Explanation

    from ._picture import Picture

__all__ = ["finding_page"]

_ROWS_MAX = 400
_NS_PER_US = 1000


def finding_page(explanation: Explanation, plain: Picture, failing: Picture) -> str:
    """Return the page of a finding, as the text of an HTML file.

    Args:
        explanation: What failed, and why.
        plain: The undisturbed run.
        failing: The failing one. Both are given marks, and the step at which they part.
    """
    files = resources.files(__package__)
    begin_where_they_part(plain, failing)
    for picture, which in ((plain, "undisturbed"), (failing, "failing")):
        picture.about["program"] = f"{picture.about.get('program', 'a run')}, {which}"
    failing.about["marks"] = [
        [ns / _NS_PER_US, text]
        for ns, text in zip(explanation.moments_ns, explanation.deviations, strict=True)
        if ns >= 0
    ]
    count = len(explanation.deviations)
    parts = {
        "title": html.escape(f"{explanation.what}, explained by simloop"),
        "style": (files / "page.css").read_text("utf-8"),
        "what": html.escape(explanation.what),
        "source": _tag("code", explanation.source, "source") if explanation.source else "",
        "text": html.escape("\n".join(explanation.text)),
        "why": html.escape(_why(count)),
        "deviations": "".join(_tag("li", each) for each in explanation.deviations),
        "note": html.escape(explanation.note),
        "replay": html.escape(explanation.replay),
        "rows": "".join(_rows(explanation)),
        "diagram": sequence_diagram(failing, form="svg"),
        "plain": html.escape(page(plain)),
        "failing": html.escape(page(failing)),
    }
    template = (files / "finding.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: parts[mark[1]], template)


def _why(count: int) -> str:
    if not count:
        return "It fails undisturbed: no delay is needed"
    return (
        "It fails when this happens" if count == 1 else f"It fails when these {count} things happen"
    )


def _tag(name: str, text: str, kind: str = "") -> str:
    marked = f' class="{kind}"' if kind else ""
    return f"<{name}{marked}>{html.escape(text)}</{name}>"


def _rows(explanation: Explanation) -> list[str]:
    pairs = explanation.pairs()
    rows = [
        f"<tr>{_cell(left, right)}{_cell(right, left)}</tr>" for left, right in pairs[:_ROWS_MAX]
    ]
    if len(pairs) > _ROWS_MAX:
        rows.append(f"<tr><td colspan='2'>... {len(pairs) - _ROWS_MAX} rows more</td></tr>")
    return [*rows, f"<tr><td></td><td class='one'>{html.escape(explanation.end)}</td></tr>"]


def _cell(row: Any, other: Any) -> str:
    if row is None:
        return "<td></td>"
    kind = ' class="one"' if other is None else ""
    told = html.escape(f"{row.who} {row.where}")
    return f"<td{kind}><b>{row.now_ns / 1e9:.6g}</b> {told}{_tag('code', row.source)}</td>"
