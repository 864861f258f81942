"""Names for steps: the same in every run and process.

Owns: turning a handle into text that says which callback of which task runs. A label never holds
an address, an ``id()``, a hash or a real time; two runs of one program give the same labels.

Invariant: naming a thing runs no code of the program where a look at its class will do: neither
``__getattr__`` nor a property. Where code has to run (``get_name()`` of a task class of the
program's own), whatever it raises ends there.
"""

from __future__ import annotations

import asyncio
import random
import re
from types import (
    BuiltinFunctionType,
    CodeType,
    CoroutineType,
    FunctionType,
    GeneratorType,
)
from typing import TYPE_CHECKING, Any

from simloop._kernel.safe_looks import attribute_of, kind_of, unwrapped, without_addresses

if TYPE_CHECKING:
    from simloop._kernel import Handle, TimerHandle

__all__ = [
    "asked",
    "coroutine_of",
    "frame_of",
    "label",
    "location",
    "name_of",
    "position_of",
    "qualified_name",
    "task_of",
]

# Owners of builtin functions that come and go: the functions of ``random`` belong to a generator,
# and while several threads draw, to a function that finds the caller's.
_PASSED_ON = (FunctionType, random.Random)
_PROCESS_NAME = re.compile(r"Task-\d+")


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
        return f"{name_of(task)}: {qualified_name(coroutine_of(task))}"
    return qualified_name(callback)


def name_of(task: Any) -> str:
    """Return a task's name without addresses; "Task" if it counts for the whole process.

    So are those that a library makes by ``asyncio.Task(...)``, past the loop, which counts its own
    and marks the tasks that it made.
    """
    name = asked(task, "get_name")
    if type(name) is not str:
        return "Task"
    name = without_addresses(name)
    if type(task) is not asyncio.Task or attribute_of(task, "_simloop_made") is not None:
        return name
    return "Task" if _PROCESS_NAME.fullmatch(name) else name


def coroutine_of(task: Any) -> Any:
    """Return what a task runs; None if its class does not tell."""
    return asked(task, "get_coro")


def asked(task: Any, method: str) -> Any:
    """Return what a task's method gives; None if it raises, whatever that is."""
    try:
        return getattr(task, method)()
    except BaseException:  # noqa: BLE001 - a task class of the program's own; to look is no step of it
        return None


def task_of(callback: Any) -> Any:
    """Return the task whose step a callback is, or None."""
    if type(callback) is FunctionType:
        return None
    owner = attribute_of(callback, "__self__")
    if type(owner) is asyncio.Task:
        return owner
    is_task = any(
        "get_coro" in vars(kind) for kind in type.__dict__["__mro__"].__get__(type(owner))
    )
    return owner if is_task else None


def qualified_name(thing: Any) -> str:
    """Return ``module.qualname`` of a function, method, partial, coroutine or object."""
    thing = unwrapped(thing)
    name = attribute_of(thing, "__qualname__")
    if type(name) is not str:
        return f"{kind_of(thing)} object"
    if type(thing) is BuiltinFunctionType and issubclass(type(thing.__self__), _PASSED_ON):
        name = thing.__name__
    module = attribute_of(thing, "__module__")
    return f"{module}.{name}" if module and type(module) is str else name


def location(handle: Handle | TimerHandle) -> str:
    """Return ``file:line`` of what a handle runs: where a task stands, or a function begins."""
    callback = handle._callback
    task = task_of(callback)
    frame = None if task is None else frame_of(coroutine_of(task))
    if frame is not None:
        return f"{frame.f_code.co_filename}:{frame.f_lineno}"
    code = attribute_of(unwrapped(callback), "__code__")
    return f"{code.co_filename}:{code.co_firstlineno}" if isinstance(code, CodeType) else ""


def frame_of(awaitable: Any) -> Any:
    """Return the frame of a coroutine or generator of Python's own; None for all else."""
    if type(awaitable) is CoroutineType:
        return awaitable.cr_frame
    if type(awaitable) is GeneratorType:
        return awaitable.gi_frame
    return None


def position_of(handle: Handle | TimerHandle) -> int:
    """Return the line at which the task of a step stands in its own coroutine; 0 for no task's."""
    task = task_of(handle._callback)
    frame = None if task is None else frame_of(coroutine_of(task))
    return 0 if frame is None else frame.f_lineno or 0
