"""An inode: what a file, a folder or a symbolic link is, whatever names lead to it.

Owns: kind, mode, owner, times, links; a file's bytes as a program sees them and as they are
durable; a folder's entries in the same two ways. An inode that came from a file below keeps that
file's number and device.

Must not know: paths, and who opens it.

Invariants: a folder's ``entries`` say what differs from the folder below: a name leads to an inode,
or to None where the name below is gone. ``durable_entries`` is what the journal has taken of it.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from simloop.disk.durability.contents import Contents
from simloop.disk.durability.pending import Pending

if TYPE_CHECKING:
    from simloop.disk.durability.pending import Choose

    from .lower import Status

__all__ = ["Inode"]

_EMPTY = Contents()
"""What is durable of all files that were never synced: nothing. It is not written to."""


class Inode:
    """One file, folder or link.

    Args:
        number: The number that ``stat`` shows.
        device: The device that ``stat`` shows.
        mode: Kind and permissions.
        uid: Its owner.
        gid: Its group.
        now_ns: When it was made, in POSIX nanoseconds.
    """

    __slots__ = (
        "access_ns",
        "change_ns",
        "contents",
        "device",
        "durable",
        "durable_entries",
        "entries",
        "gid",
        "is_kept",
        "links",
        "locks",
        "lower",
        "mode",
        "modify_ns",
        "number",
        "opens",
        "parent",
        "pending",
        "rdev",
        "target",
        "uid",
    )

    contents: Contents
    """A file's bytes, as programs see them."""
    durable: Contents
    """A file's bytes, as they are durable; of an unchanged file the same object."""

    def __init__(
        self, number: int, device: int, mode: int, uid: int, gid: int, now_ns: int
    ) -> None:
        self.number: int = number
        self.device: int = device
        self.mode: int = mode
        self.uid: int = uid
        self.gid: int = gid
        self.access_ns: int = now_ns
        self.modify_ns: int = now_ns
        self.change_ns: int = now_ns
        self.links: int = 0
        self.rdev: int = 0
        self.opens: int = 0
        self.target: str = ""
        self.lower: str | None = None
        """The path of what lies below, or None for what a program made."""
        self.is_kept: bool = False
        """Whether the disk must know this one again: it differs from what lies below."""
        self.parent: Inode | None = None
        """Of a folder: where ``..`` leads."""
        self.entries: dict[str, Inode | None] = {}
        self.durable_entries: dict[str, Inode | None] = {}
        self.pending: Pending = Pending()
        self.locks: object = None
        """Locks of it, by the module that keeps them; None as long as there was none."""

    @classmethod
    def of_lower(cls, path: str, status: Status) -> Inode:
        """Make the inode of a file below."""
        made = cls(
            *(status.number, status.device, status.mode, status.uid, status.gid),
            status.modify_ns,
        )
        made.access_ns, made.change_ns = status.access_ns, status.change_ns
        made.links, made.rdev = status.links, status.rdev
        made.lower = path
        return made

    @property
    def key(self) -> tuple[int, int]:
        """Device and number, by which a file below is known."""
        return self.device, self.number

    @property
    def is_folder(self) -> bool:
        """Whether it has entries."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        """Whether it has bytes."""
        return stat.S_ISREG(self.mode)

    @property
    def is_link(self) -> bool:
        """Whether it leads to another path."""
        return stat.S_ISLNK(self.mode)

    @property
    def size(self) -> int:
        """What ``stat`` shows: bytes of a file or of a link's path; one block for a folder."""
        if self.is_file:
            return self.contents.size
        return len(self.target.encode(errors="surrogateescape")) if self.is_link else 4096

    def start_empty(self) -> None:
        """Give a new file its bytes: none."""
        self.contents, self.durable = Contents(), _EMPTY

    def touch(self, now_ns: int) -> None:
        """Note that the content has changed."""
        self.modify_ns = self.change_ns = now_ns

    def write(self, offset: int, data: bytes, now_ns: int) -> int:
        """Put bytes into a file; return how many more bytes it takes now."""
        contents = self.contents
        if self.durable is contents:
            self._part_from_durable()
        self.pending.write(offset, data, contents.size)
        self.modify_ns = self.change_ns = now_ns
        before = contents.allocated
        contents.write(offset, data)
        return contents.allocated - before

    def truncate(self, size: int, now_ns: int) -> None:
        """Give a file a size."""
        if size != self.contents.size:
            self._part_from_durable()
            self.pending.resize(size)
            self.contents.truncate(size)
        self.touch(now_ns)

    def _part_from_durable(self) -> None:
        """Let what programs see be apart from what is durable, before the first change."""
        if self.durable is self.contents:
            self.durable = self.contents.copy()
            self.is_kept = True

    def sync(self) -> None:
        """Make the bytes of a file durable."""
        if self.pending:
            self.pending.settle(self._own_durable())

    def survive(self, choose: Choose, name: str, sector: int) -> int:
        """Make durable what choices leave; see :meth:`.Pending.survive`."""
        return self.pending.survive(self._own_durable(), choose, name, sector)

    def restore(self) -> None:
        """Let programs see the durable bytes."""
        self.contents = self._own_durable()

    def _own_durable(self) -> Contents:
        if self.durable is _EMPTY:
            self.durable = Contents()
        return self.durable

    def set_entry(self, name: str, inode: Inode | None, *, durable: bool = False) -> None:
        """Let a name of a folder lead to an inode, or to nothing."""
        entries = self.durable_entries if durable else self.entries
        if inode is None and self.lower is None:
            entries.pop(name, None)
        else:
            entries[name] = inode
        self.is_kept = True

    def check(self) -> None:
        """Assert the invariants."""
        assert self.is_file or not self.pending
        assert self.is_folder or not (self.entries or self.durable_entries)
        assert self.lower is not None or all(self.entries.values())
        if self.is_file:
            self.contents.check()
            self.durable.check()
            if self.durable is not self.contents and self.pending:
                settled = self.durable.copy()
                self.pending.replay(settled)
                assert settled.size == self.contents.size
