"""What a program sees on Linux, measured, beside what it sees here: the rows, and how they compare.

A row holds what Linux 6.18 showed (RTT 50 ms unless it says otherwise) and a function that does the
same here. Names of errors and counts must be equal, times within 10 % or 20 ms; where bytes or
rates depend on how Linux accounts memory, the row says so and allows more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

CHAPTERS: dict[str, list[Row]] = {}


@dataclass
class Row:
    """One row."""

    what: str
    linux: Any
    measure: Callable[[Callable[..., Any]], Any]
    relative: float = 0.1
    absolute: float = 0.02
    slow: bool = False

    def agrees(self, here: Any) -> bool:
        """Whether what was seen here is what Linux showed."""
        return agree(self.linux, here, self.relative, self.absolute)


def agree(linux: Any, here: Any, relative: float, absolute: float) -> bool:
    """Compare element by element: floats within a tolerance, all else for equality."""
    if isinstance(linux, (tuple, list)):
        return len(linux) == len(here) and all(
            agree(one, other, relative, absolute) for one, other in zip(linux, here, strict=True)
        )
    if isinstance(linux, float):
        return abs(here - linux) <= max(relative * linux, absolute)
    return bool(linux == here)


def row(chapter: str, what: str, linux: Any, **options: Any) -> Callable[[Any], Any]:
    """Register a measuring function as a row of a chapter."""

    def register(measure: Any) -> Any:
        CHAPTERS.setdefault(chapter, []).append(Row(what, linux, measure, **options))
        return measure

    return register
