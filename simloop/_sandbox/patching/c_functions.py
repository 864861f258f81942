"""Redirecting a function that is written in C, in place.

Owns: the one trick that the sealing of time and entropy stands on. ``time.monotonic`` is a small
object: a pointer to a C function and the first argument to hand it. While a redirect is on, the
pointer is that of ``PyObject_Vectorcall`` and the argument is a Python function of ours, so the
call arrives there, errors and keywords included. The object stays the same, and so every
reference to it follows: ``from time import monotonic``, a default argument, a class attribute, a
``default_factory`` held by an extension. Swapping names in modules reaches only the first of
these, and has to search all modules for it.

Why not a library: time-machine (3.0) swaps C functions in the same way, but its wall clock is a
float number of seconds, it gave up ``monotonic``, does not know ``sleep`` or the CPU clocks, and
holds for all threads. freezegun swaps names and classes: default arguments stay real and
``type(datetime.now())`` is not ``datetime``.

Must not know: what is redirected, and where to.

Invariants:

- ``real`` is an object of its own around the original C function; it never follows a redirect.
- Memory is written only if it was found to be laid out as CPython 3.11 to 3.14 have it;
  :func:`check_layout` refuses to go on otherwise.
- The words that belong together are written by one copy under the GIL, so no other thread sees
  half a redirect; see :mod:`.words`.
- The Python function and the definition live as long as the process: nothing dangles.
"""

from __future__ import annotations

import builtins
import ctypes
import gc
import sys
import types
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from simloop.errors import UnsupportedError, UsageError

from .memory import HEAD_SIZE, MemoryPatch, address_of, interpreter, words_between

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "Redirect",
    "behind",
    "check_layout",
    "clone",
    "is_builtin",
    "type_dict",
    "type_modified",
]

_METH_FASTCALL_KEYWORDS = 0x80 | 0x02


class _Definition(ctypes.Structure):
    """CPython's ``PyMethodDef``."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class _Builtin(ctypes.Structure):
    """The fields of CPython's ``PyCFunctionObject`` after the object's head."""

    _fields_ = (
        ("definition", ctypes.c_void_p),
        ("self", ctypes.c_void_p),
        ("module", ctypes.c_void_p),
        ("weak_references", ctypes.c_void_p),
        ("vectorcall", ctypes.c_void_p),
    )


_FIELDS = (
    HEAD_SIZE + _Builtin.definition.offset,
    HEAD_SIZE + _Builtin.self.offset,
    HEAD_SIZE + _Builtin.vectorcall.offset,
)

_new_builtin = interpreter.PyCFunction_NewEx
_new_builtin.restype = ctypes.py_object
_new_builtin.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.py_object)

# By address, which is what a call that is made many times a run costs least with.
type_modified = interpreter.PyType_Modified
type_modified.restype = None
type_modified.argtypes = (ctypes.c_void_p,)

_call_python = ctypes.cast(interpreter.PyObject_Vectorcall, ctypes.c_void_p).value

_immortal: list[Any] = []


def is_builtin(function: Any) -> bool:
    """Tell whether this is a function written in C, which :class:`Redirect` can take."""
    return type(function) is type(builtins.len)


def _fields_of(function: Any) -> _Builtin:
    return _Builtin.from_address(address_of(function) + HEAD_SIZE)


def behind(found: Any, kind: type | tuple[type, ...] = types.BuiltinFunctionType) -> Any:
    """Return what a name holds, or what it held before another tool put something in front of it.

    A tool that watches calls, as blockbuster does, keeps what it calls in its function's closure.
    Others keep it where only they know: pydevd in a module under another name, a mock in the patch
    that will put it back. It is found all the same: the collector knows each function written in C
    that is alive, and the name under which ``found`` stands tells which one is meant.

    Raises:
        UsageError: There is nothing of that kind, or it is not clear what.
    """
    if isinstance(found, kind):
        return found
    held = [each for each in _closure(found) if isinstance(each, kind)]
    if len(held) != 1 and kind is types.BuiltinFunctionType:
        held = _originals(found)
    if len(held) != 1:
        raise UsageError(
            f"simloop's engine was loaded while {found!r} stood in for what is written in C"
            " (gevent?); load it before that, by 'import simloop.world'"
        )
    return held[0]


def _closure(function: Any) -> Iterator[Any]:
    for cell in getattr(function, "__closure__", None) or ():
        with suppress(ValueError):  # It is empty.
            yield cell.cell_contents


_HOMES = {"builtins": "io", "os": "posix"}
"""Modules that offer functions of another one too, and that one: ``open`` is ``_io.open``."""


def _originals(found: Any) -> list[Any]:
    """Return the functions written in C that stood where ``found`` stands in a module."""
    places = {
        (home.lstrip("_"), name): None
        for module in tuple(sys.modules.values())
        if type(module) is types.ModuleType
        for name, value in tuple(vars(module).items())
        if value is found
        for home in (module.__name__, _HOMES.get(module.__name__, ""))
    }
    return [
        each
        for each in gc.get_objects()
        if type(each) is types.BuiltinFunctionType
        and type(each.__self__) is types.ModuleType
        and (each.__self__.__name__.lstrip("_"), each.__name__) in places
        and not any(each is clone for clone in _clones)
    ]


_clones: list[Any] = []


def clone(function: Any) -> Any:
    """Make another builtin function around the same C function, out of reach of redirects."""
    function = behind(function)
    made = _new_builtin(_fields_of(function).definition, function.__self__, function.__module__)
    _clones.append(made)
    return made


def type_dict(cls: type) -> dict[str, Any]:
    """Return a class's own namespace, even of one written in C; changing it wants a word after."""
    # A mapping proxy refers to one thing: the dictionary that it protects.
    (namespace,) = gc.get_referents(cls.__dict__)
    return namespace  # type: ignore[no-any-return]


class Redirect:
    """A builtin function that goes to a Python function while the redirect is on.

    Args:
        target: The builtin, for example ``time.monotonic``.
        function: What is called instead, with the caller's arguments. It runs in every thread.

    Example:
        >>> import time
        >>> before = time.monotonic
        >>> redirect = Redirect(before, lambda: 42.0)
        >>> redirect.on(); before(); redirect.off()
        42.0
        >>> before() == 42.0
        False
    """

    __slots__ = ("_words", "function", "real", "target", "words")

    def __init__(self, target: Any, function: Callable[..., Any]) -> None:
        self.target = target = behind(target)
        self.function = function
        self.real = clone(target)
        original = _Definition.from_address(_fields_of(target).definition or 0)
        definition = _Definition(original.name, _call_python, _METH_FASTCALL_KEYWORDS, original.doc)
        model = _new_builtin(ctypes.addressof(definition), function, None)
        # The second reference is the one that the target's struct holds while the redirect is on.
        _immortal.extend((definition, model, function, target))
        interpreter.Py_IncRef(ctypes.py_object(function))
        self.words = words_between(target, model, _FIELDS)
        self._words = MemoryPatch(self.words)

    def on(self) -> None:
        """Send calls to the Python function. On twice is on."""
        self._words.on()

    def off(self) -> None:
        """Send calls to the C function again."""
        self._words.off()


def check_layout() -> None:
    """Refuse to go on where builtin functions are not laid out as they are written to.

    Raises:
        UnsupportedError: This is not a CPython that simloop knows.
    """
    known = sys.implementation.name == "cpython"
    fields = _fields_of(builtins.len) if known else _Builtin()
    if (
        not known
        or fields.self != address_of(builtins)
        or type(builtins.len).__basicsize__ < HEAD_SIZE + ctypes.sizeof(_Builtin)
        or _Definition.from_address(fields.definition or 0).name != b"len"
    ):
        raise UnsupportedError(
            f"sealing a run needs CPython 3.11 to 3.14, and this is {sys.implementation.name} "
            f"{sys.version.split()[0]}, whose builtin functions are laid out otherwise; run "
            "under one of those"
        )
