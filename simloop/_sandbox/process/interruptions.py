"""Handlers of real signals that raise while a run is on: pytest-timeout's, Ctrl-C, ``alarm``.

Owns: where in a run such a handler is called. Python calls it between any two instructions of the
main thread. What it raises in the engine's own code would break that off anywhere: behind the line
that takes a callback from the queue, and the callback is lost; between two lines of a lock's, and
the lock is held for ever. So where a signal comes while the engine's code runs, its handler is
called a little later: before the next turn, or in the program's next line where the program had
called the engine. Elsewhere it is called at once.

What a handler raises in a task that is no exception of programs' (``pytest.fail``, not an
``Exception``) would be kept by the task and seen by no one: it ends the run as well.

And owns whose such an error is: not the program's. It came at some moment of real time, so a run in
which it was raised is no outcome of its seed, and the program fails nowhere by it: whoever runs a
program to see how it ends (:class:`Disturbed`) raises the error instead.

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
from typing import TYPE_CHECKING, Any, Protocol

from simloop._sandbox.patching.c_functions import clone
from simloop._sandbox.run_context import get_ident

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType, TracebackType

__all__ = ["Deferring", "Disturbed", "is_of_user", "raise_in_program", "shield", "unshield"]

_SIGNALS = tuple(
    getattr(_signal, name)
    for name in ("SIGALRM", "SIGINT", "SIGTERM", "SIGUSR1")
    if hasattr(_signal, name)
)
"""Those by which tools interrupt a program; each one more costs every run."""

_NOT_CTRL_C = tuple(each for each in _SIGNALS if each != _signal.SIGINT)

_ENGINE = ("simloop.", "asyncio.", "sortedcontainers.")
"""How the names of modules begin that must not be broken off."""

_MADE = "namedtuple_"
"""How :mod:`collections` names the modules of what it generates."""

_WAITS = (("simloop._threads.real_threads", "wait"), ("simloop.world.realtime", "jump"))
"""But these functions, which wait for the real world as long as that takes."""

_TURNS = "simloop._kernel."
"""Where turns are made: further out than this there is nothing of the program's."""

_OF_USER = "__of_user__"
"""The attribute by which an error is known that a handler of a real signal has raised."""

_CHAIN_MAX = 100
"""How far an error's chain is followed, which a program may close to a circle."""

_getsignal = clone(_signal.getsignal)
_set = clone(_signal.signal)


class Turns(Protocol):
    """Of a run: what is called before its next turn."""

    outside_error: BaseException | None
    """What a handler has raised in it."""

    def defer(self, call: Callable[[], object]) -> None: ...
    def make_deferred(self) -> None: ...


class Deferring:
    """A handler that calls another one where that may raise."""

    def __init__(self, handler: Callable[[int, Any], object], turns: Turns) -> None:
        self.handler = handler
        self._turns = turns

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        if not _is_engine(frame):
            self._call_in_program(signum, frame)
            return
        later = _Later(partial(self._call, signum, frame))
        self._turns.defer(later)
        caller = _caller_of_engine(frame)
        if caller is not None:
            later.call_in(caller, partial(self._call_in_program, signum, frame))

    def _call(self, signum: int, frame: FrameType | None) -> None:
        try:
            self.handler(signum, frame)
        except BaseException as error:
            self._turns.outside_error = error
            if isinstance(error, KeyboardInterrupt):
                vars(error)[_OF_USER] = True
            raise

    def _call_in_program(self, signum: int, frame: FrameType | None) -> None:
        try:
            self._call(signum, frame)
        except (Exception, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            if _is_in_turn(sys._getframe()):
                self._turns.defer(_Raise(error))
            raise


_UNSHIELDED = (int, Deferring)
"""Kinds of what needs no shield: a number is the system's own way, the case of most signals."""


class Disturbed:
    """A context in which a program is run to see how it ends: raises what came from outside.

    Ctrl-C has a way of its own: a ``KeyboardInterrupt`` is never taken for an outcome.

    Args:
        turns: Of the run.
    """

    __slots__ = ("_shields", "_turns")

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def __enter__(self) -> None:
        self._turns.outside_error = None
        self._shields = shield(self._turns, _NOT_CTRL_C)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        turns = self._turns
        if self._shields:
            unshield(self._shields)
            turns.make_deferred()
        if turns.outside_error is not None and error is None:
            raise turns.outside_error


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


def raise_in_program(kind: type[BaseException]) -> None:
    """Raise an error of the calling thread in the program's next line: the engine runs up to it."""

    def fail() -> None:
        raise kind

    caller = _caller_of_engine(sys._getframe())
    if caller is None:
        fail()
    else:
        _Later(fail).call_in(caller, fail)


class _Raise:
    """Raises an error once more."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __call__(self) -> None:
        raise self._error


def _is_engine(frame: FrameType | None) -> bool:
    """Tell whether the engine must go on from here: it runs, or a function that it called."""
    while frame is not None:
        name = _module_of(frame)
        if name.startswith(_ENGINE):
            return (name, frame.f_code.co_name) not in _WAITS
        if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith(_MADE):
            return False
        frame = frame.f_back
    return False


def _caller_of_engine(frame: FrameType | None) -> FrameType | None:
    """Return the frame of the program that called the engine, or None if a turn did."""
    # What stands between a context of the engine's and who enters it must not be broken off either.
    while frame is not None and (_is_engine(frame) or _module_of(frame) == "contextlib"):
        if _module_of(frame).startswith(_TURNS):
            return None
        frame = frame.f_back
    return frame


def _module_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))


def _is_in_turn(frame: FrameType | None) -> bool:
    """Return whether a task may be what an error is raised in; not in code that drives a loop."""
    while frame is not None:
        if _module_of(frame).startswith(_TURNS):
            return True
        frame = frame.f_back
    return False


def _trace_nothing(_frame: FrameType, _event: str, _arg: Any) -> None:
    """Trace no new frame."""


def is_of_user(error: BaseException) -> bool:
    """Return whether an error is a ``KeyboardInterrupt`` of Ctrl-C, or was raised because of one.

    So it is if nobody could have told, because the signal's handler is not shielded.
    """
    if not isinstance(error, KeyboardInterrupt):
        return False
    if get_ident() != threading.main_thread()._ident:  # type: ignore[attr-defined]  # the real one
        return False
    handler = _getsignal(_signal.SIGINT)
    if callable(handler) and not isinstance(handler, Deferring):
        return True
    each: BaseException | None = error
    for _ in range(_CHAIN_MAX):
        if each is None:
            break
        if _OF_USER in vars(each):
            return True
        each = each.__cause__ or each.__context__
    return False


def shield(turns: Turns, signals: Iterable[int] = _SIGNALS) -> dict[int, Deferring]:
    """Let handlers be called where they may raise, from now on; returns what to end that with.

    Args:
        turns: Of the run.
        signals: Whose handlers.
    """
    shields: dict[int, Deferring] = {}
    if get_ident() != threading.main_thread()._ident:  # type: ignore[attr-defined]  # the real one
        return shields
    if all(map(_UNSHIELDED.__contains__, map(type, map(_getsignal, signals)))):
        return shields  # As in most runs; a tenth of the frames and names of what follows.
    for signum in signals:
        handler = _getsignal(signum)
        if type(handler) in _UNSHIELDED or not callable(handler):
            continue
        with suppress(ValueError):  # An interpreter that was embedded without signals.
            shields[signum] = made = Deferring(handler, turns)
            _set(signum, made)
    return shields


def unshield(shields: dict[int, Deferring]) -> None:
    """Put back the handlers that were there, but for those that have been exchanged meanwhile."""
    for signum, shielded in shields.items():
        if _getsignal(signum) is shielded:
            _set(signum, shielded.handler)
