"""What may befall the packets of a way otherwise, in a run that is explored.

Owns: the questions: a link that loses, repeats or reorders may do so to any datagram, and one whose
latency varies may take another time for any packet, so that two on their way cross or do not. TCP's
segments are not lost by them: it repairs that, and what its programs see is that bytes come late,
which is asked where they arrive. Must not know who answers.

Invariants: the way's own draws are made whatever is answered, and with no answer but 0 all is as
they say; an answer is one that the way's conditions allow.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .latency import Latency
    from .packet import Packet

__all__ = ["AskedLatency", "Fates"]

_OTHERS = 7
"""How many other times a packet may take: a few are enough for it to cross another one."""


class Fates:
    """What is asked of one way.

    Args:
        choose: The gate, as :meth:`simloop._kernel.Kernel.choose`.
        name: The way's.
    """

    __slots__ = ("_choose", "_name")

    def __init__(self, choose: Callable[[str, object, int], int], name: str) -> None:
        self._choose = choose
        self._name = name

    def happens(self, kind: str, packet: Packet) -> bool:
        """Return whether a datagram is lost ("drop"), comes twice or is overtaken ("swap")."""
        return packet.kind == "datagram" and bool(self._choose(kind, self._name, 2))

    def vary(self, latency: Latency) -> AskedLatency:
        """Return a latency that asks."""
        return AskedLatency(latency, self._choose, self._name)


class AskedLatency:
    """A latency whose draws may be other ones of the same distribution."""

    __slots__ = ("_choose", "_latency", "_name")

    def __init__(
        self, latency: Latency, choose: Callable[[str, object, int], int], name: str
    ) -> None:
        self._latency = latency
        self._choose = choose
        self._name = name

    def draw_ns(self, stream: Random) -> int:
        """Return one latency in nanoseconds: the stream's, or that of an answer."""
        drawn_ns = self._latency.draw_ns(stream)
        answer = self._choose("flight", self._name, 1 + _OTHERS)
        return self._latency.draw_ns(Random(answer)) if answer else drawn_ns  # noqa: S311
