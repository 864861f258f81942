"""Signals of a simulated process: who handles which, and delivery by the test.

Owns: the dispositions of one process (what ``signal.signal`` sets in a run), asyncio's
``add_signal_handler`` on top, and ``deliver_signal``. Nothing here touches the real process, but
for Ctrl-C, whose real handler is the user's, or that of ``asyncio.Runner``.

Invariants: a handler runs as a step of its own, as from asyncio's wake-up pipe; a signal that would
end the process is an error at the delivery that says so.
"""

from __future__ import annotations

import inspect
import signal
import weakref
from asyncio import coroutines
from contextlib import suppress
from contextvars import copy_context
from errno import EINVAL
from functools import cached_property
from os import strerror
from typing import TYPE_CHECKING, Any

from simloop._kernel import Handle
from simloop.errors import UsageError

from .pids import Pids
from .scheduling import Scheduling

if TYPE_CHECKING:
    from collections.abc import Callable

    from .ports import WorldPort

__all__ = ["Dispositions", "Signals", "check_signal"]

_IGNORED = (signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT)
"""What Linux ignores where nobody handles it."""

_UNCATCHABLE = (signal.SIGKILL, signal.SIGSTOP)


class Dispositions:
    """What a simulated process does on each signal.

    Args:
        interrupt: What Ctrl-C does to the real process: raise KeyboardInterrupt, or tell a runner.
        world: The world of the process.
    """

    def __init__(self, interrupt: Callable[[], None], world: WorldPort) -> None:
        self._handlers: dict[int, Any] = {}
        self._interrupt = interrupt
        self._world = world
        self._wakeup_fd = -1

    @cached_property
    def pids(self) -> Pids:
        """The simulated processes by their numbers."""
        me = weakref.proxy(self)
        return Pids(lambda signum: me.raise_signal(signum))  # noqa: PLW0108 - holds nobody

    # What a program calls, by the functions of ``os`` ----------------------------------------

    def kill(self, pid: int, signum: int, /) -> Any:
        """Send a signal to a process; ``NotImplemented`` if it is not the world's."""
        return self.pids.kill(pid, signum)

    def killpg(self, pgid: int, signum: int, /) -> Any:
        """Send a signal to a group of processes; ``NotImplemented`` as above."""
        return self.pids.killpg(pgid, signum)

    def getpgid(self, pid: int, /) -> Any:
        """Return the group of a process; ``NotImplemented`` as above."""
        return self.pids.getpgid(pid)

    def waitpid(self, pid: int, options: int, /) -> Any:
        """Wait for a process; ``NotImplemented`` as above."""
        return self.pids.waitpid(pid, options)

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
        if signum in _UNCATCHABLE:
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
        if fd != -1 and self._world.host_of(None).file(fd).is_blocking:
            raise ValueError(f"the fd {fd} must be in non-blocking mode")
        before, self._wakeup_fd = self._wakeup_fd, fd
        return before

    def raise_signal(self, signum: int, /) -> None:
        """Act on a signal at once, as on one that a process sends itself."""
        # A handler runs in the main thread, whichever thread raised the signal.
        is_main = self._world.baton.current is None
        self.act(signum, None if is_main else next(iter(self._world.loops), None))

    def _check_main_thread(self, call: str) -> None:
        if self._world.baton.current is not None:
            raise ValueError(f"{call} only works in main thread of the main interpreter")

    # How a signal arrives --------------------------------------------------------------------

    def act(self, signum: int, loop: Any) -> None:
        """Do what the signal does: now, or as a step of a loop; asyncio's handlers are steps.

        Raises:
            UsageError: It would end or stop the process.
        """
        handler = self.getsignal(signum)
        if handler == signal.SIG_IGN or (handler == signal.SIG_DFL and signum in _IGNORED):
            return
        if handler == signal.SIG_DFL:
            verb = "stop" if signum in {signal.SIGSTOP, signal.SIGTSTP} else "end"
            raise UsageError(
                f"{signal.Signals(signum).name} would {verb} the process, because nobody handles"
                " it; set a handler by loop.add_signal_handler() or signal.signal() first"
            )
        self._wake(signum)
        action = None if handler is _leave_to_asyncio else lambda: handler(signum, None)
        if handler is signal.default_int_handler:
            action = self._interrupt
        if action is not None and loop is None:
            action()
        elif action is not None:
            loop.call_soon_threadsafe(action)

    def _wake(self, signum: int) -> None:
        """Tell asyncio's loops, and whoever reads the wake-up descriptor."""
        for each in self._world.loops:
            each._signal_arrived(signum)
        if self._wakeup_fd >= 0:
            with suppress(OSError):  # Full, or closed: the system says no more either.
                self._world.host_of(None).write(self._wakeup_fd, bytes([signum]))


def _leave_to_asyncio(_signum: int, _frame: object) -> None:
    """Stand where ``add_signal_handler`` was called: the loop's own handler is what runs."""


class Signals(Scheduling):
    """The part of a loop that handles signals."""

    def add_signal_handler(  # type: ignore[override]  # typeshed's TypeVarTuple says no more
        self, sig: int, callback: Callable[..., object], *args: Any
    ) -> None:
        """Run ``callback(*args)`` as a step when the signal is delivered.

        Raises:
            TypeError: The callback is a coroutine function, or the signal is no integer.
            ValueError: There is no such signal.
            RuntimeError: The signal cannot be caught.
        """
        unwanted: Any = callback
        if coroutines.iscoroutine(unwanted) or inspect.iscoroutinefunction(unwanted):
            raise TypeError("coroutines cannot be used with add_signal_handler()")
        check_signal(sig)
        self._check_closed()
        if sig in _UNCATCHABLE:
            raise RuntimeError(f"sig {sig} cannot be caught")
        self.remove_signal_handler(sig)
        self._world.dispositions.signal(sig, _leave_to_asyncio)
        self._signal_handlers[sig] = Handle(callback, args, copy_context(), self)

    def remove_signal_handler(self, sig: int) -> bool:
        """Forget the handler of a signal; false if there was none."""
        check_signal(sig)
        handle = self._signal_handlers.pop(sig, None)
        if handle is None:
            return False
        handle.cancel()
        default = signal.default_int_handler if sig == signal.SIGINT else signal.SIG_DFL
        self._world.dispositions.signal(sig, default)
        return True

    def _signal_arrived(self, sig: int) -> None:
        """Run the handler of a signal as a step, if there is one."""
        handle = self._signal_handlers.get(sig)
        if handle is not None:
            self._ready.append(handle)
            self._heard_from_outside()

    def deliver_signal(self, sig: int) -> None:
        """Deliver a signal to this loop's simulated process, from inside or outside of a run.

        Its handler runs as a step of its own: asyncio's if one was added, else what
        ``signal.signal`` set. Ctrl-C, ``SIGINT`` without a handler, does what it does to a real
        loop.

        Raises:
            UsageError: Nobody handles the signal, and it would end the process.

        Example:
            >>> import asyncio, signal, simloop
            >>> async def main():
            ...     loop, stopped = asyncio.get_running_loop(), asyncio.Event()
            ...     loop.add_signal_handler(signal.SIGTERM, stopped.set)
            ...     loop.call_later(60, loop.deliver_signal, signal.SIGTERM)
            ...     await stopped.wait()
            ...     return loop.time()
            >>> simloop.run(main())
            60.0
        """
        check_signal(sig)
        self._check_closed()
        self._world.dispositions.act(sig, self)

    def _forget_signal_handlers(self) -> None:
        """Remove all of them: the loop closes."""
        for sig in list(self._signal_handlers):
            self.remove_signal_handler(sig)


def check_signal(sig: object) -> None:
    """Refuse what is no signal, as asyncio does."""
    if not isinstance(sig, int):
        raise TypeError(f"sig must be an int, not {sig!r}")
    if sig not in signal.valid_signals():
        raise ValueError(f"invalid signal number {sig}")
