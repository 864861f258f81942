"""The system calls that a program makes by the functions of ``socket`` and ``os``.

Owns: one object whose methods have those functions' names, arguments and errors, and answer for the
caller's host. What replaces the real functions during a run sends its calls here. Must not know how
they are replaced, or which program calls: the host comes from a function that is passed in.
"""

from __future__ import annotations

import errno
import operator
import os
import socket
import stat
import sys
from typing import TYPE_CHECKING, Any

from simloop.net.addressing.service_names import port_of, service_of
from simloop.net.errnos import os_error
from simloop.net.files.fcntl_flags import control, control_device
from simloop.net.inet.socket_file import SocketFile
from simloop.net.linux import socket_names
from simloop.net.unix.unix_paths import UnixPaths

from .descriptor_calls import DescriptorCalls
from .descriptor_io import open_descriptor
from .socket_calls import make_pipe, make_socketpair
from .virtual_socket import VirtualSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.net.host import Host

__all__ = ["SystemCalls"]

_PORT_MAX = 0xFFFF
_PROTOCOLS = {
    "ip": 0,
    "icmp": 1,
    "igmp": 2,
    "tcp": 6,
    "udp": 17,
    "ipv6": 41,
    "ipv6-icmp": 58,
    "sctp": 132,
}


class SystemCalls(DescriptorCalls):
    """Answer system calls for the host that ``find_host()`` returns at each call.

    ``look_for_host()`` returns it too, or None if the world has made none yet.

    >>> from simloop.net import Network
    >>> host = Network().add_host("here", "10.0.0.1")
    >>> system = SystemCalls(lambda: host)
    >>> system.gethostname(), system.gethostbyname("here")
    ('here', '10.0.0.1')
    """

    socket_class: type[socket.socket] = VirtualSocket
    files: Any = None
    """The calls on files, set where the host has a disk: no part of the network."""

    def __init__(
        self,
        find_host: Callable[[], Host],
        look_for_host: Callable[[], Host | None] | None = None,
    ) -> None:
        self._find_host = find_host
        self.paths: UnixPaths = UnixPaths(find_host, look_for_host or find_host)

    # -- sockets -------------------------------------------------------------------------------

    def socketpair(
        self,
        family: int = socket_names.AF_UNIX,
        type: int = socket.SOCK_STREAM,  # noqa: A002  # The system's name.
        proto: int = 0,
        /,
    ) -> tuple[VirtualSocket, VirtualSocket]:
        """Return two connected sockets."""
        return make_socketpair(self._find_host(), family, type, proto)

    def keep_ports(self) -> Callable[[], None]:
        """Return what has ephemeral ports given out as if none had been asked for since."""
        host = self._find_host()
        draw_again = host.network.draw_apart()
        tcp, udp = host.tcp.position, host.udp.position

        def restore() -> None:
            draw_again()
            host.tcp.position, host.udp.position = tcp, udp

        return restore

    def gethostname(self) -> str:
        """Return the name of the host."""
        return self._find_host().hostname

    def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,  # noqa: A002  # The system's name.
        proto: int = 0,
        flags: int = 0,
        /,
    ) -> list[tuple[int, int, int, str, Any]]:
        """Look a name up; families and types are plain ints, as the C function has them."""
        names = self._find_host().network.names
        return [
            (int(found), int(kind), protocol, name, address)
            for found, kind, protocol, name, address in names.getaddrinfo(
                host, port, int(family), int(type), proto, flags
            )
        ]

    def delay_of(self, host: object, /) -> float:
        """Return the seconds that a lookup of a name takes."""
        return self._find_host().network.names.delay_of(host)

    def getnameinfo(self, sockaddr: tuple[Any, ...], flags: int, /) -> tuple[str, str]:
        """Look an address up."""
        return self._find_host().network.names.getnameinfo(sockaddr, flags)

    def gethostbyname(self, hostname: str, /) -> str:
        """Look up one IPv4 address."""
        return self._find_host().network.names.gethostbyname(hostname)

    def gethostbyname_ex(self, hostname: str, /) -> tuple[str, list[str], list[str]]:
        """Look up all IPv4 addresses."""
        return self._find_host().network.names.gethostbyname_ex(hostname)

    def gethostbyaddr(self, ip_address: str, /) -> tuple[str, list[str], list[str]]:
        """Look up the name of an address."""
        return self._find_host().network.names.gethostbyaddr(ip_address)

    def getservbyname(self, servicename: str, protocolname: str = "", /) -> int:
        """Return the port of a service, from a table that is the same on every machine."""
        for protocol in (protocolname,) if protocolname else ("tcp", "udp"):
            port = port_of(servicename, protocol)
            if port is not None:
                return port
        raise OSError("service/proto not found")

    def getservbyport(self, port: int, protocolname: str = "", /) -> str:
        """Return the service of a port, from the same table."""
        number = operator.index(port)
        if not 0 <= number <= _PORT_MAX:
            raise OverflowError("getservbyport: port must be 0-65535.")
        for protocol in (protocolname,) if protocolname else ("tcp", "udp"):
            name = service_of(number, protocol)
            if name is not None:
                return name
        raise OSError("port/proto not found")

    def getprotobyname(self, protocolname: str, /) -> int:
        """Return the number of a protocol."""
        number = _PROTOCOLS.get(protocolname)
        if number is None:
            raise OSError("protocol not found")
        return number

    def if_nameindex(self) -> list[tuple[int, str]]:
        """List the interfaces."""
        return self._find_host().interfaces()

    def interface_addresses(self) -> list[tuple[str, str]]:
        """List the interfaces' names with their addresses and nets."""
        return self._find_host().interface_addresses()

    # -- descriptors ---------------------------------------------------------------------------

    def owns(self, fd: int, /) -> bool:
        """Whether a number is one of the host's open descriptors."""
        return fd in self._find_host().descriptors

    def pipe(self) -> tuple[int, int]:
        """Make a pipe."""
        return make_pipe(self._find_host())

    def dup(self, fd: int, /) -> int:
        """Give an open file a second number."""
        return self._find_host().dup(fd)

    def read(self, fd: int, size: int, /) -> bytes:
        """Read from a descriptor."""
        return self._find_host().read(fd, size)

    def write(self, fd: int, data: Any, /) -> int:
        """Write to a descriptor."""
        return self._find_host().write(fd, data)

    def close(self, fd: int, /) -> None:
        """Close a descriptor."""
        self._find_host().close(fd)

    def poll(self, fd: int, /) -> int:
        """Return the events that the system call poll would report for one descriptor."""
        return self._find_host().file(fd).poll()

    def watch(self, fd: int, callback: Callable[[], None], /) -> Callable[[], None]:
        """Have ``callback()`` called each time :meth:`poll` may answer otherwise.

        Returns:
            What ends that.
        """
        file = self._find_host().file(fd)
        file.watch_readable(callback)
        file.watch_writable(callback)

        def unwatch() -> None:
            file.unwatch_readable(callback)
            file.unwatch_writable(callback)

        return unwatch

    def set_blocking(self, fd: int, blocking: bool, /) -> None:  # noqa: FBT001  # The system's.
        """Let reads and writes of a descriptor wait, or not."""
        self._find_host().file(fd).is_blocking = bool(blocking)

    def get_blocking(self, fd: int, /) -> bool:
        """Whether reads and writes of a descriptor wait."""
        return self._find_host().file(fd).is_blocking

    def get_inheritable(self, fd: int, /) -> bool:
        """Return what :meth:`set_inheritable` set."""
        return self._find_host().descriptors.is_inheritable(fd)

    def set_inheritable(self, fd: int, inheritable: bool, /) -> None:  # noqa: FBT001  # The same.
        """Keep the flag; there is no other process."""
        self._find_host().descriptors.set_inheritable(fd, inheritable=bool(inheritable))

    def fcntl(self, fd: int, cmd: int, arg: Any = 0, /) -> int:
        """Change or return the flags of a descriptor: the commands of fcntl."""
        return control(self._find_host(), fd, cmd, arg)

    def ioctl(self, fd: int, request: int, arg: Any = 0, mutate: object = True, /) -> int | bytes:  # noqa: FBT002
        """Set flags of a descriptor in the older way, or tell what can be read, or is not sent."""
        return control_device(self._find_host(), fd, request, arg, mutates=bool(mutate))

    def isatty(self, fd: int, /) -> bool:
        """Return False: there are no terminals."""
        self._find_host().file(fd)
        return False

    def fstat(self, fd: int, /) -> os.stat_result:
        """Return a status with the mode of a socket or a pipe; the rest is made up."""
        host = self._find_host()
        kind = stat.S_IFSOCK if isinstance(host.file(fd), SocketFile) else stat.S_IFIFO
        return os.stat_result((kind | 0o600, fd, 0, 1, host.uid, host.gid, 0, 0, 0, 0))

    def fdopen(self, fd: int, *args: Any, **kwargs: Any) -> Any:
        """Open a descriptor as a file object."""
        return open_descriptor(self._find_host(), fd, *args, **kwargs)

    # -- names of interfaces -----------------------------------------------------------------------

    def if_nametoindex(self, name: str, /) -> int:
        """Return the number of an interface."""
        for number, known in self._find_host().interfaces():
            if known == name:
                return number
        if sys.version_info >= (3, 14):
            raise os_error(errno.ENODEV)
        raise OSError("no interface with this name")

    def if_indextoname(self, index: int, /) -> str:
        """Return the name of an interface."""
        for number, name in self._find_host().interfaces():
            if number == index:
                return name
        raise os_error(errno.ENXIO)
