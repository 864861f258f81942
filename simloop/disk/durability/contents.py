"""The bytes of one file: extents over what lies below, holes between them.

Owns: which bytes a file has. What was written lies in extents, sorted by where they begin; what was
not is the file below, as far as that still counts, and zeros beyond. So a file of a gigabyte in
which three bytes were written takes the memory of three bytes, and a large real file of which a
part is overwritten is not copied.

Must not know: what of this is durable.

Invariants: extents are not empty, do not overlap and end within ``size``; ``allocated`` is the sum
of their lengths; of the file below the first ``_below`` bytes count, at most ``size``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sortedcontainers import SortedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Reader = Callable[[int, int], bytes]

__all__ = ["Contents"]

_EXTENT_MAX = 1 << 22
"""From this length on an extent does not grow: to cut one costs its length."""

_COPIED_TWICE = 1 << 14
"""Up to this length a second copy costs less than the two objects that spare it."""

_NONE = bytearray()


class Contents:
    r"""Bytes that can be read and written anywhere.

    Args:
        reader: Reads ``(offset, size)`` of the file below; None where there is none.
        size: How many bytes the file below has.

    Example:
        >>> contents = Contents()
        >>> contents.write(5, b"five"); contents.read(3, 100)
        b'\x00\x00five'
    """

    __slots__ = ("_below", "_last", "_last_start", "_reader", "_sorted", "allocated", "size")

    def __init__(self, reader: Reader | None = None, size: int = 0) -> None:
        self._reader = reader
        self._below: int = size if reader is not None else 0
        # None as long as there is one extent at most, the last one: a sorted dictionary takes more
        # memory than a small file.
        self._sorted: SortedDict[int, bytearray] | None = None
        self._last = _NONE  # The extent that was used last, and where it begins.
        self._last_start = 0
        self.allocated: int = 0
        self.size: int = size

    @property
    def _extents(self) -> SortedDict[int, bytearray]:
        found = self._sorted
        if found is None:
            found = self._sorted = SortedDict()
            if self._last is not _NONE:
                found[self._last_start] = self._last
        return found

    @property
    def is_untouched(self) -> bool:
        """Whether this is the file below, whole and unchanged."""
        return self._reader is not None and not self.allocated and self._below == self.size

    def read(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes from ``offset`` on; none at or beyond the end."""
        end = offset + size
        end = min(end, self.size)
        if offset >= end:
            return b""
        start = self._last_start
        if start <= offset and end <= start + len(self._last):
            if size <= _COPIED_TWICE:
                return bytes(self._last[offset - start : end - start])
            return bytes(memoryview(self._last)[offset - start : end - start])
        return self._gather(offset, end)

    def _gather(self, offset: int, end: int) -> bytes:
        extents = self._extents
        index = extents.bisect_right(offset) - 1
        if index >= 0:
            start, data = extents.peekitem(index)
            if end <= start + len(data):
                self._last, self._last_start = data, start
                return bytes(memoryview(data)[offset - start : end - start])
        found = bytearray(end - offset)
        if self._reader is not None and offset < self._below:
            below = self._reader(offset, min(end, self._below) - offset)
            found[: len(below)] = below
        for start in extents.irange(extents.keys()[index] if index >= 0 else None, end - 1):
            data = extents[start]
            first, last = max(start, offset), min(start + len(data), end)
            if first < last:
                part = memoryview(data)[first - start : last - start]
                found[first - offset : last - offset] = part
        return bytes(found)

    def write(self, offset: int, data: bytes) -> None:
        """Put bytes at ``offset``; what lies between the end and there becomes a hole."""
        end = offset + len(data)
        if end == offset:
            return
        start = self._last_start
        if start <= offset and end <= start + len(self._last):
            self._last[offset - start : end - start] = data
            return
        length = len(self._last)
        if offset == start + length == self.size and 0 < length < _EXTENT_MAX:
            # The extent that was used last is the file's last one, and grows: most writes append.
            self._last += data
            self.allocated += end - offset
            self.size = end
            return
        self._place(offset, end, data)
        self.size = max(self.size, end)

    def _place(self, offset: int, end: int, data: bytes) -> None:
        if self._sorted is None and self._last is _NONE:
            self._last, self._last_start = bytearray(data), offset
            self.allocated = len(data)
            return
        extents = self._extents
        index = extents.bisect_right(offset) - 1
        if index >= 0:
            start, extent = extents.peekitem(index)
            length = len(extent)
            if offset <= start + length and (length < _EXTENT_MAX or end <= start + length):
                if end > start + length:
                    self._cut(start + length, end)
                    self.allocated += end - start - length
                extent[offset - start : end - start] = data
                self._last, self._last_start = extent, start
                return
        self._cut(offset, end)
        extents[offset] = self._last = bytearray(data)
        self._last_start = offset
        self.allocated += len(data)

    def _cut(self, offset: int, end: int) -> None:
        """Drop what extents have between two places."""
        extents = self._extents
        index = extents.bisect_right(offset) - 1
        first = extents.keys()[index] if index >= 0 else None
        for start in list(extents.irange(first, end - 1)):
            data = extents[start]
            stop = start + len(data)
            if stop <= offset:
                continue
            del extents[start]
            self.allocated -= min(stop, end) - max(start, offset)
            if start < offset:
                extents[start] = data[: offset - start]
            if stop > end:
                extents[end] = data[end - start :]
        self._last, self._last_start = _NONE, 0

    def truncate(self, size: int) -> None:
        """Cut the file, or let it grow by a hole."""
        if size < self.size:
            self._cut(size, self.size)
            self._below = min(self._below, size)
        self.size = size

    def copy(self) -> Contents:
        """Return the same bytes, apart from these."""
        twin = Contents(self._reader)
        twin._below, twin.size, twin.allocated = self._below, self.size, self.allocated
        if self._sorted is None:
            if self._last is not _NONE:
                twin._last, twin._last_start = bytearray(self._last), self._last_start
            return twin
        for start, data in self._sorted.items():
            twin._extents[start] = bytearray(data)
        return twin

    def allocated_in(self, offset: int, end: int) -> int:
        """Return how many bytes between two places have been written."""
        extents = self._extents
        index = extents.bisect_right(offset) - 1
        first = extents.keys()[index] if index >= 0 else None
        found = 0
        for start in extents.irange(first, end - 1):
            found += max(0, min(start + len(extents[start]), end) - max(start, offset))
        return found

    def data_ranges(self) -> Iterator[tuple[int, int]]:
        """Yield where there is data and no hole, in order: begin and end."""
        if self._below:
            yield 0, self._below
        if self._sorted is None:
            if self._last is not _NONE:
                yield self._last_start, self._last_start + len(self._last)
            return
        for start, data in self._sorted.items():
            yield start, start + len(data)

    def check(self) -> None:
        """Assert the invariants."""
        end = total = 0
        for start, data in self._extents.items():
            assert data, start
            assert start >= end, (start, end)
            end = start + len(data)
            total += len(data)
        assert end <= self.size, (end, self.size)
        assert total == self.allocated, (total, self.allocated)
        assert 0 <= self._below <= self.size
        assert self._last is _NONE or self._extents[self._last_start] is self._last
