"""Objects that hash by number: those of a run in the order in which they were first hashed.

An object without a ``__hash__`` of its own hashes by its address, which differs from run to run,
and a set's order follows hashes. A class that is named here gets a ``__hash__`` that gives each of
its instances a number when a run first hashes it. :mod:`asyncio`'s C futures have a faster one
(:mod:`simloop._sandbox.asyncio_.future_hashes`).

Owns: the method, where the number is kept, and :func:`hash_by_number`, by which users name classes
of theirs.

Must not know: which classes of the standard library and of others are named; those are lists
beside this file.

Why the method stays on the class when no run is on: an object hashes the same for as long as it
lives, also in the set that a run returned. Patching it in at each run would cost each empty run a
few thousand instructions, too; this way a run pays when it hashes something.

Invariants:

- A hash never changes. What was hashed outside of every run, or lived when its class was named,
  hashes by its address for good, in runs, too; where its class told that in a method of its own,
  as the method tells it.
- A number is kept in the object, as :data:`HASH`, where it takes attributes; else, like the note
  that an object hashes by its address, in a table that holds it weakly. So nothing is kept alive,
  and nothing is written into an object outside of runs.
- Objects that take neither have one hash for all, in runs: their sets have one order, and are slow
  if large. Which addresses hash how is noted for good, so that what is returned from a run
  keeps its hash, too; a class whose objects never leave their run needs no such notes.
- A class that has a ``__hash__`` or ``__eq__`` of its own, or inherits it from any class but
  :class:`object`, hashes as it says.
- The numbers are the world's, counted from 1.

Limit: when a reference cycle is collected, the table forgets its objects before their ``__del__``
runs (CPython's ``handle_weakrefs``). One that takes no attributes hashes anew in there.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import ref

from simloop._sandbox.asyncio_.future_hashes import HASH, change_class
from simloop._sandbox.patching.registry import before_install
from simloop._sandbox.run_context import by_thread, get_ident
from simloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    _Hash = Callable[[Any], int]

__all__ = ["hash_by_number", "hashes_by_address", "name_class"]

_T = TypeVar("_T")

_plain: Any = object
"""What says how objects behave that say nothing themselves."""
_by_address: Callable[[Any], int] = _plain.__hash__
"""The hash of most objects. No two that live have the same; unlike id() no audit hook hears it."""
_set_attribute: Any = _plain.__setattr__

_IMMUTABLE = 1 << 8
"""The flag of a class that refuses changes (CPython's ``Py_TPFLAGS_IMMUTABLETYPE``)."""


class _Note(ref[Any]):
    """The hash of an object, for as long as the object lives."""

    __slots__ = ("hash", "place")

    hash: int
    place: int


_notes: dict[int, _Note] = {}
"""By address. An object's entry goes before its address is given to another one."""

_of_places: dict[int, int] = {}
"""By address, the hash of all objects there that can keep none, whichever come one after another.

It has as many entries as there were such objects at one time, or a few more.
"""


_told: dict[type, _Hash] = {}
"""The ``__hash__`` that a class had of its own, which told the address in a way of its own."""


_settled: dict[int, ref[type]] = {}
"""By address, classes whose instances are known to keep a number, from the first that did.

Weakly, for runs make classes; by address, for a metaclass may make its classes equal or unhashable.
A class is looked at once: what its bases are given later does not count.
"""
_MANY = 1024  # Classes that are remembered at most.
_ABSENT: Any = object()


def _forget(note: Any, notes: dict[int, _Note] = _notes) -> None:
    place: int = note.place
    if notes.get(place) is note:  # The module's name for it goes first when the process ends.
        del notes[place]


def _remember(thing: Any, value: int) -> None:
    """Note a hash beside its object."""
    try:
        note = _Note(thing, _forget)
    except TypeError:  # It takes no weak references.
        _of_places.setdefault(_by_address(thing), value)
        return
    note.hash = value
    note.place = _by_address(thing)
    _notes[note.place] = note


def _outside(thing: Any) -> int:
    """Hash as outside of runs: ``object`` and a method that returns ``id(self)`` do not agree."""
    for cls, told in _told.items():
        if cls in type(thing).__mro__:
            return told(thing)
    return _by_address(thing)


def _hash(self: Any) -> int:
    """Hash by number in a run, and by address outside."""
    known: int | None = self._simloop_hash
    return _first_hash(self) if known is None else known


def _hash_in_runs(self: Any) -> int:
    """Do the same, of a class whose objects are in no set both in a run and outside."""
    known: int | None = self._simloop_hash
    return _first_hash(self, stays_in_run=True) if known is None else known


def _hash_as_told(self: Any) -> int:
    """Do the same, of a class whose own method told the address, whatever its bases say."""
    known: int | None = self._simloop_hash
    return _first_hash(self) if known is None else known


def _hash_if_identical(self: Any) -> int:
    """Do the same, unless a decorator has come that lets instances be equal."""
    known: int | None = self._simloop_hash
    if known is not None:
        return known
    cls = type(self)
    if cls.__eq__ is not _plain.__eq__:
        raise TypeError(
            f"unhashable type: {cls.__name__!r}: equal instances would have different hashes, for"
            " __eq__ was set after simloop.hash_by_number() (by @dataclass or attrs?); use eq=False"
        )
    return _first_hash(self)


_OURS: tuple[Any, ...] = (_hash, _hash_in_runs, _hash_as_told, _hash_if_identical)


def _first_hash(thing: Any, *, stays_in_run: bool = False) -> int:
    """Hash an object that has no number in itself."""
    note = _notes.get(_by_address(thing))
    if note is not None:
        return note.hash
    cls = type(thing)
    run = by_thread.get(get_ident())
    if run is not None:
        settled = _settled.get(_by_address(cls))
        if settled is not None and settled() is cls:
            number = run.next_number()
            _set_attribute(thing, HASH, number)
            return number
    owner = _owner_of_hash(cls, is_asked_by_class=True)
    if owner is not object:
        other = vars(owner)["__hash__"]
        if other is None:
            raise TypeError(f"unhashable type: {cls.__name__!r}")
        return other.__get__(thing, cls)()  # type: ignore[no-any-return]
    if not cls.__dictoffset__ and not cls.__weakrefoffset__:
        value = _outside(thing) if run is None else 0
        return value if stays_in_run else _of_places.setdefault(_by_address(thing), value)
    if run is None:
        value = _outside(thing)
        _remember(thing, value)
        return value
    number = run.next_number()
    if cls.__dictoffset__ and _keeps_attributes(cls):
        _set_attribute(thing, HASH, number)
        if len(_settled) >= _MANY:
            _settled.clear()
        _settled[_by_address(cls)] = ref(cls)
    else:
        _remember(thing, number)
    return number


def _keeps_attributes(cls: type) -> bool:
    """Return whether an attribute that is set is found again: thread-local data is not."""
    return cls.__setattr__ is _set_attribute and cls.__getattribute__ is _plain.__getattribute__


def _owner_of_hash(cls: type, *, is_asked_by_class: bool = False) -> type:
    """Return the class that says how instances hash, ours left out: ``object`` if none does.

    Args:
        cls: The class of the instances.
        is_asked_by_class: Whether a ``__hash__`` in front of ours was called already, and asks for
            what its ``super()`` says.
    """
    for each in cls.__mro__:
        found = vars(each).get("__hash__", _ABSENT)
        if found is _hash_as_told:
            break
        if found in _OURS:
            is_asked_by_class = False
        elif found is not _ABSENT and not is_asked_by_class:
            return each
    return object


def hashes_by_address(cls: Any) -> bool:
    """Return whether nothing but the address makes an instance's hash."""
    return cls.__hash__ is _by_address


# Naming classes

_new: list[type] = []
"""Classes that were named since objects were last looked for."""


def name_class(cls: Any, *, stays_in_run: bool = False) -> None:
    """Let instances of a class that hash by address hash by number in runs.

    Args:
        cls: The class, which may be written in C.
        stays_in_run: Whether no instance is in a set both in a run and outside.
    """
    own = vars(cls).get("__hash__")
    if own is None:
        _install(cls, _hash_in_runs if stays_in_run else _hash)
    else:
        _told[cls] = own
        _install(cls, _hash_as_told)


def _install(cls: Any, function: _Hash) -> None:
    def change() -> None:
        setattr(cls, HASH, None)
        cls.__hash__ = function

    change_class(cls, change)
    _new.append(cls)
    if get_ident() in by_thread:
        _look_for_instances()


def _look_for_instances() -> None:
    """Note of the instances that live already that they hash by address: sets may have them.

    In a run these are those that it made: all others were set aside when it began, and were looked
    through before that.
    """
    if not _new:
        return
    named = dict.fromkeys(_new)
    _new.clear()
    is_named: dict[type, bool] = {}
    for thing in gc.get_objects():
        cls = type(thing)
        is_wanted = is_named.get(cls)
        if is_wanted is None:
            is_wanted = is_named[cls] = any(each in named for each in type.mro(cls))
        if is_wanted and _by_address(thing) not in _notes and not _has_hash(thing):
            _remember(thing, _outside(thing))


def _has_hash(thing: Any) -> bool:
    """Return whether an object has a number, or will have none but in its run."""
    cls: Any = type(thing)
    if cls.__hash__ is _hash_in_runs:
        return True
    try:
        return _plain.__getattribute__(thing, HASH) is not None
    except (AttributeError, TypeError):
        return False


before_install(_look_for_instances)


def hash_by_number(cls: type[_T]) -> type[_T]:
    """Let instances of a class hash by number in runs, so that sets of them have one order.

    Without it they hash by address, and a set or a ``WeakSet`` of them is iterated in another
    order in each run. An instance that a run makes gets a number when it is first hashed, and
    keeps it for life. Outside of runs nothing changes, and an instance that was hashed before a
    run keeps its hash. Subclasses follow. It is a decorator, too, and calling it twice is fine.

    asyncio's own classes, those of the standard library beside them, and those of many libraries
    are taken care of: see :doc:`/how-to/sets-of-objects`.

    Args:
        cls: A class written in Python whose instances are told apart by identity. Name it before
            the run makes instances: what lives already hashes by its address.

    Returns:
        The same class.

    Raises:
        TypeError: It is no class.
        UsageError: It has a ``__hash__`` or ``__eq__`` of its own; it is built in or written in C;
            or its ``__slots__`` leave no room for a number.

    Example:
        >>> import simloop
        >>> @simloop.hash_by_number
        ... class Peer:
        ...     def __init__(self, name):
        ...         self.name = name
        >>> async def main():
        ...     return [peer.name for peer in {Peer(name) for name in "abc"}]
        >>> simloop.run(main())
        ['a', 'b', 'c']
    """
    if not isinstance(cls, type):
        raise TypeError(
            f"hash_by_number() takes a class, not {cls!r}; decorate or pass the class of the"
            " objects that are in the set"
        )
    owner = _owner_of_hash(cls)
    if HASH in vars(owner) or (owner is object and cls.__hash__ in _OURS):
        return cls  # A future; or named before, by somebody or in one of our lists.
    if reason := _reason_against(cls):
        raise UsageError(f"hash_by_number({cls.__qualname__}): {reason}")
    _install(cls, _hash_if_identical)
    return cls


def _reason_against(cls: type) -> str | None:
    """Return why a class cannot hash by number, and what to do, or None if it can."""
    if cls.__flags__ & _IMMUTABLE:
        return (
            "it is built in, and every object of it hashes as Python says; derive a class from it,"
            " or keep its objects in a dict or a list, which have an order"
        )
    if cls.__eq__ is not _plain.__eq__ or not hashes_by_address(cls):
        for each in cls.__mro__:
            for name in ("__eq__", "__hash__"):
                if each is not object and vars(each).get(name, _hash) not in _OURS:
                    return (
                        f"{each.__qualname__} defines {name}, so equal instances must hash alike;"
                        " leave that out (@dataclass(eq=False), @attrs.define(eq=False)), or keep"
                        " instances in a dict, which has an order"
                    )
    if not cls.__dictoffset__ and not cls.__weakrefoffset__:
        return (
            "its __slots__ leave no room for a number; add '__weakref__' to them, or keep instances"
            " in a dict, which has an order"
        )
    return None
