"""Threads that ended because their run was over: what asks for one later is told.

Owns: the list of these threads, for the whole process, as long as something is left of them: the
object of ``threading``, or what they waited at, a queue, a lock, an event, a condition. A thread of
a run ends with it; the program outside would have kept it, so a later run may put work into its
queue, or join it. It is not begun anew, because what it has done already is not known. Its end must
not pass in silence either: what uses it in a later run is a :class:`UsageError`, and a deadlock
names it.

Must not know: how a thread ends. Those that are begun anew are none of this list's (a pool's
workers, a log's listener): they belong to modules of :data:`_BEGUN_ANEW`.

Invariants: the list holds nothing alive. A run that leaves no thread behind pays nothing.
"""

from __future__ import annotations

import functools
import queue
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

from simloop.errors import UsageError

from .thread_position import position_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .sim_thread import SimThread

__all__ = ["break_off", "check_join", "describe"]

_BEGUN_ANEW = (
    "concurrent.futures.",
    "logging.",
    "multiprocessing.",
    "opentelemetry.sdk._shared_internal.",
)
"""How the names of functions begin whose threads other modules look after."""

_LISTED_MAX = 5


class _BrokenOff:
    """One thread, and where it was."""

    __slots__ = ("label", "places", "position", "queues", "thread", "what")

    def __init__(self, thread: SimThread) -> None:
        self.thread: weakref.ref[Any] = weakref.ref(thread.joined_by, _tidy)
        name = getattr(thread.joined_by, "name", "?")
        self.label: str = thread.__qualname__.rpartition(" in thread ")[0]
        self.what: str = f"the thread {name!r} ({self.label})"
        self.position: str = position_of(thread.ident)
        self.queues: list[weakref.ref[Any]] = [
            weakref.ref(each, _tidy) for each in _queues_of(thread)
        ]
        self.places: list[weakref.ref[Any]] = [
            weakref.ref(each, _tidy) for each in _places_of(thread)
        ]

    def is_forgotten(self) -> bool:
        """Return whether nothing is left by which it could be asked for."""
        return all(find() is None for find in (self.thread, *self.queues, *self.places))

    def is_told_by(self, later: _BrokenOff) -> bool:
        """Return whether another one says the same: each run may leave one at a module's lock."""
        told = (self.what, self.position) == (later.what, later.position)
        return told and self.thread() is None and not self.queues

    def error(self, call: str) -> UsageError:
        """Return the error of a call that wants it."""
        return UsageError(
            f"{call}: {self.what} was begun in an earlier run of simloop and ended with it, where"
            f" it waited at\n    {self.position}\n"
            "Threads that a run begins are its own. Begin this one in each run that wants it; or"
            " before the first run, where it works in real time"
        )


_known: list[_BrokenOff] = []


def _tidy(_gone: object) -> None:
    """Forget threads of which nothing is left."""
    _known[:] = [each for each in _known if not each.is_forgotten()]


def _queues_of(thread: SimThread) -> list[Any]:
    """List the queues from which a thread that waits is about to take something."""
    found = []
    frame = sys._current_frames().get(thread.ident)
    while frame is not None:
        served = frame.f_locals.get("self") if frame.f_code.co_name == "get" else None
        if isinstance(served, queue.Queue):
            found.append(served)
        frame = frame.f_back
    return found


_LOCKS = (type(threading.Lock()), type(threading.RLock()), queue.SimpleQueue)
_MADE_OF_LOCKS = (threading.Event, threading.Condition, threading.Semaphore, threading.Barrier)


def _places_of(thread: SimThread) -> list[Any]:
    """List what a thread waits at by which it could be asked for something."""
    found: list[Any] = [thread.waits_for] if isinstance(thread.waits_for, _LOCKS) else []
    frame = sys._current_frames().get(thread.ident)
    while frame is not None:
        if frame.f_globals.get("__name__") == "threading":
            owner = frame.f_locals.get("self")
            if isinstance(owner, _MADE_OF_LOCKS):
                found.append(owner)
        frame = frame.f_back
    return found


def break_off(thread: SimThread, threads_of_caller: Callable[[], Any]) -> None:
    """Take note of a thread that is about to be ended where it waits.

    Args:
        thread: The thread.
        threads_of_caller: Returns the scheduler of the run that asks, or None outside of runs.
    """
    if not isinstance(thread.joined_by, threading.Thread) or not thread.ident:
        return
    if thread.__qualname__.startswith(_BEGUN_ANEW):
        return
    known = _BrokenOff(thread)
    if known.is_forgotten():
        return
    _known[:] = [each for each in _known if not each.is_told_by(known)]
    _known.append(known)
    for find in known.queues:
        served = find()
        if served is not None:
            served.put = functools.partial(_put, find, known, threads_of_caller)


def _put(
    find: weakref.ref[Any],
    known: _BrokenOff,
    threads_of_caller: Callable[[], Any],
    *args: Any,
    **kwargs: Any,
) -> None:
    """Put something into a queue, unless a run does so and has not begun its thread anew."""
    served: Any = find()
    threads = threads_of_caller()
    if threads is not None:
        if not threads.has_one_like(known.label):
            raise known.error("put() into a queue")
        del served.put
    type(served).put(served, *args, **kwargs)


def check_join(thread: Any) -> None:
    """Refuse to join a thread that ended with an earlier run.

    Raises:
        UsageError: It did.
    """
    for known in _known:
        if known.thread() is thread:
            raise known.error("join()")


def describe() -> str:
    """List the threads that ended with earlier runs and may be what is waited for."""
    left = [each for each in _known if not each.is_forgotten()][-_LISTED_MAX:]
    if not left:
        return ""
    listed = "".join(
        f"\n\n  {each.what} ended with an earlier run, where it waited\n    at {each.position}"
        for each in left
    )
    return f"{listed}\n  If that is what is waited for: begin it in each run that wants it"
