"""What a connection does when nothing is heard: repeat, probe, give up.

Owns: the timer of retransmission in its four meanings (retransmission, tail loss probe, holes, a
closed window), the timer of keep-alive, the back-off, and the moment in which a connection is given
up. Must not know what an error means to a program.

A connection gives up at the first timeout at which the retransmissions have gone on for as long as
``tcp_retries2`` doublings of 200 ms would take (``retransmits_timed_out`` of net/ipv4/tcp_timer.c),
or for TCP_USER_TIMEOUT. The error is ETIMEDOUT, or what an ICMP error said meanwhile, which is soft
(RFC 1122, 4.2.3.9).

Where the wire is calm, probes would be answered and change nothing: there are none (``Wire``).

Sources: RFC 6298, RFC 8985 (7: tail loss probe), RFC 9293 (3.8.6.1 closed windows, 3.8.4
keep-alive), RFC 6069 (ICMP undoes the back-off), tcp(7), and net/ipv4/tcp_timer.c.

Invariant: while a segment is out the timer is set.
"""

from __future__ import annotations

import errno
from enum import Enum, auto
from typing import TYPE_CHECKING

from simloop.net.inet import options as opt
from simloop.net.inet.socket_file import SOL_SOCKET
from simloop.net.linux import socket_names

from .round_trip import RTO_MAX_NS, RTO_MIN_NS
from .sending import Sending, Trouble
from .timer import Timer

if TYPE_CHECKING:
    from simloop.net.host import Host
    from simloop.net.wire.wire import Wire

    from .remote_tcp import RemoteTcpSocket

__all__ = ["Meaning", "Timeouts", "doublings_ns"]

_PROBE_MARGIN_NS = 2_000_000  # TCP_TIMEOUT_MIN
_SECOND_NS = 1_000_000_000
_ORPHAN_RETRIES = 8  # tcp_orphan_retries
_KEEPALIVE = (SOL_SOCKET, int(socket_names.SO_KEEPALIVE))
_USER_TIMEOUT = (opt.IPPROTO_TCP, int(socket_names.TCP_USER_TIMEOUT))
# An option in seconds or a count, and the sysctl that is its default.
_IDLE = ((opt.IPPROTO_TCP, int(socket_names.TCP_KEEPIDLE)), "net.ipv4.tcp_keepalive_time")
_INTERVAL = ((opt.IPPROTO_TCP, int(socket_names.TCP_KEEPINTVL)), "net.ipv4.tcp_keepalive_intvl")
_PROBES = ((opt.IPPROTO_TCP, int(socket_names.TCP_KEEPCNT)), "net.ipv4.tcp_keepalive_probes")


def doublings_ns(count: int, first_ns: int) -> int:
    """Return how long a number of retransmissions takes, each after twice the time.

    Steps end at two minutes: ``tcp_model_timeout`` of net/ipv4/tcp_timer.c.

    >>> doublings_ns(6, 10**9) / 1e9, doublings_ns(15, 200_000_000) / 1e9
    (127.0, 924.6)
    """
    steepest = (RTO_MAX_NS // first_ns).bit_length() - 1
    if count <= steepest:
        return ((2 << count) - 1) * first_ns
    return ((2 << steepest) - 1) * first_ns + (count - steepest) * RTO_MAX_NS


class Meaning(Enum):
    """What the timer of retransmission is set for."""

    RETRANSMIT = auto()
    PROBE = auto()  # The tail of what was sent may be lost.
    HOLES = auto()  # What arrived behind a hole may just have been faster.
    WINDOW = auto()  # The peer has no room, and may have lost the word that it has again.


class Timeouts(Sending):
    """The part of a connection that acts when time has passed."""

    __slots__ = (
        "backoff",
        "keepalive",
        "meaning",
        "probes",
        "probing_since_ns",
        "soft_error",
        "timer",
    )

    # Inherited, and said again where this class sets them: type checkers infer each its own.
    probe_end: int
    heard_ns: int
    retries: int

    def __init__(self, wire: Wire, host: Host, sock: RemoteTcpSocket, mtu: int) -> None:
        super().__init__(wire, host, sock, mtu)
        self.timer: Timer = Timer(wire, self._fire)
        self.meaning: Meaning = Meaning.RETRANSMIT
        self.backoff: int = 0  # How often the time was doubled.
        self.soft_error: int = 0
        self.probes: int = 0  # Without an answer, to a closed window or an idle peer.
        self.probing_since_ns: int | None = None
        self.keepalive: Timer | None = None

    def _rto_ns(self) -> int:
        return min(self.trip.rto_ns << self.backoff, RTO_MAX_NS)

    def _start(self, meaning: Meaning, after_ns: int) -> None:
        self.meaning = meaning
        self.timer.start(self.now_ns() + after_ns)

    def twin_answers(self) -> bool:
        """Return whether the peer is there, and would answer a probe."""
        raise NotImplementedError

    def give_up(self, code: int) -> None:
        """End the connection with an error."""
        raise NotImplementedError

    # -- setting the timer ---------------------------------------------------------------------

    def sent(self) -> None:
        """Set the timer after something new was sent."""
        if self.timer.due_ns is None or self.meaning in (Meaning.PROBE, Meaning.WINDOW):
            self._retransmit_or_probe(is_acked=False)

    def acked_new(self) -> None:
        """Set the timer after something new was acknowledged."""
        self.backoff = 0
        self.soft_error = 0
        if not self.segments:
            self.timer.stop()
            unsent = self.socket.unsent
            if unsent is not None and unsent.size and self.snd_window <= 0:
                self.window_is_closed()
        elif self.sacked:
            self.watch_holes()
        else:
            self._retransmit_or_probe(is_acked=True)

    def _retransmit_or_probe(self, *, is_acked: bool) -> None:
        """Set the timer: for a tail loss probe, where one may help (RFC 8985, 7.2)."""
        trip_ns = self.trip.srtt_ns
        rto_ns = self._rto_ns()
        if not trip_ns or self.trouble is not Trouble.NONE or self.sacked or self.probe_end:
            self._start(Meaning.RETRANSMIT, rto_ns)
            return
        is_lone = len(self.segments) == 1
        after_ns = 2 * trip_ns + (RTO_MIN_NS if is_lone else _PROBE_MARGIN_NS)
        if not is_acked:
            rto_ns += self.segments[0].sent_ns - self.now_ns()
        self._start(Meaning.PROBE, max(min(after_ns, rto_ns), 1))

    def watch_holes(self) -> None:
        """Set the timer for segments that will be lost if nothing is heard soon."""
        if not self.segments:
            return
        soonest = self.find_lost() if self.sacked else None
        if soonest is not None:
            self._start(Meaning.HOLES, soonest + _PROBE_MARGIN_NS)
        else:
            self._start(Meaning.RETRANSMIT, self._rto_ns())

    def window_is_closed(self) -> None:
        """Ask for room, unless the word that there is some can't be lost."""
        if self.timer.due_ns is None:
            if self.wire.is_calm and self.twin_answers():
                self.wire.sleepers[self] = None
            else:
                self._start(Meaning.WINDOW, self._rto_ns())

    # -- firing --------------------------------------------------------------------------------

    def _fire(self) -> None:
        meaning = self.meaning
        if meaning is Meaning.WINDOW:
            self._probe_window()
        elif not self.segments:
            return
        elif meaning is Meaning.RETRANSMIT:
            self._retransmit()
        elif meaning is Meaning.PROBE:
            self._send_tail()
        else:
            self._lose_holes()

    def _send_tail(self) -> None:
        """Send the last segment again, to hear what has arrived of the others."""
        segment = self.segments[-1]
        segment.tries += 1
        self.probe_end = self.snd_nxt
        self.transmit(segment)
        self._start(Meaning.RETRANSMIT, self._rto_ns())

    def _lose_holes(self) -> None:
        self.heard_ns = self.now_ns()
        self.find_lost()
        if self.lost:
            self._enter_recovery()
        self.output()
        self.watch_holes()

    def _enter_recovery(self) -> None:
        if self.trouble is Trouble.NONE:
            super()._enter_recovery()

    def _retransmit(self) -> None:
        """Repeat the first segment; all others count as lost (RFC 6298, 5.4 to 5.6)."""
        now_ns = self.now_ns()
        if self._is_hopeless(now_ns):
            self.give_up(self.soft_error or errno.ETIMEDOUT)
            return
        self.lose_all()
        self.retries += 1
        self.probe_end = 0
        self.backoff += 1
        self.resend_lost()
        self._start(Meaning.RETRANSMIT, self._until_retry_ns(now_ns))

    def _until_retry_ns(self, now_ns: int) -> int:
        """Return the time to the next repeat, which TCP_USER_TIMEOUT cuts short."""
        after_ns = self._rto_ns()
        user_ns = self.user_timeout_ns()
        if user_ns and self.resent_since_ns is not None:
            left_ns = self.resent_since_ns + user_ns - now_ns
            after_ns = min(after_ns, max(left_ns, 1))
        return after_ns

    def user_timeout_ns(self) -> int:
        """Return TCP_USER_TIMEOUT, 0 if it was not set."""
        options = self.socket.options
        if options is None or _USER_TIMEOUT not in options:
            return 0
        return opt.integer_of(options[_USER_TIMEOUT]) * 1_000_000

    def _retries_max(self) -> int:
        if self.socket.is_released:
            return _ORPHAN_RETRIES
        return self.host.sysctl["net.ipv4.tcp_retries2"]

    def _is_hopeless(self, now_ns: int) -> bool:
        if not self.retries or self.resent_since_ns is None:
            return False
        limit_ns = self.user_timeout_ns() or doublings_ns(self._retries_max(), RTO_MIN_NS)
        return now_ns - self.resent_since_ns >= limit_ns

    def _probe_window(self) -> None:
        """Ask a peer without room whether it has some by now: ``tcp_probe_timer``."""
        unsent = self.socket.unsent
        if self.segments or unsent is None or not unsent.size or self.snd_window > 0:
            return
        now_ns = self.now_ns()
        if self.probing_since_ns is None:
            self.probing_since_ns = now_ns
        user_ns = self.user_timeout_ns()
        is_over_time = user_ns and now_ns - self.probing_since_ns >= user_ns
        if is_over_time or self.probes >= self._retries_max():
            self.give_up(self.soft_error or errno.ETIMEDOUT)
            return
        self.probes += 1
        self.backoff += 1
        self.send_probe()
        self._start(Meaning.WINDOW, self._rto_ns())

    def send_probe(self) -> None:
        """Send what the peer must answer: an old sequence number (RFC 9293, 3.8.4)."""
        packet = self.make_packet("ack")
        packet.seq = self.snd_una - 1
        self.wire.send(self.host, packet)

    # -- what an ICMP error says ---------------------------------------------------------------

    def unreachable(self, code: int, seq: int) -> None:
        """Note that a router could not deliver; it undoes one doubling (``tcp_ld_RTO_revert``)."""
        self.soft_error = code
        if seq != self.snd_una or not self.retries or not self.backoff or not self.segments:
            return
        self.backoff -= 1
        due_ns = self.segments[0].sent_ns + self._rto_ns()
        self._start(Meaning.RETRANSMIT, max(due_ns - self.now_ns(), 1))

    # -- keep-alive --------------------------------------------------------------------------------

    def settle_keepalive(self) -> None:
        """Follow SO_KEEPALIVE and its times."""
        if self.is_over:
            return
        if not self.socket.flag(*_KEEPALIVE):
            if self.keepalive is not None:
                self.keepalive.end()
                self.keepalive = None
            return
        if self.wire.is_calm and self.twin_answers():
            self.wire.sleepers[self] = None
            return
        if self.keepalive is None:
            self.keepalive = Timer(self.wire, self._keep_alive)
        self.keepalive.stop()
        due_ns = self.heard_ns + self._setting(_IDLE) * _SECOND_NS
        self.keepalive.start(max(due_ns, self.now_ns()))

    def _setting(self, setting: tuple[opt.Key, str]) -> int:
        """Return an option, or the host's default of it."""
        options = self.socket.options
        if options is not None and setting[0] in options:
            return opt.integer_of(options[setting[0]])
        return self.host.sysctl[setting[1]]

    def _keep_alive(self) -> None:
        """Probe a peer that was silent for too long, or give it up: ``tcp_keepalive_timer``."""
        assert self.keepalive is not None
        if self.wire.is_calm and self.twin_answers():
            self.wire.sleepers[self] = None
            return
        now_ns = self.now_ns()
        unsent = self.socket.unsent
        idle_ns = self._setting(_IDLE) * _SECOND_NS
        if self.segments or (unsent is not None and unsent.size):
            self.keepalive.start(now_ns + idle_ns)
            return
        silent_ns = now_ns - self.heard_ns
        if silent_ns < idle_ns:
            self.settle_keepalive()
            return
        user_ns = self.user_timeout_ns()
        if user_ns:
            is_enough = silent_ns >= user_ns and self.probes > 0
        else:
            is_enough = self.probes >= self._setting(_PROBES)
        if is_enough:
            self.give_up(self.soft_error or errno.ETIMEDOUT)
            return
        self.probes += 1
        self.send_probe()
        self.keepalive.start(now_ns + self._setting(_INTERVAL) * _SECOND_NS)

    def wake(self) -> None:
        """Begin to probe: something may be lost from now on."""
        if self.is_over:
            return
        unsent = self.socket.unsent
        if not self.segments and unsent is not None and unsent.size and self.snd_window <= 0:
            self.window_is_closed()
        self.settle_keepalive()
