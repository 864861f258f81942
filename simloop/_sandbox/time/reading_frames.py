"""Where a program stands that reads a clock: the frames of the program, and what they hold.

Owns: finding them below ours, keeping them for a comparison, and telling people.

Must not know: what is made of it.

Invariant: what is compared are instructions, and variables by identity or, for plain values, by
what they are worth; no method of the program's is called.
"""

from __future__ import annotations

import linecache
import sys
from typing import TYPE_CHECKING, Any

from simloop._kernel.safe_looks import variables_of

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["is_same", "outermost", "place_of", "position_of", "reader", "state_of"]

_PLAIN = (int, float, str, bytes, bool, type(None))
"""Types whose values are compared by what they are worth; others by which object it is."""


def reader() -> FrameType | None:
    """Return the frame of the program that reads the clock."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_ours(frame):
        frame = frame.f_back
    return frame


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith("simloop.")


def state_of(frame: FrameType | None) -> list[Any]:
    """Return where the program stands, and what its variables hold, up to where we called it."""
    state: list[Any] = []
    while frame is not None and not _is_ours(frame):
        state += (frame.f_code, frame.f_lasti)
        state.extend(variables_of(frame).values())
        frame = frame.f_back
    return state


def place_of(frame: FrameType | None) -> list[Any]:
    """Return where the program stands, without its variables."""
    place: list[Any] = []
    while frame is not None and not _is_ours(frame):
        place += (frame.f_code, frame.f_lasti)
        frame = frame.f_back
    return place


def outermost(frame: FrameType | None) -> FrameType | None:
    """Return the frame of the program that we called: of a task's step, its coroutine's."""
    while frame is not None and (back := frame.f_back) is not None and not _is_ours(back):
        frame = back
    return frame


def is_same(before: list[Any] | None, after: list[Any]) -> bool:
    """Return whether the program was in the same state before."""
    return before is not None and len(before) == len(after) and all(map(_is_equal, before, after))


def _is_equal(before: Any, after: Any) -> bool:
    if before is after:
        return True
    return type(before) is type(after) and type(before) in _PLAIN and bool(before == after)


def position_of(frame: FrameType | None) -> str:
    """Return ``file:line in function: source`` of a frame, for people."""
    if frame is None:
        return "no line of Python"
    code = frame.f_code
    source = linecache.getline(code.co_filename, frame.f_lineno).strip()
    return f"{code.co_filename}:{frame.f_lineno} in {code.co_qualname}: {source}"
