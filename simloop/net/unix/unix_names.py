"""The names of UNIX sockets on one host: paths in its file tree, and abstract names.

Owns: which socket a name leads to, and what a folder knows of a path: its mode, its number, its
owner, that it stays behind when its socket is closed, until it is unlinked. Which folder a path
lies in, and whether something else is in its way, is asked of a ``FileTree``; nothing of a socket
is ever on a disk. Must not know sockets, nor where the tree comes from.

A path is kept under its *place*: the folder, by a key that stays the same when the folder is
renamed, and the name in it. So a path leads to the same place however it is written: relative,
through symbolic links, by a folder's descriptor (path_resolution(7)).

An abstract name is one for each type of socket: a stream and a datagram socket may have the same,
and neither is found by the other type (``unix_abstract_hash`` of net/unix/af_unix.c takes the type
in).

Invariants: an abstract name is in the table only while its socket is open; each entry counts its
places; no folder is listed that holds no name; numbers are given once.
"""

from __future__ import annotations

import errno
import posixpath
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TypeAlias

from simloop.net.errnos import os_error

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping

    from simloop.net.fabric import Endpoint

__all__ = ["FileTree", "OneFolder", "Place", "UnixName", "UnixNames"]

_OWNER_MAY_WRITE = 0o200
_LINKS_MAX = 40  # MAXSYMLINKS of Linux (include/linux/namei.h).
_NUMBERS = 1 << 40  # Above the numbers of the files that real folders hold.

# A folder's key, and the name in it.
Place: TypeAlias = "tuple[Hashable, str]"


class FileTree(Protocol):
    """What the names ask of the file tree that they are a part of."""

    def place(self, path: str, dir_fd: int | None = None) -> Place:
        """Return where a path lies; OSError (ENOENT, ENOTDIR, EACCES, ELOOP) if in no folder."""

    def target(self, path: str, dir_fd: int | None = None) -> str | None:
        """Return where a symbolic link leads; None for anything else."""

    def check_free(self, path: str) -> None:
        """Raise what mknod(2) does: EEXIST, EROFS, EACCES."""

    def check_folder(self, path: str, dir_fd: int | None = None) -> None:
        """Raise EROFS or EACCES where names in the folder of a path may not change."""

    def check_other(self, path: str) -> None:
        """Raise what connect(2) does at a path that is no socket's: ENOENT, ECONNREFUSED."""

    def owner(self) -> tuple[int, int] | None:
        """Return user and group of a new file; None for the host's."""

    def wall_ns(self) -> int:
        """Return what the wall clock shows, in POSIX nanoseconds."""


class OneFolder:
    """The tree of a host without files: all paths are names in one folder.

    >>> OneFolder().place("/run/app.sock")
    ('', '/run/app.sock')
    """

    def place(self, path: str, dir_fd: int | None = None) -> Place:
        """Return the text as the name."""
        del dir_fd
        return "", path

    def target(self, path: str, dir_fd: int | None = None) -> str | None:
        """Return None: there are no links."""
        del path, dir_fd
        return None

    def check_free(self, path: str) -> None:
        """Let a socket be anywhere."""

    def check_folder(self, path: str, dir_fd: int | None = None) -> None:
        """Let all names be changed."""

    def check_other(self, path: str) -> None:
        """Find nothing else: ENOENT."""
        del path
        raise os_error(errno.ENOENT)

    def owner(self) -> tuple[int, int] | None:
        """Return None: the host's own."""
        return None

    def wall_ns(self) -> int:
        """Return the epoch: no clock is known."""
        return 0


class Named(Protocol):
    """What the table asks of a socket."""

    type: int

    @property
    def local(self) -> Endpoint | None:
        """The name that it was bound to, as it was written then."""


class UnixName:
    """One entry: the socket, or None where only the path is left; and what stat(2) tells.

    ``links`` counts the places that lead here, which link(2) makes more; ``device`` is that of the
    first folder, or 0; ``made_ns``, ``read_ns`` and ``changed_ns`` are times of the wall clock.
    """

    __slots__ = (
        "changed_ns",
        "device",
        "links",
        "made_ns",
        "mode",
        "number",
        "owner",
        "read_ns",
        "sock",
    )

    def __init__(self, sock: Named, mode: int, number: int, made_ns: int = 0) -> None:
        self.sock: Named | None = sock
        self.mode: int = mode
        self.number: int = number
        self.owner: tuple[int, int] | None = None  # User and group; None for the host's.
        self.links: int = 0
        self.device: int = 0
        self.made_ns: int = made_ns
        self.read_ns: int = made_ns
        self.changed_ns: int = made_ns


class UnixNames:
    """Hold the names of one host.

    ``umask`` is taken from the mode 0o777 of a new path.
    """

    def __init__(self) -> None:
        self._folders: dict[Hashable, dict[str, UnixName]] = {}
        self._abstract: dict[tuple[str, int], UnixName] = {}
        self._of_sockets: dict[Named, UnixName] = {}  # Of open ones.
        self._count = 0
        self._autobound = 0
        self.umask = 0o022
        self.tree: FileTree = OneFolder()

    @property
    def has_paths(self) -> bool:
        """Whether there is any path."""
        return bool(self._folders)

    # -- what sockets ask ------------------------------------------------------------------------

    def bind(self, name: str, sock: Named) -> None:
        """Let a name lead to a socket.

        EADDRINUSE if it exists, even if only as a path; where no file can be made, what mknod(2)
        says: ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG, EROFS.
        """
        if name.startswith("\0"):
            if (name, sock.type) in self._abstract:
                raise os_error(errno.EADDRINUSE)
            self._abstract[name, sock.type] = self._made(sock)
            return
        place = self.free_place(name)
        entry = self._made(sock)
        entry.owner = self.tree.owner()
        self._put(place, entry)

    def _made(self, sock: Named) -> UnixName:
        self._count += 1
        mode = 0o777 & ~self.umask
        entry = UnixName(sock, mode, _NUMBERS + self._count, self.tree.wall_ns())
        self._of_sockets[sock] = entry
        return entry

    def free_place(self, path: str) -> Place:
        """Return the place of a path where a socket may be bound; OSError as ``bind`` does."""
        place = self._place(path)
        is_taken = self.at(place) is not None
        with suppress(FileExistsError):
            if not is_taken:
                self.tree.check_free(path)
                return place
        raise os_error(errno.EADDRINUSE)

    def autobind(self, sock: Named) -> str:
        """Find an abstract name of five hexadecimal digits, and bind it."""
        while True:
            self._autobound += 1
            name = f"\0{self._autobound:05x}"
            if (name, sock.type) not in self._abstract:
                self.bind(name, sock)
                return name

    def release(self, name: str, sock: Named) -> None:
        """Part a name from its closing socket: a path stays, leading nowhere."""
        entry = self._of_sockets.pop(sock, None)
        if entry is None:
            return
        entry.sock = None
        if name.startswith("\0"):
            del self._abstract[name, sock.type]

    def find(self, name: str, type_: int) -> Named:
        """Return the socket at a name: ENOENT, EACCES or ECONNREFUSED where there is none.

        At a path, a socket of another type may be found.
        """
        if name.startswith("\0"):
            entry = self._abstract.get((name, type_))
        else:
            entry = self.look_up(name, follow=True)
            if entry is None:
                self.tree.check_other(name)
            elif not entry.mode & _OWNER_MAY_WRITE:
                raise os_error(errno.EACCES)
        if entry is None or entry.sock is None:
            raise os_error(errno.ECONNREFUSED)
        return entry.sock

    # -- finding paths ---------------------------------------------------------------------------

    def _place(self, path: str, dir_fd: int | None = None) -> Place:
        """Return where a path lies; ENOTDIR below a socket."""
        try:
            return self.tree.place(path, dir_fd)
        except FileNotFoundError:
            folder = posixpath.dirname(path.rstrip("/"))
            if not folder or self.look_up(folder, dir_fd, follow=True) is None:
                raise
        raise os_error(errno.ENOTDIR)

    def at(self, place: Place) -> UnixName | None:
        """Return the entry of a place."""
        folder = self._folders.get(place[0])
        return None if folder is None else folder.get(place[1])

    def look_up(self, path: str, dir_fd: int | None = None, *, follow: bool) -> UnixName | None:
        """Return the entry that a path leads to, None if to something else.

        Args:
            path: A path; relative to the folder ``dir_fd``, or else the working directory.
            dir_fd: The descriptor of a folder.
            follow: Whether a symbolic link at the end of the path is followed.

        Raises:
            OSError: No folder leads there; ENOTDIR below a socket; ELOOP.
        """
        if not self._folders:
            return None
        for _ in range(_LINKS_MAX):
            entry = self.at(self._place(path, dir_fd))
            if entry is not None:
                if path.endswith("/"):
                    raise os_error(errno.ENOTDIR)
                return entry
            target = self.tree.target(path, dir_fd) if follow else None
            if target is None:
                return None
            path = target
        raise os_error(errno.ELOOP)

    def exists(self, path: str) -> bool:
        """Whether the path itself is a socket's, be it that this is closed."""
        try:
            return self.look_up(path, follow=False) is not None
        except OSError:
            return False

    def entry(self, path: str) -> UnixName:
        """Return what is known of a path; ENOENT if it is not there."""
        entry = self.look_up(path, follow=False)
        if entry is None:
            raise os_error(errno.ENOENT)
        return entry

    def names_in(self, folder: Hashable) -> Mapping[str, UnixName]:
        """Return the names in a folder, by its key, in the order in which they came there."""
        return self._folders.get(folder, _NOTHING)

    # -- changing paths --------------------------------------------------------------------------

    def _put(self, place: Place, entry: UnixName) -> None:
        folder, name = place
        self._folders.setdefault(folder, {})[name] = entry
        entry.links += 1
        if isinstance(folder, tuple):
            entry.device = folder[0]

    def drop(self, place: Place) -> None:
        """Forget what is at a place, if there is anything; an open socket stays open."""
        folder, name = place
        names = self._folders.get(folder)
        entry = None if names is None else names.pop(name, None)
        if entry is not None:
            entry.links -= 1
            if not names:
                del self._folders[folder]

    def unlink(self, path: str, dir_fd: int | None = None) -> None:
        """Remove a path, as os.unlink does; its socket, if open, can no longer be found there."""
        place = self._place(path, dir_fd)
        if self.at(place) is None:
            raise os_error(errno.ENOENT)
        self.tree.check_folder(path, dir_fd)
        self.drop(place)

    def rename(
        self,
        path: str,
        target: str,
        dir_fd: int | None = None,
        target_dir_fd: int | None = None,
    ) -> None:
        """Give a path another name, in place of what had that; its socket does not hear of it.

        EXDEV where the folders are of two devices, as rename(2) says. Nothing but a socket may be
        at the target any more.
        """
        place, new = self._place(path, dir_fd), self._place(target, target_dir_fd)
        entry = self.at(place)
        if entry is None:
            raise os_error(errno.ENOENT)
        _check_device(place, new)
        if self.at(new) is entry:
            return
        self.tree.check_folder(path, dir_fd)
        self.tree.check_folder(target, target_dir_fd)
        self.drop(new)
        self.drop(place)
        self._put(new, entry)

    def link(self, entry: UnixName, target: str, dir_fd: int | None = None) -> None:
        """Give an entry one more path; nothing may be there."""
        self.tree.check_folder(target, dir_fd)
        self._put(self._place(target, dir_fd), entry)

    def chmod(self, path: str, mode: int) -> None:
        """Set the mode of a path: connect is EACCES without the owner's right to write."""
        self.entry(path).mode = mode & 0o7777

    def _entries(self) -> Iterator[UnixName]:
        for names in self._folders.values():
            yield from names.values()

    def check(self) -> None:
        """Assert the invariants."""
        seen: dict[int, tuple[UnixName, int]] = {}
        for entry in self._entries():
            there, count = seen.get(entry.number, (entry, 0))
            assert there is entry, entry.number
            seen[entry.number] = entry, count + 1
        for entry, count in seen.values():
            assert entry.links == count, (entry.number, entry.links, count)
            assert entry.sock is None or self._of_sockets[entry.sock] is entry
        assert all(self._folders.values()), self._folders
        for (name, type_), entry in self._abstract.items():
            assert entry.number not in seen, name
            assert entry.sock is not None, name
            assert (entry.sock.local, entry.sock.type) == ((name, 0), type_), name
        for sock, entry in self._of_sockets.items():
            assert entry.sock is sock, sock


def _check_device(place: Place, other: Place) -> None:
    here, there = place[0], other[0]
    if isinstance(here, tuple) and isinstance(there, tuple) and here[0] != there[0]:
        raise os_error(errno.EXDEV)


_NOTHING: Mapping[str, UnixName] = {}
