"""Heard calls: those of a thread at which it may be preempted.

Owns: finding out, where a lock was taken or given back, a file opened, bytes sent, whether the
thread that calls is one that wants to hear of it, and telling it. Those are the threads of runs
that are explored, and no others.

Must not know: what a thread does then, and who decides.

Invariants:

- A call in which its thread waits is no such place: it hands on the turn by itself.
- What Python does by itself (imports, the sources of a traceback, the beginning and the end of a
  thread, but for the moment in which a new one lets ``start`` go on), or once (to find which levels
  a logger has), is none either: whether it reads a file, or locks, depends on what the process has
  done before. Nor is what a tool does that captures records.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from simloop._kernel.safe_looks import variables_of
from simloop._presence import call_hearers

from .run_context import by_thread, get_ident

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["hear_calls", "hear_no_calls", "heard_thread_calls"]

_OWN_READERS = (
    *("importlib._bootstrap", "importlib._bootstrap_external", "zipimport"),
    *("importlib.metadata", "importlib.resources", "pkgutil", "sysconfig", "platform"),
    *("linecache", "tokenize", "mimetypes", "gettext", "locale", "_strptime"),
    *("zoneinfo", "zoneinfo._common", "zoneinfo._tzpath", "asyncio.events"),
)
"""Modules that read files, or lock, and keep what came of it for as long as the process lives."""

_ONCE = {
    "logging": (
        *("_acquireLock", "_releaseLock", "Logger.isEnabledFor", "Logger.getChild"),
        *("Manager.getLogger", "Manager._clear_cache"),
    ),
    "tempfile": ("_get_candidate_names", "_gettempdir", "gettempdir", "_get_default_tempdir"),
}
"""Functions that do, of modules whose other ones do not."""

_PATHS = ("genericpath", "posixpath")

heard_thread_calls: dict[int, Callable[[str], object]] = {}
"""What hears of the calls of a thread, by its real identifier."""


def hear_calls(hear: Callable[[str], object]) -> None:
    """Call a function at each such call of the calling thread, with the name of who calls."""
    heard_thread_calls[get_ident()] = hear
    if not call_hearers:
        call_hearers.append(_called)


def hear_no_calls() -> None:
    """End that."""
    heard_thread_calls.pop(get_ident(), None)
    if not heard_thread_calls:
        call_hearers.clear()


def _called() -> None:
    """Tell the calling thread of its call, if it is in a run and wants to hear of it."""
    ident = get_ident()
    hear = heard_thread_calls.get(ident)
    if hear is None or ident not in by_thread:
        return
    caller = _caller(sys._getframe(1))
    if caller is not None:
        hear(caller.f_code.co_qualname)


def _caller(frame: FrameType | None) -> FrameType | None:
    """Return the frame of what called, past ours; None where Python does so by itself."""
    while frame is not None and _module(frame).startswith("simloop."):
        frame = frame.f_back
    if frame is None or _module(frame) in _OWN_READERS:
        return None
    if frame.f_code.co_qualname in _ONCE.get(_module(frame), ()) or _is_of_report(frame):
        return None
    if _module(frame) in _PATHS and frame.f_back is not None:
        asker = _module(frame.f_back)
        if asker in _OWN_READERS or asker.startswith("simloop."):
            return None  # Ours asks whether a file that is opened is there already.
    inner: FrameType | None = frame
    while inner is not None and inner.f_code.co_filename == threading.__file__:
        if inner.f_code.co_qualname.startswith("Thread."):
            return frame if _is_begun(frame) else None
        inner = inner.f_back
    return frame


def _is_begun(frame: FrameType) -> bool:
    """Tell whether a new thread has just entered itself, having let ``start`` go on: both may."""
    if frame.f_code.co_qualname != "Thread._bootstrap_inner":
        return False
    thread: Any = variables_of(frame).get("self")
    return threading._active.get(thread._ident) is thread  # type: ignore[attr-defined]


def _is_of_report(frame: FrameType) -> bool:
    """Tell whether a call is that of a handler by which pytest keeps the records of a test."""
    if _module(frame) != "logging":
        return False
    return type(variables_of(frame).get("self")).__module__.startswith("_pytest.")


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))
