"""The wire as a trace sees it: each packet that sets out, arrives or is lost, and why.

Owns: the classes that a wire and its paths become while something watches them, and the sentence
that says from which hosts another one is cut off. Must not know what watchers do with it.

Watching changes the class of the wire and of its paths, so what nobody watches asks nothing.

Invariants: of each packet that set out or was to, the watchers hear one end, unless it is on its
way still; what a packet does is the same with and without them. No method that is scheduled is
replaced here, for its name is part of a run's digest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from .path import Path
from .rules import Drop
from .wire import Wire, last_word

if TYPE_CHECKING:
    from simloop.net.host import Host

    from .conditions import Scope
    from .packet import Packet
    from .rules import Verdict

__all__ = ["PacketWatcher", "WatchedPath", "WatchedWire", "troubles_of", "watch"]


class PacketWatcher(Protocol):
    """What hears of packets."""

    def packet_left(self, packet: Packet) -> None:
        """Hear that a packet sets out; one that was held and goes on is no new one."""

    def packet_arrived(self, packet: Packet) -> None:
        """Hear that a packet is there, before its host does anything with it."""

    def packet_lost(self, packet: Packet, why: str) -> None:
        """Hear that a packet will not arrive; it may never have set out."""

    def wire_changed(self) -> None:
        """Hear that ways were cut, held or healed."""


def watch(wire: Wire, watchers: tuple[PacketWatcher, ...]) -> None:
    """Let these watchers hear of all packets from now on; a wire that none watches is a plain one.

    Each class has the other's layout, so that an object may change between them.
    """
    wire.__class__ = WatchedWire if watchers else Wire
    for path in wire.paths.values():
        path.__class__ = WatchedPath if watchers else Path
        path.settle()
    if isinstance(wire, WatchedWire):
        wire.packet_watchers = watchers


class WatchedWire(Wire):
    """A wire whose packets are watched."""

    packet_watchers: tuple[PacketWatcher, ...]
    hands_over: bool = False

    def path(self, source: Any, destination: Any) -> Path:
        """Return the way from one host to another, which is watched too."""
        path = super().path(source, destination)
        path.__class__ = WatchedPath
        return path

    def arrive(self, packet: Packet) -> None:
        """Tell that a packet is there, or that nothing is there to take it."""
        host = packet.destination_host
        if host is None:
            self.lose(packet, "no host has the address")
        elif host.is_off:
            self.lose(packet, f"{host.name} is off")
        else:
            for each in self.packet_watchers:
                each.packet_arrived(packet)
        super().arrive(packet)

    def lose(self, packet: Packet, why: str) -> None:
        """Tell that a packet is lost."""
        for each in self.packet_watchers:
            each.packet_lost(packet, why)

    def settle(self) -> None:
        """Tell that cuts, holds or conditions are not what they were."""
        super().settle()
        for each in self.packet_watchers:
            each.wire_changed()

    def _obey(self, verdict: Verdict, packet: Packet, path: Path) -> None:
        if isinstance(verdict, Drop):
            self.lose(packet, "dropped by a rule")
        super()._obey(verdict, packet, path)


class WatchedPath(Path):
    """A way whose packets are watched."""

    __slots__ = ()

    wire: WatchedWire

    def send(self, packet: Packet) -> None:
        """Take a packet that sets out now, and tell if it is lost at once."""
        super().send(packet)
        if packet.path is None and not self.cuts:
            self.wire.lose(packet, "the queue is full" if self._is_full(packet) else "lost")

    def _is_full(self, packet: Packet) -> bool:
        """Return whether the queue in front of the link has no room at a packet's time."""
        conditions = self.conditions
        waits_ns = max(0, self._busy_until_ns - packet.sent_ns)
        return waits_ns > 0 and waits_ns * conditions.bandwidth / 1e9 > conditions.queue

    def send_simply(
        self, flow: Any, data: bytes, seq: int, ack: int, window: int, now_ns: int
    ) -> None:
        """Tell that a packet is on its way."""
        super().send_simply(flow, data, seq, ack, window, now_ns)
        packet = self.packet(self.wire.count)
        for each in self.wire.packet_watchers:
            each.packet_left(packet)

    def send_alone(self, packet: Packet, host: Host, now_ns: int) -> None:
        """Tell that a packet is on its way."""
        super().send_alone(packet, host, now_ns)
        for each in self.wire.packet_watchers:
            each.packet_left(packet)

    def set_out(self, packet: Packet, due_ns: int) -> None:
        """Tell that a packet is on its way, if it was not before."""
        is_new = not packet.number
        super().set_out(packet, due_ns)
        if is_new:
            for each in self.wire.packet_watchers:
                each.packet_left(packet)

    def refuse(self, packet: Packet) -> None:
        """Tell that a packet is lost at a cut."""
        self.wire.lose(packet, "the way is cut")
        super().refuse(packet)

    def take(self, packet: Packet) -> None:
        """Tell that a packet is taken out of the way."""
        super().take(packet)
        self.wire.lose(packet, "dropped")

    def deliver(self, packet: Packet) -> None:
        """Hand over a packet at once; it is not lost by being taken out of the way."""
        super().take(packet)
        self.wire.arrive(packet)


def troubles_of(wire: Wire, hostname: str) -> str:
    """Return from which hosts another one is cut off now, in words; "" if from none.

    Example:
        >>> import simloop
        >>> network = simloop.World().network
        >>> for name, address in (("db", "10.0.0.1"), ("web", "10.0.0.2"), ("log", "10.0.0.3")):
        ...     _ = network.add_host(name, address)
        >>> network.partition("db", "web")
        >>> troubles_of(network.wire, "db"), troubles_of(network.wire, "log")
        ('cut off from web', '')
        >>> network.partition("db", "log", one_way=True)
        >>> troubles_of(network.wire, "db"), troubles_of(network.wire, "log")
        ("cut off from web; can't reach log", "can't hear db")
    """
    told: dict[str, list[str]] = {}
    hosts = wire.network.hosts
    for other, machine in hosts.items():
        if other != hostname and (word := _trouble(wire, hostname, other)):
            told.setdefault(word, []).append(machine.name)
    everyone = len(hosts) - 1
    return "; ".join(
        f"{word} {'all others' if len(names) == everyone > 1 else ', '.join(names)}"
        for word, names in told.items()
    )


_WORDS = {
    (True, True): "cut off from",
    (True, False): "can't reach",
    (False, True): "can't hear",
}


def _trouble(wire: Wire, one: str, other: str) -> str:
    cut = _is_said(wire.cuts, one, other), _is_said(wire.cuts, other, one)
    if any(cut):
        return _WORDS[cut]
    held = _is_said(wire.holds, one, other) or _is_said(wire.holds, other, one)
    return "packets are held with" if held else ""


def _is_said(book: dict[Scope, int | None], source: str, destination: str) -> bool:
    return last_word(book, source, destination) is not None
