"""Redirecting a function that is written in C, in place.

Owns: the one trick that the sealing of time and entropy stands on. ``time.monotonic`` is a small
object: a pointer to a C function and the first argument to hand it. While a redirect is on, the
pointer is that of ``PyObject_Vectorcall`` and the argument is a Python function of ours, so the
call arrives there, errors and keywords included. The object stays the same, and so every
reference to it follows: ``from time import monotonic``, a default argument, a class attribute, a
``default_factory`` held by an extension. Swapping names in modules reaches only the first of
these, and has to search all modules for it.

A method of a class written in C is one object too, the descriptor in the class's namespace. While
a redirect is on, that is an ``instancemethod``, which binds any callable, or a ``classmethod``: its
type and its first fields are exchanged. To put a function in its place would mean to tell the
class, which then forgets what it knows of each look-up.

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
import inspect
import sys
import types
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from simloop.errors import UnsupportedError, UsageError

from .memory import (
    HEAD_SIZE,
    WORD_SIZE,
    MemoryPatch,
    address_of,
    interpreter,
    word_of,
    words_between,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "METHOD_TYPES",
    "MethodRedirect",
    "Redirect",
    "behind",
    "check_layout",
    "clone",
    "clone_method",
    "is_builtin",
    "type_dict",
    "type_modified",
]

_METH_VARARGS, _METH_KEYWORDS, _METH_NOARGS, _METH_O, _METH_FASTCALL = 0x01, 0x02, 0x04, 0x08, 0x80
"""How a function written in C takes its arguments; see "Common Object Structures" of CPython."""


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

_FIRST_FIELDS = (HEAD_SIZE - WORD_SIZE, HEAD_SIZE, HEAD_SIZE + WORD_SIZE)
"""An object's type, and the first fields: the class and the name in ``PyDescrObject``, the callable
in ``PyInstanceMethodObject``, the callable and the namespace in a ``classmethod``."""

_DEFINITION_OF_METHOD_AT = HEAD_SIZE + 3 * WORD_SIZE
"""Where CPython's ``PyMethodDescrObject`` has its ``PyMethodDef``."""

_new_builtin = interpreter.PyCFunction_NewEx
_new_builtin.restype = ctypes.py_object
_new_builtin.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.py_object)

_new_method = interpreter.PyDescr_NewMethod
_new_class_method = interpreter.PyDescr_NewClassMethod
for _new in (_new_method, _new_class_method):
    _new.restype = ctypes.py_object
    _new.argtypes = (ctypes.py_object, ctypes.c_void_p)

_new_binding = interpreter.PyInstanceMethod_New
_new_binding.restype = ctypes.py_object
_new_binding.argtypes = (ctypes.py_object,)

type_modified = interpreter.PyType_Modified
type_modified.restype = None
type_modified.argtypes = (ctypes.c_void_p,)


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


_CALLS = {
    _METH_NOARGS: (_METH_NOARGS, _address(interpreter.PyObject_CallNoArgs)),
    _METH_O: (_METH_O, _address(interpreter.PyObject_CallOneArg)),
    _METH_VARARGS: (_METH_VARARGS | _METH_KEYWORDS, _address(interpreter.PyObject_Call)),
}
"""By how a function takes its arguments: what hands them on in the same way, and how that does.

Its caller then stays as it is: one word less to write.
"""

_ANY_CALL = _METH_FASTCALL | _METH_KEYWORDS, _address(interpreter.PyObject_Vectorcall)

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
        for module in sys.modules.copy().values()
        if type(module) is types.ModuleType
        for name, value in vars(module).copy().items()
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


def clone_method(owner: type, name: str) -> Any:
    """Make another descriptor around a method of a class in C, out of reach of redirects.

    Example:
        >>> from _thread import LockType, allocate_lock
        >>> acquire, release = (clone_method(LockType, name) for name in ("acquire", "release"))
        >>> lock = allocate_lock()
        >>> acquire(lock); release(lock)
        True
    """
    return _clone_method(behind(type_dict(owner)[name], METHOD_TYPES))


METHOD_TYPES = types.MethodDescriptorType, types.ClassMethodDescriptorType
"""What a method of a class written in C is, and a class method."""


def _clone_method(target: Any) -> Any:
    make = _new_class_method if isinstance(target, METHOD_TYPES[1]) else _new_method
    return make(target.__objclass__, word_of(target, _DEFINITION_OF_METHOD_AT))


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
        flags, call = _CALLS.get(original.flags & ~_METH_KEYWORDS, _ANY_CALL)
        definition = _Definition(original.name, call, flags, original.doc)
        called = function if flags == _METH_NOARGS else _module_that_calls(target, function)
        model = _new_builtin(ctypes.addressof(definition), called, None)
        # The second reference is the one that the target's struct holds while the redirect is on.
        _immortal.extend((definition, model, called, target))
        interpreter.Py_IncRef(ctypes.py_object(called))
        self.words = words_between(target, model, _FIELDS)
        self._words = MemoryPatch(self.words)

    def on(self) -> None:
        """Send calls to the Python function. On twice is on."""
        self._words.on()

    def off(self) -> None:
        """Send calls to the C function again."""
        self._words.off()


def _module_that_calls(target: Any, function: Callable[..., Any]) -> Any:
    """Return what stands for the module of a builtin, and calls a function.

    A builtin is named after what it is of, if that is no module: a function of ours would make it
    ``function.sleep``, in the name of a callback and in a pickle. What is asked for without
    arguments, a clock most of all, is called too often to go this way.
    """
    name = str(target.__module__)
    return type("module", (types.ModuleType,), {"__call__": staticmethod(function)})(name)


class MethodRedirect:
    """A method of a class written in C that goes to a Python function while the redirect is on.

    Args:
        target: The descriptor in the class's namespace.
        function: What is called instead, with the object and the caller's arguments.
    """

    __slots__ = ("function", "real", "target", "words")

    def __init__(self, target: Any, function: Callable[..., Any]) -> None:
        self.target, self.function = target, function
        self.real = _clone_method(target)
        function.__signature__ = _ANY  # type: ignore[attr-defined]
        if isinstance(target, METHOD_TYPES[1]):
            model: Any = classmethod(function)
            interpreter.Py_IncRef(ctypes.py_object(vars(model)))
            fields = 3
        else:
            model, fields = _new_binding(function), 2
        # The second references are those that the target's struct holds while the redirect is on.
        interpreter.Py_IncRef(ctypes.py_object(function))
        _immortal.extend((model, function, target))
        self.words = words_between(target, model, _FIRST_FIELDS[:fields])


_ANY = inspect.Signature(
    [
        inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL),
        inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
    ]
)
"""What a redirected method tells of its arguments.

A mock that is made by a class (``_must_skip`` in Lib/unittest/mock.py) takes methods in C for any
callable, and asks Python functions, which these are meanwhile, for a signature that calls must fit.
"""


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
        or not _has_known_methods()
    ):
        raise UnsupportedError(
            f"sealing a run needs CPython 3.11 to 3.14, and this is {sys.implementation.name} "
            f"{sys.version.split()[0]}, whose builtin functions are laid out otherwise; run "
            "under one of those"
        )


def _has_known_methods() -> bool:
    method, class_method = list.append, vars(dict)["fromkeys"]
    binding, class_binding = _new_binding(len), classmethod(_closure)
    known: list[tuple[Any, ...]] = [
        (method, list),
        (class_method, dict),
        (binding, len),
        (class_binding, _closure, vars(class_binding)),
    ]
    return all(
        word_of(thing, at) == address_of(field)
        for thing, *fields in known
        for at, field in zip(_FIRST_FIELDS, (type(thing), *fields), strict=False)
    ) and all(
        _Definition.from_address(word_of(each, _DEFINITION_OF_METHOD_AT)).name == name
        for each, name in ((method, b"append"), (class_method, b"fromkeys"))
    )
