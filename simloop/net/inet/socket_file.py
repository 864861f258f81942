"""What every virtual socket is, below its protocol.

Owns: family, type, protocol, the pending error, the options, the sizes of the buffers, the two
names, and the calls that a protocol refuses unless it overrides them. ``InetSocket`` adds what the
internet families share: ports, source addresses, the shape of addresses.

Calls take canonical endpoints (``parse_address`` makes them) and raise ``OSError`` as the system
call does; a call that would block raises BlockingIOError. Whether to wait is decided above.

Invariants: ``error`` is 0 or the errno that the next call will report; ``local`` is None exactly
while the socket has no name.
"""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING, ClassVar

from simloop.net.addressing.addresses import (
    ANY,
    ANY6,
    LOOPBACK,
    LOOPBACK6,
    SocketAddress,
    is_ipv6,
    is_loopback,
    is_multicast,
    is_wildcard,
    parse_inet,
    show_inet,
)
from simloop.net.errnos import os_error
from simloop.net.files.open_file import File
from simloop.net.linux import socket_names as socket

from . import options as opt

if TYPE_CHECKING:
    from simloop.net.addressing.port_tables import PortTable
    from simloop.net.fabric import Endpoint, Fabric
    from simloop.net.host import Host

__all__ = [
    "AF_INET",
    "AF_INET6",
    "AF_UNIX",
    "MSG_ERRQUEUE",
    "SOL_SOCKET",
    "SO_RCVBUF",
    "SO_SNDBUF",
    "V6ONLY",
    "Ancillary",
    "InetSocket",
    "Message",
    "SocketFile",
    "cut",
]

AF_INET = int(socket.AF_INET)
AF_INET6 = int(socket.AF_INET6)
AF_UNIX = int(socket.AF_UNIX)
_STREAM = int(socket.SOCK_STREAM)

SOL_SOCKET = opt.SOL_SOCKET
SO_BINDTODEVICE = 25
SO_SNDBUF = (SOL_SOCKET, int(socket.SO_SNDBUF))
SO_RCVBUF = (SOL_SOCKET, int(socket.SO_RCVBUF))
MSG_ERRQUEUE = int(socket.MSG_ERRQUEUE)
_MSG_TRUNC = int(socket.MSG_TRUNC)
# socket(7): what getsockopt answers from the socket's own marks.
_READ_FROM_THE_SOCKET = {
    int(socket.SO_TYPE): "type",
    int(socket.SO_DOMAIN): "family",
    int(socket.SO_PROTOCOL): "protocol",
    int(socket.SO_ACCEPTCONN): "is_listening",
    int(socket.SO_SNDBUF): "sndbuf",
    int(socket.SO_RCVBUF): "rcvbuf",
}
_LINGER = (SOL_SOCKET, int(socket.SO_LINGER))
_PEERCRED = (SOL_SOCKET, 17)  # SO_PEERCRED, which UNIX sockets alone know to answer.
_MULTICAST_ALL = (opt.IPPROTO_IP, opt.IP_MULTICAST_ALL)  # Off where it means nothing.
_NO_PEER = struct.pack("3i", 0, -1, -1)
V6ONLY = (opt.IPPROTO_IPV6, socket.IPV6_V6ONLY)

# (level, type, data) as sendmsg and recvmsg have it; SCM_RIGHTS carries files here, not numbers.
Ancillary = tuple[int, int, "bytes | list[File]"]
# What recvmsg gives: data, ancillary items, message flags, the sender.
Message = tuple[bytes, "list[Ancillary]", int, "Endpoint | None"]


def cut(data: bytes, size: int, flags: int) -> bytes:
    """Return what a receive of ``size`` bytes gives of a message.

    With MSG_TRUNC the length is the message's own, and what lies behind ``size`` means nothing.
    """
    if len(data) <= size:
        return data
    return data[:size] + bytes(len(data) - size) if flags & _MSG_TRUNC else data[:size]


class SocketFile(File):
    """The base of all virtual sockets."""

    __slots__ = (
        "error",
        "fabric",
        "family",
        "host",
        "is_bound",
        "local",
        "options",
        "proto",
        "rcvbuf",
        "remote",
        "sndbuf",
        "type",
    )

    is_stream: ClassVar[bool] = False  # Whether it carries bytes, and not messages.
    kind: ClassVar[str] = ""  # What a tap calls the traffic of the class.
    levels: ClassVar[tuple[int, ...]] = (SOL_SOCKET,)

    def __init__(
        self, host: Host, family: int, type_: int, proto: int, sndbuf: int, rcvbuf: int
    ) -> None:
        File.__init__(self)  # Not by super(): each connection pays for two such chains.
        self.host: Host = host
        self.fabric: Fabric = host.network.fabric
        self.family: int = family
        self.type: int = type_
        self.proto: int = proto
        self.sndbuf: int = sndbuf
        self.rcvbuf: int = rcvbuf
        self.error: int = 0
        # Whether bind() gave the name, which then outlives a connection.
        self.is_bound: bool = False
        self.local: Endpoint | None = None
        self.remote: Endpoint | None = None
        self.options: opt.Options | None = None

    def take_error(self) -> int:
        """Return the pending errno, or 0, and forget it."""
        error, self.error = self.error, 0
        return error

    @property
    def is_over(self) -> bool:
        """Whether no byte will come that is not there yet."""
        return self.error != 0

    def end_with_part(self) -> None:
        """Let a call end short of what it was to move: a pending error is the next call's."""

    def raise_error(self) -> None:
        """Raise the pending error, if there is one, and forget it."""
        if self.error:
            raise os_error(self.take_error())

    # -- names ---------------------------------------------------------------------------------

    def parse_address(self, address: object, what: str) -> Endpoint:
        """Check an address of this socket's family for the call ``what``; make it canonical."""
        raise NotImplementedError

    def show_address(self, endpoint: Endpoint | None) -> SocketAddress:
        """Shape an endpoint as this socket's family has it."""
        raise NotImplementedError

    def getsockname(self) -> SocketAddress:
        """Return the own name."""
        raise NotImplementedError

    def getpeername(self) -> SocketAddress:
        """Return the peer's name; ENOTCONN without one."""
        raise os_error(errno.ENOTCONN)

    # -- calls that most protocols have ----------------------------------------------------------

    def bind(self, endpoint: Endpoint) -> None:
        """Take a name (the system call)."""
        raise NotImplementedError

    def listen(self, backlog: int) -> None:
        """Begin to accept connections (the system call)."""
        del backlog
        raise os_error(errno.EOPNOTSUPP)

    def accept(self) -> SocketFile:
        """Return the next connection (the system call)."""
        raise os_error(errno.EOPNOTSUPP)

    def connect(self, endpoint: Endpoint) -> int:
        """Begin to connect: 0 if it is done, else an errno, EINPROGRESS included."""
        raise NotImplementedError

    def join(self, other: SocketFile) -> None:
        """Connect with another fresh socket of the same type: socketpair(2)."""
        del other
        raise os_error(errno.EOPNOTSUPP)

    def connect_outcome(self) -> int:
        """Return how a connect that was answered with EINPROGRESS went; EALREADY: not known yet."""
        return 0

    def shutdown(self, how: int) -> None:
        """Close one direction or both (the system call)."""
        raise NotImplementedError

    def send(self, data: bytes, flags: int = 0) -> int:
        """Send to the peer; return how many bytes were taken."""
        raise NotImplementedError

    def sendto(self, data: bytes, flags: int, endpoint: Endpoint) -> int:
        """Send to an address; a connected stream ignores it."""
        raise NotImplementedError

    def sendmsg(
        self, data: bytes, ancillary: list[Ancillary], flags: int, endpoint: Endpoint | None
    ) -> int:
        """Send with ancillary data; only UNIX sockets can carry files."""
        del ancillary
        if endpoint is None:
            return self.send(data, flags)
        return self.sendto(data, flags, endpoint)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive up to ``size`` bytes; b"" at the end of a stream."""
        raise NotImplementedError

    def recv_into(self, buffer: memoryview, flags: int = 0) -> int:
        """Receive into a buffer of bytes; return how many came."""
        data = self.recv(len(buffer), flags)
        size = min(len(data), len(buffer))
        buffer[:size] = data[:size]
        return len(data)

    def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, Endpoint | None]:
        """Receive, with the sender where there is one."""
        data, _, _, sender = self.recvmsg(size, 0, flags)
        return data, sender

    def recvmsg(self, size: int, ancillary_size: int, flags: int = 0) -> Message:
        """Receive with ancillary data."""
        del ancillary_size
        return self.recv(size, flags), [], 0, None

    def read(self, size: int) -> bytes:
        """Read as os.read does."""
        return self.recv(size) if size else b""

    def write(self, data: bytes) -> int:
        """Write as os.write does."""
        return self.send(data)

    # -- options -------------------------------------------------------------------------------

    def setsockopt(self, level: int, name: int, value: opt.Value) -> None:
        """Set an option, from an int or a structure."""
        if level not in self.levels:
            raise os_error(errno.EOPNOTSUPP if self.family == AF_UNIX else errno.ENOPROTOOPT)
        key = (level, name)
        value = opt.normal(key, value)
        if self.options is None:
            self.options = {}
        if key == _LINGER and not opt.integer_of(value):
            value = opt.without_linger(self.options.get(key))
        self.options[key] = value
        self.option_changed(key, value)

    def option_changed(self, key: opt.Key, value: opt.Value) -> None:
        """Act upon an option that was just set: the sizes of the buffers (socket(7))."""
        if key == SO_SNDBUF:
            self.sndbuf = opt.integer_of(value)
        elif key == SO_RCVBUF:
            self.rcvbuf = opt.integer_of(value)

    def getsockopt(self, level: int, name: int) -> opt.Value:
        """Return an option's value as it is kept; SO_ERROR forgets the error."""
        if level not in self.levels:
            raise os_error(errno.ENOPROTOOPT if self.family == AF_INET6 else errno.EOPNOTSUPP)
        if level == SOL_SOCKET:
            special = self.special_option(name)
            if special is not None:
                return special
        key = (level, name)
        if self.options is not None and key in self.options:
            return self.options[key]
        if not opt.is_known(key):
            raise os_error(errno.ENOPROTOOPT)
        return opt.default_of(key)

    def special_option(self, name: int) -> opt.Value | None:
        """Answer the SOL_SOCKET options that are read from the socket itself."""
        if name == socket.SO_ERROR:
            return self.take_error()
        attribute = _READ_FROM_THE_SOCKET.get(name)
        return None if attribute is None else int(getattr(self, attribute))

    @property
    def protocol(self) -> int:
        """The protocol that the socket speaks, even where it was made with 0."""
        return self.proto

    @property
    def is_listening(self) -> bool:
        """Whether it accepts connections."""
        return False

    def flag(self, level: int, name: int) -> int:
        """Return an integer option, cheaply: what was set, or its default."""
        key = (level, name)
        value = None if self.options is None else self.options.get(key)
        return opt.integer_of(opt.default_of(key) if value is None else value)


class InetSocket(SocketFile):
    """What TCP and UDP sockets share: ports, and names of two numbers or four."""

    __slots__ = ()

    # The ports of this protocol on this host.
    table: PortTable[InetSocket]
    options: opt.Options | None  # Inherited, and said again for type checkers: it is set here, too.

    # -- what the port table asks ----------------------------------------------------------------

    @property
    def held_ip(self) -> str:
        """The address that it is bound to."""
        assert self.local is not None, self
        return self.local[0]

    @property
    def is_v6only(self) -> bool:
        """Whether it takes no IPv4 packets."""
        return self.family == AF_INET6 and bool(self.flag(*V6ONLY))

    @property
    def reuse_address(self) -> bool:
        """SO_REUSEADDR."""
        return bool(self.flag(SOL_SOCKET, socket.SO_REUSEADDR))

    @property
    def reuse_port(self) -> bool:
        """SO_REUSEPORT."""
        return bool(self.flag(SOL_SOCKET, socket.SO_REUSEPORT))

    @property
    def shared_remote(self) -> Endpoint | None:
        """The peer, where connect() chose the port."""
        return None if self.is_bound else self.remote

    # -- names ---------------------------------------------------------------------------------

    def parse_address(self, address: object, what: str) -> Endpoint:
        """Check an address of this family; names are looked up in the network's table."""
        return parse_inet(self.family, address, what, self.host.resolve)

    def show_address(self, endpoint: Endpoint | None) -> SocketAddress:
        """Shape an endpoint as this family has it."""
        if endpoint is None or self.family == AF_INET:
            return endpoint
        return show_inet(self.family, endpoint)

    def getsockname(self) -> SocketAddress:
        """Return the own name; the wildcard and port 0 before there is one."""
        local = self.local
        if local is not None:
            return local if self.family == AF_INET else show_inet(self.family, local)
        return (ANY, 0) if self.family == AF_INET else (ANY6, 0, 0, 0)

    def bind(self, endpoint: Endpoint) -> None:
        """Take an address of this host and a port (the system call).

        Linux looks at an IPv4 address before it looks whether there is one already, and at an IPv6
        address after (net/ipv4/af_inet.c and net/ipv6/af_inet6.c, ``__inet_bind`` and its twin).
        """
        ip, port = endpoint
        if self.family == AF_INET:
            self.host.check_bindable(ip)
        if self.local is not None:
            raise os_error(errno.EINVAL)
        if self.type == _STREAM and is_ipv6(ip) and is_multicast(ip):
            raise os_error(errno.EINVAL)
        if self.family == AF_INET6:
            if not is_ipv6(ip) and self.is_v6only:
                raise os_error(errno.EINVAL)
            self.host.check_bindable(ip)
        self.hold(ip, port)
        self.is_bound = True
        if self.family == AF_INET6 and is_ipv6(ip) and not is_wildcard(ip):
            self.options = {**(self.options or {}), V6ONLY: 1}  # ``sk_ipv6only`` of af_inet6.c.

    def hold(self, ip: str, port: int) -> None:
        """Hold a port, 0 for one of the table's choice."""
        self.local = (ip, port)  # The table reads the address from here.
        try:
            port = self.table.bind(self, ip, port)
        except OSError:
            self.local = None
            raise
        self.local = (ip, port)

    def bind_any(self) -> None:
        """Take an ephemeral port at the wildcard, as a first use without bind does."""
        self.hold(ANY if self.family == AF_INET else ANY6, 0)

    @property
    def holds_port(self) -> bool:
        """Whether the port of its name is still its own."""
        return self.local is not None and self in self.table.holders.get(self.local[1], ())

    def let_go(self) -> None:
        """Give the port back; the name stays, as it does on Linux."""
        if self.local is not None:
            self.table.release(self, self.local[1])

    # -- routes --------------------------------------------------------------------------------

    def target(self, endpoint: Endpoint) -> Endpoint:
        """Return what a destination means to this socket: the wildcard is this host."""
        ip, port = endpoint
        if is_wildcard(ip):
            wants_ipv6 = is_ipv6(ip) and not (self.local and not is_ipv6(self.local[0]))
            return (LOOPBACK6 if wants_ipv6 else LOOPBACK), port
        return endpoint

    def source_for(self, ip: str) -> str:
        """Return the own address that speaks to ``ip``; ENETUNREACH if none can."""
        if self.family == AF_INET6 and not is_ipv6(ip) and self.is_v6only:
            raise os_error(errno.ENETUNREACH)
        own = None if self.local is None else self.local[0]
        if own is None or is_wildcard(own):
            return self.host.source_for(ip)
        if is_ipv6(own) != is_ipv6(ip):
            # ip6_dst_lookup_tail (net/ipv6/ip6_output.c) where the own address is a mapped one.
            raise os_error(errno.EAFNOSUPPORT if is_ipv6(ip) else errno.ENETUNREACH)
        if is_loopback(own) and not is_loopback(ip) and not self.host.owns(ip):
            raise os_error(errno.EINVAL)
        return own

    # -- options -------------------------------------------------------------------------------

    def setsockopt(self, level: int, name: int, value: opt.Value) -> None:
        """Set an option; IPV6_V6ONLY only before the socket has a name."""
        if (level, name) == V6ONLY and self.family == AF_INET6 and self.holds_port:
            raise os_error(errno.EINVAL)
        if level == opt.IPPROTO_IPV6 and self.family != AF_INET6:
            raise os_error(errno.ENOPROTOOPT)
        if (level, name) == opt.PASSCRED:
            raise os_error(errno.EOPNOTSUPP)
        if (level, name) == (SOL_SOCKET, SO_BINDTODEVICE):
            self.host.check_device(value)
        super().setsockopt(level, name, value)

    def getsockopt(self, level: int, name: int) -> opt.Value:
        """Return an option; those of IPv6 only where the family has them."""
        no_ipv6 = level == opt.IPPROTO_IPV6 and self.family != AF_INET6
        if no_ipv6 or (level, name) == opt.PASSCRED:
            raise os_error(errno.EOPNOTSUPP)
        if (level, name) == _PEERCRED:
            return _NO_PEER
        if (level, name) == _MULTICAST_ALL and self.family == AF_INET6:
            return 0 if self.options is None else self.options.get(_MULTICAST_ALL, 0)
        return super().getsockopt(level, name)
