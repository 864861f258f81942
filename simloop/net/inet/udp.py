"""UDP as a program sees it: datagrams that arrive whole, or not at all.

Owns: what a socket sends and receives, the queue with its limit, the error that a closed port
leaves with a connected sender, broadcast and groups. Which of several sockets at a port is
meant is decided in ``udp_demux.py``. Sources: udp(7), ip(7), ipv6(7), RFC 768. Must not know time.

Invariants: ``held`` is the sum of the costs of what is queued, and stays below the receive buffer
unless a single datagram is alone in the queue; a socket with a peer has a name; each membership is
counted once with the host.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from simloop.net.addressing.addresses import (
    SocketAddress,
    is_ipv6,
    is_multicast,
    is_wildcard,
    scope_of,
    show_inet,
    without_scope,
)
from simloop.net.errnos import os_error
from simloop.net.files.open_file import ERR, HUP, IN, OUT, RDHUP

from . import multicast as groups
from . import options as opt
from .socket_file import AF_INET, MSG_ERRQUEUE, SOL_SOCKET, Ancillary, InetSocket, Message, cut
from .udp_demux import hear, meant

if TYPE_CHECKING:
    from simloop.net.addressing.addresses import Membership
    from simloop.net.addressing.port_tables import PortTable
    from simloop.net.fabric import Endpoint
    from simloop.net.host import Host
    from simloop.net.wire.wire import Wire

__all__ = ["BUFFER", "UdpSocket", "cost_of"]

BUFFER = 212_992  # net.core.rmem_default and wmem_default
# What a queued datagram costs is the memory that Linux has it in (``skb->truesize``): its bytes and
# headers, rounded up, 320 bytes of fragments' addresses and 256 of ``sk_buff``. Measured: 212,992
# bytes hold 256 datagrams of up to 100 bytes; of 1000 bytes they hold 92 on loopback, where the
# memory is of kmalloc's sizes, and 123 from another host.
_COST_MIN = 832
_SMALL_NEAR, _HEADERS_NEAR = 208, 368
_SMALL_FAR, _HEADERS_FAR = 146, 110
_SIZE_MAX = 65_507
_LENGTH_MAX = 0xFFFF  # What a UDP header can say: longer is refused before anything else.
_SIZE_MAX_IPV6 = 65_527

_MSG_PEEK = int(socket.MSG_PEEK)
_MSG_TRUNC = int(socket.MSG_TRUNC)
_MSG_OOB = int(socket.MSG_OOB)

_PKTINFO = (opt.IPPROTO_IP, opt.IP_PKTINFO)
_RECVPKTINFO = (opt.IPPROTO_IPV6, 49)
_IPV6_PKTINFO = 50
_RECVTTL = (opt.IPPROTO_IP, 12)
_RECVTOS = (opt.IPPROTO_IP, 13)
_RECVHOPLIMIT = (opt.IPPROTO_IPV6, 51)
_IPV6_HOPLIMIT = 52
_RECVTCLASS = (opt.IPPROTO_IPV6, 66)
_IPV6_TCLASS = 67
_MAPPED = bytes(10) + b"\xff\xff"
_INT = struct.Struct("i")
_MULTICAST_IF = (opt.IPPROTO_IP, int(socket.IP_MULTICAST_IF))
_MULTICAST_IF6 = (opt.IPPROTO_IPV6, int(socket.IPV6_MULTICAST_IF))


def cost_of(size: int, *, is_near: bool) -> int:
    """Return what a queued datagram takes of the receive buffer.

    >>> [212_992 // cost_of(size, is_near=True) for size in (1, 100, 1000)]
    [256, 256, 92]
    >>> [212_992 // cost_of(size, is_near=False) for size in (1, 100, 1000)]
    [256, 256, 123]
    """
    if is_near:
        if size <= _SMALL_NEAR:
            return _COST_MIN
        return (1 << (size + _HEADERS_NEAR - 1).bit_length()) + 256
    return max(_COST_MIN, 576 + ((size + _HEADERS_FAR + 63) & ~63))


class UdpSocket(InetSocket):
    """A socket that sends and receives datagrams."""

    __slots__ = (
        "held",
        "inbox",
        "interface",
        "is_shut_read",
        "is_shut_write",
        "memberships",
        "route",
        "table",
    )

    kind: ClassVar[str] = "udp"
    levels: ClassVar[tuple[int, ...]] = (
        *(SOL_SOCKET, opt.IPPROTO_IP, opt.IPPROTO_IPV6),
        int(socket.IPPROTO_UDP),
    )
    # Inherited, and said again where this class sets them: type checkers infer each its own.
    local: Endpoint | None
    remote: Endpoint | None
    error: int

    def __init__(self, host: Host, family: int, type_: int, proto: int) -> None:
        super().__init__(host, family, type_, proto, BUFFER, BUFFER)
        self.table: PortTable[InetSocket] = host.udp
        # (data, the sender, what it was sent to, its cost), oldest first.
        self.inbox: deque[tuple[bytes, Endpoint, Endpoint, int]] = deque()
        self.held: int = 0
        self.is_shut_read: bool = False
        self.is_shut_write: bool = False
        self.memberships: dict[Membership, None] = {}
        self.interface: int = 0  # Where groups are sent to; 0: the default.
        # (destination, own name, how many addresses the host has, sender, wire) of the last
        # datagram to one address: while the first three are the same, so is the sender, and by
        # which wire it goes, None: by none.
        self.route: tuple[Endpoint, Endpoint, int, Endpoint, Wire | None] | None = None

    @property
    def protocol(self) -> int:
        """The protocol of the socket."""
        return int(socket.IPPROTO_UDP)

    def getpeername(self) -> SocketAddress:
        """Return the peer's name; ENOTCONN without one."""
        if self.remote is None or not self.remote[1]:
            raise os_error(errno.ENOTCONN)
        return show_inet(self.family, self.remote)

    def connect(self, endpoint: Endpoint) -> int:
        """Set the peer: only its datagrams come in, and send() goes to it."""
        ip, port = self.target(endpoint)
        try:
            if self.local is None:
                self.bind_any()
            if not is_multicast(ip):
                self._check_broadcast(ip)
            source = self._source(ip)
        except OSError as error:
            return error.errno or errno.EINVAL
        assert self.local is not None
        if is_wildcard(self.local[0]):
            self.local = (source, self.local[1])
        self.remote = (ip, port)
        return 0

    # -- sending -------------------------------------------------------------------------------

    def send(self, data: bytes, flags: int = 0) -> int:
        """Send one datagram to the peer."""
        if self.remote is None:
            self._begin_sending(data, flags)
            raise os_error(errno.EDESTADDRREQ)
        return self._send(data, flags, self.remote)

    def sendto(self, data: bytes, flags: int, endpoint: Endpoint) -> int:
        """Send one datagram to an address."""
        return self._send(data, flags, self.target(endpoint))

    def _send(self, data: bytes, flags: int, destination: Endpoint) -> int:
        route = self.route
        if (
            route is not None
            and route[0] == destination
            and route[1] is self.local
            and route[2] == len(self.host.addresses)
            and not (flags or self.error or self.is_shut_write or len(data) > _SIZE_MAX)
        ):
            sender, wire = route[3], route[4]
            if wire is not None:
                self.fabric.observe("udp", sender, destination, data)
                wire.protocols.send_datagram(self, data, sender, destination)
            elif self.fabric.direct:
                self._arrive(data, sender, destination)
            else:
                self.fabric.observe("udp", sender, destination, data)
                arrive = partial(self._arrive, data, sender, destination)
                self.fabric.carry("datagram", sender, destination, arrive, data)
            return len(data)
        return self._send_anywhere(data, flags, destination)

    def _send_anywhere(self, data: bytes, flags: int, destination: Endpoint) -> int:
        """Find out what a destination is, and send there."""
        self._begin_sending(data, flags)
        ip, port = destination
        if port == 0 and destination != self.remote:
            raise os_error(errno.EINVAL)
        source = self._source(ip)
        is_group = is_multicast(ip)
        is_broadcast = not is_group and self._check_broadcast(ip)
        if len(data) > (_SIZE_MAX_IPV6 if is_ipv6(ip) else _SIZE_MAX):
            raise os_error(errno.EMSGSIZE)
        if self.error:
            self.raise_error()
        if self.is_shut_write:
            raise os_error(errno.EPIPE)
        assert self.local is not None
        sender = (source, self.local[1])
        self.fabric.observe("udp", sender, destination, data)
        if is_group:
            self._send_to_group(data, sender, destination)
        elif is_broadcast:
            self._send_to_all(data, sender, destination)
        elif (wire := self.host.network.wire) is not None and not self.host.owns(ip):
            self.route = (destination, self.local, len(self.host.addresses), sender, wire)
            wire.protocols.send_datagram(self, data, sender, destination)
        else:
            self.route = (destination, self.local, len(self.host.addresses), sender, None)
            arrive = partial(self._arrive, data, sender, destination)
            self.fabric.carry("datagram", sender, destination, arrive, data)
        return len(data)

    def _begin_sending(self, data: bytes, flags: int) -> None:
        """Take a port, which even a refused call does, and check what needs no destination.

        In the order of Linux's ``udp_sendmsg`` (net/ipv4/udp.c), which looks at the address next.
        """
        if self.local is None:
            self.bind_any()
        if len(data) > _LENGTH_MAX and self.family == AF_INET:
            raise os_error(errno.EMSGSIZE)
        if flags & _MSG_OOB:
            raise os_error(errno.EOPNOTSUPP)

    def _source(self, ip: str) -> str:
        """Return the address to send from."""
        if is_multicast(ip):
            if self.local is not None and not is_wildcard(self.local[0]):
                return self.local[0]
            return groups.interface_address(self.host, self._interface(ip), wants_ipv6=is_ipv6(ip))
        if self.host.broadcasts(ip):
            own = self.host.addresses
            return next((one for one in own if not is_ipv6(one)), "127.0.0.1")
        return self.source_for(ip)

    def _check_broadcast(self, ip: str) -> bool:
        """Return whether this is broadcast; EACCES without SO_BROADCAST (socket(7))."""
        if not self.host.broadcasts(ip):
            return False
        if not self.flag(SOL_SOCKET, socket.SO_BROADCAST):
            raise os_error(errno.EACCES)
        return True

    def _interface(self, group: str) -> int:
        """Return the interface that a group is sent to."""
        number = scope_of(group) or self.interface
        return groups.known_interface(self.host, number)

    def _arrive(self, data: bytes, sender: Endpoint, destination: Endpoint) -> None:
        """Meet the receiver, if there is one, when the datagram reaches its host."""
        host = self.host.network.host_of(destination[0], self.host)
        if host is None or host.is_off:
            return  # No host has the address, or it has no power: lost.
        receiver = self.fabric.receiver = meant(host, destination, sender)
        if receiver is not None:
            assert isinstance(receiver, UdpSocket)
            receiver.receive(data, sender, destination)
        elif self.remote == destination:
            self.fabric.carry("refuse", destination, sender, self._refused)

    def _refused(self) -> None:
        """Note an ICMP "port unreachable" (udp(7)): the next call is ECONNREFUSED."""
        if self.references:
            self.error = errno.ECONNREFUSED
            self.notify_readable()
            self.notify_writable()

    def _send_to_group(self, data: bytes, sender: Endpoint, destination: Endpoint) -> None:
        group, port = without_scope(destination[0]), destination[1]
        number = self._interface(destination[0])
        is_ipv6_group = is_ipv6(group)
        level, loop, ttl = (
            (opt.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, socket.IPV6_MULTICAST_HOPS)
            if is_ipv6_group
            else (opt.IPPROTO_IP, socket.IP_MULTICAST_LOOP, socket.IP_MULTICAST_TTL)
        )
        for host in self._hosts(number, reaches_out=self.flag(level, ttl) > 0):
            if host is self.host and number == groups.ETH0 and not self.flag(level, loop):
                continue
            if self._sends_far(host, data, sender, (group, port)):
                continue
            arrive = partial(self._hear, host, data, sender, (group, port), number)
            self.fabric.carry("datagram", sender, (group, port), arrive, data)

    def _hosts(self, number: int, *, reaches_out: bool) -> list[Host]:
        """List the hosts on the link of an interface, in the order in which they were made."""
        if number == groups.LO or not reaches_out:
            return [self.host]
        hosts = self.host.network.hosts.values()
        return [host for host in hosts if host.addresses or host is self.host]

    def _send_to_all(self, data: bytes, sender: Endpoint, destination: Endpoint) -> None:
        ip = destination[0]
        is_inside = ip.startswith("127.")
        number = groups.LO if is_inside else groups.default_interface(self.host)
        for host in self._hosts(number, reaches_out=True):
            if host.broadcasts(ip) and not self._sends_far(host, data, sender, destination):
                arrive = partial(self._hear, host, data, sender, destination, 0)
                self.fabric.carry("datagram", sender, destination, arrive, data)

    def _sends_far(self, host: Host, data: bytes, sender: Endpoint, group: Endpoint) -> bool:
        """Send one copy to a host that a wire leads to; false if there is none."""
        wire = self.host.network.wire
        if wire is None or host is self.host:
            return False
        wire.protocols.send_datagram(self, data, sender, group, host)
        return True

    def _hear(
        self, host: Host, data: bytes, sender: Endpoint, destination: Endpoint, number: int
    ) -> None:
        """Give a copy to every socket of a host that hears a group, or a broadcast."""
        for receiver in hear(host, destination, sender, number):
            assert isinstance(receiver, UdpSocket)
            receiver.receive(data, sender, destination)

    # -- receiving -----------------------------------------------------------------------------

    def receive(
        self, data: bytes, sender: Endpoint, destination: Endpoint, *, is_near: bool = True
    ) -> None:
        """Queue a datagram; one that finds no room is lost, as on Linux."""
        size = len(data)
        # The first line of cost_of, for the most common case.
        cost = _COST_MIN if size <= _SMALL_FAR else cost_of(size, is_near=is_near)
        if self.held + cost > self.rcvbuf and self.inbox:
            return
        self.inbox.append((data, sender, destination, cost))
        self.held += cost
        watcher = self.on_readable
        if watcher is not None:
            watcher()

    def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, Endpoint | None]:
        """Take one datagram and its sender; what does not fit in ``size`` is gone."""
        if flags or self.error or not self.inbox:
            data, sender, _ = self._take(flags)
        else:
            data, sender, _, cost = self.inbox.popleft()
            self.held -= cost
        return (data if len(data) <= size else cut(data, size, flags)), sender

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Take one datagram; what does not fit in ``size`` is gone."""
        data = self._take(flags)[0]
        return data if len(data) <= size else cut(data, size, flags)

    def recvmsg(self, size: int, ancillary_size: int, flags: int = 0) -> Message:
        """Take one datagram, with MSG_TRUNC if it did not fit, and what was asked for beside."""
        data, sender, destination = self._take(flags)
        message_flags = _MSG_TRUNC if len(data) > size else 0
        del ancillary_size
        ancillary = [] if self.options is None else self._packet_info(destination)
        return cut(data, size, flags), ancillary, message_flags, sender

    def count_unread(self) -> int:
        """Return the bytes of the datagram that is next (udp(7), FIONREAD)."""
        return len(self.inbox[0][0]) if self.inbox else 0

    def count_unsent(self) -> int:
        """Return 0: what a program has sent is on its way (udp(7), TIOCOUTQ)."""
        return 0

    def _take(self, flags: int) -> tuple[bytes, Endpoint, Endpoint]:
        if self.error:
            self.raise_error()
        if not self.inbox or flags & MSG_ERRQUEUE:
            raise os_error(errno.EAGAIN)
        if flags & _MSG_PEEK:
            return self.inbox[0][:3]
        data, sender, destination, cost = self.inbox.popleft()
        self.held -= cost
        return data, sender, destination

    def _packet_info(self, destination: Endpoint) -> list[Ancillary]:
        ip = destination[0]
        number = groups.ETH0 if self.host.addresses and ip in self.host.addresses else groups.LO
        hops = _INT.pack(1 if is_multicast(ip) else 64)
        if is_ipv6(ip):
            packed = socket.inet_pton(socket.AF_INET6, without_scope(ip))
            known = [
                (_RECVPKTINFO, _IPV6_PKTINFO, struct.pack("@16sI", packed, number)),
                (_RECVHOPLIMIT, _IPV6_HOPLIMIT, hops),
                (_RECVTCLASS, _IPV6_TCLASS, _INT.pack(0)),
            ]
        else:
            packed = socket.inet_aton(ip)
            known = [
                (_PKTINFO, opt.IP_PKTINFO, struct.pack("i4s4s", number, packed, packed)),
                (_RECVTTL, int(socket.IP_TTL), hops),
                (_RECVTOS, int(socket.IP_TOS), bytes(1)),
            ]
            if self.family == int(socket.AF_INET6):  # It shows the address as a mapped one, too.
                mapped = struct.pack("@16sI", _MAPPED + packed, number)
                known.insert(0, (_RECVPKTINFO, _IPV6_PKTINFO, mapped))
        return [(option[0], kind, data) for option, kind, data in known if self.flag(*option)]

    # -- life ----------------------------------------------------------------------------------

    def shutdown(self, how: int) -> None:
        """Close a direction; ENOTCONN without a peer, although it is closed all the same."""
        if how not in (0, 1, 2):
            raise os_error(errno.EINVAL)
        self.is_shut_read |= how in (int(socket.SHUT_RD), int(socket.SHUT_RDWR))
        self.is_shut_write |= how in (int(socket.SHUT_WR), int(socket.SHUT_RDWR))
        self.notify_readable()
        self.notify_writable()
        if self.remote is None:
            raise os_error(errno.ENOTCONN)

    def release(self) -> None:
        """Close: give back the port and leave all groups."""
        for membership in self.memberships:
            self.host.leave(membership)
        self.memberships.clear()
        self.inbox.clear()
        self.held = 0
        self.let_go()

    def poll(self) -> int:
        """Return what the system call poll shows."""
        mask = OUT
        if self.inbox or self.is_shut_read:
            mask |= IN
        if self.is_shut_read:
            mask |= RDHUP
            if self.is_shut_write:
                mask |= HUP
        return mask | ERR if self.error else mask

    @property
    def readable(self) -> bool:
        """Whether a receive would not block."""
        return bool(self.inbox) or self.error != 0 or self.is_shut_read

    @property
    def writable(self) -> bool:
        """Whether a send would not block: it never does."""
        return True

    # -- options -------------------------------------------------------------------------------

    def setsockopt(self, level: int, name: int, value: opt.Value) -> None:
        """Set an option, join or leave a group, or choose the interface for groups."""
        key = (level, name)
        joins = groups.changes_membership(key)
        if joins is not None and self._has_level(level):
            membership = groups.membership_of(self.host, level, value)
            if joins:
                self._join(membership)
            else:
                self._leave(membership)
            return
        if key == _MULTICAST_IF:
            value, self.interface = groups.outgoing_interface(self.host, value)
        elif key == _MULTICAST_IF6 and self._has_level(level):
            number = opt.integer_of(value)
            if number:
                groups.known_interface(self.host, number)
            self.interface = number
        super().setsockopt(level, name, value)

    def _has_level(self, level: int) -> bool:
        return level == opt.IPPROTO_IP or self.family == int(socket.AF_INET6)

    def _join(self, membership: Membership) -> None:
        if membership in self.memberships:
            raise os_error(errno.EADDRINUSE)
        self.memberships[membership] = None
        self.host.join(membership)

    def _leave(self, membership: Membership) -> None:
        if membership not in self.memberships:
            raise os_error(errno.EADDRNOTAVAIL)
        del self.memberships[membership]
        self.host.leave(membership)

    def check(self) -> None:
        """Assert the invariants."""
        super().check()
        assert self.held == sum(cost for *_, cost in self.inbox), self.held
        if self.remote is not None:
            assert self.local is not None
        if self.local is not None and self.references:
            assert self in self.table.holders[self.local[1]], self
        for membership in self.memberships:
            assert self.host.memberships.get(membership, 0) > 0, membership

    def __repr__(self) -> str:
        return f"<UdpSocket local={self.local} remote={self.remote} queued={len(self.inbox)}>"
