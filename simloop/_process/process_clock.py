"""The clock that a machine shows its processes, where that is not the world's own.

Owns: turning the world's time into the machine's, and back. A crystal that runs fast by 50 parts
in a million shows 50 us more after each second; a wall clock that was set wrong is ahead by its
skew. A machine with neither has no such clock, and pays for none.

Must not know: who asks.

Invariants:

- The clock never goes back, and ``true_ns(own_ns(t)) >= t``: a timer set by the machine's clock
  never fires before that clock shows its time.
- Time is an integer count of nanoseconds; the drift is a fraction, so nothing is ever rounded
  twice.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from simloop._kernel import seconds

if TYPE_CHECKING:
    from simloop._kernel import Kernel, Limits

__all__ = ["ProcessClock"]


class ProcessClock:
    """A machine's clock beside the kernel's.

    Args:
        kernel: The world's clock.
        skew_ns: How far the wall clock is ahead of the world's.
        drift: The rate error of all clocks of the machine: 5e-5 is 50 ppm fast.

    Example:
        >>> from simloop._kernel import Kernel
        >>> kernel = Kernel(start_ns=1_000_000)
        >>> clock = ProcessClock(kernel, drift=0.5)
        >>> clock.now_ns, clock.true_ns(1_500_000)
        (1500000, 1000000)
    """

    __slots__ = ("_kernel", "_own_ns", "_rate", "_since_ns", "skew_ns")

    def __init__(self, kernel: Kernel, *, skew_ns: int = 0, drift: float = 0.0) -> None:
        self._kernel = kernel
        self._rate = 1 + Fraction(str(drift))
        self._since_ns = self._own_ns = 0
        self.skew_ns: int = skew_ns

    @property
    def now_ns(self) -> int:
        """What the machine's monotonic clock shows."""
        return self._own_ns + int((self._kernel.now_ns - self._since_ns) * self._rate)

    @property
    def drift(self) -> float:
        """The rate error of all clocks of the machine."""
        return float(self._rate - 1)

    def set_drift(self, drift: float) -> None:
        """Let the clock run at another rate from now on."""
        self._own_ns, self._since_ns = self.now_ns, self._kernel.now_ns
        self._rate = 1 + Fraction(str(drift))

    def now_s(self) -> float:
        """Return what it shows in float seconds."""
        return seconds(self.now_ns)

    @property
    def limits(self) -> Limits:
        """The limits of the run."""
        return self._kernel.limits

    @property
    def steps(self) -> int:
        """How many steps the world has begun."""
        return self._kernel.steps

    def true_ns(self, own_ns: int) -> int:
        """Return the world's time at which this clock first shows ``own_ns``."""
        ahead_ns = own_ns - self._own_ns
        return self._since_ns - (-ahead_ns * self._rate.denominator // self._rate.numerator)

    def block(self, duration_ns: int, /) -> None:
        """Let a callback block the world for so long by this clock."""
        self._kernel.block(max(self.true_ns(self.now_ns + duration_ns) - self._kernel.now_ns, 0))
