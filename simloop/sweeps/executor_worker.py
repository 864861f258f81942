"""What an executor's process does for a sweep: tasks, one after the other.

Owns: the work that was sent, loaded once in each process; comparing versions before it is; and that
a process has one run at a time, in however many threads it is asked.

Must not know: executors, and how work is packed.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from simloop._sandbox.time import real_clock

from .work import Refining, Runs, parts_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from .work import Part, Task, Work

__all__ = ["Answer", "Shipped", "do", "greet"]


class Shipped(Protocol):
    """A piece of work on its way to another process."""

    about: Mapping[str, Any]
    """What it is about, versions included, as it was where it was packed."""

    def about_here(self) -> Mapping[str, Any]:
        """Return the same for this process, the program loaded."""

    def load(self) -> Work:
        """Return the work."""

    def inside(self) -> AbstractContextManager[Any]:
        """Return the context that its runs want."""


class Answer(NamedTuple):
    """What comes back of a task."""

    parts: list[Part]
    refined: Any = None
    differs: str = ""
    """What is different in this process, so that nothing was run."""


class _Loaded(NamedTuple):
    work: Work
    shipped: Shipped
    known: dict[str, int]


_loaded: dict[str, _Loaded] = {}
_lock = threading.Lock()


def greet(packed: bytes, path: list[str]) -> tuple[int, str]:
    """Load the work, and return this process's number and what is different in it."""
    with _lock:
        return os.getpid(), _differences(_unpacked(packed, path))


def do(key: str, packed: bytes, path: list[str], task: Task, pid: int, limit_s: float) -> Answer:
    """Do a task.

    Args:
        key: Which sweep it is of.
        packed: The work.
        path: Where modules are found.
        task: The task.
        pid: The number of the process that sweeps.
        limit_s: For how many real seconds a run may go on; 0 for ever.
    """
    with _lock:
        if key not in _loaded:
            shipped = _unpacked(packed, path)
            if differs := _differences(shipped):
                return Answer([], differs=differs)
            _loaded.clear()  # One sweep at a time: an earlier one is over.
            work = shipped.load()
            work.open()
            _loaded[key] = _Loaded(work, shipped, {})
        work, shipped, known = _loaded[key]
        with shipped.inside():
            if isinstance(task, Refining):
                return Answer([], work.refine(task.detail))
            return _run(work, task, known, limit_s if pid != os.getpid() else 0)


def _run(work: Work, task: Runs, known: dict[str, int], limit_s: float) -> Answer:
    watch = _Watch(limit_s)
    try:
        return Answer(list(parts_of(work, task, known, watch.begin)))
    finally:
        watch.end()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()


class _Watch:
    """Ends the process if a run goes on for too long, and tells on stderr where its threads are.

    By the kernel's alarm and a handler in C, since a run may keep the interpreter to itself. The
    timer of :mod:`faulthandler` would wait for ever in a process that was forked while it was set
    (Modules/faulthandler.c waits for its thread, which is not there): pytest's
    ``faulthandler_timeout`` sets it. It is left for where there are no alarms.

    An alarm is set anew now and then, and not for each run.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._set_s = -1.0
        self._before: Any = None

    def begin(self, number: int) -> bool:
        """Begin with a run."""
        del number
        if self._limit_s:
            now_s = real_clock.monotonic()
            if self._set_s < 0:
                self._take_alarms()
            if now_s - self._set_s > self._limit_s / 4 or self._set_s < 0:
                self._set_s = now_s
                self._set(self._limit_s * 1.25)
        return True

    def end(self) -> None:
        """Watch no more."""
        if self._set_s < 0:
            return
        if not _HAS_ALARMS:
            faulthandler.cancel_dump_traceback_later()
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.unregister(signal.SIGALRM)
        if self._before is not None:
            signal.signal(signal.SIGALRM, self._before)

    def _take_alarms(self) -> None:
        if _HAS_ALARMS:
            if threading.current_thread() is threading.main_thread():
                # A handler of who forked us would be asked for in Python: no end of the process.
                self._before = signal.signal(signal.SIGALRM, signal.SIG_DFL)
            faulthandler.register(signal.SIGALRM, file=sys.__stderr__ or 2, chain=True)

    def _set(self, after_s: float) -> None:
        if _HAS_ALARMS:
            signal.setitimer(signal.ITIMER_REAL, after_s)
        else:
            faulthandler.dump_traceback_later(after_s, exit=True)


_HAS_ALARMS = hasattr(signal, "setitimer")


def _unpacked(packed: bytes, path: list[str]) -> Shipped:
    sys.path += [each for each in path if each not in sys.path]
    shipped: Shipped = pickle.loads(packed)  # noqa: S301 - from the process that sweeps
    return shipped


def _differences(shipped: Shipped) -> str:
    here = shipped.about_here()
    told = [
        f"{name} is {here.get(name)!r} and not {value!r}"
        for name, value in shipped.about.items()
        if here.get(name) != value
    ]
    return ", ".join(told)
