"""The options and the buffers of a TCP socket.

Owns: what setsockopt and getsockopt mean to TCP, and how large its buffers are. Must not know the
states, nor when a connection comes about.

Invariant: a buffer that the program has set is as large as it said.

Sources: tcp(7), socket(7), and what Linux shows where these are silent.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, ClassVar

from simloop.net.errnos import os_error
from simloop.net.linux import socket_names as socket

from . import options as opt
from .byte_stream import StreamSocket
from .socket_file import AF_INET6, SO_RCVBUF, SO_SNDBUF, SOL_SOCKET, InetSocket

if TYPE_CHECKING:
    from .tcp_states import State

__all__ = ["RCVBUF", "SNDBUF", "SO_LINGER", "TcpOptions", "is_zero"]

# tcp_wmem and tcp_rmem: what a socket starts with.
SNDBUF = 16_384
RCVBUF = 131_072
# Linux lets the send buffer of a connection grow, unless SO_SNDBUF was set (tcp_sndbuf_expand of
# net/ipv4/tcp_input.c). Measured on Linux 6.18: on loopback it is 3,939,840 at once, and as many
# bytes are taken while nobody reads, those in the peer's buffer included; with an MTU of 1500 it
# ends at 539,136, and 515 kB are taken. What is kept is the part in front of the peer's buffer.
_SHOWN_NEAR, _SHOWN_FAR = 3_939_840, 539_136
_NEAR, _FAR = _SHOWN_NEAR - RCVBUF, 384_000
_SHOWN = {_NEAR: _SHOWN_NEAR, _FAR: _SHOWN_FAR}

SO_LINGER = (SOL_SOCKET, socket.SO_LINGER)
_TCP_INFO = (opt.IPPROTO_TCP, int(socket.TCP_INFO))
_TCP_INFO_SIZE = 104

_OF_GROUPS = {
    int(socket.IP_ADD_MEMBERSHIP): errno.EPROTO,
    int(socket.IP_DROP_MEMBERSHIP): errno.EPROTO,
    int(socket.IP_MULTICAST_TTL): errno.EINVAL,
    int(socket.IP_MULTICAST_IF): errno.EINVAL,
}


_OF_DATAGRAMS = (
    (opt.IPPROTO_IPV6, int(socket.IPV6_MULTICAST_IF)),
    (opt.IPPROTO_IPV6, int(socket.IPV6_MULTICAST_HOPS)),
)
_OF_TRAFFIC = ((opt.IPPROTO_IP, int(socket.IP_TOS)), (opt.IPPROTO_IPV6, 67))


class TcpOptions(InetSocket, StreamSocket):
    """The part of a TCP socket that answers for options."""

    __slots__ = ()

    levels: ClassVar[tuple[int, ...]] = (
        SOL_SOCKET,
        opt.IPPROTO_TCP,
        opt.IPPROTO_IP,
        opt.IPPROTO_IPV6,
    )

    # Inherited, and said again where this class sets or asks them.
    state: State
    sndbuf: int
    peer: StreamSocket | None

    @property
    def protocol(self) -> int:
        """The protocol of the socket."""
        return opt.IPPROTO_TCP

    def grow_buffer(self, peer: TcpOptions) -> None:
        """Let the send buffer be what it grows to, where the program did not set it."""
        if self.options is None or SO_SNDBUF not in self.options:
            self.sndbuf = _NEAR if peer.host is self.host else _FAR

    # -- options -------------------------------------------------------------------------------

    def option_changed(self, key: opt.Key, value: opt.Value) -> None:
        """Act upon an option; a new receive buffer is the window that the peer sees."""
        super().option_changed(key, value)
        if key == SO_RCVBUF and self.peer is not None:
            self.peer.window = self.rcvbuf
            if self.peer.blocked:
                self.peer.room_made()

    def special_option(self, name: int) -> opt.Value | None:
        """Answer SO_SNDBUF as Linux does for a buffer that has grown."""
        if name == SO_SNDBUF[1]:
            return _SHOWN.get(self.sndbuf, self.sndbuf)
        return super().special_option(name)

    def getsockopt(self, level: int, name: int) -> opt.Value:
        """Return an option; TCP_INFO tells the state in its first byte and no more."""
        if (level, name) == _TCP_INFO:
            return bytes([self.state]).ljust(_TCP_INFO_SIZE, b"\0")
        return super().getsockopt(level, name)

    def setsockopt(self, level: int, name: int, value: opt.Value) -> None:
        """Set an option; groups are no business of a stream."""
        if level == opt.IPPROTO_IP and name in _OF_GROUPS:
            raise os_error(_OF_GROUPS[name])
        if (level, name) in _OF_DATAGRAMS:
            raise os_error(errno.ENOPROTOOPT)
        is_known = level == opt.IPPROTO_IP or self.family == AF_INET6
        if (
            is_known and (level, name) in _OF_TRAFFIC
        ):  # The two bits of ECN are TCP's own (RFC 3168).
            value = opt.integer_of(opt.normal((level, name), value)) & ~3
        super().setsockopt(level, name, value)


def is_zero(linger: opt.Value) -> bool:
    """Whether a value of SO_LINGER is on, and no time at all."""
    return isinstance(linger, bytes) and linger[0] != 0 and not any(linger[4:8])
