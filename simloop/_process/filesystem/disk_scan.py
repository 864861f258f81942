"""What ``os.scandir`` gives for a folder of a disk.

Owns: the iterator, and entries with the methods of ``os.DirEntry``, of which none can be made.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, Self

from simloop.disk.disk_errors import NotOnDiskError, file_error

from .file_status import status_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simloop.disk.inode import Inode

    from .path_arguments import PathArguments

__all__ = ["DiskScan"]


class DiskEntry:
    """One name of a folder."""

    __slots__ = ("_calls", "_folder", "_name", "name", "path")

    def __init__(
        self, calls: PathArguments, folder: Inode, text: str, name: Any, path: Any
    ) -> None:
        self._calls = calls
        self._folder = folder
        self._name = text
        self.name = name
        self.path = path

    def _inode(self, *, follow: bool) -> Inode | None:
        """Return what the entry leads to; a folder tells the kinds without being searched."""
        calls = self._calls
        try:
            found = calls.disk.tree.child(self._folder, self._name)
            if found is None or not (follow and found.is_link):
                return found
            return calls.disk.find(self._name, self._folder, calls.user)
        except FileNotFoundError:
            return None
        except OSError as error:
            code = error.errno or errno.EIO
        except NotOnDiskError:
            return calls.disk.find("..", self._folder)  # A folder, at least.
        raise file_error(code, self.path)

    def inode(self) -> int:
        """Return the number of the file."""
        found = self._inode(follow=False)
        return 0 if found is None else found.number

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Return the status."""
        calls, last = self._calls, "follow" if follow_symlinks else "stay"
        try:
            return status_of(calls.disk.find(self._name, self._folder, calls.user, last))
        except OSError as error:
            code = error.errno or errno.EIO
        raise file_error(code, self.path)

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Return whether it is a folder."""
        found = self._inode(follow=follow_symlinks)
        return found is not None and found.is_folder

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Return whether it is a file."""
        found = self._inode(follow=follow_symlinks)
        return found is not None and found.is_file

    def is_symlink(self) -> bool:
        """Return whether it is a symbolic link."""
        found = self._inode(follow=False)
        return found is not None and found.is_link

    def is_junction(self) -> bool:
        """Return False: those are of Windows."""
        return False

    def __fspath__(self) -> Any:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"


class DiskScan:
    """The entries of a folder.

    Args:
        calls: Of the process that asks.
        folder: The folder.
        path: What the program gave for it.
        names: Its names.
    """

    __slots__ = ("_entries",)

    def __init__(self, calls: PathArguments, folder: Inode, path: Any, names: list[str]) -> None:
        self._entries: Iterator[DiskEntry] = _entries(calls, folder, path, names)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> DiskEntry:
        return next(self._entries)

    def close(self) -> None:
        """Read no more."""
        self._entries = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _entries(
    calls: PathArguments, folder: Inode, path: Any, names: list[str]
) -> Iterator[DiskEntry]:
    for text in names:
        name: Any = os.fsencode(text) if isinstance(path, bytes) else text
        whole = name if type(path) is int else os.path.join(os.fspath(path), name)  # noqa: PTH118 - may be bytes
        yield DiskEntry(calls, folder, text, name, whole)
