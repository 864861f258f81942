"""The functions of ``os`` and ``fcntl`` that take a descriptor of a file.

Owns: one method for each, named as there and called the same way. Each raises
:class:`~simloop.disk.disk_errors.NotOnDiskError` for a descriptor of something else.

Must not know: how the real functions are replaced; how a process waits for a lock.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from typing import TYPE_CHECKING, Any

from simloop.disk.disk_errors import file_error
from simloop.disk.file_locks import FOREVER, locks_of
from simloop.errors import UnsupportedError
from simloop.net.files.fcntl_flags import control_device
from simloop.net.linux import fcntl_names

from .file_status import limit_of, status_of, volume_status_of
from .path_arguments import PathArguments

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simloop.disk.open_inode import OpenInode

__all__ = ["DescriptorFunctions"]

_CHUNK = 1 << 20
_PIPE_SIZE = 1 << 16  # What a pipe holds, and so what is moved at once (pipe(7)).
_CREATION = os.O_CREAT | os.O_EXCL | os.O_TRUNC | os.O_NOCTTY | os.O_CLOEXEC
_LARGE_FILE = 0o100000
"""O_LARGEFILE as the kernel has it; ``os`` has the C library's, which is 0 on 64 bits."""
_ADVICE = range(6)  # POSIX_FADV_NORMAL to POSIX_FADV_NOREUSE of fadvise.h.
_HINTS, _APPENDS, _SYNCS = 0x3F, 0x10, 0x2 | 0x4
"""RWF_HIPRI to RWF_NOAPPEND; RWF_APPEND; RWF_DSYNC and RWF_SYNC (pwritev2(2))."""
_OFD_GETLK, _OFD_SETLK, _OFD_SETLKW = 36, 37, 38
"""``fcntl`` has them as F_OFD_GETLK and so on where Python knows them."""
_OF_FILES = (
    *(fcntl_names.FIONREAD, fcntl_names.FIONBIO, fcntl_names.FIOCLEX, fcntl_names.FIONCLEX),
)
_CLONES = (0x40049409, 0x4020940D)
"""FICLONE and FICLONERANGE, which ext4 has not (ioctl_ficlone(2)); ``pathlib`` tries the first."""
_FLOCK = struct.Struct("hhqqi4x")
"""``struct flock`` of fcntl(2) on 64 bits: type, whence, start, length, pid."""


class DescriptorFunctions(PathArguments):
    """Answer calls on descriptors."""

    def _usable(self, fd: Any) -> OpenInode:
        """Return an open file that more is known of than its path."""
        opened = self.opened(fd)
        opened.check_usable()
        return opened

    # Reading and writing -------------------------------------------------------------------

    def read(self, fd: Any, size: int) -> bytes:
        """Read from where the file stands."""
        return self.opened(fd).read(size)

    def pread(self, fd: Any, size: int, offset: int) -> bytes:
        """Read from a place."""
        return self.opened(fd).pread(size, offset)

    def readinto(self, fd: Any, buffer: Any) -> int:
        """Read into a buffer."""
        return self.readv(fd, [buffer])

    def readv(self, fd: Any, buffers: Sequence[Any]) -> int:
        """Read into several buffers, one after the other."""
        opened = self.opened(fd)
        return _fill(buffers, opened.read)

    def preadv(self, fd: Any, buffers: Sequence[Any], offset: int, flags: int = 0) -> int:
        """Read into several buffers from a place."""
        opened = self.opened(fd)
        if flags & ~_HINTS:
            raise file_error(errno.EOPNOTSUPP)
        return _fill(buffers, lambda size: opened.pread(size, offset))

    def write(self, fd: Any, data: Any) -> int:
        """Write to where the file stands."""
        return self.opened(fd).write(_bytes(data))

    def pwrite(self, fd: Any, data: Any, offset: int) -> int:
        """Write to a place."""
        return self.opened(fd).pwrite(_bytes(data), offset)

    def writev(self, fd: Any, buffers: Sequence[Any]) -> int:
        """Write several buffers as one."""
        return self.opened(fd).write(_joined(buffers))

    def pwritev(self, fd: Any, buffers: Sequence[Any], offset: int, flags: int = 0) -> int:
        """Write several buffers as one to a place."""
        opened = self.opened(fd)
        if flags & ~_HINTS:
            raise file_error(errno.EOPNOTSUPP)
        if flags & _APPENDS:
            offset = opened.inode.size
        written = opened.pwrite(_joined(buffers), offset)
        if flags & _SYNCS:
            opened.sync()
        return written

    def sendfile(
        self, out_fd: Any, in_fd: Any, offset: int | None, count: int, write: Callable[..., int]
    ) -> int:
        """Write a part of a file elsewhere, by a function that writes to a descriptor."""
        opened, target = self.opened(in_fd), self.look_up(out_fd)
        if target is not None and target.flags & os.O_APPEND:
            raise file_error(errno.EINVAL)  # sendfile(2)
        start = opened.position if offset is None else offset
        sent = write(out_fd, opened.pread(min(count, _CHUNK), start))
        if offset is None:
            opened.position = start + sent
        return sent

    def copy_file_range(
        self,
        src: Any,
        dst: Any,
        count: int,
        offset_src: int | None = None,
        offset_dst: int | None = None,
    ) -> int:
        """Copy a part of one file to another."""
        if count < 0:
            raise ValueError("negative value for 'count' not allowed")
        source, target = self._usable(src), self._usable(dst)
        start = source.position if offset_src is None else offset_src
        _check_copy(source, target, start, count, offset_dst)
        data = source.pread(count, start)
        at = offset_dst
        written = target.write(data) if at is None else target.pwrite(data, at)
        if offset_src is None:
            source.position = start + written
        return written

    def splice(
        self,
        src: Any,
        dst: Any,
        count: int,
        offset_src: int | None = None,
        offset_dst: int | None = None,
        flags: int = 0,
        *,
        read: Callable[[int, int], bytes],
        write: Callable[[int, bytes], int],
        is_pipe: Callable[[int], bool],
    ) -> int:
        """Move bytes from a file to a pipe, or from a pipe to a file.

        Args:
            src: The file or the pipe that is read.
            dst: The other one.
            count: How many bytes, at most.
            offset_src: Where in the file, and its position stays; None: from where it stands.
            offset_dst: The same.
            flags: Hints (splice(2)).
            read: Reads a pipe.
            write: Writes to one.
            is_pipe: Tells whether a descriptor is one.
        """
        del flags
        if count < 0:
            raise ValueError("negative value for 'count' not allowed")
        source, target = self.look_up(src), self.look_up(dst)
        if (source is None) == (target is None) or not is_pipe(dst if target is None else src):
            raise file_error(errno.EINVAL)
        if (offset_src if source is None else offset_dst) is not None:
            raise file_error(errno.ESPIPE)
        size = min(count, _PIPE_SIZE)
        if target is None:
            assert source is not None
            start = source.position if offset_src is None else offset_src
            moved = write(dst, source.pread(size, start))
            if offset_src is None:
                source.position = start + moved
            return moved
        if target.flags & os.O_APPEND:
            raise file_error(errno.EINVAL)
        data = read(src, size)
        return target.write(data) if offset_dst is None else target.pwrite(data, offset_dst)

    # The file ------------------------------------------------------------------------------

    def fstat(self, fd: Any) -> os.stat_result:
        """Return the status of the file."""
        return status_of(self.opened(fd).inode)

    def fstatvfs(self, fd: Any) -> os.statvfs_result:
        """Return the status of the disk."""
        self.opened(fd)
        return volume_status_of(self.disk)

    def fpathconf(self, fd: Any, name: Any) -> int:
        """Return a limit of the file system."""
        self.opened(fd)
        return limit_of(name)

    def lseek(self, fd: Any, offset: int, whence: int) -> int:
        """Move the position."""
        return self.opened(fd).seek(offset, whence)

    def ftruncate(self, fd: Any, length: int) -> None:
        """Give the file a size."""
        self.opened(fd).truncate(length)

    def fsync(self, fd: Any) -> None:
        """Make the file durable."""
        self.opened(fd).sync()

    fdatasync = fsync

    def posix_fallocate(self, fd: Any, offset: int, length: int) -> None:
        """Let the file have at least a size."""
        self.opened(fd).allocate(offset, length)

    def posix_fadvise(self, fd: Any, offset: int, length: int, advice: int, /) -> None:
        """Take advice, of which there is no use."""
        del offset
        self._usable(fd)
        if length < 0 or advice not in _ADVICE:
            raise file_error(errno.EINVAL)

    def fchmod(self, fd: Any, mode: int) -> None:
        """Set the permissions."""
        self.disk.chmod(self._usable(fd).inode, self.user, mode)

    def fchown(self, fd: Any, uid: int, gid: int) -> None:
        """Set the owner."""
        self.disk.chown(self._usable(fd).inode, self.user, uid, gid)

    def isatty(self, fd: Any) -> bool:
        """Return False."""
        self.opened(fd)
        return False

    def device_encoding(self, fd: Any) -> None:
        """Return None: it is no terminal."""
        self.opened(fd)

    def close(self, fd: Any) -> None:
        """Close the descriptor, and with it the process's range locks of the file."""
        opened = self.opened(fd)
        self._unlock(opened)
        self.descriptors.close(fd)

    def _unlock(self, opened: OpenInode) -> None:
        if opened.inode.locks is not None:
            locks_of(opened.inode).unlock_range(self)

    def replaces(self, fd: Any, fd2: Any) -> None:
        """Take note that one descriptor is about to name the file of another one (dup2(2))."""
        replaced = self.look_up(fd2)
        if replaced is not None and fd != fd2 and fd in self.descriptors:
            self._unlock(replaced)

    # Locks ---------------------------------------------------------------------------------

    def try_flock(self, fd: Any, operation: int) -> None:
        """Lock or unlock the file by its open file; BlockingIOError where that has to wait."""
        opened = self._usable(fd)
        locks = locks_of(opened.inode)
        kind = operation & ~fcntl.LOCK_NB
        if kind == fcntl.LOCK_UN:
            locks.unlock_whole(opened)
        elif kind in (fcntl.LOCK_SH, fcntl.LOCK_EX):
            locks.lock_whole(opened, is_shared=kind == fcntl.LOCK_SH)
        else:
            raise file_error(errno.EINVAL)

    def try_lockf(
        self,
        fd: Any,
        cmd: int,
        len: int = 0,  # noqa: A002 - as fcntl has it
        start: int = 0,
        whence: int = 0,
    ) -> None:
        """Lock or unlock a range for the process; BlockingIOError where that has to wait."""
        kinds = {
            fcntl.LOCK_UN: fcntl.F_UNLCK,
            fcntl.LOCK_SH: fcntl.F_RDLCK,
            fcntl.LOCK_EX: fcntl.F_WRLCK,
        }
        kind = kinds.get(cmd & ~fcntl.LOCK_NB)
        if kind is None:
            raise ValueError("unrecognized lockf argument")
        self._lock(self.opened(fd), kind, whence, start, len)

    def try_os_lockf(self, fd: Any, command: int, length: int) -> None:
        """Do what lockf(3) does, from the position on; BlockingIOError where it has to wait."""
        opened = self._usable(fd)
        if command == os.F_TEST:
            first, end = _range_of(opened, os.SEEK_CUR, 0, length)
            if locks_of(opened.inode).conflict(self, first, end, is_shared=False) is not None:
                raise file_error(errno.EACCES)
            return
        kinds = {os.F_LOCK: fcntl.F_WRLCK, os.F_TLOCK: fcntl.F_WRLCK, os.F_ULOCK: fcntl.F_UNLCK}
        if command not in kinds:
            raise file_error(errno.EINVAL)
        self._lock(opened, kinds[command], os.SEEK_CUR, 0, length)

    def _lock(
        self,
        opened: OpenInode,
        kind: int,
        whence: int,
        start: int,
        length: int,
        owner: object = None,
    ) -> None:
        opened.check_usable()
        owner = owner or self
        first, end = _range_of(opened, whence, start, length)
        locks = locks_of(opened.inode)
        if kind == fcntl.F_UNLCK:
            locks.unlock_range(owner, first, end)
            return
        may = opened.may_read if kind == fcntl.F_RDLCK else opened.may_write
        if not may:
            raise file_error(errno.EBADF)
        locks.lock_range(owner, first, end, is_shared=kind == fcntl.F_RDLCK)

    def try_fcntl(self, fd: Any, cmd: int, arg: Any = 0) -> Any:
        """Do what ``fcntl.fcntl`` does with a file; BlockingIOError where a lock has to wait.

        Raises:
            UnsupportedError: The command is not known here.
        """
        opened = self.opened(fd)
        if cmd == fcntl.F_GETFL:
            return (opened.flags & ~_CREATION) | _LARGE_FILE
        if cmd == fcntl.F_SETFL:
            changeable = os.O_APPEND | os.O_NONBLOCK
            opened.set_flags((opened.flags & ~changeable) | (int(arg) & changeable))
            return 0
        if cmd in (fcntl.F_SETLK, fcntl.F_SETLKW, _OFD_SETLK, _OFD_SETLKW):
            kind, whence, start, length, pid = _FLOCK.unpack(bytes(arg)[: _FLOCK.size])
            owner = opened if cmd in (_OFD_SETLK, _OFD_SETLKW) else self
            if pid and owner is opened:
                raise file_error(errno.EINVAL)
            self._lock(opened, kind, whence, start, length, owner)
            return bytes(arg)
        if cmd in (fcntl.F_GETLK, _OFD_GETLK):
            owner = self if cmd == fcntl.F_GETLK else opened
            return self._lock_in_the_way(opened, bytes(arg), owner)
        raise UnsupportedError(
            f"fcntl.fcntl({fd}, {cmd}): of a file on a virtual disk there are F_GETFL, F_SETFL,"
            " F_GETFD, F_SETFD, F_DUPFD, F_DUPFD_CLOEXEC, F_SETLK, F_SETLKW, F_GETLK, and the last"
            " three by open file (F_OFD_SETLK)"
        )

    def _lock_in_the_way(self, opened: OpenInode, arg: bytes, owner: object) -> bytes:
        kind, whence, start, length, pid = _FLOCK.unpack(arg[: _FLOCK.size])
        first, end = _range_of(opened, whence, start, length)
        found = locks_of(opened.inode).conflict(owner, first, end, is_shared=kind == fcntl.F_RDLCK)
        if found is None:
            return _FLOCK.pack(fcntl.F_UNLCK, whence, start, length, pid) + arg[_FLOCK.size :]
        kind = fcntl.F_RDLCK if found.is_shared else fcntl.F_WRLCK
        size = 0 if found.end == FOREVER else found.end - found.start
        holder: Any = found.owner
        if not isinstance(holder, DescriptorFunctions):
            pid = -1  # Of an open file, which is no process's (fcntl_locking(2)).
        else:
            pid = self._find_host().pid if holder.pid is None else holder.pid
        return _FLOCK.pack(kind, os.SEEK_SET, found.start, size, pid) + arg[_FLOCK.size :]

    def ioctl(self, fd: Any, request: int, arg: Any = 0, mutate_flag: object = True) -> Any:  # noqa: FBT002 - as fcntl has it
        """Do what files do, and refuse the rest: ENOTTY, as Linux says."""
        self.opened(fd)
        if request not in _OF_FILES:
            raise file_error(errno.EOPNOTSUPP if request in _CLONES else errno.ENOTTY)
        fd = fd if type(fd) is int else fd.fileno()
        return control_device(self._find_host(), fd, request, arg, mutates=bool(mutate_flag))


def _bytes(data: Any) -> bytes:
    """Return the bytes of a buffer; TypeError for what is none, a number above all."""
    return data if type(data) is bytes else bytes(memoryview(data))


def _joined(buffers: Sequence[Any]) -> bytes:
    return b"".join(map(_bytes, buffers))


def _check_copy(
    source: OpenInode, target: OpenInode, start: int, count: int, offset: int | None
) -> None:
    """Raise what copy_file_range(2) does before it copies (fs/read_write.c)."""
    if source.inode.is_folder or target.inode.is_folder:
        raise file_error(errno.EISDIR)
    if not source.may_read or not target.may_write or target.flags & os.O_APPEND:
        raise file_error(errno.EBADF)
    count = min(count, max(0, source.inode.size - start))
    at = target.position if offset is None else offset
    if source.inode is target.inode and at < start + count and start < at + count:
        raise file_error(errno.EINVAL)


def _range_of(opened: OpenInode, whence: int, start: int, length: int) -> tuple[int, int]:
    """Return where a range begins and ends; a length of 0 goes on for ever."""
    base = {os.SEEK_SET: 0, os.SEEK_CUR: opened.position, os.SEEK_END: opened.inode.size}
    if whence not in base:
        raise file_error(errno.EINVAL)
    first = base[whence] + start
    if length < 0:
        first, length = first + length, -length
    if first < 0:
        raise file_error(errno.EINVAL)
    return first, FOREVER if not length else first + length


def _fill(buffers: Sequence[Any], read: Callable[[int], bytes]) -> int:
    """Read as much as the buffers hold, and spread it over them."""
    views = [memoryview(buffer).cast("B") for buffer in buffers]
    if any(view.readonly for view in views):
        raise TypeError("read-write bytes-like object expected")
    data = read(sum(map(len, views)))
    start = 0
    for view in views:
        part = data[start : start + len(view)]
        view[: len(part)] = part
        start += len(part)
    return len(data)
