"""What lies below a disk: files that are there before a program writes any, and stay as they are.

Owns: the contract of such files, read-only, and the one that has none. The real files of the
machine come through this, by an argument: a disk knows no other way to them.

Invariant: paths are absolute, without ``.``, ``..``, symbolic links on the way, or a slash at the
end.
"""

from __future__ import annotations

import stat
from typing import NamedTuple, Protocol

__all__ = ["Lower", "NoFiles", "Status"]


class Status(NamedTuple):
    """What lstat(2) tells of a file below."""

    mode: int
    number: int
    device: int
    links: int
    uid: int
    gid: int
    size: int
    access_ns: int
    modify_ns: int
    change_ns: int
    rdev: int = 0


class Lower(Protocol):
    """Files that are only read."""

    def status(self, path: str, /) -> Status | None:
        """Return the status of a path, whose last link is not followed; None if it has none."""

    def names(self, path: str, /) -> list[str]:
        """List the names in a folder, in any order.

        Raises:
            OSError: It can't be listed.
        """

    def target(self, path: str, /) -> str:
        """Return what a symbolic link holds."""

    def read(self, path: str, offset: int, size: int, /) -> bytes:
        """Read a part of a file; less than ``size`` bytes where it ends."""


class NoFiles:
    """Nothing but an empty root.

    Example:
        >>> NoFiles().names("/"), NoFiles().status("/etc")
        ([], None)
    """

    _ROOT = Status(stat.S_IFDIR | 0o777, 2, 1, 2, 0, 0, 4096, 0, 0, 0)

    def status(self, path: str, /) -> Status | None:
        """Return the status of the root, None for all else."""
        return self._ROOT if path == "/" else None

    def names(self, path: str, /) -> list[str]:
        """Return none."""
        del path
        return []

    def target(self, path: str, /) -> str:
        """Return nothing: there are no links."""
        del path
        return ""

    def read(self, path: str, offset: int, size: int, /) -> bytes:
        """Return nothing: there are no files."""
        del path, offset, size
        return b""
