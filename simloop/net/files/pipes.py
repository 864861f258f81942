"""Pipes: bytes from one end to the other, inside one host.

Owns, by pipe(7): the buffer of 64 KiB, writes of up to PIPE_BUF bytes that go in whole or not at
all, EPIPE, the end of file. Must not know descriptors or who waits.

The buffer is 16 pages, as Linux's is (``anon_pipe_write`` of fs/pipe.c): a write goes on in the
last page where its odd bytes fit into what is left of that one, and begins a new page where they do
not. So a pipe is full of 64,000 bytes where they came by thousands. A page is free again once it
was read to its end.

Invariants: there are never more than 16 pages; their lengths add up to the buffer's; after the
reader is gone there are none.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING

from simloop.net.errnos import os_error
from simloop.net.inet.buffers import ByteQueue
from simloop.net.linux import select_names as select

from .open_file import ERR, HUP, IN, OUT, File

if TYPE_CHECKING:
    from simloop.net.fabric import Endpoint, Fabric

__all__ = ["CAPACITY", "PIPE_BUF", "PipeReader", "PipeWriter", "open_pipe"]

CAPACITY = 65_536
PIPE_BUF = select.PIPE_BUF
_PAGE = 4_096
_PAGES_MAX = CAPACITY // _PAGE
_NOWHERE: Endpoint = ("", 0)


class PipeReader(File):
    """The end of a pipe that is read."""

    __slots__ = ("buffer", "pages", "tail_end", "writer")

    def __init__(self) -> None:
        super().__init__()
        self.buffer: ByteQueue = ByteQueue()
        self.pages: deque[int] = deque()  # How many bytes of each are unread.
        self.tail_end: int = 0  # How far the last one is written.
        self.writer: PipeWriter | None = None  # None once that end is closed.

    def read(self, size: int) -> bytes:
        """Take up to ``size`` bytes, b"" at the end; BlockingIOError where nothing is there."""
        if size == 0:
            return b""
        if self.buffer.size:
            data = self.buffer.take(size)
            self._free(len(data))
            if self.writer is not None and self.writer.writable:
                self.writer.notify_writable()
            return data
        if self.writer is None:
            return b""
        raise os_error(errno.EAGAIN)

    def _free(self, size: int) -> None:
        """Free the pages that were read to their end."""
        pages = self.pages
        if not self.buffer.size:
            pages.clear()
            return
        while size >= pages[0]:
            size -= pages.popleft()
        pages[0] -= size

    def room(self, size: int) -> int:
        """Return how much of a write of ``size`` bytes there is room for."""
        free = (_PAGES_MAX - len(self.pages)) * _PAGE
        odd = size % _PAGE
        return free + odd if self.pages and 0 < odd <= _PAGE - self.tail_end else free

    def store(self, data: bytes) -> None:
        """Put bytes in, of which ``room`` said that they fit, and tell the watcher."""
        size = len(data)
        pages, odd = self.pages, size % _PAGE
        if pages and 0 < odd <= _PAGE - self.tail_end:
            pages[-1] += odd
            self.tail_end += odd
            size -= odd
        while size:
            pages.append(min(size, _PAGE))
            self.tail_end = pages[-1]
            size -= self.tail_end
        self.buffer.append(data)
        self.notify_readable()

    def count_unread(self) -> int:
        """Return the bytes in the pipe."""
        return self.buffer.size

    def poll(self) -> int:
        """Return what the system call poll shows."""
        mask = IN if self.buffer.size else 0
        return mask | HUP if self.writer is None else mask

    def release(self) -> None:
        """Close: what was written is lost, and further writes are EPIPE."""
        self.buffer.clear()
        writer, self.writer = self.writer, None
        if writer is not None:
            writer.reader = None
            writer.is_full = len(self.pages) == _PAGES_MAX
            writer.unread = sum(self.pages)
        self.pages.clear()
        if writer is not None:
            writer.notify_readable()  # A write end watched for reading sees the error, as on Linux.
            writer.notify_writable()

    def check(self) -> None:
        """Assert the invariants."""
        super().check()
        self.buffer.check()
        assert len(self.pages) <= _PAGES_MAX, self.pages
        assert sum(self.pages) == self.buffer.size, (self.pages, self.buffer.size)
        assert all(0 < size <= _PAGE for size in self.pages), self.pages


class PipeWriter(File):
    """The end of a pipe that is written."""

    __slots__ = ("fabric", "is_full", "reader", "unread")

    def __init__(self, reader: PipeReader, fabric: Fabric) -> None:
        super().__init__()
        self.fabric: Fabric = fabric
        self.reader: PipeReader | None = reader
        # What poll and FIONREAD go on telling when the reader is gone.
        self.is_full: bool = False
        self.unread: int = 0

    def write(self, data: bytes) -> int:
        """Put bytes in: up to PIPE_BUF of them whole or not at all, of more what fits."""
        reader = self.reader
        if not data:
            return 0
        if reader is None:
            raise os_error(errno.EPIPE)
        room = reader.room(len(data))
        if room == 0:
            raise os_error(errno.EAGAIN)
        if len(data) > room:
            data = data[:room]
        self.fabric.observe("pipe", _NOWHERE, _NOWHERE, data, reader)
        reader.store(data)
        return len(data)

    def count_unread(self) -> int:
        """Return the bytes in the pipe, which both ends tell."""
        return self.unread if self.reader is None else self.reader.count_unread()

    def most_taken(self) -> int:
        """Return the pipe's capacity: more is never in it."""
        return CAPACITY

    def poll(self) -> int:
        """Return what the system call poll shows: a free page, or a lost reader."""
        if self.reader is None:
            return ERR if self.is_full else OUT | ERR
        return OUT if len(self.reader.pages) < _PAGES_MAX else 0

    def release(self) -> None:
        """Close: the reader sees the end behind what is left."""
        reader, self.reader = self.reader, None
        if reader is not None:
            reader.writer = None
            reader.notify_readable()


def open_pipe(fabric: Fabric) -> tuple[PipeReader, PipeWriter]:
    """Return the two ends of a new pipe."""
    reader = PipeReader()
    reader.writer = writer = PipeWriter(reader, fabric)
    fabric.name_ends("pipe", reader, writer)
    return reader, writer
