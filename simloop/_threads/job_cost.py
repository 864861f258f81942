"""What a job of an executor costs when very many took no time at all.

Owns: counting jobs that were submitted after others had ended, all at one instant, and letting the
clock move from the thousandth on. A job takes no virtual time, so a program that watches for
something by jobs, and pauses by what they *took*, would watch for ever at one instant: on a real
machine each hand-over between threads takes some time, and the watched moment comes.

Must not know: what the jobs do, and which executor runs them.

Invariants: jobs that are submitted all at once cost nothing, however many; what costs is a chain.
The same program counts the same in every run.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from simloop._kernel import Kernel

__all__ = ["JobCost"]

_FREE = 1000
"""So many are free at one instant: far above what any program does between two moments."""

_COST_NS = 100_000
"""What a hand-over to a thread and back takes on a busy machine, about."""


class JobCost:
    """The count of one loop.

    Args:
        kernel: Whose clock it is.
    """

    __slots__ = ("_count", "_instant_ns", "_kernel", "_last")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._instant_ns = -1
        self._count = 0
        self._last: weakref.ref[asyncio.Future[object]] | None = None

    def submitted(self, future: asyncio.Future[object]) -> None:
        """Count a job; let the clock move if it is one of very many at this instant."""
        last = None if self._last is None else self._last()
        self._last = weakref.ref(future)
        if self._kernel.now_ns != self._instant_ns:
            self._instant_ns = self._kernel.now_ns
            self._count = 0
        elif last is None or last.done():
            self._count += 1
            if self._count >= _FREE:
                # Not ``block``: that would run the job within this call, and who awaits a job that
                # has ended goes on at once, so that no turn and no timer ever came.
                self._instant_ns += _COST_NS
                self._kernel.move_to(self._instant_ns)
