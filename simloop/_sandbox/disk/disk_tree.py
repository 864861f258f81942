"""Where UNIX sockets have their paths, on a host with a disk.

Owns: what :class:`simloop._sandbox.RealTree` tells of real folders, told of those of the disk.
"""

from __future__ import annotations

import errno
import posixpath
from typing import TYPE_CHECKING, Any

from simloop._sandbox.run_context import by_thread, get_ident
from simloop.disk.disk_errors import NotOnDiskError, file_error
from simloop.disk.walking import EXECUTE, WRITE, may

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.disk.inode import Inode

__all__ = ["DiskTree"]


class DiskTree:
    """The folders of a disk, as the names of UNIX sockets lie in them.

    Args:
        find_calls: Returns the calls on files of the process that asks.
    """

    def __init__(self, find_calls: Callable[[], Any]) -> None:
        self._find_calls = find_calls

    @property
    def _calls(self) -> Any:
        return self._find_calls()

    def _find(self, path: str, dir_fd: int | None = None, *, follow: bool = True) -> Inode:
        try:
            found: Inode = self._calls.find(path, dir_fd, follow=follow)
        except NotOnDiskError:
            pass
        else:
            return found
        raise file_error(errno.EACCES)

    def place(self, path: str, dir_fd: int | None = None) -> tuple[tuple[int, int], str]:
        """Return the key of the folder that a path lies in, and its name there."""
        folder, name = posixpath.split(path.rstrip("/"))
        if name in ("", ".", ".."):
            return (0, 0), ""
        found = self._find(folder or ".", dir_fd)
        if not found.is_folder:
            raise file_error(errno.ENOTDIR)
        if not may(found, self._calls.user, EXECUTE):
            raise file_error(errno.EACCES)
        return found.key, name

    def target(self, path: str, dir_fd: int | None = None) -> str | None:
        """Return where a symbolic link leads; None if it is none."""
        try:
            found = self._find(path, dir_fd, follow=False)
        except OSError:
            return None
        return posixpath.join(posixpath.dirname(path), found.target) if found.is_link else None

    def check_free(self, path: str) -> None:
        """Raise what mknod(2) does: EEXIST, ENOENT below a new name, EACCES."""
        try:
            self._find(path, follow=False)
        except FileNotFoundError:
            if path.endswith("/"):
                raise
        else:
            raise file_error(errno.EEXIST)
        self.check_folder(path)

    def check_folder(self, path: str, dir_fd: int | None = None) -> None:
        """Raise EACCES where the names in the folder of a path may not be changed."""
        folder = posixpath.dirname(path.rstrip("/")) or "."
        if not may(self._find(folder, dir_fd), self._calls.user, WRITE | EXECUTE):
            raise file_error(errno.EACCES)

    def check_other(self, path: str) -> None:
        """Raise what connect(2) does at a path that is no socket of the world's."""
        found = self._find(path)
        is_open = may(found, self._calls.user, WRITE)
        raise file_error(errno.ECONNREFUSED if is_open else errno.EACCES)

    def owner(self) -> tuple[int, int]:
        """Return the user and group of the program."""
        user = self._calls.user
        return user.uid, user.gid

    def wall_ns(self) -> int:
        """Return the time of the run that the calling thread is in; 0 outside of runs."""
        run = by_thread.get(get_ident())
        return 0 if run is None else run.start_ns + run.clock.now_ns
