"""File objects on virtual descriptors: what ``open(fd)`` and ``os.fdopen`` give.

Owns: a raw stream of ``io`` over a descriptor of a host, and the buffers and text layers that
``open`` would put around it. Must not know what the descriptor stands for.
"""

from __future__ import annotations

import errno
import io
from typing import TYPE_CHECKING, Any

from simloop.net.errnos import os_error

from .argument_checks import writable_view
from .shared_buffers import SharedReader, SharedWriter, TakesTurns

if TYPE_CHECKING:
    from simloop.net.host import Host

__all__ = ["DescriptorIO", "open_descriptor"]


class DescriptorIO(TakesTurns, io.RawIOBase):
    """A raw, unbuffered stream over a descriptor."""

    def __init__(self, host: Host, fd: int, mode: str, *, closefd: bool = True) -> None:
        super().__init__()
        self._closefd = False  # Until it is known that there is something to close.
        host.file(fd)  # EBADF here and now, as open() has it.
        self._host = host
        self._table = host.descriptors  # Of its process, which need not be in place at its end.
        self._fd = fd
        self._closefd = closefd
        self.name = fd
        self.mode = mode
        self._may_read = "r" in mode or "+" in mode
        self._may_write = any(letter in mode for letter in "wax+")

    def _its_host(self) -> Host:
        return self._host

    def fileno(self) -> int:
        """Return the virtual descriptor."""
        if self.closed:
            raise ValueError("I/O operation on closed file")
        return self._fd

    def readable(self) -> bool:
        """Whether the mode lets it be read."""
        return self._may_read

    def writable(self) -> bool:
        """Whether the mode lets it be written."""
        return self._may_write

    def isatty(self) -> bool:
        """Return False."""
        return False

    def readinto(self, buffer: Any, /) -> int | None:
        """Read into a buffer; None where a non-blocking descriptor has nothing."""
        if not self._may_read:
            raise io.UnsupportedOperation("File not open for reading")
        view = writable_view(buffer, "readinto")
        self._enter()
        try:
            data = self._host.read(self.fileno(), len(view))
        except BlockingIOError:
            return None
        finally:
            self._leave()
        view[: len(data)] = data
        return len(data)

    def write(self, data: Any, /) -> int | None:
        """Write; None where a non-blocking descriptor has no room."""
        if not self._may_write:
            raise io.UnsupportedOperation("File not open for writing")
        self._enter()
        try:
            return self._host.write(self.fileno(), data)
        except BlockingIOError:
            return None
        finally:
            self._leave()

    def close(self) -> None:
        """Close the stream, and the descriptor unless it was opened with ``closefd=False``."""
        if self.closed:
            return
        super().close()
        if self._closefd:
            self._table.close(self._fd)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Refuse: pipes and sockets have no position."""
        del offset, whence
        raise os_error(errno.ESPIPE)


def open_descriptor(
    host: Host,
    fd: int,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,  # noqa: FBT001, FBT002  # As open() has it.
    opener: object = None,
) -> Any:
    """Open a virtual descriptor as ``open(fd, ...)`` opens a real one."""
    del opener
    is_binary = "b" in mode
    raw = DescriptorIO(host, fd, mode.replace("t", ""), closefd=closefd)
    if buffering == 0:
        if not is_binary:
            raise ValueError("can't have unbuffered text I/O")
        return raw
    size = buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE
    buffered: io.BufferedRWPair | io.BufferedWriter | io.BufferedReader
    if "+" in mode:
        buffered = io.BufferedRWPair(raw, raw, size)
    elif raw.writable():
        buffered = SharedWriter(raw, size)
    else:
        buffered = SharedReader(raw, size)
    if is_binary:
        return buffered
    return io.TextIOWrapper(
        buffered,
        encoding or "utf-8",
        errors,
        newline,
        line_buffering=buffering == 1,
    )
