"""An open file of a disk, as a descriptor names it: one more kind of open file of a host.

Owns: handing the calls that every descriptor has on to the disk. Must not know: the process.

Invariant: it is always ready, as poll(2) says of files; its last descriptor closes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simloop.net.files.open_file import IN, OUT, File

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.disk.open_inode import OpenInode

__all__ = ["DiskFile"]


class DiskFile(File):
    """What a descriptor of a file names.

    Args:
        opened: The open file of the disk.
    """

    __slots__ = ("find_buffer", "opened")

    def __init__(self, opened: OpenInode) -> None:
        super().__init__()
        self.opened = opened
        self.find_buffer: Callable[[], Any] | None = None
        """Returns the buffer of the program that writes to it, or None where that is gone."""

    def poll(self) -> int:
        """Return that it can be read and written."""
        return IN | OUT

    def read(self, size: int) -> bytes:
        """Read from where it stands."""
        return self.opened.read(size)

    def write(self, data: bytes) -> int:
        """Write to where it stands."""
        return self.opened.write(data)

    def count_unread(self) -> int:
        """Return how many bytes are left from where it stands."""
        return max(0, self.opened.inode.size - self.opened.position)

    def release(self) -> None:
        """Close it: its last descriptor is gone."""
        self.opened.close()
