"""The calls that take a path: making, finding, moving and removing names.

Owns: what each call of Linux does to the tree, in the order in which fs/namei.c (Linux 6) checks,
because that decides which of two errors is told. Errors come without paths: who calls knows how
they were written.

Must not know: processes. What a process has (its folder, its user, its mask) comes by argument.
"""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING

from simloop.disk.durability.folder_journal import Entry, Journal

from .disk_errors import file_error
from .inode import Inode
from .walking import EXECUTE, FOLLOW, NAME, STAY, WRITE, Place, Tree, User, may

if TYPE_CHECKING:
    from .disk_conditions import Conditions
    from .lower import Lower

__all__ = ["ROOT", "PathCalls"]

ROOT = User(0, 0)

_FIRST_NUMBER = 1 << 52
"""Numbers of new inodes begin here, far above those that file systems give."""

_TARGET_MAX = 4095
_SIZE_MAX = 1 << 44
"""ext4 with blocks of 4096 bytes has no larger files (Documentation/filesystems/ext4)."""


class PathCalls:
    """A tree of files and its journal, and the calls that change it.

    Args:
        lower: The files below.
        conditions: The time, and what is chosen.
    """

    def __init__(self, lower: Lower, conditions: Conditions) -> None:
        self.conditions = conditions
        self.tree: Tree = Tree(lower)
        self.journal: Journal = Journal()
        self.used: int = 0
        """How many bytes have been written and are still there."""

    # Finding -------------------------------------------------------------------------------

    def find(
        self, path: str, start: Inode | None = None, user: User = ROOT, last: str = FOLLOW
    ) -> Inode:
        """Return the inode that a path leads to; ENOENT if there is none."""
        inode = self.tree.walk(path, start or self.tree.root, user, last).inode
        if inode is None:
            raise file_error(errno.ENOENT)
        return inode

    def read_link(self, path: str, start: Inode, user: User) -> str:
        """Return what a symbolic link holds; EINVAL if it is none."""
        inode = self.find(path, start, user, STAY)
        if not inode.is_link:
            raise file_error(errno.EINVAL)
        return inode.target

    # Making --------------------------------------------------------------------------------

    def new_inode(self, folder: Inode, mode: int, user: User) -> Inode:
        """Make an inode without a name: of the user, of the folder's group where that is set."""
        gid = user.gid
        if folder.mode & stat.S_ISGID:
            gid = folder.gid
            if stat.S_ISDIR(mode):
                mode |= stat.S_ISGID
        number, now_ns = _FIRST_NUMBER + self.tree.next_number(), self.conditions.now_ns()
        made = Inode(number, folder.device, mode, user.uid, gid, now_ns)
        made.is_kept = True
        if made.is_file:
            made.start_empty()
        return made

    def add(self, what: str, place: Place, inode: Inode) -> None:
        """Give an inode a name."""
        now_ns = self.conditions.now_ns()
        self.journal.make(what, Entry(place.folder, place.name, None, inode))
        place.folder.touch(now_ns)
        inode.change_ns = now_ns
        if inode.is_folder:
            inode.parent = place.folder

    def _new_place(self, path: str, start: Inode, user: User, *, is_folder: bool = False) -> Place:
        """Return where a new name may be made (filename_create)."""
        place = self.tree.walk(path, start, user, NAME)
        if place.is_dots or self.tree.look(place) is not None:
            raise file_error(errno.EEXIST)
        if place.has_slash and not is_folder:
            raise file_error(errno.ENOENT)
        return place

    def check_new(self, folder: Inode, user: User) -> None:
        """Raise what may_create does: ENOENT in a folder that is gone, EACCES."""
        if not folder.links:
            raise file_error(errno.ENOENT)
        if not may(folder, user, WRITE | EXECUTE):
            raise file_error(errno.EACCES)

    def mkdir(self, path: str, start: Inode, user: User, mode: int) -> None:
        """Make a folder."""
        place = self._new_place(path, start, user, is_folder=True)
        self.check_new(place.folder, user)
        made = self.new_inode(place.folder, stat.S_IFDIR | (mode & 0o1777), user)
        self.add(f"mkdir {place.name}", place, made)

    def mknod(self, path: str, start: Inode, user: User, mode: int) -> None:
        """Make an empty file, which must be new."""
        place = self._new_place(path, start, user)
        self.check_new(place.folder, user)
        made = self.new_inode(place.folder, stat.S_IFREG | (mode & 0o7777), user)
        self.add(f"create {place.name}", place, made)

    def symlink(self, target: str, path: str, start: Inode, user: User) -> None:
        """Make a symbolic link."""
        if not target:
            raise file_error(errno.ENOENT)
        made_size = len(target.encode(errors="surrogateescape"))
        if made_size > _TARGET_MAX:
            raise file_error(errno.ENAMETOOLONG)
        place = self._new_place(path, start, user)
        self.check_new(place.folder, user)
        made = self.new_inode(place.folder, stat.S_IFLNK | 0o777, user)
        made.target = target
        self.add(f"symlink {place.name}", place, made)

    def link(self, inode: Inode, path: str, start: Inode, user: User) -> None:
        """Give a file one more name."""
        place = self._new_place(path, start, user)
        self.check_new(place.folder, user)
        if inode.is_folder:
            raise file_error(errno.EPERM)
        if not inode.links and inode.lower is None:
            raise file_error(errno.ENOENT)
        self._keep(inode)
        self.add(f"link {place.name}", place, inode)

    # Removing ------------------------------------------------------------------------------

    def _check_removal(self, place: Place, inode: Inode, user: User, *, is_folder: bool) -> None:
        """Raise what may_delete does."""
        folder = place.folder
        if not may(folder, user, WRITE | EXECUTE):
            raise file_error(errno.EACCES)
        is_sticky = folder.mode & stat.S_ISVTX and user.uid not in (0, folder.uid, inode.uid)
        if is_sticky:
            raise file_error(errno.EPERM)
        if is_folder and not inode.is_folder:
            raise file_error(errno.ENOTDIR)
        if not is_folder and inode.is_folder:
            raise file_error(errno.EISDIR)

    def unlink(self, path: str, start: Inode, user: User) -> None:
        """Remove a name that is no folder's."""
        place = self.tree.walk(path, start, user, NAME)
        if place.is_dots:
            raise file_error(errno.EISDIR)
        inode = self.tree.look(place)
        if inode is None:
            raise file_error(errno.ENOENT)
        if place.has_slash:
            raise file_error(errno.EISDIR if inode.is_folder else errno.ENOTDIR)
        self._check_removal(place, inode, user, is_folder=False)
        self._remove(f"unlink {place.name}", place, inode)

    def rmdir(self, path: str, start: Inode, user: User) -> None:
        """Remove an empty folder."""
        place = self.tree.walk(path, start, user, NAME)
        if place.is_dots:
            codes = {".": errno.EINVAL, "..": errno.ENOTEMPTY}
            raise file_error(codes.get(place.name, errno.EBUSY))
        inode = self.tree.look(place)
        if inode is None:
            raise file_error(errno.ENOENT)
        self._check_removal(place, inode, user, is_folder=True)
        if self.tree.names(inode):
            raise file_error(errno.ENOTEMPTY)
        self._remove(f"rmdir {place.name}", place, inode)

    def _remove(self, what: str, place: Place, inode: Inode) -> None:
        now_ns = self.conditions.now_ns()
        self._keep(inode)
        self.journal.make(what, Entry(place.folder, place.name, inode, None))
        place.folder.touch(now_ns)
        inode.change_ns = now_ns
        self.let_go(inode)

    def _keep(self, inode: Inode) -> None:
        """Know an inode from below again, since its names differ from now on."""
        inode.is_kept = True
        self.tree.keep(inode)

    def let_go(self, inode: Inode) -> None:
        """Count the bytes of a file that has neither a name nor a descriptor as free."""
        if inode.is_file and not inode.links and not inode.opens:
            self.used -= inode.contents.allocated

    # Moving --------------------------------------------------------------------------------

    def rename(self, path: str, start: Inode, target: str, target_start: Inode, user: User) -> None:
        """Give something another name, in place of what had that (do_renameat2)."""
        source = self.tree.walk(path, start, user, NAME)
        there = self.tree.walk(target, target_start, user, NAME)
        if source.is_dots or there.is_dots:
            raise file_error(errno.EBUSY)
        inode = self.tree.look(source)
        if inode is None:
            raise file_error(errno.ENOENT)
        replaced = self.tree.look(there)
        if not inode.is_folder and (source.has_slash or there.has_slash):
            raise file_error(errno.ENOTDIR)
        if inode.is_folder and self._is_within(there.folder, inode):
            raise file_error(errno.EINVAL)
        if replaced is not None and self._is_within(source.folder, replaced):
            raise file_error(errno.ENOTEMPTY)
        if replaced is not None and replaced.key == inode.key:
            return
        self._check_rename(source, there, inode, replaced, user)
        self._move(source, there, inode, replaced)

    def _check_rename(
        self, source: Place, there: Place, inode: Inode, replaced: Inode | None, user: User
    ) -> None:
        """Raise what vfs_rename does."""
        is_folder = inode.is_folder
        self._check_removal(source, inode, user, is_folder=is_folder)
        if replaced is None:
            self.check_new(there.folder, user)
        else:
            self._check_removal(there, replaced, user, is_folder=is_folder)
        if is_folder and source.folder is not there.folder and not may(inode, user, WRITE):
            raise file_error(errno.EACCES)
        if replaced is not None and is_folder and self.tree.names(replaced):
            raise file_error(errno.ENOTEMPTY)

    def _move(self, source: Place, there: Place, inode: Inode, replaced: Inode | None) -> None:
        now_ns = self.conditions.now_ns()
        self._keep(inode)
        if replaced is not None:
            self._keep(replaced)
        self.journal.make(
            f"rename {source.name} to {there.name}",
            Entry(source.folder, source.name, inode, None),
            Entry(there.folder, there.name, replaced, inode),
        )
        source.folder.touch(now_ns)
        there.folder.touch(now_ns)
        inode.change_ns = now_ns
        if inode.is_folder:
            inode.parent = there.folder
        if replaced is not None:
            replaced.change_ns = now_ns
            self.let_go(replaced)

    def _is_within(self, folder: Inode, above: Inode) -> bool:
        """Return whether a folder is another one, or lies in it."""
        root = self.tree.root
        while folder is not above:
            if folder is root or folder.parent is None:
                return False
            folder = folder.parent
        return True

    # Attributes ----------------------------------------------------------------------------

    def chmod(self, inode: Inode, user: User, mode: int) -> None:
        """Set the permissions."""
        if user.uid not in (0, inode.uid):
            raise file_error(errno.EPERM)
        self._keep(inode)
        inode.mode = stat.S_IFMT(inode.mode) | (mode & 0o7777)
        inode.change_ns = self.conditions.now_ns()

    def chown(self, inode: Inode, user: User, uid: int, gid: int) -> None:
        """Set the owner and the group; -1 leaves one as it is."""
        is_own = (
            user.uid == inode.uid and uid in (-1, inode.uid) and gid in (-1, inode.gid, user.gid)
        )
        if user.uid and not is_own:
            raise file_error(errno.EPERM)
        self._keep(inode)
        inode.uid = inode.uid if uid == -1 else uid
        inode.gid = inode.gid if gid == -1 else gid
        inode.change_ns = self.conditions.now_ns()

    def utime(self, inode: Inode, user: User, times_ns: tuple[int, int] | None) -> None:
        """Set the times of access and modification; None: to now."""
        if user.uid not in (0, inode.uid):
            if times_ns is not None:
                raise file_error(errno.EPERM)
            if not may(inode, user, WRITE):
                raise file_error(errno.EACCES)
        self._keep(inode)
        now_ns = self.conditions.now_ns()
        inode.access_ns, inode.modify_ns = times_ns or (now_ns, now_ns)
        inode.change_ns = now_ns

    def truncate(self, inode: Inode, size: int) -> None:
        """Give a file a size."""
        if size < 0:
            raise file_error(errno.EINVAL)
        if size > _SIZE_MAX:
            raise file_error(errno.EFBIG)
        before = inode.contents.allocated
        inode.truncate(size, self.conditions.now_ns())
        self.used += inode.contents.allocated - before
        self._keep(inode)

    def truncate_path(self, path: str, start: Inode, user: User, size: int) -> None:
        """Give a file a size, by its path."""
        if size < 0:
            raise file_error(errno.EINVAL)
        inode = self.find(path, start, user)
        if not inode.is_file:
            raise file_error(errno.EISDIR if inode.is_folder else errno.EINVAL)
        if not may(inode, user, WRITE):
            raise file_error(errno.EACCES)
        self.truncate(inode, size)
