"""Two columns: the undisturbed run beside the failing one, from where they part.

Owns: finding that place, and the layout. Must not know how the rows were made.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .step_log import Row

__all__ = ["first_difference", "side_by_side"]

_WIDTH = 58
_BEFORE = 2
_ROWS = 22
_TIME = 9


def first_difference(one: Sequence[Row], other: Sequence[Row]) -> int:
    """Return the index of the first step that is not the same in two runs, times aside."""
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return index
    return min(len(one), len(other))


def side_by_side(plain: Sequence[Row], failing: Sequence[Row], end: str) -> list[str]:
    """Return lines with both runs, from just before they part up to the failure.

    Args:
        plain: The steps of the undisturbed run.
        failing: Those of the failing one, up to its end.
        end: How that one ended.
    """
    first = max(0, first_difference(plain, failing) - _BEFORE)
    pairs = _aligned(plain[first:], failing[first:])
    while pairs and pairs[-1][1] is None:
        pairs.pop()  # What the undisturbed run did after the failure is no part of it.
    if len(pairs) > _ROWS:
        head = _ROWS // 2
        skipped = len(pairs) - _ROWS
        lines = [_line(*pair) for pair in pairs[:head]]
        lines.append(f"{f'... {skipped} rows ...':^{2 * _WIDTH + 3}}".rstrip())
        lines += [_line(*pair) for pair in pairs[-(_ROWS - head) :]]
    else:
        lines = [_line(*pair) for pair in pairs]
    head_line = f"{'undisturbed':<{_WIDTH}} | failing"
    return [head_line, f"{'-' * _WIDTH}-+-{'-' * _WIDTH}", *lines, f"{'':<{_WIDTH}} | {end}"]


def _aligned(plain: Sequence[Row], failing: Sequence[Row]) -> list[tuple[Row | None, Row | None]]:
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


def _line(left: Row | None, right: Row | None) -> str:
    return f"{_cell(left):<{_WIDTH}} | {_cell(right)}".rstrip()


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    text = f"{row.now_ns / 1e9:<{_TIME}.6g} {row.who} {row.where}"
    room = _WIDTH - len(text) - 2
    if room > 8:  # noqa: PLR2004 - shorter tells nothing
        source = row.source if len(row.source) <= room else f"{row.source[: room - 3]}..."
        text += f"  {source}"
    return text[:_WIDTH]
