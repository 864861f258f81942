"""Ending suspended code without running any of it, as the end of a process does.

Owns: what is done to a coroutine or a generator that belongs to a process which was killed, and to
an object whose class has a finalizer. Python ends a suspended frame by throwing ``GeneratorExit``
into it, which runs its ``finally`` blocks; a killed process runs none. So the frame's state is set
to *completed*, at one byte of the generator's struct: what resumes or closes it finds it over, and
what frees it lets go of its variables. An object with a finalizer is marked as one whose finalizer
has run, the mark that the garbage collector itself makes (PEP 442).

Where the byte is, is found by comparing coroutines in three states, which CPython numbers so
(Include/internal/pycore_frame.h, ``_framestate``, 3.11 to 3.14): created and suspended are below 0,
executing is 0, completed 1, cleared 4.

Must not know: processes.

Invariants:

- Nothing is written before both places were found, and what was written is looked at again by
  functions of Python's own.
- A frame that runs is left alone.
"""

from __future__ import annotations

import gc
from functools import cache
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.memory import HEAD_SIZE, WORD_SIZE, memory
from simloop.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["end_unrun", "is_suspendable", "leave_unfinalized"]

_COMPLETED, _CLEARED = 1, 4
_NEGATIVE = 0x80
_FINALIZED = 1
"""The lowest bit of the second word before the object: ``_PyGC_PREV_MASK_FINALIZED``."""

_KINDS = (CoroutineType, GeneratorType, AsyncGeneratorType)


def is_suspendable(target: object) -> bool:
    """Return whether an object has a frame of Python code that may be suspended."""
    return type(target) in _KINDS


def end_unrun(target: Any) -> None:
    """Let a suspended coroutine or generator be over, with none of its code run."""
    state = memory(target, _state_offset(), 1)
    if state[0] & _NEGATIVE:
        state[0] = _COMPLETED
    leave_unfinalized(target)


def leave_unfinalized(target: object) -> None:
    """Let an object that the garbage collector knows be freed without its finalizer."""
    if gc.is_tracked(target) and not gc.is_finalized(target):
        _check_mark()
        memory(target, -WORD_SIZE, 1)[0] |= _FINALIZED


@cache
def _state_offset() -> int:
    """Return where in a generator's struct its frame's state is.

    Raises:
        UnsupportedError: This Python keeps it in another way.
    """

    def states(function: Any) -> Generator[bytes, None, None]:
        generator = function()
        for wanted in (None, "suspended"):
            if wanted is not None:
                next(generator)
            yield bytes(memory(generator, HEAD_SIZE, _SIZE))
        for _ in generator:
            pass
        yield bytes(memory(generator, HEAD_SIZE, _SIZE))

    found = [tuple(states(each)) for each in (_one, _two)]
    for offset in range(_SIZE):
        if all(
            created[offset] & _NEGATIVE
            and suspended[offset] & _NEGATIVE
            and created[offset] != suspended[offset]
            and ended[offset] == _CLEARED
            for created, suspended, ended in found
        ):
            return HEAD_SIZE + offset
    raise UnsupportedError(
        "killing a process of a host: this Python keeps the state of a suspended coroutine"
        " where simloop does not find it; use CPython 3.11 to 3.14"
    )


_SIZE = GeneratorType.__basicsize__ - HEAD_SIZE


def _one() -> Generator[int, None, None]:
    yield 1


def _two() -> Generator[int, None, None]:
    yield from (1, 2)


@cache
def _check_mark() -> None:
    """Look once whether the mark of a finalizer that has run is where it is looked for.

    Raises:
        UnsupportedError: It is not.
    """
    probe: list[object] = []
    mark = memory(probe, -WORD_SIZE, 1)
    mark[0] |= _FINALIZED
    if not gc.is_finalized(probe):
        raise UnsupportedError(
            "killing a process of a host: this Python marks finalized objects where simloop does"
            " not find it; use CPython 3.11 to 3.14"
        )
