"""Pipes: bytes from one end to the other, inside one host.

Owns, by pipe(7): the buffer of 64 KiB, writes of up to PIPE_BUF bytes that go in whole or not at
all, EPIPE, the end of file. Must not know descriptors or who waits.

Invariants: the buffer never holds more than its capacity; after the reader is gone it is empty.
"""

from __future__ import annotations

import errno
import select
from typing import TYPE_CHECKING

from simloop.net.errnos import os_error
from simloop.net.inet.buffers import ByteQueue

from .open_file import ERR, HUP, IN, OUT, File

if TYPE_CHECKING:
    from simloop.net.fabric import Endpoint, Fabric

__all__ = ["CAPACITY", "PIPE_BUF", "PipeReader", "PipeWriter", "open_pipe"]

CAPACITY = 65_536
PIPE_BUF = select.PIPE_BUF
_NOWHERE: Endpoint = ("", 0)


class PipeReader(File):
    """The end of a pipe that is read."""

    __slots__ = ("buffer", "writer")

    def __init__(self) -> None:
        super().__init__()
        self.buffer: ByteQueue = ByteQueue()
        self.writer: PipeWriter | None = None  # None once that end is closed.

    def read(self, size: int) -> bytes:
        """Take up to ``size`` bytes, b"" at the end; BlockingIOError where nothing is there."""
        if size == 0:
            return b""
        if self.buffer.size:
            data = self.buffer.take(size)
            if self.writer is not None and self.writer.writable:
                self.writer.notify_writable()
            return data
        if self.writer is None:
            return b""
        raise os_error(errno.EAGAIN)

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
            writer.notify_readable()  # A write end watched for reading sees the error, as on Linux.
            writer.notify_writable()

    def check(self) -> None:
        """Assert the invariants."""
        super().check()
        self.buffer.check()
        assert self.buffer.size <= CAPACITY, self.buffer.size


class PipeWriter(File):
    """The end of a pipe that is written."""

    __slots__ = ("fabric", "reader")

    def __init__(self, reader: PipeReader, fabric: Fabric) -> None:
        super().__init__()
        self.fabric: Fabric = fabric
        self.reader: PipeReader | None = reader

    def write(self, data: bytes) -> int:
        """Put bytes in: up to PIPE_BUF of them whole or not at all, of more what fits."""
        reader = self.reader
        if not data:
            return 0
        if reader is None:
            raise os_error(errno.EPIPE)
        room = CAPACITY - reader.buffer.size
        if room == 0 or (len(data) <= PIPE_BUF and room < len(data)):
            raise os_error(errno.EAGAIN)
        if len(data) > room:
            data = data[:room]
        self.fabric.observe("pipe", _NOWHERE, _NOWHERE, data, reader)
        reader.buffer.append(data)
        reader.notify_readable()
        return len(data)

    def most_taken(self) -> int:
        """Return the pipe's capacity: more is never in it."""
        return CAPACITY

    def poll(self) -> int:
        """Return what the system call poll shows: room for an atomic write, or a lost reader."""
        if self.reader is None:
            return OUT | ERR
        return OUT if CAPACITY - self.reader.buffer.size >= PIPE_BUF else 0

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
