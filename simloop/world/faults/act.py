"""One fault that strikes: where, for how long, and how it is undone.

Owns: the life of a fault between its begin and its end, and the record of both. What it does is a
function of one act, in the files of the kinds.

Must not know: kinds.

Invariants: what was begun is undone once, at its end or when the campaign is healed; of the same
sort one host has one at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from simloop._kernel import seconds
from simloop.net.wire.conditions import OTHERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simloop.net.wire.conditions import Scope
    from simloop.world.hosts.sim_host import SimHost

    from .campaign import Campaign

__all__ = ["Act", "FaultEvent"]


@attrs.frozen
class FaultEvent:
    """Something that a campaign did.

    Example:
        >>> str(FaultEvent(3.5, "crash", ("db",), "db loses its power"))
        '3.5 s: db loses its power'
    """

    time: float
    """When, in seconds of the world's time."""
    kind: str
    """The kind of fault, as :class:`simloop.Faults` calls it."""
    hosts: tuple[str, ...]
    """The names of the hosts that it was done to."""
    what: str
    """What was done, in words."""

    def __str__(self) -> str:
        return f"{self.time:.6g} s: {self.what}"


@attrs.define(eq=False)
class Act:
    """One fault of one kind, on one host.

    Attributes:
        kind: Its kind.
        host: The host that was drawn.
        number: The part of the campaign in which it was drawn.
        length_ns: How long it lasts.
    """

    campaign: Campaign
    kind: str
    host: SimHost
    number: int
    length_ns: int
    _tell: Any = None
    _tell_shape: Any = None
    _undo: Callable[[], str] | None = None
    _timers: list[Any] = attrs.field(factory=list)
    _sort: tuple[str, str] = ("", "")
    _hosts: tuple[str, ...] = ()

    @property
    def world(self) -> Any:
        """The world."""
        return self.campaign.world

    @property
    def name(self) -> str:
        """The name of the host."""
        return self.host.name

    def others(self) -> list[SimHost]:
        """Return the other hosts, the driver among them, last."""
        world = self.world
        hosts = [*world.hosts.values(), world.driver]
        return [each for each in hosts if each is not self.host]

    def scope(
        self, first: Sequence[SimHost], second: Sequence[SimHost] = (), *, one_way: bool = False
    ) -> Scope:
        """Return a scope of ways that is of this fault alone; without a second side: to all others.

        It has a name in it that no host can have, so neither a test nor another fault says the same
        scope, and it can be taken back by itself.
        """
        own = f"/{self.campaign.number}/{self.kind}/{self.name}/{self.number}"
        one = tuple(host.machine.hostname for host in first)
        other = tuple(host.machine.hostname for host in second)
        return ((*one, own), other or OTHERS, one_way)

    def pick(self, shapes: Sequence[Any]) -> Any:
        """Return one of several shapes; the first is the plainest."""
        picked, tell = self.campaign.draws.which(
            f"{self.name}: {self.kind} {self.number}", len(shapes)
        )
        self._tell_shape = tell
        return shapes[picked]

    def is_in(self, other: str) -> bool:
        """Return whether another host is on the side of this one, where hosts fall into two."""
        name = f"{self.name}: {self.kind} {self.number}: {other}"
        picked, tell = self.campaign.draws.which(name, 2)
        if tell is not None:
            now_ns = self.campaign.kernel.now_ns
            tell(f"{other} is on the side of {self.name}", now_ns, now_ns)
        return bool(picked)

    def begin(
        self,
        what: str,
        undo: Callable[[], str] | None = None,
        *,
        sort: str,
        hosts: Sequence[str] = (),
    ) -> bool:
        """Record that the fault begins, and let it be undone at its end.

        Args:
            what: What happens, in words.
            undo: What undoes it, and returns that in words; None where there is nothing to undo.
            sort: What a host can have one of at a time.
            hosts: The hosts concerned; the one that was drawn if there are none.
        """
        campaign, now_ns = self.campaign, self.campaign.kernel.now_ns
        self._sort, self._hosts = (sort, self.name), tuple(hosts) or (self.name,)
        campaign.record(self.kind, self._hosts, what)
        end_ns = now_ns
        words = what
        if undo is not None:
            end_ns = min(now_ns + self.length_ns, campaign.end_ns)
            words = f"{what}, for {seconds(end_ns - now_ns):.6g} s"
            self._undo = undo
            campaign.active[self._sort] = self
            self.later(self.length_ns, self.end)
        if self._tell is not None:
            self._tell(words, now_ns, end_ns)
        if self._tell_shape is not None:
            self._tell_shape(
                "of the shapes of that fault it is this one, not the plainest", now_ns, end_ns
            )
        return True

    def later(self, after_ns: int, callback: Callable[..., Any], *args: Any) -> None:
        """Call something in so many nanoseconds, if it has not been undone by then."""
        kernel = self.campaign.kernel
        self._timers.append(kernel.call_at_ns(kernel.now_ns + after_ns, callback, *args))

    def end(self) -> None:
        """Undo it, if it was not undone yet."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self.campaign.active.pop(self._sort, None)
        undo, self._undo = self._undo, None
        if undo is not None and (what := undo()):
            self.campaign.record(self.kind, self._hosts, what)
