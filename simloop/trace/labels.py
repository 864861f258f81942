"""Names for steps: the same in every run and process.

Owns: turning a handle into text that says which callback of which task runs. A label never holds
an address, an ``id()``, a hash or a real time; two runs of one program give the same labels.

Invariant: naming a thing runs no code of the program where a look at its class will do: neither
``__getattr__`` nor a property. Where code has to run (``get_name()`` of a task class of the
program's own), whatever it raises ends there.
"""

from __future__ import annotations

import asyncio
import ctypes
import random
import re
from types import (
    BuiltinFunctionType,
    CodeType,
    CoroutineType,
    FunctionType,
    GeneratorType,
    coroutine,
)
from typing import TYPE_CHECKING, Any, NamedTuple

from simloop._kernel.safe_looks import attribute_of, kind_of, unwrapped, without_addresses

if TYPE_CHECKING:
    from collections.abc import Generator

    from simloop._kernel import Handle, TimerHandle

__all__ = [
    "asked",
    "coroutine_of",
    "frame_of",
    "instruction_words",
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

    What a process on a host runs has the host's name before it, ``db/Task-3: serve``.

    Example:
        >>> from contextvars import copy_context
        >>> from simloop._kernel import Handle
        >>> label(Handle(print, (), copy_context(), None))
        'builtins.print'
    """
    callback = handle._callback
    task = task_of(callback)
    if task is None:
        text = qualified_name(callback)
    else:
        text = f"{name_of(task)}: {qualified_name(coroutine_of(task))}"
    host = getattr(handle._loop, "host_label", "")
    return text if text.startswith(host) else host + text


def name_of(task: Any) -> str:
    """Return a task's name without addresses; "Task" if it counts for the whole process.

    So are those that a library makes by ``asyncio.Task(...)``, past the loop, which counts its own
    and marks the tasks that it made.
    """
    name = task.get_name() if type(task) is asyncio.Task else asked(task, "get_name")
    if type(name) is not str:
        return "Task"
    name = without_addresses(name)
    if type(task) is not asyncio.Task or attribute_of(task, "_simloop_made") is not None:
        return name
    return "Task" if _PROCESS_NAME.fullmatch(name) else name


def coroutine_of(task: Any) -> Any:
    """Return what a task runs; None if its class does not tell."""
    return task.get_coro() if type(task) is asyncio.Task else asked(task, "get_coro")


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
    if type(thing) is CoroutineType:  # As most are: it wraps nothing, and has no module.
        return thing.__qualname__
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


class InstructionWords(NamedTuple):
    """Where a coroutine's struct says at which instruction it stands."""

    memory: memoryview
    """The process's memory as words of eight bytes."""

    offset: int
    """How many words behind its address a coroutine has the pointer to its instruction.

    The address is ``hash(coroutine) * 16`` (``_Py_HashPointer`` in CPython's ``Python/pyhash.c``);
    ``id()`` says it too, but is an audit event.
    """


_ADDRESSES = 1 << 47
"""User space of a Linux process, on x86-64 as on aarch64, unless it asks for more by address."""


def instruction_words() -> InstructionWords | None:
    """Return where coroutines say at which instruction they stand; None where it is not found.

    Asking for ``cr_frame`` is an audit event, which costs more than all the rest of a step's
    digest. The field is looked for (``prev_instr`` up to CPython 3.12, then ``instr_ptr``; see
    ``pycore_frame.h``): it is the word that moves as ``f_lasti`` does.
    """
    if ctypes.sizeof(ctypes.c_void_p) != 8:  # noqa: PLR2004 - a word
        return None
    count = _ADDRESSES // 8
    memory = memoryview((ctypes.c_size_t * count).from_address(0)).cast("B").cast("P")
    probe: Any = _standing_twice()
    words = range(2, probe.__sizeof__() // 8)
    seen = []
    for _ in range(3):
        frame = probe.cr_frame
        seen.append((frame.f_lasti, [memory[2 * hash(probe) + word] for word in words]))
        del frame
        try:
            probe.send(None)
        except StopIteration:
            break
    (first, before), (second, between), (third, after) = seen
    found = [
        word
        for word, one, two, three in zip(words, before, between, after, strict=True)
        if (two - one, three - two) == (second - first, third - second)
    ]
    return InstructionWords(memory, found[0]) if len(found) == 1 else None


async def _standing_twice() -> None:
    await _once()
    await _once()


@coroutine
def _once() -> Generator[None, None, None]:
    yield
