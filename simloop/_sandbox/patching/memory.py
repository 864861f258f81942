"""Writing many words of memory at one go.

Owns: how memory of Python objects is read and written. Entering a run changes some two hundred
words that lie all over the process (:mod:`.redirect`, :mod:`.rewrite`); one by one that takes ten
times as long as all the rest.

How it works. The buffer protocol knows arrays whose rows are found through a table of pointers, as
imaging libraries lay them out. A memory view over such a table, its rows one word long, makes an
assignment to the whole of it a loop in C that writes each word where its pointer says.

Must not know: what the words mean.

Invariants:

- Nothing is written but through a view that was made from the objects themselves, which live as
  long as the process.
- An assignment is one step under the GIL: no other thread sees half of it.
"""

from __future__ import annotations

import ctypes
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "HEAD_SIZE",
    "WORD_SIZE",
    "MemoryPatch",
    "Word",
    "address_of",
    "interpreter",
    "memory",
    "memory_at",
    "words_between",
]

interpreter = ctypes.PyDLL(None)
"""CPython's functions, with types that are ours: ``ctypes.pythonapi`` is the whole process's."""

HEAD_SIZE = object.__basicsize__
"""Bytes before the first field of an object's C struct."""

WORD_SIZE = ctypes.sizeof(ctypes.c_void_p)
_FORMAT = b"N"  # size_t, as wide as a pointer.


class _Buffer(ctypes.Structure):
    """CPython's ``Py_buffer``."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.POINTER(ctypes.c_ssize_t)),
        ("suboffsets", ctypes.POINTER(ctypes.c_ssize_t)),
        ("internal", ctypes.c_void_p),
    )


_new_view = interpreter.PyMemoryView_FromBuffer
_new_view.restype = ctypes.py_object
_new_view.argtypes = (ctypes.POINTER(_Buffer),)


def address_of(target: Any) -> int:
    """Return where an object's C struct begins."""
    return ctypes.c_void_p.from_buffer(ctypes.py_object(target)).value or 0


def memory(target: Any, offset: int, size: int) -> memoryview:
    """Return a writable view of part of an object's C struct. The object must outlive it."""
    return memory_at(address_of(target) + offset, size)


def memory_at(address: int, size: int) -> memoryview:
    """Return a writable view of memory. It must outlive the view."""
    return memoryview((ctypes.c_char * size).from_address(address)).cast("B")


class Word(NamedTuple):
    """A word of memory, and what it holds outside of runs and in them."""

    address: int
    off: int
    on: int


def words_between(target: Any, model: Any, offsets: Iterable[int]) -> tuple[Word, ...]:
    """List the words that make ``target`` like ``model``: those at ``offsets`` of its struct."""
    ours, theirs = address_of(target), address_of(model)
    read = ctypes.c_size_t.from_address
    return tuple(
        Word(ours + offset, read(ours + offset).value, read(theirs + offset).value)
        for offset in offsets
    )


class MemoryPatch:
    """MemoryPatch that are written together. Where one is named twice, the later one counts."""

    __slots__ = ("_off", "_on", "_table", "_view")

    def __init__(self, words: Iterable[Word]) -> None:
        listed = list(words)
        count = len(listed)
        self._table = (ctypes.c_void_p * count)(*[word.address for word in listed])
        self._off = _array([word.off for word in listed])
        self._on = _array([word.on for word in listed])
        one = ctypes.c_ssize_t * 1
        self._view: memoryview = _new_view(
            _Buffer(
                buf=ctypes.addressof(self._table),
                len=count * WORD_SIZE,
                itemsize=WORD_SIZE,
                ndim=1,
                format=_FORMAT,
                shape=one(count),
                strides=one(WORD_SIZE),
                suboffsets=one(0),
            )
        )

    def __len__(self) -> int:
        return len(self._table)

    def on(self) -> None:
        """Write what they hold in runs."""
        self._view[:] = self._on

    def off(self) -> None:
        """Write what they hold outside of runs."""
        self._view[:] = self._off

    def steps_off(self) -> tuple[Callable[[], object], ...]:
        """Return the call of a C function that does the same."""
        return (partial(self._view.__setitem__, slice(None), self._off),)


def _array(values: list[int]) -> Any:
    array = (ctypes.c_size_t * len(values))(*values)
    return memoryview(array).cast("B").cast(_FORMAT.decode())  # type: ignore[call-overload]
