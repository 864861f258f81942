"""One direction between two hosts: the way of a packet from one to the other.

Owns: when a packet arrives, or whether it is lost: latency, loss, duplicates, reordering, a link of
limited bandwidth with a queue in front of it, cuts and holds; and what is on its way. All that is
random is drawn from a source of this path alone, so that one packet more here moves nothing
elsewhere. Must not know TCP and UDP, nor what a host does with a packet.

A cut is asked for twice: when a packet sets out, and when it would arrive, so that nothing that was
on its way arrives after ``partition()``. A hold is asked for when it would arrive.

Most ways have a latency and nothing else. For them there are ``send_simply`` and ``send_alone``,
which do what ``Wire.send`` and ``send`` come to there, without asking: who may use them, and
whether what arrives may go straight to its connection, ``settle`` looks up whenever conditions,
cuts, rules, captures, watchers or the switch change. Nor does anybody look at most packets between
their ends: what ``send_simply`` sends is a row of numbers, and a ``Packet`` only for who asks. The
long way is the rule; tests/wire/test_quiet_twins.py holds both equal.

Invariants: ``on_the_way`` has the packets that are due, each with the event of its arrival; those
in ``held`` were due and wait for release; a stream's packets arrive in the order in which they set
out, unless one is reordered by chance.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .conditions import Conditions
from .fates import Fates
from .packet import Packet

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from simloop.net.host import Host

    from .wire import Wire

__all__ = ["Path"]

_Sent = tuple[int, Any, bytes, int, int, int, int, int]
"""Data of a stream on its way: its number, its flow, the data, sequence number, what it
acknowledges, the window that it shows, when it was sent and when it is due."""


class Path:
    """The way from one host to another."""

    __slots__ = (
        "_arrival",
        "_busy_until_ns",
        "_stream",
        "conditions",
        "cuts",
        "destination",
        "draw_ns",
        "fates",
        "hands_over",
        "held",
        "is_held",
        "is_open",
        "is_plain",
        "is_simple",
        "latency_ns",
        "on_the_way",
        "refuses",
        "source",
        "to",
        "wire",
    )

    def __init__(self, wire: Wire, source: str, destination: str, to: Host | None = None) -> None:
        self.wire: Wire = wire
        self.to: Host | None = to  # The host that ``destination`` names.
        self.source: str = source
        self.destination: str = destination
        self.conditions: Conditions = Conditions()
        self.on_the_way: dict[int, tuple[Packet | _Sent, Any]] = {}
        self.held: dict[int, Packet] = {}
        self._arrival = self._arrive  # What is scheduled for each packet.
        self.is_held: bool = False
        self.cuts: bool = False
        self.refuses: int = 0  # While it cuts: the errno of the ICMP error that a router sends.
        self._busy_until_ns: int = 0
        self._stream: Random | None = None
        self.is_open: bool = True
        self.is_plain: bool = True
        self.is_simple: bool = True  # Whether a latency is all that befalls a packet.
        self.hands_over: bool = True  # Whether one that arrives may go straight to its connection.
        self.latency_ns: int = 0
        self.draw_ns: Callable[[Random], int] = self.conditions.latency.draw_ns
        self.fates: Fates | None = None  # Where the run is explored and chance has a part here.
        self.settle()

    def settle(self) -> None:
        """Look what the conditions have come to: most paths have a latency and nothing else."""
        conditions = self.conditions
        self.is_open = not (self.cuts or self.is_held)
        only_latency = conditions.bandwidth == math.inf and not (
            conditions.loss or conditions.duplicate or conditions.reorder
        )
        self.is_plain = only_latency and conditions.latency.fixed_ns is not None
        wire = self.wire
        is_switched = wire.neighbours is not None
        is_asked = bool(wire.watchers or wire.rules)
        self.is_simple = only_latency and not (self.cuts or is_switched or is_asked)
        self.hands_over = self.is_open and wire.hands_over and not is_switched
        self.latency_ns = conditions.latency.fixed_ns or 0
        self.draw_ns, self.fates = conditions.latency.draw_ns, None
        choose = wire.network.choose
        if choose is not None and not self.is_plain:
            hosts = wire.network.hosts
            names = [hosts[name].name for name in (self.source, self.destination) if name in hosts]
            self.fates = Fates(choose, " > ".join(names))
            if conditions.latency.fixed_ns is None:
                self.draw_ns = self.fates.vary(conditions.latency).draw_ns

    @property
    def stream(self) -> Random:
        """Where this path draws from; made when it is first asked."""
        if self._stream is None:
            self._stream = self.wire.make_stream(f"network/{self.source}>{self.destination}")
        return self._stream

    @property
    def is_calm(self) -> bool:
        """Whether every packet arrives."""
        return self.is_open and not self.conditions.is_lossy

    # -- setting out ---------------------------------------------------------------------------

    def send(self, packet: Packet) -> None:
        """Take a packet that sets out now."""
        if self.cuts:
            self.refuse(packet)
            return
        if self.is_plain:
            self.set_out(packet, packet.sent_ns + self.latency_ns)
            return
        conditions = self.conditions
        fates = self.fates
        draw = self.stream.random
        loss = conditions.loss
        if loss and (
            any(draw() < loss for _ in range(packet.pieces))
            or (fates is not None and fates.happens("drop", packet))
        ):
            return
        if conditions.duplicate and (
            draw() < conditions.duplicate or (fates is not None and fates.happens("twice", packet))
        ):
            self._send_one(packet.copy())
        self._send_one(packet)

    def send_simply(
        self, flow: Any, data: bytes, seq: int, ack: int, window: int, now_ns: int
    ) -> None:
        """Send data of a stream, where a latency is all there is: ``send`` without asking."""
        if self.is_plain:
            due_ns = now_ns + self.latency_ns
        else:
            draw_ns = self.draw_ns
            due_ns = now_ns + draw_ns(self._stream or self.stream)
        if flow.last_due_ns > due_ns:
            due_ns = flow.last_due_ns
        else:
            flow.last_due_ns = due_ns
        wire = self.wire
        wire.count = number = wire.count + 1
        sent = (number, flow, data, seq, ack, window, now_ns, due_ns)
        self.on_the_way[number] = sent, wire.call_at_ns(due_ns, self._arrival, sent)

    def packet(self, number: int) -> Packet:
        """Return a packet that is on its way; one that was sent simply is none until now."""
        sent, event = self.on_the_way[number]
        if isinstance(sent, tuple):
            sent = self._packet_of(sent)
            self.on_the_way[number] = sent, event
        return sent

    def _packet_of(self, sent: _Sent) -> Packet:
        """Return what was sent simply as what it is for all others."""
        number, flow, data, seq, ack, window, sent_ns, due_ns = sent
        sockname, peername = flow.names
        packet = Packet("data", sockname, peername, data, flow.header_size + len(data))
        packet.seq, packet.ack, packet.window = seq, ack, window
        packet.flow, packet.number, packet.path = flow, number, self
        packet.source_host, packet.destination_host = flow.host, self.to
        packet.sent_ns, packet.due_ns = sent_ns, due_ns
        return packet

    def packets(self) -> list[Packet]:
        """Return what is on its way or held."""
        return [*map(self.packet, self.on_the_way), *self.held.values()]

    def send_alone(self, packet: Packet, host: Host, now_ns: int) -> None:
        """Take a packet of no stream, where a latency is all there is: as above."""
        packet.source_host, packet.destination_host = host, self.to
        packet.sent_ns = now_ns
        draw_ns = self.draw_ns
        packet.due_ns = due_ns = now_ns + (
            self.latency_ns if self.is_plain else draw_ns(self._stream or self.stream)
        )
        packet.path = self
        wire = self.wire
        wire.count = packet.number = number = wire.count + 1
        self.on_the_way[number] = packet, wire.call_at_ns(due_ns, self._arrival, packet)

    def _send_one(self, packet: Packet) -> None:
        """Send one packet through the queue of the link, and then along the way."""
        conditions = self.conditions
        leaves_ns = packet.sent_ns
        if conditions.bandwidth != math.inf:
            waits_ns = max(0, self._busy_until_ns - leaves_ns)
            if waits_ns * conditions.bandwidth / 1e9 > conditions.queue:
                return
            leaves_ns += waits_ns + math.ceil(packet.size * 1e9 / conditions.bandwidth)
            self._busy_until_ns = leaves_ns
        fixed_ns = conditions.latency.fixed_ns
        latency_ns = self.draw_ns(self.stream) if fixed_ns is None else fixed_ns
        due_ns = leaves_ns + latency_ns
        fates = self.fates
        if conditions.reorder and (
            self.stream.random() < conditions.reorder
            or (fates is not None and fates.happens("swap", packet))
        ):
            # It takes up to twice as long, and what was sent after it does not wait for it.
            flow, packet.flow = packet.flow, None
            self.set_out(packet, due_ns + int(self.stream.random() * max(latency_ns, 1_000_000)))
            packet.flow = flow
        else:
            self.set_out(packet, due_ns)

    def set_out(self, packet: Packet, due_ns: int) -> None:
        """Let a packet arrive at a time, and not before those of its stream that set out before."""
        flow = packet.flow
        if flow is not None:
            due_ns = max(due_ns, flow.last_due_ns)
            flow.last_due_ns = due_ns
        wire = self.wire
        wire.count = packet.number = wire.count + 1
        packet.path = self
        packet.due_ns = due_ns
        self.on_the_way[packet.number] = packet, wire.call_at_ns(due_ns, self._arrival, packet)

    def refuse(self, packet: Packet) -> None:
        """Lose a packet at a cut: in silence, or with an ICMP error from a router on the way."""
        if self.refuses and packet.kind != "icmp":
            self.wire.answer_unreachable(packet, self.refuses, self.latency_ns * 2)

    # -- holding -------------------------------------------------------------------------------

    def release(self) -> None:
        """Let what is held arrive now, in order."""
        held, self.held = self.held, {}
        now_ns = self.wire.now_ns()
        for packet in held.values():
            packet.flow = None  # It was due before all that is on its way.
            self.set_out(packet, now_ns)

    # -- arriving ------------------------------------------------------------------------------

    def _arrive(self, sent: Packet | _Sent) -> None:
        """Hand over what is due, unless the way was cut or is held."""
        if type(sent) is tuple:
            number, flow, data, seq, ack, window, _, _ = sent
            known, _ = self.on_the_way.pop(number)
            if known is sent:  # Nobody has asked for it.
                far = flow.far  # The other end, if that is there and expects it.
                if (
                    self.hands_over
                    and far is not None
                    and not far.is_over
                    and far.take_quietly(data, seq, ack, window)
                ):
                    return
                known = self._packet_of(sent)
            self._hand_over(known)  # type: ignore[arg-type]  # no row of numbers
            return
        packet: Packet = sent  # type: ignore[assignment]  # as above
        del self.on_the_way[packet.number]
        flow = packet.flow
        if self.hands_over and flow is not None:
            far = flow.far
            if far is not None and not far.is_over and far.take_packet_quietly(packet):
                packet.path = None
                return
        self._hand_over(packet)

    def _hand_over(self, packet: Packet) -> None:
        """Give a packet to its host, if the way is open."""
        if self.is_open:
            packet.path = None
            self.wire.arrive(packet)
        elif self.cuts:
            packet.path = None
            self.refuse(packet)
        else:
            self.held[packet.number] = packet

    def take(self, packet: Packet) -> None:
        """Take a packet out of the way."""
        packet.path = None
        if self.held.pop(packet.number, None) is None:
            _, event = self.on_the_way.pop(packet.number)
            event.cancel()

    def deliver(self, packet: Packet) -> None:
        """Hand over a packet at once, whatever the way is like."""
        self.take(packet)
        self.wire.arrive(packet)
