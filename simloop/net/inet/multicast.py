"""Multicast groups: what a socket joins, on which interface, and how the options say so.

Owns: the structures of the membership options (ip_mreq, ip_mreqn, ipv6_mreq) and the rules for
which interface they mean. Must not know the receivers.

Sources: ip(7), ipv6(7).

Interfaces are numbers: 1 is lo, 2 is eth0 of a host with addresses of its own.
"""

from __future__ import annotations

import errno
import socket
import struct
from typing import TYPE_CHECKING

from simloop.net.addressing.addresses import ANY, is_ipv6, is_loopback, is_multicast
from simloop.net.errnos import os_error

from . import options as opt

if TYPE_CHECKING:
    from simloop.net.addressing.addresses import Membership
    from simloop.net.host import Host

__all__ = [
    "ETH0",
    "LO",
    "changes_membership",
    "default_interface",
    "interface_address",
    "known_interface",
    "membership_of",
    "outgoing_interface",
]

LO, ETH0 = 1, 2

_JOIN = (
    (opt.IPPROTO_IP, int(socket.IP_ADD_MEMBERSHIP)),
    (opt.IPPROTO_IPV6, int(socket.IPV6_JOIN_GROUP)),
)
_LEAVE = (
    (opt.IPPROTO_IP, int(socket.IP_DROP_MEMBERSHIP)),
    (opt.IPPROTO_IPV6, int(socket.IPV6_LEAVE_GROUP)),
)
_MREQ = struct.Struct("4s4s")
_MREQN = struct.Struct("4s4si")
_MREQ6 = struct.Struct("@16sI")
_ADDRESS = struct.Struct("4s")


def changes_membership(key: opt.Key) -> bool | None:
    """Whether an option joins a group (True), leaves one (False), or is another one (None)."""
    if key in _JOIN:
        return True
    return False if key in _LEAVE else None


def membership_of(host: Host, level: int, value: opt.Value) -> Membership:
    """Read a membership option; EINVAL if short or no group, ENODEV for a strange interface."""
    raw = value if isinstance(value, bytes) else b""
    if level == opt.IPPROTO_IPV6:
        if len(raw) < _MREQ6.size:
            raise os_error(errno.EINVAL)
        packed, number = _MREQ6.unpack_from(raw)
        group = socket.inet_ntop(socket.AF_INET6, packed)
    else:
        if len(raw) < _MREQ.size:
            raise os_error(errno.EINVAL)
        packed, _ = _MREQ.unpack_from(raw)
        group = socket.inet_ntop(socket.AF_INET, packed)
        number = _interface_of(host, raw, errno.ENODEV)
    if not is_multicast(group):
        raise os_error(errno.EINVAL)
    return group, known_interface(host, number)


def known_interface(host: Host, number: int) -> int:
    """Return an interface's number, the default one for 0; ENODEV if the host lacks it."""
    if number == 0:
        return default_interface(host)
    if number not in (LO, ETH0) or (number == ETH0 and not host.addresses):
        raise os_error(errno.ENODEV)
    return number


def default_interface(host: Host) -> int:
    """Return the interface that a group is reached by unless one was set: eth0 if there is one."""
    return ETH0 if host.addresses else LO


def outgoing_interface(host: Host, value: opt.Value) -> tuple[bytes, int]:
    """Read IP_MULTICAST_IF: the address to keep and the interface's number; EADDRNOTAVAIL."""
    raw = value if isinstance(value, bytes) else struct.pack("i", value)
    if len(raw) < _ADDRESS.size:
        raise os_error(errno.EINVAL)
    if len(raw) < _MREQ.size:
        raw = bytes(4) + raw[:4]
    number = _interface_of(host, raw, errno.EADDRNOTAVAIL)
    return raw[4:8], number


def _interface_of(host: Host, raw: bytes, otherwise: int) -> int:
    """Return the interface that an ip_mreq(n) names, 0 for none; the errno for a strange one."""
    if len(raw) >= _MREQN.size:
        number: int = _MREQN.unpack_from(raw)[2]
        if number:
            return number
    ip = socket.inet_ntop(socket.AF_INET, raw[4:8])
    if ip == ANY:
        return 0
    if is_loopback(ip):
        return LO
    if ip in host.addresses:
        return ETH0
    raise os_error(otherwise)


def interface_address(host: Host, number: int, *, wants_ipv6: bool) -> str:
    """Return the own address on an interface; ENETUNREACH if it has none of that family."""
    if number == LO:
        return "::1" if wants_ipv6 else "127.0.0.1"
    for ip in host.addresses:
        if is_ipv6(ip) == wants_ipv6:
            return ip
    raise os_error(errno.ENETUNREACH)
