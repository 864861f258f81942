"""The disk of a host: its files, what of them is durable, and what a power cut leaves.

Owns: opening, syncing, the faults that were configured, the power cut, and what tests ask of a
disk. What programs write lies over the files below, which are never written.

Must not know: asyncio, the clock, processes, the real files: all that comes by argument.

Invariants:

- What was synced survives each power cut. What was not survives in one of the states that
  :mod:`.durability.pending` and :mod:`.durability.folder_journal` list, and which one is a choice.
- Permissions, owners and times are taken to be durable at once, which is one of the legal states.
- ``used`` is the sum of the bytes in extents of all files that have a name or a descriptor.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from simloop.disk.durability.loss import Loss
from simloop.disk.durability.pending import CHOICES_MAX
from simloop.errors import UsageError

from .disk_conditions import Conditions, Settings
from .disk_errors import NotOnDiskError, file_error, naming
from .lower import NoFiles
from .open_inode import OpenInode
from .path_calls import ROOT, PathCalls
from .walking import CREATE, FOLLOW, READ, STAY, WRITE, Place, User, may

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .inode import Inode
    from .lower import Lower

__all__ = ["Disk"]

_NEW_FOLDER = os.O_CREAT | os.O_DIRECTORY
_OWNER = User(1000, 1000)
"""Whose files are that a test writes: the user of a world's programs."""


class Disk(PathCalls):
    """Files that a host has for itself.

    Args:
        lower: What lies below, read-only; nothing if None.
        conditions: The time, and what is chosen; undisturbed if None.

    Example:
        >>> disk = Disk()
        >>> disk.write("/data/notes.txt", b"one")
        >>> disk.read("/data/notes.txt"), disk.files()
        (b'one', ['/data/notes.txt'])
    """

    def __init__(self, lower: Lower | None = None, conditions: Conditions | None = None) -> None:
        self._lower: Lower = lower or NoFiles()
        super().__init__(self._lower, conditions or Conditions())
        self.settings: Settings = Settings()
        self.is_perfect: bool = True
        """Whether no call takes time or fails: the settings are those of a new disk."""
        self.boots: int = 0
        """How often the power was cut, or everything wiped: open files do not outlive that."""
        self.plain_boot: int = 0
        """``boots`` while the disk is perfect, else -1: what open files look at, at each call."""

    def __repr__(self) -> str:
        return f"<Disk of {len(self.files())} files, {self.used} bytes>"

    # What tests ask --------------------------------------------------------------------------

    def configure(self, **settings: Any) -> None:
        """Say how well the disk works from now on; what is not named stays as it is.

        Args:
            **settings: ``latency`` is what each call that reads, writes or syncs takes, in seconds:
                a number, or ``(low, high)``. ``capacity`` is how many bytes may be written: beyond
                them a write is short, and then ENOSPC. ``sector`` is how many bytes the device
                writes as one, 4096 or 512. ``read_error``, ``write_error`` and ``sync_error`` are
                the probabilities that such a call fails with EIO, ``corrupt`` that a read finds a
                bit flipped that stays so.

        Raises:
            UsageError: One is not known, or has a value that means nothing.

        Example:
            >>> disk = Disk()
            >>> disk.configure(capacity=1 << 20, sync_error=0.01)
            >>> disk.settings.sector
            4096
        """
        for name, value in settings.items():
            if name not in Settings._fields:
                raise UsageError(
                    f"disk.configure() got {name}={value!r}; it takes"
                    f" {', '.join(Settings._fields)} by name"
                )
        chosen = self.settings._replace(**settings)
        chosen.check()
        self.settings = chosen
        self.is_perfect = chosen._replace(sector=4096) == Settings()
        self.plain_boot = self.boots if self.is_perfect else -1

    def read(self, path: str) -> bytes:
        """Return the bytes of a file, whoever owns it, as programs see them.

        Raises:
            OSError: There is none: ENOENT, EISDIR.
            UsageError: That is no path.
        """
        if not isinstance(path, str | os.PathLike):
            raise UsageError(f"disk.read({path!r}): it takes a path")
        with naming(path):
            inode = self.find(path)
            if not inode.is_file:
                raise file_error(errno.EISDIR if inode.is_folder else errno.EINVAL)
        return inode.contents.read(0, inode.contents.size)

    def write(self, path: str, data: bytes) -> None:
        """Put a file there, with the folders on the way, all of it durable.

        Raises:
            OSError: It can't be there: EISDIR, ENOTDIR.
            UsageError: The path is not absolute, or the data are no bytes.
        """
        where: object = path
        if not isinstance(where, str) or not where.startswith("/"):
            raise UsageError(f"disk.write({path!r}): it takes an absolute path")
        given: object = data
        if not isinstance(given, bytes | bytearray | memoryview):
            raise UsageError(
                f"disk.write({path!r}, {data!r}): it takes bytes; a text has them by encode()"
            )
        with naming(path):
            self._make_folders(path)
            opened = self.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644, ROOT)
            inode = opened.inode
            try:
                if inode.contents.size == 0 and inode.lower is None:
                    inode.uid, inode.gid = _OWNER
                inode.write(0, bytes(data), self.conditions.now_ns())
                self.used += inode.contents.allocated
            finally:
                opened.close()
        inode.sync()
        self.journal.sync_all()

    def _make_folders(self, path: str) -> None:
        root = self.tree.root
        for at, letter in enumerate(path):
            if letter == "/" and at:
                with suppress(FileExistsError):
                    self.mkdir(path[:at], root, _OWNER if at > 1 else ROOT, 0o755)

    def files(self) -> list[str]:
        """List the paths of the files that were written on this disk, sorted."""
        return sorted(dict.fromkeys(path for path, inode in self._walk_written() if inode.is_file))

    def wipe(self) -> None:
        """Forget all that was written: what is left is what lies below."""
        self._boot_again()
        super().__init__(self._lower, self.conditions)

    def _boot_again(self) -> None:
        """Let the files that are open be those of an earlier boot."""
        self.boots += 1
        self.plain_boot = self.boots if self.is_perfect else -1

    def _walk_written(self) -> Iterator[tuple[str, Inode]]:
        """Yield paths and inodes of what differs from what lies below, folders first."""
        seen: dict[Inode, None] = {}
        todo: list[tuple[str, Inode]] = []
        known = sorted(self.tree.known(), key=_place_below)
        for inode in known:
            path = self.tree.path_of(inode) if inode.is_folder else None
            if path is not None:
                todo.append((path, inode))
            elif self._is_where_it_was(inode):
                yield inode.lower or "", inode
        while todo:
            path, folder = todo.pop()
            if folder in seen:
                continue
            seen[folder] = None
            yield path, folder
            for name, entry in folder.entries.items():
                if entry is not None:
                    below = f"{path.rstrip('/')}/{name}"
                    if entry.is_folder:
                        todo.append((below, entry))
                    else:
                        yield below, entry

    def _is_where_it_was(self, inode: Inode) -> bool:
        """Return whether a file from below still has the name that it has there."""
        if inode.is_folder or not inode.is_kept or not inode.links or inode.lower is None:
            return False
        with suppress(OSError, NotOnDiskError):
            return self.tree.walk(inode.lower, self.tree.root, ROOT, STAY).inode is inode
        return False

    # Opening -------------------------------------------------------------------------------

    def open(
        self,
        path: str,
        flags: int,
        mode: int = 0o777,
        user: User = ROOT,
        start: Inode | None = None,
    ) -> OpenInode:
        """Return a file or a folder that is open now, or is made, as Linux does it.

        Raises:
            OSError: The errno of Linux, without the path.
            NotOnDiskError: It is a device, a pipe or a socket.
        """
        start = start or self.tree.root
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            return self._open_unnamed(path, flags, mode, user, start)
        if flags & _NEW_FOLDER == _NEW_FOLDER:
            raise file_error(errno.EINVAL)  # Linux 6.4: build_open_flags in fs/open.c.
        place = self.tree.walk(path, start, user, _last_of(path, flags))
        inode = place.inode
        if inode is None:
            inode = self._create(place, flags, mode, user)
        else:
            _check_kind(inode, flags)
            _check_access(inode, flags, user)
            if flags & os.O_TRUNC and inode.is_file:
                self.truncate(inode, 0)
        return OpenInode(self, inode, flags, place.name)

    def _create(self, place: Place, flags: int, mode: int, user: User) -> Inode:
        if not flags & os.O_CREAT:
            raise file_error(errno.ENOENT)
        self.check_new(place.folder, user)
        made = self.new_inode(place.folder, stat.S_IFREG | (mode & 0o7777), user)
        self.add(f"create {place.name}", place, made)
        return made

    def _open_unnamed(
        self, path: str, flags: int, mode: int, user: User, start: Inode
    ) -> OpenInode:
        folder = self.find(path, start, user)
        if not folder.is_folder:
            raise file_error(errno.ENOTDIR)
        if flags & os.O_ACCMODE == os.O_RDONLY:
            raise file_error(errno.EINVAL)
        self.check_new(folder, user)
        made = self.new_inode(folder, stat.S_IFREG | (mode & 0o7777), user)
        return OpenInode(self, made, flags, "unnamed")

    # Durability ----------------------------------------------------------------------------

    def sync(self, inode: Inode, name: str) -> None:
        """Make one file durable, or one folder; EIO where that fails.

        A sync that fails loses what it did not write: the pages are taken for clean, so that the
        next one succeeds and does not bring it back (Rebello et al., ATC 20).
        """
        if not self.is_perfect:
            boots = self.boots
            try:
                self.fail("sync", name, self.settings.sync_error)
            except OSError:
                if inode.is_file and boots == self.boots:
                    self._survive(inode, f"failed sync of {name}")
                raise
        if inode.is_folder:
            self.journal.sync(inode)
        elif inode.is_file:
            inode.sync()

    def sync_all(self) -> None:
        """Make everything durable, as sync(2) does."""
        self.journal.sync_all()
        for _, inode in self._walk_written():
            if inode.is_file:
                inode.sync()

    def _survive(self, inode: Inode, name: str) -> int:
        return inode.survive(self.conditions.choose, name, self.settings.sector)

    def crash(self) -> Loss:
        """Cut the power: keep what is durable, and of the rest what the choices leave.

        Files that were open answer EIO from then on, and locks are gone. Choice 0 keeps all; see
        :mod:`.conditions` for why.

        Returns:
            What was lost.

        Example:
            >>> disk = Disk()
            >>> opened = disk.open("/log", os.O_WRONLY | os.O_CREAT)
            >>> opened.write(b"entry")
            5
            >>> disk.conditions.choose = lambda count, name: count - 1
            >>> str(disk.crash())
            'lost: create log'
        """
        self._boot_again()
        changes = self.journal.survive(self.conditions.choose)
        folders = [inode for inode in self.tree.known() if inode.is_folder]
        for folder in sorted(folders, key=_place_below):
            _restore_entries(folder)
        lost: list[tuple[str, int]] = []
        self.used: int = 0
        files: dict[Inode, None] = {}
        for path, inode in self._walk_written():
            inode.opens, inode.locks = 0, None
            if inode.is_folder or inode in files:
                continue
            files[inode] = None
            if inode.is_file:
                lost += self._restore_file(path, inode)
        for inode in self.tree.known():
            if not inode.is_folder and inode not in files:
                inode.opens, inode.locks = 0, None
                self.tree.release(inode)
        loss = Loss(tuple(changes), tuple(lost))
        if changes or lost or self.conditions.tells_of_no_loss:
            self.conditions.tell(f"power cut, {loss}")
        return loss

    def _restore_file(self, path: str, inode: Inode) -> list[tuple[str, int]]:
        count = self._survive(inode, path) if inode.pending else 0
        inode.restore()
        self.used += inode.contents.allocated
        return [(path, count)] if count else []

    # Faults --------------------------------------------------------------------------------

    def fail(self, what: str, name: str, p: float) -> None:
        """Let the time of a call pass, and raise EIO if it is to fail, or the power was cut."""
        duration_ns = self.settings.latency_ns(self.conditions, f"{what} of {name}")
        if duration_ns:
            boots = self.boots
            self.conditions.wait(duration_ns)
            if self.boots != boots:
                raise file_error(errno.EIO)
        fault = f"{what} error of {name}"
        if p and self.conditions.happens(fault, p):
            self.conditions.tell(fault)
            raise file_error(errno.EIO)

    def rot(self, inode: Inode, name: str, offset: int, size: int) -> None:
        """Flip a bit of what is about to be read, for good, if that is to happen."""
        count = min(size, inode.contents.size - offset)
        p = self.settings.corrupt
        if count <= 0 or not p or not self.conditions.happens(f"corruption of {name}", p):
            return
        options = min(count, CHOICES_MAX)
        at = offset + self.conditions.choose(options, f"where {name} is corrupt") * count // options
        self.conditions.tell(f"corruption of {name}, byte {at}")
        flipped = bytes([inode.contents.read(at, 1)[0] ^ 0x40])
        inode.is_kept = True
        inode.contents.write(at, flipped)
        if inode.durable is not inode.contents and at < inode.durable.size:
            inode.durable.write(at, flipped)

    def room_for(self, inode: Inode, offset: int, size: int) -> int:
        """Return how many bytes of a write find room; ENOSPC if none does."""
        capacity = self.settings.capacity
        if capacity is None:
            return size
        free = max(0, capacity - self.used)
        new = size - inode.contents.allocated_in(offset, offset + size)
        if new <= free:
            return size
        fits = free + inode.contents.allocated_in(offset, offset + free)
        if not fits:
            raise file_error(errno.ENOSPC)
        return min(fits, size)

    # Invariants ----------------------------------------------------------------------------

    def check(self) -> None:
        """Assert the invariants of all that has a name."""
        self.journal.check()
        total = 0
        seen: dict[Inode, None] = {}
        for path, inode in self._walk_written():
            if inode in seen:
                continue
            seen[inode] = None
            inode.check()
            assert inode.links > 0, path
            if inode.is_file:
                total += inode.contents.allocated
        assert total <= self.used, (total, self.used)


def _place_below(inode: Inode) -> str:
    """Return by what inodes from below come in an order: which was asked for first is no order."""
    return inode.lower or ""


def _last_of(path: str, flags: int) -> str:
    """Return what a walk does with the last name of a path that is opened."""
    is_new = flags & (os.O_CREAT | os.O_EXCL) == os.O_CREAT | os.O_EXCL
    if (flags & os.O_NOFOLLOW or is_new) and not (flags & os.O_CREAT and path.endswith("/")):
        return STAY
    return CREATE if flags & os.O_CREAT else FOLLOW


def _check_kind(inode: Inode, flags: int) -> None:
    """Raise what open(2) does at something of another kind."""
    if flags & (os.O_CREAT | os.O_EXCL) == os.O_CREAT | os.O_EXCL:
        raise file_error(errno.EEXIST)
    if flags & os.O_PATH:
        if flags & os.O_DIRECTORY and not inode.is_folder:
            raise file_error(errno.ENOTDIR)
        return
    if inode.is_link:
        raise file_error(errno.ENOTDIR if flags & os.O_DIRECTORY else errno.ELOOP)
    if inode.is_folder:
        if flags & (os.O_CREAT | os.O_TRUNC) or flags & os.O_ACCMODE != os.O_RDONLY:
            raise file_error(errno.EISDIR)
        return
    if flags & os.O_DIRECTORY:
        raise file_error(errno.ENOTDIR)
    if not inode.is_file:
        raise NotOnDiskError(inode.lower or "")


def _check_access(inode: Inode, flags: int, user: User) -> None:
    if flags & os.O_PATH:
        return
    kinds = {os.O_RDONLY: READ, os.O_WRONLY: WRITE, os.O_RDWR: READ | WRITE}
    wanted = kinds.get(flags & os.O_ACCMODE, READ | WRITE)
    if flags & os.O_TRUNC:
        wanted |= WRITE
    if not may(inode, user, wanted):
        raise file_error(errno.EACCES)


def _restore_entries(folder: Inode) -> None:
    """Let programs see the durable entries of a folder, and of those in it."""
    todo = [folder]
    while todo:
        inode = todo.pop()
        inode.entries = dict(inode.durable_entries)
        for each in inode.entries.values():
            if each is not None and each.is_folder:
                each.parent = inode
                if each.lower is None:
                    todo.append(each)
