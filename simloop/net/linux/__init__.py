"""Names of Linux, on every platform: the virtual world is Linux, whatever this machine is.

Owns: constants that a platform's standard library lacks (macOS has no ``SO_DOMAIN``, Windows no
``SIGKILL``), in one module for each of the standard library's, and the stand-in for a module that a
platform lacks. What a platform has keeps its own number there, since that is what the program
passes; the rest has Linux's number (include/uapi of the kernel, for x86-64 and arm64), or one that
the platform gives to nothing else.

Must not know: functions. What is redirected in runs is the platform's, or is not there.
"""

from __future__ import annotations

import importlib
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["numbers_of", "platform_module"]

_APART = 1 << 16
"""Added to a number that the platform gives to something else of the same family."""


def platform_module(name: str) -> Any:
    """Return a module of the standard library, or an empty one where this platform has none."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return types.ModuleType(name)


def numbers_of(module: types.ModuleType, lacking: Mapping[str, int]) -> dict[str, Any]:
    """Return the constants of a module; those that it lacks have the numbers given."""
    found = {
        name: value
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, int)
    }
    own = tuple(found.items())
    for name, number in lacking.items():
        if name in found:
            continue
        family = name.partition("_")[0][:3]
        is_taken = any(value == number for other, value in own if other.startswith(family))
        found[name] = number | _APART if is_taken else number
    return found
