"""Which class of sockets a family, a type and a protocol mean: socket(2), without a descriptor.

Owns: the choice, and the errors for what does not exist (socket(2), socketpair(2);
``__sock_create`` and ``inet_create`` of Linux, net/socket.c and net/ipv4/af_inet.c). Must not know
descriptors, or the ``socket.socket`` that programs see: both are above, in ``socket_calls.py``.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from simloop.net.errnos import os_error
from simloop.net.inet.socket_file import AF_INET, AF_INET6, AF_UNIX
from simloop.net.inet.tcp import TcpSocket
from simloop.net.inet.udp import UdpSocket
from simloop.net.linux import socket_names as socket
from simloop.net.unix.unix_datagram import UnixDatagram
from simloop.net.unix.unix_packets import UnixPackets
from simloop.net.unix.unix_stream import UnixStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.net.host import Host
    from simloop.net.inet.socket_file import SocketFile

__all__ = ["open_pair", "open_socket"]

_TYPE_FLAGS = int(socket.SOCK_NONBLOCK) | int(socket.SOCK_CLOEXEC)
_STREAM = int(socket.SOCK_STREAM)
_DGRAM = int(socket.SOCK_DGRAM)
_TCP = int(socket.IPPROTO_TCP)
_UDP = int(socket.IPPROTO_UDP)

_UNIX_TYPES: dict[int, Callable[[Host, int, int], SocketFile]] = {
    _STREAM: UnixStream,
    _DGRAM: UnixDatagram,
    int(socket.SOCK_SEQPACKET): UnixPackets,
}
# Of the types that exist, those that these families lack; other numbers are no types at all.
_OTHER_TYPES = (int(socket.SOCK_RAW), int(socket.SOCK_RDM), int(socket.SOCK_SEQPACKET))


def _strange_type(kind: int) -> OSError:
    return os_error(errno.ESOCKTNOSUPPORT if kind in _OTHER_TYPES else errno.EINVAL)


def open_socket(host: Host, family: int, type_: int, proto: int) -> SocketFile:
    """Make a socket of a host without a descriptor: socket(2), with its errors."""
    kind = type_ & ~_TYPE_FLAGS
    if family in (AF_INET, AF_INET6):
        if kind == _STREAM:
            if proto not in (0, _TCP):
                raise os_error(errno.EPROTONOSUPPORT)
            return TcpSocket(host, family, kind, proto)
        if kind == _DGRAM:
            if proto not in (0, _UDP):
                raise os_error(errno.EPROTONOSUPPORT)
            return UdpSocket(host, family, kind, proto)
        raise _strange_type(kind)
    if family == AF_UNIX:
        if proto not in (0, AF_UNIX):
            raise os_error(errno.EPROTONOSUPPORT)
        if kind not in _UNIX_TYPES:
            raise _strange_type(kind)
        return _UNIX_TYPES[kind](host, kind, proto)
    raise os_error(errno.EAFNOSUPPORT)


def open_pair(host: Host, family: int, type_: int, proto: int) -> tuple[SocketFile, SocketFile]:
    """Make two connected UNIX sockets without descriptors: what socketpair(2) does."""
    if family != AF_UNIX:
        open_socket(host, family, type_, proto)
        raise os_error(errno.EOPNOTSUPP)
    first = open_socket(host, family, type_, proto)
    second = open_socket(host, family, type_, proto)
    first.join(second)
    host.network.fabric.name_ends("socketpair", first, second)
    return first, second
