"""The remains of killed processes: kept while the run goes on, and let go in silence.

Owns: the objects through which what a killed process had is reached (its tasks, its loops, the
callbacks that were scheduled), and their end. While the run goes on they are kept, so that none of
their finalizers runs in it. At its end everything that only they reach is freed: coroutines without
their ``finally`` blocks, objects without their ``__del__``, files without what was not written yet,
as when a real process is killed.

What only they reach is found as the garbage collector finds it (CPython,
InternalDocs/garbage_collector.md): an object that has more references than come from the objects
found is reached from elsewhere, and so is all that it reaches; the rest goes.

Must not know: processes and loops.

Invariants:

- What the living reach is left alone, finalizers and all.
- No code of a program runs here.
"""

from __future__ import annotations

import builtins
import gc
import io
import sys
import weakref
from itertools import chain
from types import (
    AsyncGeneratorType,
    CodeType,
    CoroutineType,
    FunctionType,
    GeneratorType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any

from simloop._sandbox.process.garbage import collect_now, objects_of_runs

from .suspended_code import end_unrun, is_suspendable, leave_unfinalized

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Remains", "end_awaited"]

_LEAVES = (ModuleType, type, CodeType)
"""What is not looked into: it belongs to the process as a whole."""


class Remains:
    """What killed processes have left.

    Args:
        living: Objects of the world that are not looked into: the living reach them.
    """

    def __init__(self, living: Iterable[object]) -> None:
        self._living = list(living)
        self._kept: list[Any] = []

    def keep(self, *left: object) -> None:
        """Keep objects until the end."""
        self._kept.extend(left)

    def let_go(self) -> None:
        """Free what only these objects reach, with none of its code run."""
        kept, self._kept = self._kept, []
        if not kept:
            return
        collect_now()  # What was dropped meanwhile would count as reaching the rest.
        dying = _only_reached_by(kept, self._living)
        for each in dying:
            _silence(each)
        kept.clear()


def end_awaited(coroutine: Any) -> None:
    """End a coroutine unrun, and all that it awaits, from the innermost on."""
    awaited = []
    awaitable = coroutine
    while awaitable is not None:
        awaited.append(awaitable)
        if type(awaitable) is CoroutineType:
            awaitable = awaitable.cr_await
        elif type(awaitable) is GeneratorType:
            awaitable = awaitable.gi_yieldfrom
        elif type(awaitable) is AsyncGeneratorType:
            awaitable = awaitable.ag_await
        else:  # The interpreter's step of an asynchronous generator shows nothing by itself.
            inner = gc.get_referents(awaitable) if gc.is_tracked(awaitable) else ()
            awaitable = next((each for each in inner if type(each) is AsyncGeneratorType), None)
    for each in reversed(awaited):
        if is_suspendable(each):
            end_unrun(each)


_address: Any = vars(object)["__hash__"]
"""Tells objects apart as ``id()`` does, of which every audit hook hears."""

_BUILTINS = vars(builtins)

_BATCH = 1000
"""Objects that are asked at once for what they refer to."""


def _only_reached_by(kept: list[Any], living: list[Any]) -> list[Any]:
    """List the objects that nothing but ``kept`` reaches."""
    found = _reachable(kept, living)
    inner = dict.fromkeys(found, 0)
    for held in _referents([kept, *found.values()]):
        for key in map(_address, held):
            if key in inner:
                inner[key] += 1
    held = []
    (own,) = _reference_counts({0: []})
    counts = _reference_counts(found)
    alive = [key for key, count in zip(found, counts, strict=True) if count - own > inner[key]]
    while alive:
        reached = [found.pop(key) for key in alive]
        held_by_living = dict.fromkeys(map(_address, chain.from_iterable(_referents(reached))))
        alive = [key for key in held_by_living if key in found]
    return list(found.values())


def _reachable(kept: list[Any], living: list[Any]) -> dict[int, Any]:
    """Return what is reached, and known to the garbage collector, by identity.

    What was there before all runs is not looked into: others than a killed process had it first.
    In a test process it is a million objects, and each run with a crash would go through them.
    """
    made = objects_of_runs()
    of_runs = None if made is None else dict.fromkeys(map(_address, made))
    del made
    stops = dict.fromkeys(map(_address, [_BUILTINS, *living]))
    found: dict[int, Any] = {}
    left: list[Any] = [kept]
    while left:
        # Not the globals of a module, which are the whole process's.
        functions = [each for each in left if type(each) is FunctionType]
        stops |= dict.fromkeys(_address(each.__globals__) for each in functions)
        reached: list[Any] = []
        for each in chain.from_iterable(_referents(left)):
            key = _address(each)
            if key in found or key in stops or issubclass(type(each), _LEAVES):
                continue
            if gc.is_tracked(each) if of_runs is None else key in of_runs:
                found[key] = each
                reached.append(each)
        left = reached
    return found


def _referents(holders: list[Any]) -> Iterator[list[Any]]:
    """Yield what many objects refer to, once for each time: every call is told to audit hooks."""
    for first in range(0, len(holders), _BATCH):
        yield gc.get_referents(*holders[first : first + _BATCH])


def _reference_counts(objects: dict[int, Any]) -> list[int]:
    """Count the references to each of them; those of this function and of the table, too."""
    return [sys.getrefcount(each) for each in objects.values()]


_finalized: dict[type, bool] = {}
"""Whether a class has a finalizer, of those that were looked at."""


def _silence(dying: Any) -> None:
    """Let an object be freed without any of its code."""
    if is_suspendable(dying):
        end_unrun(dying)
        return
    kind = type(dying)
    if issubclass(kind, io.FileIO):
        io.FileIO.close(dying)  # What a buffer on top of it still holds is lost.
    pipes: Any = sys.modules.get("multiprocessing.connection")
    if pipes is not None and issubclass(kind, pipes.Connection) and dying._handle is not None:
        pipes.Connection._close(dying)  # Its pipe is a real one.
        dying._handle = None
    for each in weakref.getweakrefs(dying):
        if issubclass(type(each), weakref.ref) and issubclass(
            type(each.__callback__), weakref.finalize
        ):
            each.__callback__.detach()
    has_finalizer = _finalized.get(kind)
    if has_finalizer is None:
        bases = type.__dict__["__mro__"].__get__(kind)
        has_finalizer = _finalized[kind] = any("__del__" in vars(base) for base in bases)
    if has_finalizer:
        leave_unfinalized(dying)
