"""A sequence diagram as an image: SVG that follows the reader's light or dark colours.

Owns: where everything lies. Sizes are pixels; the image loads nothing.

Invariant: nothing of a run becomes markup.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from ._sequence import Arrow, Note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._sequence import Sequence

__all__ = ["svg"]

_TIME = 78
"""The column of times."""
_COLUMN = 190
_HEAD = 46
_ROW = 30
_CHARACTER = 6.3
"""How wide one is, about, in a font of 11 pixels."""

_LIGHT = (
    (".paper", "fill: #fff"),
    ("text", "font: 11px system-ui, sans-serif; fill: #1d2430"),
    (".name", "font-weight: bold"),
    (".time", "fill: #5b6675"),
    (".life", "stroke: #d8dce2"),
    (".box", "fill: #f5f6f8; stroke: #d8dce2"),
    (".arrow", "stroke: #1f5fbf; fill: none"),
    (".tip", "fill: #1f5fbf"),
    (".lost", "stroke: #c2410c; stroke-dasharray: 5 3"),
    (".cross", "stroke: #c2410c; stroke-width: 2"),
    (".fails", "fill: #c81e1e"),
    ("text.fails", "fill: #fff"),
)
_DARK = (
    (".paper", "fill: #14181f"),
    ("text", "fill: #e8ebf0"),
    (".time", "fill: #a0aab8"),
    (".life", "stroke: #363d49"),
    (".box", "fill: #1b2029; stroke: #363d49"),
    (".arrow", "stroke: #7fb0ff"),
    (".tip", "fill: #7fb0ff"),
    (".lost", "stroke: #ff9254"),
    (".cross", "stroke: #ff9254"),
)


def _style() -> str:
    """Return the style sheet; it holds inside of the image alone, also within a page."""
    light, dark = (
        " ".join(f".sequence {selector} {{ {rules} }}" for selector, rules in scheme)
        for scheme in (_LIGHT, _DARK)
    )
    return f"{light} @media (prefers-color-scheme: dark) {{ {dark} }}"


def svg(sequence: Sequence) -> str:
    """Return the text of an SVG file."""
    names = sequence.participants
    width = _TIME + _COLUMN * len(names)
    rows = len(sequence.entries) + bool(sequence.left_out)
    height = _HEAD + _ROW * rows + 14
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} class="sequence" role="img">',
        f"<title>{html.escape(sequence.title)}: its last moments</title>",
        f"<style>{_style()}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
    ]
    for name in names:
        x = _x(sequence, name)
        parts.append(f'<line class="life" x1="{x}" y1="{_HEAD - 12}" x2="{x}" y2="{height - 6}"/>')
        parts.append(_box(x, 18, name, _COLUMN - 16, "box", "name"))
    y = _HEAD + _ROW // 2
    if sequence.left_out:
        parts.append(f'<text class="time" x="8" y="{y}">{sequence.left_out} before these</text>')
        y += _ROW
    for each in sequence.entries:
        parts += _entry(sequence, each, y)
        y += _ROW
    return "\n".join([*parts, "</svg>", ""])


def _x(sequence: Sequence, name: str) -> float:
    return _TIME + _COLUMN * (sequence.participants.index(name) + 0.5)


def _entry(sequence: Sequence, entry: Arrow | Note, y: int) -> Iterator[str]:
    yield f'<text class="time" x="8" y="{y + 4}">{entry.time_us / 1e6:.6g} s</text>'
    if isinstance(entry, Arrow):
        yield from _arrow(sequence, entry, y)
        return
    kinds = ("fails", "fails") if entry.is_failure else ("box", "")
    if entry.who in sequence.participants:
        x, room = _x(sequence, entry.who), _COLUMN - 16
    else:
        room = _COLUMN * len(sequence.participants) - 16
        x = _TIME + (room + 16) / 2
    if entry.is_failure:  # It may say more than fits between two lines.
        room = _COLUMN * len(sequence.participants) - 16
        x = min(max(x, _TIME + 8 + _wide(entry.text) / 2), _TIME + room + 8 - _wide(entry.text) / 2)
        x = max(x, _TIME + 8 + min(room, _wide(entry.text)) / 2)
    yield _box(x, y, entry.text, room, *kinds)


def _arrow(sequence: Sequence, arrow: Arrow, y: int) -> Iterator[str]:
    x0, x1 = _x(sequence, arrow.source), _x(sequence, arrow.destination)
    way = 1 if x1 >= x0 else -1
    if x0 == x1:  # To itself, or to nobody.
        x1 = x0 + 40
    if arrow.is_lost:
        x1 = x0 + (x1 - x0) * 0.75
    y += 5
    kind = "arrow lost" if arrow.is_lost else "arrow"
    yield f'<line class="{kind}" x1="{x0}" y1="{y}" x2="{x1}" y2="{y}"/>'
    if arrow.is_lost:
        cross = f"M{x1 - 4} {y - 4}l8 8m0 -8l-8 8"
        yield f'<path class="cross" d="{cross}"/>'
    else:
        yield f'<path class="tip" d="M{x1} {y}l{-8 * way} -4v8z"/>'
    left, right = sorted((x0, x1))
    room = max(right - left, _COLUMN) - 14
    is_short = right - left < _COLUMN - 1
    anchor = f'x="{left + 6}"' if is_short else f'x="{(left + right) / 2}" text-anchor="middle"'
    yield f'<text {anchor} y="{y - 5}">{html.escape(_cut(arrow.text, room))}</text>'


def _box(x: float, y: int, text: str, room: float, kind: str, words: str) -> str:
    shown = _cut(text, room - 10)
    wide = min(room, _wide(shown))
    return (
        f'<rect class="{kind}" x="{x - wide / 2:.1f}" y="{y - 11}" width="{wide:.1f}" height="22"'
        f' rx="4"/><text class="{words}" x="{x:.1f}" y="{y + 4}" text-anchor="middle">'
        f"{html.escape(shown)}</text>"
    )


def _wide(text: str) -> float:
    return len(text) * _CHARACTER + 16


def _cut(text: str, room: float) -> str:
    """Shorten a text to what fits.

    >>> _cut("a long text that has no room", 60)
    'a long...'
    """
    line = "".join(each for each in " ".join(text.split()) if each.isprintable())
    most = max(4, int(room / _CHARACTER))
    return line if len(line) <= most else f"{line[: most - 3]}..."
