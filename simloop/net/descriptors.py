"""A host's table of descriptors.

Owns: the numbers, and which open file each one names. Numbers start far above any descriptor of
the real process, and each new one is the lowest that is free, as POSIX promises. Knows nothing of
what the files are.

Invariants: every number in the table lies in [base, next); every number in that range is either in
the table or in the heap of free ones; a file's ``references`` is at least the count of its entries.
"""

from __future__ import annotations

import errno
import heapq
from typing import TYPE_CHECKING

from simloop.net.faults import fault

if TYPE_CHECKING:
    from simloop.net.files import File

__all__ = ["FIRST_DESCRIPTOR", "DescriptorTable"]

FIRST_DESCRIPTOR = 1_000_000


class DescriptorTable:
    """Give numbers to open files.

    >>> from simloop.net.files import File
    >>> table = DescriptorTable(base=100, limit=2)
    >>> table.add(File()), table.add(File())
    (100, 101)
    >>> table.close(100); table.add(File())
    100
    """

    __slots__ = ("_files", "_free", "_next", "base", "limit")

    def __init__(self, base: int = FIRST_DESCRIPTOR, limit: int = 1_000_000) -> None:
        self.base = base
        self.limit = limit
        self._files: dict[int, File] = {}
        self._free: list[int] = []
        self._next = base

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, fd: object) -> bool:
        return fd in self._files

    def check_room(self) -> None:
        """Raise EMFILE at the limit: whoever takes something to number it asks before."""
        if len(self._files) >= self.limit:
            raise fault(errno.EMFILE)

    def add(self, file: File) -> int:
        """Return the lowest free number, which now names ``file``; EMFILE at the limit."""
        self.check_room()
        if self._free:
            fd = heapq.heappop(self._free)
        else:
            fd = self._next
            self._next += 1
        self._files[fd] = file
        file.acquire()
        return fd

    def get(self, fd: int) -> File:
        """Return the file that ``fd`` names; EBADF if there is none."""
        try:
            return self._files[fd]
        except KeyError:
            raise fault(errno.EBADF) from None

    def close(self, fd: int) -> None:
        """Free the number; the file is released with its last one. EBADF if there is none."""
        try:
            file = self._files.pop(fd)
        except KeyError:
            raise fault(errno.EBADF) from None
        if fd == self._next - 1:
            self._next = fd
        else:
            heapq.heappush(self._free, fd)
        file.drop()

    def numbers(self) -> list[int]:
        """List the open numbers, lowest first."""
        return sorted(self._files)

    def check(self) -> None:
        """Assert the invariants."""
        free = sorted(self._free)
        for fd in free:
            assert fd not in self._files, fd
        known = sorted([*self._files, *free])
        assert known == list(range(self.base, self._next)), known
        counts: dict[File, int] = {}
        for file in self._files.values():
            counts[file] = counts.get(file, 0) + 1
        for file, count in counts.items():
            assert file.references >= count, (file, count)
