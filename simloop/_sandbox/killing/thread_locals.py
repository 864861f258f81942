"""What killed threads have in thread-local objects: taken out before it would be finalized.

Owns: emptying every ``threading.local`` for one thread. When a thread ends, Python frees what is
its own in each of them, wherever the objects themselves are held. A killed thread ends only after
the run, so what is taken out here is kept until then, and goes with its other remains.

How the thread's are found, with none of the program's code run, is in Modules/_threadmodule.c: the
objects watch for the thread's end by weak references, to an object for each that lies in the
thread's dictionary (``_localdummy``, 3.11 and 3.12), or to one for all (the thread's sentinel, from
3.13 on). Whose reference it is, its callback knows.

Must not know: which threads are killed.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
import weakref
from _thread import _local
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.memory import interpreter

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["take_locals"]

_values_of: Any = _local.__getattribute__
_HAS_SENTINEL = sys.version_info >= (3, 13)

if not _HAS_SENTINEL:
    _dictionary: Any = interpreter.PyThreadState_GetDict
    _dictionary.restype = ctypes.c_void_p  # The reference is borrowed.


def take_locals() -> list[Any]:
    """Empty all thread-local objects for the calling thread; return what they held."""
    left: list[Any] = []
    for watched in _watched():
        for reference in weakref.getweakrefs(watched):
            for each in _objects_of(reference):
                values = _values_of(each, "__dict__")
                left += values.values()
                values.clear()
    return left


def _watched() -> list[Any]:
    """List what goes at the end of the calling thread, and is waited for."""
    if not _HAS_SENTINEL:
        held: dict[Any, Any] = ctypes.cast(_dictionary(), ctypes.py_object).value or {}
        return [each for each in held.values() if type(each).__name__ == "_localdummy"]
    probe = threading.local()
    probe.value = None
    sets = [each for each in gc.get_referents(probe) if type(each) is set]
    return [each() for own in sets for each in own if each() is not None]


def _objects_of(reference: Any) -> Iterator[Any]:
    """Yield the thread-local object whose weak reference it is, if it is one's and alive."""
    known = getattr(reference.__callback__, "__self__", None)
    for each in known if type(known) is tuple else (known,):
        found = each() if type(each) is weakref.ref else None
        if isinstance(found, _local):
            yield found
