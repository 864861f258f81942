"""Errors as a program's process shows them: where its own code stood, without the engine's frames.

Python's own hooks write every frame of a traceback: at the end of a program, of a thread, and for
what a finalizer raises. Where the world answers a call (``time.sleep``, ``open``, a socket) these
would be frames of the engine, whose paths and lines differ by where simloop is installed. They are
left out of the tracebacks while a hook writes, and are there again afterwards.

Owns: the default hooks in a run, and what is left out.

Must not know: where the frames come from, and who writes.

Invariant: an error is the same before and after; a traceback without a frame of the program's own
is shown whole.
"""

from __future__ import annotations

import _thread
import sys
import traceback
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .patching.registry import redirect
from .run_context import by_thread, get_ident
from .shown_stacks import is_engine, own_frames

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["drop_engine_entries", "with_own_entries", "write_unraisable"]

_WORDS = "{}: {!r}\n" if sys.version_info < (3, 13) else "{} {!r}:\n"
"""How Python tells what an error was in that nobody can take (``PyErr_FormatUnraisable``)."""

_traceback_of: Any = BaseException.__dict__["__traceback__"]
_links = tuple(BaseException.__dict__[name] for name in ("__cause__", "__context__"))
"""As C reads and writes them, whatever a class of the program's makes of these names."""


@contextmanager
def with_own_entries(error: BaseException | None) -> Iterator[None]:
    """Leave the engine's entries out of an error's traceback, and of all it tells of, meanwhile."""
    taken: list[tuple[TracebackType, TracebackType]] = []
    begun: list[tuple[BaseException, TracebackType]] = []
    for each in _told_with(error):
        first = _traceback_of.__get__(each)
        own = _next_own(first)
        if own is None:
            continue
        taken += _take_out(own)
        if own is not first:
            begun.append((each, first))
            _traceback_of.__set__(each, own)
    try:
        yield
    finally:
        _put_back(taken)
        for each, first in begun:
            _traceback_of.__set__(each, first)


def drop_engine_entries(error: BaseException) -> None:
    """Take the engine's entries out of an error's traceback for good."""
    own = _next_own(_traceback_of.__get__(error))
    if own is not None:
        _take_out(own)
        _traceback_of.__set__(error, own)


def _told_with(error: BaseException | None) -> list[BaseException]:
    """Return an error and those that are shown with it: causes, contexts, members of groups."""
    found: dict[int, BaseException] = {}
    left = [] if error is None else [error]
    while left:
        each = left.pop()
        if id(each) in found:
            continue
        found[id(each)] = each
        left += [linked for link in _links if (linked := link.__get__(each)) is not None]
        if isinstance(each, BaseExceptionGroup):
            left += each.exceptions
    return [*found.values()]


def _next_own(entry: TracebackType | None) -> TracebackType | None:
    """Return the first entry of a traceback that is not the engine's."""
    while entry is not None and is_engine(entry.tb_frame):
        entry = entry.tb_next
    return entry


def _take_out(entry: TracebackType | None) -> list[tuple[TracebackType, TracebackType]]:
    """Take the engine's entries out behind one; return which entry was followed by which."""
    taken = []
    while entry is not None:
        following, own = entry.tb_next, _next_own(entry.tb_next)
        if following is not None and own is not following:
            taken.append((entry, following))
            entry.tb_next = own
        entry = own
    return taken


def _put_back(taken: list[tuple[TracebackType, TracebackType]]) -> None:
    for entry, following in taken:
        entry.tb_next = following


def _except_hook(kind: Any, value: Any, entry: Any, /) -> None:
    """Do what ``sys.__excepthook__`` does."""
    if not isinstance(value, BaseException) or by_thread.get(get_ident()) is None:
        _real_except_hook(kind, value, entry)
        return
    if _traceback_of.__get__(value) is None:
        _traceback_of.__set__(value, entry)  # As C does (PyErr_Display in pythonrun.c).
    with with_own_entries(value):
        _real_except_hook(kind, value, _traceback_of.__get__(value))


def _thread_hook(args: Any, /) -> None:
    """Do what ``threading.__excepthook__`` does."""
    value = getattr(args, "exc_value", None)
    if by_thread.get(get_ident()) is None or not isinstance(value, BaseException):
        _real_thread_hook(args)
        return
    with with_own_entries(value):
        _real_thread_hook(args)


def _unraisable_hook(args: Any, /) -> None:
    """Do what ``sys.__unraisablehook__`` does, which takes no arguments but those made in C."""
    first = getattr(args, "exc_traceback", None)
    if by_thread.get(get_ident()) is None or first is None:
        _real_unraisable_hook(args)
        return
    if is_engine(first.tb_frame):  # A finalizer of ours, as of a socket that was left open.
        what, error = args.err_msg or "Exception ignored in", args.exc_value
        write_unraisable(what, args.object, error, _next_own(first) or _entry_of_caller())
        return
    taken = _take_out(first)
    try:
        _real_unraisable_hook(args)
    finally:
        _put_back(taken)


def _entry_of_caller() -> TracebackType | None:
    """Return an entry for where the program stands, as Python makes one for an error in C."""
    frame = next(own_frames(sys._getframe(2)), None)
    return frame and TracebackType(None, frame, frame.f_lasti, frame.f_lineno)


def write_unraisable(
    what: str, function: object, error: BaseException, entry: TracebackType | None
) -> None:
    """Write what Python does of an error that nobody can take."""
    if sys.stderr is not None:
        sys.stderr.write(_WORDS.format(what, function))
        traceback.print_exception(type(error), error, entry, file=sys.stderr)


_c_thread: Any = _thread
_real_except_hook = redirect(sys.__excepthook__, _except_hook)
_real_thread_hook = redirect(_c_thread._excepthook, _thread_hook)
_real_unraisable_hook = redirect(sys.__unraisablehook__, _unraisable_hook)
