"""Being ``asynctest``: for suites whose imports can't be changed.

Owns: ``install``. After it, ``import asynctest`` and ``from asynctest.mock import patch`` give this
package, whether or not a real asynctest is installed. It must not know pytest.

Invariant: a submodule is the same object under both names, so that what a test patches in one is
patched in the other.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

from . import _removed
from ._cases import case_loops as _loops

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: The modules that asynctest has.
SUBMODULES = ("_fail_on", "case", "helpers", "mock", "selector")


def install(*, removed_names: bool = False, loop: str | Callable[[], Any] | None = None) -> None:
    """Make ``import asynctest`` give this package.

    Args:
        removed_names: Also put back what Python has removed and suites of that age use, such as
            ``asyncio.coroutine``, the arguments ``loop=`` of asyncio and ``assertEquals``.
        loop: Choose the loop for the whole suite: ``"virtual"``, ``"stock"``, a factory, or its
            name as ``"module:factory"``. See ``choose_loop``.

    """
    sys.modules["asynctest"] = importlib.import_module("asynctest_compat")
    for name in SUBMODULES:
        module = importlib.import_module(f"asynctest_compat.{name}")
        sys.modules[f"asynctest.{name}"] = module
    if removed_names:
        _removed.put_back()
    if loop is not None:
        _loops.choose_loop(loop)
