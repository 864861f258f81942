"""One copy of the engine in a process, whatever is forgotten of it.

Owns: bringing modules back to ``sys.modules``. A pytest that runs within a test (``pytester``)
forgets at its end what it was the first to import, pyfakefs what was imported under its fakes. The
engine patches the process, and another copy of it would patch on top of the first one's.

How. The first copy is known to ``sys``, which nothing forgets, and a package knows the modules
below it that are loaded: so all of them are found.

Must not know: what they do.

Invariants: where nothing was forgotten nothing is changed. This module itself may be there twice.
"""

from __future__ import annotations

import sys
from types import ModuleType

__all__ = ["bring_back"]

_NAME = "simloop"
_KEY = "_simloop"


def bring_back() -> None:
    """Let the modules of the first copy be those that are imported by their names."""
    first = vars(sys).setdefault(_KEY, sys.modules[_NAME])
    for module in _loaded_below(first):
        sys.modules[module.__name__] = module


def _loaded_below(package: ModuleType) -> list[ModuleType]:
    """List a package and the modules below it that are loaded, each before those below it."""
    found = [package]
    for each in found:
        below = f"{each.__name__}."
        found += [
            value
            for name, value in vars(each).items()
            # By its type: ``isinstance`` asks the thing itself, and who was asked is used.
            if issubclass(type(value), ModuleType) and value.__name__ == below + name
        ]
    return found
