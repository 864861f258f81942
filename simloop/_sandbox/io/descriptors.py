"""File descriptors inside a run: virtual ones go to the world, waiting on real ones is an escape.

Owns: what the functions of ``os`` and ``select`` that take descriptors do in a run, ``os.pipe``,
and ``open(fd)``. A number that the world owns goes to the world. Any other is real: it is used as
ever, except that a wait for a real pipe, terminal or socket is refused, because the world would
stand still for as long as the machine likes.

Must not know: what a virtual descriptor stands for, and how its readiness comes about. On the
thread that runs the loop nothing can become ready while it waits but by the clock, so a wait with
a timeout lets that time pass and looks again.

Invariant: a virtual number never reaches the operating system.
"""

from __future__ import annotations

import builtins
import os
import select
import stat
import sys
from typing import TYPE_CHECKING, Any

from simloop._kernel import nanoseconds
from simloop._presence import call_hearers
from simloop._sandbox.patching.registry import redirect, redirect_present
from simloop._sandbox.permissions import escape, is_allowed
from simloop._sandbox.process import effects
from simloop._sandbox.run_context import by_thread, get_ident
from simloop.net.linux import select_names

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from simloop._sandbox.contracts import Threads, Waiter
    from simloop._sandbox.run_context import RunContext

__all__ = ["events_of", "number_of", "refuse_waiting", "wait", "wait_no_more"]


_TRANSFERS = ("read", "write")


def _redirect_descriptor(name: str, before_real: Callable[[str, Any], None] | None = None) -> Any:
    """Send ``os.name(fd, ...)`` to the world's method of that name for a virtual descriptor."""

    def function(fd: Any, *args: Any, **kwargs: Any) -> Any:
        run = by_thread.get(get_ident())
        if run is None:
            return real(fd, *args, **kwargs)
        if call_hearers and name in _TRANSFERS:
            call_hearers[0]()
        if run.sockets is not None and type(fd) is int and run.sockets.owns(fd):
            return getattr(run.sockets, name)(fd, *args, **kwargs)
        if before_real is not None:
            before_real(name, fd)
        if name != "write":
            return real(fd, *args, **kwargs)
        written = effects.write(real, fd, *args, **kwargs)
        for threads, waiter in tuple(_waiting_for_real_ones):
            if threads is run.threads:
                waiter.wake()
        return written

    real = redirect_present(os, name, function)
    return real


_waiting_for_real_ones: list[tuple[Threads, Waiter]] = []
"""Waits for descriptors that are real, in threads of runs: woken when the run writes to any."""


def wait_no_more(belongs: Callable[[Waiter], bool]) -> None:
    """Forget such waits of threads that never go on."""
    _waiting_for_real_ones[:] = [each for each in _waiting_for_real_ones if not belongs(each[1])]


def refuse_waiting(call: str, fd: int) -> None:
    """Refuse to wait for a real pipe, socket or terminal that has nothing to read."""
    try:
        mode = _real_fstat(fd).st_mode
    except OSError:  # Closed: the real function says so, or what else is wrong.
        return
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISBLK(mode) or is_allowed("pipes"):
        return
    if not _real_events(fd, select_names.POLLIN) and _blocks(fd) and not is_allowed("subprocess"):
        raise escape(call, "the descriptor is real and has nothing to read", "pipes")


def _refuse_waiting(name: str, fd: int) -> None:
    refuse_waiting(f"os.{name}({fd})", fd)


def _pipe() -> Any:
    run = by_thread.get(get_ident())
    caller = str(sys._getframe(1).f_globals.get("__name__"))
    if caller.startswith("multiprocessing."):
        return _real_pipe()  # Its pipes go to real processes; starting those is what is guarded.
    if run is None or run.sockets is None or is_allowed("pipes") or is_allowed("subprocess"):
        return _real_pipe()
    return run.sockets.pipe()


def _open(file: Any, *args: Any, **kwargs: Any) -> Any:
    if type(file) is int:
        run = by_thread.get(get_ident())
        if run is not None and run.sockets is not None and run.sockets.owns(file):
            return run.sockets.fdopen(file, *args, **kwargs)
    return _real_open(file, *args, **kwargs)


def number_of(fileobj: Any) -> int:
    """Return a descriptor, given it or an object that has one."""
    if not isinstance(fileobj, int) and not hasattr(fileobj, "fileno"):
        raise TypeError("argument must be an int, or have a fileno() method.")
    number = fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
    if number < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({number})")
    return number


def wait(
    run: RunContext,
    call: str,
    fds: Collection[int],
    ready: Callable[[], Any],
    timeout_ns: int | None,
) -> Any:
    """Return what is ready; if nothing is, wait for it in virtual time, as the thread waits."""
    found = ready()
    if found:
        return found
    if timeout_ns == 0:
        return ready() if _has_let_time_pass(run) else found
    sockets = run.sockets
    if run.threads is not None and sockets is not None:
        waiter = run.threads.waiter(call, timeout_ns)
        undo = [sockets.watch(fd, waiter.wake) for fd in fds if sockets.owns(fd)]
        if len(undo) < len(fds):  # What the run writes there, a pipe of multiprocessing say.
            entry = (run.threads, waiter)
            _waiting_for_real_ones.append(entry)
            undo.append(lambda: _waiting_for_real_ones.remove(entry))
        try:
            while waiter.park():
                if found := ready():
                    return found
            return ready()
        finally:
            for each in undo:
                each()
    if timeout_ns is None:
        raise escape(call, "nothing is ready, and nothing can get ready while it waits", "pipes")
    run.clock.block(timeout_ns)
    return ready()


def _has_let_time_pass(run: RunContext) -> bool:
    """Let a little time pass if the thread asks on and on at one instant what is ready.

    Outside each question takes its time, and so a loop of them ends: at a deadline that it compares
    with the clock, or because of what other threads do meanwhile.
    """
    now_ns = run.clock.now_ns
    asked_ns, times = run.idle_polls
    times = times + 1 if asked_ns == now_ns else 0
    if times >= _PATIENT_POLLS:
        run.clock.block(min(1 << (times - _PATIENT_POLLS), _POLL_NS_MAX))
    run.idle_polls = (run.clock.now_ns, times)
    return times >= _PATIENT_POLLS


_PATIENT_POLLS = 100
"""How often a thread may ask at one instant for nothing; then each time takes twice the last."""

_POLL_NS_MAX = 1_000_000


def _select(
    readers: Iterable[Any],
    writers: Iterable[Any],
    others: Iterable[Any],
    timeout: float | None = None,
    /,
) -> Any:
    run = by_thread.get(get_ident())
    if run is None or is_allowed("pipes") or is_allowed("subprocess"):
        return _real_select(readers, writers, others, timeout)
    if timeout is not None and timeout < 0:
        raise ValueError("timeout must be non-negative")
    sides = [list(readers), list(writers), list(others)]
    masks = (_READABLE, _WRITABLE, select_names.POLLPRI)

    def ready() -> Any:
        found = [
            [fileobj for fileobj in side if events_of(run, number_of(fileobj), mask)]
            for side, mask in zip(sides, masks, strict=True)
        ]
        return found if any(found) else None

    limit_ns = None if timeout is None else nanoseconds(timeout)
    fds = [number_of(fileobj) for side in sides for fileobj in side]
    found = wait(run, "select.select()", fds, ready, limit_ns)
    return tuple(found or ([], [], []))


_READABLE = select_names.POLLIN | select_names.POLLHUP | select_names.POLLERR
_WRITABLE = select_names.POLLOUT | select_names.POLLERR


def events_of(run: RunContext, fd: int, mask: int) -> int:
    """Return which of the events in ``mask`` a descriptor has now, be it virtual or real."""
    if run.sockets is not None and run.sockets.owns(fd):
        return run.sockets.poll(fd) & mask
    events = _real_events(fd, mask)
    if events & select_names.POLLNVAL:
        raise OSError(9, os.strerror(9))
    return events & mask


def _real_events(fd: int, mask: int) -> int:
    """Return the events that a real descriptor has now, of those in ``mask`` and of errors."""
    if _real_poll is not None:
        poll = _real_poll()
        poll.register(fd, mask)
        return next((int(events) for _, events in poll.poll(0)), 0)
    # Windows, whose select() takes sockets alone; whatever else is open there makes no one wait.
    readers, writers = [fd] * bool(mask & _READABLE), [fd] * bool(mask & _WRITABLE)
    try:
        to_read, to_write, _ = _real_select(readers, writers, [], 0)
    except OSError:
        return mask & (_READABLE | _WRITABLE)
    return (select_names.POLLIN if to_read else 0) | (select_names.POLLOUT if to_write else 0)


def _blocks(fd: int) -> bool:
    """Return whether a read of a real descriptor waits."""
    return not hasattr(os, "get_blocking") or os.get_blocking(fd)


class _Poll:
    """What ``select.poll()`` returns in a run: the same methods over both kinds of descriptors."""

    def __init__(self) -> None:
        self._masks: dict[int, int] = {}

    def register(
        self,
        fd: Any,
        eventmask: int = select_names.POLLIN | select_names.POLLPRI | select_names.POLLOUT,
        /,
    ) -> None:
        """Watch a descriptor for these events."""
        self._masks[number_of(fd)] = eventmask

    def modify(self, fd: Any, eventmask: int, /) -> None:
        """Watch a registered descriptor for other events."""
        if number_of(fd) not in self._masks:
            raise FileNotFoundError(2, os.strerror(2))
        self._masks[number_of(fd)] = eventmask

    def unregister(self, fd: Any, /) -> None:
        """Watch a descriptor no longer; KeyError if it is not watched."""
        del self._masks[number_of(fd)]

    def poll(self, timeout: float | None = None, /) -> list[tuple[int, int]]:
        """Return what is ready, at the latest after ``timeout`` milliseconds."""
        run = by_thread.get(get_ident())
        if run is None:  # Made in a run and kept beyond it.
            return self._poll_really(timeout)
        limit_ns = None if timeout is None or timeout < 0 else nanoseconds(timeout / 1000)
        found: list[tuple[int, int]] = wait(
            run, "poll()", self._masks, lambda: self._ready(run), limit_ns
        )
        return found

    def _ready(self, run: RunContext) -> list[tuple[int, int]]:
        always = select_names.POLLERR | select_names.POLLHUP | select_names.POLLNVAL
        events = [(fd, events_of(run, fd, mask | always)) for fd, mask in self._masks.items()]
        return [pair for pair in events if pair[1]]

    def _poll_really(self, timeout: float | None) -> list[tuple[int, int]]:
        poll = _real_poll()
        for fd, mask in self._masks.items():
            poll.register(fd, mask)
        ready: list[tuple[int, int]] = poll.poll(timeout)
        return ready


def _new_poll() -> Any:
    run = by_thread.get(get_ident())
    if run is None or is_allowed("pipes") or is_allowed("subprocess"):
        return _real_poll()
    return _Poll()


_real_pipe = redirect(os.pipe, _pipe)
_real_open = redirect(builtins.open, _open)
_real_select = redirect(select.select, _select)
_real_poll = redirect_present(select, "poll", _new_poll)
_real_fstat = _redirect_descriptor("fstat")
_redirect_descriptor("read", _refuse_waiting)
for _name in ("write", "close", "dup", "set_blocking", "get_blocking", "isatty"):
    _redirect_descriptor(_name)
