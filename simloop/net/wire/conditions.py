"""What may be wrong with a path, and the book of what users said about which paths.

Owns: the names of the settings, their checks, and which of several that apply to a path counts: the
last one said. Must not know paths.

Invariants: a value in ``Conditions`` was checked; the book holds one entry for each scope and
setting, in the order in which they were said.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

from simloop.errors import UsageError

from .latency import Latency, as_latency, constant
from .packet import ETHERNET_MTU

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["OTHERS", "Book", "Conditions", "Scope", "checked", "covers"]

_DEFAULT_LATENCY = constant(0.001)
_MTU_MIN, _MTU_MAX = 576, 65_535  # RFC 791: every host must take 576.


class Conditions:
    """The settings of one direction between two hosts."""

    __slots__ = ("bandwidth", "duplicate", "latency", "loss", "mtu", "queue", "reorder")

    def __init__(self) -> None:
        self.latency: Latency = _DEFAULT_LATENCY
        self.loss: float = 0.0
        self.duplicate: float = 0.0
        self.reorder: float = 0.0
        self.bandwidth: float = math.inf  # Bytes per second.
        self.queue: float = math.inf  # Bytes that may wait for their turn.
        self.mtu: int = ETHERNET_MTU

    @property
    def is_lossy(self) -> bool:
        """Whether a packet may not arrive."""
        return self.loss > 0 or self.queue != math.inf


def _probability(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise UsageError(f"{name}={value!r} is no probability: pass a number from 0 to 1")
    return float(value)


def _amount(name: str, value: Any) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not value > 0:
        raise UsageError(f"{name}={value!r}: pass a number above 0, or math.inf for no limit")
    return float(value)


def _bytes(name: str, value: Any) -> float:
    if value != math.inf and type(value) is not int:
        raise UsageError(f"{name}={value!r}: pass a whole number of bytes, or math.inf")
    return _amount(name, value)


def _mtu(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not _MTU_MIN <= value <= _MTU_MAX:
        raise UsageError(f"{name}={value!r}: pass bytes from {_MTU_MIN} to {_MTU_MAX}")
    return value


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "latency": lambda _, value: as_latency(value),
    "loss": _probability,
    "duplicate": _probability,
    "reorder": _probability,
    "bandwidth": _amount,
    "queue": _bytes,
    "mtu": _mtu,
}


def checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that were given (those that are not None), checked.

    Raises:
        UsageError: One has a value that means nothing.

    Example:
        >>> checked({"loss": 0.5, "mtu": None})
        {'loss': 0.5}
    """
    return {
        name: _CHECKS[name](name, value) for name, value in settings.items() if value is not None
    }


OTHERS = ("*",)  # No host's name: all that are not on the first side.
# Host names on either side, () for all; and whether only from the first to the second.
Scope: TypeAlias = tuple[tuple[str, ...], tuple[str, ...], bool]


class Book:
    """What was said about paths, in order."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: dict[tuple[Scope, str], Any] = {}

    def say(self, scope: Scope, settings: Mapping[str, Any]) -> None:
        """Note settings for all paths of a scope; what was said before counts less."""
        for name, value in settings.items():
            self._entries.pop((scope, name), None)
            self._entries[scope, name] = value

    def forget(self, scope: Scope) -> bool:
        """Take back all settings of a scope; return whether there were any."""
        mine = [key for key in self._entries if key[0] == scope]
        for key in mine:
            del self._entries[key]
        return bool(mine)

    def apply(self, conditions: Conditions, source: str, destination: str) -> None:
        """Give the conditions of a new path what was said about it."""
        for (scope, name), value in self._entries.items():
            if covers(scope, source, destination):
                setattr(conditions, name, value)


def covers(scope: Scope, source: str, destination: str) -> bool:
    """Whether a scope is about the way from one host to another.

    Example:
        >>> covers((("a",), (), True), "a", "b"), covers((("a",), (), True), "b", "a")
        (True, False)
    """
    first, second, is_one_way = scope
    if _are_in(first, source, second, destination):
        return True
    return not is_one_way and _are_in(first, destination, second, source)


def _are_in(first: tuple[str, ...], a: str, second: tuple[str, ...], b: str) -> bool:
    if second == OTHERS:
        return a in first and b not in first
    return (not first or a in first) and (not second or b in second)
