"""The engine's own modules stay what they are while another tool exchanges what modules hold.

Owns: keeping pyfakefs away from them. It puts fakes of ``os``, ``io``, ``pathlib`` and of their
functions into every module that holds these; with them the engine, to which the fakes' own calls
lead in the end, would turn in a circle.

Must not know: what the fakes do. A program's own calls go to them, as it wants.

Invariant: a process that has not loaded pyfakefs pays nothing.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from .registry import before_install, when_loaded

__all__: list[str] = []

_PATCHER = "pyfakefs.fake_filesystem_unittest"
_OURS = "simloop."


def _is_ours(module: object) -> bool:
    return isinstance(module, ModuleType) and module.__name__.startswith(_OURS)


class _AndOurs(set[Any]):
    """Modules that pyfakefs leaves alone, with the engine's, loaded or still to be loaded."""

    def __contains__(self, module: object) -> bool:
        return set.__contains__(self, module) or _is_ours(module)


def _leave_ours_alone(module: Any) -> None:
    """Have pyfakefs pass over our modules, from its next fake file system on."""
    patcher = module.Patcher
    patcher.SKIPMODULES = _AndOurs(patcher.SKIPMODULES)
    if hasattr(patcher, "clear_fs_cache"):  # What it has found already.
        patcher.clear_fs_cache()


def _heal() -> None:
    """Take back what a fake file system that is in place has put into our modules."""
    if _PATCHER not in sys.modules:
        return
    for finder in sys.meta_path:
        if type(finder).__module__ == _PATCHER:
            stubs: Any = finder.patcher._stubs  # type: ignore[attr-defined]  # its own
            for module, name, genuine in stubs.stubs:
                if _is_ours(module):
                    vars(module)[name] = genuine


when_loaded(_PATCHER, _leave_ours_alone)
before_install(_heal)
