"""An open file of a disk: position, flags, and the calls that take a descriptor.

Owns: reading and writing as read(2), write(2), lseek(2) and their kin do; faults that the disk was
configured for, in the order in which a device shows them: time passes, then the call fails or does
its work.

Must not know: numbers of descriptors.

Invariants:

- After a power cut an open file of before answers EIO to all: there is no process that could have
  kept it.
- Reads and writes of a perfect disk, which most are, take a short way that does what the long one
  does, without its questions.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from .disk_errors import file_error
from .file_locks import locks_of

if TYPE_CHECKING:
    from .disk import Disk
    from .inode import Inode

__all__ = ["OpenInode"]

_ACCESS = os.O_ACCMODE
_READ_MAX = 0x7FFF_F000
"""What Linux reads or writes at most in one call (read(2))."""
_SIZE_MAX = 1 << 44
_BLOCK = 4096
_WORD = 1 << 63
_SHORT_MAX = (1 << 30) - 1
"""How far the short way goes: Python compares quickly what is one digit of an int to it."""
_NEVER = -2
"""A boot that is none: the short way is not for this file."""
_SYNCS = os.O_SYNC | os.O_DSYNC
_ASKS = os.O_APPEND | _SYNCS
"""Flags that a write has to look at."""


class OpenInode:
    """What a descriptor of a file or a folder stands for.

    Args:
        disk: The disk that it lies on.
        inode: The file.
        flags: Those of open(2).
    """

    __slots__ = (
        *("_boot", "_plain_read", "_plain_seek", "_plain_write"),
        *("disk", "flags", "inode", "may_read", "may_write", "name", "position"),
    )

    def __init__(self, disk: Disk, inode: Inode, flags: int, name: str) -> None:
        self.disk: Disk = disk
        self.inode: Inode = inode
        self.flags: int = flags
        self.name: str = name
        """The last name of the path that it was opened by, for questions and reports."""
        self.position: int = 0
        is_path = bool(flags & os.O_PATH)
        self.may_read: bool = flags & _ACCESS != os.O_WRONLY and not is_path
        self.may_write: bool = flags & _ACCESS != os.O_RDONLY and not is_path
        self._boot = disk.boots
        # In which boot of a perfect disk nothing is to be asked before a read, or a write.
        self._plain_read = self._boot if self.may_read and inode.is_file else _NEVER
        self._plain_write = _NEVER
        self.set_flags(flags)
        self._plain_seek = _NEVER if is_path else self._boot
        inode.opens += 1
        disk.tree.keep(inode)

    def set_flags(self, flags: int) -> None:
        """Take other flags, as F_SETFL does (fcntl(2))."""
        self.flags = flags
        is_plain = self.may_write and self.inode.is_file and not flags & _ASKS
        self._plain_write = self._boot if is_plain else _NEVER

    def close(self) -> None:
        """Let go of the file: its last descriptor is closed."""
        inode = self.inode
        if self._boot != self.disk.boots:
            return
        inode.opens -= 1
        if inode.locks is not None:
            locks_of(inode).unlock_whole(self)
            locks_of(inode).unlock_range(self)
        if not inode.opens:
            self.disk.let_go(inode)
            self.disk.tree.release(inode)

    def check_usable(self) -> None:
        """Raise EBADF where only the path was opened, EIO where the power was cut since."""
        if self.flags & os.O_PATH:
            raise file_error(errno.EBADF)
        if self._boot != self.disk.boots:
            raise file_error(errno.EIO)

    # Reading -------------------------------------------------------------------------------

    def pread(self, size: int, offset: int) -> bytes:
        """Read from a place, and leave the position alone."""
        inode, disk = self.inode, self.disk
        if (
            self._plain_read == disk.plain_boot
            and 0 <= offset <= _SHORT_MAX
            and 0 <= size <= _SHORT_MAX
        ):
            return inode.contents.read(offset, size)
        if not self.may_read:
            raise file_error(errno.EBADF)
        if self._boot != disk.boots:
            raise file_error(errno.EIO)
        if not inode.is_file:
            raise file_error(errno.EISDIR if inode.is_folder else errno.EINVAL)
        _check_numbers(size, offset)
        if offset < 0 or size < 0:
            raise file_error(errno.EINVAL)
        disk.fail("read", self.name, disk.settings.read_error)
        disk.rot(inode, self.name, offset, size)
        return inode.contents.read(offset, min(size, _READ_MAX))

    def read(self, size: int) -> bytes:
        """Read from the position on, and move it."""
        data = self.pread(size, self.position)
        self.position += len(data)
        return data

    # Writing -------------------------------------------------------------------------------

    def pwrite(self, data: bytes, offset: int) -> int:
        """Write to a place; to the end with O_APPEND, as Linux does (BUGS of its manual page)."""
        disk, end = self.disk, offset + len(data)
        if self._plain_write == disk.plain_boot and 0 <= offset < end <= _SHORT_MAX:
            disk.used += self.inode.write(offset, data, disk.conditions.now_ns())
            return end - offset
        return self._write(data, offset)[0]

    def write(self, data: bytes) -> int:
        """Write from the position on, and move it."""
        offset, disk = self.position, self.disk
        end = offset + len(data)
        if self._plain_write == disk.plain_boot and offset < end <= _SHORT_MAX:
            disk.used += self.inode.write(offset, data, disk.conditions.now_ns())
            self.position = end
            return end - offset
        written, self.position = self._write(data, offset)
        return written

    def _write(self, data: bytes, offset: int) -> tuple[int, int]:
        """Return how many bytes were written, and where they end."""
        _check_numbers(0, offset)
        inode, disk = self.inode, self.disk
        if not self.may_write:
            raise file_error(errno.EBADF)
        if self._boot != disk.boots:
            raise file_error(errno.EIO)
        if offset < 0:
            raise file_error(errno.EINVAL)
        if not data:
            return 0, offset
        if self.flags & os.O_APPEND:
            offset = inode.contents.size
        if not disk.is_perfect:
            disk.fail("write", self.name, disk.settings.write_error)
            data = data[: disk.room_for(inode, offset, len(data))]
        if offset + len(data) > _SIZE_MAX:
            raise file_error(errno.EFBIG)
        disk.used += inode.write(offset, data, disk.conditions.now_ns())
        if self.flags & _SYNCS:
            self.sync()
        return len(data), offset + len(data)

    def truncate(self, size: int) -> None:
        """Give the file a size, as ftruncate(2) does."""
        if size < 0:
            raise file_error(errno.EINVAL)
        self.check_usable()
        if not self.may_write or not self.inode.is_file:
            raise file_error(errno.EINVAL)
        self.disk.truncate(self.inode, size)

    def allocate(self, offset: int, size: int) -> None:
        """Let a file have at least a size, as posix_fallocate(3) does."""
        self.check_usable()
        if offset < 0 or size <= 0:
            raise file_error(errno.EINVAL)
        if not self.may_write:
            raise file_error(errno.EBADF)
        if offset + size > self.inode.contents.size:
            self.disk.truncate(self.inode, offset + size)

    def sync(self) -> None:
        """Make the file durable, or the entries of the folder, as fsync(2) does."""
        self.check_usable()
        self.disk.sync(self.inode, self.name)

    # The position --------------------------------------------------------------------------

    def seek(self, offset: int, whence: int) -> int:
        """Move the position, as lseek(2) does; return it."""
        if not whence and 0 <= offset <= _SHORT_MAX and self._plain_seek == self.disk.boots:
            self.position = offset
            return offset
        _check_numbers(0, offset)
        self.check_usable()
        size = self.inode.size if self.inode.is_file else 0
        if whence == os.SEEK_CUR:
            offset += self.position
        elif whence == os.SEEK_END:
            offset += size
        elif whence in (os.SEEK_DATA, os.SEEK_HOLE):
            offset = self._next_range(offset, size, is_data=whence == os.SEEK_DATA)
        elif whence != os.SEEK_SET:
            raise file_error(errno.EINVAL)
        if not 0 <= offset <= _SIZE_MAX:
            raise file_error(errno.EINVAL)
        self.position = offset
        return offset

    def _next_range(self, offset: int, size: int, *, is_data: bool) -> int:
        """Return where the next data, or the next hole, begins: by blocks, as ext4 has them."""
        if not 0 <= offset < size:
            raise file_error(errno.ENXIO)
        for start, end in self.inode.contents.data_ranges():
            first, last = start - start % _BLOCK, -(-end // _BLOCK) * _BLOCK
            if offset >= last:
                continue
            if is_data:
                return max(offset, first)
            if offset < first:
                return offset
            offset = last
        if is_data:
            raise file_error(errno.ENXIO)
        return min(offset, size)


def _check_numbers(size: int, offset: int) -> None:
    """Raise OverflowError for what no C integer holds, as ``os`` does."""
    for number, kind in ((size, "ssize_t"), (offset, "long")):
        if not -_WORD <= number < _WORD:
            raise OverflowError(f"Python int too large to convert to C {kind}")
