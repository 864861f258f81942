"""Threads of a run: where they begin, where they wait, and who lets them go on.

Owns: the handful of places at which a Python thread waits for another one. Everything else in
``threading``, ``queue`` and ``concurrent.futures`` is built on these: the lock, the reentrant
lock, the simple queue, the end of a thread. They are replaced on the classes themselves, so that
locks follow that were made before the run, or by a module that holds the class by name. A thread
inside a run asks its seat's :class:`Threads` how to wait; so does one of :data:`foreign`.

Must not know: which thread runs next, and when.

Invariants:

- A waiter stands in the line of what it waits for; a release wakes the first in that
  line who is not awake yet, from whatever thread. Between standing in line and waiting the thing
  is tried once more, so no release is missed.
- At a lock that is free, and at a queue, a thread may be preempted (:mod:`..heard_calls`): before
  it takes, and after it has given back.
- A thread without a run waits for real, as outside. So does one of :data:`foreign`, but
  it stands in line meanwhile, so that a release for it tells the world that looks after it.
- A thread that ends with its run, by ``SystemExit`` in the middle of a call, may not have a lock
  that the functions above it take for theirs (``Condition.wait`` gives it back and takes it again):
  it gives back none that it has not. A real thread would have ended there, and given back nothing.
"""

from __future__ import annotations

import _thread
import functools
import sys
import threading
import time
from _queue import Empty, SimpleQueue
from _thread import LockType, RLock, allocate_lock
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from simloop._kernel import nanoseconds
from simloop._presence import call_hearers
from simloop._sandbox.patching.c_functions import clone_method
from simloop._sandbox.patching.registry import (
    entry,
    method,
    original,
    redirect,
    rewrite,
    when_loaded,
)
from simloop._sandbox.run_context import by_thread, get_ident

from .debuggers import is_debugger, loaded
from .identity import number_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from simloop._sandbox.contracts import Adopted, Threads, Waiter

__all__ = [
    "foreign",
    "forget_given_up",
    "join_for_real",
    "threads_of_caller",
    "wait_in_line",
    "wake",
    "wake_all",
]


foreign: dict[int, Threads] = {}
"""Threads outside of every run whose waits a world wants to see, by identifier."""

_lines: dict[int, list[Waiter]] = {}
"""By the address of what they wait for, which is alive: a hash would take a number of its run."""
_guard = allocate_lock()
_address: Any = vars(object)["__hash__"]  # Like id(), which every audit hook hears of.

_real_acquire: Any = clone_method(LockType, "acquire")
_real_release: Any = clone_method(LockType, "release")
_real_reacquire: Any = clone_method(RLock, "acquire")
_real_rerelease: Any = clone_method(RLock, "release")
_real_save: Any = clone_method(RLock, "_release_save")  # What Condition calls.
_real_restore: Any = clone_method(RLock, "_acquire_restore")  # The same.
_real_get: Any = clone_method(SimpleQueue, "get")
_real_put: Any = clone_method(SimpleQueue, "put")
_TIMEOUT_MAX = threading.TIMEOUT_MAX


def threads_of_caller() -> Threads | None:
    """Return who says how the calling thread waits, or None if it waits for real."""
    ident = get_ident()
    seat = by_thread.get(ident)
    return foreign.get(ident) if seat is None else seat.threads


@contextmanager
def _seen(threads: Threads, thing: object, timeout_s: float | None = None) -> Iterator[None]:
    """Let a foreign thread wait for real, standing in line."""
    waiter = threads.waiter(thing, None if timeout_s is None else nanoseconds(timeout_s))
    line = _queue_up(thing, waiter)
    try:
        yield
    finally:
        waiter.end()
        _leave(thing, line, waiter)


def wait_in_line(
    threads: Threads, thing: object, attempt: Callable[[], object], timeout_ns: int | None
) -> bool:
    """Wait in line for a thing until ``attempt`` succeeds, or time has run out."""
    waiter = threads.waiter(thing, timeout_ns)
    line = _queue_up(thing, waiter)
    is_in_time = True
    try:
        while not (has_it := bool(attempt())) and is_in_time:
            is_in_time = waiter.park()
    except BaseException:
        _leave(thing, line, waiter)
        if waiter.awake:
            wake(thing)  # It was our turn: the next one's now.
        raise
    _leave(thing, line, waiter)
    return has_it


def _queue_up(thing: object, waiter: Waiter) -> list[Waiter]:
    _real_acquire(_guard)
    line = _lines.setdefault(_address(thing), [])
    line.append(waiter)
    _real_release(_guard)
    return line


def _leave(thing: object, line: list[Waiter], waiter: Waiter) -> None:
    _real_acquire(_guard)
    line.remove(waiter)
    if not line:
        del _lines[_address(thing)]
    _real_release(_guard)


def leave_lines(belongs: Callable[[Waiter], bool]) -> None:
    """Take waiters out of every line: their threads never go on, and leave no line themselves."""
    _real_acquire(_guard)
    for address, line in tuple(_lines.items()):
        line[:] = [waiter for waiter in line if not belongs(waiter)]
        if not line:
            del _lines[address]
    _real_release(_guard)


def wake(thing: object) -> None:
    """Wake the first that waits for a thing and is not awake yet."""
    for waiter in tuple(_lines.get(_address(thing), ())):
        if not waiter.awake:
            waiter.wake()
            return


def wake_all(thing: object) -> None:
    """Wake all waiters of a thing."""
    for waiter in tuple(_lines.get(_address(thing), ())):
        waiter.wake()


_given_up: dict[int, list[Any]] = {}
"""Locks that a thread which ends does not have: ``SystemExit`` came where it was taking one, or had
just given it back. By its identifier; empty but for the moment in which threads end."""


def _give_up(lock: Any) -> None:
    """Take note that the calling thread does not have a lock, if it is at its end."""
    threads = threads_of_caller()
    if threads is not None and threads.is_ending():
        _given_up.setdefault(get_ident(), []).append(lock)


def _has_again(lock: Any) -> None:
    """Take note that it has: the code that runs at its end has taken it."""
    given_up = _given_up.get(get_ident())
    if given_up is not None:
        given_up[:] = [each for each in given_up if each is not lock]


def _has_given_up(lock: Any) -> bool:
    given_up = _given_up.get(get_ident(), ())
    if type(lock) is RLock:  # It knows whose it is, and how often its owner has taken it.
        return bool(given_up) and not lock._is_owned()  # type: ignore[attr-defined]  # for Condition
    return any(each is lock for each in given_up)


def forget_given_up() -> None:
    """Forget what the calling thread does not have: it has ended."""
    _given_up.pop(get_ident(), None)


def _acquire_with(real: Any, lock: Any, blocking: Any, timeout: Any) -> Any:
    """Acquire a lock of either kind by its real method, waiting as the thread's run does."""
    threads = threads_of_caller()
    if threads is None or not blocking or not (timeout == -1 or 0 <= timeout <= _TIMEOUT_MAX):
        has_it = real(lock, blocking, timeout)  # It raises what is to be raised.
    else:
        try:
            if call_hearers:
                call_hearers[0]()
            has_it = real(lock, False) or _wait_for(threads, real, lock, timeout)
        except SystemExit:
            _give_up(lock)
            raise
    if _given_up and has_it:
        _has_again(lock)
    return has_it


def _wait_for(threads: Threads, real: Any, lock: Any, timeout: Any) -> Any:
    if loaded and is_debugger():
        return real(lock, True, timeout)
    if threads.is_foreign:
        with _seen(threads, lock, None if timeout == -1 else timeout):
            return real(lock, True, timeout)
    timeout_ns = None if timeout == -1 else nanoseconds(timeout)
    return wait_in_line(threads, lock, lambda: real(lock, False), timeout_ns)


def _acquire(self: Any, blocking: Any = True, timeout: Any = -1) -> Any:  # noqa: FBT002 - its signature
    return _acquire_with(_real_acquire, self, blocking, timeout)


def _hear_release(lock: Any) -> None:
    try:
        call_hearers[0]()
    except SystemExit:
        _give_up(lock)
        raise


def _release(self: Any) -> None:
    if _given_up and _has_given_up(self):
        return
    _real_release(self)
    if _lines:
        wake(self)
    if call_hearers:
        _hear_release(self)


def _reacquire(self: Any, blocking: Any = True, timeout: Any = -1) -> Any:  # noqa: FBT002 - its signature
    return _acquire_with(_real_reacquire, self, blocking, timeout)


def _rerelease(self: Any) -> None:
    if _given_up and _has_given_up(self):
        return
    _real_rerelease(self)
    if _lines:
        wake(self)
    if call_hearers:
        _hear_release(self)


def _release_save(self: Any) -> Any:
    state = _real_save(self)
    if _lines:
        wake(self)
    return state


def _acquire_restore(self: Any, state: Any) -> None:
    threads = threads_of_caller()
    if threads is not None and threads.is_foreign:
        with _seen(threads, self):
            _real_restore(self, state)
        return
    if threads is not None:
        _reacquire(self)
        _real_rerelease(self)  # Nobody of the run comes between: this thread has the turn.
    _real_restore(self, state)


for _cls, _enter, _exit in ((LockType, _acquire, _release), (RLock, _reacquire, _rerelease)):
    for _name in ("acquire", "__enter__", "acquire_lock"):
        if _name in vars(_cls):
            method(_cls, _name, _enter)

    def _leave_with(self: Any, *_exc: object, release: Any = _exit) -> None:
        release(self)

    method(_cls, "release", _exit)
    method(_cls, "__exit__", _leave_with)
    if "release_lock" in vars(_cls):
        method(_cls, "release_lock", _exit)
method(RLock, "_release_save", _release_save)
method(RLock, "_acquire_restore", _acquire_restore)


def _get(self: Any, block: Any = True, timeout: Any = None) -> Any:  # noqa: FBT002 - its signature
    threads = threads_of_caller()
    if threads is None or not block or (timeout is not None and timeout < 0):
        return _real_get(self, block, timeout)
    if call_hearers:
        call_hearers[0]()
    got: list[Any] = []

    def attempt() -> bool:
        try:
            got.append(_real_get(self, False))
        except Empty:
            return False
        return True

    if attempt():
        if call_hearers:
            call_hearers[0]()
        return got.pop()
    if loaded and is_debugger():
        return _real_get(self, block, timeout)
    if threads.is_foreign:
        with _seen(threads, self, timeout):
            return _real_get(self, block, timeout)
    if wait_in_line(threads, self, attempt, None if timeout is None else nanoseconds(timeout)):
        return got.pop()
    raise Empty


def _put(self: Any, item: Any, block: Any = True, timeout: Any = None) -> None:  # noqa: FBT002 - its signature
    if call_hearers:
        call_hearers[0]()
    _real_put(self, item, block, timeout)
    if _lines:
        wake(self)


def _put_nowait(self: Any, item: Any) -> None:
    _put(self, item)


method(SimpleQueue, "get", _get)
method(SimpleQueue, "put", _put)
method(SimpleQueue, "put_nowait", _put_nowait)


def _start_new_thread(*args: Any) -> Any:
    if sys.version_info < (3, 12):
        sys.audit("_thread.start_new_thread", *args)  # Later ones announce it themselves.
    adopted = _adopt(*args[:1])
    if adopted is None:
        return _real_start(*args)
    function, positional, *keywords = args
    try:
        return _real_start(adopted.main, (function, *positional), *keywords)
    except BaseException:
        adopted.abandon()
        raise


def _start_joinable_thread(function: Any, handle: Any = None, daemon: Any = True) -> Any:  # noqa: FBT002 - its signature
    adopted = _adopt(function)
    if adopted is None:
        return _real_start_joinable(function, handle, daemon)
    try:
        handle = _real_start_joinable(lambda: adopted.main(function), handle, daemon)
    except BaseException:
        adopted.abandon()
        raise
    adopted.ident = handle.ident
    if not isinstance(adopted.joined_by, threading.Thread):
        adopted.joined_by = handle
    return handle


def _adopt(*function: Any) -> Adopted | None:
    threads = threads_of_caller()
    if threads is None or not function or not callable(function[0]):
        return None
    if loaded and is_debugger():
        return None
    adopted = threads.adopt(function[0])
    if adopted is not None and isinstance(adopted.joined_by, threading.Thread):
        number_thread(adopted.joined_by, adopted.number)
    return adopted


_real_start = redirect(_thread.start_new_thread, _start_new_thread)
if hasattr(_thread, "start_joinable_thread"):
    _real_start_joinable = redirect(_thread.start_joinable_thread, _start_joinable_thread)


def _join(self: threading.Thread, timeout: float | None = None) -> None:
    threads = threads_of_caller()
    if threads is None or self.ident is None or self is threading.current_thread():
        _real_join(self, timeout)  # It raises what is to be raised.
        return
    end = threads.ended(self)
    if end is None:
        if not self.is_alive():
            threads.check_join(self)
        with threads.for_real():
            _real_join(self, timeout)
        return
    timeout_ns = None if timeout is None else nanoseconds(max(timeout, 0))
    if end or wait_in_line(threads, end, lambda: end, timeout_ns):
        with threads.for_real():
            _real_join(self)


_real_join: Any = rewrite(threading.Thread.join, _join)


def _join_handle(self: Any, timeout: float | None = None) -> None:
    """Wait for a thread that was started without an object of ``threading.Thread``."""
    threads = threads_of_caller()
    end = None if threads is None else threads.ended(self)
    if threads is None or end is None:
        _real_join_handle(self, timeout)
        return
    timeout_ns = None if timeout is None else nanoseconds(max(timeout, 0))
    if end or wait_in_line(threads, end, lambda: end, timeout_ns):
        _real_join_handle(self)


if hasattr(_thread, "_ThreadHandle"):
    _real_join_handle: Any = method(_thread._ThreadHandle, "join", _join_handle)


def join_for_real(function: object) -> None:
    """Wait until a thread has really ended, given the function that it was started with."""
    thread = getattr(function, "__self__", None)
    if not isinstance(thread, threading.Thread):
        return
    if thread._started.is_set():  # type: ignore[attr-defined]  # Python's own
        _real_join(thread)


def join_unrun(function: object, ident: Callable[[], int]) -> None:
    """Wait until a killed thread has really ended, which need not have begun.

    Until then it holds what it was to run, and with it what only this reaches.

    Args:
        function: What it was started with.
        ident: Returns its real identifier, or 0 as long as it has not come to its end.
    """
    join_for_real(function)
    for _ in range(_LOOKS):
        if ident() and ident() not in _real_frames():
            break
        _wait_for_real(_LOOK_S)
    if isinstance(thread := getattr(function, "__self__", None), threading.Thread):
        threading._limbo.pop(thread, None)  # type: ignore[attr-defined]  # as above


_LOOKS, _LOOK_S = 50_000, 0.0001
_wait_for_real = original(time.sleep)
_real_frames = original(sys._current_frames)


def _count_with(real: Callable[[], int], name: str, first: int) -> Callable[[], int]:
    """Return what counts in place of a counter: as in a process of its own for each of a run."""

    def next_number() -> int:
        run = by_thread.get(get_ident())
        return real() if run is None else run.entropy.next_number(name, first)

    return next_number


# Names of threads, and of pools of threads, count per process.
if hasattr(threading, "_counter"):
    entry(threading, "_counter", _count_with(threading._counter, "threads", 1))


def _register_thread_pool(module: ModuleType) -> None:
    pool = module.ThreadPoolExecutor
    if hasattr(pool, "_counter"):
        entry(pool, "_counter", staticmethod(_count_with(pool._counter, "pools", 0)))


when_loaded("concurrent.futures.thread", _register_thread_pool)


def _make_real(cls: type, name: str) -> None:
    """Let a method that begins real work run outside of runs."""
    method = getattr(cls, name)

    @functools.wraps(method)
    def outside(self: Any, *args: Any, **kwargs: Any) -> Any:
        threads = threads_of_caller()
        if threads is None:
            return method(self, *args, **kwargs)
        with threads.for_real():
            result = method(self, *args, **kwargs)
        threads.works(result)
        return result

    entry(cls, name, outside)


def _register_process_pool(module: ModuleType) -> None:
    """Let pools of processes start real threads and processes, from runs as well."""
    _make_real(module.ProcessPoolExecutor, "submit")


when_loaded("concurrent.futures.process", _register_process_pool)
