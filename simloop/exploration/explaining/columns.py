"""Two columns: one run beside another, from where they part.

Owns: finding that place, and the layout. Must not know how the rows were made.
"""

from __future__ import annotations

import difflib
import os
import sys
from typing import TYPE_CHECKING

import attrs

from simloop._kernel.safe_looks import printable

from .fitting import columns_of, cut, fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .step_log import Row

__all__ = ["Column", "aligned", "first_difference", "room", "side_by_side"]

_WIDEST = 119
_NARROWEST = 60
_BEFORE = 2
_ROWS = 22
_TIME = 9


def first_difference(one: Sequence[Row], other: Sequence[Row]) -> int:
    """Return the index of the first step that is not the same in two runs, times aside."""
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return index
    return min(len(one), len(other))


def _first_late(one: Sequence[Row], other: Sequence[Row]) -> int:
    """Return the index of the first step that comes at another time, of steps that are the same."""
    times = enumerate(zip(one, other, strict=True))
    return next((at for at, (left, right) in times if left.now_ns != right.now_ns), len(one))


@attrs.frozen
class Column:
    """One run."""

    title: str
    rows: Sequence[Row]
    """Its steps."""
    end: str = ""
    """How it ended; empty for one that is shown up to the other's end only."""


def room() -> int:
    """Return how many characters a line may have: as many as the terminal shows, if it is one."""
    try:
        shown = os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else None
    except (AttributeError, OSError, ValueError):  # Replaced, detached or closed.
        shown = None
    return min(max(shown or _WIDEST, _NARROWEST), _WIDEST)


def side_by_side(one: Column, other: Column) -> list[str]:
    """Return lines with both runs, from just before they part up to their ends."""
    width = (room() - 3) // 2
    pairs = aligned(one, other)
    if len(pairs) > _ROWS:
        upper = _ROWS // 2
        skipped = len(pairs) - _ROWS
        lines = [_line(*pair, width) for pair in pairs[:upper]]
        lines.append(f"{f'... {skipped} rows ...':^{2 * width + 3}}".rstrip())
        lines += [_line(*pair, width) for pair in pairs[-(_ROWS - upper) :]]
    else:
        lines = [_line(*pair, width) for pair in pairs]
    head = f"{fitted(one.title, width)} | {cut(other.title, width)}"
    ends = f"{fitted(one.end, width)} | {other.end}"
    return [head, f"{'-' * width}-+-{'-' * width}", *lines, ends]


def aligned(one: Column, other: Column) -> list[tuple[Row | None, Row | None]]:
    """Return the steps of both runs in pairs, from just before they part up to their ends.

    They part where a step comes at another time, which is where a delay shows first, if there is
    room for all that comes after it; else where the steps themselves are others.
    """
    first = first_difference(one.rows, other.rows)
    earlier = _first_late(one.rows[:first], other.rows[:first])
    if max(len(one.rows), len(other.rows)) - max(0, earlier - _BEFORE) <= _ROWS:
        first = earlier
    first = max(0, first - _BEFORE)
    pairs = _paired(one.rows[first:], other.rows[first:])
    while pairs and pairs[-1][1] is None and not one.end:
        pairs.pop()  # What an undisturbed run did after the failure is no part of it.
    return pairs


def _paired(plain: Sequence[Row], failing: Sequence[Row]) -> list[tuple[Row | None, Row | None]]:
    """Pair equal steps; what only one run has stands alone."""
    matcher = difflib.SequenceMatcher(None, plain, failing, autojunk=False)
    pairs: list[tuple[Row | None, Row | None]] = []
    for _, low, high, low_2, high_2 in matcher.get_opcodes():
        left: list[Row | None] = [*plain[low:high]]
        right: list[Row | None] = [*failing[low_2:high_2]]
        size = max(len(left), len(right))
        left += [None] * (size - len(left))
        right += [None] * (size - len(right))
        pairs += zip(left, right, strict=True)
    return pairs


def _line(left: Row | None, right: Row | None, width: int) -> str:
    return f"{fitted(_cell(left, width), width)} | {_cell(right, width)}".rstrip()


def _cell(row: Row | None, width: int) -> str:
    if row is None:
        return ""
    text = printable(f"{row.now_ns / 1e9:<{_TIME}.6g} {row.who} {row.where}")
    left = width - columns_of(text) - 2
    if left > 8:  # noqa: PLR2004 - shorter tells nothing
        source = printable(row.source)
        source = source if columns_of(source) <= left else f"{cut(source, left - 3)}..."
        text += f"  {source}"
    return cut(text, width)
