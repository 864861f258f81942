"""Buffered files that threads share: one uses them at a time.

Python's own have a lock for this in C (``_enter_buffered_busy`` in Modules/_io/bufferedio.c of
CPython 3.11), which a thread keeps while it reads or writes below. One that waits there for the
world would keep it from a thread of the same world for ever: nothing that runs in a world may wait
for such a lock. So these files ask their raw stream first, and wait as other calls do.

Owns: the two kinds of buffer with that question before each method that takes the lock, what their
raw streams know, and the files of sockets (``makefile``), which are made of both.

Must not know: how a thread waits.

Invariant: the lock in C is free whenever one of these methods goes on to Python's own.
"""

from __future__ import annotations

import io
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.net.host import Host

__all__ = ["SharedReader", "SharedSocketIO", "SharedWriter", "TakesTurns", "file_of"]

_BOTH = ("close", "detach", "flush", "seek", "tell")
_READING = ("read", "read1", "readinto", "readinto1", "readline", "peek", "__next__")
_WRITING = ("write", "truncate")


def _asking(base: type, name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.raw.wait_for_turn(f"{name}()")
        return getattr(base, name)(self, *args, **kwargs)  # As it is now: a run may hear writes.

    method.__name__ = name
    return method


class TakesTurns:
    """Of a raw stream: whether a thread is in it, and who waits until none is."""

    _inside: int = 0
    _line: list[Callable[[], object]] | None = None

    def _enter(self) -> None:
        self._inside += 1

    def _leave(self) -> None:
        self._inside -= 1
        while self._line:
            self._line.pop(0)()

    def wait_for_turn(self, what: str) -> None:
        """Wait until no thread reads or writes here, for a buffer that several of them use."""
        if self._inside:
            if self._line is None:
                self._line = []
            told = f"{what} on {getattr(self, 'name', -1)!r}, which a thread uses"
            self._its_host().wait_in_line(told, self._line, lambda: self._inside > 0)

    def _its_host(self) -> Host:
        raise NotImplementedError


class SharedReader(io.BufferedReader):
    """A buffer for reading."""


class SharedWriter(io.BufferedWriter):
    """A buffer for writing."""


for _name in (*_BOTH, *_READING):
    setattr(SharedReader, _name, _asking(io.BufferedReader, _name))
for _name in (*_BOTH, *_WRITING):
    setattr(SharedWriter, _name, _asking(io.BufferedWriter, _name))
for _class, _shown in ((SharedReader, "_io.BufferedReader"), (SharedWriter, "_io.BufferedWriter")):
    _class.__name__ = _shown  # As Python's own show themselves.


class SharedSocketIO(TakesTurns, socket.SocketIO):
    """A raw stream over a socket."""

    def _its_host(self) -> Host:
        host: Host = self._sock._host  # type: ignore[attr-defined]  # as Lib/socket.py keeps it
        return host

    def readinto(self, b: Any, /) -> int | None:
        """Read into a buffer; None where a non-blocking socket has nothing."""
        self._enter()
        try:
            return super().readinto(b)
        finally:
            self._leave()

    def write(self, b: Any, /) -> int | None:
        """Write; None where a non-blocking socket has no room."""
        self._enter()
        try:
            return super().write(b)
        finally:
            self._leave()


SharedSocketIO.__module__, SharedSocketIO.__qualname__ = "socket", "SocketIO"


def file_of(raw: socket.SocketIO, mode: str, size: int, **text: Any) -> Any:
    """Return what ``makefile`` makes of a raw stream of a socket, in Python's words.

    Args:
        raw: The stream, as Python makes it.
        mode: What was asked for: "r", "w" and "b".
        size: Of the buffer; 0 for none.
        **text: What the layer for text takes.
    """
    raw.__class__ = SharedSocketIO
    if not size:
        return raw
    buffered: Any
    if raw.readable() and raw.writable():  # Each way has a lock of its own.
        buffered = io.BufferedRWPair(raw, raw, size)
    else:
        buffered = (SharedReader if raw.readable() else SharedWriter)(raw, size)
    if "b" in mode:
        return buffered
    layer = io.TextIOWrapper(buffered, **text)
    layer.mode = mode  # type: ignore[misc]  # as Lib/socket.py sets it
    return layer
