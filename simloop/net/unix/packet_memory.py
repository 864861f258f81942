"""What queued bytes cost their sender, in bytes of the kernel's memory.

Owns: the size of the buffers in which Linux keeps a packet, or a piece of a stream
(``skb->truesize`` on 64-bit machines with pages of 4 KiB), by which they count against SO_SNDBUF of
a UNIX socket: a packet of one byte costs 768, one of 1000 costs 2304. A stream is kept in a buffer
for each write, or several for a large one, and a buffer is free when its last byte was read. Must
not know sockets.

Source: ``alloc_skb_with_frags`` and ``kmalloc_size_roundup`` of net/core/skbuff.c and
mm/slab_common.c in Linux 6.18, and how much a socket pair takes there; ``unix_dgram_sendmsg`` and
``unix_stream_sendmsg`` of net/unix/af_unix.c for what goes into pages of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simloop.net.inet.buffers import ByteQueue

__all__ = ["SMALLEST", "StreamMemory", "memory_of"]

SMALLEST = 768
"""The cost of a single byte."""

_PAGE = 4_096
_LINE = 64  # SMP_CACHE_BYTES: the head is a multiple of it.
_SHARED_INFO = 320  # struct skb_shared_info, behind the bytes.
_PACKET = 256  # struct sk_buff.
_HEAD_MIN = 512
_HEAD_MAX = 16_064  # SKB_MAX_ALLOC: bytes of a packet beyond lie in pages.
_STREAM_HEAD_MAX = 3_776  # SKB_MAX_HEAD(0), for a stream.
_STREAM_PAGES_MAX = 32_768  # UNIX_SKB_FRAGS_SZ


def memory_of(size: int, head_max: int = _HEAD_MAX) -> int:
    """Return the bytes of memory that a packet of ``size`` bytes occupies.

    Args:
        size: Of the packet.
        head_max: So many bytes of it lie beside the head, and what is more in pages.

    >>> memory_of(1), memory_of(1000), memory_of(100_000)
    (768, 2304, 102656)
    """
    pages = -(-max(size - head_max, 0) // _PAGE) * _PAGE
    head = -(-max(size - pages, 0) // _LINE) * _LINE + _SHARED_INFO
    rounded = max(1 << (head - 1).bit_length(), _HEAD_MIN)  # As kmalloc hands it out.
    return rounded + _PACKET + pages


class StreamMemory:
    """How the bytes of a stream lie in memory, given the sender's buffer.

    >>> memory = StreamMemory(212_992)
    >>> memory.piece, memory.room(0), memory.room(212_991), memory.room(212_992)
    (36544, 219264, 36544, 0)
    """

    __slots__ = ("piece", "sndbuf")

    def __init__(self, sndbuf: int) -> None:
        self.sndbuf: int = sndbuf
        self.piece: int = min((sndbuf >> 1) - 64, _STREAM_HEAD_MAX + _STREAM_PAGES_MAX)
        """The most bytes in one buffer: two of them go into the sender's."""

    def of(self, queue: ByteQueue) -> int:
        """Return the memory of what was written and not read, each write a chunk of the queue."""
        held, gone = 0, queue.head // self.piece
        for chunk in queue.chunks:
            pieces, rest = divmod(len(chunk), self.piece)
            if pieces > gone:
                held += (pieces - gone) * memory_of(self.piece, _STREAM_HEAD_MAX)
            if rest:
                held += memory_of(rest, _STREAM_HEAD_MAX)
            gone = 0
        return held

    def room(self, held: int) -> int:
        """Return how many bytes one write can add: buffers, as long as not all memory is taken."""
        free = self.sndbuf - held
        return -(-free // memory_of(self.piece, _STREAM_HEAD_MAX)) * self.piece if free > 0 else 0
