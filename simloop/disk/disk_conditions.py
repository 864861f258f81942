"""What a disk is given from outside: the time, choices, chances and pauses; and how well it works.

Owns: the two records. :class:`Conditions` is how things go undisturbed: time stands at 0, each
choice is 0, nothing fails, nothing takes time; a world puts its clock, its random streams and its
choice gate in the place. :class:`Settings` is what was configured.

Why choice 0 keeps everything: a choice is a deviation from what happens by itself, and a search
shrinks what it has found towards 0. So what is left of a finding are the losses that it needs, each
by name, and all others are away. A crash by itself, with every choice at 0, is one in which the
system had just written all back.
"""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple, Protocol

from simloop.errors import UsageError

__all__ = ["Conditions", "Settings"]

_NS_PER_SECOND = 1_000_000_000
_SEEDS = 2**53  # As many as a float between 0 and 1 tells apart.


class Conditions:
    """How things go where nothing disturbs them."""

    tells_of_no_loss: bool = True
    """Whether a power cut that took nothing is told."""

    def now_ns(self) -> int:
        """Return the wall clock's time, in POSIX nanoseconds."""
        return 0

    def choose(self, count: int, name: str) -> int:
        """Return which of ``count`` outcomes it is; 0 is the one without any loss."""
        del count, name
        return 0

    def happens(self, name: str, p: float) -> bool:
        """Return whether a fault of this probability strikes here."""
        del name, p
        return False

    def random(self, name: str) -> float:
        """Return a number from 0 to 1, for a length of time; 0 is the shortest."""
        del name
        return 0.0

    def wait(self, duration_ns: int) -> None:
        """Let so much time pass for the caller."""
        del duration_ns

    def tell(self, text: str) -> None:
        """Tell who watches of a fault, or of what a power cut has taken."""
        del text


class Distribution(Protocol):
    """A distribution of times."""

    @property
    def fixed_ns(self) -> int | None:
        """The only one, if there is nothing to draw."""

    def draw_ns(self, stream: Random) -> int:
        """Return one time."""


class Settings(NamedTuple):
    """How well a disk works."""

    latency: float | tuple[float, float] | Distribution | None = None
    """What each call that reads, writes or syncs takes, in seconds: always, or from and to; or what
    the wire takes, :mod:`simloop.latency`."""
    capacity: int | None = None
    """How many bytes may be written, beside what lies below."""
    sector: int = 4096
    """How many bytes the device writes as one."""
    read_error: float = 0.0
    write_error: float = 0.0
    sync_error: float = 0.0
    """How likely it is that such a call fails with EIO."""
    corrupt: float = 0.0
    """How likely it is that a read finds a bit that has flipped since it was written."""

    def check(self) -> None:
        """Refuse values that mean nothing.

        Raises:
            UsageError: One of them is such.
        """
        _check_latency(self.latency)
        capacity: Any = self.capacity
        if capacity is not None and (type(capacity) is not int or capacity < 0):
            raise UsageError(f"capacity={capacity!r}; it takes a number of bytes, or None")
        sector: Any = self.sector
        if type(sector) is not int or sector < 1:
            raise UsageError(f"sector={sector!r}; it takes a number of bytes above 0: 512, or 4096")
        for name in ("read_error", "write_error", "sync_error", "corrupt"):
            value: Any = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise UsageError(f"{name}={value!r}; it takes a probability, from 0 to 1")

    def latency_ns(self, conditions: Conditions, call: str) -> int:
        """Return how long one call takes, which is named for the question."""
        latency = self.latency
        if latency is None:
            return 0
        if isinstance(latency, tuple):
            low, high = latency
            latency = low + (high - low) * conditions.random(f"latency of {call}")
        if isinstance(latency, int | float):
            return round(latency * _NS_PER_SECOND)
        if latency.fixed_ns is not None:
            return latency.fixed_ns
        # A stream of its own, from the one number that the conditions give and the gate knows.
        seed = int(conditions.random(f"latency of {call}") * _SEEDS)
        return latency.draw_ns(Random(seed))  # noqa: S311 - no cryptography


def _check_latency(latency: Any) -> None:
    if hasattr(latency, "draw_ns"):
        return
    ends = latency if isinstance(latency, tuple) else (latency, latency)
    is_right = latency is None or (
        len(ends) == 2  # noqa: PLR2004 - from and to
        and all(isinstance(each, int | float) and not isinstance(each, bool) for each in ends)
        and 0 <= ends[0] <= ends[1] < float("inf")
    )
    if not is_right:
        raise UsageError(
            f"latency={latency!r}; it takes seconds, (low, high), or one of simloop.latency"
        )
