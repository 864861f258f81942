"""The sending half of a connection: segments, what is acknowledged, what was lost.

Owns: the bytes that are sent and not acknowledged, when more may go (the peer's window, the
congestion window, Nagle's algorithm), and which segments count as lost. Must not know when a timer
fires: ``timeouts.py`` does.

Loss is found as Linux finds it: by selective acknowledgements and time (RACK, RFC 8985: a segment
is lost where one that was sent later has arrived, and a quarter of a round trip is over, or three
have arrived), else by a timer. The window shrinks in proportion (RFC 6937).

The room for a program's bytes grows with the congestion window, unless SO_SNDBUF was set:
calibrated to what Linux 6.18 took while nobody read (46 kB at first, 515 kB with the peer's
buffer).

Invariants: ``segments`` are contiguous from ``snd_una`` to ``snd_nxt``; ``sacked``, ``lost`` and
``resent`` count those of them with the mark; one that is sacked is not lost, and only a lost one is
resent.
"""

from __future__ import annotations

from bisect import bisect_left
from enum import Enum, auto
from operator import attrgetter
from typing import TYPE_CHECKING

from simloop.net.inet import options as opt
from simloop.net.inet.socket_file import SO_SNDBUF
from simloop.net.inet.tcp_states import ENDING_STATES
from simloop.net.linux import socket_names

from .congestion import FIRST_WINDOW, Congestion
from .receiving import Receiving
from .round_trip import RoundTrip

if TYPE_CHECKING:
    from simloop.net.host import Host
    from simloop.net.inet.buffers import ByteQueue
    from simloop.net.wire.packet import Packet
    from simloop.net.wire.path import Path
    from simloop.net.wire.wire import Wire

    from .remote_tcp import RemoteTcpSocket

__all__ = ["FIRST_ROOM", "PINGPONG_NS", "Segment", "Sending", "Trouble"]

FIRST_ROOM = 46_080  # What the first send of a connection takes.
# For each segment of the congestion window a program may have sent so much ahead: until nobody
# reads, and 515 kB are gone, and beyond, where 1.83 MB go to a reader that stops at 128 KiB.
_ROOM_PER_SEGMENT, _ROOM_PER_MORE, _MORE = 5_350, 1_820, 78
_ROOM_MAX = 3_246_000  # tcp_wmem's maximum, less what its bytes cost beside.
_ROOM_LOST = 3_700  # What of a buffer that was set holds no bytes of the program.
# Linux' slow start ends where the bytes of a round trip no longer leave in one train (HyStart).
# 10 MiB at 50 ms took 0.77 s without a limit of rate.
_IN_FLIGHT_MAX = 1_100_000
_DUPLICATES = 3  # tcp_reordering
_NODELAY = (opt.IPPROTO_TCP, int(socket_names.TCP_NODELAY))
PINGPONG_NS = 40_000_000  # Who sends so soon after receiving answers (tcp_event_data_sent).


class Trouble(Enum):
    """What a connection knows to be wrong: the states of Linux' ``tcp_ca_state``."""

    NONE = auto()
    RECOVERY = auto()  # Holes were found by what arrived behind them.
    LOSS = auto()  # The timer of retransmission has fired.


class Segment:
    """What was sent in one packet, and is not acknowledged yet."""

    __slots__ = (
        "data",
        "end",
        "is_lost",
        "is_resent",
        "is_sacked",
        "kind",
        "sent_ns",
        "seq",
        "tries",
    )

    def __init__(self, kind: str, seq: int, end: int, data: bytes) -> None:
        self.kind: str = kind
        self.seq: int = seq
        self.end: int = end
        self.data: bytes = data
        self.sent_ns: int = 0  # The last time.
        self.tries: int = 0
        self.is_sacked: bool = False
        self.is_lost: bool = False
        self.is_resent: bool = False  # Since it was lost.


_seq_of = attrgetter("seq")


class Sending(Receiving):
    """The half of a connection that sends."""

    __slots__ = (
        "congestion",
        "fin_is_sent",
        "is_limited",
        "lost",
        "most_out",
        "probe_end",
        "rack_end",
        "rack_ns",
        "rack_trip_ns",
        "recovery_end",
        "resent",
        "resent_since_ns",
        "retries",
        "sacked",
        "saw_reordering",
        "segments",
        "snd_una",
        "snd_window",
        "trip",
        "trouble",
        "usage_end",
        "way",
        "window_ack",
    )

    # Inherited, and said again where this class sets it: type checkers infer each its own.
    snd_nxt: int

    def __init__(self, wire: Wire, host: Host, sock: RemoteTcpSocket, mtu: int) -> None:
        super().__init__(wire, host, sock, mtu)
        self.trip: RoundTrip = RoundTrip()
        self.congestion: Congestion = Congestion()
        self.segments: list[Segment] = []
        # As RFC 9293 advises, first sequence numbers go with the clock (3.4.1): 4 µs each.
        self.snd_una: int = self.now_ns() // 4000
        self.snd_nxt: int = self.snd_una
        self.snd_window: int = 0
        self.window_ack: int = 0  # The sequence number of the packet that showed it.
        self.fin_is_sent: bool = False
        self.sacked: int = 0
        self.lost: int = 0
        self.resent: int = 0
        self.trouble: Trouble = Trouble.NONE
        self.recovery_end: int = 0  # What ends the trouble when it is acknowledged.
        self.retries: int = 0  # Timeouts since something new was acknowledged.
        self.resent_since_ns: int | None = None  # The first retransmission since then.
        self.probe_end: int = 0  # Of a tail loss probe that is not acknowledged.
        # Of what was sent last of all that arrived.
        self.rack_ns: int = 0
        self.rack_end: int = 0
        self.rack_trip_ns: int = 0
        self.saw_reordering: bool = False
        self.is_limited: bool = False  # Whether the congestion window held something back.
        self.most_out: int = 0  # So many segments were out at most, in this round trip or the last.
        self.way: Path | None = None  # To the peer, for who has measured a round trip and sent.
        self.usage_end: int = 0  # What ends that round trip when it is acknowledged.

    # -- room for the program ----------------------------------------------------------------------

    def capacity_to_send(self) -> int:
        """Return how many bytes of the program may be unacknowledged or unsent."""
        options = self.socket.options
        if options is not None and SO_SNDBUF in options:
            return max(self.socket.sndbuf - _ROOM_LOST, 2304)
        window = self.congestion.window
        if window <= FIRST_WINDOW:
            return FIRST_ROOM
        if window <= _MORE:
            return window * _ROOM_PER_SEGMENT
        return min(_MORE * _ROOM_PER_SEGMENT + (window - _MORE) * _ROOM_PER_MORE, _ROOM_MAX)

    def bytes_out(self) -> int:
        """Return how many bytes were sent and are not acknowledged."""
        return self.snd_nxt - self.snd_una - self.fin_is_sent

    @property
    def packets_out(self) -> int:
        """How many segments are on their way, as far as this end can know."""
        return len(self.segments) - self.sacked - self.lost + self.resent

    # -- sending -----------------------------------------------------------------------------------

    def output(self) -> None:
        """Send what the windows allow, and the end of stream behind it."""
        if self.is_over:
            return
        if self.lost > self.resent:
            self.resend_lost()
        sock = self.socket
        unsent = sock.unsent
        began = self.snd_nxt
        is_limited = False
        if unsent is not None and unsent.size:
            if not self.segments:
                self._rest()
            is_limited = self._send_data(unsent)
        if (
            not self.fin_is_sent
            and sock.state in ENDING_STATES
            and (unsent is None or not unsent.size)
        ):
            self.fin_is_sent = True
            self._send_next("fin", b"")
        if self.snd_nxt != began:
            self._note_usage(is_limited=is_limited)
            self.sent()
        elif not self.segments and unsent is not None and unsent.size:
            self.window_is_closed()

    def _send_data(self, unsent: ByteQueue) -> bool:
        """Send what the windows allow; return whether the congestion window held some back."""
        segments, window = self.segments, self.congestion.window
        limit = self.snd_una + min(self.snd_window, _IN_FLIGHT_MAX)
        while unsent.size:
            if len(segments) - self.sacked - self.lost + self.resent >= window:
                return True
            size = min(self.mss, unsent.size, limit - self.snd_nxt)
            if size <= 0:
                break
            if size < self.mss and segments and not self.socket.flag(*_NODELAY):
                break  # Nagle's algorithm (RFC 1122, 4.2.3.4).
            self._send_next("data", unsent.take(size))
        return False

    def _note_usage(self, *, is_limited: bool) -> None:
        """Note whether the congestion window is in the way: ``tcp_cwnd_validate``."""
        out = len(self.segments)
        if (
            self.snd_una >= self.usage_end
            or is_limited
            or (not self.is_limited and out > self.most_out)
        ):
            self.is_limited = is_limited
            self.most_out = out
            self.usage_end = self.snd_nxt

    def _rest(self) -> None:
        """Note an answer, and begin anew after a silence."""
        now_ns = self.now_ns()
        if now_ns - self.received_ns < PINGPONG_NS:
            self.answers = True
        silence_ns = now_ns - max(self.heard_ns, self.rack_ns)
        if silence_ns > self.trip.rto_ns:
            self.congestion.restart(silence_ns, self.trip.rto_ns)

    def _send_next(self, kind: str, data: bytes) -> None:
        seq = self.snd_nxt
        end = seq + (len(data) or 1)
        segment = Segment(kind, seq, end, data)
        self.segments.append(segment)
        self.congestion.sent += 1
        self.transmit(segment)
        self.snd_nxt = end

    def transmit(self, segment: Segment) -> None:
        """Send a segment, for the first time or again."""
        packet = self.make_packet(segment.kind, segment.data)
        packet.seq = segment.seq
        segment.sent_ns = self.now_ns()
        self.wire.send(self.host, packet)
        if self.way is None and self.trip.srtt_ns:
            self.way = self.wire.path(self.host, packet.destination_host)

    def resend(self, segment: Segment) -> None:
        """Send a segment again."""
        segment.tries += 1
        if self.resent_since_ns is None:
            self.resent_since_ns = self.now_ns()
        self.transmit(segment)

    def resend_lost(self) -> None:
        """Send lost segments again, as far as the congestion window allows."""
        window = self.congestion.window
        for segment in self.segments:
            if segment.is_lost and not segment.is_resent:
                if self.packets_out >= window:
                    break
                segment.is_resent = True
                self.resent += 1
                self.congestion.sent += 1
                self.resend(segment)

    def sent(self) -> None:
        """Set the timers after something new was sent."""
        raise NotImplementedError

    def window_is_closed(self) -> None:
        """Begin to ask for room: nothing is out that would be answered."""
        raise NotImplementedError

    def acked_new(self) -> None:
        """Set the timers after something new was acknowledged."""
        raise NotImplementedError

    def fin_acked(self) -> None:
        """Tell the socket that the peer has its end of stream."""
        raise NotImplementedError

    # -- acknowledgements --------------------------------------------------------------------------

    def acknowledge(self, packet: Packet) -> None:
        """Take what a packet acknowledges, and the window that it shows."""
        ack = packet.ack
        if ack > self.snd_nxt:
            return
        una = self.snd_una
        is_new = ack > una
        if is_new or (
            ack == una
            and (
                packet.seq > self.window_ack
                or (packet.seq == self.window_ack and packet.window > self.snd_window)
            )
        ):
            self.snd_window = packet.window
            self.window_ack = packet.seq
        delivered = self._remove_acked(ack) if is_new else 0
        if packet.sack and self.segments:
            delivered += self._mark_sacked(packet.sack)
        if delivered or self.trouble is not Trouble.NONE:
            self._judge(delivered, is_new=is_new)
        if self.is_over:
            return
        if is_new:
            self.acked_new()
        elif packet.sack:
            self.watch_holes()
        sock = self.socket
        unsent = sock.unsent
        if (unsent is not None and unsent.size) or self.lost > self.resent:
            self.output()
        if is_new and sock.on_writable is not None and sock.writable:
            sock.notify_writable()

    def _remove_acked(self, ack: int) -> int:
        """Forget what is acknowledged; return how many segments that tells to have arrived."""
        count = delivered = 0
        now_ns = self.heard_ns
        measured_ns = -1
        is_fin = False
        for segment in self.segments:
            if segment.end > ack:
                break
            count += 1
            is_fin = segment.kind == "fin"
            if segment.is_sacked:
                self.sacked -= 1
                continue
            delivered += 1
            if segment.is_lost:
                self.lost -= 1
                self.resent -= segment.is_resent
            if not segment.tries:
                measured_ns = now_ns - segment.sent_ns if measured_ns < 0 else measured_ns
                self.saw_reordering |= segment.end < self.rack_end
            self._advance_rack(segment, now_ns)
        del self.segments[:count]
        self.snd_una = ack
        if measured_ns >= 0:
            self.trip.sample(measured_ns, ack, self.snd_nxt)
        self.retries = 0
        self.resent_since_ns = None
        if self.probe_end and ack >= self.probe_end:
            self.probe_end = 0
        if is_fin:
            self.fin_acked()
        return delivered

    def _mark_sacked(self, blocks: tuple[tuple[int, int], ...]) -> int:
        """Mark what has arrived behind a hole; return how many segments are new to that."""
        segments = self.segments
        now_ns = self.heard_ns
        count = 0
        for start, end in blocks:
            for index in range(bisect_left(segments, start, key=_seq_of), len(segments)):
                segment = segments[index]
                if segment.end > end:
                    break
                if segment.is_sacked:
                    continue
                segment.is_sacked = True
                count += 1
                self.sacked += 1
                if segment.is_lost:
                    self.lost -= 1
                    self.resent -= segment.is_resent
                    segment.is_lost = segment.is_resent = False
                self._advance_rack(segment, now_ns)
        return count

    def _advance_rack(self, segment: Segment, now_ns: int) -> None:
        """Note the segment that was sent last of those that arrived (RFC 8985, 6.2, step 2)."""
        trip_ns = now_ns - segment.sent_ns
        if segment.tries and trip_ns < self.trip.min_ns:
            return  # It may be the first one that has arrived.
        self.rack_trip_ns = trip_ns
        self.rack_ns, self.rack_end = max(
            (self.rack_ns, self.rack_end), (segment.sent_ns, segment.end)
        )

    # -- loss ----------------------------------------------------------------------------------

    def _judge(self, delivered: int, *, is_new: bool) -> None:
        """Find what was lost, and let the congestion window follow."""
        if self.sacked or self.trouble is not Trouble.NONE:
            self.find_lost()
        trouble, congestion = self.trouble, self.congestion
        if trouble is not Trouble.NONE and self.snd_una >= self.recovery_end and is_new:
            if trouble is Trouble.RECOVERY:
                congestion.window = max(int(congestion.threshold), 2)
            self.trouble = Trouble.NONE
        elif trouble is Trouble.RECOVERY:
            congestion.reduce(delivered, self.packets_out)
            return
        elif trouble is Trouble.NONE and self.lost:
            self._enter_recovery()
            return
        if is_new and delivered:
            self._grow(delivered)

    def _grow(self, delivered: int) -> None:
        """Let the congestion window grow, if it was in the way."""
        congestion = self.congestion
        is_slow_start = congestion.window < congestion.threshold
        if self.is_limited or (is_slow_start and congestion.window < 2 * self.most_out):
            congestion.grow(delivered, self.heard_ns, self.trip.srtt_ns)

    def _enter_recovery(self) -> None:
        self.trouble = Trouble.RECOVERY
        self.recovery_end = self.snd_nxt
        self.congestion.lose()
        self.congestion.window = max(self.packets_out, 0) + 1  # The first one goes at once.

    def find_lost(self) -> int | None:
        """Mark what must be lost; return when more of it will be, if nothing else is heard.

        RFC 8985, 6.2, steps 3 to 5.
        """
        window_ns = self._reordering_ns()
        now_ns = self.heard_ns
        latest = (self.rack_ns, self.rack_end)
        soonest: int | None = None
        for segment in self.segments:
            if segment.is_sacked or (segment.is_lost and not segment.is_resent):
                continue
            if (segment.sent_ns, segment.end) >= latest:
                continue
            left_ns = segment.sent_ns + self.rack_trip_ns + window_ns - now_ns
            if left_ns <= 0:
                self._lose(segment)
            else:
                soonest = left_ns if soonest is None else min(soonest, left_ns)
        return soonest

    def _lose(self, segment: Segment) -> None:
        if segment.is_lost:
            self.resent -= 1
        else:
            segment.is_lost = True
            self.lost += 1
        segment.is_resent = False

    def _reordering_ns(self) -> int:
        """Return how much later than another one a segment may come: ``tcp_rack_reo_wnd``."""
        is_clear = self.trouble is not Trouble.NONE or self.sacked >= _DUPLICATES
        if is_clear and not self.saw_reordering:
            return 0
        return min(self.trip.min_ns // 4, self.trip.srtt_ns)

    def lose_all(self) -> None:
        """Take all that is out for lost, after a timeout (``tcp_enter_loss``)."""
        congestion = self.congestion
        if self.trouble is not Trouble.LOSS:
            if self.trouble is Trouble.NONE or self.snd_una >= self.recovery_end:
                congestion.lose()
            self.recovery_end = self.snd_nxt
            self.trouble = Trouble.LOSS
        self.resent = self.lost = 0
        for segment in self.segments:
            segment.is_resent = False
            segment.is_lost = not segment.is_sacked
            self.lost += segment.is_lost
        congestion.window = self.packets_out + 1

    def watch_holes(self) -> None:
        """Set a timer for what may be lost."""
        raise NotImplementedError

    def check_sending(self) -> None:
        """Assert the invariants."""
        expected = self.snd_una
        for segment in self.segments:
            assert segment.seq == expected, (segment.seq, expected)
            assert not (segment.is_sacked and segment.is_lost)
            assert segment.is_lost or not segment.is_resent
            expected = segment.end
        if not self.segments:
            unsent = self.socket.unsent
            assert self.is_over or self.trouble is Trouble.NONE, self.trouble
            assert self.is_over or not (unsent and unsent.size) or self.snd_window <= 0
        assert self.sacked == sum(each.is_sacked for each in self.segments)
        assert self.lost == sum(each.is_lost for each in self.segments)
        assert self.resent == sum(each.is_resent for each in self.segments)
