"""Delay codes: how long a delay is, as one small integer.

Owns: the code. 0 is no delay. 1 to ``RANKS`` last until the k-th distinct moment at which
something is due; the next ``RANKS`` the same and one nanosecond more, so that what is due then has
happened; the rest is a log scale, twelve steps a decade, from a microsecond on.

A rank says what a delay is *for* ("until that timeout") and holds when the program's times change,
so shrinking lives on them; the log scale reaches deadlines that are not set yet.

Must not know: clocks, and whether a delay is allowed.

Invariant: a code is a shorter delay than the next of its group, and every code below ``CODES`` has
a meaning.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CODES", "LOG_FIRST", "PER_DECADE", "RANKS", "TICKS", "length_ns", "log_code", "log_ns"]

RANKS = 32
"""How many pending moments have a code."""

TICKS = 1
"""By how many nanoseconds the second group of ranks passes its moment."""

PER_DECADE = 12
"""Steps of the log scale from a length to ten times as much."""

LOG_FIRST = 1 + 2 * RANKS
"""The first code of the log scale, a microsecond."""

_LOG_STEPS = 10 * PER_DECADE
_SHORTEST_NS = 1_000

CODES = LOG_FIRST + _LOG_STEPS
"""How many codes there are."""

_LOG_NS = [round(_SHORTEST_NS * 10 ** (step / PER_DECADE)) for step in range(_LOG_STEPS)]


def log_ns(code: int) -> int:
    """Return how long a code of the log scale lasts, in nanoseconds.

    Example:
        >>> log_ns(LOG_FIRST), log_ns(LOG_FIRST + PER_DECADE)
        (1000, 10000)
    """
    return _LOG_NS[code - LOG_FIRST]


def log_code(ns: float) -> int:
    """Return the code of the longest length of the log scale that is not above ``ns``.

    Below a microsecond it is that of a microsecond.

    Example:
        >>> log_ns(log_code(50_000)) <= 50_000 < log_ns(log_code(50_000) + 1)
        True
    """
    return LOG_FIRST + max(0, bisect_right(_LOG_NS, ns) - 1)


def length_ns(code: int, moments: Sequence[int], now_ns: int) -> int:
    """Return how long a delay is that begins now, in nanoseconds; 0 if there is no such moment.

    Args:
        code: The code, above 0.
        moments: When something is due, distinct, in order, all after now; only ranks look at it.
        now_ns: The time.

    Example:
        >>> length_ns(2, [50, 70], now_ns=10), length_ns(RANKS + 2, [50, 70], now_ns=10)
        (60, 61)
    """
    if code >= LOG_FIRST:
        return _LOG_NS[code - LOG_FIRST]
    rank = (code - 1) % RANKS
    if rank >= len(moments):
        return 0
    return moments[rank] - now_ns + (TICKS if code > RANKS else 0)
