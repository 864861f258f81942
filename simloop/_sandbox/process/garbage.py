"""Garbage collection at points that the run decides.

Python collects cyclic garbage when it has made many objects, counted over the whole process: what
ran before, even an import, moves the moment, and with it every finalizer, every abandoned
asynchronous generator and every weak reference. While runs are on, the automatic collection is
off, and what was there before is frozen: set aside, at constant cost. The kernel asks for a
collection after so many steps, and the end of a run for a last one; each looks only at what the
runs have made, at a step that is the same every time. A run that grows fast has what it made set
aside in the same way, up to the next collection of everything.

Must not know: steps. The kernel counts them.

Invariants: outside of runs the collector is as it was. A process that froze objects itself, or has
the collector off, keeps it that way, and gets no collections from here. (Python 3.12 freezes some
at its start; these are ordinary objects after the first run.)
"""

from __future__ import annotations

import gc
import sys
from typing import Any

from simloop._sandbox.patching.registry import patch, redirect

__all__ = ["collect", "freeze_garbage"]

_FROZEN_AT_START = 1_000 if sys.version_info[:2] == (3, 12) else 0
"""At most so many objects are frozen in a process in which nobody asked for that."""


class _Collector:
    """The automatic collector, which is off while runs are on."""

    __slots__ = ("are_young", "has_set_aside", "is_ours")

    def __init__(self) -> None:
        self.is_ours = False
        self.has_set_aside = False
        # Whether all objects that runs made are young, because nobody has collected yet.
        self.are_young = False

    def on(self) -> None:
        """Set every object aside and stop collecting, unless somebody else did either."""
        if gc.isenabled() and gc.get_freeze_count() <= _FROZEN_AT_START:
            gc.disable()
            gc.freeze()
            self.is_ours = self.are_young = True

    def off(self) -> None:
        """Let Python collect by itself again."""
        if self.is_ours:
            self.is_ours = self.has_set_aside = False
            gc.unfreeze()
            gc.enable()


_collector = _Collector()
patch(_collector)


def collect(*, full: bool) -> None:
    """Collect what runs left behind: of their young objects only, or of all of them."""
    if not _collector.is_ours:
        return
    if full and _collector.has_set_aside:
        _collector.has_set_aside = False
        gc.unfreeze()  # What was there before the runs, too: it is little beside a large world.
    elif full and _collector.are_young and not gc.isenabled():
        full = False  # The same, without what a full collection does beside for the process.
    _collector.are_young = False
    _real_collect(2 if full else 0)


def _collect(generation: int = 2) -> Any:
    """Collect as the program says; whoever survives is young no more."""
    _collector.are_young = False
    return _real_collect(generation)


_real_collect = redirect(gc.collect, _collect)


def freeze_garbage() -> None:
    """Keep all that there is out of collections of young objects, until all are collected."""
    if _collector.is_ours:
        _collector.has_set_aside = True
        gc.freeze()
