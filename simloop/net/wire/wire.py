"""What lies between the machines of a world: a path for each direction of each pair of them.

Owns: the paths, the rules, which host an address leads to, what answers in place of one that is not
there, and the count of packets. Must not know sockets: a packet that arrives is given to the
protocols that ``lay_wire`` named. Time is a hook, and so is what happens later.

*Calm.* Where every packet arrives, a probe that only asks whether the other end is still there can
change nothing, so connections don't send any: they wait in ``sleepers`` to be woken when something
may be lost. So a world in which all wait for ever is a deadlock, and no endless row of probes.

Invariants: a packet is on one path at most; ``is_calm`` is true exactly while no path loses or
holds packets, no rule is in place and no host is off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from simloop.errors import UsageError

from .conditions import Book, Conditions, covers
from .packet import Packet
from .path import Path
from .rules import Deliver, Drop, Duplicate, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from simloop.net.fabric import Endpoint
    from simloop.net.host import Host
    from simloop.net.network import Network

    from .conditions import Scope
    from .neighbours import Neighbours
    from .rules import Rule

__all__ = ["Clock", "Protocols", "Wire", "last_word"]

_ICMP_SIZE = 96


class Clock(Protocol):
    """What shows the time."""

    now_ns: int


class Protocols(Protocol):
    """What a host does with packets; ``lay_wire`` gives it to the wire."""

    acks: Any
    """The acknowledgements that wait."""

    def receive(self, host: Host, packet: Packet) -> None:
        """Take a packet that arrived at a host."""

    def open(self, sock: Any) -> None:
        """Begin to connect a TCP socket with another host."""

    def send_datagram(
        self,
        sock: Any,
        data: bytes,
        sender: Endpoint,
        destination: Endpoint,
        target: Host | None = None,
    ) -> None:
        """Send a UDP datagram to another host."""

    def stack_of(self, host: Host) -> Any:
        """Return a host's stack of TCP, or None."""

    def switch_off(self, host: Host) -> None:
        """Forget all sockets of a host, without a packet."""

    def reset(self, first: Host, second: Host) -> None:
        """Break each connection between two hosts at both ends."""


def last_word(book: dict[Scope, int | None], source: str, destination: str) -> int | None:
    """Return what was said last about a way, in a book of cuts or of holds; None if that ended."""
    last = None
    for scope, code in book.items():
        if covers(scope, source, destination):
            last = code
    return last


class Wire:
    """Carry packets between the hosts of one network."""

    hands_over: bool = True
    """Whether a connection may take a packet before :meth:`arrive` hears of it."""

    def __init__(self, network: Network, protocols: Protocols) -> None:
        self.network: Network = network
        self.protocols: Protocols = protocols
        self.now_ns: Callable[[], int] = network.now_ns
        self.clock: Clock = network.clock
        self.call_at_ns: Callable[..., Any] = network.call_at_ns
        self.make_stream: Callable[[str], Random] = network.make_stream
        self.count: int = 0  # Of packets that set out.
        self.paths: dict[tuple[Host, Host | None], Path] = {}
        self.book: Book = Book()
        # What was said of cuts and of holds, in order: the last word about a path counts. A cut is
        # the errno of its refusal (0: silence), a hold is 0; None: it has ended.
        self.cuts: dict[Scope, int | None] = {}
        self.holds: dict[Scope, int | None] = {}
        self.rules: dict[int, Rule] = {}  # In the order in which they were put in place.
        self.watchers: list[Callable[[Packet], object]] = []  # Captures.
        self.sleepers: dict[Any, None] = {}
        self.neighbours: Neighbours | None = None  # While hosts are on one switch.
        self.is_calm: bool = True

    # -- sending ---------------------------------------------------------------------------------

    def send(self, host: Host, packet: Packet, target: Host | None = None) -> None:
        """Take a packet that a host sends; lost where its address leads nowhere.

        ``target``: the host, where the address is a group's or a broadcast.
        """
        if host.is_off:
            return
        packet.source_host = host
        packet.sent_ns = self.now_ns()
        packet.destination_host = target or self.network.owners.get(packet.peername[0])
        for watch in self.watchers:
            watch(packet)
        if self.neighbours is None or target is not None or self.neighbours.admit(packet):
            self.send_on(packet)

    def send_on(self, packet: Packet) -> None:
        """Send a packet along its path, if no rule decides otherwise."""
        key = (packet.source_host, packet.destination_host)
        path = self.paths.get(key)
        if path is None:
            path = self.path(*key)
        if self.rules and self._is_ruled(packet, path):
            return
        path.send(packet)

    def path(self, source: Host, destination: Host | None) -> Path:
        """Return the way from one host to another, made when it is first asked for.

        The way to None is the one of all that is sent to addresses that no host has.
        """
        key = (source, destination)
        path = self.paths.get(key)
        if path is None:
            # By the machine's name, as scopes have it: the driver's is "localhost".
            name = "" if destination is None else destination.hostname
            path = self.paths[key] = Path(self, source.hostname, name, destination)
            self.book.apply(path.conditions, path.source, path.destination)
            self._settle(path)
            if self.is_calm and not path.is_calm:
                self.disturb()
        return path

    def _is_ruled(self, packet: Packet, path: Path) -> bool:
        """Ask the rules in order; return whether one decided, and was obeyed."""
        for number, rule in tuple(self.rules.items()):
            try:
                verdict = rule(packet)
            except Exception as error:  # noqa: BLE001 - it is told as what ended the run
                self._refuse_rule(number, f"raised {error!r}", packet, error)
                continue
            if verdict is None:
                continue
            if isinstance(verdict, Verdict):
                self._obey(verdict, packet, path)
                return True
            self._refuse_rule(number, f"returned {verdict!r}", packet, None)
        return False

    def _refuse_rule(self, number: int, what: str, packet: Packet, cause: Exception | None) -> None:
        """End the run, and not the call of the program that happened to send."""
        rule = self.rules.pop(number)
        self.settle_paths()

        def end_run() -> None:
            raise UsageError(
                f"the rule {rule!r} {what} for {packet!r}; a rule returns None, simloop.Deliver(), "
                "simloop.Drop() or simloop.Duplicate()"
            ) from cause

        self.call_at_ns(self.now_ns(), end_run)

    def _obey(self, verdict: Verdict, packet: Packet, path: Path) -> None:
        if isinstance(verdict, Drop):
            return
        assert isinstance(verdict, (Deliver, Duplicate))
        after = verdict.after
        if isinstance(verdict, Duplicate):
            path.send(packet.copy())
        if after is None:
            path.send(packet)
        else:
            packet.flow = None
            path.set_out(packet, packet.sent_ns + round(after * 1e9))

    # -- arriving --------------------------------------------------------------------------------

    def arrive(self, packet: Packet) -> None:
        """Hand a packet to the host that it is for; lost where there is none, or it is off."""
        host = packet.destination_host
        if host is None or host.is_off:
            return
        if self.neighbours is not None:
            self.neighbours.confirm(host, packet.source_host)
        self.protocols.receive(host, packet)

    def answer_unreachable(self, packet: Packet, code: int, after_ns: int) -> None:
        """Send an ICMP error about a packet to its sender, as from a router on the way."""
        error = Packet("icmp", packet.peername, packet.sockname, b"", _ICMP_SIZE)
        error.code, error.about = code, packet
        error.source_host = error.destination_host = packet.source_host
        error.sent_ns = self.now_ns()
        for watch in self.watchers:
            watch(error)
        path = self.path(packet.source_host, packet.source_host)
        path.set_out(error, max(error.sent_ns, packet.sent_ns + after_ns))

    # -- what users say --------------------------------------------------------------------------

    def configure(self, scope: Scope, settings: dict[str, Any]) -> None:
        """Set conditions of all paths of a scope, those that are made later included."""
        self.book.say(scope, settings)
        for path in self.paths_of(scope):
            for name, value in settings.items():
                setattr(path.conditions, name, value)
        self.settle()

    def paths_of(self, scope: Scope) -> Iterator[Path]:
        """Yield the paths that a scope is about, of those that were used."""
        for path in self.paths.values():
            if path.source != path.destination and covers(scope, path.source, path.destination):
                yield path

    def say(self, book: dict[Scope, int | None], scope: Scope, code: int | None) -> None:
        """Begin or end a cut or a hold."""
        book.pop(scope, None)
        book[scope] = code
        if all(each is None for each in book.values()):
            book.clear()
        self.settle()

    def withdraw(self, scope: Scope) -> None:
        """Take back what was said of a scope: what was said of its paths before counts again."""
        self.cuts.pop(scope, None)
        self.holds.pop(scope, None)
        if self.book.forget(scope):
            for path in self.paths_of(scope):
                path.conditions = Conditions()
                self.book.apply(path.conditions, path.source, path.destination)
        self.settle()

    def settle(self) -> None:
        """Look what cuts, holds and conditions have come to, for each path."""
        for path in self.paths.values():
            self._settle(path)
        self.disturb()

    def _settle(self, path: Path) -> None:
        source, destination = path.source, path.destination
        was_held = path.is_held
        path.cuts = path.is_held = False
        if source != destination:
            code = last_word(self.cuts, source, destination)
            path.cuts, path.refuses = code is not None, code or 0
            path.is_held = last_word(self.holds, source, destination) is not None
        path.settle()
        if was_held and not path.is_held:
            path.release()

    def settle_paths(self) -> None:
        """Let all paths know that rules, captures or the switch are not what they were."""
        for path in self.paths.values():
            path.settle()

    def disturb(self) -> None:
        """Wake what sleeps while all packets arrive, if they don't any more."""
        self.is_calm = (
            not (self.cuts or self.holds or self.rules)
            and not any(host.is_off for host in self.network.hosts.values())
            and not self._may_lose()
        )
        if not self.is_calm:
            sleepers, self.sleepers = self.sleepers, {}
            for sleeper in sleepers:
                sleeper.wake()

    def _may_lose(self) -> bool:
        whole = Conditions()
        for path in self.paths.values():
            if path.conditions.is_lossy:
                return True
        self.book.apply(whole, "", "")
        return whole.is_lossy

    def in_flight(self) -> list[Packet]:
        """Return the packets on their way, in the order in which they arrive."""
        packets = [packet for path in self.paths.values() for packet in path.packets()]
        return sorted(packets, key=lambda packet: (packet.due_at, packet.number))
