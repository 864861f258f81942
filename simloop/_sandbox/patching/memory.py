"""Writing many words of memory at one go.

Owns: how memory of Python objects is read and written. Entering a run changes some two hundred
words that lie all over the process (:mod:`.redirect`, :mod:`.rewrite`); one by one that takes ten
times as long as all the rest.

How it works. The buffer protocol knows arrays whose rows are found through a table of pointers, as
imaging libraries lay them out. A memory view over such a table, its rows one item long, makes an
assignment to the whole of it a loop in C that writes each item where its pointer says. An item is
a word, or two that are neighbours.

Must not know: what the words mean.

Invariants:

- Nothing is written but through a view that was made from the objects themselves, which live as
  long as the process.
- All is written in one step under the GIL, a loop in C: no other thread sees half of it.
"""

from __future__ import annotations

import ctypes
from collections import deque
from functools import partial
from itertools import pairwise
from operator import call
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = [
    "HEAD_SIZE",
    "WORD_SIZE",
    "MemoryPatch",
    "Word",
    "address_of",
    "interpreter",
    "memory",
    "memory_at",
    "word_of",
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
    """List the words that make ``target`` like ``model``, of those at ``offsets`` of its struct."""
    return tuple(
        Word(address_of(target) + offset, ours, theirs)
        for offset in offsets
        if (ours := word_of(target, offset)) != (theirs := word_of(model, offset))
    )


def word_of(target: Any, offset: int) -> int:
    """Return a word of an object's struct."""
    return ctypes.c_size_t.from_address(address_of(target) + offset).value


class MemoryPatch:
    """Words that are written together. Where one is named twice, the later one counts."""

    __slots__ = ("_count", "_off", "_on", "_tables")

    def __init__(self, words: Iterable[Word]) -> None:
        off: dict[int, int] = {}
        on: dict[int, int] = {}
        for word in words:
            off.setdefault(word.address, word.off)
            on[word.address] = word.on
        self._count = len(on)
        pairs = list(_neighbours(sorted(on)))
        paired = {address for pair in pairs for address in pair}
        singles = [(address,) for address in on if address not in paired]
        self._tables = [_Table(each) for each in (pairs, singles) if each]
        self._on = [table.writing(on) for table in self._tables]
        self._off = [table.writing(off) for table in self._tables]

    def __len__(self) -> int:
        return self._count

    def on(self) -> None:
        """Write what they hold in runs."""
        deque(map(call, self._on), maxlen=0)

    def off(self) -> None:
        """Write what they hold outside of runs."""
        deque(map(call, self._off), maxlen=0)

    def steps_off(self) -> list[Callable[[], object]]:
        """Return calls of C functions that do the same."""
        return self._off


class _Table:
    """Items of memory, each of as many words in a row as the others.

    An item costs the same however wide it is, so neighbours are written as one.
    """

    __slots__ = ("_pointers", "_view", "places")

    def __init__(self, places: Sequence[tuple[int, ...]]) -> None:
        self.places = places
        self._pointers = (ctypes.c_void_p * len(places))(*[place[0] for place in places])
        width = len(places[0]) * WORD_SIZE
        self._view = _view(self._pointers, len(places), width, WORD_SIZE, suboffset=0)

    def writing(self, values: Mapping[int, int]) -> Callable[[], object]:
        """Return the call of a C function that writes these, by address."""
        words = [values[address] for place in self.places for address in place]
        array = (ctypes.c_size_t * len(words))(*words)
        width = len(self.places[0]) * WORD_SIZE
        return partial(self._view.__setitem__, slice(None), _view(array, len(self.places), width))


def _neighbours(addresses: list[int]) -> Iterator[tuple[int, int]]:
    """Give pairs of sorted addresses that lie side by side, none of them twice."""
    last = 0
    for first, second in pairwise(addresses):
        if second - first == WORD_SIZE and first != last:
            last = second
            yield first, second


_arrays: list[Any] = []
"""What views are made over lives as long as the process."""


def _view(array: Any, count: int, width: int, stride: int = 0, suboffset: int = -1) -> memoryview:
    """Make a view of items; with a suboffset of 0 the array holds pointers to them.

    A slice is assigned to if the formats are equal, of one character, and the items as wide; so an
    item may be wider than its format says (CPython, Objects/memoryobject.c).
    """
    _arrays.append(array)
    one = ctypes.c_ssize_t * 1
    view: memoryview = _new_view(
        _Buffer(
            buf=ctypes.addressof(array),
            len=count * width,
            itemsize=width,
            ndim=1,
            format=_FORMAT,
            shape=one(count),
            strides=one(stride or width),
            suboffsets=one(suboffset),
        )
    )
    return view
