"""Following paths: from a text to the folder and the inode that it leads to.

Owns: the walk of path_resolution(7): components, ``.`` and ``..``, symbolic links, a slash at the
end, permissions to search, and the errors of each (ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG);
finding what lies below, and knowing it again.

Must not know: what is done at the end of a path.

Invariant: of what lies below, folders are one object each for as long as the disk lives; a file is
one as long as it is open or differs from what lies below.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from simloop.disk.durability.contents import Contents

from .disk_errors import NotOnDiskError, file_error
from .inode import Inode

if TYPE_CHECKING:
    from .lower import Lower, Status

__all__ = [
    "CREATE",
    "EXECUTE",
    "FOLLOW",
    "NAME",
    "READ",
    "STAY",
    "WRITE",
    "Place",
    "Tree",
    "User",
    "may",
]

FOLLOW, STAY, NAME, CREATE = "follow", "stay", "name", "create"
"""What a walk does with the last name of a path."""

READ, WRITE, EXECUTE = 4, 2, 1
"""What a permission is for, as access(2) has it: of a folder, EXECUTE is to search it."""

_LINKS_MAX = 40  # MAXSYMLINKS of include/linux/namei.h.
_NAME_MAX = 255
_PATH_MAX = 4096

_SYSTEM = ("/proc", "/sys", "/dev")
"""Folders of the system, which are on no disk; but for ``/dev/shm``, where programs keep files."""


class User(NamedTuple):
    """Whose call it is."""

    uid: int
    gid: int


def may(inode: Inode, user: User, wanted: int) -> bool:
    """Return whether a user may do what ``wanted`` is made of.

    The superuser may read and write all, and execute what any may (CAP_DAC_OVERRIDE).
    """
    if user.uid == 0:
        is_executable = inode.is_folder or inode.mode & 0o111
        return not wanted & EXECUTE or bool(is_executable)
    if inode.uid == user.uid:
        bits = inode.mode >> 6
    elif inode.gid == user.gid:
        bits = inode.mode >> 3
    else:
        bits = inode.mode
    return wanted & ~bits & 7 == 0


class Place(NamedTuple):
    """Where a path leads: a name in a folder, and what is there, if anything."""

    folder: Inode
    name: str
    inode: Inode | None
    has_slash: bool
    """Whether the path ends with a slash: then it can only be a folder's."""

    @property
    def is_dots(self) -> bool:
        """Whether the name is ``.`` or ``..``, or the path is the root."""
        return self.name in ("", ".", "..")


class Tree:
    """All inodes that a disk knows, and the walk among them.

    Args:
        lower: The files below.
    """

    def __init__(self, lower: Lower) -> None:
        self.lower = lower
        self._made = 0
        self._known: dict[tuple[int, int], Inode] = {}
        self._folders: dict[str, Inode] = {}
        status = lower.status("/")
        assert status is not None
        self.root: Inode = self._adopt("/", status)
        self.root.parent = self.root

    def next_number(self) -> int:
        """Return which of the inodes that programs make is the next."""
        self._made += 1
        return self._made

    def _adopt(self, path: str, status: Status) -> Inode:
        made = Inode.of_lower(path, status)
        if made.is_folder:
            self._folders[path] = self._known[made.key] = made
        elif made.is_file:
            lower = self.lower

            def read(offset: int, size: int) -> bytes:
                return lower.read(path, offset, size)

            made.contents = made.durable = Contents(read, status.size)
        elif made.is_link:
            made.target = self.lower.target(path)
        return made

    def keep(self, inode: Inode) -> None:
        """Know a file below again when its path is followed next."""
        if inode.lower is not None:
            self._known[inode.key] = inode

    def release(self, inode: Inode) -> None:
        """Forget a file below that nothing has changed."""
        if inode.lower is not None and not inode.is_kept and not inode.is_folder:
            self._known.pop(inode.key, None)

    def known(self) -> list[Inode]:
        """List the inodes from below that are known."""
        return list(self._known.values())

    # Folders -------------------------------------------------------------------------------

    def child(self, folder: Inode, name: str) -> Inode | None:
        """Return what a name in a folder leads to, or None."""
        entries = folder.entries
        if name in entries:
            return entries[name]
        if folder.lower is None:
            return None
        path = f"{folder.lower.rstrip('/')}/{name}"
        if path.startswith(_SYSTEM) and _is_elsewhere(path):
            raise NotOnDiskError(path)
        found = self._folders.get(path)
        if found is not None:
            return found
        status = self.lower.status(path)
        if status is None:
            return None
        found = self._known.get((status.device, status.number))
        if found is not None and stat.S_IFMT(found.mode) == stat.S_IFMT(status.mode):
            return found
        found = self._adopt(path, status)
        if found.is_folder:
            found.parent = folder
        return found

    def names(self, folder: Inode) -> list[str]:
        """List a folder: what lies below by name, then what was added, in that order."""
        entries = folder.entries
        below: list[str] = []
        if folder.lower is not None:
            below = [name for name in sorted(self.lower.names(folder.lower)) if name not in entries]
        return [*below, *(name for name, inode in entries.items() if inode is not None)]

    # Walking -------------------------------------------------------------------------------

    def walk(self, path: str, start: Inode, user: User, last: str = FOLLOW) -> Place:
        """Follow a path as far as the folder of its last name, and look there.

        Args:
            path: The path.
            start: The folder that a relative path begins in.
            user: Whose permissions to search count.
            last: What is done with a symbolic link at the end: ``FOLLOW`` it; ``STAY`` there,
                unless a slash comes after it; ``NAME``: the name itself is what counts, as in what
                makes, moves and removes names: it is not looked up yet, and a slash is left to the
                caller; ``CREATE``: as FOLLOW, but no file can be made where a slash follows.

        Raises:
            OSError: ENOENT, ENOTDIR, EACCES, ELOOP or ENAMETOOLONG, without the path.
            NotOnDiskError: It leads to the system's own files.
        """
        if len(os.fsencode(path)) >= _PATH_MAX:
            raise file_error(errno.ENAMETOOLONG)
        if not path:
            raise file_error(errno.ENOENT)
        has_slash = path.endswith("/")
        todo = [name for name in reversed(path.split("/")) if name]
        folder = self.root if path[0] == "/" else start
        links = 0
        while todo:
            name = todo.pop()
            _check_search(folder, user)
            if last == NAME and not todo:
                return Place(folder, name, None, has_slash)
            if last == CREATE and has_slash and not todo:
                raise file_error(errno.EISDIR)  # open_last_lookups in fs/namei.c.
            inode = self._step(folder, name)
            if inode is not None and inode.is_link and (todo or _follows(last, has_slash)):
                links += 1
                if links > _LINKS_MAX:
                    raise file_error(errno.ELOOP)
                has_slash = has_slash or (not todo and inode.target.endswith("/"))
                folder = self._enter_link(inode, folder, todo)
            elif not todo:
                return _at_end(Place(folder, name, inode, has_slash))
            elif inode is None:
                raise file_error(errno.ENOENT)
            else:
                folder = inode
        return Place(folder, "", folder, has_slash=True)

    def look(self, place: Place) -> Inode | None:
        """Return what the name is that a walk to a ``NAME`` has ended with; ENAMETOOLONG."""
        return self._step(place.folder, place.name)

    def _step(self, folder: Inode, name: str) -> Inode | None:
        if name == ".":
            return folder
        if name == "..":
            return folder.parent
        if len(name) > _NAME_MAX // 4 and len(os.fsencode(name)) > _NAME_MAX:
            raise file_error(errno.ENAMETOOLONG)
        return self.child(folder, name)

    def _enter_link(self, link: Inode, folder: Inode, todo: list[str]) -> Inode:
        """Put a link's path in front of what is left; return where that begins."""
        todo.extend(name for name in reversed(link.target.split("/")) if name)
        return self.root if link.target.startswith("/") else folder

    def path_of(self, folder: Inode) -> str | None:
        """Return the absolute path of a folder, or None if it has been removed."""
        names: list[str] = []
        while folder is not self.root:
            above = folder.parent
            name = None if above is None else self._name_in(above, folder)
            if above is None or name is None:
                return None
            names.append(name)
            folder = above
        return "/" + "/".join(reversed(names))

    def _name_in(self, above: Inode, folder: Inode) -> str | None:
        for name, inode in above.entries.items():
            if inode is folder:
                return name
        if folder.lower is not None and above.lower is not None:
            parent, _, name = folder.lower.rpartition("/")
            if (parent or "/") == above.lower and name not in above.entries:
                return name
        return None


def _check_search(folder: Inode, user: User) -> None:
    if not folder.is_folder:
        raise file_error(errno.ENOTDIR)
    if not may(folder, user, EXECUTE):
        raise file_error(errno.EACCES)


def _follows(last: str, has_slash: bool) -> bool:  # noqa: FBT001 - of a path
    return last in (FOLLOW, CREATE) or (last == STAY and has_slash)


def _at_end(place: Place) -> Place:
    """Return where a path ends; ENOTDIR if a slash comes after what is no folder."""
    is_other = place.inode is not None and not place.inode.is_folder
    if place.has_slash and is_other:
        raise file_error(errno.ENOTDIR)
    return place


def _is_elsewhere(path: str) -> bool:
    _, top, *rest = path.split("/")
    return top in ("proc", "sys") or (top == "dev" and bool(rest) and rest[0] != "shm")
