"""A queue of bytes that keeps the objects it was given.

Owns: the chunks of one direction of a stream, in order, and their total. Bytes that come in whole
and fit go out as the same object: an echo through a stream copies nothing. Only a read that spans
chunks joins them, and only a read that ends inside a chunk slices it.

Invariants: ``size`` is the sum of the chunks' lengths minus ``head``; no chunk is empty; ``head``
(bytes of the first chunk already taken) is 0 when the queue is empty and less than the length of
the first chunk otherwise. Writers on the hot path append to ``chunks`` and add to ``size``
themselves; nothing else does.
"""

from __future__ import annotations

from collections import deque
from itertools import islice

__all__ = ["ByteQueue"]


class ByteQueue:
    """Hold bytes in order, handing back whole chunks uncopied.

    >>> queue = ByteQueue()
    >>> queue.append(b"hello"); queue.append(b"world")
    >>> queue.take(7), queue.take(100)
    (b'hellowo', b'rld')
    """

    __slots__ = ("chunks", "head", "size")

    def __init__(self) -> None:
        self.chunks: deque[bytes] = deque()
        self.head: int = 0
        self.size: int = 0

    def append(self, data: bytes) -> None:
        """Add bytes at the end; empty ones leave no trace."""
        if data:
            self.chunks.append(data)
            self.size += len(data)

    def clear(self) -> None:
        """Forget everything."""
        self.chunks.clear()
        self.head = self.size = 0

    def take(self, size: int) -> bytes:
        """Remove and return up to ``size`` bytes: the only chunk itself where they cover it."""
        chunks = self.chunks
        if not chunks or size <= 0:
            return b""
        if size >= self.size:
            data = self._joined(len(chunks))
            self.clear()
            return data
        self.size -= size
        return self._take_part(size)

    def _joined(self, count: int) -> bytes:
        """The first ``count`` chunks as one object, without removing them."""
        first = self.chunks[0]
        if self.head:
            first = first[self.head :]
        if count == 1:
            return first
        return b"".join([first, *islice(self.chunks, 1, count)])

    def _take_part(self, size: int) -> bytes:
        """Take ``size`` bytes where more than that are there; ``size`` of the queue is settled."""
        chunks = self.chunks
        parts: list[bytes] = []
        while size:
            first = chunks[0]
            rest = len(first) - self.head
            if rest > size:
                parts.append(first[self.head : self.head + size])
                self.head += size
                break
            parts.append(first[self.head :] if self.head else first)
            chunks.popleft()
            self.head = 0
            size -= rest
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def peek(self, size: int) -> bytes:
        """Return up to ``size`` bytes and leave them in place."""
        if not self.chunks or size <= 0:
            return b""
        count = covered = 0
        for chunk in self.chunks:
            count += 1
            covered += len(chunk)
            if covered - self.head >= size:
                break
        return self._joined(count)[:size]

    def check(self) -> None:
        """Assert the invariants."""
        assert all(self.chunks), "an empty chunk is queued"
        assert self.size == sum(map(len, self.chunks)) - self.head, (self.size, self.head)
        if self.chunks:
            assert 0 <= self.head < len(self.chunks[0]), self.head
        else:
            assert self.head == 0, self.head
