"""A connection between two hosts: what one end does with each packet.

Owns: the handshake of the end that connects, which packets are for what, resets. Must not know
listeners (``tcp_stack.py``), nor what calls answer (``RemoteTcpSocket``). Its three parts, each
with its own theory: ``receiving.py``, ``sending.py``, ``timeouts.py``.

Which packet is what, in the order of RFC 9293, 3.10.7.4::

    SYN_SENT     SYN+ACK of our SYN -> ESTABLISHED, ACK     RST of our SYN -> ECONNREFUSED
                 any other ACK -> RST                       ICMP -> its errno
    all others   RST in the window -> ECONNRESET            SYN, old packets -> ACK
                 ACK -> sent bytes are done                 data, FIN -> taken, acknowledged

Sources: RFC 9293; RFC 5961 for resets and SYNs that come late; RFC 5461 for ICMP errors, which end
a connection that is not there yet and are soft errors of one that is.

Invariants: a connection is in its stack's table exactly until it is over; its timers are set only
until then.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from simloop.net.inet import options as opt
from simloop.net.inet.tcp_states import SYN_SENT
from simloop.net.linux import socket_names

from .quiet import Quiet
from .round_trip import RTO_FIRST_NS
from .timeouts import doublings_ns
from .timer import Timer

if TYPE_CHECKING:
    from simloop.net.wire.packet import Packet

    from .remote_tcp import RemoteTcpSocket
    from .tcp_stack import Key, TcpStack

__all__ = ["Connection"]

_SYNCNT = (opt.IPPROTO_TCP, int(socket_names.TCP_SYNCNT))
_SYN_SIZE = 60


class Connection(Quiet):
    """One end of a connection between two hosts."""

    __slots__ = ("key", "opened_ns", "stack", "syn_timer", "syns")

    # Inherited, and said again where this class sets them: type checkers infer each its own.
    snd_una: int
    snd_nxt: int
    snd_window: int
    window_ack: int
    heard_ns: int
    backoff: int
    probes: int
    probing_since_ns: int | None
    blocked: bool
    is_over: bool
    ack_due_ns: int | None
    far: Any

    def __init__(self, stack: TcpStack, sock: RemoteTcpSocket) -> None:
        assert sock.local is not None
        assert sock.remote is not None
        self.stack: TcpStack = stack
        self.key: Key = (sock.local, sock.remote)
        super().__init__(stack.wire, stack.host, sock, stack.mtu_to(sock.remote[0]))
        self.opened_ns: int = self.now_ns()
        self.syn_timer: Timer | None = None
        self.syns: int = 0
        stack.connections[self.key] = self

    @property
    def twin(self) -> Connection | None:
        """The other end, if there is one: for those that look at a run from outside."""
        stack = self._peer_stack()
        return None if stack is None else stack.connections.get(self.key[::-1])

    def _peer_stack(self) -> TcpStack | None:
        host = self.wire.network.owners.get(self.key[1][0])
        return None if host is None or host.is_off else self.stack.of(host)

    def twin_answers(self) -> bool:
        """Return whether the peer is there, or about to be, and would answer a probe."""
        stack, key = self._peer_stack(), self.key[::-1]
        return stack is not None and (key in stack.connections or key in stack.requests)

    @property
    def unsent_size(self) -> int:
        """What the peer's program has sent and this end has not received."""
        twin = self.twin
        if twin is None:
            return 0
        return max(0, twin.socket.unsent_size + twin.snd_nxt - twin.fin_is_sent - self.rcv_nxt)

    # -- the handshake -------------------------------------------------------------------------

    def open(self) -> None:
        """Send the first SYN."""
        self.syn_timer = Timer(self.wire, self._syn_unanswered)
        self.snd_nxt += 1
        self._send_syn()

    def _send_syn(self) -> None:
        packet = self.make_packet("syn")
        packet.seq, packet.ack = self.snd_una, 0
        packet.size = _SYN_SIZE
        packet.window = self.capacity
        packet.mss = self.stack.mss_of(self.key[1][0])
        self.wire.send(self.host, packet)
        assert self.syn_timer is not None
        self.syn_timer.start(self.now_ns() + (RTO_FIRST_NS << self.backoff))

    def _syn_unanswered(self) -> None:
        """Send the SYN again, or give up: tcp_syn_retries, tcp_syn_linear_timeouts of ip-sysctl."""
        sysctl = self.host.sysctl
        options = self.socket.options or {}
        retries = sysctl["net.ipv4.tcp_syn_retries"]
        if _SYNCNT in options:
            retries = opt.integer_of(options[_SYNCNT])
        limit_ns = self.user_timeout_ns() or doublings_ns(retries, RTO_FIRST_NS)
        if self.syns and self.now_ns() - self.opened_ns >= limit_ns:
            self.socket.fail(self.soft_error or errno.ETIMEDOUT)
            return
        self.syns += 1
        if self.syns > sysctl["net.ipv4.tcp_syn_linear_timeouts"]:
            self.backoff += 1
        self._send_syn()

    def _receive_opening(self, packet: Packet) -> None:
        """Take the answer to a SYN: RFC 9293, 3.10.7.3."""
        kind = packet.kind
        if kind == "rst":
            if packet.ack == self.snd_nxt:
                self.socket.fail(errno.ECONNREFUSED)
        elif kind != "syn" and packet.ack != self.snd_nxt:
            self.stack.answer_reset(packet)
        elif kind == "syn-ack":
            self._answered(packet)

    def _answered(self, packet: Packet) -> None:
        assert self.syn_timer is not None
        self.syn_timer.end()
        self.syn_timer = None
        if not self.syns:
            self.trip.sample(self.now_ns() - self.opened_ns, self.snd_una, self.snd_nxt)
        self.backoff = 0
        self.snd_una = self.snd_nxt
        self.start_with(packet)
        self.send_ack()
        self.socket.established()

    def start_with(self, packet: Packet) -> None:
        """Begin both directions, by what the peer's first packet says."""
        self.heard_ns = self.now_ns()
        self.begin_receiving(packet.seq)
        self.snd_window, self.window_ack = packet.window, packet.seq

    # -- packets -------------------------------------------------------------------------------

    def receive(self, packet: Packet) -> None:
        """Take a packet of this connection."""
        flow = packet.flow
        if flow is not None:
            flow.far = self
        kind = packet.kind
        if self.socket.state is SYN_SENT:
            self._receive_opening(packet)
        elif kind == "rst":
            if self.rcv_nxt <= packet.seq <= self.ack_right:
                self.socket._reset_arrives()
        elif kind == "syn":
            self.send_ack()
        elif kind == "syn-ack":
            self.send_ack()  # The last packet of the handshake was lost.
        else:
            self.heard_ns = self.now_ns()
            self.probes = 0
            self.probing_since_ns = None
            self.acknowledge(packet)
            if self.is_over:
                return
            if kind != "ack":
                self.take(packet, self.trip.srtt_ns)
            elif packet.seq < self.ack_sent:
                self.send_ack()  # A probe.

    def receive_error(self, packet: Packet) -> None:
        """Take an ICMP error about a packet of ours."""
        if self.socket.state is SYN_SENT:
            self.socket.fail(packet.code)
        else:
            self.unreachable(packet.code, packet.about.seq)

    def fin_arrives(self) -> None:
        """Acknowledge, and tell the socket that the peer sends no more."""
        self.send_ack()
        self.socket._fin_arrives()

    def fin_acked(self) -> None:
        """Tell the socket that the peer has its end of stream."""
        self.socket._fin_acked()

    def send_reset(self) -> None:
        """Tell the peer that the connection is no more."""
        self.wire.send(self.host, self.make_packet("rst"))

    # -- the end -------------------------------------------------------------------------------

    def give_up(self, code: int) -> None:
        """End the connection with an error, without a word to the peer."""
        self.socket.abort(code)

    def end(self) -> None:
        """Stop all timers, and be found no more."""
        if self.is_over:
            return
        self.is_over = True
        self.blocked = False
        self.far = None
        self.ack_due_ns = None
        for timer in (self.timer, self.syn_timer, self.keepalive):
            if timer is not None:
                timer.end()
        self.wire.sleepers.pop(self, None)
        if self.stack.connections.get(self.key) is self:
            del self.stack.connections[self.key]

    def check(self) -> None:
        """Assert the invariants of all parts."""
        self.check_receiving()
        self.check_sending()
        assert self.is_over or self.stack.connections[self.key] is self
        if self.segments and not self.is_over:
            assert self.timer.due_ns is not None
