"""The module ``__main__`` of a program, with the names that Python itself puts there.

Owns: which they are, for ``python FILE`` and ``python -m MODULE`` (``pymain_run_file`` and
Lib/runpy.py).

Must not know: whose program it is, and who runs it.
"""

from __future__ import annotations

import builtins
import sys
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

__all__ = ["main_module"]


def main_module(file: str, spec: ModuleSpec | None = None) -> ModuleType:
    """Return a new ``__main__``, before its first line.

    Args:
        file: The file, as the program is to see it.
        spec: Of a module that is run by its name.
    """
    module = ModuleType("__main__")
    names: dict[str, Any] = {
        "__builtins__": builtins,  # ``exec`` would put their dictionary there.
        "__cached__": spec and spec.cached,
        "__file__": file,
        "__loader__": SourceFileLoader("__main__", file) if spec is None else spec.loader,
        "__package__": spec and spec.parent,
        "__spec__": spec,
    }
    if sys.version_info < (3, 14):  # They are made when asked for since.
        names["__annotations__"] = {}
    vars(module).update(names)
    return module
