"""The remains of killed processes: kept while the run goes on, and let go in silence.

Owns: the objects through which what a killed process had is reached (its tasks, its loops, the
callbacks that were scheduled), and their end. While the run goes on they are kept, so that none of
their finalizers runs in it. At its end everything that only they reach is freed: coroutines without
their ``finally`` blocks, objects without their ``__del__``, files without what was not written yet,
as when a real process is killed.

What only they reach is found as the garbage collector finds it (CPython,
InternalDocs/garbage_collector.md): an object that has more references than come from the objects
found is reached from elsewhere, and so is all that it reaches; the rest goes.

Modules are as a rule the living's, and so are their globals and classes. Those that a killed
process had for itself, its ``__main__`` or copies of packages, are told.

Must not know: processes and loops.

Invariants:

- What the living reach is left alone, finalizers and all.
- No code of a program runs here.
"""

from __future__ import annotations

import builtins
import ctypes
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

from simloop._sandbox.patching.memory import interpreter
from simloop._sandbox.process.garbage import collect_now, objects_of_runs

from .suspended_code import end_unrun, is_suspendable, leave_unfinalized

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Remains", "end_awaited"]

_LEAVES = (ModuleType, type, CodeType)
"""What is not looked into: it belongs to the process as a whole, unless it is one's own."""


class Remains:
    """What killed processes have left.

    Args:
        living: Objects of the world that are not looked into: the living reach them.
    """

    def __init__(self, living: Iterable[object]) -> None:
        self._living = list(living)
        self._kept: list[Any] = []
        self._modules: list[Any] = []

    def keep_modules(self, modules: Iterable[object]) -> None:
        """Keep modules until the end, whose globals and classes are in no other's hands."""
        self._modules.extend(each for each in modules if isinstance(each, ModuleType))

    def keep(self, *left: object) -> None:
        """Keep objects until the end."""
        self._kept.extend(left)

    def let_go(self) -> None:
        """Free what only these objects reach, with none of its code run."""
        kept, self._kept = self._kept, []
        modules, self._modules = self._modules, []
        if not (kept or modules):
            return
        own = _Own(modules)
        kept += modules
        modules.clear()
        collect_now()  # What was dropped meanwhile would count as reaching the rest.
        dying = _only_reached_by(kept, self._living, own)
        for each in dying.values():
            _silence(each)
            _silence_references(each, dying)
        dying.clear()
        kept.clear()


class _Own:
    """What is looked into of modules and classes: what is a killed process's own."""

    def __init__(self, modules: list[Any]) -> None:
        self._modules = dict.fromkeys(map(_address, modules))
        self._globals = dict.fromkeys(_address(vars(each)) for each in modules)
        self._names = dict.fromkeys(vars(each).get("__name__") for each in modules)
        self._kinds: dict[type, bool] = {}

    def is_own_globals(self, key: int) -> bool:
        """Return whether these are the globals of one of its modules."""
        return key in self._globals

    def is_leaf(self, each: object, key: int) -> bool:
        """Return whether an object is not looked into."""
        kind = type(each)
        is_kind_of_leaf = self._kinds.get(kind)
        if is_kind_of_leaf is None:
            is_kind_of_leaf = self._kinds[kind] = issubclass(kind, _LEAVES)
        if not is_kind_of_leaf:
            return False
        if issubclass(kind, type):
            return _module_of(each) not in self._names and "<locals>" not in _name_of(each)
        return key not in self._modules


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


_name_of: Any = type.__dict__["__qualname__"].__get__
_module_of: Any = type.__dict__["__module__"].__get__


def _only_reached_by(kept: list[Any], living: list[Any], own: _Own) -> dict[int, Any]:
    """Return the objects that nothing but ``kept`` reaches, by identity."""
    found = _reachable(kept, living, own)
    inner = dict.fromkeys(found, 0)
    for held in _referents([kept, *found.values()]):
        for key in map(_address, held):
            if key in inner:
                inner[key] += 1
    held = []
    (ours,) = _reference_counts({0: []})
    counts = _reference_counts(found)
    alive = [key for key, count in zip(found, counts, strict=True) if count - ours > inner[key]]
    while alive:
        reached = [found.pop(key) for key in alive]
        held_by_living = dict.fromkeys(map(_address, chain.from_iterable(_referents(reached))))
        alive = [key for key in held_by_living if key in found]
    return found


def _reachable(kept: list[Any], living: list[Any], own: _Own) -> dict[int, Any]:
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
        outer = map(_address, [each.__globals__ for each in functions])
        stops |= dict.fromkeys(key for key in outer if not own.is_own_globals(key))
        reached: list[Any] = []
        for each in chain.from_iterable(_referents(left)):
            key = _address(each)
            # What says no most often, and at the least cost, first.
            if key in found or (not gc.is_tracked(each) if of_runs is None else key not in of_runs):
                continue
            if key not in stops and not own.is_leaf(each, key):
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
    has_finalizer = _finalized.get(kind)
    if has_finalizer is None:
        bases = type.__dict__["__mro__"].__get__(kind)
        has_finalizer = _finalized[kind] = any("__del__" in vars(base) for base in bases)
    if has_finalizer:
        leave_unfinalized(dying)


def _silence_references(dying: Any, all_dying: dict[int, Any]) -> None:
    """Let an object be freed without a call to weak references that die with it."""
    for each in weakref.getweakrefs(dying):
        callback: Any = each.__callback__ if issubclass(type(each), weakref.ref) else None
        if issubclass(type(callback), weakref.finalize):
            callback.detach()
        elif _address(each) in all_dying:
            _clear_reference(each)


_clear_reference: Any = interpreter._PyWeakref_ClearRef
"""Lets a weak reference refer to nothing, with no call: the garbage collector's way."""
_clear_reference.argtypes, _clear_reference.restype = (ctypes.py_object,), None
