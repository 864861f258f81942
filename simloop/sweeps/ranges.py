"""Ranges of numbers: which of a sweep are done.

Owns: the ranges, joined wherever they touch, and what is missing between them.

Must not know: what the numbers are.

Invariants: ranges do not overlap or touch; each has at least one number; the count is their sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sortedcontainers import SortedDict

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Ranges"]


class Ranges:
    """Numbers, kept as ranges.

    Example:
        >>> done = Ranges()
        >>> done.add(1, 5), done.add(8, 9), done.add(5, 7)
        (4, 1, 2)
        >>> list(done), list(done.missing(1, 12)), done.count
        ([(1, 7), (8, 9)], [(7, 8), (9, 12)], 7)
    """

    def __init__(self) -> None:
        self._ends: SortedDict[int, int] = SortedDict()  # End by first, end not included.
        self.count: int = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield each range, its end not included, in order."""
        return iter(self._ends.items())

    def add(self, first: int, end: int) -> int:
        """Add the numbers from ``first`` up to ``end``; return how many of them are new."""
        if first >= end:
            return 0
        new = sum(stop - start for start, stop in self.missing(first, end))
        at = max(0, self._ends.bisect_right(first) - 1)
        while at < len(self._ends):
            start, stop = self._ends.peekitem(at)
            if start > end:
                break
            if stop < first:
                at += 1
                continue
            first, end = min(first, start), max(end, stop)
            del self._ends[start]
        self._ends[first] = end
        self.count += new
        return new

    def missing(self, first: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the ranges between ``first`` and ``end`` that are not there."""
        at = max(0, self._ends.bisect_right(first) - 1)
        for start, stop in self._ends.items()[at:]:
            if start >= end:
                break
            if start > first:
                yield first, start
            first = max(first, stop)
        if first < end:
            yield first, end

    def end_of(self, number: int) -> int:
        """Return the first number from ``number`` on that is not there."""
        at = self._ends.bisect_right(number) - 1
        return number if at < 0 else max(number, self._ends.peekitem(at)[1])

    def check(self) -> None:
        """Assert the invariants."""
        before = None
        for first, end in self:
            assert first < end, (first, end)
            assert before is None or before < first, (before, first)
            before = end
        assert self.count == sum(end - first for first, end in self)
