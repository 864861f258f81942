"""Paths as programs give them to ``os``, and what a process adds: its folder, its user, its mask.

Owns: turning a path, a descriptor in a path's place and ``dir_fd`` into what a disk takes, and
putting the program's own words into errors.

Must not know: what the call does.

Invariant: a descriptor that is not of this process's disk leads nowhere here:
:class:`~simloop.disk.disk_errors.NotOnDiskError` hands the call on.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from simloop.disk.disk_errors import NotOnDiskError, file_error
from simloop.disk.walking import User

from .disk_file import DiskFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.disk import Disk
    from simloop.disk.inode import Inode
    from simloop.disk.open_inode import OpenInode
    from simloop.net import DescriptorTable, Host

__all__ = ["PathArguments", "as_text", "check_path"]


class PathArguments:
    """What the calls of a process on files stand on.

    Args:
        find_host: Returns the host of the process.
        disk: Its disk.
        cwd: The folder that the process begins in.
        path_of_real: Returns the path of a descriptor of the real process, or None.
        table: The descriptors of the process, whichever process of the machine is in place.
    """

    has_ended: bool = False
    """Whether the process is no more: its files are closed, whoever holds their objects."""

    pid: int | None = None
    """Its number, where it is not the host's one process."""

    def __init__(
        self,
        find_host: Callable[[], Host],
        disk: Disk,
        cwd: str,
        path_of_real: Callable[[int], str | None],
        table: DescriptorTable,
    ) -> None:
        self._find_host = find_host
        self.descriptors = table
        self._find_file = table.look_up
        self._path_of_real = path_of_real
        self.disk = disk
        self.mask: int = 0o022
        """The permissions that new files do not get, as a shell sets them."""
        self._first_cwd = cwd
        self._cwd: Inode | None = None
        self._began_in: Inode | None = None
        self._boot = -1

    @property
    def user(self) -> User:
        """Whose process it is."""
        host = self._find_host()
        return User(host.uid, host.gid)

    @property
    def cwd(self) -> Inode:
        """The working folder; the one that it began in again, where the power was cut since."""
        if self._cwd is None or self._boot != self.disk.boots:
            self._boot = self.disk.boots
            self._cwd = self._began_in = self._find_first_cwd()
        return self._cwd

    def _find_first_cwd(self) -> Inode:
        """Return the folder to begin in; the root where that is gone, or not to be looked at."""
        try:
            return self.disk.find(self._first_cwd)
        except OSError:
            return self.disk.tree.root

    def is_where_it_began(self) -> bool:
        """Return whether the working folder is the one that the process began in."""
        return self._cwd is None or self._boot != self.disk.boots or self._cwd is self._began_in

    # Descriptors ---------------------------------------------------------------------------

    def look_up(self, fd: object) -> OpenInode | None:
        """Return the open file of the disk that a descriptor names, or None."""
        if type(fd) is int:
            file = self._find_file(fd)
            return file.opened if type(file) is DiskFile else None
        fileno = getattr(fd, "fileno", None)
        fd = fileno() if callable(fileno) else None
        return self.look_up(fd) if type(fd) is int else None

    def opened(self, fd: object) -> OpenInode:
        """Return the open file that a descriptor names.

        Raises:
            NotOnDiskError: It names something else.
        """
        if type(fd) is int:
            file = self._find_file(fd)
            if type(file) is DiskFile:
                return file.opened
        found = self.look_up(fd)
        if found is None:
            raise NotOnDiskError(str(fd))
        return found

    # Paths ---------------------------------------------------------------------------------

    def start(self, dir_fd: int | None, path: str = "") -> Inode:
        """Return the folder that a path is relative to."""
        if dir_fd is None:
            return self.cwd
        if not isinstance(dir_fd, int):
            kind = type(dir_fd).__name__
            raise TypeError(f"argument should be integer or None, not {kind}")
        if path.startswith("/"):
            return self.cwd
        opened = self.look_up(dir_fd)
        if opened is None:
            real = self._path_of_real(dir_fd)
            if real is None:
                raise file_error(errno.EBADF)
            return self.disk.find(real)
        if not opened.inode.is_folder:
            raise file_error(errno.ENOTDIR)
        return opened.inode

    def find(self, path: Any, dir_fd: int | None, *, follow: bool = True) -> Inode:
        """Return the inode of a path, or of a descriptor in its place."""
        if type(path) is int:
            if dir_fd is not None:
                raise ValueError("can't specify dir_fd without matching path")
            if not follow:
                raise ValueError("cannot use fd and follow_symlinks together")
            return self.opened(path).inode
        text = as_text(path)
        last = "follow" if follow else "stay"
        return self.disk.find(text, self.start(dir_fd, text), self.user, last)

    def check_real(self, path: Any) -> None:
        """Hand the call on where a descriptor in a path's place is not of this disk."""
        if type(path) is int:
            self.opened(path)


def check_path(path: Any, name: str) -> None:
    """Raise TypeError for a descriptor in the place of a path, as functions do that take none."""
    if isinstance(path, int):
        kind = type(path).__name__
        raise TypeError(f"{name}: path should be string, bytes or os.PathLike, not {kind}")


def as_text(path: Any) -> str:
    """Return a path as a text, as the functions of ``os`` convert it.

    Raises:
        TypeError: It is none.
        ValueError: It has a zero byte in it.
    """
    text = os.fsdecode(path)
    if "\0" in text:
        raise ValueError("embedded null byte")
    return text
