"""All calls on files that a process makes.

Owns: putting them together, and the end of the process, as far as files know of it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from simloop.disk.file_locks import locks_of

from .descriptor_functions import DescriptorFunctions
from .disk_file import DiskFile
from .path_functions import PathFunctions

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FileSystemCalls"]


class FileSystemCalls(PathFunctions, DescriptorFunctions):
    """Answer calls on files for one process, on the disk of its host.

    Example:
        >>> from simloop.disk import Disk
        >>> from simloop.net import Network
        >>> host = Network().add_host("db", "10.0.0.1")
        >>> calls = FileSystemCalls(lambda: host, Disk(), "/", lambda fd: None, host.descriptors)
        >>> fd = calls.open("log", 0o102)  # O_RDWR and O_CREAT
        >>> calls.write(fd, b"entry"), calls.fstat(fd).st_size, calls.listdir("/")
        (5, 5, ['log'])
    """

    def _open_files(self) -> Iterator[DiskFile]:
        """Yield what is open, the lowest descriptor first."""
        for fd in self.descriptors.numbers():
            file = self.descriptors.look_up(fd)
            if type(file) is DiskFile:
                yield file

    def flush(self) -> None:
        """Write what the program's buffers hold, as the interpreter does when it exits."""
        for file in self._open_files():
            buffer = None if file.find_buffer is None else file.find_buffer()
            if buffer is not None:
                with suppress(OSError, ValueError):  # It tells nobody but stderr there, too.
                    buffer.flush()

    def end(self) -> bool:
        """Let go of the ranges that the process has locked; what ends it closes its descriptors.

        Returns:
            Whether any of its files was locked, by whomever.
        """
        locked = [file.opened.inode for file in self._open_files() if file.opened.inode.locks]
        for inode in locked:
            locks_of(inode).unlock_range(self)
        self.has_ended = True
        return bool(locked)
