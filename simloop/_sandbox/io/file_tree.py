"""The real file tree, as the paths of virtual UNIX sockets need it.

Owns: in which real folder a path lies, what else is at it, and what Linux says where a socket can't
be made or found there. It looks and changes nothing.

Must not know: sockets.

Invariants: a folder is known by its device and number, which stay when it is renamed; what it
calls are copies of the real functions, which no redirect reaches.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from typing import TYPE_CHECKING

from simloop._sandbox.patching.c_functions import clone
from simloop._sandbox.process.machine import UID
from simloop._sandbox.run_context import by_thread, get_ident
from simloop.net.linux import os_names

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RealTree", "folder_key"]

_stat: Callable[..., os.stat_result] = clone(os.stat)
_lstat: Callable[..., os.stat_result] = clone(os.lstat)
_access: Callable[..., bool] = clone(os.access)
_readlink: Callable[..., str] = clone(os.readlink)
_statvfs: Callable[..., os.statvfs_result] | None = (
    clone(os.statvfs) if hasattr(os, "statvfs") else None  # Of Unix.
)

_NO_NAMES = ("", ".", "..")


def folder_key(folder: str | int) -> tuple[int, int]:
    """Return the key of a real folder, by its path or descriptor; OSError if there is none."""
    status = _stat(folder)
    return status.st_dev, status.st_ino


def _fault(code: int) -> OSError:
    return OSError(code, os.strerror(code))


class RealTree:
    """The files of the real machine, which the program of a run sees as they are.

    Example:
        >>> tree = RealTree()
        >>> tree.place("/dev/null") == tree.place("/dev/../dev/./null")
        True
    """

    __slots__ = ()

    def place(self, path: str, dir_fd: int | None = None) -> tuple[tuple[int, int], str]:
        """Return the key of the folder that a path lies in, and its name there.

        Raises:
            OSError: There is no such folder: ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG.
        """
        stripped = path.rstrip("/")
        folder, name = posixpath.split(stripped)
        if name in _NO_NAMES:  # A folder, whatever it is: no socket has such a name.
            return (0, 0), ""
        status = self._folder(folder, dir_fd)
        return (status.st_dev, status.st_ino), name

    def _folder(self, folder: str, dir_fd: int | None) -> os.stat_result:
        try:
            status = _stat(folder or ".", dir_fd=dir_fd)
            if stat.S_ISDIR(status.st_mode):
                _stat(f"{folder or '.'}/.", dir_fd=dir_fd)  # EACCES: it may not be searched.
                return status
            code = errno.ENOTDIR
        except OSError as error:
            code = error.errno or errno.ENOENT
        raise _fault(code)

    def target(self, path: str, dir_fd: int | None = None) -> str | None:
        """Return where a symbolic link leads, relative to the same folder; None if it is none."""
        try:
            target = _readlink(path, dir_fd=dir_fd)
        except OSError:
            return None
        return posixpath.join(posixpath.dirname(path), target)

    def check_free(self, path: str) -> None:
        """Raise what mknod(2) does: EEXIST, ENOENT below a new name, EROFS, EACCES.

        A real socket is that of another program, which is not of the world: it is not in the way.
        """
        code = 0
        try:
            if not stat.S_ISSOCK(_lstat(path).st_mode):
                code = errno.EEXIST
        except FileNotFoundError:
            if path.endswith("/"):
                code = errno.ENOENT
        except OSError as error:
            code = error.errno or errno.EACCES
        if code:
            raise _fault(code)
        self.check_folder(path)

    def check_folder(self, path: str, dir_fd: int | None = None) -> None:
        """Raise EROFS or EACCES where the names in the folder of a path may not be changed."""
        folder = posixpath.dirname(path.rstrip("/")) or "."
        may_write = os.W_OK | os.X_OK
        if not _access(folder, may_write, dir_fd=dir_fd, effective_ids=True):
            is_read_only = (
                dir_fd is None
                and _statvfs is not None
                and _statvfs(folder).f_flag & os_names.ST_RDONLY
            )
            raise _fault(errno.EROFS if is_read_only else errno.EACCES)

    def check_other(self, path: str) -> None:
        """Raise what connect(2) does at a path that is no socket of the world's."""
        try:
            _stat(path)
            may = _access(path, os.W_OK, effective_ids=True)
            code = errno.ECONNREFUSED if may else errno.EACCES
        except OSError as error:
            code = error.errno or errno.ENOENT
        raise _fault(code)

    def owner(self) -> tuple[int, int]:
        """Return the user and group of the program, to which its files belong."""
        return getattr(os, "geteuid", lambda: UID)(), getattr(os, "getegid", lambda: UID)()

    def wall_ns(self) -> int:
        """Return the time of the run that the calling thread is in; 0 outside of runs."""
        run = by_thread.get(get_ident())
        return 0 if run is None else run.start_ns + run.clock.now_ns
