"""How long a packet takes: distributions, each with a least time.

Owns: the shapes that ``configure(latency=...)`` takes. Must not know paths. Drawing is a call with
a source of random numbers; times are nanoseconds inside and seconds in what users write.

Invariant: what is drawn is at least ``minimum``, and finite.

Example:
    >>> import random, simloop
    >>> simloop.latency.constant(0.02).draw_ns(random.Random(0))
    20000000
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from simloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

__all__ = ["Latency", "as_latency", "constant", "exponential", "lognormal", "pareto", "uniform"]

_HOUR_NS = 3_600_000_000_000
_LONGEST_NS = 24 * _HOUR_NS  # A draw far out in a tail is cut here: no packet travels for longer.


class Latency:
    """One distribution of times; made by :func:`constant`, :func:`uniform` and the others.

    Example:
        >>> import simloop
        >>> simloop.latency.uniform(0.01, 0.05)
        uniform(0.01, 0.05)
    """

    __slots__ = ("_shown", "draw_ns", "fixed_ns")

    def __init__(
        self, shown: str, draw_ns: Callable[[Random], int], fixed_ns: int | None = None
    ) -> None:
        self._shown = shown
        self.fixed_ns: int | None = fixed_ns  # Where there is nothing to draw.
        self.draw_ns: Callable[[Random], int] = draw_ns

    def __repr__(self) -> str:
        return self._shown


def constant(seconds: float) -> Latency:
    """Return the latency that is always the same.

    Raises:
        UsageError: It is negative, infinite or no number.
    """
    _check("constant", seconds=seconds)
    return Latency(f"constant({seconds})", _whole(lambda _: seconds), round(seconds * 1e9))


def uniform(low: float, high: float) -> Latency:
    """Return a latency that lies anywhere between two times, in seconds.

    Raises:
        UsageError: One is negative, infinite or no number, or ``high`` is below ``low``.
    """
    _check("uniform", low=low, high=high)
    if high < low:
        raise UsageError(f"uniform(low={low!r}, high={high!r}): high is below low")
    span = high - low

    def draw_ns(stream: Random) -> int:  # In one call: the usual one, with each packet.
        return int((low + span * stream.random()) * 1e9)

    is_short = high * 1e9 < _LONGEST_NS
    cut = _whole(lambda stream: low + span * stream.random())
    return Latency(f"uniform({low}, {high})", draw_ns if is_short else cut)


def exponential(mean: float, minimum: float = 0.0) -> Latency:
    """Return a latency of ``minimum`` and an exponential rest, in seconds, ``mean`` together.

    Raises:
        UsageError: One is negative, infinite or no number, or ``mean`` is not above ``minimum``.
    """
    _check("exponential", mean=mean, minimum=minimum)
    if mean <= minimum:
        raise UsageError(f"exponential(mean={mean!r}, minimum={minimum!r}): mean must be above it")
    rate = 1.0 / (mean - minimum)
    return Latency(
        f"exponential({mean}, minimum={minimum})",
        _whole(lambda stream: minimum + stream.expovariate(rate)),
    )


def lognormal(median: float, sigma: float = 0.5, minimum: float = 0.0) -> Latency:
    """Return a latency whose logarithm is normal: round trips of the Internet look so.

    Args:
        median: Half of the packets are faster, in seconds.
        sigma: The deviation of the logarithm; 0.5 puts one packet in a hundred above 3.2 medians.
        minimum: The least, in seconds.

    Raises:
        UsageError: One is negative, infinite or no number, or ``median`` is not above ``minimum``.
    """
    _check("lognormal", median=median, sigma=sigma, minimum=minimum)
    if median <= minimum:
        raise UsageError(f"lognormal(median={median!r}, minimum={minimum!r}): it must be above it")
    middle = math.log(median - minimum)
    return Latency(
        f"lognormal({median}, {sigma}, minimum={minimum})",
        _whole(lambda stream: minimum + stream.lognormvariate(middle, sigma)),
    )


def pareto(minimum: float, shape: float = 3.0) -> Latency:
    """Return a latency with a heavy tail: ``minimum`` seconds at least, now and then much more.

    Args:
        minimum: The least, in seconds, above 0.
        shape: How fast the tail thins out: twice the minimum is passed by 1 in ``2 ** shape``.

    Raises:
        UsageError: One is not above 0, infinite or no number.
    """
    _check("pareto", minimum=minimum, shape=shape)
    if not (minimum and shape):
        raise UsageError(f"pareto(minimum={minimum!r}, shape={shape!r}): both must be above 0")
    return Latency(
        f"pareto({minimum}, {shape})", _whole(lambda stream: minimum * stream.paretovariate(shape))
    )


LatencyLike: TypeAlias = "float | tuple[float, float] | Latency"
_PAIR = 2


def as_latency(value: object) -> Latency:
    """Return what ``configure(latency=value)`` means: seconds, (low, high), or a distribution."""
    if isinstance(value, Latency):
        return value
    try:
        if isinstance(value, tuple) and len(value) == _PAIR:
            return uniform(*value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return constant(value)
    except UsageError as error:  # Of a call that the user has not made.
        raise UsageError(f"latency={value!r}: {str(error).partition(': ')[2]}") from None
    raise UsageError(
        f"latency={value!r} is none: pass seconds, (low, high), or one of simloop.latency, such as "
        f"simloop.latency.exponential(0.05, minimum=0.01)"
    )


def _whole(draw: Callable[[Random], float]) -> Callable[[Random], int]:
    """Make a function that draws whole nanoseconds, and no more than the longest, of seconds."""

    def draw_ns(stream: Random) -> int:
        return min(int(draw(stream) * 1e9), _LONGEST_NS)

    return draw_ns


def _check(name: str, **values: object) -> None:
    """Refuse what is no time."""
    for key, value in values.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not 0 <= value < math.inf:  # type: ignore[operator]  # NaN too
            raise UsageError(f"{name}({key}={value!r}): pass a finite number, not below 0")
