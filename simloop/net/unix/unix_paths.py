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
    from collections.abc import Callable, Hashable, Mapping

    from simloop.net.host import Host

    from .unix_names import UnixName, UnixNames

__all__ = ["UnixPaths"]

_OWNER_SHIFT = 6
"""The owner's three bits of a mode: the program is the owner of all that it binds."""
_BLOCK = 4096
_SECOND = 1_000_000_000


class UnixPaths:
    """Answer for the paths of UNIX sockets, on the host that ``find_host()`` returns.

    ``look_for_host()`` returns it too, or None as long as there is none.
    """

    def __init__(
        self, find_host: Callable[[], Host], look_for_host: Callable[[], Host | None]
    ) -> None:
        self._find_host = find_host
        self._look_for_host = look_for_host

    @property
    def names(self) -> UnixNames | None:
        """The names of the host, or None if it has no path."""
        host = self._look_for_host()
        return host.unix if host is not None and host.unix.has_paths else None

    def find(self, path: str, dir_fd: int | None, /, *, follow: bool) -> UnixName | None:
        """Return the entry that a path leads to, or None if it is real; OSError as Linux says."""
        names = self.names
        return None if names is None else names.look_up(path, dir_fd, follow=follow)

    def names_in(self, folder: Hashable, /) -> Mapping[str, UnixName]:
        """Return the names in a folder, which is known by its device and number."""
        names = self.names
        return {} if names is None else names.names_in(folder)

    def status(self, entry: UnixName, /) -> os.stat_result:
        """Return the status of an entry: a socket, with its mode, number, owner and times."""
        host = self._find_host()
        uid, gid = entry.owner or (host.uid, host.gid)
        times = entry.read_ns, entry.changed_ns, entry.made_ns
        named: dict[str, object] = {"st_blksize": _BLOCK, "st_blocks": 0, "st_rdev": 0}
        for name, time_ns in zip(("st_atime", "st_mtime", "st_ctime"), times, strict=True):
            named[name], named[f"{name}_ns"] = time_ns / _SECOND, time_ns
        return os.stat_result(
            (
                *(stat.S_IFSOCK | entry.mode, entry.number, entry.device, entry.links),
                *(uid, gid, 0, *(time_ns // _SECOND for time_ns in times)),
            ),
            named,
        )

    def access(self, entry: UnixName, mode: int, /) -> bool:
        """Return whether the owner may do what ``mode`` asks for."""
        return mode & entry.mode >> _OWNER_SHIFT == mode

    def unlink(self, path: str, dir_fd: int | None, /) -> None:
        """Remove a path."""
        self._find_host().unix.unlink(path, dir_fd)

    def chmod(self, entry: UnixName, mode: int, /) -> None:
        """Set the mode of an entry."""
        entry.mode = mode & 0o7777

    def chown(self, entry: UnixName, uid: int, gid: int, /) -> None:
        """Set the owner of an entry; -1 leaves one as it is. Nothing asks whose it is."""
        host = self._find_host()
        before = entry.owner or (host.uid, host.gid)
        entry.owner = (before[0] if uid == -1 else uid, before[1] if gid == -1 else gid)

    def utime(self, entry: UnixName, times_ns: tuple[int, int] | None, /) -> None:
        """Set when an entry was read and changed, in POSIX nanoseconds; now, if None."""
        if times_ns is None:
            times_ns = (self._find_host().unix.tree.wall_ns(),) * 2
        entry.read_ns, entry.changed_ns = times_ns

    def rename(
        self, path: str, target: str, dir_fd: int | None, target_dir_fd: int | None, /
    ) -> None:
        """Give a path another name, in place of the socket that had that."""
        self._find_host().unix.rename(path, target, dir_fd, target_dir_fd)

    def drop(self, path: str, dir_fd: int | None, /) -> None:
        """Forget the socket at a path that something real was put in place of."""
        names = self._find_host().unix
        names.drop(names.tree.place(path, dir_fd))

    def link(self, entry: UnixName, target: str, dir_fd: int | None, /) -> None:
        """Give an entry one more path."""
        self._find_host().unix.link(entry, target, dir_fd)

    def umask(self, mask: int, /) -> None:
        """Take these bits from the modes of new paths."""
        self._find_host().unix.umask = mask & 0o777
