"""A packet on its way between two machines.

Owns: what travels: who sent it to whom, of what kind it is, the fields of its TCP header, and where
it stands (``path``, ``due_ns``). Must not know what a path does with it, nor sockets.

Invariants: ``data`` is empty for all but "data" and "datagram"; sequence numbers are plain integers
that never wrap (a capture cuts them to 32 bits); a packet that has arrived or was dropped has no
``path``.

Sources: RFC 9293, section 3.1, for the header; RFC 2018 for selective acknowledgements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simloop.net.fabric import Endpoint
    from simloop.net.host import Host

    from .path import Path

__all__ = ["ETHERNET_MTU", "KINDS", "Packet"]

# What a packet may be. The five of TCP first: a "syn-ack" has both flags, an "ack" neither data nor
# any other flag.
KINDS = ("syn", "syn-ack", "ack", "data", "fin", "rst", "datagram", "icmp")

ETHERNET_MTU = 1500


class Packet:
    """One packet between two hosts: what a rule is asked about, and ``in_flight`` lists.

    Attributes:
        kind: "syn", "syn-ack", "ack", "data", "fin", "rst", "datagram" or "icmp".
        data: The bytes that it carries.
    """

    __slots__ = (
        "about",
        "ack",
        "code",
        "data",
        "destination_host",
        "due_ns",
        "flow",
        "kind",
        "mss",
        "number",
        "path",
        "peername",
        "pieces",
        "sack",
        "sent_ns",
        "seq",
        "size",
        "sockname",
        "source_host",
        "window",
    )

    def __init__(
        self, kind: str, sockname: Endpoint, peername: Endpoint, data: bytes = b"", size: int = 52
    ) -> None:
        self.kind: str = kind
        self.sockname: Endpoint = sockname
        self.peername: Endpoint = peername
        self.data: bytes = data
        self.size: int = size  # With the headers of IP and above.
        self.pieces: int = 1  # How many fragments it travels in.
        self.seq: int = 0
        self.ack: int = 0
        self.window: int = 0
        self.sack: tuple[tuple[int, int], ...] = ()
        self.flow: Any = None  # What keeps the packets of one direction of a stream in order.
        self.number: int = 0  # Set when it sets out.
        self.path: Path | None = None

    # What is set on the way: by whom it is sent, when it arrives.
    source_host: Host
    destination_host: Host | None
    sent_ns: int
    due_ns: int
    mss: int  # Of a "syn" and a "syn-ack": the largest segment that its sender takes.
    code: int  # Of an ICMP error: the errno that it stands for.
    about: Packet  # Of an ICMP error: the packet that could not be delivered.

    @property
    def source(self) -> tuple[str, str, int]:
        """The host, address and port that it comes from."""
        return (self.source_host.name, *self.sockname)

    @property
    def destination(self) -> tuple[str, str, int]:
        """The host ("" where none has the address), address and port that it goes to."""
        host = self.destination_host
        return ("" if host is None else host.name, *self.peername)

    @property
    def sent_at(self) -> float:
        """When it was sent, in seconds of the world's time."""
        return self.sent_ns / 1e9

    @property
    def due_at(self) -> float:
        """When it arrives, in seconds; infinity while its path holds packets."""
        path = self.path
        if path is not None and path.is_held:
            return float("inf")
        return self.due_ns / 1e9

    def deliver(self) -> None:
        """Let it arrive now; nothing if it has arrived, or was dropped."""
        if self.path is not None:
            self.path.deliver(self)

    def drop(self) -> None:
        """Lose it; nothing if it has arrived, or was dropped."""
        if self.path is not None:
            self.path.take(self)

    def copy(self) -> Packet:
        """Return another one of the same content."""
        twin = Packet(self.kind, self.sockname, self.peername, self.data, self.size)
        twin.seq, twin.ack, twin.window, twin.sack = self.seq, self.ack, self.window, self.sack
        twin.pieces, twin.flow, twin.source_host = self.pieces, self.flow, self.source_host
        twin.destination_host, twin.sent_ns = self.destination_host, self.sent_ns
        if self.kind in ("syn", "syn-ack"):
            twin.mss = self.mss
        if self.kind == "icmp":
            twin.code, twin.about = self.code, self.about
        return twin

    def __repr__(self) -> str:
        return f"<Packet {self.kind} {self.source} -> {self.destination} size={len(self.data)}>"
