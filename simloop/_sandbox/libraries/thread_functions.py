"""Functions of the C library, and of Python's, that are told a thread by its identifier.

In a run ``Thread.ident`` is the world's number, and the C library takes it for the address of a
``pthread_t``: it would read there, and crash. Programs call these functions by :mod:`ctypes`, to
name threads as ``top`` shows them (trio does), or to raise an error in one (func_timeout, stopit).

Owns: telling such a function the real identifier in place of the world's, or that there is no such
thread (``ESRCH``); refusing those that end a thread, or send it a signal; and what
``PyThreadState_SetAsyncExc`` does in a run: the error is raised in the program's next line once the
thread goes on by itself, in the middle of no wait, as CPython does it at the next instruction.

Must not know: how a thread of a run waits.

Invariants:

- A real identifier is passed on as it is.
- Functions that a program had looked up before the run are guarded, too: ctypes makes a class of
  functions for each library that it loads, and that class is what is patched.
"""

from __future__ import annotations

import ctypes
import errno
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from simloop._sandbox.patching.registry import before_install, entry, registering, rewrite
from simloop._sandbox.permissions import is_allowed
from simloop._sandbox.process.identity import real_ident_of, shown_ident
from simloop._sandbox.process.interruptions import raise_in_program
from simloop._sandbox.run_context import by_thread, get_ident
from simloop.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop._sandbox.run_context import RunContext

__all__: list[str] = []

_FUNCTION: Any = ctypes._CFuncPtr  # type: ignore[attr-defined]  # what CDLL makes its functions of
_call_real: Any = _FUNCTION.__call__


def _told(run: RunContext, function: Any, thread: Any) -> Any:
    """Return what to pass on in the place of a thread's identifier; None if there is none such."""
    shown = getattr(thread, "value", thread)
    real = real_ident_of(run, shown)
    if real is None:
        return thread
    if not real:
        return None
    if not isinstance(thread, int):
        return type(thread)(real)
    # Without types ctypes would pass on half of a number.
    return real if function.argtypes else ctypes.c_ulong(real)


def _pass_on(run: RunContext, function: Any, *args: Any) -> Any:
    thread = _told(run, function, args[0]) if args else None
    return errno.ESRCH if args and thread is None else _call_real(function, *(thread, *args[1:]))


def _refuse(run: RunContext, function: Any, *args: Any) -> Any:
    """Refuse what ends a thread, or sends it a signal; but 0, which asks whether it is there."""
    asks = function.__name__ == "pthread_kill" and not any(getattr(n, "value", n) for n in args[1:])
    if asks or not args or is_allowed("signals"):
        return _pass_on(run, function, *args)
    if real_ident_of(run, getattr(args[0], "value", args[0])) is None:
        return _call_real(function, *args)
    raise UnsupportedError(
        f"{function.__name__}() by ctypes: it would end a real thread, or send it a signal, behind"
        " the back of the world, whose thread that is. Let the thread end by itself (an Event that"
        " it looks at); signal.raise_signal() sends the process a signal"
    )


def _self(run: RunContext, function: Any, *_args: Any) -> Any:
    kind = function.restype or ctypes.c_int
    return kind(shown_ident(run, get_ident())).value


_BY_NAME: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(
        (
            *("pthread_setname_np", "pthread_getname_np", "pthread_getattr_np"),
            *("pthread_setaffinity_np", "pthread_getaffinity_np", "pthread_getcpuclockid"),
            *("pthread_setschedparam", "pthread_getschedparam", "pthread_setschedprio"),
        ),
        _pass_on,
    ),
    **dict.fromkeys(
        (
            *("pthread_kill", "pthread_sigqueue", "pthread_cancel", "pthread_detach"),
            *("pthread_join", "pthread_tryjoin_np", "pthread_timedjoin_np"),
            "pthread_clockjoin_np",
        ),
        _refuse,
    ),
    "pthread_self": _self,
}


def _call(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a function of a library that ctypes has loaded."""
    run = by_thread.get(get_ident())
    answer = None if run is None else _BY_NAME.get(getattr(self, "__name__", ""))
    if answer is None:
        return _call_real(self, *args, **kwargs)
    return answer(run, self, *args)


_guarded: list[type] = []


def _guard(kind: type) -> None:
    if not any(kind is each for each in _guarded):
        _guarded.append(kind)
        entry(kind, "__call__", _call)


_seen = 0


def _guard_all() -> None:
    """Guard the functions of every library that was loaded meanwhile, but Python's own."""
    global _seen  # noqa: PLW0603 - how many there were when they were last looked at
    kinds = _FUNCTION.__subclasses__()
    if len(kinds) != _seen:
        _seen = len(kinds)
        for kind in kinds:
            if kind.__name__ == "_FuncPtr" and kind is not ctypes.pythonapi._FuncPtr:
                _guard(kind)


before_install(_guard_all)


def _getitem(self: Any, name_or_ordinal: Any) -> Any:
    """Look a function up; a library that was loaded in a run is not guarded yet."""
    found = _real_getitem(self, name_or_ordinal)
    if name_or_ordinal in _BY_NAME:
        with registering():
            _guard(type(found))
    return found


_real_getitem: Any = rewrite(ctypes.CDLL.__getitem__, _getitem)


# Python's own -----------------------------------------------------------------------------------

_NAME = "PyThreadState_SetAsyncExc"
_real: Any = ctypes.pythonapi[_NAME]


class _SetAsyncExc:
    """Stands for the function in runs; its types are those of the real one."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._function(), name, value)

    @staticmethod
    def _function() -> Any:
        return _real

    def __call__(self, thread: Any, error: Any = None) -> Any:
        """Raise an error in a thread; return of how many threads."""
        run = by_thread.get(get_ident())
        shown = getattr(thread, "value", thread)
        real = None if run is None else real_ident_of(run, shown)
        if run is None or real is None:
            return _real(thread, error)
        if not real:
            return 0
        if real == get_ident():
            return _real(ctypes.c_ulong(real), error)
        told = _object_of(error)
        _check(told)
        call = None if told is None else partial(raise_in_program, cast("type", told))
        if run.threads is None or not run.threads.call_when_on(real, call):
            raise UnsupportedError(
                f"{_NAME}() by ctypes for the thread that runs the loops: its next instruction may"
                " be any of the engine's. Cancel the task, or raise signal.SIGINT"
            )
        return 1


def _object_of(error: Any) -> Any:
    """Return what is to be raised; None for nothing, which takes back what was to be."""
    if not isinstance(error, ctypes.py_object):
        return error
    try:
        return error.value
    except ValueError:  # NULL
        return None


def _check(told: Any) -> None:
    if told is not None and not (isinstance(told, type) and issubclass(told, BaseException)):
        raise UnsupportedError(
            f"{_NAME}() by ctypes with {told!r}: Python takes a class of errors there, and raises"
            " SystemError for anything else; pass the class"
        )


entry(ctypes.pythonapi, _NAME, _SetAsyncExc())
