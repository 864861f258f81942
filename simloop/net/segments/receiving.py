"""The receiving half of a connection: what arrives, what waits behind a hole, what is acknowledged.

Owns: the next byte that is expected, bytes that came too early, the window that the peer is shown,
and when an acknowledgement is sent. Must not know what is sent to the peer, but that it carries an
acknowledgement.

When an acknowledgement goes (RFC 9293, 3.8.6.3; ``__tcp_ack_snd_check`` of net/ipv4/tcp_input.c):
at once, where data came out of order, where two full segments are unacknowledged, and on a
connection that only listens. One that answers (Linux' "pingpong" mode) waits up to 40 ms for an
answer to carry it.

The window (``__tcp_select_window``): three quarters of the receive buffer, less what the program
has not read; its right edge never moves back. Without SO_RCVBUF it grows to four times what was
read in a round trip: calibrated to what was measured on Linux 6.18, where it depends on how memory
is accounted.

Invariants: ``ahead`` holds nothing up to ``rcv_nxt``; ``ranges`` are its bytes, in order, without
gaps or overlaps between neighbours; ``ack_right`` never falls.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import islice
from typing import TYPE_CHECKING

from simloop.net.inet.socket_file import SO_RCVBUF
from simloop.net.wire.packet import Packet

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.net.fabric import Endpoint
    from simloop.net.host import Host
    from simloop.net.wire.wire import Wire

    from .delayed_acks import DelayedAcks
    from .remote_tcp import RemoteTcpSocket

__all__ = ["Receiving"]

_LONG_AGO_NS = -40_000_000  # Further back than an answer looks (``_rest``).
_WINDOW_MAX = 4_718_592  # Three quarters of tcp_rmem's maximum.
_SACK_BLOCKS = 3  # As many as fit beside timestamps (RFC 2018, section 3).
_NOWHERE: Endpoint = ("", 0)
_HEADERS = 52  # Of IPv4 and TCP with timestamps; IPv6 has 20 more.


class Receiving:
    """The half of a connection that takes what arrives."""

    __slots__ = (
        "_adjusted_ns",
        "_copied",
        "_space",
        "ack_due_ns",
        "ack_right",
        "ack_row_ns",
        "ack_sent",
        "acks",
        "ahead",
        "answers",
        "blocked",
        "capacity",
        "header_size",
        "heard_ns",
        "host",
        "is_over",
        "known_as",
        "last_due_ns",
        "latest",
        "mss",
        "names",
        "now_ns",
        "ranges",
        "rcv_nxt",
        "received_ns",
        "snd_nxt",
        "socket",
        "wire",
    )

    def __init__(self, wire: Wire, host: Host, sock: RemoteTcpSocket, mtu: int) -> None:
        self.wire: Wire = wire
        self.host: Host = host
        self.socket: RemoteTcpSocket = sock
        self.now_ns: Callable[[], int] = wire.now_ns
        assert sock.remote is not None
        self.header_size: int = _HEADERS + (20 if ":" in sock.remote[0] else 0)
        self.mss: int = mtu - self.header_size
        self.is_over: bool = False
        self.last_due_ns: int = 0  # When the last packet arrives that was sent.
        self.snd_nxt: int = 0
        self.rcv_nxt: int = 0
        self.ack_sent: int = 0  # Up to where was acknowledged last.
        self.ack_right: int = 0  # The right edge of the window that was shown last.
        self.names: tuple[Endpoint, Endpoint] = (sock.local or _NOWHERE, sock.remote)
        self.acks: DelayedAcks = wire.protocols.acks
        self.ack_due_ns: int | None = None  # When one goes by itself that waits.
        self.ack_row_ns: int = -1  # For when it stands in the row of ``acks``.
        self.answers: bool = False
        self.heard_ns: int = self.now_ns()  # When the last packet came.
        self.received_ns: int = _LONG_AGO_NS  # When the last data came.
        self.ahead: dict[int, Packet] = {}
        self.ranges: list[tuple[int, int]] = []
        self.latest: tuple[int, int] = (0, 0)  # The one of them that grew last.
        # Whether a reader must say when it has made room: the window shown is less than half open.
        self.blocked: bool = False
        self.capacity: int = sock.rcvbuf * 3 // 4
        self._space = 10 * self.mss  # What was read in the last round trip.
        self._copied = 0  # What had been read when this one began.
        self._adjusted_ns = 0

    # Where a socket keeps its peer stands its connection, for readers to call ``room_made``; this
    # is the rest of what is asked of a peer.
    in_flight = 0
    is_released = False
    known_as: str  # What explored runs call the peer; see ``File``.

    def _refresh(self) -> None:
        """Do nothing: this end can't see what the program at the other one has shut."""

    def begin_receiving(self, seq: int) -> None:
        """Expect the byte after the peer's SYN."""
        self.rcv_nxt = self.ack_sent = self._copied = seq + 1
        self.ack_right = max(self.ack_right, self.rcv_nxt + self.capacity)
        self._adjusted_ns = self.now_ns()

    # -- the window ------------------------------------------------------------------------------

    def window(self) -> int:
        """Return the window to show now, and remember its right edge."""
        free = self.capacity - self.socket.inbox.size
        right = self.rcv_nxt + free
        if right > self.ack_right and free >= min(self.mss, self.capacity // 2):
            self.ack_right = right
        shown = self.ack_right - self.rcv_nxt
        self.blocked = 2 * shown <= self.capacity
        return shown

    def room_made(self) -> None:
        """Show the window anew, after a reader has made room, where it is twice what it was."""
        shown = self.ack_right - self.rcv_nxt
        free = self.capacity - self.socket.inbox.size
        if free >= 2 * shown and free >= min(self.mss, self.capacity // 2) and not self.is_over:
            self.send_ack()

    def resize(self) -> None:
        """Follow SO_RCVBUF."""
        self.capacity = self.socket.rcvbuf * 3 // 4

    def _adjust_in_time(self, now_ns: int, round_trip_ns: int) -> None:
        if now_ns - self._adjusted_ns >= round_trip_ns:
            self._adjust(now_ns)

    def _adjust(self, now_ns: int) -> None:
        """Let the window grow with what the program has read in the round trip that is over."""
        read = self.rcv_nxt - self.socket.inbox.size
        copied, self._copied = read - self._copied, read
        self._adjusted_ns = now_ns
        if copied > self._space:
            self._space = copied
            options = self.socket.options
            if options is None or SO_RCVBUF not in options:
                self.capacity = max(self.capacity, min(4 * copied, _WINDOW_MAX))

    # -- what arrives ----------------------------------------------------------------------------

    def take(self, packet: Packet, round_trip_ns: int) -> None:
        """Take data, or an end of stream."""
        seq, rcv_nxt = packet.seq, self.rcv_nxt
        sock = self.socket
        data = packet.data
        if seq != rcv_nxt:
            self._take_elsewhere(packet)
            return
        if data and self.rcv_nxt + len(data) > self.ack_right:
            self.send_ack()  # No room was promised for it.
            return
        self._take_next(packet)
        while self.ahead and not self.is_over:
            following = self.ahead.pop(self.rcv_nxt, None)
            if following is None:
                break
            self._take_next(following)
        if self.is_over:
            return
        was_behind_hole = bool(self.ranges)
        if was_behind_hole:
            self.ranges = [each for each in self.ranges if each[1] > self.rcv_nxt]
        now_ns = self.heard_ns
        self.received_ns = now_ns
        self._adjust_in_time(now_ns, round_trip_ns)
        if sock.inbox.size * 2 > self.capacity:
            self.blocked = True
        unacknowledged = self.rcv_nxt - self.ack_sent
        if unacknowledged > self.mss or (unacknowledged and (was_behind_hole or not self.answers)):
            self.send_ack()
        elif self.ack_due_ns is None and self.rcv_nxt != self.ack_sent:
            self.acks.delay(self, now_ns)

    def _take_next(self, packet: Packet) -> None:
        if packet.kind == "fin":
            self.rcv_nxt += 1
            self.fin_arrives()
        else:
            self.rcv_nxt += len(packet.data)
            self.socket._arrive(packet.data)

    def fin_arrives(self) -> None:
        """Acknowledge, and tell the socket that the peer sends no more."""
        raise NotImplementedError

    def _take_elsewhere(self, packet: Packet) -> None:
        """Keep what came too early; acknowledge again what is there already."""
        seq = packet.seq
        end = seq + (len(packet.data) or 1)
        if seq > self.rcv_nxt and end <= self.ack_right + 1 and seq not in self.ahead:
            self.ahead[seq] = packet
            self._note_range(seq, end)
        self.send_ack()

    def _note_range(self, start: int, end: int) -> None:
        """Join a range to those that it touches."""
        ranges = self.ranges
        index = bisect_left(ranges, (start, end))
        if index and ranges[index - 1][1] >= start:
            index -= 1
            start = ranges[index][0]
            end = max(end, ranges[index][1])
            del ranges[index]
        while index < len(ranges) and ranges[index][0] <= end:
            end = max(end, ranges[index][1])
            del ranges[index]
        self.latest = (start, end)
        ranges.insert(index, self.latest)

    # -- acknowledging ---------------------------------------------------------------------------

    def make_packet(self, kind: str, data: bytes = b"") -> Packet:
        """Return a packet to the peer, with what is acknowledged and the window."""
        packet = Packet(kind, *self.names, data, self.header_size + len(data))
        packet.seq = self.snd_nxt
        packet.ack = self.ack_sent = self.rcv_nxt
        packet.window = self.window()
        packet.flow = self
        if self.ranges:
            others = (each for each in reversed(self.ranges) if each != self.latest)
            packet.sack = (self.latest, *islice(others, _SACK_BLOCKS - 1))
        self.ack_due_ns = None
        return packet

    def send_ack(self) -> None:
        """Send an acknowledgement by itself."""
        if not self.is_over:
            self.wire.send(self.host, self.make_packet("ack"))

    def check_receiving(self) -> None:
        """Assert the invariants."""
        assert all(seq > self.rcv_nxt for seq in self.ahead), (self.rcv_nxt, list(self.ahead))
        for (_, end), (start, _) in zip(self.ranges, self.ranges[1:], strict=False):
            assert end < start, self.ranges
