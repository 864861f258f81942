"""Signal handlers of a loop: asyncio's ``add_signal_handler``, and delivery by the test.

Owns: the handles that run when a signal of the loop's process arrives. What the process does on a
signal otherwise is its dispositions' (:mod:`simloop._process.dispositions`).

Invariant: a handler runs as a step of its own, as from asyncio's wake-up pipe (CPython 3.14
Lib/asyncio/unix_events.py: ``add_signal_handler``, ``_handle_signal``).
"""

from __future__ import annotations

import signal
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from simloop._kernel import Handle
from simloop._loop.state import LoopState
from simloop._process.dispositions import UNCATCHABLE, check_signal, leave_to_asyncio

from .callbacks import is_coroutine

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = ["Signals"]


class Signals(LoopState):
    """The part of a loop that handles signals."""

    def add_signal_handler(  # type: ignore[override]  # typeshed's TypeVarTuple says no more
        self, sig: int, callback: Callable[..., object], *args: Any
    ) -> None:
        """Run ``callback(*args)`` as a step when the signal is delivered.

        Raises:
            TypeError: The callback is a coroutine function, or the signal is no integer.
            ValueError: There is no such signal.
            RuntimeError: The signal cannot be caught, or the loop is not the main thread's, as
                asyncio has it.
        """
        if not self._process.runs_in_thread(self._scheduler.current):
            raise RuntimeError("set_wakeup_fd only works in main thread of the main interpreter")
        if is_coroutine(callback):
            raise TypeError("coroutines cannot be used with add_signal_handler()")
        check_signal(sig)
        self._check_closed()
        if sig in UNCATCHABLE:
            raise RuntimeError(f"sig {sig} cannot be caught")
        self.remove_signal_handler(sig)
        self._process.dispositions.signal(sig, leave_to_asyncio)
        self._signal_handlers[sig] = Handle(callback, args, copy_context(), self)

    def remove_signal_handler(self, sig: int) -> bool:
        """Forget the handler of a signal; false if there was none."""
        check_signal(sig)
        handle = self._signal_handlers.pop(sig, None)
        if handle is None:
            return False
        handle.cancel()
        default = signal.default_int_handler if sig == signal.SIGINT else signal.SIG_DFL
        self._process.dispositions.signal(sig, default)
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
            UsageError: The signal has no handler, and would end the process.

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
        self._process.dispositions.act(sig, self)

    def _forget_signal_handlers(self) -> None:
        """Remove all of them: the loop closes."""
        for sig in list(self._signal_handlers):
            self.remove_signal_handler(sig)
