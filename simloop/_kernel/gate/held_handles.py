"""Held handles: what has arrived, and is told later than it might be.

Owns: their order. They are no timers: the program did not ask for them, and at one instant they
come before the timers that are due then, as what has arrived comes before timers in a turn.

Must not know: why a handle is held, and what runs it.

Invariants: of equal releases the one held first comes first; a handle that is cancelled is gone,
and counts for nothing.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from simloop._kernel.clock import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simloop._kernel.handles import Handle, TimerHandle

__all__ = ["HeldHandles"]


class HeldHandles:
    """Handles in order of release."""

    __slots__ = ("_numbers", "heap")

    def __init__(self) -> None:
        # Public: a kernel looks once a turn whether anything is held at all.
        self.heap: list[tuple[int, int, Handle | TimerHandle]] = []
        self._numbers = count()

    def add(self, until_ns: int, handle: Handle | TimerHandle) -> None:
        """Hold a handle until a time."""
        heappush(self.heap, (until_ns, next(self._numbers), handle))

    def next_ns(self) -> int:
        """Return the earliest release of a handle that is not cancelled, or NEVER."""
        heap = self.heap
        while heap and heap[0][2]._callback is None:
            heappop(heap)
        return heap[0][0] if heap else NEVER

    def take_due(self, now_ns: int) -> list[Handle | TimerHandle]:
        """Return the handles whose release is not after ``now_ns``, and hold them no more."""
        due = []
        while self.next_ns() <= now_ns:
            due.append(heappop(self.heap)[2])
        return due

    def moments(self) -> Iterator[int]:
        """Yield when handles are released, in no order."""
        return (until_ns for until_ns, _, handle in self.heap if handle._callback is not None)

    def __iter__(self) -> Iterator[Handle | TimerHandle]:
        """Yield the handles that are not cancelled, in no order."""
        return (handle for _, _, handle in self.heap if handle._callback is not None)

    def sweep(self) -> None:
        """Let go of every cancelled handle."""
        self.heap[:] = [entry for entry in self.heap if entry[2]._callback is not None]
        heapify(self.heap)

    def __bool__(self) -> bool:
        return self.next_ns() < NEVER
