"""What a process does on each signal, and how one arrives.

Owns: the dispositions of one process, which ``signal.signal`` sets in a run, and what the
functions of ``os`` that send signals do. Nothing here touches the real process, but for Ctrl-C,
whose real handler is the user's, or that of ``asyncio.Runner``.

Must not know: asyncio. A loop hears of each signal, and runs its own handlers.

Invariants: a handler runs as a step of its own, as from asyncio's wake-up pipe; a signal that would
end the process is an error at the delivery that says so.
"""

from __future__ import annotations

import signal
import weakref
from contextlib import suppress
from errno import EINVAL
from os import strerror
from typing import TYPE_CHECKING, Any

from simloop.errors import UsageError

if TYPE_CHECKING:
    from .process import Process, ProcessWorld

__all__ = ["IGNORED", "UNCATCHABLE", "Dispositions", "check_signal", "leave_to_asyncio"]

IGNORED = (signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT)
"""What Linux ignores where there is no handler; signal(7)."""

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
        """Return the handler that is set."""
        default = signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL
        return self._handlers.get(signum, default)

    def siginterrupt(self, signum: int, flag: bool, /) -> None:  # noqa: FBT001 - the system's
        """Do nothing: no call of a simulated process is ever interrupted."""

    def set_wakeup_fd(self, fd: int, /, *, warn_on_full_buffer: bool = True) -> int:
        """Have the number of each signal written to a descriptor; returns the one before."""
        del warn_on_full_buffer
        self._check_main_thread("set_wakeup_fd")
        if fd != -1 and self._process.host.file(fd).is_blocking:
            raise ValueError(f"the fd {fd} must be in non-blocking mode")
        before, self._wakeup_fd = self._wakeup_fd, fd
        return before

    def raise_signal(self, signum: int, /) -> None:
        """Act on a signal at once, as on one that a process sends itself."""
        # A handler runs in the main thread, whichever thread raised the signal.
        is_main = self._world.threads.current is None
        self.act(signum, None if is_main else next(iter(self._process.loops), None))

    def _check_main_thread(self, call: str) -> None:
        if self._world.threads.current is not None:
            raise ValueError(f"{call} only works in main thread of the main interpreter")

    # How a signal arrives --------------------------------------------------------------------

    def act(self, signum: int, loop: Any) -> None:
        """Do what the signal does: now, or as a step of a loop; asyncio's handlers are steps.

        Raises:
            UsageError: It would end or stop the process.
        """
        self._world.note("signal", f"{int(signum)} to {self._process.pid}")
        handler = self.getsignal(signum)
        if handler == signal.SIG_IGN or (handler == signal.SIG_DFL and signum in IGNORED):
            return
        if handler == signal.SIG_DFL:
            verb = "stop" if signum in {signal.SIGSTOP, signal.SIGTSTP} else "end"
            raise UsageError(
                f"{signal.Signals(signum).name} would {verb} the process, because nothing handles"
                " it; set a handler by loop.add_signal_handler() or signal.signal() first"
            )
        self._wake(signum)
        action = None if handler is leave_to_asyncio else lambda: handler(signum, None)
        if handler is signal.default_int_handler:
            action = self._world.interrupt
        if action is not None and loop is None:
            action()
        elif action is not None:
            loop.call_soon_threadsafe(action)

    def _wake(self, signum: int) -> None:
        """Tell asyncio's loops, and what reads the wake-up descriptor."""
        for each in self._process.loops:
            each._signal_arrived(signum)
        if self._wakeup_fd >= 0:
            with suppress(OSError):  # Full, or closed: the system says no more either.
                self._process.host.write(self._wakeup_fd, bytes([signum]))


def leave_to_asyncio(_signum: int, _frame: object) -> None:
    """Stand where ``add_signal_handler`` was called: the loop's own handler is what runs."""


def check_signal(sig: object) -> None:
    """Refuse what is no signal, as asyncio does."""
    if not isinstance(sig, int):
        raise TypeError(f"sig must be an int, not {sig!r}")
    if sig not in signal.valid_signals():
        raise ValueError(f"invalid signal number {sig}")
