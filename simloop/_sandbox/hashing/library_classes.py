"""Classes of libraries whose objects are kept in sets, and would hash by address.

Owns: the list. What is derived from a class of the standard library (most protocols and transports)
is seen to already, and so is not in it. ``.ci/moved_sets.py`` finds what belongs here: it runs the
tests of libraries, looks into every set, and reports the classes.

Must not know: what the classes are for.

Invariant: a module of a library is named here, and never loaded.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from simloop._sandbox.asyncio_.future_hashes import change_class
from simloop._sandbox.patching.registry import when_loaded
from simloop._sandbox.run_context import by_thread, get_ident

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


def _register_addresses(module: ModuleType) -> None:
    """Let zeroconf's records of addresses hash alike in each process: their scope is often None.

    Up to Python 3.11 None hashes by its address, and so does every tuple with None in it.
    """
    cls = module.DNSAddress
    real: Any = cls.__hash__

    def hash_of_address(self: Any) -> int:
        if get_ident() not in by_thread or self.scope_id is not None:
            return real(self)  # type: ignore[no-any-return]
        return hash((self.key, self.type, self.class_, self.address))

    change_class(cls, lambda: setattr(cls, "__hash__", hash_of_address))


if sys.version_info < (3, 12):
    when_loaded("zeroconf._dns", _register_addresses)
