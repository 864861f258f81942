"""Names for steps: the same in every run and process.

Owns: turning a handle into text that says which callback of which task runs. A label never holds
an address, an ``id()``, a hash or a real time; two runs of one program give the same labels.
"""

from __future__ import annotations

import asyncio
import functools
import random
import re
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simloop._kernel import Handle, TimerHandle

__all__ = ["canonical", "label", "location", "name_of", "qualified_name", "task_of"]

# Owners of builtin functions that come and go: the functions of ``random`` belong to a generator,
# and while several threads draw, to a function that finds the caller's.
_PASSED_ON = (FunctionType, random.Random)
_PROCESS_NAME = re.compile(r"Task-\d+")
_ADDRESS = re.compile(r"\b(?:at )?0x[0-9a-fA-F]{4,}\b")


def label(handle: Handle | TimerHandle) -> str:
    """Name what a handle runs: ``task: coroutine`` for a step of a task, else the callback.

    Example:
        >>> from contextvars import copy_context
        >>> from simloop._kernel import Handle
        >>> label(Handle(print, (), copy_context(), None))
        'builtins.print'
    """
    callback = handle._callback
    task = task_of(callback)
    if task is not None:
        return f"{name_of(task)}: {qualified_name(task.get_coro())}"
    return qualified_name(callback)


def name_of(task: Any) -> str:
    """Return a task's name without addresses; "Task" if it counts for the whole process.

    So are those that a library makes by ``asyncio.Task(...)``, past the loop, which counts its own
    and marks the tasks that it made.
    """
    name: str = task.get_name()
    if "0x" in name:
        return _ADDRESS.sub("", name)
    if hasattr(task, "_simloop_made") or type(task) is not asyncio.Task:
        return name
    return "Task" if _PROCESS_NAME.fullmatch(name) else name


def task_of(callback: Any) -> Any:
    """Return the task whose step a callback is, or None."""
    owner = getattr(callback, "__self__", None)
    return owner if hasattr(owner, "get_coro") else None


def qualified_name(thing: Any) -> str:
    """Return ``module.qualname`` of a function, method, partial, coroutine or object."""
    while isinstance(thing, functools.partial):
        thing = thing.func
    name = getattr(thing, "__qualname__", None)
    if name is None:
        kind = type(thing)
        return f"{kind.__module__}.{kind.__qualname__} object"
    if type(thing) is BuiltinFunctionType and isinstance(thing.__self__, _PASSED_ON):
        name = thing.__name__
    module = getattr(thing, "__module__", None)
    return f"{module}.{name}" if module else str(name)


def location(handle: Handle | TimerHandle) -> str:
    """Return ``file:line`` of what a handle runs: where a task stands, or a function begins."""
    callback = handle._callback
    task = task_of(callback)
    frame = getattr(task.get_coro(), "cr_frame", None) if task is not None else None
    if frame is not None:
        return f"{frame.f_code.co_filename}:{frame.f_lineno}"
    while isinstance(callback, functools.partial):
        callback = callback.func
    code = getattr(callback, "__code__", None)
    return "" if code is None else f"{code.co_filename}:{code.co_firstlineno}"


def canonical(value: object) -> str:
    """Return a text that equal outcomes share, whatever process they come from.

    Plain values give their ``repr``; the addresses in the ``repr`` of others are taken out.

    Example:
        >>> canonical([1, "a"]), canonical(ValueError("x"))
        ("[1, 'a']", "ValueError('x')")
    """
    return _ADDRESS.sub("", repr(value))
