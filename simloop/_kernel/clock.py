"""Virtual time as an integer, and the one place where seconds become nanoseconds.

Owns: the unit (nanoseconds since the world began), the moment that never comes, the rounding
between asyncio's float seconds and ours, and which float a clock shows at a moment.

Invariants:

- Inside the engine time is an ``int``; a float appears only at asyncio's edge.
- A timer never fires early: a duration that is not a whole number of nanoseconds rounds up.
  What floating point adds to a decimal (``0.1 + 0.2``) is noise, not a fraction, and is dropped,
  so that a thousand sleeps of 0.1 s end at exactly 100.0.
- A float is too coarse for nanoseconds after some months (a clock that starts at the date of
  today shows hundreds of them as one number). Code that takes a float for a moment of the clock
  has to take it for all moments that show it: :func:`shown`.
- A deadline that is given as a float is never seen before that float is shown. Where floats tell
  nanoseconds apart its noise is dropped all the same, so that ``timeout(0.1)`` at 0.2 (which asks
  for 0.30000000000000004) ends together with ``sleep(0.1)``; the clock then shows that float at
  that nanosecond: :meth:`ShownClock.show`. Where they don't, it is the first nanosecond that shows
  the float: :func:`first_shown`.
- The date as a float is rounded down, as if it were read by a coarser clock: what a program
  computes from it ("60 seconds less those of this minute") is never too short.
"""

from __future__ import annotations

import math
from fractions import Fraction

__all__ = [
    "COARSE_NS",
    "NEVER",
    "NS_PER_SECOND",
    "ShownClock",
    "date_seconds",
    "deadline_ns",
    "first_shown",
    "nanoseconds",
    "seconds",
    "shown",
]

NS_PER_SECOND = 1_000_000_000

NEVER = 1 << 127
"""The deadline that no clock reaches: what ``inf`` seconds means, some 5e21 years away."""
_NEVER = float(NEVER)  # A power of two, so it is exact.

# A fraction of a nanosecond below this is what decimals leave behind in binary floats.
_NOISE_NS = 1e-3
# Sums of some floats are off by some units in the last place of the largest (2e-16 of it).
_NOISE_RATIO = 1e-14
# Up to here, some twelve days, floats tell nanoseconds apart by far.
_FINE_S = float(1 << 20)

COARSE_NS = (1 << 23) * NS_PER_SECOND
"""From here on, 97 days, some nanoseconds share a float: an ulp of a double is 2**-29 s."""

# Where an ulp of a double is 2**-22 s: from January 2004 to January 2038.
_ULP_SHIFT = 22
_ULPS_PER_SECOND = float(1 << _ULP_SHIFT)
_ULP_FROM_NS, _ULP_TO_NS = (1 << 30) * NS_PER_SECOND, (1 << 31) * NS_PER_SECOND


def nanoseconds(value: float) -> int:
    """Turn float seconds into whole nanoseconds: up to the next one, but for decimal noise.

    Args:
        value: Seconds; may be negative. ``inf`` and what is beyond reach give :data:`NEVER`.

    Raises:
        ValueError: ``value`` is not a number.
        TypeError: ``value`` is no real number at all.

    Example:
        >>> nanoseconds(0.1), nanoseconds(0.1 + 0.2), nanoseconds(1e-10)
        (100000000, 300000000, 1)
        >>> nanoseconds(float("inf")) == NEVER
        True
    """
    scaled = value * 1e9
    try:
        whole = int(scaled)
    except OverflowError:
        return NEVER if scaled > 0 else -NEVER
    except ValueError:
        raise ValueError("Invalid delay: NaN (not a number)") from None
    if whole == scaled:
        # Compared as the float that it is: each sleep comes by, and integers this large are slow.
        return whole if -_NEVER < scaled < _NEVER else (NEVER if whole > 0 else -NEVER)
    if whole <= 0:
        # However small, a delay is a delay: loops that sleep for the rest must end.
        return 1 if scaled > 0 else -_round_down(-scaled)
    rest = scaled - whole
    return whole + 1 if rest >= 0.5 or rest > _NOISE_NS + scaled * _NOISE_RATIO else whole  # noqa: PLR2004 - a half


def seconds(value_ns: int) -> float:
    """Turn nanoseconds into the nearest float seconds; :data:`NEVER` is ``inf``.

    Example:
        >>> seconds(1_500_000_000)
        1.5
    """
    return value_ns / NS_PER_SECOND if -NEVER < value_ns < NEVER else _infinity(value_ns)


def shown(value: float) -> tuple[int, int]:
    """Return the first and the last nanosecond that a float of seconds stands for.

    Example:
        >>> shown(1.5)
        (1500000000, 1500000000)
        >>> first, last = shown(1_700_000_000.1)
        >>> last - first, seconds(first) == seconds(last) == 1_700_000_000.1
        (237, True)
    """
    value_ns = nanoseconds(value)
    if -_FINE_S < value < _FINE_S or not -NEVER < value_ns < NEVER:
        return value_ns, value_ns
    exact, below, above = (
        Fraction(each) * NS_PER_SECOND
        for each in (value, math.nextafter(value, -math.inf), math.nextafter(value, math.inf))
    )
    first, last = math.ceil((below + exact) / 2), math.floor((exact + above) / 2)
    if seconds(first) < value:  # A tie, which went to the other float.
        first += 1
    if seconds(last) > value:
        last -= 1
    return (first, last) if first <= last else (value_ns, value_ns)


def first_shown(value: float) -> int:
    """Return the first nanosecond that a float of seconds, :data:`COARSE_NS` or more, stands for.

    The same as ``shown(value)[0]`` in less time. Every product here is exact: a fraction of a
    second has at most 29 bits there, and 1e9 has 21 that are not trailing zeros, of a double's 53.

    Example:
        >>> first_shown(1_700_000_000.1) == shown(1_700_000_000.1)[0]
        True
    """
    value = float(value)
    whole = int(value)
    gap = value - math.nextafter(value, -math.inf)
    first = whole * NS_PER_SECOND + math.ceil((value - whole) * 1e9 - gap * 5e8)
    # A tie goes to the float whose last bit is 0, which may be the one below.
    return first if first / NS_PER_SECOND >= value else first + 1


def deadline_ns(value: float) -> int:
    """Return the first nanosecond at which a clock that shows the nearest float shows ``value``.

    Example:
        >>> deadline_ns(0.1), deadline_ns(0.1 + 0.2)
        (100000000, 300000001)
    """
    value_ns = nanoseconds(value)
    if COARSE_NS < value_ns < NEVER:
        return first_shown(value)
    return value_ns + 1 if value_ns / NS_PER_SECOND < value < math.inf else value_ns


def date_seconds(date_ns: int) -> float:
    """Turn a date in POSIX nanoseconds into float seconds: not later, and less than an ulp away.

    Dates near 1970, where floats tell nanoseconds apart, give the nearest float: it is too near
    for a difference to show, and 0.1 s is 0.1.

    Example:
        >>> date_seconds(1_704_067_200_000_000_200)
        1704067200.0
    """
    if _ULP_FROM_NS <= date_ns < _ULP_TO_NS:
        return (date_ns << _ULP_SHIFT) // NS_PER_SECOND / _ULPS_PER_SECOND
    nearest = date_ns / NS_PER_SECOND
    if -COARSE_NS < date_ns < COARSE_NS or Fraction(nearest) * NS_PER_SECOND <= date_ns:
        return nearest
    return math.nextafter(nearest, -math.inf)


class ShownClock:
    """What a clock of whole nanoseconds shows in float seconds: the nearest one, or a bit more."""

    __slots__ = ("now_ns", "shown_ns", "shown_s")

    def __init__(self, now_ns: int) -> None:
        # On the object: reading them from the class costs more than all the rest of ``time()``.
        self.now_ns: int = now_ns
        # At which nanosecond it shows ``shown_s``: what it was told to, or the last that was asked.
        self.shown_ns: int = -1
        self.shown_s: float = -1e-9

    def now_s(self) -> float:
        """Return the time in float seconds."""
        now_ns = self.now_ns
        if now_ns == self.shown_ns:
            return self.shown_s
        self.shown_s = now_s = now_ns / NS_PER_SECOND
        self.shown_ns = now_ns
        return now_s

    def show(self, value: float) -> None:
        """Show at least ``value`` for the rest of this nanosecond, which it is a part of.

        Example:
            >>> clock = ShownClock(300_000_000)
            >>> clock.show(0.1 + 0.2)
            >>> clock.now_s()
            0.30000000000000004
        """
        if value > self.now_s():
            self.shown_ns, self.shown_s = self.now_ns, value


def _infinity(value_ns: int) -> float:
    return float("inf") if value_ns > 0 else float("-inf")


def _round_down(scaled: float) -> int:
    """Round a positive number of nanoseconds down, unless noise keeps it from the next one."""
    nearest = round(scaled)
    noise = _NOISE_NS + scaled * _NOISE_RATIO
    return nearest - 1 if nearest - scaled > noise else nearest
