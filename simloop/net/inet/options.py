"""Socket options: which ones exist, what they accept, and what they answer before anyone set them.

Owns: a table with one row per option that the virtual kernel knows. Options with a meaning here
(buffers, reuse, linger, groups) are acted upon by the sockets, which read them by name; the others
are kept and given back, as a kernel without a wire would. An option that is not in the table is
refused as Linux refuses it: ENOPROTOOPT or EOPNOTSUPP.

Values are stored as integers, or as bytes for structures. Must not know sockets.
"""

from __future__ import annotations

import errno
import struct
import sys
from typing import TYPE_CHECKING, TypeAlias

from simloop.net.errnos import os_error
from simloop.net.linux import socket_names as socket

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Key",
    "Options",
    "Value",
    "default_of",
    "encode",
    "integer_of",
    "is_known",
    "normal",
    "without_linger",
]

Key: TypeAlias = tuple[int, int]
Value: TypeAlias = "int | bytes"
Options: TypeAlias = dict[Key, Value]

SOL_SOCKET = socket.SOL_SOCKET
IPPROTO_IP = int(socket.IPPROTO_IP)
IPPROTO_TCP = int(socket.IPPROTO_TCP)
IPPROTO_IPV6 = int(socket.IPPROTO_IPV6)

_INT = struct.Struct("i")
_LINGER = struct.Struct("ii")

# The most that setsockopt takes for a buffer where the kernel was not tuned; it is doubled, as on
# Linux.
_BUFFER_MAX = 212_992
_SNDBUF_MIN = 4_608
_RCVBUF_MIN = 2_304

_INT_MAX = 2**31 - 1
_SEGMENT = 536  # TCP_MSS_DEFAULT
_LINGER_DEFAULT, _LINGER_MAX = 60, 120  # tcp_fin_timeout, TCP_FIN_TIMEOUT_MAX
_RTO_MAX = 120

# Linux' numbers of options that the socket module of some Python versions does not name.
IP_MULTICAST_ALL = 49
IP_PKTINFO = 8
IPV6_ADDRFORM_FIRST = 1
PASSCRED = (int(SOL_SOCKET), 16)  # Only UNIX sockets know senders.


def _boolean(value: int) -> int:
    return int(value != 0)


def _any(value: int) -> int:
    return value


def _between(low: int, high: int) -> Callable[[int], int]:
    def check(value: int) -> int:
        if not low <= value <= high:
            raise os_error(errno.EINVAL)
        return value

    return check


def _doubled(least: int) -> Callable[[int], int]:
    def size(value: int) -> int:
        # A negative size is a huge unsigned one to the kernel, so it means the most allowed.
        value = _BUFFER_MAX if value < 0 else min(value, _BUFFER_MAX)
        return max(2 * value, least)

    return size


def _hops(default: int, *, least: int = 0) -> Callable[[int], int]:
    """Make the check of a time to live, where -1 restores the default."""

    def check(value: int) -> int:
        return default if value == -1 else _between(least, 255)(value)

    return check


def _low_water(value: int) -> int:
    return _INT_MAX if value < 0 else value or 1


def _segment(value: int) -> int:
    return _between(88, 32767)(value) if value else _SEGMENT


def _linger(value: int) -> int:
    """Check the seconds that an end without descriptors waits: none, the default, two minutes."""
    if value < 0:
        return -1
    return min(value, _LINGER_MAX) if value else _LINGER_DEFAULT


def _clamp(value: int) -> int:
    return max(value, _RCVBUF_MIN // 2) if value else 0


def _retransmissions(seconds: int) -> int:
    """Return the time of so many retransmissions as cover the seconds (net/ipv4/tcp.c)."""
    period = timeout = int(seconds > 0)
    while seconds > period and timeout:
        timeout = min(2 * timeout, _RTO_MAX)
        period += timeout
    return period


def _read_only(value: int) -> int:
    del value
    raise os_error(errno.ENOPROTOOPT)


def _opt(name: str, number: int) -> int:
    return int(getattr(socket, name, number))


# (level, option): (value when unset, how a new integer is checked). Structures follow below.
_INTEGERS: dict[Key, tuple[int, Callable[[int], int]]] = {
    (SOL_SOCKET, socket.SO_DEBUG): (0, _boolean),
    (SOL_SOCKET, socket.SO_REUSEADDR): (0, _boolean),
    (SOL_SOCKET, socket.SO_TYPE): (0, _read_only),
    (SOL_SOCKET, socket.SO_ERROR): (0, _read_only),
    (SOL_SOCKET, socket.SO_DONTROUTE): (0, _boolean),
    (SOL_SOCKET, socket.SO_BROADCAST): (0, _boolean),
    (SOL_SOCKET, socket.SO_SNDBUF): (0, _doubled(_SNDBUF_MIN)),
    (SOL_SOCKET, socket.SO_RCVBUF): (0, _doubled(_RCVBUF_MIN)),
    (SOL_SOCKET, socket.SO_KEEPALIVE): (0, _boolean),
    (SOL_SOCKET, socket.SO_OOBINLINE): (0, _boolean),
    (SOL_SOCKET, 12): (0, _any),  # SO_PRIORITY
    (SOL_SOCKET, socket.SO_REUSEPORT): (0, _boolean),
    PASSCRED: (0, _boolean),
    (SOL_SOCKET, socket.SO_RCVLOWAT): (1, _low_water),
    (SOL_SOCKET, socket.SO_SNDLOWAT): (1, _read_only),
    (SOL_SOCKET, 29): (0, _boolean),  # SO_TIMESTAMP
    (SOL_SOCKET, socket.SO_ACCEPTCONN): (0, _read_only),
    (SOL_SOCKET, 36): (0, _any),  # SO_MARK
    (SOL_SOCKET, socket.SO_PROTOCOL): (0, _read_only),
    (SOL_SOCKET, socket.SO_DOMAIN): (0, _read_only),
    (SOL_SOCKET, 40): (0, _boolean),  # SO_RXQ_OVFL
    (SOL_SOCKET, 46): (0, _any),  # SO_BUSY_POLL
    (SOL_SOCKET, 49): (-1, _any),  # SO_INCOMING_CPU
    (IPPROTO_TCP, socket.TCP_NODELAY): (0, _boolean),
    (IPPROTO_TCP, socket.TCP_MAXSEG): (_SEGMENT, _segment),
    (IPPROTO_TCP, socket.TCP_CORK): (0, _boolean),
    (IPPROTO_TCP, socket.TCP_KEEPIDLE): (7200, _between(1, 32767)),
    (IPPROTO_TCP, socket.TCP_KEEPINTVL): (75, _between(1, 32767)),
    (IPPROTO_TCP, socket.TCP_KEEPCNT): (9, _between(1, 127)),
    (IPPROTO_TCP, socket.TCP_SYNCNT): (6, _between(1, 127)),
    (IPPROTO_TCP, socket.TCP_LINGER2): (_LINGER_DEFAULT, _linger),
    (IPPROTO_TCP, socket.TCP_DEFER_ACCEPT): (0, _retransmissions),
    (IPPROTO_TCP, socket.TCP_WINDOW_CLAMP): (0, _clamp),
    (IPPROTO_TCP, socket.TCP_QUICKACK): (1, _boolean),
    (IPPROTO_TCP, socket.TCP_USER_TIMEOUT): (0, _between(0, 2**31 - 1)),
    (IPPROTO_TCP, socket.TCP_FASTOPEN): (0, _between(0, 2**31 - 1)),
    (IPPROTO_TCP, 25): (0, _any),  # TCP_NOTSENT_LOWAT
    (IPPROTO_TCP, 30): (0, _boolean),  # TCP_FASTOPEN_CONNECT
    (IPPROTO_IP, socket.IP_TOS): (0, lambda value: value & 0xFF),
    (IPPROTO_IP, socket.IP_TTL): (64, _hops(64, least=1)),
    (IPPROTO_IP, 3): (0, _read_only),  # IP_HDRINCL, of raw sockets.
    (IPPROTO_IP, 6): (0, _boolean),  # IP_RECVOPTS
    (IPPROTO_IP, 7): (0, _boolean),  # IP_RETOPTS
    (IPPROTO_IP, IP_PKTINFO): (0, _boolean),
    (IPPROTO_IP, 10): (1, _between(0, 5)),  # IP_MTU_DISCOVER
    (IPPROTO_IP, 11): (0, _boolean),  # IP_RECVERR
    (IPPROTO_IP, 12): (0, _boolean),  # IP_RECVTTL
    (IPPROTO_IP, 13): (0, _boolean),  # IP_RECVTOS
    (IPPROTO_IP, 14): (1500, _read_only),  # IP_MTU
    (IPPROTO_IP, 15): (0, _boolean),  # IP_FREEBIND
    (IPPROTO_IP, 19): (0, _boolean),  # IP_TRANSPARENT
    (IPPROTO_IP, 24): (0, _boolean),  # IP_BIND_ADDRESS_NO_PORT
    (IPPROTO_IP, socket.IP_MULTICAST_TTL): (1, _hops(1)),
    (IPPROTO_IP, socket.IP_MULTICAST_LOOP): (1, _boolean),
    (IPPROTO_IP, IP_MULTICAST_ALL): (1, _between(0, 1)),
    (IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS): (64, _hops(64)),
    (IPPROTO_IPV6, socket.IPV6_MULTICAST_IF): (0, _any),
    (IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS): (1, _hops(1)),
    (IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP): (1, _between(0, 1)),
    (IPPROTO_IPV6, 23): (1, _between(0, 5)),  # IPV6_MTU_DISCOVER
    (IPPROTO_IPV6, 25): (0, _boolean),  # IPV6_RECVERR
    (IPPROTO_IPV6, socket.IPV6_V6ONLY): (0, _boolean),
    (IPPROTO_IPV6, 49): (0, _boolean),  # IPV6_RECVPKTINFO
    (IPPROTO_IPV6, 51): (0, _boolean),  # IPV6_RECVHOPLIMIT
    (IPPROTO_IPV6, 53): (0, _boolean),  # IPV6_RECVHOPOPTS
    (IPPROTO_IPV6, 56): (0, _boolean),  # IPV6_RECVRTHDR
    (IPPROTO_IPV6, 58): (0, _boolean),  # IPV6_RECVDSTOPTS
    (IPPROTO_IPV6, 60): (0, _boolean),  # IPV6_RECVPATHMTU
    (IPPROTO_IPV6, 66): (0, _boolean),  # IPV6_RECVTCLASS
    (IPPROTO_IPV6, _opt("IPV6_TCLASS", 67)): (0, lambda value: max(0, _between(-1, 255)(value))),
    (IPPROTO_IPV6, _opt("IPV6_DONTFRAG", 62)): (0, _boolean),
}

# Structures: their value when unset. A shorter one is EINVAL.
_STRUCTURES: dict[Key, bytes] = {
    (SOL_SOCKET, socket.SO_LINGER): bytes(8),
    (SOL_SOCKET, socket.SO_RCVTIMEO): bytes(16),
    (SOL_SOCKET, socket.SO_SNDTIMEO): bytes(16),
    (IPPROTO_IP, socket.IP_MULTICAST_IF): bytes(4),
}

_TEXTS: dict[Key, bytes] = {
    (SOL_SOCKET, 25): b"",  # SO_BINDTODEVICE
    (IPPROTO_TCP, socket.TCP_CONGESTION): b"cubic".ljust(16, b"\0"),
}


def is_known(key: Key) -> bool:
    """Whether the table has a row for the option."""
    return key in _INTEGERS or key in _STRUCTURES or key in _TEXTS


def default_of(key: Key) -> Value:
    """Return what the option answers before it is set; KeyError where it is not known."""
    row = _INTEGERS.get(key)
    if row is not None:
        return row[0]
    text = _STRUCTURES.get(key)
    return _TEXTS[key] if text is None else text


def normal(key: Key, value: Value) -> Value:
    """Check a new value and return it as it is stored; EINVAL, ENOPROTOOPT as Linux says."""
    row = _INTEGERS.get(key)
    if row is not None:
        return row[1](_as_integer(key, value))
    if key in _STRUCTURES:
        return _structure(key, value)
    if key in _TEXTS:
        return value if isinstance(value, bytes) else _INT.pack(value)
    raise os_error(errno.ENOPROTOOPT)


def _as_integer(key: Key, value: Value) -> int:
    if isinstance(value, int):
        return value
    if len(value) >= _INT.size:
        return int(_INT.unpack_from(value)[0])
    # The options of IP take a single byte too.
    if value and key[0] == IPPROTO_IP:
        return value[0]
    raise os_error(errno.EINVAL)


def _structure(key: Key, value: Value) -> bytes:
    size = len(_STRUCTURES[key])
    raw = _INT.pack(value) if isinstance(value, int) else value
    if len(raw) < size:
        raise os_error(errno.EINVAL)
    if key == (SOL_SOCKET, socket.SO_LINGER):
        is_on, seconds = _LINGER.unpack_from(raw)
        return _LINGER.pack(int(is_on != 0), seconds)
    return raw[:size]


def without_linger(before: Value | None) -> bytes:
    """Return SO_LINGER switched off: the seconds stay as they were set (net/core/sock.c)."""
    seconds = _LINGER.unpack(before)[1] if isinstance(before, bytes) else 0
    return _LINGER.pack(0, seconds)


def integer_of(value: Value) -> int:
    """Read a stored value as getsockopt without a length does: its first int."""
    if isinstance(value, int):
        return value
    return int.from_bytes(value[: _INT.size], sys.byteorder, signed=len(value) >= _INT.size)


def encode(value: Value, size: int) -> bytes:
    """Read a stored value as getsockopt with a buffer of ``size`` bytes does."""
    raw = _INT.pack(value) if isinstance(value, int) else value
    return raw[:size]
