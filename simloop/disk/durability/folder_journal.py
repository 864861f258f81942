"""The journal: changes of folders that are not durable yet, in the order in which they were made.

Owns: that order, and what a power cut leaves: a prefix of it. Each change is whole, however many
entries it concerns: a rename has happened, or has not. ext4 has one linear journal for all folders
(A. Goldstein on linux-fsdevel, March 2019), and XFS, btrfs and f2fs keep this order, too. So a
folder that is synced takes all that was done before its own last change with it.

That a file was synced makes none of its names durable: fsync(2) asks for an fsync of the folder. On
ext4 it happens to come along; a program that relies on it breaks elsewhere.

Must not know: bytes of files.

Invariant: applied in order to the durable entries the list gives the entries that programs see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .pending import CHOICES_MAX

if TYPE_CHECKING:
    from simloop.disk.inode import Inode

    from .pending import Choose

__all__ = ["Entry", "Journal"]


class Entry(NamedTuple):
    """One entry of a folder that changes: what its name led to, and what it leads to then."""

    folder: Inode
    name: str
    before: Inode | None
    after: Inode | None

    def count_links(self, sign: int) -> None:
        """Count the names of both inodes: a folder has one more in itself, and in its parent."""
        for inode, delta in ((self.before, -sign), (self.after, sign)):
            if inode is None:
                continue
            inode.links += 2 * delta if inode.is_folder else delta
            if inode.is_folder:
                self.folder.links += delta


class _Change(NamedTuple):
    """One change of folders: what is done, and the entries that change with it."""

    what: str
    entries: tuple[Entry, ...]


class Journal:
    """Changes of folders, oldest first."""

    __slots__ = ("_changes",)

    def __init__(self) -> None:
        self._changes: list[_Change] = []

    def __len__(self) -> int:
        return len(self._changes)

    def make(self, what: str, *entries: Entry) -> None:
        """Change entries at once."""
        for each in entries:
            each.folder.set_entry(each.name, each.after)
            each.count_links(1)
        self._changes.append(_Change(what, entries))

    def sync(self, folder: Inode) -> None:
        """Make a folder's changes durable, and all that came before the last of them."""
        changes = self._changes
        for at in range(len(changes) - 1, -1, -1):
            if any(each.folder is folder for each in changes[at].entries):
                self._commit(at + 1)
                return

    def sync_all(self) -> None:
        """Make all changes durable."""
        self._commit(len(self._changes))

    def survive(self, choose: Choose) -> list[str]:
        """Make durable what a choice leaves, and forget the rest; return what is lost."""
        count = len(self._changes)
        lost = 0
        if count:
            # The least loss first; the last outcome loses all.
            options = min(count + 1, CHOICES_MAX)
            lost = choose(options, "folders")
            lost = count if lost == options - 1 else lost
        self._commit(count - lost)
        gone, self._changes = self._changes, []
        for change in gone:
            for each in change.entries:
                each.count_links(-1)
        return [each.what for each in gone]

    def _commit(self, count: int) -> None:
        for each in self._changes[:count]:
            for entry in each.entries:
                entry.folder.set_entry(entry.name, entry.after, durable=True)
        del self._changes[:count]

    def check(self) -> None:
        """Assert the invariant."""
        entries: dict[Inode, dict[str, Inode | None]] = {}
        for change in self._changes:
            for each in change.entries:
                found = entries.setdefault(each.folder, dict(each.folder.durable_entries))
                found[each.name] = each.after
        for folder, found in entries.items():
            for name, inode in folder.entries.items():
                assert found.get(name) is inode, (name, inode)
