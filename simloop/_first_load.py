"""Loading the engine while a fake file system stands where Python's modules are.

Owns: what :mod:`simloop` does before it imports its engine. pyfakefs replaces ``os``, ``io`` and
their like in ``sys.modules``, and forgets afterwards each module that was loaded meanwhile. An
engine that was loaded so would hold the fakes for good, and be there twice. So it is loaded as if
there were no such tool, and all of it, since the rest would be loaded in the middle of a run. And
the refusal of a Python on which the engine can't work.

Must not know: what the engine is made of, but for its packages.

Invariants: a process without pyfakefs pays one look at ``sys.modules``. What stood in
``sys.modules`` and ``sys.meta_path`` stands there again afterwards.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import walk_packages
from struct import calcsize
from typing import Any

from ._only_copy import bring_back
from .errors import UnsupportedError

__all__ = ["load_engine", "refuse_other_pythons"]

_PATCHER = "pyfakefs.fake_filesystem_unittest"

_ENGINE = "simloop.world"

_PACKAGES = (
    *("_kernel", "net", "_threads", "_process", "_sandbox", "trace", "_loop", "_speed", "world"),
    "exploration",
)


def load_engine() -> None:
    """Import the engine, apart from a fake file system that is in place; not a second time."""
    bring_back()
    refuse_other_pythons(sys.implementation.name, object.__basicsize__)
    if _ENGINE in sys.modules or _PATCHER not in sys.modules:
        import_module(_ENGINE)
        return
    finders: list[Any] = [each for each in sys.meta_path if type(each).__module__ == _PATCHER]
    found, finders_found = dict(sys.modules), sys.meta_path[:]
    sys.meta_path[:] = [each for each in sys.meta_path if each not in finders]
    replaced = {name: found[name] for finder in finders for name in finder.modules if name in found}
    try:
        for name in replaced:
            del sys.modules[name]
        for finder in reversed(finders):
            sys.modules.update(finder.sysmodules)
        _load_all() if finders else import_module(_ENGINE)
    finally:
        sys.modules.update(replaced)
        sys.meta_path[:] = finders_found


def refuse_other_pythons(name: str, header_bytes: int) -> None:
    """Refuse an interpreter inside of which no function can be redirected.

    Args:
        name: The interpreter's, as ``sys.implementation`` has it.
        header_bytes: How long the head of each object is.

    Raises:
        UnsupportedError: It is not CPython, or one that lays its objects out otherwise.
    """
    if name != "cpython":
        raise UnsupportedError(
            f"simloop on {name}: it redirects functions inside CPython's own structures, which"
            f" {name} does not have; run it on CPython 3.11 to 3.14"
        )
    if header_bytes != 2 * calcsize("P"):  # A count and a type; Include/object.h.
        raise UnsupportedError(
            f"simloop on this build of CPython, whose objects have a head of {header_bytes} bytes"
            " (a free-threaded build, or one for debugging): it redirects functions inside the"
            " structures of the usual build; run it on that one"
        )


def _load_all() -> None:
    import_module(_ENGINE)
    for name in _PACKAGES:
        package = import_module(f"simloop.{name}")
        for each in walk_packages(package.__path__, f"{package.__name__}."):
            import_module(each.name)
