"""System calls that a socket or a pipe seldom hears: vectors, positions, terminals, folders.

Owns: what the functions of ``os`` beyond reading and writing answer for a virtual descriptor. Most
are for files, and Linux refuses them on sockets and pipes; so does this, with the same errno. Must
not know how the real functions are replaced.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from simloop.errors import UnsupportedError
from simloop.net.errnos import os_error

from .argument_checks import joined, writable_view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simloop.net.host import Host

__all__ = ["DescriptorCalls"]

# What Linux answers where a socket or a pipe is taken for a file, a folder or a terminal.
_FAULTS = {
    "fchdir": errno.ENOTDIR,
    "fdatasync": errno.EINVAL,
    "fsync": errno.EINVAL,
    "ftruncate": errno.EINVAL,
    "get_terminal_size": errno.ENOTTY,
    "lseek": errno.ESPIPE,
    "pread": errno.ESPIPE,
    "preadv": errno.ESPIPE,
    "pwrite": errno.ESPIPE,
    "pwritev": errno.ESPIPE,
    "tcgetpgrp": errno.ENOTTY,
    "tcsetpgrp": errno.ENOTTY,
    "ttyname": errno.ENOTTY,
}


class DescriptorCalls:
    """Answer calls on descriptors of the host that ``_find_host()`` returns at each call."""

    _find_host: Callable[[], Host]

    def readv(self, fd: int, buffers: Iterable[Any], /) -> int:
        """Read into several buffers, one after the other."""
        views = [writable_view(buffer, "readv") for buffer in buffers]
        data = self._find_host().read(fd, sum(map(len, views)))
        start = 0
        for view in views:
            part = data[start : start + len(view)]
            view[: len(part)] = part
            start += len(part)
        return len(data)

    def writev(self, fd: int, buffers: Iterable[Any], /) -> int:
        """Write several buffers as one."""
        return self._find_host().write(fd, joined(buffers))

    def readinto(self, fd: int, buffer: Any, /) -> int:
        """Read into a buffer."""
        return self.readv(fd, [buffer])

    def dup2(self, fd: int, fd2: int, inheritable: bool = True) -> int:  # noqa: FBT001, FBT002 - as os has it
        """Let a second number name the open file of the first, in place of what that named.

        Raises:
            UnsupportedError: One of the numbers is too low to be the world's.
        """
        table = self._find_host().descriptors
        if min(fd, fd2) < table.base:
            raise UnsupportedError(
                f"os.dup2({fd}, {fd2}) with a virtual descriptor: numbers below {table.base:,} are"
                " the real process's. os.dup(fd) gives a second number of the world's choice, and"
                " contextlib.redirect_stdout(file) sends elsewhere what is printed"
            )
        if fd == fd2 and not inheritable and fd in table:
            raise os_error(errno.EINVAL)  # Python calls dup3(2) then.
        table.put(fd2, table.get(fd))
        if fd != fd2:
            table.set_inheritable(fd2, inheritable=inheritable)
        return fd2

    def device_encoding(self, fd: int, /) -> None:
        """Return None: there are no terminals."""
        self._find_host().file(fd)

    def fault_of(self, name: str, /) -> OSError | None:
        """Return the error that a call gives on each socket and pipe, or None."""
        code = _FAULTS.get(name)
        return None if code is None else os_error(code)
