"""What a queued packet costs its sender, in bytes of the kernel's memory.

Owns: the size of the buffers in which Linux keeps a packet (``skb->truesize`` on 64-bit machines
with pages of 4 KiB), by which a UNIX datagram or packet counts against SO_SNDBUF: a packet of one
byte costs 768, one of 1000 costs 2304. Must not know sockets.

Source: ``alloc_skb_with_frags`` and ``kmalloc_size_roundup`` of net/core/skbuff.c and
mm/slab_common.c in Linux 6.18, and how many packets a socket pair takes there;
``unix_dgram_sendmsg`` of net/unix/af_unix.c for what goes into pages of its own.
"""

from __future__ import annotations

__all__ = ["memory_of"]

_PAGE = 4_096
_LINE = 64  # SMP_CACHE_BYTES: the head is a multiple of it.
_SHARED_INFO = 320  # struct skb_shared_info, behind the bytes.
_PACKET = 256  # struct sk_buff.
_HEAD_MIN = 512
_HEAD_MAX = 16_064  # SKB_MAX_ALLOC: bytes beyond lie in pages.


def memory_of(size: int) -> int:
    """Return the bytes of memory that a packet of ``size`` bytes occupies.

    >>> memory_of(1), memory_of(1000), memory_of(100_000)
    (768, 2304, 102656)
    """
    pages = -(-max(size - _HEAD_MAX, 0) // _PAGE) * _PAGE
    head = -(-(size - pages) // _LINE) * _LINE + _SHARED_INFO
    rounded = max(1 << (head - 1).bit_length(), _HEAD_MIN)  # As kmalloc hands it out.
    return rounded + _PACKET + pages
