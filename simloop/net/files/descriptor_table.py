"""A host's table of descriptors.

Owns: the numbers, and which open file each one names. Numbers start far above any descriptor of
the real process, and each new one is the lowest that is free, as POSIX promises. Knows nothing of
what the files are.

Invariants: ``next`` follows the highest number in the table (base where it is empty); every lower
number from base on is either in the table or in the heap of free ones, once; what the heap holds
beyond ``next`` is stale, and when its least number is, all of it is; a file's ``references`` is at
least the count of its entries.
"""

from __future__ import annotations

import errno
import heapq
from typing import TYPE_CHECKING

from simloop.net.errnos import os_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from .open_file import File

__all__ = ["FIRST_DESCRIPTOR", "DescriptorTable"]

FIRST_DESCRIPTOR = 1_000_000
_SMALL = 1024  # Entries that are not worth shrinking.


class DescriptorTable:
    """Give numbers to open files.

    >>> from simloop.net.files.open_file import File
    >>> table = DescriptorTable(base=100, limit=2)
    >>> table.add(File()), table.add(File())
    (100, 101)
    >>> table.close(100); table.add(File())
    100
    """

    __slots__ = (
        *("_files", "_free", "_inheritable", "_next", "_peak"),
        *("base", "is_over", "limit", "look_up"),
    )

    def __init__(self, base: int = FIRST_DESCRIPTOR, limit: int = 1_000_000) -> None:
        self.base: int = base
        self.limit: int = limit
        self.is_over: bool = False
        self._files: dict[int, File] = {}
        self.look_up: Callable[[int], File | None] = self._files.get
        """Returns the file that a number names, or None: the dictionary's own method, for speed."""
        self._free: list[int] = []
        self._inheritable: dict[int, None] = {}
        self._next = base
        self._peak = 0  # The most entries since the table was last shrunk.

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, fd: object) -> bool:
        return fd in self._files

    def check_room(self) -> None:
        """Raise EMFILE at the limit: a call that takes what it will number asks first."""
        if len(self._files) >= self.limit:
            raise os_error(errno.EMFILE)

    def add(self, file: File) -> int:
        """Return the lowest free number, which now names ``file``; EMFILE at the limit."""
        files = self._files
        if len(files) >= self.limit:
            raise os_error(errno.EMFILE)
        free = self._free
        if free and free[0] < self._next:
            fd = heapq.heappop(free)
        else:
            if free:
                free.clear()
            fd = self._next
            self._next = fd + 1
        files[fd] = file
        if len(files) > _SMALL:
            self._peak = max(self._peak, len(files))
        file.references += 1
        return fd

    def put(self, fd: int, file: File) -> None:
        """Let a number of one's choice name ``file``, as dup2(2) does; EBADF beyond the limit.

        What it named before is closed. If that is ``file`` itself, nothing happens.
        """
        if not self.base <= fd < self.base + self.limit:
            raise os_error(errno.EBADF)
        if self._files.get(fd) is file:
            return
        file.references += 1  # It may be open by this number alone.
        if fd in self._files:
            self.close(fd)
        free = [each for each in self._free if each < self._next and each != fd]
        free += range(self._next, fd)
        heapq.heapify(free)
        self._free = free
        self._next = max(self._next, fd + 1)
        self._files[fd] = file
        self._peak = max(self._peak, len(self._files))

    def get(self, fd: int) -> File:
        """Return the file that ``fd`` names; EBADF if there is none."""
        try:
            return self._files[fd]
        except KeyError:
            pass  # Raised outside, as an error of the system has no other as its context.
        raise os_error(errno.EBADF)

    def close(self, fd: int) -> None:
        """Free the number; the file is released with its last one. EBADF if there is none."""
        file = self._files.pop(fd, None)
        if file is None:
            if self.is_over:
                return
            raise os_error(errno.EBADF)
        if self._inheritable:
            self._inheritable.pop(fd, None)
        if fd == self._next - 1:
            self._lower(fd)
        else:
            heapq.heappush(self._free, fd)
        if self._peak > _SMALL and len(self._files) * 8 < self._peak:
            left = dict(self._files)  # Dicts don't shrink by themselves.
            self._files.clear()
            self._files.update(left)
            self._peak = len(left)
        file.drop()

    def end(self) -> None:
        """Take note that the process has ended: what is left is forgotten, closing is no error.

        Objects of the process may be freed later, by others, and close what they think is open.
        """
        self.is_over = True
        self._files.clear()

    def is_inheritable(self, fd: int) -> bool:
        """Return whether a started process would inherit the number: only if set (PEP 446)."""
        self.get(fd)
        return fd in self._inheritable

    def set_inheritable(self, fd: int, *, inheritable: bool) -> None:
        """Keep the flag FD_CLOEXEC (fcntl(2)); it has no effect, as there is one process."""
        self.get(fd)
        self._inheritable.pop(fd, None)
        if inheritable:
            self._inheritable[fd] = None

    def _lower(self, fd: int) -> None:
        """Let ``next`` follow the highest number left, now that ``fd``, the last one, is free."""
        while fd > self.base and fd - 1 not in self._files:
            fd -= 1
        self._next = fd
        if self._free and self._free[0] >= fd:
            self._free.clear()

    def numbers(self) -> list[int]:
        """List the open numbers, lowest first."""
        return sorted(self._files)

    def check(self) -> None:
        """Assert the invariants."""
        free = sorted(fd for fd in self._free if fd < self._next)
        known = sorted([*self._files, *free])
        assert known == list(range(self.base, self._next)), known
        counts: dict[File, int] = {}
        for file in self._files.values():
            counts[file] = counts.get(file, 0) + 1
        for file, count in counts.items():
            assert file.references >= count, (file, count)
