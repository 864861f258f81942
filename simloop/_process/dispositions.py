"""What a process does on each signal, and how one arrives.

Owns: the dispositions of one process, which ``signal.signal`` sets in a run, and what the
functions of ``os`` that send signals do. Nothing here touches the real process, but for Ctrl-C,
whose real handler is the user's, or that of ``asyncio.Runner``.

Must not know: asyncio. A loop hears of each signal, and runs its own handlers.

Invariants: a handler runs as a step of its own, as from asyncio's wake-up pipe; what a signal does
that nothing handles is the process's to do, or to refuse.
"""

from __future__ import annotations

import operator
import weakref
from contextlib import suppress
from errno import EINVAL
from os import strerror
from signal import default_int_handler
from typing import TYPE_CHECKING, Any

from simloop.net.linux import signal_names as signal

from .interval_timer import IntervalTimer

if TYPE_CHECKING:
    from collections.abc import Callable

    from .process import Process, ProcessWorld

__all__ = [
    "IGNORED",
    "UNCATCHABLE",
    "Dispositions",
    "check_sent",
    "check_signal",
    "leave_to_asyncio",
]

IGNORED = (signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT)
"""What Linux ignores where there is no handler; signal(7)."""

_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
"""What Python has ignored from its start; see ``signal_install_handlers`` of CPython."""

UNCATCHABLE = (signal.SIGKILL, signal.SIGSTOP)
"""What no handler can be set for; signal(7)."""


class Dispositions:
    """What a simulated process does on each signal.

    Args:
        process: The process; it holds these, and is known weakly.
        world: Its world.
    """

    def __init__(self, process: Process, world: ProcessWorld) -> None:
        self._handlers: dict[int, Any] = {}
        self._process: Process = weakref.proxy(process)
        self._world = world
        self._wakeup_fd = -1
        self._timer: IntervalTimer | None = None

    # What a program calls, by the functions of ``os`` ----------------------------------------

    def kill(self, pid: int, signum: int, /) -> Any:
        """Send a signal to a process; ``NotImplemented`` if it is not the world's."""
        return self._world.processes.kill(self._process.of_caller(), pid, signum)

    def killpg(self, pgid: int, signum: int, /) -> Any:
        """Send a signal to a group of processes; ``NotImplemented`` as above."""
        return self._world.processes.killpg(self._process.of_caller(), pgid, signum)

    def getpgid(self, pid: int, /) -> Any:
        """Return the group of a process; ``NotImplemented`` as above."""
        return self._world.processes.getpgid(self._process.of_caller(), pid)

    def waitpid(self, pid: int, options: int, /) -> Any:
        """Wait for a process; ``NotImplemented`` as above."""
        return self._world.processes.waitpid(pid, options)

    # What a program calls, by the functions of ``signal`` ------------------------------------

    def signal(self, signum: int, handler: Any, /) -> Any:
        """Set a handler, as the system's ``signal.signal`` does; returns the one before."""
        if not 1 <= signum < signal.NSIG:
            raise ValueError("signal number out of range")
        if not callable(handler) and handler not in {signal.SIG_DFL, signal.SIG_IGN}:
            raise TypeError(
                "signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object"
            )
        self._check_main_thread("signal")
        if signum in UNCATCHABLE:
            raise OSError(EINVAL, strerror(EINVAL))
        before = self.getsignal(signum)
        self._handlers[signum] = handler
        return before

    def getsignal(self, signum: int, /) -> Any:
        """Return the handler that is set; for SIGINT asyncio's runner has set one, as outside."""
        if signum in self._handlers:
            return self._handlers[signum]
        if signum == signal.SIGINT:
            is_hosts = self._process.ends_by_signals
            return default_int_handler if is_hosts else self._world.interrupt_handler()
        return signal.SIG_IGN if signum in _IGNORED_BY_PYTHON else signal.SIG_DFL

    def siginterrupt(self, signum: int, flag: bool, /) -> None:  # noqa: FBT001 - the system's
        """Do nothing: no call of a simulated process is ever interrupted."""

    def set_wakeup_fd(self, fd: int, /, *, warn_on_full_buffer: bool = True) -> int:
        """Have the number of each signal written to a descriptor; returns the one before."""
        del warn_on_full_buffer
        fd = operator.index(fd)
        self._check_main_thread("set_wakeup_fd")
        if fd != -1 and self._process.host.file(fd).is_blocking:
            raise ValueError(f"the fd {fd} must be in non-blocking mode")
        before, self._wakeup_fd = self._wakeup_fd, fd
        return before

    def raise_signal(self, signum: int, /) -> None:
        """Act on a signal at once, as on one that a process sends itself."""
        # A handler runs in the main thread, whichever thread raised the signal.
        is_main = self._process.runs_in_thread(self._world.threads.current)
        own = self._process.events
        self.act(signum, None if is_main else next(iter(self._process.loops), own))

    def setitimer(self, which: Any, seconds: Any, interval: Any = 0.0, /) -> Any:
        """Have SIGALRM sent by the clock; ``NotImplemented`` for timers of CPU time."""
        if _is_of_cpu_time(which):
            return NotImplemented
        return self._interval_timer().set(seconds, interval)

    def getitimer(self, which: Any, /) -> Any:
        """Return what is left of the timer, and its interval; ``NotImplemented`` as above."""
        if _is_of_cpu_time(which):
            return NotImplemented
        return (0.0, 0.0) if self._timer is None else self._timer.get()

    def alarm(self, seconds: Any, /) -> int:
        """Have SIGALRM sent once; return how many seconds were left of the time before."""
        return self._interval_timer().alarm(seconds)

    def _interval_timer(self) -> IntervalTimer:
        if self._timer is None:
            process = self._process
            self._timer = IntervalTimer(self._world.kernel, self._ring, lambda: process.clock)
        return self._timer

    def _ring(self) -> None:
        """Send SIGALRM, whose handler is a step of a host's process, and of no loop elsewhere."""
        if self._process.ends_by_signals:
            self._process.send_signal(signal.SIGALRM)
        else:
            self.act(signal.SIGALRM, None)

    def clock_changed(self) -> None:
        """Set the interval timer anew: the clock of the machine runs at another rate."""
        if self._timer is not None:
            self._timer.look_again()

    def stop_timer(self) -> None:
        """Let the interval timer ring no more: the process has ended."""
        if self._timer is not None:
            self._timer.alarm(0)

    def _check_main_thread(self, call: str) -> None:
        if not self._process.runs_in_thread(self._world.threads.current):
            raise ValueError(f"{call} only works in main thread of the main interpreter")

    # How a signal arrives --------------------------------------------------------------------

    def act(self, signum: int, loop: Any) -> None:
        """Do what the signal does: now, or as a step of a loop; asyncio's handlers are steps.

        Raises:
            UsageError: It would end or stop the program of the run.
        """
        self._world.note("signal", f"{int(signum)} to {self._process.pid}")
        handler = self.getsignal(signum)
        if handler == signal.SIG_IGN or (handler == signal.SIG_DFL and signum in IGNORED):
            return
        if handler == signal.SIG_DFL:
            self._process.end_by(signum)
            return
        if handler is default_int_handler and self._process.ends_by_signals:
            self._process.interrupt()
            return
        self._wake(signum)
        action = None if handler is leave_to_asyncio else lambda: handler(signum, None)
        if signum not in self._handlers:  # Ctrl-C, whose runner may begin until a step comes.
            action = lambda: self._world.interrupt_handler()(signum, None)  # noqa: E731
        if action is not None and loop is None:
            action()
        elif action is not None and not self.interrupt(action):
            loop.call_soon_threadsafe(lambda: self._process.run_handler(action))

    def interrupt(self, action: Callable[[], object]) -> bool:
        """Have a handler called where the main thread blocks; false if a step is its place."""
        process, threads = self._process, self._world.threads
        if process.main_thread is None:  # It is the thread that runs the loops.
            return bool(threads.interrupt(action, process.is_stepped_by))
        thread = threads.ended(process.main_thread)
        if thread is not None:
            thread.interrupt(action)
        return thread is not None

    def _wake(self, signum: int) -> None:
        """Tell asyncio's loops, and what reads the wake-up descriptor."""
        for each in self._process.loops:
            each._signal_arrived(signum)
        if self._wakeup_fd >= 0:
            with suppress(OSError):  # Full, or closed: the system says no more either.
                self._process.host.write(self._wakeup_fd, bytes([signum]))


def _is_of_cpu_time(which: Any) -> bool:
    """Tell which interval timer is meant.

    Raises:
        signal.ItimerError: There is no such timer.
    """
    if which not in {signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF}:
        raise signal.ItimerError(EINVAL, strerror(EINVAL))
    return bool(which != signal.ITIMER_REAL)


def leave_to_asyncio(_signum: int, _frame: object) -> None:
    """Stand where ``add_signal_handler`` was called: the loop's own handler is what runs."""


def check_signal(sig: object) -> None:
    """Refuse what is no signal, as asyncio does."""
    if not isinstance(sig, int):
        raise TypeError(f"sig must be an int, not {sig!r}")
    if not signal.is_valid(sig):
        raise ValueError(f"invalid signal number {sig}")


def check_sent(sig: Any) -> None:
    """Refuse to send what is no signal, as the system does; 0 sends nothing (man 2 kill).

    Raises:
        TypeError: It is no integer.
        OSError: EINVAL, there is no signal of this number.
    """
    number = operator.index(sig)
    if number and not signal.is_valid(number):
        raise OSError(EINVAL, strerror(EINVAL))
