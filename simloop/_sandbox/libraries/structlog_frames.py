"""structlog's call sites: where in the program a record was made.

It walks the frames by itself, from its own outwards. In a run it finds those of the program, as
:mod:`logging` does: see :mod:`simloop._sandbox.shown_stacks`.

Owns: what ``_find_first_app_frame_and_name`` returns. How a call site is told is structlog's.

Must not know: where the records go.

Invariant: a library that is not loaded costs nothing, and none is loaded for this.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import rewrite, when_loaded
from simloop._sandbox.run_context import by_thread, get_ident
from simloop._sandbox.shown_stacks import caller_shown_for, own_frames

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType, ModuleType

__all__: list[str] = []


def _register(module: ModuleType) -> None:
    def find(additional_ignores: Sequence[str] | None = None, **more: Any) -> Any:
        ignored = tuple(additional_ignores or ())
        if by_thread.get(get_ident()) is None:
            return real([*ignored, __name__], **more)
        found: Any = _first_frame(module, ("structlog", *ignored))
        shown: Any = caller_shown_for(found)
        if shown is None and (own := list(own_frames(found))):
            shown = own[min(more.get("stacklevel") or 0, len(own) - 1)]
        found = shown or found
        return found, _name(found)

    real: Any = getattr(module, "_find_first_app_frame_and_name", None)
    if real is not None:
        real = rewrite(real, find)


def _first_frame(module: ModuleType, ignored: tuple[str, ...]) -> FrameType:
    """Return the first frame of a module whose name does not begin with one of these."""
    # What is logged in a thread, for a coroutine, has its caller in a variable of the context.
    calling = getattr(module, "_ASYNC_CALLING_STACK", None)
    frame: FrameType = sys._getframe(2)
    if calling is not None:
        frame = calling.get(frame)
    while frame.f_back is not None and _name(frame).startswith(ignored):
        frame = frame.f_back
    return frame


def _name(frame: Any) -> str:
    return str(frame.f_globals.get("__name__") or "?")


when_loaded("structlog._frames", _register)
