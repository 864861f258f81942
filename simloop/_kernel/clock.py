"""Virtual time as an integer, and the one place where seconds become nanoseconds.

Owns: the unit (nanoseconds since the world began), the moment that never comes, and the rounding
between asyncio's float seconds and ours.

Invariants:

- Inside the engine time is an ``int``; a float appears only at asyncio's edge.
- A timer never fires early: a duration that is not a whole number of nanoseconds rounds up.
  What floating point adds to a decimal (``0.1 + 0.2``) is noise, not a fraction, and is dropped,
  so that a thousand sleeps of 0.1 s end at exactly 100.0.
- A float is too coarse for nanoseconds after some months (a clock that starts at the date of
  today shows hundreds of them as one number). Code that takes a float for a moment of the clock
  has to take it for all moments that show it: :func:`shown`.
"""

from __future__ import annotations

import math
from fractions import Fraction

__all__ = ["NEVER", "NS_PER_SECOND", "nanoseconds", "seconds", "shown"]

NS_PER_SECOND = 1_000_000_000

NEVER = 1 << 127
"""The deadline that no clock reaches: what ``inf`` seconds means, some 5e21 years away."""

# A fraction of a nanosecond below this is what decimals leave behind in binary floats.
_NOISE_NS = 1e-3
# Sums of some floats are off by some units in the last place of the largest (2e-16 of it).
_NOISE_RATIO = 1e-14
# Up to here, some twelve days, floats tell nanoseconds apart by far.
_FINE_S = float(1 << 20)


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
        return whole if -NEVER < whole < NEVER else (NEVER if whole > 0 else -NEVER)
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


def _infinity(value_ns: int) -> float:
    return float("inf") if value_ns > 0 else float("-inf")


def _round_down(scaled: float) -> int:
    """Round a positive number of nanoseconds down, unless noise keeps it from the next one."""
    nearest = round(scaled)
    noise = _NOISE_NS + scaled * _NOISE_RATIO
    return nearest - 1 if nearest - scaled > noise else nearest
