"""What a rule may decide about a packet.

Owns: the three verdicts. Must not know paths: the wire acts upon a verdict.

Invariant: a verdict's time is finite and not negative.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from simloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .packet import Packet

__all__ = ["Deliver", "Drop", "Duplicate", "Rule", "Verdict"]


class Verdict:
    """What a rule decides; the base of the three."""

    __slots__ = ()


class Drop(Verdict):
    """Lose the packet in silence.

    Example:
        >>> import simloop
        >>> simloop.Drop()
        Drop()
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "Drop()"


class _Late(Verdict):
    """A verdict with a time."""

    __slots__ = ("after",)

    def __init__(self, after: float | None = None) -> None:
        is_number = isinstance(after, (int, float)) and not isinstance(after, bool)
        if after is not None and not (is_number and 0 <= after < math.inf):
            raise UsageError(
                f"{type(self).__name__}(after={after!r}): pass seconds, finite and not below 0"
            )
        self.after: float | None = after

    def __repr__(self) -> str:
        return f"{type(self).__name__}(after={self.after!r})"


class Deliver(_Late):
    """Let the packet arrive after so many seconds, whatever its path is like; at once if 0.

    None: after the latency of its path. Packets of one stream may overtake each other by it.

    Raises:
        UsageError: ``after`` is negative, infinite or no number.

    Example:
        >>> import simloop
        >>> simloop.Deliver(after=0.5)
        Deliver(after=0.5)
    """

    __slots__ = ()


class Duplicate(_Late):
    """Send the packet as if there were no rule, and a copy that arrives after so many seconds.

    None: after the latency of its path.

    Raises:
        UsageError: ``after`` is negative, infinite or no number.

    Example:
        >>> import simloop
        >>> simloop.Duplicate(after=0.5)
        Duplicate(after=0.5)
    """

    __slots__ = ()


# None: this rule has nothing to say, the next one is asked.
Rule: TypeAlias = "Callable[[Packet], Verdict | None]"
