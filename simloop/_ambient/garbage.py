"""Garbage collection at points that the run decides.

Python collects cyclic garbage when it has made many objects, counted over the whole process: what
ran before, even an import, moves the moment, and with it every finalizer, every abandoned
asynchronous generator and every weak reference. While runs are on, the automatic collection is
off, and what was there before is frozen: set aside, at constant cost. The kernel asks for a
collection after so many steps, and the end of a run for a last one; each looks only at what the
runs have made, at a step that is the same every time.

Must not know: steps. The kernel counts them.

Invariants: outside of runs the collector is as it was. A process that froze objects itself, or has
the collector off, keeps it that way, and gets no collections from here.
"""

from __future__ import annotations

import gc

from .patches import patch

__all__ = ["collect"]


class _Collector:
    """The automatic collector, which is off while runs are on."""

    __slots__ = ("is_ours",)

    def __init__(self) -> None:
        self.is_ours = False

    def on(self) -> None:
        """Set every object aside and stop collecting, unless somebody else did either."""
        if gc.isenabled() and not gc.get_freeze_count():
            gc.disable()
            gc.freeze()
            self.is_ours = True

    def off(self) -> None:
        """Let Python collect by itself again."""
        if self.is_ours:
            self.is_ours = False
            gc.unfreeze()
            gc.enable()


_collector = _Collector()
patch(_collector)


def collect(*, full: bool) -> None:
    """Collect what runs left behind: of their young objects only, or of all of them."""
    if _collector.is_ours:
        gc.collect(2 if full else 0)
