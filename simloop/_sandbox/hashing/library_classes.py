"""Classes of libraries whose objects are kept in sets, and would hash by address.

Owns: the list. What is derived from a class of the standard library (most protocols and transports)
is seen to already, and so is not in it. ``.ci/moved_sets.py`` finds what belongs here: it runs the
tests of libraries, looks into every set, and reports the classes.

Must not know: what the classes are for.

Invariant: a module of a library is named here, and never loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simloop._sandbox.patching.registry import when_loaded

from .object_hashes import hashes_by_address, name_class

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["CLASSES", "STAYING"]

CLASSES: dict[str, tuple[str, ...]] = {}
"""By module."""

STAYING = {
    "anyio._backends._asyncio": ("CancelScope",),
    "zeroconf._updates": ("RecordUpdateListener",),
}
"""Those whose objects keep neither attribute nor weak reference; they never leave a run."""


def _name_classes(module: ModuleType) -> None:
    for table in (CLASSES, STAYING):
        for name in table.get(module.__name__, ()):
            cls = getattr(module, name, None)
            if isinstance(cls, type) and hashes_by_address(cls):
                name_class(cls, stays_in_run=table is STAYING)


for _module in dict.fromkeys((*CLASSES, *STAYING)):
    when_loaded(_module, _name_classes)
