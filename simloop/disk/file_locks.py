"""Locks of files: of whole ones by an open file (flock), of ranges by a process (fcntl, lockf).

Owns: which locks are held, and whether one more goes together with them. Locks of the two kinds do
not see each other (flock(2)). Each belongs to an *owner*: the open file of a flock, the process of
a range, or the open file where it asked by ``F_OFD_SETLK``. A process loses its ranges of a file
with any descriptor of that file that it closes, which is POSIX's rule (fcntl_locking(2)).

Must not know: waiting. A lock that can't be had now is EAGAIN; who may wait asks again.

Invariant: the ranges of one owner do not overlap.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

from .disk_errors import file_error

if TYPE_CHECKING:
    from .inode import Inode

__all__ = ["FOREVER", "FileLocks", "locks_of"]

FOREVER = 1 << 63
"""The end of a range that goes on beyond the end of its file."""


class _Range(NamedTuple):
    owner: object
    start: int
    end: int
    is_shared: bool


class FileLocks:
    """The locks of one file.

    Example:
        >>> locks = FileLocks()
        >>> locks.lock_range("one", 0, 10, is_shared=False)
        >>> locks.lock_range("other", 5, 6, is_shared=True)
        Traceback (most recent call last):
        ...
        BlockingIOError: [Errno 11] Resource temporarily unavailable
    """

    __slots__ = ("_ranges", "_whole")

    def __init__(self) -> None:
        self._whole: dict[object, bool] = {}  # Whether it is shared, by owner.
        self._ranges: list[_Range] = []

    def lock_whole(self, owner: object, *, is_shared: bool) -> None:
        """Lock the file for an open file, in place of the lock that it has; EAGAIN."""
        for other, other_shares in self._whole.items():
            if other is not owner and not (is_shared and other_shares):
                self._whole.pop(owner, None)  # A failed conversion loses the lock: flock(2).
                raise file_error(errno.EAGAIN)
        self._whole[owner] = is_shared

    def unlock_whole(self, owner: object) -> None:
        """Give up what :meth:`lock_whole` gave."""
        self._whole.pop(owner, None)

    def conflict(self, owner: object, start: int, end: int, *, is_shared: bool) -> _Range | None:
        """Return a lock of another owner that is in the way, or None."""
        for each in self._ranges:
            overlaps = each.start < end and start < each.end
            if each.owner != owner and overlaps and not (is_shared and each.is_shared):
                return each
        return None

    def lock_range(self, owner: object, start: int, end: int, *, is_shared: bool) -> None:
        """Lock a range for a process, in place of what it has of it; EAGAIN."""
        if self.conflict(owner, start, end, is_shared=is_shared) is not None:
            raise file_error(errno.EAGAIN)
        self.unlock_range(owner, start, end)
        self._ranges.append(_Range(owner, start, end, is_shared))

    def unlock_range(self, owner: object, start: int = 0, end: int = FOREVER) -> None:
        """Give up a range, or the parts of others within it."""
        left: list[_Range] = []
        for each in self._ranges:
            if each.owner != owner or each.end <= start or end <= each.start:
                left.append(each)
                continue
            if each.start < start:
                left.append(each._replace(end=start))
            if end < each.end:
                left.append(each._replace(start=end))
        self._ranges = left

    def check(self) -> None:
        """Assert the invariant."""
        for at, one in enumerate(self._ranges):
            for other in self._ranges[at + 1 :]:
                overlaps = other.start < one.end and one.start < other.end
                assert one.owner != other.owner or not overlaps, (one, other)


def locks_of(inode: Inode) -> FileLocks:
    """Return the locks of a file, made when they are first asked for."""
    if inode.locks is None:
        inode.locks = FileLocks()
    assert isinstance(inode.locks, FileLocks)
    return inode.locks
