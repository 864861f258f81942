"""Transports of an explored loop: a read may return less than what is there.

Owns: the question how much a read returns, and what its answers mean. TCP is free to cut a stream
anywhere, so a protocol must take each of them.

Must not know: who answers. In labels and messages these classes are the plain ones: a run without
deviations is the plain run, to the letter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simloop._loop.transports.stream_transport import StreamTransport, UnixStreamTransport

__all__ = ["AskingStreamTransport", "AskingUnixTransport", "piece", "stand_for"]

_PIECES = 5


def stand_for(cls: type, plain: type) -> None:
    """Give a class and its methods the names of the plain ones that they take the place of."""
    for name, method in list(vars(cls).items()):
        same: Any = getattr(plain, name, None)
        if hasattr(method, "__qualname__") and hasattr(same, "__qualname__"):
            method.__qualname__, method.__module__ = same.__qualname__, same.__module__
    cls.__name__, cls.__qualname__ = plain.__name__, plain.__qualname__
    cls.__module__ = plain.__module__


def piece(gate: Any, kind: str, file: Any, size: int, first: int) -> int:
    """Return how much of ``size`` bytes one call takes: all, what came first, 1, half, all but 1.

    Args:
        gate: The gate to ask.
        kind: "split" for a read, "short" for a write.
        file: What is read or written.
        size: How many bytes an undisturbed call takes.
        first: How many of them came first, in one piece.
    """
    if size < 2:  # noqa: PLR2004 - one byte is all
        return size
    picked = gate.ask(kind, file, _PIECES)
    part = (size, first, 1, size // 2, size - 1)[picked]
    if picked and part == size:
        gate.withdraw()
    return part


class _AskingReads:
    """The part of a stream transport whose reads may return a part of what is there."""

    __slots__ = ()

    if TYPE_CHECKING:  # The transport's.
        _file: Any
        _loop: Any
        _is_awake: Any
        _is_reading: Any
        _give: Any
        _wake: Any

    def _part(self, most: int) -> int:
        """Return how much this read takes of what is there; 0: as much as it can."""
        inbox = self._file.inbox
        size = min(inbox.size, most)
        if size < 2:  # noqa: PLR2004 - one byte is all
            return 0
        first = min(len(inbox.chunks[0]) - inbox.head, size)
        part = piece(self._loop._kernel.gate, "split", self._file, size, first)
        return 0 if part == size else part

    def _reads_part(self) -> bool:
        """Give the protocol a part of what is there; false where a read takes all of it."""
        part = self._part(StreamTransport.max_size) if self._is_reading else 0
        if not part:
            return False
        self._is_awake = False
        if self._give(self._file.recv(part)):
            self._wake()
        return True

    def _receive_into(self, buffer: Any) -> int:
        part = self._part(len(buffer))
        into = memoryview(buffer)[:part] if part else buffer
        size: int = super()._receive_into(into)  # type: ignore[misc]  # the transport's
        return size


class AskingStreamTransport(_AskingReads, StreamTransport):
    """A connected byte stream whose reads may return a part."""

    __slots__ = ()

    def _read_step(self) -> None:
        if not self._reads_part():
            super()._read_step()


class AskingUnixTransport(_AskingReads, UnixStreamTransport):
    """The same between UNIX sockets."""

    __slots__ = ()

    def _read_step(self) -> None:
        if not self._reads_part():
            super()._read_step()


stand_for(_AskingReads, StreamTransport)
stand_for(AskingStreamTransport, StreamTransport)
stand_for(AskingUnixTransport, UnixStreamTransport)
