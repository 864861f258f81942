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

__all__ = ["position_of"]

_OURS = ("simloop._sandbox.", "simloop._loop.", "simloop._threads.")
_WAITING = (*_OURS, "threading", "queue", "concurrent.futures.", "multiprocessing.synchronize")


def position_of(ident: int) -> str:
    """Return ``file:line in function: source`` of a thread, for people."""
    frames = [frame for frame in _frames(ident) if not _is_in(frame, _OURS)]
    frames = [frame for frame in frames if not frame.f_code.co_name.startswith("_bootstrap")]
    own = [frame for frame in frames if not _is_in(frame, _WAITING)]
    if not own and len(frames) < 2:  # noqa: PLR2004 - Thread.run and what it runs
        return "no line of Python: what it runs is written in C"
    frame = (own or frames)[0]
    code = frame.f_code
    source = linecache.getline(code.co_filename, frame.f_lineno).strip()
    where = f"{code.co_filename}:{frame.f_lineno} in {code.co_qualname}"
    return f"{where}: {source}" if source else where


def _frames(ident: int) -> list[FrameType]:
    """List a thread's frames, the innermost first."""
    frames = []
    frame = sys._current_frames().get(ident)
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames


def _is_in(frame: FrameType, modules: tuple[str, ...]) -> bool:
    return str(frame.f_globals.get("__name__")).startswith(modules)
