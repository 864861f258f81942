"""The functions of ``os`` that take a path: their arguments and their errors.

Owns: one method for each, named as in ``os`` and called the same way. An error names the paths as
the program wrote them.

Must not know: how the real functions are replaced.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from functools import wraps
from typing import TYPE_CHECKING, Any

from simloop.disk.disk_errors import file_error
from simloop.disk.walking import EXECUTE, READ, may
from simloop.errors import UnsupportedError

from .disk_file import DiskFile
from .disk_scan import DiskScan
from .file_status import limit_of, status_of, volume_status_of
from .path_arguments import PathArguments, as_text, check_path

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PathFunctions"]

_NS_PER_SECOND = 1_000_000_000
_INT = 1 << 31
_PAIR = "a tuple of two ints"
_NO_PATHS = 99
"""More than a call has: its errors name none."""


def _named(count: int = 1) -> Callable[[Any], Any]:
    """Make a decorator that puts the first arguments, so many, into an error that names none."""

    def decorate(function: Any) -> Any:
        @wraps(function)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return function(self, *args, **kwargs)
            except OSError as error:
                if error.filename is not None or len(args) < count or args[0] is None:
                    raise
                code = error.errno or errno.EIO
            # Not in the handler: an error of the system has no other as its context.
            paths = (each if type(each) is int else os.fspath(each) for each in args[:count])
            raise file_error(code, *paths)

        return call

    return decorate


_LINK_FOLLOWS = sys.version_info >= (3, 14)


class PathFunctions(PathArguments):
    """Answer calls on paths."""

    # Status --------------------------------------------------------------------------------

    @_named()
    def stat(
        self, path: Any, *, dir_fd: int | None = None, follow_symlinks: bool = True
    ) -> os.stat_result:
        """Return the status of a path, or of a descriptor."""
        return status_of(self.find(path, dir_fd, follow=follow_symlinks))

    @_named()
    def lstat(self, path: Any, *, dir_fd: int | None = None) -> os.stat_result:
        """Return the status of a path, whose last link is not followed."""
        check_path(path, "lstat")
        return status_of(self.find(path, dir_fd, follow=False))

    @_named()
    def statvfs(self, path: Any) -> os.statvfs_result:
        """Return the status of the disk."""
        self.find(path, None)
        return volume_status_of(self.disk)

    def access(
        self,
        path: Any,
        mode: int,
        *,
        dir_fd: int | None = None,
        effective_ids: bool = False,
        follow_symlinks: bool = True,
    ) -> bool:
        """Return whether the process may do what ``mode`` asks for."""
        del effective_ids
        check_path(path, "access")
        try:
            inode = self.find(path, dir_fd, follow=follow_symlinks)
        except OSError:
            return False
        return may(inode, self.user, mode & 7)

    @_named()
    def pathconf(self, path: Any, name: Any) -> int:
        """Return a limit of the file system."""
        self.find(path, None)
        return limit_of(name)

    # Opening -------------------------------------------------------------------------------

    @_named()
    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        """Open a file or a folder; return its descriptor."""
        if not -_INT <= flags < _INT:
            raise OverflowError("Python int too large to convert to C int")
        text = as_text(path)
        descriptors = self.descriptors
        descriptors.check_room()
        opened = self.disk.open(text, flags, mode & ~self.mask, self.user, self.start(dir_fd, text))
        return descriptors.add(DiskFile(opened))

    @_named()
    def truncate(self, path: Any, length: int) -> None:
        """Give a file a size."""
        if type(path) is int:
            self.opened(path).truncate(length)
            return
        text = as_text(path)
        self.disk.truncate_path(text, self.cwd, self.user, length)

    # Names ---------------------------------------------------------------------------------

    @_named()
    def mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        """Make a folder."""
        text = as_text(path)
        self.disk.mkdir(text, self.start(dir_fd, text), self.user, mode & ~self.mask)

    @_named()
    def rmdir(self, path: Any, *, dir_fd: int | None = None) -> None:
        """Remove an empty folder."""
        text = as_text(path)
        self.disk.rmdir(text, self.start(dir_fd, text), self.user)

    @_named()
    def unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        """Remove a name."""
        text = as_text(path)
        self.disk.unlink(text, self.start(dir_fd, text), self.user)

    remove = unlink

    @_named(2)
    def rename(
        self, src: Any, dst: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        """Give something another name."""
        source, target = as_text(src), as_text(dst)
        self.disk.rename(
            *(source, self.start(src_dir_fd, source)),
            *(target, self.start(dst_dir_fd, target)),
            self.user,
        )

    replace = rename

    @_named(2)
    def link(
        self,
        src: Any,
        dst: Any,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        """Give a file one more name.

        Up to 3.13 CPython calls link(2), which does not follow a link at the end, unless a
        descriptor is given; from 3.14 on it does what ``follow_symlinks`` says (os_link_impl in
        Modules/posixmodule.c).
        """
        target = as_text(dst)
        has_descriptor = src_dir_fd is not None or dst_dir_fd is not None
        follow = follow_symlinks and (_LINK_FOLLOWS or has_descriptor)
        inode = self.find(as_text(src), src_dir_fd, follow=follow)
        self.disk.link(inode, target, self.start(dst_dir_fd, target), self.user)

    @_named(2)
    def symlink(
        self,
        src: Any,
        dst: Any,
        target_is_directory: bool = False,  # noqa: FBT001, FBT002 - as os has it
        *,
        dir_fd: int | None = None,
    ) -> None:
        """Make a symbolic link."""
        del target_is_directory
        target, text = as_text(src), as_text(dst)
        self.disk.symlink(target, text, self.start(dir_fd, text), self.user)

    @_named()
    def readlink(self, path: Any, *, dir_fd: int | None = None) -> Any:
        """Return where a symbolic link leads."""
        text = as_text(path)
        target = self.disk.read_link(text, self.start(dir_fd, text), self.user)
        return os.fsencode(target) if isinstance(path, bytes) else target

    def mkfifo(self, path: Any, mode: int = 0o666, *, dir_fd: int | None = None) -> None:
        """Refuse: there are no named pipes."""
        del mode, dir_fd
        raise UnsupportedError(
            f"os.mkfifo({path!r}): a virtual disk has files, folders and links; use os.pipe(), or a"
            " UNIX socket, which has a path"
        )

    def mknod(
        self, path: Any, mode: int = 0o600, device: int = 0, *, dir_fd: int | None = None
    ) -> None:
        """Make an empty file; refuse a pipe or a socket, and a device as Linux does its users."""
        del device
        kind = stat.S_IFMT(mode)
        if kind in (stat.S_IFIFO, stat.S_IFSOCK):
            raise UnsupportedError(
                f"os.mknod({path!r}, {mode:#o}): a virtual disk has files, folders and links; use"
                " os.pipe(), or bind a UNIX socket"
            )
        if kind not in (0, stat.S_IFREG):
            is_known = kind in (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFDIR)
            raise file_error(errno.EPERM if is_known else errno.EINVAL)
        text = as_text(path)
        self.disk.mknod(text, self.start(dir_fd, text), self.user, mode & ~self.mask)

    # Attributes ----------------------------------------------------------------------------

    @_named()
    def chmod(
        self, path: Any, mode: int, *, dir_fd: int | None = None, follow_symlinks: bool = True
    ) -> None:
        """Set the permissions."""
        inode = self.find(path, dir_fd, follow=follow_symlinks)
        if (
            inode.is_link
        ):  # fchmodat(3) can't, which os_chmod_impl in posixmodule.c turns into this.
            raise NotImplementedError("chmod: follow_symlinks unavailable on this platform")
        self.disk.chmod(inode, self.user, mode)

    @_named()
    def chown(
        self,
        path: Any,
        uid: int,
        gid: int,
        *,
        dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        """Set the owner."""
        self.disk.chown(self.find(path, dir_fd, follow=follow_symlinks), self.user, uid, gid)

    @_named()
    def lchown(self, path: Any, uid: int, gid: int) -> None:
        """Set the owner of a path, whose last link is not followed."""
        check_path(path, "lchown")
        self.disk.chown(self.find(path, None, follow=False), self.user, uid, gid)

    @_named(1 if sys.version_info >= (3, 13) else _NO_PATHS)
    def utime(
        self,
        path: Any,
        times: Any = None,
        *,
        ns: Any = None,
        dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        """Set the times of access and modification; without any, to now.

        Its errors name the path from Python 3.13 on (os_utime_impl in Modules/posixmodule.c).
        """
        if times is not None and ns is not None:
            raise ValueError("utime: you may specify either 'times' or 'ns' but not both")
        for name, value in (("times", times), ("ns", ns)):
            if value is not None and not (isinstance(value, tuple) and len(value) == 2):  # noqa: PLR2004 - access, modification
                kind = (
                    "either a tuple of two ints or None"
                    if name == "times"
                    else "a tuple of two ints"
                )
                raise TypeError(f"utime: '{name}' must be {kind}")
        if times is not None:
            ns = tuple(_floor_ns(each) for each in times)
        inode = self.find(path, dir_fd, follow=follow_symlinks)
        self.disk.utime(inode, self.user, ns)

    def listxattr(self, path: Any = None, *, follow_symlinks: bool = True) -> list[str]:
        """Return no extended attributes."""
        self.stat("." if path is None else path, follow_symlinks=follow_symlinks)
        return []

    @_named()
    def getxattr(self, path: Any, attribute: Any, *, follow_symlinks: bool = True) -> bytes:
        """Raise ENODATA: there are no extended attributes."""
        del attribute
        self.find(path, None, follow=follow_symlinks)
        raise file_error(errno.ENODATA)

    @_named()
    def setxattr(
        self, path: Any, attribute: Any, value: Any, flags: int = 0, *, follow_symlinks: bool = True
    ) -> None:
        """Raise ENOTSUP, as a file system without extended attributes does."""
        del attribute, value, flags
        self.find(path, None, follow=follow_symlinks)
        raise file_error(errno.ENOTSUP)

    @_named()
    def removexattr(self, path: Any, attribute: Any, *, follow_symlinks: bool = True) -> None:
        """Raise ENODATA: there are no extended attributes."""
        del attribute
        self.find(path, None, follow=follow_symlinks)
        raise file_error(errno.ENODATA)

    # Folders -------------------------------------------------------------------------------

    @_named()
    def listdir(self, path: Any = None) -> list[Any]:
        """List the names in a folder."""
        folder = self._readable(path)
        names = self.disk.tree.names(folder)
        return [os.fsencode(name) for name in names] if isinstance(path, bytes) else names

    @_named()
    def scandir(self, path: Any = None) -> DiskScan:
        """List the entries of a folder."""
        folder = self._readable(path)
        names = self.disk.tree.names(folder)
        return DiskScan(self, folder, "." if path is None else path, names)

    def _readable(self, path: Any) -> Any:
        """Return a folder that the process may list."""
        folder = self.find("." if path is None else path, None)
        if not folder.is_folder:
            raise file_error(errno.ENOTDIR)
        if not may(folder, self.user, READ):
            raise file_error(errno.EACCES)
        return folder

    @_named()
    def chdir(self, path: Any) -> None:
        """Work in another folder."""
        self._enter(self.find(path, None))

    def fchdir(self, fd: Any) -> None:
        """Work in another folder, by its descriptor."""
        self._enter(self.opened(fd).inode)

    def _enter(self, folder: Any) -> None:
        if not folder.is_folder:
            raise file_error(errno.ENOTDIR)
        if not may(folder, self.user, EXECUTE):
            raise file_error(errno.EACCES)
        self._cwd, self._boot = folder, self.disk.boots

    def getcwd(self) -> str:
        """Return the path of the working folder; ENOENT where it has been removed."""
        path = self.disk.tree.path_of(self.cwd)
        if path is None:
            raise file_error(errno.ENOENT)
        return path

    def getcwdb(self) -> bytes:
        """Return the same in bytes."""
        return os.fsencode(self.getcwd())

    def umask(self, mask: int, /) -> int:
        """Set which permissions new files do not get; return what was set before."""
        before, self.mask = self.mask, mask & 0o777
        return before

    def sync(self) -> None:
        """Make everything durable."""
        self.disk.sync_all()


def _floor_ns(seconds: Any) -> int:
    """Turn POSIX seconds into nanoseconds as ``os.utime`` does: rounded down."""
    if isinstance(seconds, int):
        return seconds * _NS_PER_SECOND
    whole = seconds // 1
    return int(whole) * _NS_PER_SECOND + int((seconds - whole) * _NS_PER_SECOND)
