"""The names of UNIX sockets on one host: paths and abstract names.

Owns: which socket a name leads to, and what a directory would know of a path: its mode, its number,
that it stays behind when its socket is closed, until it is unlinked. There is no file system:
a path is a text, every directory exists, and nothing is ever on a disk. Must not know sockets.

Invariants: an abstract name is in the table only while its socket is open; numbers are given once.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Protocol

from simloop.net.errnos import os_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.net.fabric import Endpoint

__all__ = ["UnixName", "UnixNames"]

_OWNER_MAY_WRITE = 0o200


class Named(Protocol):
    """What the table asks of a socket."""

    @property
    def local(self) -> Endpoint | None:
        """The name that it was bound to, which a renamed path does not change."""


class UnixName:
    """One entry: the socket, or None where only the path is left; mode, owner; a number."""

    __slots__ = ("mode", "number", "owner", "sock")

    def __init__(self, sock: Named, mode: int, number: int) -> None:
        self.sock: Named | None = sock
        self.mode: int = mode
        self.number: int = number
        self.owner: tuple[int, int] | None = None  # User and group that chown(2) set.


class UnixNames:
    """Hold the names of one host.

    ``umask`` is taken from the mode 0o777 of a new path.
    """

    def __init__(self) -> None:
        self._names: dict[str, UnixName] = {}
        self._count = 0
        self._autobound = 0
        self._moved: dict[Named, str] = {}  # Open sockets whose path was renamed since.
        self.umask = 0o022
        # Whether something else than a socket is in the way of a path, outside of this table.
        self.is_taken: Callable[[str], bool] = lambda _path: False

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> object:
        return iter(list(self._names))

    def bind(self, name: str, sock: Named) -> None:
        """Let a name lead to a socket; EADDRINUSE if it exists, even if only as a path."""
        if name in self._names or (not name.startswith("\0") and self.is_taken(name)):
            raise os_error(errno.EADDRINUSE)
        self._count += 1
        self._names[name] = UnixName(sock, 0o777 & ~self.umask, self._count)

    def autobind(self, sock: Named) -> str:
        """Find an abstract name of five hexadecimal digits, and bind it."""
        while True:
            self._autobound += 1
            name = f"\0{self._autobound:05x}"
            if name not in self._names:
                self.bind(name, sock)
                return name

    def release(self, name: str, sock: Named) -> None:
        """Part a name from its closing socket: a path stays, leading nowhere."""
        name = self._moved.pop(sock, name)
        entry = self._names.get(name)
        if entry is None or entry.sock is not sock:
            return
        entry.sock = None
        if name.startswith("\0"):
            del self._names[name]

    def find(self, name: str) -> Named:
        """Return the socket at a name: ENOENT, EACCES or ECONNREFUSED where there is none."""
        entry = self._names.get(name)
        is_path = not name.startswith("\0")
        if entry is None:
            raise os_error(errno.ENOENT if is_path else errno.ECONNREFUSED)
        if is_path and not entry.mode & _OWNER_MAY_WRITE:
            raise os_error(errno.EACCES)
        if entry.sock is None:
            raise os_error(errno.ECONNREFUSED)
        return entry.sock

    # -- what a directory offers -----------------------------------------------------------------

    def exists(self, path: str) -> bool:
        """Whether the path is there, be it that its socket is closed."""
        return path in self._names

    def entry(self, path: str) -> UnixName:
        """Return what is known of a path; ENOENT if it is not there."""
        try:
            return self._names[path]
        except KeyError:
            raise os_error(errno.ENOENT) from None

    def unlink(self, path: str) -> None:
        """Remove a path, as os.unlink does; its socket, if open, can no longer be found."""
        if path.startswith("\0"):
            raise os_error(errno.ENOENT)
        self.entry(path)
        del self._names[path]

    def rename(self, path: str, target: str) -> None:
        """Give a path another name, in place of what had that; its socket does not hear of it."""
        entry = self.entry(path)
        if path == target:
            return
        replaced = self._names.get(target)
        if replaced is not None and replaced.sock is not None:
            self._moved.pop(replaced.sock, None)
        del self._names[path]
        self._names[target] = entry
        if entry.sock is not None:
            self._moved[entry.sock] = target

    def chmod(self, path: str, mode: int) -> None:
        """Set the mode of a path: connect is EACCES without the owner's right to write."""
        self.entry(path).mode = mode & 0o7777

    def check(self) -> None:
        """Assert the invariants."""
        numbers = [entry.number for entry in self._names.values()]
        assert len(dict.fromkeys(numbers)) == len(numbers), numbers
        for name, entry in self._names.items():
            if name.startswith("\0"):
                assert entry.sock is not None, name
            if entry.sock is not None:
                renamed = self._moved.get(entry.sock)
                bound = entry.sock.local if renamed is None else (renamed, 0)
                assert bound == (name, 0), (name, entry.sock)
