"""Looks at objects of the program that cannot go wrong.

Owns: the ``repr`` of a value, the text of an error, an attribute, the name of a class, for reports
and watchers.

Must not know: what they are for.

Invariant: whatever code of the program raises when it is asked (``__repr__``, ``__str__``, a
property, ``__getattr__``) ends here, ``SystemExit``, ``KeyboardInterrupt`` and ``RecursionError``
too. To be looked at is no part of what a program does, so a run can't fail by it, and no outcome is
lost.
"""

from __future__ import annotations

import functools
import re
import reprlib
import sys
from inspect import CO_OPTIMIZED
from types import MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = [
    "attribute_of",
    "bytes_without_addresses",
    "class_name",
    "kind_of",
    "message_of",
    "printable",
    "repr_of",
    "short_repr_of",
    "text_of",
    "unwrapped",
    "variables_of",
    "without_addresses",
]

_qualname_of = type.__dict__["__qualname__"].__get__
_module_of = type.__dict__["__module__"].__get__
_function_in = functools.partial.__dict__["func"].__get__

# The forms of object_repr, func_repr, method_repr, meth_repr, gen_repr, code_repr, cell_repr and so
# on in CPython's Objects/*.c, of Lib/threading.py (then follows the state), of _hashopenssl.c (an
# "@"), and what asyncpg's proxies append (it alone); Lib/unittest/mock.py gives a decimal number,
# and rlock_repr in Modules/_threadmodule.c the thread, which the system numbers by an address, too.
# ctypes shows references in parentheses, and libraries by their handle; greenlets have two.
_ADDRESS = (
    r" (?:at|@) 0x[0-9a-fA-F]{6,16}(?=[>:;, ])| 0x[0-9a-f]{9,16}(?=>)| owner=[0-9]{6,20}(?= count=)"
    r"| \(0x[0-9a-f]{6,16}\)(?=>)| \(otid=0x[0-9a-f]{6,16}\)| handle [0-9a-f]{6,16}(?= at| *>)"
)
_OF_A_MOCK = re.compile(r"(<\w*Mock\b[^<>\n]*) id='[0-9]{7,20}'>")
# The only well-known ones without a bracket: those of numpy.random.
_OF_NUMPY = re.compile(r"\b((?:Generator|RandomState)\(\w+\)) at 0x[0-9a-fA-F]{6,16}\b")
_MAY_HOLD_ONE = re.compile(_ADDRESS)
# An arrow is no bracket.
_BRACKETS_AND_ADDRESSES = re.compile(rf"[-=]>|[<>\n]|{_ADDRESS}")
# What reprlib leaves of such a form, which asyncio shows arguments by: 13 characters, the dots, and
# the last 14, which begin in the address or just before it.
_CUT = re.compile(
    r"(<[^>\n]{12}\.\.\.)(?:[^<>\n]{0,8}x[0-9a-f]{6,16}(?=>)|[0-9a-f]{12}(?=>>)"
    r"|[0-9a-f]{4,9}(?= \[\w{3,8}\]>))"
)


def without_addresses(text: str) -> str:
    """Take the addresses out of the default ``repr`` of objects in a text.

    They are within angle brackets on one line, at any depth; whatever else looks like one is data.

    Example:
        >>> without_addresses("<main.Peer object at 0x7f0123456789> has 0xdeadbeef")
        '<main.Peer object> has 0xdeadbeef'
        >>> without_addresses("<threading.Event at 0x7f0123456789: unset>")
        '<threading.Event: unset>'
    """
    if _MAY_HOLD_ONE.search(text):
        text = "".join(_outside_of_addresses(text))
    if "Mock" in text:
        text = _OF_A_MOCK.sub(r"\1>", text)
    if ") at 0x" in text:
        text = _OF_NUMPY.sub(r"\1", text)
    return _CUT.sub(r"\1", text) if "..." in text else text


_MARKS = (b"0x", b"...", b"Mock", b" owner=", b" handle ")


def bytes_without_addresses(data: bytes) -> bytes:
    """Do the same for bytes, which may be text."""
    if not any(each in data for each in _MARKS):  # Each a search in C.
        return data
    return without_addresses(data.decode("latin-1")).encode("latin-1")


def _outside_of_addresses(text: str) -> Iterator[str]:
    """Yield the pieces of a text between the addresses that stand within brackets."""
    depth = begin = 0
    for found in _BRACKETS_AND_ADDRESSES.finditer(text):
        mark = found[0]
        if mark == "<":
            depth += 1
        elif mark == ">":
            depth = max(depth - 1, 0)
        elif mark == "\n":
            depth = 0
        elif depth and mark[0] == " ":
            yield text[begin : found.start()]
            begin = found.end()
    yield text[begin:]


def printable(text: str) -> str:
    r"""Return a text whose characters that do not print themselves are written as escapes.

    What the program gives a name may hold a line break, which would break a table, or an escape
    sequence, which would reach the terminal.

    Example:
        >>> print(printable("job\n\x1b[31mred"))
        job\n\x1b[31mred
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def attribute_of(thing: object, name: str) -> object:
    """Return an attribute that an object or its class simply has; None if there is none.

    ``__getattr__`` and ``__getattribute__`` of its class are not asked.
    """
    try:
        return object.__getattribute__(thing, name)
    except BaseException:  # noqa: BLE001 - a property of the program's may raise anything
        return None


_HOLDERS = 3
"""Of a frame's copy of its variables: the frame, whoever looks, and the count itself."""


def variables_of(frame: FrameType) -> dict[str, Any]:
    """Return the variables of a frame, and leave nothing of them in it.

    Up to Python 3.12 a frame of a function keeps the dictionary that ``f_locals`` gives
    (``PyFrame_FastToLocalsWithError`` in Objects/frameobject.c), and with it all objects that were
    looked at, until it ends. Where the program has got it itself, by ``locals()``, it stays, and
    where a tool traces, for from there the variables are read back when its function returns.

    Args:
        frame: Of the calling thread, or of a coroutine that is suspended.

    Example:
        >>> import sys
        >>> def function():
        ...     variable = 1
        ...     return variables_of(sys._getframe())
        >>> function()
        {'variable': 1}
    """
    kept = frame.f_locals
    found = dict(kept)
    if (
        type(kept) is dict
        and frame.f_code.co_flags & CO_OPTIMIZED
        and sys.gettrace() is None
        and sys.getrefcount(kept) == _HOLDERS
    ):
        kept.clear()
    return found


def class_name(kind: type) -> str:
    """Return the qualified name of a class, whatever its metaclass answers."""
    return str(_qualname_of(kind))


def kind_of(thing: object) -> str:
    """Return ``module.qualname`` of an object's class, whatever its metaclass answers."""
    kind = type(thing)
    try:
        return f"{_module_of(kind)}.{_qualname_of(kind)}"
    except BaseException:  # noqa: BLE001 - a class without a module
        return class_name(kind)


def repr_of(value: object) -> str:
    """Return the ``repr`` of a value, or what it raises, in words.

    Example:
        >>> class Odd:
        ...     def __repr__(self):
        ...         raise SystemExit
        >>> repr_of([1, 2]), repr_of(Odd()).partition(",")[2]
        ('[1, 2]', ' whose repr raises SystemExit>')
    """
    try:
        return str.__str__(repr(value))
    except BaseException as error:  # noqa: BLE001 - see the invariant
        return f"<{kind_of(value)} object, whose repr raises {class_name(type(error))}>"


def text_of(error: BaseException) -> str:
    """Return the text of an error, or what its ``str`` raises, in words."""
    try:
        return str.__str__(str(error))
    except BaseException as other:  # noqa: BLE001 - as above
        return f"<its text raises {class_name(type(other))}>"


def message_of(error: BaseException) -> str:
    """Return ``Kind: message`` of an error, as the last line of a traceback has it."""
    name, text = class_name(type(error)), text_of(error)
    return f"{name}: {text}" if text else name


class _Shortener(reprlib.Repr):
    def repr_instance(self, x: object, level: int) -> str:
        del level
        text = without_addresses(repr_of(x))
        if len(text) > self.maxother:
            head = (self.maxother - 3) // 2
            text = f"{text[:head]}...{text[head + 3 - self.maxother :]}"
        return text


_shorten = _Shortener().repr


def short_repr_of(value: object) -> str:
    """Return the ``repr`` of a value in some thirty characters, as asyncio shows arguments."""
    try:
        return _shorten(value)
    except BaseException:  # noqa: BLE001 - what is in a list is asked by reprlib itself
        return f"<{kind_of(value)} object>"


def unwrapped(thing: object) -> object:
    """Return the function within partial functions and bound methods."""
    while True:
        if issubclass(type(thing), functools.partial):
            thing = _function_in(thing)
        elif type(thing) is MethodType:
            thing = thing.__func__
        else:
            return thing
