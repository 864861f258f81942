"""The port table of one protocol on one host: who may bind what, and who is meant by a packet.

Owns: which sockets hold which port, Linux' rules of who may share one, the ephemeral ports, the
index of listeners. Must not know how sockets talk: a holder is anything with the few attributes of
``Holder``.

Ephemeral ports count up through Linux' range and start over, so that a run gives the same ports
every time and a port that was just given back is not the next one given out.

Invariants: a port is in ``holders`` exactly while some socket holds it; each listener in the index
holds its port; no two holders of a port conflict by the rule of the table, except that a bound
socket may begin to listen (checked then); the sorted free ports, if they were ever asked for, are
those of their range without a holder.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from simloop.net.errnos import os_error

from .addresses import ANY, ANY6, is_ipv6

if TYPE_CHECKING:
    from collections.abc import Callable

    from sortedcontainers import SortedList

    from simloop.net.fabric import Endpoint

__all__ = [
    "FIRST_EPHEMERAL",
    "LAST_EPHEMERAL",
    "Holder",
    "PortTable",
    "may_share_tcp",
    "may_share_udp",
]

FIRST_EPHEMERAL = 32_768
LAST_EPHEMERAL = 60_999
_PROBES = 16  # So many held ports in a row are passed one by one.
_SMALL = 1024  # Entries that are not worth shrinking.


class Holder(Protocol):
    """What the table asks of a socket."""

    @property
    def held_ip(self) -> str:
        """The address that it is bound to; a wildcard where it is bound to all."""

    @property
    def is_v6only(self) -> bool:
        """Whether it takes no IPv4 packets (false for AF_INET sockets)."""

    @property
    def reuse_address(self) -> bool:
        """SO_REUSEADDR."""

    @property
    def reuse_port(self) -> bool:
        """SO_REUSEPORT."""

    @property
    def is_listening(self) -> bool:
        """Whether it accepts connections."""

    @property
    def shared_remote(self) -> Endpoint | None:
        """The peer, where connect() chose the port: such a port serves other peers too."""


H = TypeVar("H", bound=Holder)


def may_share_tcp(new: Holder, old: Holder) -> bool:
    """Whether Linux lets two TCP sockets with overlapping addresses share a port."""
    if new.reuse_port and old.reuse_port:
        return True
    return new.reuse_address and old.reuse_address and not old.is_listening


def may_share_udp(new: Holder, old: Holder) -> bool:
    """Whether Linux lets two UDP sockets with overlapping addresses share a port."""
    return (new.reuse_port and old.reuse_port) or (new.reuse_address and old.reuse_address)


def _overlap(new: Holder, new_ip: str, old: Holder) -> bool:
    """Whether some packet could be meant for both."""
    old_ip = old.held_ip
    if new_ip == old_ip:
        return True
    return _covers(new_ip, new.is_v6only, old_ip) or _covers(old_ip, old.is_v6only, new_ip)


def _covers(wide: str, is_v6only: bool, ip: str) -> bool:  # noqa: FBT001  # A leaf of one file.
    if wide == ANY6:
        return is_ipv6(ip) or not is_v6only
    return wide == ANY and not is_ipv6(ip)


class PortTable(Generic[H]):
    """Hold the ports of one protocol."""

    __slots__ = (
        "_cursor",
        "_free",
        "_free_range",
        "_may_share",
        "_peak",
        "_shared_cursor",
        "first",
        "holders",
        "last",
        "listeners",
    )

    def __init__(
        self,
        may_share: Callable[[Holder, Holder], bool],
        first: int = FIRST_EPHEMERAL,
        last: int = LAST_EPHEMERAL,
    ) -> None:
        self._may_share = may_share
        self.first: int = first
        self.last: int = last
        self._cursor = self._shared_cursor = first
        # The free ports of a range of ephemeral ones, in order, once they were asked for.
        self._free: SortedList[int] | None = None
        self._free_range = (first, last)
        self._peak = 0  # The most ports held since the table was last shrunk.
        self.holders: dict[int, dict[H, None]] = {}
        self.listeners: dict[Endpoint, list[H]] = {}

    # -- holding -------------------------------------------------------------------------------

    def bind(self, socket: H, ip: str, port: int) -> int:
        """Let ``socket`` hold ``port`` (0: an ephemeral one); EADDRINUSE if it may not."""
        if port == 0:
            port = self._free_port()
        elif self.conflicts(socket, ip, port):
            raise os_error(errno.EADDRINUSE)
        self.hold(socket, port)
        return port

    def conflicts(self, socket: H, ip: str, port: int) -> bool:
        """Whether another holder of the port keeps ``socket`` from it."""
        for other in self.holders.get(port, ()):
            if other is socket or self._may_share(socket, other):
                continue
            if _overlap(socket, ip, other):
                return True
        return False

    def hold(self, socket: H, port: int) -> None:
        """Let ``socket`` hold ``port`` without a question: an accepted connection shares one."""
        there = self.holders.get(port)
        if there is not None:
            there[socket] = None
            return
        self.holders[port] = {socket: None}
        if self._free is not None:
            self._free.discard(port)
        if len(self.holders) > _SMALL:
            self._peak = max(self._peak, len(self.holders))

    def release(self, socket: H, port: int) -> None:
        """Give the port back; releasing twice is no error."""
        there = self.holders.get(port)
        if there is None:
            return
        there.pop(socket, None)
        if not there:
            del self.holders[port]
            if self._free is not None and self._free_range[0] <= port <= self._free_range[1]:
                self._free.add(port)
            if self._peak > _SMALL and len(self.holders) * 8 < self._peak:
                self.holders = dict(self.holders)  # Dicts don't shrink by themselves.
                self._peak = len(self.holders)
        elif len(there) == 1:
            self.holders[port] = dict(there)  # A listener whose many connections are gone.

    def connect(self, socket: H, ip: str, remote: Endpoint) -> int:
        """Let ``socket`` hold a port of the table's choice for a connection to ``remote``.

        A fresh port while there is one; else one that other connections to other peers use, as
        Linux does. EADDRNOTAVAIL when all are taken.
        """
        try:
            port = self._free_port()
        except OSError:
            port = self._port_of_others(ip, remote)
        self.hold(socket, port)
        return port

    def _free_port(self) -> int:
        """Return the next ephemeral port that is free; EADDRINUSE if none is."""
        first, last, holders = self.first, self.last, self.holders
        port = self._cursor
        for _ in range(_PROBES):
            if not first <= port <= last:
                port = first
            if port not in holders:
                break
            port += 1
        else:
            free = self._free_ports()
            if not free:
                raise os_error(errno.EADDRINUSE)
            index = free.bisect_left(port)
            port = free[index if index < len(free) else 0]
        self._cursor = port + 1
        return port

    def _free_ports(self) -> SortedList[int]:
        """Return the free ephemeral ports in order, kept up from the first call on.

        Not before: a table that never has many held ports in a row does without them, and a
        connection costs 2 % less.
        """
        ports = (self.first, self.last)
        if self._free is None or self._free_range != ports:
            from sortedcontainers import SortedList  # noqa: PLC0415  # Few runs come here.

            self._free_range = ports
            self._free = SortedList(
                port for port in range(self.first, self.last + 1) if port not in self.holders
            )
        return self._free

    def _port_of_others(self, ip: str, remote: Endpoint) -> int:
        """Return the next ephemeral port that only connections to other peers hold."""
        for _ in range(self.first, self.last + 1):
            port = self._shared_cursor
            self._shared_cursor = self.first if port >= self.last else port + 1
            if all(
                other.shared_remote is not None
                and (other.shared_remote != remote or other.held_ip != ip)
                for other in self.holders[port]
            ):
                return port
        raise os_error(errno.EADDRNOTAVAIL)

    @property
    def first_position(self) -> tuple[int, int]:
        """The position of a table that has given out none."""
        return self.first, self.first

    @property
    def position(self) -> tuple[int, int]:
        """From where on the next ephemeral ports are looked for."""
        return self._cursor, self._shared_cursor

    @position.setter
    def position(self, position: tuple[int, int]) -> None:
        self._cursor, self._shared_cursor = position

    # -- listening -----------------------------------------------------------------------------

    def listen(self, socket: H, ip: str, port: int) -> None:
        """Put a holder into the index of listeners; EADDRINUSE if another one is in the way."""
        if self.conflicts(socket, ip, port):
            raise os_error(errno.EADDRINUSE)
        self.listeners.setdefault((ip, port), []).append(socket)

    def unlisten(self, socket: H, ip: str, port: int) -> None:
        """Take a listener out of the index."""
        group = self.listeners[ip, port]
        group.remove(socket)
        if not group:
            del self.listeners[ip, port]

    def listeners_for(self, ip: str, port: int) -> list[H]:
        """Return the listeners at an address, the most specific bind first; [] if there are none.

        Several only where they share the port by SO_REUSEPORT.
        """
        listeners = self.listeners
        group = listeners.get((ip, port))
        if group:
            return group
        if is_ipv6(ip):
            return listeners.get((ANY6, port), [])
        group = listeners.get((ANY, port))
        if group:
            return group
        return [one for one in listeners.get((ANY6, port), ()) if not one.is_v6only]

    def choose_listener(
        self,
        destination: Endpoint,
        source: Endpoint,
        share: Callable[[Endpoint, int, Endpoint], int],
    ) -> H | None:
        """Return the listener that gets a connection request, or None.

        Of several, which share the port by SO_REUSEPORT (socket(7)), ``share`` chooses.
        """
        group = self.listeners_for(*destination)
        if not group:
            return None
        if len(group) == 1:
            return group[0]
        return group[share(destination, len(group), source)]

    def check(self) -> None:
        """Assert the invariants."""
        if self._free is not None:
            first, last = self._free_range
            free = [port for port in range(first, last + 1) if port not in self.holders]
            assert list(self._free) == free
        for port, there in self.holders.items():
            assert there, port
        for (_, port), group in self.listeners.items():
            assert group, port
            for socket in group:
                assert socket in self.holders[port], socket
                assert socket.is_listening, socket
