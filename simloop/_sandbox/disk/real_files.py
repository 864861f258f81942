"""The real files, as they lie below a disk: only read.

Owns: reading them past everything that is redirected. Files of the real user are shown as those of
the user whom a run has, as :mod:`..files.file_calls` does it.

Invariant: nothing here can write.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import original
from simloop._sandbox.process.machine import UID
from simloop._sandbox.run_context import get_ident
from simloop.disk.lower import Status

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RealFiles", "is_reading_below", "path_of_descriptor", "real_cwd"]

_lstat: Callable[[str], os.stat_result] = original(os.lstat)
_listdir: Callable[[str], list[str]] = original(os.listdir)
_readlink: Callable[[str], str] = original(os.readlink)
_open: Callable[[str, int], int] = original(os.open)
_pread: Callable[[int, int, int], bytes] = original(os.pread)
_close: Callable[[int], None] = original(os.close)
_getcwd: Callable[[], str] = original(os.getcwd)
_OWN_UID: int = original(os.getuid)()
_OWN_GID: int = original(os.getgid)()

_PART = 1 << 30


def real_cwd() -> str:
    """Return the working directory of the real process; the root where it was removed since."""
    try:
        return _getcwd()
    except FileNotFoundError:
        return "/"


_reading: dict[int, None] = {}
"""Threads in which a disk opens a real file, which is announced as each opening is."""


def is_reading_below() -> bool:
    """Return whether it is a disk that opens a real file, to read what lies below."""
    return get_ident() in _reading


class RealFiles:
    """The files of the machine, read-only.

    Example:
        >>> files = RealFiles()
        >>> files.status("/no/such/file") is None, "etc" in files.names("/")
        (True, True)
    """

    def status(self, path: str, /) -> Status | None:
        """Return the status of a path, whose last link is not followed; None if there is none."""
        try:
            found = _lstat(path)
        except OSError:
            return None
        return Status(
            *(found.st_mode, found.st_ino, found.st_dev, found.st_nlink),
            UID if found.st_uid == _OWN_UID else found.st_uid,
            UID if found.st_gid == _OWN_GID else found.st_gid,
            *(found.st_size, found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns),
            found.st_rdev,
        )

    def names(self, path: str, /) -> list[str]:
        """List the names in a folder."""
        return _listdir(path)

    def target(self, path: str, /) -> str:
        """Return what a symbolic link holds."""
        return _readlink(path)

    def read(self, path: str, offset: int, size: int, /) -> bytes:
        """Read a part of a file."""
        ident = get_ident()
        _reading[ident] = None
        try:
            fd = _open(path, os.O_RDONLY | os.O_CLOEXEC)
        finally:
            del _reading[ident]
        try:
            data = _pread(fd, min(size, _PART), offset)
            while 0 < len(data) < size and (more := _pread(fd, _PART, offset + len(data))):
                data += more[: size - len(data)]
            return data
        finally:
            _close(fd)


def path_of_descriptor(fd: Any) -> str | None:
    """Return the path of a descriptor of the real process, or None."""
    try:
        path = _readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return None
    return path if path.startswith("/") else None
