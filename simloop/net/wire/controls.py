"""What users say of the wire: the methods of ``world.network``.

Owns: the checks of what is passed, and the words for which hosts are meant. Must not know packets'
ways; with one host only there is no wire, and asking for one here lays it.

Invariant: a call that raises has changed nothing.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeAlias

from simloop.errors import UsageError

if TYPE_CHECKING:
    from simloop.net.host import Host

    from .latency import Latency
    from .netstat import SocketRecord
    from .packet import Packet
    from .rules import Rule
    from .wire import Wire

__all__ = ["Hosts", "WireControls"]

# One host or its name, or several.
Hosts: TypeAlias = "Host | str | Collection[Host | str]"

# What ``refuse=`` may say, as the router's ICMP error has it: Linux' icmp_err_convert.
_REFUSALS = {
    "host": errno.EHOSTUNREACH,
    "net": errno.ENETUNREACH,
    "port": errno.ECONNREFUSED,
    "admin": errno.EHOSTUNREACH,
}


class WireControls:
    """The part of a network that users change: conditions, cuts, rules, captures."""

    hosts: dict[str, Host]

    def lay_wire(self) -> Wire:
        """Return the wire, laid when it is first asked for."""
        raise NotImplementedError

    # -- conditions ----------------------------------------------------------------------------

    def configure(
        self,
        a: Hosts | None = None,
        b: Hosts | None = None,
        *,
        latency: float | tuple[float, float] | Latency | None = None,
        loss: float | None = None,
        duplicate: float | None = None,
        reorder: float | None = None,
        bandwidth: float | None = None,
        queue: float | None = None,
        mtu: int | None = None,
        one_way: bool = False,
    ) -> None:
        """Set conditions of the way between hosts, from now on; what is None stays as it is.

        Of several calls that are about the same way the last one counts, for what it sets. Traffic
        of a host with itself is never touched. Without a call a packet takes 1 ms each way.

        Args:
            a: A host, its name, or a collection of them; None: all hosts, later ones too.
            b: The other side; None: all hosts.
            latency: Seconds from one host to the other; (low, high) for a time between them, or one
                of :mod:`simloop.latency`.
            loss: The probability that a packet is lost.
            duplicate: The probability that it arrives twice.
            reorder: The probability that it takes longer, and is overtaken.
            bandwidth: Bytes per second, with the headers of IP; ``math.inf`` for no limit.
            queue: Bytes that may wait for their turn before packets are dropped.
            mtu: The size of the largest packet; connections keep what they began with.
            one_way: Only from ``a`` to ``b``.

        Raises:
            UsageError: A value means nothing or none is given, a host is not there, or the way is
                that of a host with itself.
        """
        from .conditions import checked  # noqa: PLC0415 - only who configures pays

        settings = checked(
            {
                "latency": latency,
                "loss": loss,
                "duplicate": duplicate,
                "reorder": reorder,
                "bandwidth": bandwidth,
                "queue": queue,
                "mtu": mtu,
            }
        )
        if not settings:
            raise UsageError(
                f"configure({a!r}, {b!r}) sets nothing: give latency=, loss= or others"
            )
        self.lay_wire().configure((*self._pair("configure", a, b), one_way), settings)

    # -- cuts and holds ------------------------------------------------------------------------

    def partition(
        self,
        a: Hosts,
        b: Hosts | None = None,
        *,
        one_way: bool = False,
        refuse: bool | str = False,
    ) -> None:
        """Cut the way between hosts: from now on no packet arrives, those on their way included.

        Args:
            a: A host, its name, or a collection of them.
            b: The other side; None: all hosts that are not in ``a``.
            one_way: Only from ``a`` to ``b``.
            refuse: Whether a router says so, by an ICMP error to the sender, in place of silence.
                True or ``"host"``: host unreachable; ``"net"``, ``"port"``, ``"admin"`` are others.

        Raises:
            UsageError: A host is on both sides, or is not there.
        """
        code = 0
        if refuse:
            key = "host" if refuse is True else refuse
            if key not in _REFUSALS:
                raise UsageError(f"refuse={refuse!r}: pass a bool or one of {', '.join(_REFUSALS)}")
            code = _REFUSALS[key]
        wire = self.lay_wire()
        wire.say(wire.cuts, self._sides("partition", a, b, one_way=one_way), code)

    def heal(self, a: Hosts | None = None, b: Hosts | None = None) -> None:
        """Undo partitions: all; those of some hosts; or those between two sides.

        Raises:
            UsageError: A host is not there, or the way is that of a host with itself.
        """
        self._lift("heal", self.lay_wire().cuts, a, b)

    def hold(self, a: Hosts, b: Hosts | None = None) -> None:
        """Let packets between hosts wait from now on, those on their way included.

        Raises:
            UsageError: A host is on both sides, or is not there.
        """
        wire = self.lay_wire()
        wire.say(wire.holds, self._sides("hold", a, b, one_way=False), 0)

    def release(self, a: Hosts | None = None, b: Hosts | None = None) -> None:
        """Let packets that were held arrive now, in order; without arguments: all.

        Raises:
            UsageError: A host is not there, or the way is that of a host with itself.
        """
        self._lift("release", self.lay_wire().holds, a, b)

    def _lift(self, call: str, said: Any, a: Hosts | None, b: Hosts | None) -> None:
        """Take back what was said of all ways, or of those between two sides."""
        wire = self.lay_wire()
        if a is None and b is None:
            said.clear()
            wire.settle()
        else:
            wire.say(said, (*self._pair(call, a, b), False), None)

    def reset(self, a: Hosts, b: Hosts) -> None:
        """Break each TCP connection between hosts: both ends get a reset, now.

        Raises:
            UsageError: A host is on both sides, or is not there.
        """
        first, second, _ = self._sides("reset", a, b, one_way=False)
        protocols = self.lay_wire().protocols
        for one in first:
            for other in second:
                protocols.reset(self.hosts[one], self.hosts[other])

    # -- rules and packets ---------------------------------------------------------------------

    def rule(self, function: Rule) -> AbstractContextManager[None]:
        """Ask a function about each packet that is sent to another host, within the block.

        ``function(packet)`` returns None, :class:`simloop.Deliver`, :class:`simloop.Drop` or
        :class:`simloop.Duplicate`. The rule that was put in place first is asked first, and the
        first answer that is not None counts. A rule that raises ends the run with a UsageError.

        Raises:
            UsageError: It is no function.
        """
        if not callable(function):
            raise UsageError(f"rule({function!r}): pass a function of one packet")
        return self._ruling(function)

    @contextmanager
    def _ruling(self, function: Rule) -> Iterator[None]:
        wire = self.lay_wire()
        wire.count += 1
        number = wire.count
        wire.rules[number] = function
        wire.settle_paths()
        wire.disturb()
        try:
            yield
        finally:
            wire.rules.pop(number, None)
            wire.settle_paths()
            wire.disturb()

    def in_flight(self) -> tuple[Packet, ...]:
        """Return the packets that are on their way between hosts, the next to arrive first."""
        return tuple(self.lay_wire().in_flight())

    def sockets(self, host: Host | str | None = None) -> tuple[SocketRecord, ...]:
        """Return what netstat would show of a host, or of all hosts.

        Raises:
            UsageError: The host is not there.
        """
        from .netstat import records  # noqa: PLC0415 - few look

        names = self._names(host) or tuple(self.hosts)
        return tuple(record for name in names for record in records(self.hosts[name]))

    def capture(self, path: str | PathLike[str]) -> AbstractContextManager[None]:
        """Write all packets that are sent between hosts to a pcapng file, within the block.

        Wireshark and tshark read it: Ethernet, IP, TCP and UDP headers, times of the world.

        Raises:
            UsageError: It is no path.
        """
        if not isinstance(path, (str, PathLike)):
            raise UsageError(f"capture({path!r}): pass the path of a file, such as 'run.pcapng'")
        return self._capturing(path)

    @contextmanager
    def _capturing(self, path: str | PathLike[str]) -> Iterator[None]:
        from .captures.capture import Capture  # noqa: PLC0415 - few capture

        wire = self.lay_wire()
        capture = Capture(path, self.hosts)
        wire.watchers.append(capture.note)
        wire.settle_paths()
        try:
            yield
        finally:
            wire.watchers.remove(capture.note)
            wire.settle_paths()
            capture.close()

    @property
    def switched(self) -> bool:
        """Whether all hosts are on one switch.

        False: they are behind routers, and one that is not there is silence. True: who sends to it
        is told EHOSTUNREACH, as address resolution finds out.

        Raises:
            UsageError: It is set to what is no bool.
        """
        return self.lay_wire().neighbours is not None

    @switched.setter
    def switched(self, value: bool) -> None:
        from .neighbours import Neighbours  # noqa: PLC0415 - few are switched

        if not isinstance(value, bool):
            raise UsageError(f"switched={value!r}: set it to True or False")
        wire = self.lay_wire()
        if value != self.switched:
            wire.neighbours = Neighbours(wire) if value else None
            wire.settle_paths()

    # -- who is meant --------------------------------------------------------------------------

    def _names(self, hosts: Any) -> tuple[str, ...]:
        """Return the names of one host or several, () for None."""
        if hosts is None:
            return ()
        if not isinstance(hosts, str) and isinstance(hosts, Collection):
            names = tuple(dict.fromkeys(self._name(host) for host in hosts))
            if not names:
                raise UsageError("an empty collection of hosts: pass a host, or None for all")
            return names
        return (self._name(hosts),)

    def _name(self, host: Any) -> str:
        name: Any
        if isinstance(host, str):
            name = "localhost" if host == "driver" and host not in self.hosts else host
        else:  # What a world calls a host has the machine that is meant here.
            name = getattr(getattr(host, "machine", host), "hostname", None)
        if name not in self.hosts:
            known = ", ".join(map(repr, self.hosts)) or "none"
            raise UsageError(f"{host!r} is no host of this network; there are: {known}")
        return str(name)

    def _pair(
        self, call: str, a: Hosts | None, b: Hosts | None
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the names on both sides, which may have hosts in common, but not only one."""
        first, second = self._names(a), self._names(b)
        if first == second and len(first) == 1:
            raise UsageError(
                f"{call}({a!r}, {b!r}): a host's way to itself is never touched; name another host"
            )
        return first, second

    def _sides(
        self, call: str, a: Hosts, b: Hosts | None, *, one_way: bool
    ) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
        from .conditions import OTHERS  # noqa: PLC0415 - as above

        first = self._names(a)
        if not first:
            raise UsageError(f"{call}(None): name a host, or several")
        second = OTHERS if b is None else self._names(b)
        both = [name for name in first if name in second]
        if both:
            raise UsageError(
                f"{call}({a!r}, {b!r}): {both[0]!r} is on both sides; a host stays"
                " connected with itself"
            )
        return first, second, one_way
