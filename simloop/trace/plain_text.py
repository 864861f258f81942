"""Values of a program as text that equal runs share, at no risk to the run.

Owns: ``canonical``, which is the ``repr`` of a value without the addresses in it, and the looks at
objects that run none of the program's code.

Must not know: what the text is for.

Invariants:

- Whatever a ``__repr__``, ``__str__`` or ``__getattr__`` of the program raises ends here,
  ``SystemExit``, ``KeyboardInterrupt`` and ``RecursionError`` too: to be looked at is no part of
  what a program does, so it can't fail by it.
- An address is taken out only where it is one: in the ``repr`` of a value, where it is that of an
  object that the value holds; in any text, in the form that Python itself gives objects without a
  ``repr`` of their own, ``<Name object at 0x7f0123456789>``. Other hexadecimal numbers are data.
"""

from __future__ import annotations

import gc
import re
from collections import deque
from types import FunctionType, ModuleType
from typing import Any

__all__ = [
    "attribute_of",
    "bytes_without_addresses",
    "canonical",
    "kind_of",
    "message_of",
    "without_addresses",
]

_HEXADECIMAL = re.compile(r"(?: at )?0x([0-9a-fA-F]{4,16})\b")

# The forms of object_repr, func_repr, method_repr, meth_repr, gen_repr, code_repr and the like in
# CPython's Objects/*.c. In debug mode and beside other words the address is the last thing.
_DEFAULT_REPR = (
    r"(<[^<>\n]*(?:<(?:locals|lambda|module|listcomp|genexpr|dictcomp|setcomp)>[^<>\n]*)*) at"
    r" 0x[0-9a-fA-F]{6,16}(?=[>;, ])"
)
_IN_TEXT = re.compile(_DEFAULT_REPR)
_IN_BYTES = re.compile(_DEFAULT_REPR.encode())

_OBJECTS_MAX = 50_000
"""How many objects of a value are looked at for their addresses."""

_qualname_of = type.__dict__["__qualname__"].__get__
_module_of = type.__dict__["__module__"].__get__


def without_addresses(text: str) -> str:
    """Take the addresses out of the default ``repr`` of objects in a text.

    Example:
        >>> without_addresses("<main.Peer object at 0x7f0123456789> has 0xdeadbeef")
        '<main.Peer object> has 0xdeadbeef'
    """
    while "0x" in text:
        shorter = _IN_TEXT.sub(r"\1", text)
        if shorter == text:
            break  # Once for each level of what stands within another one.
        text = shorter
    return text


def bytes_without_addresses(data: bytes) -> bytes:
    """Do the same for bytes, which may be text."""
    while b"0x" in data:
        shorter = _IN_BYTES.sub(rb"\1", data)
        if shorter == data:
            break
        data = shorter
    return data


def attribute_of(thing: Any, name: str) -> Any:
    """Return an attribute that an object or its class simply has; None if there is none.

    ``__getattr__`` and ``__getattribute__`` of its class are not asked.
    """
    try:
        return object.__getattribute__(thing, name)
    except BaseException:  # noqa: BLE001 - a property of the program's may raise anything
        return None


def kind_of(thing: object) -> str:
    """Return ``module.qualname`` of an object's class, whatever its metaclass answers."""
    kind = type(thing)
    try:
        return f"{_module_of(kind)}.{_qualname_of(kind)}"
    except BaseException:  # noqa: BLE001 - a class without a module
        return str(_qualname_of(kind))


def canonical(value: object) -> str:
    """Return a text that equal outcomes share, whatever process they come from.

    It is the ``repr``, without the addresses of the objects that the value holds. Where the
    ``repr`` raises, it says so by the names of the classes.

    Example:
        >>> canonical([1, "0x1f2e"]), canonical(ValueError("x"))
        ("[1, '0x1f2e']", "ValueError('x')")
        >>> canonical([object()])
        '[<object object>]'
    """
    try:
        text = str.__str__(repr(value))
    except BaseException as error:  # noqa: BLE001 - see the invariants
        return f"<{kind_of(value)} object, whose repr raises {_qualname_of(type(error))}>"
    if issubclass(type(value), BaseException):
        text = without_addresses(text)  # Its message may show what it does not hold.
    return _without_own_addresses(text, value) if "0x" in text else text


def message_of(error: BaseException) -> str:
    """Return ``Kind: message`` of an error, as the last line of a traceback has it."""
    name = _qualname_of(type(error))
    try:
        text = str.__str__(str(error))
    except BaseException as other:  # noqa: BLE001 - as above
        return f"{name}: <its text raises {_qualname_of(type(other))}>"
    return f"{name}: {text}" if text else name


def _without_own_addresses(text: str, value: object) -> str:
    """Take out the numbers that are the address of the value, or of an object that it holds."""
    numbers = dict.fromkeys(int(found[1], 16) for found in _HEXADECIMAL.finditer(text))
    own = _addresses_among(numbers, value)
    if not own:
        return text
    return _HEXADECIMAL.sub(lambda found: "" if int(found[1], 16) in own else found[0], text)


def _addresses_among(numbers: dict[int, None], value: object) -> dict[int, None]:
    """Return the numbers at which objects lie that are reached from a value, nearest first."""
    found: dict[int, None] = {}
    seen: dict[int, None] = {}
    queue: deque[Any] = deque([value])
    while queue and len(seen) < _OBJECTS_MAX and len(found) < len(numbers):
        thing = queue.popleft()
        address = id(thing)
        if address in seen:
            continue
        seen[address] = None
        if address in numbers:
            found[address] = None
        kind = type(thing)
        if kind is FunctionType:
            queue.extend(_closed_over(thing))
        elif kind is not ModuleType and not issubclass(kind, type):
            queue.extend(gc.get_referents(thing))
    return found


def _closed_over(function: Any) -> tuple[Any, ...]:
    """Return what a function holds beside its module, which would lead everywhere."""
    return tuple(cell for cell in function.__closure__ or ())
