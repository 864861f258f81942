"""What the functions of ``os`` find where a path is the name of a virtual UNIX socket.

Owns: the status of such a path and its changes, for the caller's host. A path without an
entry in the host's table is none of this module's business: the system answers for it.

Must not know: how calls get here.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.net.host import Host

__all__ = ["UnixPaths"]

_OWNER_SHIFT = 6
"""The owner's three bits of a mode: the program is the owner of all that it binds."""


class UnixPaths:
    """Answer for the paths of UNIX sockets, on the host that ``look_for_host()`` returns."""

    def __init__(self, look_for_host: Callable[[], Host | None]) -> None:
        self._look_for_host = look_for_host

    def has(self, path: str, /) -> bool:
        """Return whether a path is the name of a socket, open or left behind."""
        host = self._look_for_host()
        return host is not None and path in host.unix and not path.startswith("\0")

    @property
    def _host(self) -> Host:
        host = self._look_for_host()
        assert host is not None
        return host

    def stat(self, path: str, /) -> os.stat_result:
        """Return the status of a path: a socket, with its mode, number and owner."""
        host = self._host
        entry = host.unix.entry(path)
        uid, gid = entry.owner or (host.uid, host.gid)
        mode = stat.S_IFSOCK | entry.mode
        return os.stat_result((mode, entry.number, 0, 1, uid, gid, 0, 0, 0, 0))

    def access(self, path: str, mode: int, /) -> bool:
        """Return whether the owner may do what ``mode`` asks for."""
        granted = self._host.unix.entry(path).mode >> _OWNER_SHIFT
        return mode & granted == mode

    def unlink(self, path: str, /) -> None:
        """Remove a path."""
        self._host.unix.unlink(path)

    def chmod(self, path: str, mode: int, /) -> None:
        """Set the mode of a path."""
        self._host.unix.chmod(path, mode)

    def chown(self, path: str, uid: int, gid: int, /) -> None:
        """Set the owner of a path; -1 leaves one as it is. Nothing asks whose it is."""
        host = self._host
        entry = host.unix.entry(path)
        before = entry.owner or (host.uid, host.gid)
        entry.owner = (before[0] if uid == -1 else uid, before[1] if gid == -1 else gid)

    def rename(self, path: str, target: str, /) -> None:
        """Give a path another name, in place of what had that."""
        self._host.unix.rename(path, target)

    def umask(self, mask: int, /) -> None:
        """Take these bits from the modes of new paths."""
        host = self._look_for_host()
        if host is not None:
            host.unix.umask = mask & 0o777
