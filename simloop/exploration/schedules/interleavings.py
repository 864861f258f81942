"""Interleavings: how many different orders of steps an exploration has seen.

Owns: a fingerprint of each run's order, times aside, and the count. It costs a look at each step,
so only an exploration that shows its progress counts.

Must not know: what made the orders differ.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from simloop.trace.labels import label

if TYPE_CHECKING:
    from simloop._kernel import Handle

__all__ = ["Interleavings"]


class Interleavings:
    """Counts the orders of runs; an observer of each, one after the other.

    Example:
        >>> seen = Interleavings()
        >>> for _ in range(2):
        ...     seen.begin()
        ...     seen.end()
        >>> seen.count
        1
    """

    def __init__(self) -> None:
        self._seen: dict[bytes, None] = {}
        self.begin()

    @property
    def count(self) -> int:
        """How many different ones there were."""
        return len(self._seen)

    def begin(self) -> None:
        """Begin with a run."""
        self._order = blake2b(digest_size=8)

    def step(self, now_ns: int, handle: Handle) -> None:
        """Take note of a step."""
        del now_ns
        self._order.update(label(handle).encode())

    def end(self) -> None:
        """Count the run."""
        self._seen[self._order.digest()] = None
