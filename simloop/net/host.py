"""A host: one simulated machine and process, below its loop.

Owns: the descriptors, the ports of each protocol, UNIX names, interfaces, and the calls that take a
descriptor's number (what ``os`` and ``select`` do on virtual ones). Must not know the sockets: they
stand above it and are made by ``syscalls/socket_calls.py``; nor the loop: what happens when a
program would block is a hook, which the owner of the threads sets.

Interfaces are lo (1) and, where the host has addresses of its own, eth0 (2).
"""

from __future__ import annotations

import errno
from functools import cached_property
from typing import TYPE_CHECKING, Any

from simloop.errors import UnsupportedError

from .addressing.addresses import (
    LOOPBACK,
    LOOPBACK6,
    is_ipv6,
    is_limited_broadcast,
    is_loopback,
    is_multicast,
    is_wildcard,
)
from .addressing.port_tables import PortTable, may_share_tcp, may_share_udp
from .errnos import os_error
from .files.descriptor_table import DescriptorTable
from .files.open_file import ERR, HUP, NVAL
from .syscalls.argument_checks import as_bytes
from .sysctl import Sysctl
from .unix.unix_names import UnixNames

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .addressing.addresses import Membership
    from .files.open_file import File
    from .network import Network

__all__ = ["Host"]

_LINK_LOCAL = ("fe8", "fe9", "fea", "feb")
INTERFACES = {1: "lo", 2: "eth0"}
_RANGE = 50_000
"""So far apart are the first descriptors of the processes of one machine."""


class Host:
    """One machine of a network; made by ``Network.add_host``."""

    def __init__(self, network: Network, hostname: str, first_descriptor: int) -> None:
        self.network = network
        self.hostname = hostname
        self.name = hostname  # What the world calls it: the driver is "driver", at "localhost".
        self.addresses: list[str] = []  # Its own, without loopback; the network hands them out.
        self.is_off: bool = False
        self._first_descriptor = first_descriptor
        # Of the process whose step runs: one table for each process of the machine.
        self.descriptors: DescriptorTable = DescriptorTable(first_descriptor)
        self._boot()
        # The one virtual process of the host, as SO_PEERCRED shows it.
        self.pid: int = 1000
        self.uid: int = 1000
        self.gid: int = 1000
        # Whether a socket that is collected unclosed says so. A search through failing runs closes
        # nothing in them, and its user has left nothing open.
        self.warns_of_unclosed: bool = True

    def _boot(self) -> None:
        """Begin with no socket."""
        # Of TcpSocket and UdpSocket, which stand above.
        self.tcp: PortTable[Any] = PortTable(may_share_tcp, surroundings=self.network)
        self.udp: PortTable[Any] = PortTable(may_share_udp, surroundings=self.network, step=1)
        self.unix: UnixNames = UnixNames()
        # How many sockets are in a group on an interface: (group, interface number) -> count.
        self.memberships: dict[Membership, int] = {}

    @cached_property
    def sysctl(self) -> Sysctl:
        """The kernel parameters, as ``sysctl(8)`` shows them."""
        return Sysctl()

    # -- power ---------------------------------------------------------------------------------

    def power_off(self) -> None:
        """Let all sockets vanish without a packet; what arrives from now on is not answered.

        What its processes are is not known here: they are to be ended by whoever calls this.
        """
        self.is_off = True
        self._empty()
        wire = self.network.wire
        if wire is not None:
            wire.protocols.switch_off(self)
            wire.disturb()

    def power_on(self) -> None:
        """Begin anew: what belongs to connections of the time before is answered with resets."""
        self._empty()
        self.is_off = False
        if self.network.wire is not None:
            self.network.wire.disturb()

    def _empty(self) -> None:
        """Hold no socket and no port; the names in its file tree stay."""
        tree = self.unix.tree
        self.descriptors = DescriptorTable(self._first_descriptor)
        self._boot()
        self.unix.tree = tree

    def __repr__(self) -> str:
        return f"<Host {self.hostname!r} {self.addresses}>"

    # -- hooks ---------------------------------------------------------------------------------

    def on_would_block(self, sock: object, what: str, timeout: float | None) -> float | None:
        """Decide what happens where a call on a blocking socket would wait; meant to be replaced.

        Called with the socket (a descriptor in os.read and os.write), the call's name and the
        seconds it may still wait (None: for ever). To wait, return the seconds left once the
        socket may be ready, and the call is tried again; to give up, raise TimeoutError. As it
        stands, nothing may block: the one thread that could make the socket ready is the one that
        would wait.
        """
        raise UnsupportedError(
            f"{what}() on {sock!r}, which is blocking (timeout={timeout}), would wait, and with it "
            f"the whole world. Call setblocking(False) and use asyncio's calls (loop.sock_*, "
            f"streams), or run the blocking code by loop.run_in_executor or asyncio.to_thread"
        )

    def wait_in_line(
        self, what: str, line: list[Callable[[], object]], is_taken: Callable[[], bool]
    ) -> None:
        """Let the calling thread wait while ``is_taken()``; replaceable.

        What it adds to ``line`` is called when that may have changed. As it stands there are no
        threads, so the one that calls is in its own way.
        """
        del line, is_taken
        raise UnsupportedError(f"{what}: it would wait for itself, and with it the whole world")

    def on_foreign(self, fd: int) -> File:
        """Return the file of a descriptor that is none of the host's, to be passed; replaceable."""
        del fd
        raise os_error(errno.EBADF)

    # -- processes -----------------------------------------------------------------------------

    def open_table(self, others: list[DescriptorTable]) -> DescriptorTable:
        """Return a table of descriptors for one more process, beside those of others."""
        taken = [table.base for table in others]
        base = self._first_descriptor
        while base in taken:
            base += _RANGE
        if not others:
            self.descriptors = DescriptorTable(base)
            return self.descriptors
        return DescriptorTable(base, _RANGE)

    # -- groups --------------------------------------------------------------------------------

    def join(self, membership: Membership) -> None:
        """Count one more socket in a group."""
        self.memberships[membership] = self.memberships.get(membership, 0) + 1

    def leave(self, membership: Membership) -> None:
        """Count one socket less in a group."""
        left = self.memberships[membership] - 1
        if left:
            self.memberships[membership] = left
        else:
            del self.memberships[membership]

    # -- addresses -----------------------------------------------------------------------------

    def resolve(self, host: str, family: int) -> str:
        """Look up one address of a host name, as bind and connect do; socket.gaierror if none."""
        return self.network.names.resolve(host, family)

    def owns(self, ip: str) -> bool:
        """Whether packets for ``ip`` stay here."""
        return is_loopback(ip) or ip in self.addresses

    def check_bindable(self, ip: str) -> None:
        """Raise EADDRNOTAVAIL (EINVAL: link-local without interface) if not to be bound here."""
        if is_wildcard(ip) or self.owns(ip) or is_multicast(ip) or is_limited_broadcast(ip):
            return
        if ip.startswith(_LINK_LOCAL) and "%" not in ip:
            raise os_error(errno.EINVAL)
        if self.broadcasts(ip):
            return
        raise os_error(errno.EADDRNOTAVAIL)

    def broadcasts(self, ip: str) -> bool:
        """Whether ``ip`` is the broadcast address of a net that the host is in.

        They are /24, and the one of which worlds give their hosts addresses, 10.0.0.0/8, is meant
        by its broadcast, too.
        """
        if is_limited_broadcast(ip) or ip == "127.255.255.255":
            return True
        if is_ipv6(ip) or not ip.endswith(".255"):
            return False
        if ip == "10.255.255.255":
            return any(own.startswith("10.") for own in self.addresses)
        net = ip.rpartition(".")[0]
        return any(own.rpartition(".")[0] == net for own in self.addresses)

    def source_for(self, ip: str) -> str:
        """Return the own address that speaks to ``ip``; ENETUNREACH where no net leads there."""
        if is_loopback(ip):
            return LOOPBACK6 if is_ipv6(ip) else LOOPBACK
        if ip in self.addresses:
            return ip
        wants_ipv6 = is_ipv6(ip)
        for own in self.addresses:
            if is_ipv6(own) == wants_ipv6:
                return own
        raise os_error(errno.ENETUNREACH)

    def interfaces(self) -> list[tuple[int, str]]:
        """List numbers and names as socket.if_nameindex does."""
        return list(INTERFACES.items())[: 2 if self.addresses else 1]

    def interface_addresses(self) -> list[tuple[str, str]]:
        """List the interfaces' names with their addresses and nets: ``("lo", "127.0.0.1/8")``."""
        lo, ethernet = INTERFACES.values()
        own = [
            (ethernet, f"{ip}/{64 if is_ipv6(ip) else 8 if ip.startswith('10.') else 24}")
            for ip in self.addresses
        ]
        return [(lo, f"{LOOPBACK}/8"), (lo, f"{LOOPBACK6}/128"), *own]

    def check_device(self, name: int | bytes) -> None:
        """Raise ENODEV for an interface that the host lacks (SO_BINDTODEVICE)."""
        raw = name if isinstance(name, bytes) else b""
        text = raw.partition(b"\0")[0].decode("latin-1")
        if text and text not in [known for _, known in self.interfaces()]:
            raise os_error(errno.ENODEV)

    # -- descriptors ---------------------------------------------------------------------------

    def file(self, fd: int) -> File:
        """Return the open file that a descriptor names; EBADF if it names none."""
        return self.descriptors.get(fd)

    def look_up(self, fd: int) -> File | None:
        """Return the open file that a descriptor names, or None."""
        return self.descriptors.get(fd) if fd in self.descriptors else None

    def read(self, fd: int, size: int) -> bytes:
        """Read as os.read does: a blocking descriptor asks ``on_would_block``."""
        file = self.descriptors.get(fd)
        if size < 0:
            raise os_error(errno.EINVAL)
        while True:
            try:
                return file.read(size)
            except BlockingIOError:
                if not file.is_blocking:
                    raise
            self.on_would_block(fd, "os.read", None)  # Not in the handler: it has no context.

    def write(self, fd: int, data: bytes | bytearray | memoryview) -> int:
        """Write as os.write does: a blocking descriptor asks ``on_would_block``."""
        file = self.descriptors.get(fd)
        raw = data if type(data) is bytes else as_bytes(data, file.most_taken())
        rest = None
        sent = 0
        while True:
            try:
                sent += file.write(raw)
                is_full = False
            except BlockingIOError:
                if not file.is_blocking:
                    raise
                is_full = True
            if is_full:
                self.on_would_block(fd, "os.write", None)
                continue
            if not file.is_blocking:
                return sent
            if rest is None:
                rest = memoryview(data).cast("B")
            if sent >= len(rest):
                return sent
            raw = as_bytes(rest[sent:], file.most_taken())

    def close(self, fd: int) -> None:
        """Close as os.close does."""
        self.descriptors.close(fd)

    def dup(self, fd: int) -> int:
        """Give a second, lowest number to an open file, as os.dup does."""
        return self.descriptors.add(self.descriptors.get(fd))

    def poll(self, interest: Mapping[int, int]) -> list[tuple[int, int]]:
        """Answer the system call poll at once: ``[(fd, events), ...]`` of those that are ready.

        ``interest`` maps descriptors to wanted events; POLLERR, POLLHUP and POLLNVAL (a number
        that names nothing) are always told.
        """
        ready = []
        for fd, wanted in interest.items():
            if fd in self.descriptors:
                events = self.descriptors.get(fd).poll() & (wanted | ERR | HUP)
            else:
                events = NVAL
            if events:
                ready.append((fd, events))
        return ready

    def check(self) -> None:
        """Assert the invariants of all that the host holds."""
        self.descriptors.check()
        self.tcp.check()
        self.udp.check()
        self.unix.check()
        for fd in self.descriptors.numbers():
            self.descriptors.get(fd).check()
