"""``hash(None)`` on Python 3.11: a constant, as it is from 3.12 on (CPython gh-99540).

There it is the address of ``None``, which differs from process to process, and with it the order of
each set of tuples, named tuples or frozen dataclasses that hold it.

Owns: exchanging the function by which ``None`` is hashed, once, before the first run of a process
and for good, and putting everything into its new place that was hashed by the old one.

How. The slot ``tp_hash`` of ``NoneType`` gets the address of a function of CPython's that takes an
object and returns a constant for this one: ``Py_IsNone``, so ``hash(None)`` is 1. Dictionaries and
sets of the process that hold keys whose hash has changed thereby are filled anew: the same objects,
in the same order of insertion.

Must not know: runs.

Invariants:

- A key that was found before is found afterwards. What is looked through is all that the collector
  knows, what these hold directly, and the variables of the frames that are on.
- Between emptying a container and filling it no other thread gets the GIL, unless a key's own
  ``__hash__`` is in Python.
- Where a Python is laid out in another way, nothing is changed.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections import OrderedDict, deque
from functools import partial
from operator import call
from typing import TYPE_CHECKING, Any

from simloop._kernel.safe_looks import variables_of
from simloop._sandbox.patching.memory import WORD_SIZE, address_of, interpreter
from simloop._sandbox.patching.registry import before_install

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

__all__ = ["settle_hash_of_none"]

_SLOT_AT = 15 * WORD_SIZE
"""Where ``tp_hash`` is in a type (Include/cpython/object.h)."""
_TYPE_AT = WORD_SIZE
"""Where an object's type is."""
_KEPT_HASH_AT = 6 * WORD_SIZE
"""Where a frozen set keeps its hash (``PySetObject``, Include/cpython/setobject.h)."""
_LINK, _LINKED_HASH_AT = "_lru_list_elem", 4 * WORD_SIZE
"""What ``functools.lru_cache`` keeps of a key, and where in it the hash is (``lru_list_elem``)."""
_UNKNOWN = -1 & (1 << (8 * WORD_SIZE)) - 1

_PASSES = 20
"""As deep as sets lie in keys of others; a key that hashes otherwise each time never settles."""

_KINDS: tuple[Any, ...] = (OrderedDict, dict, set, frozenset)
"""Kinds of containers that hash what they hold, each before those that it is one of."""
_PLAIN = dict.fromkeys((str, int, bytes, float, bool, complex, type)).keys()
"""Kinds of keys in which there is no ``None``: most."""


def settle_hash_of_none() -> None:
    """Let ``None`` hash by a constant, whatever was hashed before."""
    slot = ctypes.c_size_t.from_address(address_of(type(None)) + _SLOT_AT)
    constant = _address_of_function("Py_IsNone")
    if not constant or slot.value != _address_of_function("_Py_HashPointer"):
        return
    found = [each for each in map(_look_at, _containers()) if each is not None]
    slot.value = constant
    # A frozen set keeps its hash until it is filled anew, and may be within another one's key.
    for _ in range(_PASSES):
        if not sum(each.mend() for each in found):
            break


def _address_of_function(name: str) -> int:
    """Return where a function of CPython's is; 0 if this one does not tell."""
    function = getattr(interpreter, name, None)
    return 0 if function is None else ctypes.cast(function, ctypes.c_void_p).value or 0


class _Found:
    """A container with keys whose hash may change.

    Args:
        container: The dictionary or set.
        keys: Those keys.
        items: What it holds, of an ordered dictionary, which finds its values by its keys.
    """

    def __init__(self, container: Any, keys: list[Any], items: list[Any]) -> None:
        self._container = container
        self._keys = keys
        self._items = items
        self._hashed = list(map(_hash_of, keys))

    def mend(self) -> bool:
        """Fill it anew if a key hashes in another way than before, and return whether one does."""
        hashed = list(map(_hash_of, self._keys))
        if hashed == self._hashed:
            return False
        before, self._hashed = self._hashed, hashed
        kind = _kind_of(self._container)
        if kind is dict and not self._mend_links(before):
            return False
        content = self._items or list(
            (dict.items if kind is dict else kind.__iter__)(self._container)
        )
        if kind is frozenset:
            steps = _steps_of_frozen(self._container, content)
        else:
            update = partial(kind.update, self._container, content)
            steps = partial(kind.clear, self._container), update
        deque(map(call, steps), maxlen=0)  # In C.
        return True

    def _mend_links(self, hashed: list[int]) -> bool:
        """Mend what a cache of ``functools`` keeps of each key; False if that is not where it was.

        By it a key is taken out of the dictionary when its turn has come; one that is not found
        there would be taken out of the list of keys twice.
        """
        before = {id(key): value for key, value in zip(self._keys, hashed, strict=True)}
        kept = [
            (ctypes.c_ssize_t.from_address(address_of(link) + _LINKED_HASH_AT), key)
            for key, link in list(dict.items(self._container))
            if id(key) in before and type(link).__name__ == _LINK
        ]
        if any(word.value != before[id(key)] for word, key in kept):
            return False
        for word, key in kept:
            word.value = hash(key)
        return True


def _look_at(container: Any) -> _Found | None:
    kind = _kind_of(container)
    if dict.fromkeys(map(type, kind.__iter__(container))).keys() <= _PLAIN:
        return None  # As most, and at the speed of C.
    keys = [each for each in list(kind.__iter__(container)) if type(each) not in _PLAIN]
    return _Found(container, keys, list(kind.items(container)) if kind is OrderedDict else [])


def _kind_of(container: Any) -> Any:
    return next(kind for kind in _KINDS if isinstance(container, kind))


def _hash_of(key: Any) -> int:
    try:
        return hash(key)
    except BaseException:  # noqa: BLE001 - a method of the program's own may raise anything
        return 0


def _containers() -> Iterator[Any]:
    """Give the dictionaries and sets of the process."""
    known = gc.get_objects()
    for each in known:
        if isinstance(each, _KINDS):
            yield each
    # The collector knows no dictionary whose keys and values are all plain.
    for each in (*gc.get_referents(*known), *_variables_of_frames()):
        if type(each) is dict and not gc.is_tracked(each):
            yield each


def _variables_of_frames() -> Iterator[Any]:
    for innermost in sys._current_frames().values():
        frame: FrameType | None = innermost
        while frame is not None:
            yield from variables_of(frame).values()
            frame = frame.f_back


def _steps_of_frozen(container: Any, content: list[Any]) -> tuple[Callable[[], object], ...]:
    """Return the steps that fill a frozen set, which is taken for a set meanwhile."""
    kind = ctypes.c_size_t.from_address(address_of(container) + _TYPE_AT)
    kept = ctypes.c_size_t.from_address(address_of(container) + _KEPT_HASH_AT)
    return (
        partial(setattr, kind, "value", address_of(set)),
        partial(set.clear, container),
        partial(set.update, container, content),
        partial(setattr, kind, "value", kind.value),
        partial(setattr, kept, "value", _UNKNOWN),
    )


_is_settled = False


def _settle_once() -> None:
    global _is_settled  # noqa: PLW0603 - the state of the process
    if not _is_settled:
        _is_settled = True
        settle_hash_of_none()


if sys.version_info < (3, 12):
    before_install(_settle_once)
