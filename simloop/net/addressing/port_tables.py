"""The port table of one protocol on one host: who may bind what, and who is meant by a packet.

Owns: which sockets hold which port, Linux' rules of who may share one, the ephemeral ports, the
index of listeners. Must not know how sockets talk: a holder is anything with the few attributes of
``Holder``.

Ephemeral ports are handed out as Linux does it, from the network's own random numbers. TCP: bind()
to port 0 gets a random odd port, of the lower half of the range with SO_REUSEADDR, and connect()
even ones that rise by random even steps for each destination (net/ipv4/inet_connection_sock.c,
``inet_csk_find_open_port``; net/ipv4/inet_hashtables.c, ``__inet_hash_connect``). UDP: random ones
(net/ipv4/udp.c, ``udp_lib_get_port``). The one that bind() got last is not given again at once: a
port just found free and given back is not the next one that some other socket gets.

A connection that was closed here first leaves a ``TimeWait`` in its place for 60 seconds
(TCP_TIMEWAIT_LEN), and so does a closed end whose peer was not closed yet (tcp_fin_timeout).
Nothing runs when the time is up: the clock is asked when the port is.

Invariants: a port is in ``holders`` exactly while some socket or ``TimeWait`` holds it; each
listener in the index holds its port; no two holders of a port conflict by the rule of the table,
except that a bound socket may begin to listen (checked then), and a connection may leave a
``TimeWait`` beside what shares its port; the sorted free ports, if they were ever asked for, are
those of their range without a holder; ``TimeWait``s are listed in the order in which they end.
"""

from __future__ import annotations

import errno
import random
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from simloop.net.errnos import os_error

from .addresses import ANY, ANY6, is_ipv6

if TYPE_CHECKING:
    from collections.abc import Callable

    from sortedcontainers import SortedList

    from simloop.net.fabric import Endpoint

__all__ = [
    "BOUND",
    "FIRST_EPHEMERAL",
    "LAST_EPHEMERAL",
    "Holder",
    "PortTable",
    "Surroundings",
    "TimeWait",
    "may_share_tcp",
    "may_share_udp",
    "sharing_of",
]

FIRST_EPHEMERAL = 32_768
LAST_EPHEMERAL = 60_999
_PROBES = 16  # So many held ports in a row are passed one by one.
_FEW = 64  # Ports held, among which a free one is found by trying.
_SMALL = 1024  # Entries that are not worth shrinking.
_TIME_WAIT_NS = 60_000_000_000
_LARGE = 1024  # Bytes of a dict that is worth shrinking.
_ABSENT: Any = object()
_HALVED = 4  # A range this small is not halved.
BOUND, _REUSE_ADDRESS, _REUSE_PORT, _V6ONLY = 1, 2, 4, 8  # What a TimeWait keeps of its sockets.
_STEPS = 8  # The next port for a destination is so many even ones further, at most.
_DESTINATIONS = 1024  # So many are remembered.


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


class Surroundings(Protocol):
    """What the table asks of the network."""

    def draw(self, count: int) -> int:
        """Return a random number below ``count``."""

    def now_ns(self) -> int:
        """Return the time in nanoseconds."""


class _Alone:
    """The surroundings of a table without a network: no time passes."""

    def __init__(self) -> None:
        self._random = random.Random(0)  # noqa: S311  # A simulation.

    def draw(self, count: int) -> int:
        return self._random.randrange(count)

    def now_ns(self) -> int:
        return 0


class TimeWait:
    """What is left of connections that were closed here first: one for all that are alike.

    It is a ``Holder`` with the address and options of the sockets; ``remote`` is the peer of the
    last of them, ``until_ns`` the end of its time.
    """

    __slots__ = ("_flags", "held_ip", "remote", "until_ns")

    is_listening = False

    def __init__(self, held_ip: str, flags: int, remote: Endpoint | None, until_ns: int) -> None:
        self.held_ip: str = held_ip
        self._flags = flags
        self.remote: Endpoint | None = remote
        self.until_ns: int = until_ns

    @property
    def is_v6only(self) -> bool:
        """Whether the sockets took no IPv4 packets."""
        return bool(self._flags & _V6ONLY)

    @property
    def reuse_address(self) -> bool:
        """SO_REUSEADDR, as it was at the end."""
        return bool(self._flags & _REUSE_ADDRESS)

    @property
    def reuse_port(self) -> bool:
        """SO_REUSEPORT, as it was at the end."""
        return bool(self._flags & _REUSE_PORT)

    @property
    def shared_remote(self) -> Endpoint | None:
        """The peer, where connect() chose the port."""
        return None if self._flags & BOUND else self.remote


def sharing_of(socket: Holder) -> int:
    """Return by which options a socket shares its port, as ``TimeWait`` keeps them."""
    flags = _REUSE_ADDRESS if socket.reuse_address else 0
    flags |= _REUSE_PORT if socket.reuse_port else 0
    return flags | (_V6ONLY if socket.is_v6only else 0)


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
        "_free",
        "_free_range",
        "_last",
        "_may_share",
        "_next_end",
        "_offsets",
        "_peak",
        "_shared_cursor",
        "_step",
        "_surroundings",
        "_waits",
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
        *,
        surroundings: Surroundings | None = None,
        step: int = 2,
    ) -> None:
        self._may_share = may_share
        self._surroundings: Surroundings = surroundings or _Alone()
        self._step = step  # 2: bind() and connect() have a parity each; 1: they don't.
        self.first: int = first
        self.last: int = last
        self._last = 0  # What bind() was given last.
        self._offsets: dict[Endpoint, int] = {}  # Where to look for each destination next.
        self._shared_cursor = first
        # The free ports of a range of ephemeral ones, even and odd, once they were asked for.
        self._free: tuple[SortedList[int], SortedList[int]] | None = None
        self._free_range = (first, last)
        self._peak = 0  # The most ports held since the table was last shrunk.
        self.holders: dict[int, dict[H, None]] = {}
        self.listeners: dict[Endpoint, list[H]] = {}
        self._waits: OrderedDict[tuple[Endpoint, int], TimeWait] = OrderedDict()
        self._next_end = 0  # When the first of them ends; perhaps earlier than it does by now.

    # -- holding -------------------------------------------------------------------------------

    def bind(self, socket: H, ip: str, port: int) -> int:
        """Let ``socket`` hold ``port`` (0: an ephemeral one); EADDRINUSE if it may not."""
        if self._waits:
            self._forget_ended(self._surroundings.now_ns())
        if port == 0:
            port = self._last = self._port_to_bind(is_half=socket.reuse_address)
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
            self._free[port & 1].discard(port)
        if len(self.holders) > _SMALL:
            self._peak = max(self._peak, len(self.holders))

    def release(self, socket: H, port: int) -> None:
        """Give the port back; releasing twice is no error."""
        there = self.holders.get(port)
        if there is None or there.pop(socket, _ABSENT) is _ABSENT:
            return
        if not there:
            del self.holders[port]
            if self._free is not None and self._free_range[0] <= port <= self._free_range[1]:
                self._free[port & 1].add(port)
            if self._peak > _SMALL and len(self.holders) * 8 < self._peak:
                self.holders = dict(self.holders)  # Dicts don't shrink by themselves.
                self._peak = len(self.holders)
            if len(self.holders) < _FEW:
                self._free = None  # Of tens of thousands of ports; few are found without it.
        elif len(there) == 1 and there.__sizeof__() > _LARGE:
            self.holders[port] = dict(there)  # A listener whose many connections are gone.

    def connect(self, socket: H, ip: str, remote: Endpoint) -> int:
        """Let ``socket`` hold a port of the table's choice for a connection to ``remote``.

        A fresh port while there is one; else one that other connections to other peers use, as
        Linux does, or that one to the same peer used before: Linux waits a second for that, which
        a burst of connections at one instant never could. EADDRNOTAVAIL when all are taken.
        """
        try:
            port = self._port_to_connect(remote)
        except OSError:
            if self._waits:
                self._forget_ended(self._surroundings.now_ns())
            port = self._port_of_others(ip, remote)
        self.hold(socket, port)
        return port

    def _port_to_bind(self, *, is_half: bool) -> int:
        """Return a random free port; EADDRINUSE if none is."""
        first, step = self.first, self._step
        count = self.last + 1 - first
        if step > 1 and is_half and count > _HALVED:
            count >>= 1
        offset = self._surroundings.draw(count)
        if step > 1:
            offset |= 1
        return self._free_port(first + offset)

    def _port_to_connect(self, remote: Endpoint) -> int:
        """Return the next free port for a destination; EADDRINUSE if none is."""
        first = self.first
        draw = self._surroundings.draw
        if self._step == 1:
            return self._free_port(first + draw(self.last + 1 - first))
        offsets = self._offsets
        offset = offsets.get(remote)
        if offset is None:
            if len(offsets) >= _DESTINATIONS:
                offsets.clear()
            offset = draw(self.last + 1 - first) & ~1
        port = first + offset
        if port > self.last or port in self.holders or port == self._last:
            port = self._free_port(port)
        offsets[remote] = port - first + 2 + 2 * draw(_STEPS)
        return port

    def _free_port(self, port: int) -> int:
        """Return a free port from ``port`` on, of its parity if there is one; else EADDRINUSE."""
        first, last, holders, step = self.first, self.last, self.holders, self._step
        for _ in range(_PROBES):
            if port > last:
                port = first + ((port - first) & (step - 1))
            if port not in holders and port != self._last:
                return port
            port += step
        even, odd = self._free_ports()
        for free in (odd, even) if port & 1 else (even, odd):
            index = free.bisect_left(port)
            for found in (*free[index : index + 2], *free[:2]):
                if found != self._last:
                    return int(found)
        if self._last in even or self._last in odd:
            return self._last  # There is no other one.
        raise os_error(errno.EADDRINUSE)

    def _free_ports(self) -> tuple[SortedList[int], SortedList[int]]:
        """Return the free ephemeral ports in order, kept up from the first call on.

        Not before: a table that never has many held ports in a row does without them, and a
        connection costs 2 % less.
        """
        ports = (self.first, self.last)
        if self._free is None or self._free_range != ports:
            from sortedcontainers import SortedList  # noqa: PLC0415  # Few runs come here.

            self._free_range = ports
            free = [port for port in range(self.first, self.last + 1) if port not in self.holders]
            self._free = (
                SortedList(port for port in free if not port & 1),
                SortedList(port for port in free if port & 1),
            )
        return self._free

    def _port_of_others(self, ip: str, remote: Endpoint) -> int:
        """Return the next ephemeral port that only connections to other peers hold."""
        for _ in range(self.first, self.last + 1):
            port = max(self._shared_cursor, self.first)
            self._shared_cursor = self.first if port >= self.last else port + 1
            if all(
                other.shared_remote is not None
                and (
                    other.shared_remote != remote
                    or other.held_ip != ip
                    or isinstance(other, TimeWait)
                )
                for other in self.holders[port]
            ):
                return port
        raise os_error(errno.EADDRNOTAVAIL)

    @property
    def position(self) -> tuple[int, int, dict[Endpoint, int]]:
        """From where on the next ephemeral ports are looked for."""
        return self._last, self._shared_cursor, dict(self._offsets)

    @position.setter
    def position(self, position: tuple[int, int, dict[Endpoint, int]]) -> None:
        self._last, self._shared_cursor, self._offsets = position

    # -- what closed connections leave behind ----------------------------------------------------

    def wait(self, local: Endpoint | None, remote: Endpoint | None, flags: int) -> None:
        """Let the port stay held for 60 seconds from now, on behalf of a connection that is over.

        Args:
            local: The address and port of this end of the connection.
            remote: The other end.
            flags: What ``sharing_of`` says of the socket, with BOUND if bind() gave the port, so
                that no connection shares it.
        """
        assert local is not None
        key = (local, flags)
        now = self._surroundings.now_ns()
        until = now + _TIME_WAIT_NS
        waits = self._waits
        wait = waits.get(key)
        if wait is not None and wait.until_ns == until:
            wait.remote = remote  # As a rule the same end, whose peer closes at once, too.
            return
        if now >= self._next_end:
            self._forget_ended(now)
            wait = waits.get(key)
        if wait is None:
            if not waits:
                self._next_end = until
            ip, port = local
            wait = waits[key] = TimeWait(ip, flags, remote, until)
            holder: Any = wait  # One like others, to the rules.
            there = self.holders.get(port)
            if there is None:
                self.hold(holder, port)
            else:  # As a rule the end itself is there yet; ``hold`` would do the same.
                there[holder] = None
        else:
            waits.move_to_end(key)
            wait.remote = remote
            wait.until_ns = until

    def _forget_ended(self, now: int) -> None:
        """Give back the ports whose time is up."""
        waits = self._waits
        while waits:
            key = next(iter(waits))
            self._next_end = waits[key].until_ns
            if self._next_end > now:
                break
            self.release(cast("H", waits.pop(key)), key[0][1])

    def sockets(self) -> list[H]:
        """Return the sockets that hold a port, without what closed connections left."""
        there = (other for holders in self.holders.values() for other in holders)
        return [other for other in there if not isinstance(other, TimeWait)]

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
        group = self.listeners.get(destination) or self.listeners_for(*destination)
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
            assert sorted([*self._free[0], *self._free[1]]) == free
        ends = [wait.until_ns for wait in self._waits.values()]
        assert ends == sorted(ends)
        for key, wait in self._waits.items():
            assert wait in self.holders[key[0][1]], key
        for port, there in self.holders.items():
            assert there, port
        for (_, port), group in self.listeners.items():
            assert group, port
            for socket in group:
                assert socket in self.holders[port], socket
                assert socket.is_listening, socket
