"""CPU time: what a process, or a thread of it, has computed.

Owns: the count, and what a clock of CPU time shows. On Linux such a clock stands still while the
process waits (``CLOCK_PROCESS_CPUTIME_ID`` in clock_gettime(2)). In a world computing takes no
time, but for one thing: who reads clocks again and again makes time pass, as if the readings had
taken it (:mod:`.clock_polls`). That is computed time, here as there, so a program that spins until
it has computed for a second comes to its end, and has spun for a second.

A program may also compute by small pieces until it has used so much (``while process_time() < end:
await asyncio.sleep(0.01)``). Each round costs it something outside, so it does here: of what passed
between two readings a process has computed :data:`_PIECE_NS`, if so much passed at all.

Must not know: who reads, and how much time a reading takes.

Invariants: never more CPU time passes for a thread than time passes; what a thread computes its
process has computed, too. Who reads no such clock pays nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simloop._sandbox.run_context import RunContext

__all__ = ["CpuTime", "spend", "used_ns"]

_PIECE_NS = 10_000
"""What a turn of asyncio's loop with a wakeup in it costs at least, outside."""


class CpuTime:
    """What one process, or one thread of it, has computed."""

    __slots__ = ("process", "seen", "spent_ns")

    def __init__(self, process: CpuTime | None = None) -> None:
        self.process: CpuTime | None = process
        """Of a thread, that of its process."""
        self.spent_ns: int = 0
        self.seen: tuple[int, int] = (0, 0)
        """What the clock, and this one, showed at the last reading."""

    def read(self, now_ns: int) -> int:
        """Return what it shows at this time of the clock."""
        then_ns, shown_ns = self.seen
        shown_ns += max(0, min(now_ns - then_ns, _PIECE_NS))
        self.spent_ns = max(self.spent_ns, shown_ns)
        self.seen = now_ns, self.spent_ns
        return self.spent_ns


def _of_thread(context: RunContext) -> CpuTime:
    if context.cpu is None:
        first = context.process
        context.cpu = CpuTime(CpuTime() if first is None else _of_thread(first).process)
    return context.cpu


def spend(run: RunContext, duration_ns: int) -> None:
    """Count what a thread has computed, for it and for its process."""
    own: CpuTime | None = _of_thread(run)
    while own is not None:
        own.spent_ns += duration_ns
        own = own.process


def used_ns(run: RunContext, *, of_thread: bool = False) -> int:
    """Return the CPU time of the caller's process, or of its thread alone."""
    own = _of_thread(run)
    return (own if of_thread else own.process or own).read(run.clock.now_ns)
