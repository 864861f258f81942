"""Leaving functions that are being run without running anything of them.

Owns: how a thread of a killed process ends, and how a step ends that kills its own process. Python
leaves functions by an exception, and on its way each function may catch it or clean up. So for the
moment of leaving the functions on the way have no handlers: a code object says by its *exception
table* which instruction handles what (CPython 3.11 to 3.14, InternalDocs/exception_handling.md),
and the pointer to that table is set to an empty one. Generators that only these functions hold are
freed on the way, so generators have no finalizer in that moment.

All this happens in C, in one thread under the GIL, from the raise to the function that is left
alone, which restores everything first of all.

Must not know: which functions these are.

Invariants: what was exchanged is put back by :func:`restore`, before other code of those functions
runs.
"""

from __future__ import annotations

import sys
from functools import cache
from types import AsyncGeneratorType, CodeType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, Never

from simloop._sandbox.patching.memory import HEAD_SIZE, WORD_SIZE, address_of, memory, word_of
from simloop.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["restore", "unwind"]

_NO_HANDLERS = b""
_FINALIZE = 392
"""Where a type's ``tp_finalize`` is on 64-bit machines (CPython, Include/cpython/object.h)."""

_exchanged: list[tuple[memoryview, bytes]] = []
"""Words that were exchanged, and what they held."""


def unwind(is_left_alone: Callable[[CodeType], bool], error: BaseException) -> Never:
    """Raise an error that no function catches or notices up to one that is left alone.

    That one has to call :func:`restore` first of all.
    """
    offset = _table_offset()
    frame: Any = sys._getframe(0)
    codes: list[CodeType] = []
    while frame is not None and not is_left_alone(frame.f_code):
        codes.append(frame.f_code)
        frame = frame.f_back
    del frame
    empty = address_of(_NO_HANDLERS).to_bytes(WORD_SIZE, sys.byteorder)
    nothing = bytes(WORD_SIZE)
    words = [(memory(code, offset, WORD_SIZE), empty) for code in codes]
    words += [(memory(kind, _FINALIZE, WORD_SIZE), nothing) for kind in _KINDS]
    for word, value in words:
        _exchanged.append((word, bytes(word)))
        word[:] = value
    raise error


_KINDS = (GeneratorType, CoroutineType, AsyncGeneratorType)


def restore() -> None:
    """Put back what :func:`unwind` exchanged, if it did."""
    while _exchanged:
        word, value = _exchanged.pop()
        word[:] = value


@cache
def _table_offset() -> int:
    """Return where in a code object the pointer to its exception table is.

    Raises:
        UnsupportedError: This Python keeps it, or a type's finalizer, in another way.
    """
    codes = [_with_handler.__code__, _with_two.__code__]
    for offset in range(HEAD_SIZE, CodeType.__basicsize__, WORD_SIZE):
        if all(word_of(code, offset) == address_of(code.co_exceptiontable) for code in codes):
            if word_of(GeneratorType, _FINALIZE) == word_of(CoroutineType, _FINALIZE) != 0:
                return offset
            break
    raise UnsupportedError(
        "killing a process of a host in the middle of its code: this Python keeps what a function"
        " handles where simloop does not find it; use CPython 3.11 to 3.14 on a 64-bit machine"
    )


def _with_handler() -> None:
    try:
        _table_offset()
    except LookupError:
        restore()


def _with_two() -> None:
    try:
        _table_offset()
    except LookupError:
        restore()
    finally:
        _with_handler()
