"""Delays: how far an exploration may go with time.

Owns: the caps. They keep what a program takes for a hang ("no answer within a minute") out of
reach, and they are a part of every schedule: the same deviations mean the same only under the same
caps.

Must not know: what is delayed.
"""

from __future__ import annotations

import attrs

from simloop._kernel import nanoseconds
from simloop.errors import UsageError

__all__ = ["Delays"]


def _check(delays: Delays, attribute: attrs.Attribute[float], value: float) -> None:
    del delays
    try:
        ns = nanoseconds(value)
    except (TypeError, ValueError):
        ns = -1
    if not 0 <= ns < 1 << 100:
        raise UsageError(f"Delays({attribute.name}={value!r}): it takes a finite number from 0 on")


@attrs.frozen
class Delays:
    """How long delays may be that an exploration adds, in seconds.

    Example:
        >>> Delays(each=1.0)
        Delays(each=1.0, total=600.0, sleeps=0.0)
    """

    each: float = attrs.field(default=30.0, validator=_check)
    """The longest that one delay may be."""
    total: float = attrs.field(default=600.0, validator=_check)
    """The longest that all delays of one run may be together."""
    sleeps: float = attrs.field(default=0.0, validator=_check)
    """By up to how many times its length an ``asyncio.sleep`` may end late by itself.

    For programs whose sleeps stand for I/O. On a real loop equal sleeps keep their order, so what
    is found by it can happen only where such a sleep is I/O; 0, the default, stretches none.
    """
