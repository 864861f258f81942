"""How asyncio's futures and tasks hash: those of a simulated loop by a number of their own.

asyncio keeps tasks and futures in sets, and a set's order follows hashes. Theirs come from their
address, which differs from run to run. Here a future of a simulated loop hashes by a number that
its loop gives out when it is first asked for, so that every such set has one order.

A subclass could do the same, but asyncio's C code has fast paths for exactly its own classes, and
leaving them makes every await a quarter slower. So it is the classes themselves that learn to hash
by number. They are written in C and refuse changes; for the moment of this one, their mark that
says so is lifted.

How a hash is found without running Python code, after the first time: ``__hash__`` is a property,
whose getter, written in C, fetches the attribute :data:`HASH`; what it finds is called. On a future
that has a number this is the number's own ``__hash__``. On one that has none yet it is the class's,
which asks the loop for one.

Invariants:

- This is the one change that stays when no run is on: a future must hash the same for as long as
  it lives. Futures of all other loops hash as ever, by their address.
- A number is kept on the future itself, and only on one that was ever hashed.
"""

from __future__ import annotations

import asyncio
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.memory import memory
from simloop.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HASH", "change_class", "number_of", "settle", "unsettle"]

HASH = "_simloop_hash"
"""The attribute that gives a future's hash when it is called."""

_FLAGS_AT = 168
"""Where a class of CPython 3.11 to 3.14 keeps ``__flags__``."""

_IMMUTABLE = 1 << 8

_by_address = object.__hash__


def _first_hash(self: Any) -> int:
    """Hash a future that has no number: give it one, if its loop does so."""
    give = getattr(self._loop, "_next_hash", None)
    if give is None:
        return _by_address(self)
    self._simloop_hash = known = give()
    return known()  # type: ignore[no-any-return]


def number_of(future: Any) -> int:
    """Return the number of a future that was hashed before, and 0 for others."""
    known = getattr(future, HASH, None)  # A task in pure Python has none.
    return 0 if getattr(known, "__self__", future) is future else known()  # type: ignore[misc]


def change_class(cls: Any, change: Callable[[], None]) -> None:
    """Change a class that refuses changes; its subclasses follow."""
    flags = memory(cls, _FLAGS_AT, 8).cast("L")
    known = cls.__flags__
    if flags[0] != known:
        raise UnsupportedError(
            f"{cls!r} is not laid out as in CPython 3.11 to 3.14, so sets of its objects would have"
            " another order in each run; use one of those Pythons"
        )
    flags[0] = known & ~_IMMUTABLE
    try:
        change()
    finally:
        flags[0] = cls.__flags__ | (known & _IMMUTABLE)


def unsettle() -> None:
    """Let every future hash by its address again: for measuring what other loops cost.

    No future of a simulated loop may be alive meanwhile.
    """
    change_class(asyncio.Future, lambda: delattr(asyncio.Future, "__hash__"))


def settle() -> None:
    """Let futures of simulated loops hash by number from now on."""

    def change() -> None:
        setattr(asyncio.Future, HASH, _first_hash)
        asyncio.Future.__hash__ = property(attrgetter(HASH))  # type: ignore[method-assign,assignment]

    change_class(asyncio.Future, change)


settle()
