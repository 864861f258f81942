"""What a frame sees, told without holding any of it.

Whether a round is like the one before is asked of what its frames see. What is looked at must not
live longer for it: that a thread is looked at is decided in real time, and the moment in which an
object goes (its finalizer runs, a generator is closed) is a part of the run.

Owns: signs of objects, by which two looks are compared. An object that can be referred to weakly is
itself as long as its weak reference lives; a value is what it is worth, and so is a tuple; another
container is its address, its length and some of what it holds; of the rest there is the address.
An address alone another object may have later: whatever is made anew in each round is taken for
another one if it lies elsewhere than in the round before, where the old one still lived.

Must not know: rounds, and who looks.

Invariant: no code of the program runs to make a sign or to compare two, and a sign holds nothing
but numbers, texts and weak references.
"""

from __future__ import annotations

import weakref
from _thread import LockType
from collections import deque
from itertools import chain, islice
from types import BuiltinMethodType, MethodType
from typing import TYPE_CHECKING, Any

from simloop._kernel.safe_looks import attribute_of, variables_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

__all__ = ["SeenState"]

_PLAIN = (int, float, str, bytes, bool, type(None))
_SIZED: tuple[type[Any], ...] = (list, tuple, dict, set, frozenset, deque, bytearray)
_LOOKED_AT = 16
"""How many objects of a container are looked at."""


class SeenState:
    """What some frames see, one after the other, one level deep."""

    __slots__ = ("_references", "_signs")

    def __init__(self) -> None:
        self._signs: list[Any] = []
        # As long as these live, none of another object has the same address.
        self._references: list[weakref.ref[Any]] = []

    def __len__(self) -> int:
        return len(self._signs)

    def is_like(self, other: SeenState) -> bool:
        """Tell whether the same was seen."""
        return self._signs == other._signs

    def add(self, frame: FrameType) -> None:
        """Add where a frame stands and what it sees."""
        code, names = frame.f_code, frame.f_globals
        self._signs += [id(code), frame.f_lineno]
        seen = (
            *variables_of(frame).values(),
            *(names[each] for each in code.co_names if each in names),
        )
        for value in seen:
            self._signs.append(self._sign(value))
            if isinstance(own := attribute_of(value, "__dict__"), dict):
                self._signs += map(self._sign, own.values())

    def _sign(self, value: Any, depth: int = 1) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return kind.__name__, value
        if kind is LockType:  # ``Condition.wait(0)`` makes one each time, to wait at.
            return "lock", value.locked()
        if kind is MethodType:
            return "method", self._sign(value.__self__, 0), self._sign(value.__func__, 0)
        if kind is BuiltinMethodType:
            return "method", self._sign(value.__self__, 0), value.__name__
        for base in _SIZED:
            if issubclass(kind, base):
                return self._sign_of_sized(value, base, depth)
        return self._identity(value)

    def _sign_of_sized(self, value: Any, base: type[Any], depth: int) -> Any:
        """Return the length of a container, and what it holds; of one that has a class, itself."""
        count = base.__len__(value)
        if type(value) is not base:
            return self._identity(value), count
        # What a call gathers as *args is a new tuple each time; and any empty one is like another.
        address = id(value) if count > _LOOKED_AT or (count and base is not tuple) else 0
        if base is bytearray or not (depth or base is tuple):
            return base.__name__, count, address
        held = islice(_objects_in(value), _LOOKED_AT)
        deeper = [self._sign(each, 0) for each in held]
        return base.__name__, count, address, *deeper

    def _identity(self, value: Any) -> Any:
        try:
            reference = weakref.ref(value)
        except TypeError:  # It has no place for one: most types written in C, and slots.
            return "object", id(value)
        self._references.append(reference)
        return "reference", id(reference)


def _objects_in(container: Any) -> Iterable[Any]:
    """Return what a container holds, first what was put there last, where there is a last."""
    if type(container) is dict:
        return chain.from_iterable(reversed(container.items()))
    return container if isinstance(container, set | frozenset) else reversed(container)
