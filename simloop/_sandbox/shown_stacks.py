"""Stacks as a program sees them: those of its own frames, and of what it calls, without ours.

Which functions of the engine stand below a callback depends on who watches the run, on how it was
begun and on where simloop is installed. A program shows its stack without being asked: by an error
in a callback, in debug mode, by a warning or a log record that names its caller's caller. So none
of the engine's frames is shown, and none of those outside of the run.

Owns: what :mod:`traceback`, :mod:`warnings` and :mod:`logging` find when they look for callers in a
run.

Must not know: what the frames are of.

Invariants:

- A stack ends where the run began, as a program's does at its first line.
- The frames themselves are nobody's secret: ``sys._getframe``, ``inspect``, debuggers and errors'
  ``__traceback__`` have all of them.
"""

from __future__ import annotations

import dis
import logging
import os
import sys
import traceback
import warnings
from asyncio import Handle, base_tasks
from concurrent.futures import thread
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

from .patching.registry import entry, redirect, rewrite, when_loaded
from .run_context import by_thread, get_ident

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType, ModuleType

__all__ = [
    "begins_run",
    "caller_shown_for",
    "end_at_program",
    "is_engine",
    "own_frames",
]

_Function = TypeVar("_Function", bound="Callable[..., Any]")

_ENGINE = f"{Path(__file__).parent.parent}{os.sep}"
_PAST_ALL = 1 << 20
"""As ``stacklevel``: beyond the first frame, which Python tells as a place in ``sys``."""

_KERNEL = f"{_ENGINE}_kernel{os.sep}"
_THREADS = f"{_ENGINE}_threads{os.sep}"


class CallingFrame:
    """Looks like a frame of the standard library that calls back, where the engine does.

    Args:
        function: The function of the standard library, which calls once with ``*args``.
    """

    __slots__ = ("f_code", "f_globals", "f_lineno")

    f_back = None

    def __init__(self, function: Any) -> None:
        self.f_code: CodeType = function.__code__
        self.f_globals: dict[str, Any] = function.__globals__
        instructions = dis.get_instructions(self.f_code)
        call = next(each for each in instructions if each.opname == "CALL_FUNCTION_EX")
        self.f_lineno: int | None = call.positions and call.positions.lineno


_CALLBACK = CallingFrame(Handle._run)
# Of a context of its own since Python 3.14.
_JOB = CallingFrame(getattr(thread, "WorkerContext", thread._WorkItem).run)

_beginnings: dict[CodeType, None] = {}


def begins_run(function: _Function) -> _Function:
    """Mark a function in which runs begin: whoever called it is no part of them."""
    _beginnings[function.__code__] = None
    return function


def end_at_program(stack: traceback.StackSummary) -> None:
    """Take frames of the engine off the end of a stack that was made for the program."""
    while stack and stack[-1].filename.startswith(_ENGINE):
        del stack[-1]


def is_engine(frame: FrameType) -> bool:
    """Tell whether a frame is of simloop's own code."""
    return frame.f_code.co_filename.startswith(_ENGINE)


def own_frames(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield the program's frames from one on, outwards, as far as the run goes."""
    while frame is not None and frame.f_code not in _beginnings:
        if not is_engine(frame):
            yield frame
        frame = frame.f_back


def _walk_stack(f: FrameType | None) -> Iterator[tuple[FrameType, int]]:
    """Do what ``traceback.walk_stack`` does."""
    first = sys._getframe(2) if f is None else f  # Between us and the caller is what is rewritten.
    if by_thread.get(get_ident()) is None:
        walked: Iterator[tuple[FrameType, int]] = _real_walk_stack(first)
        return walked
    return ((frame, frame.f_lineno) for frame in own_frames(first))


def _walk_traceback(tb: Any) -> Iterator[Any]:
    """Do what ``traceback._walk_tb_with_full_positions`` does."""
    return _own_entries(tb, _real_walk_traceback)


def _walk_tb(tb: Any) -> Iterator[Any]:
    """Do what ``traceback.walk_tb`` does."""
    return _own_entries(tb, _real_walk_tb)


def _own_entries(tb: Any, walk: Callable[[Any], Iterator[Any]]) -> Iterator[Any]:
    """Yield what a function of Python's tells of each frame of a traceback, but for ours."""
    if by_thread.get(get_ident()) is None:
        yield from walk(tb)
        return
    while tb is not None:
        if not is_engine(tb.tb_frame):
            yield next(iter(walk(tb)))
        tb = tb.tb_next


def _register_pytest(module: ModuleType) -> None:
    """Let pytest, which takes a traceback apart, find the place of each entry, ours among them.

    It asks :func:`traceback.extract_tb` for one frame from the entry on (pytest 7.4 to 9.2).
    """

    def summary(self: Any) -> traceback.FrameSummary:
        if by_thread.get(get_ident()) is None:
            told: traceback.FrameSummary = real(self)
            return told
        first = islice(_real_walk_traceback(self._rawentry), 1)
        return _stack_summary._extract_from_extended_frame_gen(first)[0]  # type: ignore[no-any-return]

    real: Any = None
    if hasattr(module.TracebackEntry, "get_python_framesummary"):
        real = rewrite(module.TracebackEntry.get_python_framesummary, summary)


def _task_stack(task: Any, limit: int | None) -> list[FrameType]:
    """Do what ``Task.get_stack`` does, of which a task that runs shows who called it."""
    if by_thread.get(get_ident()) is None:
        every: list[FrameType] = _real_task_stack(task, limit)
        return every
    frames = _real_task_stack(task, None)
    begins = [index for index, frame in enumerate(frames) if frame.f_code in _beginnings]
    own = [each for each in frames[begins[-1] if begins else 0 :] if not is_engine(each)]
    if limit is None:
        return own
    return own[:limit] if task.done() else own[max(len(own) - limit, 0) :]


def _warn(
    message: Any,
    category: type[Warning] | None = None,
    stacklevel: int = 1,
    source: object = None,
    **more: Any,
) -> None:
    """Do what ``warnings.warn`` does, whose ``stacklevel`` counts the program's frames."""
    caller = sys._getframe(1)
    if caller_shown_for(caller) is not None:
        stacklevel = _PAST_ALL
    elif stacklevel > 1 and _is_of_run(caller):
        own = _own_levels(caller, _is_import_system)
        stacklevel = next(islice(own, stacklevel - 1, None), _PAST_ALL)
    _real_warn(message, category, stacklevel + 1, source, **more)


def _show_warning(msg: Any) -> None:
    """Do what ``warnings._showwarnmsg`` does; what C warns of within the engine is the caller's."""
    if str(msg.filename).startswith(_ENGINE) and by_thread.get(get_ident()) is not None:
        own = next(own_frames(sys._getframe(1)), None)
        if own is not None:
            msg.filename, msg.lineno, msg.line = own.f_code.co_filename, own.f_lineno, None
    _real_show_warning(msg)


def _find_caller(self: Any, stack_info: bool = False, stacklevel: int = 1) -> Any:  # noqa: FBT001, FBT002 - logging's
    """Do what ``logging.Logger.findCaller`` does, whose ``stacklevel`` does, too."""
    caller: FrameType | None = sys._getframe(1)
    while caller is not None and caller.f_code.co_filename == _LOGGINGS:
        caller = caller.f_back
    shown: Any = None if caller is None else caller_shown_for(caller)
    if shown is not None or (caller is not None and stacklevel == 1 and not stack_info):
        # What Python's own finds, by fewer calls: most records come by here.
        shown = shown or caller
        return shown.f_code.co_filename, shown.f_lineno, shown.f_code.co_name, None
    if stacklevel > 1 and _is_of_run(caller):
        *_, stacklevel = islice(_own_levels(caller, _is_loggings), stacklevel)
    return _real_find_caller(self, stack_info, stacklevel + 1)


def caller_shown_for(frame: FrameType) -> CallingFrame | None:
    """Return who calls on the real loop where one of the engine's frames does, if it is one.

    Callbacks are called in one of several ways; jobs by a pool of the engine's own, or within what
    tells the world which thread of another pool has them.
    """
    file = frame.f_code.co_filename
    if file.startswith(_KERNEL):
        return _CALLBACK
    return _JOB if file.startswith(_THREADS) else None


def _is_of_run(frame: FrameType | None) -> TypeGuard[FrameType]:
    """Tell whether a frame is the program's: the engine counts its own frames."""
    return frame is not None and not is_engine(frame) and by_thread.get(get_ident()) is not None


def _own_levels(frame: FrameType, is_internal: Callable[[FrameType], bool]) -> Iterator[int]:
    """Yield how far each of the program's frames is from one, which is 1, by Python's own count.

    Args:
        frame: One of the program's.
        is_internal: Which frames Python leaves out of its count.
    """
    level = 0
    walked: FrameType | None = frame
    while walked is not None and walked.f_code not in _beginnings:
        if not is_internal(walked):
            level += 1
            if not is_engine(walked):
                yield level
        walked = walked.f_back


def _is_import_system(frame: FrameType) -> bool:
    """Tell which frames ``warnings`` leaves out of the count (Python/_warnings.c)."""
    file = frame.f_code.co_filename
    return "importlib" in file and "_bootstrap" in file


_modules: tuple[Any, Any, Any, Any] = (traceback, logging, base_tasks, warnings)
_is_loggings: Callable[[FrameType], bool] = _modules[1]._is_internal_frame
_LOGGINGS = logging.Logger.findCaller.__code__.co_filename
_real_walk_stack = rewrite(traceback.walk_stack, _walk_stack)
_real_walk_tb = rewrite(traceback.walk_tb, _walk_tb)
_real_walk_traceback = rewrite(_modules[0]._walk_tb_with_full_positions, _walk_traceback)
_stack_summary: Any = traceback.StackSummary
when_loaded("_pytest._code.code", _register_pytest)
_real_find_caller = logging.Logger.findCaller
_real_task_stack = rewrite(_modules[2]._task_get_stack, _task_stack)
entry(logging.Logger, "findCaller", _find_caller)
_real_warn = redirect(warnings.warn, _warn)
_real_show_warning = rewrite(_modules[3]._showwarnmsg, _show_warning)
