"""Modules that are loaded in the middle of a run, by the program that it runs.

Owns: the finder that stands in ``sys.meta_path`` while runs are on, and notices when a module that
has patches waiting has been loaded; see :func:`.when_loaded`. Modules that are loaded between runs
are looked for when the next one begins.

Must not know: which modules these are, or what is patched in them.

Invariants: a module is found where Python finds it, and executed by the loader that Python has for
it. Who finds modules in a way of his own is left alone: his are patched from the next run on.
"""

from __future__ import annotations

import _imp
import sys
from contextlib import suppress
from functools import partial
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

from .registry import awaits, is_loaded_without_patches, loaded, patch, without_patches

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__: list[str] = []


class _Finder:
    """Finds the modules that are awaited, and tells when they have been executed."""

    def on(self) -> None:
        """Be asked first."""
        sys.meta_path.insert(0, self)

    def off(self) -> None:
        """Be asked no more."""
        with suppress(ValueError):  # The program removed it.
            sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find an awaited module in the usual way; leave all others to those that follow."""
        spec = PathFinder.find_spec(name, path, target) if awaits(name) else None
        if spec is not None and spec.loader is not None:
            _tell_of(spec.loader)
        return spec


def _tell_of(loader: Any) -> None:
    """Let a loader, which is one module's, tell when it has executed it."""
    execute = loader.exec_module

    def execute_and_tell(module: ModuleType) -> None:
        del loader.exec_module
        if is_loaded_without_patches(module.__name__):
            without_patches(partial(_imp.exec_dynamic, module))
        else:
            execute(module)
        loaded(module)

    loader.exec_module = execute_and_tell


patch(_Finder())
