"""Values of a program as text that equal runs share.

Owns: ``canonical``, which is the ``repr`` of a value without the addresses in it; and names that a
tool makes anew in each of its sessions, as pytest numbers its temporary folders, for which a name
stands that stays.

Must not know: what the text is for.

Invariants:

- Whatever a ``__repr__`` of the program raises ends here; see :mod:`simloop._kernel.safe_looks`.
- An address is taken out only where it is one: in the ``repr`` of a value, where it is that of an
  object that the value holds; in any text, in the form that Python itself gives objects without a
  ``repr`` of their own, ``<Name object at 0x7f0123456789>``. Other hexadecimal numbers are data.
"""

from __future__ import annotations

import gc
import os
import re
from collections import deque
from types import FunctionType, ModuleType
from typing import Any

from simloop._kernel.safe_looks import repr_of, without_addresses

__all__ = ["canonical", "lasting", "lasting_bytes", "let_stand"]

# As in most a ``repr``, and as in that of a mock.
_ADDRESSES = re.compile(r"(?: at )?0x([0-9a-fA-F]{4,16})\b|(?<!\w)id='([0-9]{5,20})'")

_OBJECTS_MAX = 50_000
"""How many objects of a value are looked at for their addresses."""


_stand_ins: dict[str, str] = {}


def let_stand(lasting_name: str, for_name: str) -> None:
    """Let a name stand for one that is another in each session of the tool that runs programs."""
    _stand_ins[for_name] = lasting_name


def lasting(text: str) -> str:
    """Return a text with the names in it that stay from session to session.

    Example:
        >>> let_stand("<pytest's folder>", "/tmp/pytest-of-me/pytest-41")
        >>> lasting("no file '/tmp/pytest-of-me/pytest-41/test_it0/a'")
        "no file '<pytest's folder>/test_it0/a'"
    """
    for name, stand_in in _stand_ins.items():
        text = text.replace(name, stand_in)
    return text


def lasting_bytes(data: bytes) -> bytes:
    """Do the same for bytes, which may be text."""
    for name, stand_in in _stand_ins.items():
        data = data.replace(os.fsencode(name), stand_in.encode())
    return data


def canonical(value: object) -> str:
    """Return a text that equal outcomes share, whatever process they come from.

    It is the ``repr``, without the addresses of the objects that the value holds. Where the
    ``repr`` raises, it says so by the names of the classes.

    Example:
        >>> canonical([1, "0x1f2e"]), canonical(ValueError("x"))
        ("[1, '0x1f2e']", "ValueError('x')")
        >>> canonical([object(), f"made {object()}"])
        "[<object object>, 'made <object object>']"
    """
    text = without_addresses(
        repr_of(value)
    )  # A text, or an error's, may show what it does not hold.
    return _without_own_addresses(text, value) if "0x" in text or "id='" in text else text


def _without_own_addresses(text: str, value: object) -> str:
    """Take out the numbers that are the address of the value, or of an object that it holds."""
    numbers = dict.fromkeys(map(_address_in, _ADDRESSES.finditer(text)))
    own = _addresses_among(numbers, value)
    if not own:
        return text
    return _ADDRESSES.sub(lambda found: "" if _address_in(found) in own else found[0], text)


def _address_in(found: re.Match[str]) -> int:
    hexadecimal, decimal = found.groups()
    return int(hexadecimal, 16) if hexadecimal else int(decimal)


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
