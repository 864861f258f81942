"""How much may be on its way: the congestion window, by CUBIC.

Owns: the window in segments, how acknowledgements let it grow, how a loss makes it smaller. Must
not know segments, nor what was lost. Times are nanoseconds.

Sources: RFC 9438 (CUBIC) and ``net/ipv4/tcp_cubic.c``, without HyStart; RFC 6928 for the first
window; RFC 6937 for how it shrinks during recovery (proportional rate reduction).

Invariant: the window is at least 1.
"""

from __future__ import annotations

import math

__all__ = ["FIRST_WINDOW", "Congestion"]

FIRST_WINDOW = 10  # RFC 6928
_SHRINKS = 717 / 1024  # What is left of the window after a loss.
_CUBIC = 0.4  # Segments per second cubed.
_AS_RENO = 15 / 8  # So many windows of acknowledgements are one segment more, to keep up with Reno.
_TICK_NS = 31_250_000  # The curve is looked up again after HZ / 32.


class Congestion:
    """The congestion window of a connection.

    >>> congestion = Congestion()
    >>> congestion.grow(10, 0, 50_000_000)
    >>> congestion.window
    20
    """

    __slots__ = (
        "_acked",
        "_acks_per_segment",
        "_epoch_ns",
        "_looked_up",
        "_max",
        "_origin",
        "_reno",
        "_since_last",
        "_until_max_s",
        "delivered",
        "sent",
        "threshold",
        "window",
        "window_before",
    )

    def __init__(self) -> None:
        self.window: int = FIRST_WINDOW
        self.threshold: float = math.inf  # Below it: slow start.
        # Of a recovery: what was delivered and sent in it, and the window before it.
        self.delivered: int = 0
        self.sent: int = 0
        self.window_before: int = 0
        self._acked = self._since_last = 0
        self._acks_per_segment = 1.0
        self._epoch_ns: int | None = None
        self._looked_up = (0, -_TICK_NS)
        self._max = self._origin = self._reno = 0
        self._until_max_s = 0.0

    def grow(self, acked: int, now_ns: int, round_trip_ns: int) -> None:
        """Grow by acknowledged segments."""
        if self.window < self.threshold:
            grown = min(self.window + acked, self.threshold)
            acked -= int(grown) - self.window
            self.window = int(grown)
            if acked <= 0:
                return
        self._look_up(acked, now_ns, round_trip_ns)
        self._since_last += acked
        if self._since_last >= self._acks_per_segment:
            more = int(self._since_last / self._acks_per_segment)
            self._since_last -= int(more * self._acks_per_segment)
            self.window += more

    def _look_up(self, acked: int, now_ns: int, round_trip_ns: int) -> None:
        """Find out how many acknowledgements make one segment more: ``bictcp_update``."""
        self._acked += acked
        window, looked_up_ns = self._looked_up
        if window == self.window and now_ns - looked_up_ns <= _TICK_NS:
            return
        self._looked_up = (self.window, now_ns)
        if self._epoch_ns is None:
            self._begin_epoch(acked, now_ns)
        assert self._epoch_ns is not None
        seconds = (now_ns + round_trip_ns - self._epoch_ns) / 1e9 - self._until_max_s
        target = self._origin + _CUBIC * seconds**3
        acks = self.window / (target - self.window) if target > self.window else 100 * self.window
        if not self._max:
            acks = min(acks, 20.0)
        per_segment = int(self.window * _AS_RENO)
        if per_segment:
            more, self._acked = divmod(self._acked, per_segment)
            self._reno += more
        if self._reno > self.window:
            acks = min(acks, self.window / (self._reno - self.window))
        self._acks_per_segment = max(acks, 2.0)

    def _begin_epoch(self, acked: int, now_ns: int) -> None:
        self._epoch_ns = now_ns
        self._acked = acked
        self._reno = self.window
        self._until_max_s = 0.0
        self._origin = self.window
        if self._max > self.window:
            # In milliseconds: the last bits of a root differ from one C library to the next.
            self._until_max_s = round(math.cbrt((self._max - self.window) / _CUBIC), 3)
            self._origin = self._max

    def lose(self) -> None:
        """Take note of a loss, once for all that is on its way: the threshold falls."""
        self._epoch_ns = None
        window = self.window
        self._max = int(window * (1 + _SHRINKS) / 2) if window < self._max else window
        self.threshold = max(int(window * _SHRINKS), 2)
        self.delivered = self.sent = 0
        self.window_before = window

    def reduce(self, delivered: int, in_flight: int) -> None:
        """Shrink in proportion to what arrives: ``tcp_cwnd_reduction`` of tcp_input.c."""
        self.delivered += delivered
        threshold = int(self.threshold)
        if in_flight > threshold:
            share = -(-threshold * self.delivered // max(self.window_before, 1)) - self.sent
        else:
            share = min(threshold - in_flight, max(self.delivered - self.sent, delivered) + 1)
        self.window = max(1, in_flight + max(share, 0 if self.sent else 1))

    def restart(self, idle_ns: int, rto_ns: int) -> None:
        """Shrink after a silence: by half for each timeout that it lasted (RFC 2861)."""
        self.threshold = max(self.threshold, (self.window * 3) // 4)
        while idle_ns > rto_ns and self.window > FIRST_WINDOW:
            self.window = max(self.window >> 1, FIRST_WINDOW)
            idle_ns -= rto_ns
