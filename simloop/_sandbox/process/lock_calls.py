"""Locks of the system that a thread may wait for: on files, and those of ``multiprocessing``.

Owns: waiting in virtual time where the real function would wait for real, on the one thread that
could end the wait. What this process holds is waited for as a lock of ``threading`` is: threads of
the run go on meanwhile, and if none can let go of it, that is a deadlock. A lock on a file that
another process of the machine holds is waited for in real time, for some seconds. Opening a FIFO,
which waits for its other end, is refused.

Must not know: how a thread waits.

Invariants: what need not wait is done by the real function, at once; a lock that is asked for with
a time-out has it in virtual time. Where a run may start real processes, they may hold and release
locks, and all of this is theirs.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Any

from simloop._kernel import NS_PER_SECOND, nanoseconds
from simloop._sandbox.patching.c_functions import clone, clone_method
from simloop._sandbox.patching.registry import (
    entry,
    method,
    redirect_present,
    when_loaded,
)
from simloop._sandbox.permissions import escape, is_allowed
from simloop._sandbox.run_context import by_thread, get_ident
from simloop._sandbox.time import real_clock
from simloop.errors import DeadlockError, LimitError
from simloop.net.linux import fcntl_names, os_names, platform_module

from .identity import real_pid
from .threads import threads_of_caller, wait_in_line, wake, wake_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from simloop._sandbox.contracts import Threads

__all__ = ["refuse_fifo", "wake_lock_waiters"]

_real_stat = clone(os.stat)
_real_fstat = clone(os.fstat)

# multiprocessing --------------------------------------------------------------------------------


def _register_semaphores(module: ModuleType) -> None:
    kind: Any = module._multiprocessing.SemLock
    real_acquire, real_release = clone_method(kind, "acquire"), clone_method(kind, "release")

    def acquire(self: Any, block: Any = True, timeout: Any = None) -> Any:  # noqa: FBT002 - its signature
        threads = _waiting_threads()
        if threads is None or not block:
            return real_acquire(self, block, timeout)
        if real_acquire(self, False):
            return True
        timeout_ns = None if timeout is None else nanoseconds(max(timeout, 0))
        return wait_in_line(threads, self, lambda: real_acquire(self, False), timeout_ns)

    def release(self: Any) -> None:
        real_release(self)
        wake(self)

    def leave(self: Any, *_exc: object) -> None:
        release(self)

    method(kind, "acquire", acquire)
    method(kind, "__enter__", acquire)
    method(kind, "release", release)
    method(kind, "__exit__", leave)
    # A lock holds both methods bound, which those made before the run would go on with.
    for name in ("acquire", "release"):
        entry(module.SemLock, name, _held_by("_semlock", name))
        entry(module.Condition, name, _held_by("_lock", name))
    entry(module.util.Finalize, "_pid", _maker_of(module.SemLock._cleanup))


def _held_by(holder: str, name: str) -> property:
    def get(self: Any) -> Any:
        return getattr(getattr(self, holder), name)

    def put(self: Any, value: Any) -> None:
        self.__dict__[name] = value

    return property(get, put)


def _maker_of(clean_up: Any) -> property:
    """Return the attribute by which ``Finalize`` knows who made it: another process cleans nothing.

    The name of a lock is the real process's to remove, in the run or after it.
    """

    def get(self: Any) -> Any:
        made_by, shown = self.__dict__["_pid"], os.getpid()
        return shown if self._callback is clean_up and made_by == real_pid() else made_by

    def put(self: Any, value: Any) -> None:
        self.__dict__["_pid"] = real_pid() if self._callback is clean_up else value

    return property(get, put)


when_loaded("multiprocessing.synchronize", _register_semaphores)


def _waiting_threads() -> Threads | None:
    """Return how the calling thread waits; None if for real."""
    threads = threads_of_caller()
    if threads is None or threads.is_foreign or is_allowed("subprocess"):
        return None
    return threads


# Files ------------------------------------------------------------------------------------------

_line = object()
"""What waits for locks on files stand in line for: all are woken when the run unlocks any."""

_PAUSE_NS = 10_000_000
"""How long a thread waits before it tries again: closing a file unlocks it unseen."""

_GROWTH = 10_000
"""A file that is closed is unlocked unseen, and had late by this part of the wait."""

_WAIT_MAX_NS = 366 * 86_400 * NS_PER_SECOND
"""After so long it is a deadlock."""

_REAL_PAUSE_S = 0.01
"""How often it is looked whether another process holds a lock still."""

_BUSY = (errno.EAGAIN, errno.EACCES)


def wake_lock_waiters() -> None:
    """Let those try again that wait for locks on files: one may be free."""
    wake_all(_line)


def _take(call: str, fd: Any, attempt: Callable[[], Any], growth: int = _GROWTH) -> Any:
    """Return what an attempt that does not wait gives, as soon as it succeeds.

    Args:
        call: What it is called in an error.
        fd: The file.
        attempt: Raises an OSError where the lock is taken.
        growth: It tries again after this part of the time that it has waited, and a second at
            least.

    Raises:
        DeadlockError: It never will.
        LimitError: Another process has held it for too long.
    """
    got: list[Any] = []

    def has_it() -> bool:
        try:
            got.append(attempt())
        except OSError as error:
            if error.errno not in _BUSY:
                raise
            return False
        return True

    threads = _waiting_threads()
    assert threads is not None
    blocks_loop = by_thread[get_ident()].blocks_loop
    if has_it():
        return got[0]
    left_s = threads.limit_s()
    while _is_held_elsewhere(fd):
        if left_s <= 0:
            raise LimitError(
                f"{call}: another process of the machine holds the lock, and {threads.limit_s()} s"
                " of real time (loop.real_wait_limit, which can be raised) have not ended that"
            )
        real_clock.sleep(_REAL_PAUSE_S)
        left_s -= _REAL_PAUSE_S
        if has_it():
            return got[0]
    pause_ns, waited_ns = _PAUSE_NS, 0
    while waited_ns < _WAIT_MAX_NS:
        if wait_in_line(threads, _line, has_it, None if blocks_loop else pause_ns):
            return got[0]
        waited_ns += pause_ns
        pause_ns = min(2 * pause_ns, max(NS_PER_SECOND, waited_ns // growth))
    raise DeadlockError(
        f"{call}: the lock was not had in a year of virtual time; something"
        " of the run holds it. Ask for it without waiting (LOCK_NB), or"
        " wait for real by simloop.allow('subprocess')"
    )


def _is_held_elsewhere(fd: Any) -> bool:
    """Return whether another process has a lock on a file; see proc_locks(5).

    A lock of an open file description (``OFDLCK``) tells no process: it is taken for ours.
    """
    try:
        status = _real_fstat(fd if isinstance(fd, int) else fd.fileno())
        threads = threads_of_caller()
        assert threads is not None
        with threads.for_real(), open("/proc/locks", encoding="ascii") as locks:  # noqa: PTH123 - no Path of the run
            lines, own = locks.read().splitlines(), str(os.getpid())
    except OSError:
        return False
    file = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    fields = [line.split() for line in lines if "->" not in line and "OFDLCK" not in line]
    return any(file in each and own not in each for each in fields)


def _flock(fd: Any, operation: int, /) -> Any:
    if _waiting_threads() is None or operation & fcntl_names.LOCK_NB:
        return _real_flock(fd, operation)
    if operation & fcntl_names.LOCK_UN:
        result = _real_flock(fd, operation)
        wake_lock_waiters()
        return result
    return _take(
        f"fcntl.flock({fd!r})", fd, lambda: _real_flock(fd, operation | fcntl_names.LOCK_NB)
    )


def _lockf(fd: Any, cmd: int, *args: Any) -> Any:
    if _waiting_threads() is None or cmd & (fcntl_names.LOCK_NB | fcntl_names.LOCK_UN):
        return _real_lockf(fd, cmd, *args)
    return _take(
        f"fcntl.lockf({fd!r})", fd, lambda: _real_lockf(fd, cmd | fcntl_names.LOCK_NB, *args)
    )


def _os_lockf(fd: int, command: int, length: int, /) -> Any:
    if _waiting_threads() is None or command != os_names.F_LOCK:
        return _real_os_lockf(fd, command, length)
    return _take(f"os.lockf({fd})", fd, lambda: _real_os_lockf(fd, os_names.F_TLOCK, length))


_fcntl_module = platform_module("fcntl")
_WITHOUT_WAITING = {fcntl_names.F_SETLKW: fcntl_names.F_SETLK}
if hasattr(_fcntl_module, "F_OFD_SETLKW"):
    _WITHOUT_WAITING[_fcntl_module.F_OFD_SETLKW] = _fcntl_module.F_OFD_SETLK


def _fcntl(fd: Any, cmd: int, *args: Any) -> Any:
    if cmd not in _WITHOUT_WAITING or _waiting_threads() is None:
        return _real_fcntl(fd, cmd, *args)
    at_once = _WITHOUT_WAITING[cmd]
    return _take(f"fcntl.fcntl({fd!r}, {cmd})", fd, lambda: _real_fcntl(fd, at_once, *args))


_real_flock = redirect_present(_fcntl_module, "flock", _flock)
_real_lockf = redirect_present(_fcntl_module, "lockf", _lockf)
_real_os_lockf = redirect_present(os, "lockf", _os_lockf)
_real_fcntl = redirect_present(_fcntl_module, "fcntl", _fcntl)


def refuse_fifo(path: Any, flags: int) -> None:
    """Refuse to open a FIFO where that waits for the other end, for real; see fifo(7).

    Raises:
        EscapeError: It would.
    """
    if (
        isinstance(path, int)
        or flags & os_names.O_NONBLOCK
        or flags & os_names.O_ACCMODE == os.O_RDWR
    ):
        return
    try:
        is_fifo = stat.S_ISFIFO(_real_stat(path).st_mode)
    except (OSError, ValueError):
        return
    if is_fifo and not is_allowed("pipes") and not is_allowed("subprocess"):
        reason = "it waits for the other end of a FIFO, which stops the world"
        raise escape(f"open({os.fspath(path)!r})", reason, "pipes")
