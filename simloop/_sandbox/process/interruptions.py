"""Handlers of real signals that raise while a run is on: pytest-timeout's, Ctrl-C, ``alarm``.

Owns: where in a run such a handler is called. Python calls it between any two instructions of the
main thread. What it raises in the engine's own code would break that off anywhere: behind the line
that takes a callback from the queue, and the callback is lost; between two lines of a lock's, and
the lock is held for ever. So where a signal comes while the engine's code runs, its handler is
called a little later: before the next turn, or in the program's next line where the program had
called the engine. Elsewhere it is called at once.

What a handler raises in a task that is no exception of programs' (``pytest.fail``, not an
``Exception``) would be kept by the task and seen by no one: it ends the run as well.

Must not know: what a turn is. It is told how to have something called before the next one.

Invariants: what was a signal's handler before a run is so after it. A process without such handlers
pays one look at each of a few signals for each run.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # The part in C of signal; typeshed has none.
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.c_functions import clone
from simloop._sandbox.run_context import get_ident

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    Defer = Callable[[Callable[[], object]], object]

__all__ = ["Deferring", "shield", "unshield"]

_SIGNALS = tuple(
    getattr(_signal, name)
    for name in ("SIGALRM", "SIGINT", "SIGTERM", "SIGUSR1")
    if hasattr(_signal, name)
)
"""Those by which tools interrupt a program; each one more costs every run."""

_ENGINE = ("simloop.", "asyncio.", "sortedcontainers.", "contextlib")
"""How the names of modules begin that must not be broken off; the last stands between two frames of
the engine's where one of its contexts is entered or left."""

_WAITS = ("simloop._threads.real_threads", "simloop.world.realtime")
"""But these, which wait for the real world as long as that takes."""

_TURNS = "simloop._kernel."
"""Where turns are made: further out than this there is nothing of the program's."""

_getsignal = clone(_signal.getsignal)
_set = clone(_signal.signal)


class Deferring:
    """A handler that calls another one where that may raise."""

    def __init__(self, handler: Callable[[int, Any], object], defer: Defer) -> None:
        self.handler = handler
        self._defer = defer

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        if not _is_engine(frame):
            self._call(signum, frame)
            return
        later = _Later(partial(self.handler, signum, frame))
        self._defer(later)
        caller = _caller_of_engine(frame)
        if caller is not None:
            later.call_in(caller, partial(self._call, signum, frame))

    def _call(self, signum: int, frame: FrameType | None) -> None:
        try:
            self.handler(signum, frame)
        except (Exception, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            if _is_in_turn(sys._getframe()):
                self._defer(_Raise(error))
            raise


_UNSHIELDED = (int, Deferring)
"""Kinds of what needs no shield: a number is the system's own way, the case of most signals."""


class _Later:
    """A call that is made once: before the next turn, or at a frame's next line if that is first.

    A line is waited for as a debugger does that stops there. Before a turn alone would be too late
    for a program that never gives its turn back.
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self._call: Callable[[], object] | None = call
        self._frame: FrameType | None = None

    def call_in(self, frame: FrameType, call: Callable[[], object]) -> None:
        """Make this call in the place of the other one, if a frame's next line is first."""
        self._frame, self._tracers = frame, (sys.gettrace(), frame.f_trace)
        self._call_there = call
        frame.f_trace = self._trace
        sys.settrace(sys.gettrace() or _trace_nothing)

    def _trace(self, _frame: FrameType, _event: str, _arg: Any) -> None:
        if self._call is not None:
            self._call = self._call_there
        self()

    def __call__(self) -> None:
        if self._frame is not None:
            tracer, self._frame.f_trace = self._tracers
            self._frame = None
            sys.settrace(tracer)
        call, self._call = self._call, None
        if call is not None:
            call()


class _Raise:
    """Raises an error once more."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __call__(self) -> None:
        raise self._error


def _is_engine(frame: FrameType | None) -> bool:
    if frame is None:
        return False
    name = str(frame.f_globals.get("__name__"))
    return name.startswith(_ENGINE) and name not in _WAITS


def _caller_of_engine(frame: FrameType | None) -> FrameType | None:
    """Return the frame of the program that called the engine, or None if a turn did."""
    while frame is not None and _is_engine(frame):
        if frame.f_globals["__name__"].startswith(_TURNS):
            return None
        frame = frame.f_back
    return frame


def _is_in_turn(frame: FrameType | None) -> bool:
    """Return whether a task may be what an error is raised in; not in code that drives a loop."""
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith(_TURNS):
            return True
        frame = frame.f_back
    return False


def _trace_nothing(_frame: FrameType, _event: str, _arg: Any) -> None:
    """Trace no new frame."""


def shield(defer: Defer) -> dict[int, Deferring]:
    """Let handlers be called where they may raise, from now on; returns what to end that with.

    Args:
        defer: Has a call made before the next turn.
    """
    shields: dict[int, Deferring] = {}
    if get_ident() != threading.main_thread()._ident:  # type: ignore[attr-defined]  # the real one
        return shields
    if all(map(_UNSHIELDED.__contains__, map(type, map(_getsignal, _SIGNALS)))):
        return shields  # As in most runs; a tenth of the frames and names of what follows.
    for signum in _SIGNALS:
        handler = _getsignal(signum)
        if type(handler) in _UNSHIELDED or not callable(handler):
            continue
        with suppress(ValueError):  # An interpreter that was embedded without signals.
            shields[signum] = made = Deferring(handler, defer)
            _set(signum, made)
    return shields


def unshield(shields: dict[int, Deferring]) -> None:
    """Put back the handlers that were there, but for those that have been exchanged meanwhile."""
    for signum, shielded in shields.items():
        if _getsignal(signum) is shielded:
            _set(signum, shielded.handler)
