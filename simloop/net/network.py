"""A network: the hosts of one world, which address is whose, and what lies between them.

Owns: the hosts in the order in which they were made, the owner of each address, the fabric, the
names, the choice of who serves a port that several share, and what its hosts know of the time and
of chance: hooks, which its owner sets. Must not know sockets' states.

Two hosts reach each other directly, until a wire is laid between them (``lay_wire``): then all that
goes from one to another travels as packets, and takes time.

Invariants: an address has at most one owner; loopback addresses have none, they mean the host that
asks; each host's descriptors have a range of their own, so a number of one host is none of another.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from simloop.errors import UsageError

from .addressing.addresses import (
    LOOPBACK,
    canonical,
    is_limited_broadcast,
    is_loopback,
    is_multicast,
    is_wildcard,
)
from .addressing.names import NamesTable
from .fabric import Fabric
from .files.descriptor_table import FIRST_DESCRIPTOR
from .host import Host
from .wire.controls import WireControls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .fabric import Endpoint, Link, Tap
    from .wire.watched_wire import PacketWatcher
    from .wire.wire import Clock, Wire

__all__ = ["Network", "RoundRobin"]


def _never(when_ns: int, callback: Callable[..., object], *_args: object) -> object:
    """Refuse to call later: a network by itself has no clock."""
    raise UsageError(
        f"a network without a clock can't call {callback!r} at {when_ns} ns: use that of a World"
    )


class RoundRobin:
    """Serve the sockets that share a port in turn.

    >>> share = RoundRobin()
    >>> [share(("10.0.0.1", 80), 3, ("10.0.0.2", 40000)) for _ in range(4)]
    [0, 1, 2, 0]
    """

    __slots__ = ("_turns",)

    def __init__(self) -> None:
        self._turns: dict[Endpoint, int] = {}

    def __call__(self, destination: Endpoint, count: int, source: Endpoint) -> int:
        """Return the index of the socket, out of ``count``, that serves a request."""
        del source
        turn = self._turns.get(destination, 0) % count
        self._turns[destination] = turn + 1
        return turn


class NoClock:
    """A clock that stands still."""

    now_ns: int = 0


class Network(WireControls):
    """The hosts of one world and what lies between them: ``world.network``.

    >>> network = Network()
    >>> host = network.add_host("db", "10.0.0.5")
    >>> network.host_of("10.0.0.5", host) is host
    True
    """

    def __init__(self) -> None:
        self.fabric: Fabric = Fabric()
        self.names: NamesTable = NamesTable()
        self.hosts: dict[str, Host] = {}
        self.owners: dict[str, Host] = {}
        # share(destination, count, source) -> index: which of the sockets that share a port by
        # SO_REUSEPORT serves the next request.
        self.share: Callable[[Endpoint, int, Endpoint], int] = RoundRobin()
        # The time in nanoseconds, which TIME_WAIT goes by, and where random numbers come from.
        self.now_ns: Callable[[], int] = lambda: 0
        self.clock: Clock = NoClock()  # The same as an attribute, for what asks with each packet.
        self.make_random: Callable[[], random.Random] = lambda: random.Random(0)  # noqa: S311
        self._random: Callable[[], float] | None = None
        # What the wire needs beside: to be called at a time, and random numbers of a name.
        self.call_at_ns: Callable[..., Any] = _never
        self.make_stream: Callable[[str], random.Random] = random.Random
        # Who says what befalls packets otherwise than chance had it, in a run that is explored.
        self.choose: Callable[[str, object, int], int] | None = None
        self.wire: Wire | None = None
        self._packet_watchers: tuple[PacketWatcher, ...] = ()

    def lay_wire(self) -> Wire:
        """Return the wire between the hosts, laid when it is first asked for."""
        if self.wire is None:
            from .ip_layer import IpLayer  # noqa: PLC0415 - worlds of one host do without
            from .wire.wire import Wire  # noqa: PLC0415

            layer = IpLayer()
            self.wire = Wire(self, layer)
            layer.lie_on(self.wire)
            if self._packet_watchers:
                self._watch_wire()
        return self.wire

    def watch_packets(self, watchers: Iterable[Any]) -> None:
        """Tell those of these watchers that know packets of them, and no others any more.

        It begins with the wire, which may be laid later.
        """
        before = self._packet_watchers
        self._packet_watchers = tuple(each for each in watchers if hasattr(each, "packet_left"))
        if self.wire is not None and before != self._packet_watchers:
            self._watch_wire()

    def _watch_wire(self) -> None:
        from .wire.watched_wire import watch  # noqa: PLC0415 - few are watched

        watch(self.lay_wire(), self._packet_watchers)

    def draw(self, count: int) -> int:
        """Return a random number below ``count``, for an ephemeral port."""
        if self._random is None:
            self._random = self.make_random().random
        return int(self._random() * count)

    def draw_apart(self) -> Callable[[], None]:
        """Draw from other random numbers, until what is returned is called."""
        before, self._random = self._random, random.Random(0).random  # noqa: S311

        def draw_again() -> None:
            self._random = before

        return draw_again

    @property
    def tap(self) -> Tap | None:
        """Called as ``tap(kind, source, destination, data)`` for each accepted send, or None."""
        return self.fabric.tap

    @tap.setter
    def tap(self, tap: Tap | None) -> None:
        self.fabric.tap = tap

    @property
    def link(self) -> Link | None:
        """Called with each packet between two sockets; where it is None, all arrive at once."""
        return self.fabric.link

    @link.setter
    def link(self, link: Link | None) -> None:
        self.fabric.link = link

    def add_host(self, hostname: str = "localhost", *addresses: str) -> Host:
        """Add a machine with its own loopback and, if given, addresses of its own.

        Its host name leads to these addresses; without any, to 127.0.0.1.

        Raises UsageError for a host name or an address that is already taken, or an address that
        no single host can own.
        """
        if hostname in self.hosts:
            raise UsageError(
                f"the network already has a host {hostname!r}: choose another host name"
            )
        first = FIRST_DESCRIPTOR * (len(self.hosts) + 1)
        host = Host(self, hostname, first)
        for address in addresses:
            self.add_address(host, address)
        self.hosts[hostname] = host
        if not addresses and hostname != "localhost":
            self.names.add(hostname, LOOPBACK)  # Which is each host's own.
        return host

    def add_address(self, host: Host, address: str) -> None:
        """Give a host one more address of its own, to which its host name leads too."""
        try:
            ip = canonical(address)
        except ValueError as error:
            raise UsageError(str(error)) from None
        self.check_unicast(address, ip)
        owner = self.owners.get(ip)
        if owner is not None:
            raise UsageError(f"{address!r} already belongs to the host {owner.hostname!r}")
        self.owners[ip] = host
        host.addresses.append(ip)
        if host.hostname != "localhost":
            self.names.add(host.hostname, ip)

    def check_unicast(self, address: str, ip: str) -> None:
        """Refuse an address that no single host can own, given as it was written and as it is."""
        is_group = is_multicast(ip) or is_limited_broadcast(ip)
        if is_loopback(ip) or is_wildcard(ip) or is_group:
            raise UsageError(
                f"{address!r} cannot belong to one host: pass a unicast address such as '10.0.0.5'"
            )

    def host_of(self, ip: str, asking: Host) -> Host | None:
        """Return the host that packets for ``ip`` reach when ``asking`` sends them."""
        if is_loopback(ip):
            return asking
        return self.owners.get(ip)

    def check(self) -> None:
        """Assert the invariants, of the hosts too."""
        self.fabric.check()
        for ip, host in self.owners.items():
            assert ip in host.addresses, ip
            assert self.hosts[host.hostname] is host, host
        for host in self.hosts.values():
            host.check()
