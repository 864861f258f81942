"""Signals inside a run: handlers and timers of the real process are not the program's to set.

Owns: what the functions of ``signal`` that Python does not announce do in a run: what the world's
signals do, if it has any, and else an escape.

Must not know: how a world delivers a signal.

Invariant: ``asyncio.Runner`` keeps its handler of Ctrl-C, which is the user's, not the program's.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # The part in C of signal; typeshed has none.
import errno
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.c_functions import clone
from simloop._sandbox.patching.registry import redirect, redirect_present
from simloop._sandbox.permissions import escape, is_allowed
from simloop._sandbox.run_context import by_thread, get_ident

from .identity import real_ident_of, real_pid
from .interruptions import Deferring

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop._sandbox.contracts import Signals
    from simloop._sandbox.run_context import RunContext

__all__ = ["interrupt_handler", "leave_interrupts", "take_interrupts"]


_ANSWERED = (
    *("alarm", "getitimer", "getsignal", "raise_signal"),
    *("set_wakeup_fd", "setitimer", "siginterrupt", "signal"),
)
"""What the world's signals do; the others are escapes, or harmless."""


def _signals_of(run: RunContext) -> Signals | None:
    """Return what stands in for the signals of a run: its own part, or its process's."""
    if run.signals is None and run.identity is not None:
        return run.identity.signals
    return run.signals


def _is_runner() -> bool:
    """Tell whether asyncio's runner called ``signal.signal``."""
    frame = sys._getframe(2)  # The redirected function's caller: the module signal, or a program.
    for _ in range(2):
        if frame.f_globals.get("__name__") == "asyncio.runners":
            return True
        if frame.f_back is None:
            return False
        frame = frame.f_back
    return False


def _redirect_signal(name: str, *, harmless: bool = False) -> None:
    target = getattr(_signal, name, None)
    if target is None:
        return

    def function(*args: Any, **kwargs: Any) -> Any:
        run = by_thread.get(get_ident())
        if run is None or is_allowed("signals") or _is_runner():
            return real(*args, **kwargs)
        signals = _signals_of(run)
        if signals is not None and name in _ANSWERED:
            result = getattr(signals, name)(*args, **kwargs)
            if result is not NotImplemented:
                return result
        if harmless:
            return real(*args, **kwargs)
        shown = ", ".join(str(arg) for arg in args)
        raise escape(f"signal.{name}({shown})", "the signals of the process are real", "signals")

    real = redirect(target, function)


_real_getsignal = clone(_signal.getsignal)
_real_signal = clone(_signal.signal)


def take_interrupts(handler: Callable[[int, Any], object]) -> bool:
    """Let Ctrl-C call ``handler`` from now on; false if it is not ours to take.

    It is if no other code took it, in the main thread. Unlike ``signal.signal`` this looks for no
    enum, which would cost as much as a small run.
    """
    if get_ident() != threading.main_thread()._ident:  # type: ignore[attr-defined]  # the real one
        return False
    if _real_getsignal(_signal.SIGINT) is not _signal.default_int_handler:
        return False
    try:
        _real_signal(_signal.SIGINT, handler)
    except ValueError:  # An interpreter that was embedded without signals.
        return False
    return True


def leave_interrupts(handler: Callable[[int, Any], object]) -> None:
    """Let Ctrl-C raise again, unless other code has taken it meanwhile."""
    if _real_getsignal(_signal.SIGINT) is handler:
        _real_signal(_signal.SIGINT, _signal.default_int_handler)


def interrupt_handler() -> Any:
    """Return what Ctrl-C calls in the real process: the handler of asyncio's runner, as a rule.

    Where it is not this thread's to handle, or is ignored, that is what Python has by itself.
    """
    handler = _real_getsignal(_signal.SIGINT)
    if type(handler) is Deferring:  # A shield of the engine's own.
        handler = handler.handler
    if callable(handler) and threading.current_thread() is threading.main_thread():
        return handler
    return _signal.default_int_handler


for _name in (
    *("signal", "raise_signal", "alarm", "setitimer", "pause"),
    *("sigwait", "sigwaitinfo", "sigtimedwait"),
):
    _redirect_signal(_name)
for _name in ("getitimer", "getsignal", "siginterrupt", "set_wakeup_fd"):
    _redirect_signal(_name, harmless=True)
_redirect_signal("pidfd_send_signal")


def _pthread_kill(thread_id: Any, signalnum: Any, /) -> Any:
    """Ask whether a thread is there, by signal 0; the others are refused, by their audit event."""
    run = by_thread.get(get_ident())
    real = None if run is None else real_ident_of(run, thread_id)
    if real is None:
        return _real_pthread_kill(thread_id, signalnum)
    if signalnum and not is_allowed("signals") and not is_allowed("subprocess"):
        shown = f"signal.pthread_kill({thread_id}, {signalnum})"
        raise escape(shown, "the signal goes to a real process", "signals")
    if not real:  # The system would look for it at its address; see pthread_kill(3).
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    return _real_pthread_kill(real, signalnum)


_real_pthread_kill: Any = redirect_present(_signal, "pthread_kill", _pthread_kill)


def _redirect_process(name: str) -> None:
    """Send a function of a process's number to the world, if the number is one of its own."""

    def function(*args: Any, **kwargs: Any) -> Any:
        run = by_thread.get(get_ident())
        signals = None if run is None else _signals_of(run)
        if signals is not None and not kwargs and not is_allowed("signals"):
            if args and args[0] == real_pid() and run.identity is not None:  # type: ignore[union-attr]  # it has signals
                args = (run.identity.pid, *args[1:])  # type: ignore[union-attr]  # the same
            result = getattr(signals, name)(*args)
            if result is not NotImplemented:
                return result
        return real(*args, **kwargs)

    real = redirect_present(os, name, function)


for _name in ("kill", "killpg", "getpgid", "waitpid"):
    _redirect_process(_name)
