"""Whom a datagram is meant for, among the sockets of one host.

Owns: Linux' choice. A datagram to one address goes to one socket: to a connected one before an
unconnected one, to one bound to the address before one bound to the wildcard, and among equals to
the one that was bound last, or in turn where they share the port by SO_REUSEPORT. A datagram to
a group or to a broadcast address goes to every socket that hears it. Changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simloop.net.addressing.addresses import ANY, ANY6, is_ipv6

from . import options as opt
from .socket_file import AF_INET

if TYPE_CHECKING:
    from simloop.net.addressing.addresses import Membership
    from simloop.net.fabric import Endpoint
    from simloop.net.host import Host

    from .socket_file import InetSocket

__all__ = ["hear", "meant"]

_MULTICAST_ALL = (opt.IPPROTO_IP, opt.IP_MULTICAST_ALL)


def meant(host: Host, destination: Endpoint, sender: Endpoint) -> InetSocket | None:
    """Return the socket that gets a datagram to one address, or None."""
    holders = host.udp.holders.get(destination[1])
    if holders is None:
        return None
    if len(holders) == 1:
        (only,) = holders
        return only if _score(only, destination[0], sender) else None
    best = 0
    group: list[InetSocket] = []
    for sock in holders:
        score = _score(sock, destination[0], sender)
        if score > best:
            best = score
            group = [sock]
        elif score and score == best:
            group.append(sock)
    if len(group) > 1 and all(sock.reuse_port for sock in group):
        return group[host.network.share(destination, len(group), sender)]
    return group[-1] if group else None


def _score(sock: InetSocket, ip: str, sender: Endpoint) -> int:
    """How well a socket fits; 0: not at all."""
    score = 1
    if sock.remote is not None:
        if sock.remote != sender:
            return 0
        score += 4
    held = sock.local[0] if sock.local else ""
    if held == ip:
        score += 2
    elif not _is_wide_enough(sock, held, ip):
        return 0
    return 2 * score + (sock.family == AF_INET)


def _is_wide_enough(sock: InetSocket, held: str, ip: str) -> bool:
    """Whether a socket bound to ``held`` takes what is sent to ``ip``, another address."""
    if held == ANY:
        return not is_ipv6(ip)
    return held == ANY6 and (is_ipv6(ip) or not sock.is_v6only)


def hear(host: Host, destination: Endpoint, sender: Endpoint, number: int) -> list[InetSocket]:
    """List the sockets that get a copy of a datagram to a group, or (``number`` 0) by broadcast.

    A socket that joined no group still hears those that others of its host joined, unless it
    switched that off by IP_MULTICAST_ALL.
    """
    ip, port = destination
    if number and not host.memberships.get((ip, number)):
        return []
    heard = []
    for sock in host.udp.holders.get(port, ()):
        if sock.remote is not None and sock.remote != sender:
            continue
        held = sock.held_ip
        if held != ip and not _is_wide_enough(sock, held, ip):
            continue
        if number and not _is_in_group(sock, (ip, number)):
            continue
        heard.append(sock)
    return heard


def _is_in_group(sock: InetSocket, membership: Membership) -> bool:
    there = getattr(sock, "memberships", {})
    return membership in there or bool(sock.flag(*_MULTICAST_ALL))
