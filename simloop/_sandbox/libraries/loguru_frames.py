"""loguru's records: who made them, and an error with every frame below the one that caught it.

It walks the frames by itself. In a run it finds those of the program, as :mod:`logging` and
:mod:`traceback` do: see :mod:`simloop._sandbox.shown_stacks`.

Owns: what ``get_frame`` returns to it, and what ``ExceptionFormatter._extract_frames`` walks. How a
frame is shown is loguru's.

Must not know: where the records go.

Invariant: a library that is not loaded costs nothing, and none is loaded for this.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import entry, when_loaded
from simloop._sandbox.run_context import by_thread, get_ident
from simloop._sandbox.shown_stacks import caller_shown_for, is_engine, own_frames

if TYPE_CHECKING:
    from types import FrameType, ModuleType

__all__: list[str] = []


def _register(module: ModuleType) -> None:
    formatter: Any = getattr(module, "ExceptionFormatter", None)
    real: Any = getattr(formatter, "_extract_frames", None)
    if real is None:
        return  # Not in this version.

    def extract_frames(
        self: Any,
        tb: TracebackType | None,
        is_first: bool,  # noqa: FBT001 - loguru's
        *,
        limit: int | None = None,
        from_decorator: bool = False,
    ) -> Any:
        raised = [] if tb is None else _entries(tb)
        if not raised or by_thread.get(get_ident()) is None:
            return real(self, tb, is_first, limit=limit, from_decorator=from_decorator)
        below = [
            frame
            for frame in own_frames(raised[0].tb_frame.f_back)
            if frame.f_code.co_filename != self._hidden_frames_filename
        ]
        is_whole = self._backtrace and is_first
        if not is_whole:
            below = below[:1] if from_decorator and not self._backtrace else []
        places = [(each, each.f_lasti, each.f_lineno) for each in reversed(below)]
        places += [(each.tb_frame, each.tb_lasti, each.tb_lineno) for each in raised]
        # All of them as one traceback, of which nothing is left to be walked below.
        frames, source = real(self, _chain(places), False, limit=limit)
        further = [
            each
            for each in raised[1:]
            if each.tb_frame.f_code.co_filename != self._hidden_frames_filename
        ]
        if is_whole and len(frames) > len(further):  # Else the limit has cut off where it stands.
            at = len(frames) - len(further) - 1
            file, line, function, text = frames[at]
            frames[at] = file, line, f"{function}{self._catch_point_identifier}", text
        return frames, source

    entry(formatter, "_extract_frames", extract_frames)


def _entries(tb: TracebackType | None) -> list[TracebackType]:
    """Return the program's entries of a traceback."""
    own = []
    while tb is not None:
        if not is_engine(tb.tb_frame):
            own.append(tb)
        tb = tb.tb_next
    return own


def _chain(places: list[tuple[FrameType, int, int]]) -> TracebackType | None:
    chain = None
    for frame, instruction, line in reversed(places):
        chain = TracebackType(chain, frame, instruction, line)
    return chain


def _register_caller(module: ModuleType) -> None:
    real: Any = getattr(module, "get_frame", None)
    if real is None:
        return  # Not in this version.

    def get_frame(depth: int = 0, /) -> Any:
        frame = real(depth + 1)
        in_run = by_thread.get(get_ident()) is not None
        return (in_run and caller_shown_for(frame)) or frame

    entry(module, "get_frame", get_frame)


when_loaded("loguru._better_exceptions", _register)
when_loaded("loguru._logger", _register_caller)
