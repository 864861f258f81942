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
from asyncio import coroutines
from contextvars import copy_context
from errno import EINVAL
from os import strerror
from typing import TYPE_CHECKING, Any

from simloop._kernel import Handle
from simloop.errors import UsageError

from .scheduling import Scheduling

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Dispositions", "Signals", "check_signal"]

_IGNORED = (signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT)
"""What Linux ignores where nobody handles it."""

_UNCATCHABLE = (signal.SIGKILL, signal.SIGSTOP)


class Dispositions:
    """What a simulated process does on each signal.

    Args:
        interrupt: What Ctrl-C does to the real process: raise KeyboardInterrupt, or tell a runner.
    """

    def __init__(self, interrupt: Callable[[], None]) -> None:
        self._handlers: dict[int, Any] = {}
        self._interrupt = interrupt

    def signal(self, signum: int, handler: Any, /) -> Any:
        """Set a handler, as the system's ``signal.signal`` does; returns the one before."""
        if not 1 <= signum < signal.NSIG:
            raise ValueError("signal number out of range")
        if not callable(handler) and handler not in {signal.SIG_DFL, signal.SIG_IGN}:
            raise TypeError(
                "signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object"
            )
        if signum in _UNCATCHABLE:
            raise OSError(EINVAL, strerror(EINVAL))
        before = self.getsignal(signum)
        self._handlers[signum] = handler
        return before

    def getsignal(self, signum: int, /) -> Any:
        """Return the handler that is set."""
        default = signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL
        return self._handlers.get(signum, default)

    def raise_signal(self, signum: int, /) -> None:
        """Act on a signal at once, as on one that a process sends itself."""
        action = self.action(signum)
        if action is not None:
            action()

    def action(self, signum: int) -> Callable[[], object] | None:
        """Return what the signal does, or None where it is ignored.

        Raises:
            UsageError: It would end or stop the process.
        """
        handler = self.getsignal(signum)
        if handler is signal.default_int_handler:
            return self._interrupt
        if handler == signal.SIG_IGN or (handler == signal.SIG_DFL and signum in _IGNORED):
            return None
        if handler == signal.SIG_DFL:
            verb = "stop" if signum in {signal.SIGSTOP, signal.SIGTSTP} else "end"
            raise UsageError(
                f"{signal.Signals(signum).name} would {verb} the process, because nobody handles"
                " it; set a handler by loop.add_signal_handler() or signal.signal() first"
            )
        return lambda: handler(signum, None)


class Signals(Scheduling):
    """The part of a loop that handles signals."""

    def __init__(self, **options: Any) -> None:
        self._signal_handlers: dict[int, Handle] = {}
        super().__init__(**options)

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
        self._signal_handlers[sig] = Handle(callback, args, copy_context(), self)

    def remove_signal_handler(self, sig: int) -> bool:
        """Forget the handler of a signal; false if there was none."""
        check_signal(sig)
        handle = self._signal_handlers.pop(sig, None)
        if handle is None:
            return False
        handle.cancel()
        return True

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
        handle = self._signal_handlers.get(sig)
        if handle is not None:
            self._ready.append(handle)
            self._heard_from_outside()
            return
        action = self._world.dispositions.action(sig)
        if action is not None:
            self.call_soon_threadsafe(action)

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
