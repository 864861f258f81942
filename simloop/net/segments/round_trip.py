"""How long a round trip takes, and how long to wait for an acknowledgement.

Owns: the estimate of one connection, as Linux keeps it (``tcp_rtt_estimator`` of
net/ipv4/tcp_input.c, after RFC 6298): the smoothed round trip, its deviation with a floor of 200
ms, which falls once per round trip only. Must not know segments. Times are nanoseconds.

Invariants: before the first sample ``rto_ns`` is a second (RFC 6298, 2.1); after it, it is the
smoothed round trip and at least 200 ms more.
"""

from __future__ import annotations

__all__ = ["RTO_FIRST_NS", "RTO_MAX_NS", "RTO_MIN_NS", "RoundTrip"]

RTO_FIRST_NS = 1_000_000_000  # TCP_TIMEOUT_INIT
RTO_MIN_NS = 200_000_000  # TCP_RTO_MIN
RTO_MAX_NS = 120_000_000_000  # TCP_RTO_MAX


class RoundTrip:
    """The round trip of a connection.

    >>> trip = RoundTrip()
    >>> trip.sample(50_000_000, 1, 1)
    >>> trip.srtt_ns, trip.rto_ns
    (50000000, 250000000)
    """

    __slots__ = ("_deviation", "_deviation_max", "_seq", "_variance", "min_ns", "rto_ns", "srtt_ns")

    def __init__(self) -> None:
        self.srtt_ns: int = 0  # 0: not known yet.
        self.min_ns: int = 0
        self.rto_ns: int = RTO_FIRST_NS
        # Each is four deviations, as in Linux.
        self._deviation = self._deviation_max = self._variance = 0
        self._seq = 0  # What has to be acknowledged until a round trip is over.

    def sample(self, measured_ns: int, acked: int, sent: int) -> None:
        """Take note of one measured round trip.

        Args:
            measured_ns: How long it took.
            acked: Up to where all is acknowledged by now.
            sent: Up to where all is sent by now.
        """
        srtt_ns = self.srtt_ns
        if not srtt_ns:
            self.srtt_ns = self.min_ns = srtt_ns = measured_ns
            self._deviation = 2 * measured_ns
            self._variance = self._deviation_max = max(self._deviation, RTO_MIN_NS)
            self._seq = sent
        else:  # With each request and each answer: min() and max() would cost a tenth more.
            if measured_ns < self.min_ns:  # noqa: PLR1730 - as just said
                self.min_ns = measured_ns
            error = measured_ns - srtt_ns
            self.srtt_ns = srtt_ns = srtt_ns + (error >> 3)
            deviation = self._deviation
            if error >= 0:
                change = error - (deviation >> 2)
            else:
                change = -error - (deviation >> 2)
                if change > 0:
                    change >>= 3  # Where the round trip got shorter, slowly.
            self._deviation = deviation = deviation + change
            if deviation > self._deviation_max:
                self._deviation_max = deviation
                if deviation > self._variance:  # noqa: PLR1730 - as above
                    self._variance = deviation
            if acked > self._seq:
                if self._deviation_max < self._variance:
                    self._variance -= (self._variance - self._deviation_max) >> 2
                self._seq = sent
                self._deviation_max = RTO_MIN_NS
        rto_ns = srtt_ns + self._variance
        self.rto_ns = rto_ns if rto_ns < RTO_MAX_NS else RTO_MAX_NS  # noqa: FURB136 - as above
