"""Classes of libraries whose objects go into sets, and so hash by address.

Owns: giving such objects one hash for all, in a run. A set then keeps them in the order in which
they came, or nearly so, and in the same order in every run; what is in it is still told apart by
identity. What such a set costs grows with the square of its size, and these sets are small.

Must not know: what the classes are for. It loads a module of a library only where the library is
loaded, and would load it in the middle of a run.

Invariant: outside of runs, and in foreign threads, the hashes are what they were.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from simloop._sandbox.patching.registry import attribute, when_loaded
from simloop._sandbox.run_context import by_thread, get_ident

if TYPE_CHECKING:
    from types import ModuleType

__all__: list[str] = []

# Libraries, and their modules and classes.
_CLASSES = {
    # A cancelled scope goes through the set of its child scopes.
    "anyio": ("anyio._backends._asyncio", "CancelScope"),
}


def _hash(thing: object) -> int:
    """Return the same for everything in a run, else what Python gives."""
    return 0 if get_ident() in by_thread else object.__hash__(thing)


def _settle(library: ModuleType) -> None:
    module, name = _CLASSES[library.__name__]
    cls = getattr(import_module(module), name, None)
    if cls is not None and cls.__hash__ is object.__hash__:
        attribute(cls, "__hash__", _hash)


for _name in _CLASSES:
    when_loaded(_name, _settle)
