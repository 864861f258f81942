"""The seam between two sockets: the one place that everything passes on its way.

Owns: the choice between direct delivery and a *link*. With nothing plugged in, a send puts bytes
straight into the peer's buffer and this file costs one attribute test (``direct``). With a link,
each connection request, segment, end of stream, reset and datagram becomes a ``Packet`` that the
link may deliver at once, later, twice or never: latency, loss, partitions and crashes live there.
A tap sees what was accepted for sending; ``receiver`` says into which file it goes, where the
sender knows that, or else whom the last datagram met.

Must not know sockets, hosts or time. A link must keep the packets of one flow (the same kind of
socket, source and destination) in order unless it is a datagram: what TCP repairs by sending
again, a link models as delay.

Invariant: ``direct`` is true exactly when there is neither tap nor link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from .files.open_file import File

__all__ = ["Endpoint", "Fabric", "Link", "Packet", "Tap"]

# Inet: (address text, port). UNIX: (name, 0), where a path is text and an abstract name starts
# with NUL, and "" is unnamed.
Endpoint: TypeAlias = tuple[str, int]


class Packet:
    """One thing on its way from a socket to another.

    ``kind`` is "syn", "syn-ack", "refuse", "data", "fin", "rst" or "datagram"; ``data`` is empty
    for all but "data" and "datagram". ``deliver()`` makes it arrive.
    """

    __slots__ = ("data", "deliver", "destination", "kind", "source")

    def __init__(
        self,
        kind: str,
        source: Endpoint,
        destination: Endpoint,
        data: bytes,
        deliver: Callable[[], None],
    ) -> None:
        self.kind: str = kind
        self.source: Endpoint = source
        self.destination: Endpoint = destination
        self.data: bytes = data
        self.deliver: Callable[[], None] = deliver

    def __repr__(self) -> str:
        return f"<Packet {self.kind} {self.source} -> {self.destination} size={len(self.data)}>"


Link: TypeAlias = "Callable[[Packet], None]"
# tap(kind, source, destination, data); kind is "tcp", "udp", "unix" or "pipe".
Tap: TypeAlias = "Callable[[str, Endpoint, Endpoint, bytes], None]"


class Fabric:
    """Carry packets between the sockets of one network."""

    __slots__ = ("_link", "_tap", "direct", "pairs", "receiver")

    def __init__(self) -> None:
        self._link: Link | None = None
        self._tap: Tap | None = None
        self.direct: bool = True
        self.receiver: object = None  # Known only while there is a tap.
        self.pairs: int = 0  # How many were made of files that have no address.

    def name_ends(self, kind: str, first: File, second: File) -> None:
        """Name two files that have no address, by the order in which such pairs are made.

        Explored runs know them by that, whichever of the two they first ask about.
        """
        self.pairs += 1
        first.known_as = f"{kind} #{self.pairs} one end"
        second.known_as = f"{kind} #{self.pairs} other end"

    @property
    def link(self) -> Link | None:
        """What carries packets; None: they arrive at once."""
        return self._link

    @link.setter
    def link(self, link: Link | None) -> None:
        self._link = link
        self.direct = link is None and self._tap is None

    @property
    def tap(self) -> Tap | None:
        """What is called with each accepted send, or None."""
        return self._tap

    @tap.setter
    def tap(self, tap: Tap | None) -> None:
        self._tap = tap
        self.direct = tap is None and self._link is None

    def carry(
        self,
        kind: str,
        source: Endpoint,
        destination: Endpoint,
        deliver: Callable[[], None],
        data: bytes = b"",
    ) -> None:
        """Bring one packet to its destination: now, or whenever the link decides."""
        link = self._link
        if link is None:
            deliver()
        else:
            link(Packet(kind, source, destination, data, deliver))

    def observe(
        self,
        kind: str,
        source: Endpoint,
        destination: Endpoint,
        data: bytes,
        receiver: object = None,
    ) -> None:
        """Show one accepted send to the tap, and the file that it goes into, if that is known."""
        tap = self._tap
        if tap is not None and data:
            tap(kind, source, destination, data)
            self.receiver = receiver  # Until now, it was the receiver of what was sent before.

    def check(self) -> None:
        """Assert the invariant."""
        assert self.direct == (self._link is None and self._tap is None)
