"""Where a thread stands: the program's innermost frame of it.

Owns: finding that frame. What lies below it, in simloop's own files and in the modules of the
standard library that only wait, is how it waits and not where.
"""

from __future__ import annotations

import linecache
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["standing_of"]

_WAITING = ("simloop._ambient.", "simloop._loop.", "threading", "queue", "concurrent.futures.")


def standing_of(ident: int) -> str:
    """Return ``file:line in function: source`` of a thread, for people."""
    frame = sys._current_frames().get(ident)
    while frame is not None and _waits(frame) and frame.f_back is not None:
        frame = frame.f_back
    if frame is None:
        return "an unknown place"
    code = frame.f_code
    source = linecache.getline(code.co_filename, frame.f_lineno).strip()
    where = f"{code.co_filename}:{frame.f_lineno} in {code.co_qualname}"
    return f"{where}: {source}" if source else where


def _waits(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith(_WAITING)
