"""Who a program is, inside a run: numbers of its process and threads, and the name of its machine.

Owns: what the functions that tell them answer in a run. A process number or a thread's identifier
of the machine is another one at each run, and programs make ids, seeds, file names and log lines of
them; the world's are the same each time.

How identifiers of threads are told apart from the real ones: Python itself keeps its threads by the
real ones (``threading._active``, the locks of the import system), so these modules go on seeing
them; every other module sees the world's, from ``get_ident`` as from ``Thread.ident``.

Must not know: how a world numbers its processes.

Invariants:

- What is allowed to reach real processes (``subprocess``, ``signals``) sees the real numbers: a
  real child's ``os.getppid()`` is one of these.
- Two threads of a run never share an identifier, also when one has ended; the thread that runs the
  loops has the lowest.
"""

from __future__ import annotations

import _thread
import os
import platform
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from simloop._sandbox.patching.registry import (
    original,
    redirect,
    redirect_present,
    rewrite,
    when_loaded,
)
from simloop._sandbox.permissions import is_allowed
from simloop._sandbox.run_context import by_thread, get_ident
from simloop.errors import UnsupportedError

if TYPE_CHECKING:
    from types import ModuleType

    from simloop._sandbox.contracts import Identity
    from simloop._sandbox.run_context import RunContext

__all__ = ["number_thread", "real_ident_of", "real_pid", "shown_ident"]

_SEES_REAL = (
    "threading",
    "importlib._bootstrap",
    "_frozen_importlib",
    "simloop._sandbox.hashing.hash_of_none",
    "simloop._threads.broken_off",
    "simloop._threads.real_threads",
    "simloop._threads.step_watch",
    "simloop._threads.thread_position",
)
"""Modules that keep threads by their real identifiers (CPython 3.11 to 3.14, Lib/threading.py)."""

_FIRST_IDENT = 0x7F00_0000_0000
_IDENT_STEP = 0x80_1000
"""As glibc lays out stacks of 8 MiB with a guard page, so that identifiers look like real ones."""

_FIRST_NATIVE_ID = 100_000
"""Kernel numbers of the threads beyond the first, whose number is the process's; see gettid(2)."""


def _identity() -> Identity | None:
    """Return the process of the calling code, or None where the real one is meant."""
    run = by_thread.get(get_ident())
    if run is None or run.identity is None or is_allowed("subprocess") or is_allowed("signals"):
        return None
    return run.identity.of_caller()


def _getpid() -> Any:
    identity = _identity()
    return real_pid() if identity is None else identity.pid


def _getppid() -> Any:
    identity = _identity()
    return _real_getppid() if identity is None else identity.parent_pid


def _getpgrp() -> Any:
    identity = _identity()
    return _real_getpgrp() if identity is None else identity.group


def _getsid(pid: int, /) -> Any:
    identity = _identity()
    if identity is None or pid not in (0, identity.pid):
        return _real_getsid(pid)
    return identity.session


def _uname() -> Any:
    run = by_thread.get(get_ident())
    if run is None or run.identity is None:
        return _real_uname()
    return os.uname_result(run.identity.uname())


real_pid = redirect(os.getpid, _getpid)
_real_getppid = redirect(os.getppid, _getppid)
_real_getpgrp = redirect_present(os, "getpgrp", _getpgrp)
_real_getsid = redirect_present(os, "getsid", _getsid)
_real_uname = redirect_present(os, "uname", _uname)


def _platform_uname() -> Any:
    """Ask anew: what the module keeps is the real machine's, or an earlier world's."""
    if get_ident() not in by_thread:
        return _real_platform_uname()
    kept, platform._uname_cache = platform._uname_cache, None  # type: ignore[attr-defined]
    try:
        told = _real_platform_uname()
    finally:
        platform._uname_cache = kept  # type: ignore[attr-defined]
    vars(told)["processor"] = told.machine  # Else it is asked of a process (`uname -p`) at need.
    return told


_real_platform_uname: Any = rewrite(platform.uname, _platform_uname)


# Threads --------------------------------------------------------------------------------------


def _is_internal() -> bool:
    """Return whether a redirected function was called by code that keeps real identifiers."""
    return sys._getframe(2).f_globals.get("__name__") in _SEES_REAL


def _ident_of(number: int | None, real: int) -> int:
    """Return the identifier that a thread of a run shows, or the real one of another thread."""
    return real if number is None else _FIRST_IDENT + number * _IDENT_STEP


def shown_ident(run: RunContext, real: int) -> int:
    """Return the identifier that a run shows of a thread, given its real one."""
    return _ident_of(run.numbers.get(real), real)


def real_ident_of(run: RunContext, shown: object) -> int | None:
    """Return the real identifier behind one that a run shows.

    Returns:
        0 if its thread has ended, or never was; None if this is not how runs show one: a real one,
        which lies within a page of memory, is never a multiple of pages.
    """
    if not isinstance(shown, int):
        return None
    number, rest = divmod(shown - _FIRST_IDENT, _IDENT_STEP)
    if rest or not 0 <= number < _FIRST_IDENT // _IDENT_STEP:
        return None
    alive = _real_frames()
    return next((each for each, its in run.numbers.items() if its == number and each in alive), 0)


_real_frames = original(sys._current_frames)


def _native_id_of(run: RunContext, number: int | None, real: int) -> int:
    if number is None or run.identity is None:
        return real
    return _FIRST_NATIVE_ID + number if number else run.identity.pid


def number_thread(thread: threading.Thread, number: int) -> None:
    """Let a thread's object know its number: the system gives an ended one's identifier again."""
    thread.__dict__[_NUMBER] = number


_NUMBER = "_simloop_number"


def _number_of(thread: Any, run: RunContext | None) -> int | None:
    """Return which thread of the run an object stands for, or None if it is no thread of it."""
    if run is None or thread._ident is None:
        return None
    number: int | None = thread.__dict__.get(_NUMBER)
    return run.numbers.get(thread._ident) if number is None else number


def _get_ident() -> Any:
    real = get_ident()
    run = by_thread.get(real)
    return real if run is None or _is_internal() else _ident_of(run.numbers.get(real), real)


def _get_native_id() -> Any:
    real = get_ident()
    run = by_thread.get(real)
    native = _real_get_native_id()
    if run is None or _is_internal():
        return native
    return _native_id_of(run, run.numbers.get(real), native)


redirect(_thread.get_ident, _get_ident)
_real_get_native_id = redirect(_thread.get_native_id, _get_native_id)


def _ident(thread: Any) -> Any:
    real: int | None = _real_ident(thread)
    return real if real is None else _ident_of(_number_of(thread, by_thread.get(get_ident())), real)


def _native_id(thread: Any) -> Any:
    real: int | None = _real_native_id(thread)
    run = by_thread.get(get_ident())
    if run is None or real is None:
        return real
    return _native_id_of(run, _number_of(thread, run), real)


_THREAD_CLOCK = getattr(time, "CLOCK_THREAD_CPUTIME_ID", 0)


def _cpu_clock_of(thread_id: int, /) -> Any:
    """Name a thread's clock of CPU time; of another one than the caller's there is none.

    The real one looks into the thread whose identifier it is given, and crashes if that is none.
    """
    if get_ident() not in by_thread or _is_internal():
        return _real_cpu_clock_of(thread_id)
    if thread_id != threading.get_ident():
        raise UnsupportedError(
            f"time.pthread_getcpuclockid({thread_id}) asks for the clock of another thread than the"
            " caller's, which it alone can read in a run: let it tell its time.thread_time()"
        )
    return _THREAD_CLOCK


_real_cpu_clock_of = redirect_present(time, "pthread_getcpuclockid", _cpu_clock_of)


# Of the properties: their functions are rewritten in place, which costs a run next to nothing,
# where exchanging the properties would empty the caches of the class twice in each run.
_real_ident: Any = rewrite(vars(threading.Thread)["ident"].fget, _ident)
_real_native_id: Any = rewrite(vars(threading.Thread)["native_id"].fget, _native_id)


def _repr(thread: Any) -> str:
    text: str = _real_repr(thread)
    number = _number_of(thread, by_thread.get(get_ident()))
    return text.replace(f" {thread._ident})", f" {_ident_of(number, thread._ident)})")


_real_repr = rewrite(threading.Thread.__repr__, _repr)


def _by_ident(name: str) -> None:
    """Let a function of ``sys`` that returns something by thread tell of the run's alone."""

    def function() -> Any:
        # Not by a name here: this frame is in it, and would hold it until it is next collected.
        return _by_number(real(), _is_internal())

    real = redirect(getattr(sys, name), function)


def _by_number(found: dict[int, Any], is_internal: bool) -> dict[int, Any]:  # noqa: FBT001 - of two
    """Return what is the calling thread's run's, by the identifiers that it knows."""
    run = by_thread.get(get_ident())
    if run is None or is_internal:
        return found
    own = [(number, each) for each, number in run.numbers.items() if each in found]
    return {_ident_of(number, each): found[each] for number, each in sorted(own)}


_by_ident("_current_frames")
_by_ident("_current_exceptions")


# psutil ---------------------------------------------------------------------------------------


def _register_psutil(module: ModuleType) -> None:
    """Let psutil, which asks the machine, ask for the real process where the world's is meant."""

    def init(self: Any, pid: int) -> None:
        identity = _identity()
        real_init(self, real_pid() if identity is not None and pid == identity.pid else pid)

    real_init = rewrite(module.Process.__init__, init)


when_loaded("psutil._pslinux", _register_psutil)
