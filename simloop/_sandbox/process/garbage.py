"""Garbage collection at points that the run decides.

Python collects cyclic garbage when it has made many objects, counted over the whole process: what
ran before, even an import, moves the moment, and with it every finalizer, every abandoned
asynchronous generator and every weak reference. While runs are on, the automatic collection is
off, and what was there before is frozen: set aside, at constant cost. The kernel asks for a
collection after so many steps, and the end of a run for a last one; each looks only at what the
runs have made, at a step that is the same every time. A run that grows fast has what it made set
aside in the same way, up to the next collection of everything.

What the process did before makes no difference. One that has the collector off, has other
thresholds or calls functions at each collection (``gc.callbacks``) has all that back afterwards;
one that has frozen objects keeps these and no others frozen, and what else was garbage before the
run is collected before it begins.

Inside, the module ``gc`` is the program's: it finds the collector on, as in a new process, and what
it turns off, freezes or registers holds for its run. Off means that steps collect nothing.

Must not know: steps. The kernel counts them.

Invariants: outside of runs the collector is as it was, with one exception: in a process that had
frozen objects, a run that set its own aside leaves everything frozen that is alive then. (Python
3.12 freezes some at its start; these are ordinary objects after the first run.)
"""

from __future__ import annotations

import gc
import operator
import sys
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import patch, redirect
from simloop._sandbox.run_context import by_thread, get_ident

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "collect",
    "collect_between_runs",
    "collect_now",
    "freeze_garbage",
    "objects_of_runs",
    "tidy",
]

_VERSION = sys.version_info[:2]
_FROZEN_AT_START = 1_000 if _VERSION == (3, 12) else 0
"""At most so many objects are frozen in a process in which nobody asked for that."""

_THRESHOLDS = (2000 if _VERSION >= (3, 13) else 700, 10, 10)
"""What a new process begins with: ``Modules/gcmodule.c`` and, from 3.13 on, ``Python/gc.c``."""


class _Collector:
    """The automatic collector, which is off while runs are on, and the one that programs see."""

    __slots__ = (
        "_callbacks",
        "_debug",
        "_freezes",
        "_was_enabled",
        "are_young",
        "frozen_before",
        "has_set_aside",
        "has_unfrozen",
        "is_enabled",
        "is_frozen",
        "is_on",
        "statistics",
        "thresholds",
    )

    def __init__(self) -> None:
        self.is_on = False

    def on(self) -> None:
        """Set every object aside and stop collecting."""
        self._was_enabled: bool = gc.isenabled()
        self._debug: int = gc.get_debug()
        gc.disable()
        self._freezes: bool = gc.get_freeze_count() <= _FROZEN_AT_START
        if self._freezes:
            gc.freeze()
        else:
            gc.collect()
        self._callbacks: list[Any] = gc.callbacks[:]
        gc.callbacks.clear()
        self.is_on = True
        self.has_unfrozen = False
        self.has_set_aside = False
        # Whether all objects that runs made are young, because nobody has collected yet.
        self.are_young = True
        self.begin()

    def begin(self) -> None:
        """Let the next program find what one in a new process finds."""
        self.is_enabled = True
        self.is_frozen = False
        self.frozen_before = 0
        self.thresholds: tuple[int, ...] = _THRESHOLDS
        self.statistics: dict[int, list[int]] = {}

    def off(self) -> None:
        """Let Python collect by itself again, if it did."""
        if not self.is_on:
            return
        self.is_on = False
        gc.callbacks[:] = self._callbacks
        gc.set_debug(self._debug)
        if self._freezes:
            gc.unfreeze()
        elif self.has_unfrozen:
            gc.freeze()
        if self._was_enabled:
            gc.enable()

    def unfreeze(self) -> None:
        """Let collections look at what was set aside, too."""
        self.has_set_aside = False
        self.has_unfrozen = True
        _real_unfreeze()  # What was there before the runs, too: it is little beside a large world.

    def generation_of_all(self) -> int:
        """Return which collection looks at all that runs have made, but what a program froze."""
        if self.has_set_aside and not self.is_frozen:
            self.unfreeze()
            return 2
        # While all are young it is the same, without what a full one does beside for the process.
        return 0 if self.are_young else 2

    def count(self, generation: int, found: int) -> None:
        """Count a collection of the program's run."""
        counted = self.statistics.setdefault(generation, [0, 0])
        counted[0] += 1
        counted[1] += found


_collector = _Collector()


def collect() -> None:
    """Collect what a run leaves behind, at its end, whatever its program said of the collector."""
    if not _collector.is_on:
        return
    if _collector.is_frozen:
        _collector.is_frozen, _collector.has_set_aside = False, True
    generation = _collector.generation_of_all()
    _collector.are_young = False
    try:
        _real_collect(generation)
    finally:
        # Behind it: what is finalized is of the program, too, and may turn the collector off.
        _collector.begin()


def collect_now() -> None:
    """Collect all that the run has dropped by now, whatever its program said of the collector.

    What a process had dropped before it was killed is finalized before that, and not later.
    """
    _real_collect(2)


def objects_of_runs() -> list[Any] | None:
    """Return the objects that runs have made, of those that the collector knows.

    None where they can't be told from the rest of the process: in one that had frozen objects, and
    where a run has set some aside.
    """
    if not _collector.is_on or not _collector._freezes or _collector.has_set_aside:
        return None
    return None if _collector.has_unfrozen else gc.get_objects()


def collect_between_runs() -> None:
    """Collect what a run left to its caller, in a process that stays patched for many runs.

    Its finalizers are no part of the next run, whose objects are all young again. What survived
    the run's own last collection is in the second generation.
    """
    if _collector.is_on and not by_thread:
        _real_collect(1)
        _collector.are_young = True


def tidy(*, full: bool) -> None:
    """Collect what runs left behind: of their young objects only, or of all of them."""
    if _collector.is_on and _collector.is_enabled and _collector.thresholds[0]:
        _collect_now(full=full)


def _collect_now(*, full: bool) -> None:
    generation = _collector.generation_of_all() if full else 0
    _collector.are_young = False
    _collector.count(generation, _real_collect(generation))


def freeze_garbage() -> None:
    """Keep all that there is out of collections of young objects, until all are collected."""
    if _collector.is_on:
        _collector.has_set_aside = True
        _real_freeze()


# What a program sees ----------------------------------------------------------------------------


def _redirect(name: str) -> Callable[[Callable[..., Any]], Any]:
    """Let a function of ``gc`` be the decorated one in a run; the real one where no run is."""

    def decorate(function: Callable[..., Any]) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if get_ident() in by_thread and _collector.is_on:
                return function(*args, **kwargs)
            return real(*args, **kwargs)

        real = redirect(getattr(gc, name), call)
        return real

    return decorate


@_redirect("collect")
def _real_collect(generation: int = 2) -> Any:
    """Collect as the program says; whoever survives is young no more."""
    if generation == 2 and _collector.has_set_aside and not _collector.is_frozen:  # noqa: PLR2004
        _collector.unfreeze()
    _collector.are_young = False
    found = _real_collect(generation)
    _collector.count(generation, found)
    return found


@_redirect("freeze")
def _real_freeze() -> None:
    if not _collector.is_frozen:
        _collector.is_frozen = True
        _collector.frozen_before = _freeze_count()
    _real_freeze()


@_redirect("unfreeze")
def _real_unfreeze() -> None:
    if _collector.is_frozen:  # What is frozen else was there before the run.
        _collector.is_frozen = False
        _collector.unfreeze()


@_redirect("get_freeze_count")
def _freeze_count() -> int:
    if not _collector.is_frozen:
        return 0
    return max(0, _freeze_count() - _collector.frozen_before)  # type: ignore[no-any-return]


@_redirect("enable")
def _enable() -> None:
    _collector.is_enabled = True


@_redirect("disable")
def _disable() -> None:
    _collector.is_enabled = False


@_redirect("isenabled")
def _isenabled() -> bool:
    return _collector.is_enabled


@_redirect("set_threshold")
def _set_threshold(*thresholds: int) -> None:
    given = [operator.index(each) for each in thresholds]
    _collector.thresholds = (*given, *_collector.thresholds[len(given) :])


@_redirect("get_threshold")
def _get_threshold() -> tuple[int, ...]:
    return _collector.thresholds


@_redirect("get_count")
def _get_count() -> tuple[int, int, int]:
    return 0, 0, 0  # How many objects there are depends on what the process made before.


@_redirect("get_stats")
def _get_stats() -> list[dict[str, int]]:
    counts = [_collector.statistics.get(generation, (0, 0)) for generation in range(3)]
    return [
        {"collections": collections, "collected": collected, "uncollectable": 0}
        for collections, collected in counts
    ]


patch(_collector)
