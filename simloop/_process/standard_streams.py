"""Standard streams of a simulated process that are no pipes: inherited ones, files, nothing.

Owns: what writes to them. A program sees a :class:`asyncio.StreamWriter` all the same.

Must not know: the process.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RealFile", "SinkTransport", "print_to"]


class SinkTransport(asyncio.WriteTransport):
    """A transport that hands what is written to a function, or drops it."""

    def __init__(
        self,
        loop: Any,
        protocol: asyncio.StreamReaderProtocol,
        take: Callable[[bytes], object] | None,
    ) -> None:
        super().__init__()
        self._loop = loop
        self._protocol = protocol
        self._take = take
        self._is_closing = False
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Hand it over at once."""
        if self._take is not None and not self._is_closing:
            self._take(bytes(data))

    def can_write_eof(self) -> bool:
        """Tell that closing is the way to end."""
        return False

    def is_closing(self) -> bool:
        """Tell whether it was closed."""
        return self._is_closing

    def close(self) -> None:
        """End."""
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        """End."""
        self.close()

    def get_write_buffer_size(self) -> int:
        """Return 0: nothing waits here."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing: there is no buffer."""


def print_to(name: str) -> Callable[[bytes], None]:
    """Return what writes to the parent's own ``stdout`` or ``stderr``."""

    def take(data: bytes) -> None:
        stream = getattr(sys, name)
        if stream is None:
            return
        if hasattr(stream, "buffer"):
            stream.flush()
            stream.buffer.write(data)
        else:
            stream.write(data.decode(errors="replace"))
        stream.flush()

    return take


class RealFile:
    """A real file that a process writes to, by a descriptor of its own."""

    def __init__(self, fd: int) -> None:
        self._fd = os.dup(fd)

    def __call__(self, data: bytes) -> None:
        """Write everything."""
        while data:
            data = data[os.write(self._fd, data) :]

    def close(self) -> None:
        """Close it, once."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
