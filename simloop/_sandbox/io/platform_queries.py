"""Questions about the machine that the standard library answers by running a program.

Owns: the functions that do so. Where a shared library lies (``ctypes.util.find_library``, which
modules ask when they are imported) and what the processor is called (``platform``) are the same
each time on one machine, so in a run they are asked outside of it.

Must not know: what the answers are for.
"""

from __future__ import annotations

import ctypes.util
import platform
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import rewrite
from simloop._sandbox.run_context import by_thread, get_ident

if TYPE_CHECKING:
    from collections.abc import Callable

__all__: list[str] = []


def _ask_outside(function: Any) -> None:
    """Let a function run outside of the caller's run; meanwhile the world stands still."""

    def ask(*args: Any, **kwargs: Any) -> Any:
        ident = get_ident()
        seat = by_thread.pop(ident, None)
        try:
            return real(*args, **kwargs)
        finally:
            if seat is not None:
                by_thread[ident] = seat

    real: Callable[..., Any] = rewrite(function, ask)


_ask_outside(ctypes.util.find_library)
_ask_outside(platform._syscmd_file)  # type: ignore[attr-defined]
_ask_outside(vars(platform._Processor)["from_subprocess"])  # type: ignore[attr-defined]
