"""The most common cases of a connection, spelt out: one segment is sent, and one packet arrives.

Owns: the short way of a request and its answer, while nothing is wrong and nothing waits: what
``sending.py``, ``receiving.py`` and ``timeouts.py`` come to then, without their calls. Through them
a request between two hosts costs twice as much. Must not know a rule of its own: what holds is said
there, and to be read there first.

Each method looks first whether the case is its own, changes nothing if not, and answers false; the
long way is taken then. It looks at little, for much follows: where no segment is out there is no
trouble, and nothing waits to be sent unless the window is closed; an established socket has no
error, and is shut and closed in no direction (``check`` holds both); and whether the wire is
watched, ruled, switched or cut its paths have looked up beforehand (``Path.settle``).
tests/wire/test_quiet_twins.py holds the two ways equal.

Invariant: a packet that was sent or taken here leaves the connection as the long way does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simloop.net.inet.tcp_states import ESTABLISHED

from .round_trip import RTO_MAX_NS, RTO_MIN_NS
from .sending import PINGPONG_NS, Segment, Trouble
from .timeouts import Meaning, Timeouts
from .timer import FAR_NS, wheel_ns

if TYPE_CHECKING:
    from simloop.net.host import Host
    from simloop.net.wire.packet import Packet
    from simloop.net.wire.wire import Wire

    from .remote_tcp import RemoteTcpSocket

__all__ = ["Quiet"]

_SMALL = 2304  # There is room for so much whatever SO_SNDBUF is, where nothing else is out.
_CALM, _PROBE = Trouble.NONE, Meaning.PROBE  # To ask the class for one costs a hundred times more.


class Quiet(Timeouts):
    """The part of a connection that knows short ways."""

    __slots__ = ("far", "most_quietly", "spare")

    # Inherited, and said again where this class sets them: type checkers infer each its own.
    snd_una: int
    snd_nxt: int
    snd_window: int
    window_ack: int
    rcv_nxt: int
    ack_sent: int
    ack_right: int
    ack_due_ns: int | None
    heard_ns: int
    received_ns: int
    rack_ns: int
    rack_end: int
    rack_trip_ns: int
    answers: bool
    blocked: bool
    is_limited: bool
    most_out: int
    usage_end: int
    backoff: int
    soft_error: int
    retries: int
    resent_since_ns: int | None
    probes: int
    probing_since_ns: int | None
    saw_reordering: bool
    meaning: Meaning

    def __init__(self, wire: Wire, host: Host, sock: RemoteTcpSocket, mtu: int) -> None:
        super().__init__(wire, host, sock, mtu)
        self.far: Any = None  # The peer's end, once something has arrived there.
        self.most_quietly: int = min(self.mss, _SMALL)
        self.spare: Segment | None = None  # One that was sent once and acknowledged, for the next.

    def send_quietly(self, data: bytes) -> bool:
        """Send what fits into one segment, where all else is acknowledged."""
        sock, way, size = self.socket, self.way, len(data)
        if (
            self.segments  # Without one there is no trouble, and nothing waits to be sent,
            or size > self.snd_window  # unless the window is closed.
            or way is None  # Not so for who has measured a round trip, and sent by it.
            or not way.is_simple
            or not 0 < size <= self.most_quietly
            or sock.state is not ESTABLISHED
            or self.ranges
            or not sock.fabric.direct
        ):
            return False
        trip, now_ns = self.trip, self.wire.clock.now_ns
        rto_ns = trip.rto_ns
        if now_ns - self.heard_ns > rto_ns:
            self._rest()
        elif not self.answers and now_ns - self.received_ns < PINGPONG_NS:
            self.answers = True
        seq = self.snd_nxt
        self.snd_nxt = end = seq + size
        segment, self.spare = self.spare or Segment("data", 0, 0, b""), None
        segment.seq, segment.end = seq, end
        segment.data, segment.sent_ns = data, now_ns
        self.segments.append(segment)
        self.ack_sent = rcv_nxt = self.rcv_nxt
        shown = self.capacity
        if sock.inbox.size or rcv_nxt + shown < self.ack_right:
            shown = self.window()
        else:
            self.ack_right = rcv_nxt + shown
            self.blocked = False
        self.ack_due_ns = None
        way.send_simply(self, data, seq, rcv_nxt, shown, now_ns)
        if self.snd_una >= self.usage_end or (not self.is_limited and self.most_out < 1):
            self.is_limited = False
            self.most_out = 1
            self.usage_end = end
        self.meaning = _PROBE
        after_ns = 2 * trip.srtt_ns + RTO_MIN_NS
        if self.backoff:
            rto_ns = min(RTO_MAX_NS, rto_ns << self.backoff)
        due_ns = now_ns + (after_ns if after_ns < rto_ns else rto_ns)  # noqa: FURB136 - see sample
        timer = self.timer
        if timer.event_ns <= due_ns:  # As ``start_at`` does, where an event stands before it.
            timer.due_ns, timer.set_ns = due_ns, now_ns
        else:
            timer.start_event(wheel_ns(due_ns, now_ns))
        return True

    def take_packet_quietly(self, packet: Packet) -> bool:
        """Take a packet, if it is such as :meth:`take_quietly` is about."""
        return (
            packet.kind in ("ack", "data")
            and not packet.sack
            and self.take_quietly(packet.data, packet.seq, packet.ack, packet.window)
        )

    def take_quietly(self, data: bytes, seq: int, ack: int, window: int) -> bool:  # noqa: C901 - flat
        """Take the next data, or an acknowledgement of all that is out, or both."""
        sock = self.socket
        segments, unsent = self.segments, sock.unsent
        end = seq + len(data)
        if (
            seq != self.rcv_nxt
            or sock.state is not ESTABLISHED
            or self.trouble is not _CALM
            or self.ranges
            or (unsent is not None and unsent.size)
            or sock.is_shut_read
            or end > self.ack_right
            or self.probe_end
        ):
            return False
        now_ns = self.wire.clock.now_ns
        if ack == self.snd_una:
            if seq > self.window_ack or (seq == self.window_ack and window > self.snd_window):
                self.snd_window, self.window_ack = window, seq
        elif (
            len(segments) != 1
            or segments[0].end != ack
            or segments[0].tries
            or sock.on_writable is not None
        ):
            return False
        else:
            self.spare = segment = segments.pop()
            self.snd_window, self.window_ack, self.snd_una = window, seq, ack
            self._take_ack(segment, ack, now_ns)
        self.heard_ns = now_ns
        self.probes = 0
        self.probing_since_ns = None
        if end == seq:
            return True
        # Give the program the data, and acknowledge it by and by.
        self.rcv_nxt = end
        inbox = sock.inbox
        inbox.chunks.append(data)
        inbox.size += end - seq
        watcher = sock.on_readable
        if watcher is not None:
            watcher()
        if self.is_over:
            return True
        self.received_ns = now_ns
        srtt_ns = self.trip.srtt_ns
        if now_ns - self._adjusted_ns >= srtt_ns:
            self._adjust(now_ns)
        if inbox.size * 2 > self.capacity:
            self.blocked = True
        unacknowledged = self.rcv_nxt - self.ack_sent
        if unacknowledged > self.mss or (unacknowledged and not self.answers):
            self.send_ack()
        elif unacknowledged and self.ack_due_ns is None:
            self.acks.delay(self, now_ns)
        return True

    def _take_ack(self, segment: Segment, ack: int, now_ns: int) -> None:
        """Forget the one segment that was out, the last of all."""
        sent_ns = segment.sent_ns
        self.rack_trip_ns = measured_ns = now_ns - sent_ns
        if sent_ns >= self.rack_ns:  # Else one before it was sent again after it.
            self.rack_ns, self.rack_end = sent_ns, ack
        self.trip.sample(measured_ns, ack, self.snd_nxt)
        self.retries = self.backoff = self.soft_error = 0
        self.resent_since_ns = None
        congestion = self.congestion
        if self.is_limited or congestion.window < 2 * self.most_out:
            self.heard_ns = now_ns
            self._grow(1)
        timer = self.timer
        timer.due_ns = None
        if timer.event_ns - now_ns < FAR_NS:  # As ``stop`` does.
            timer.forget_event()
