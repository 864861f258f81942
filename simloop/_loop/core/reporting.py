"""What happens to errors that no caller is left to hear.

Owns: asyncio's exception handler, its default, and the log of slow callbacks. Slowness is in
virtual time: a callback is slow when it blocked the world, for instance with ``time.sleep``. The
texts are those of CPython 3.14, Lib/asyncio/base_events.py: ``default_exception_handler``,
``call_exception_handler``, ``_run_once``; its logger is looked up in that module for each report,
because tests put another one there.
"""

from __future__ import annotations

import asyncio
import traceback
from asyncio import base_events
from typing import TYPE_CHECKING, Any

from simloop._kernel.safe_looks import attribute_of, repr_of
from simloop._loop.state import LoopState

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop._kernel import Handle, TimerHandle

__all__ = ["Reporting"]

_base_events: Any = base_events  # Whose logger typeshed does not know.

_HEADERS = {
    "source_traceback": "Object created at (most recent call last):\n",
    "handle_traceback": "Handle created at (most recent call last):\n",
}


class Reporting(LoopState):
    """The part of a loop that reports errors and slow callbacks."""

    _exception_handler: Callable[..., object] | None = None

    def get_exception_handler(self) -> Callable[..., object] | None:
        """Return the handler that was set, or None."""
        return self._exception_handler

    def set_exception_handler(self, handler: Callable[..., object] | None) -> None:
        """Report with ``handler(loop, context)``; None goes back to the default."""
        if handler is not None and not callable(handler):
            raise TypeError(f"A callable object or None is expected, got {handler!r}")
        self._exception_handler = handler

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Log an error, with what is known about where it came from."""
        message = context.get("message") or "Unhandled exception in event loop"
        error = context.get("exception")
        exc_info = (type(error), error, error.__traceback__) if error is not None else False
        lines = [message]
        for key in sorted(context):
            if key in {"message", "exception"}:
                continue
            value = context[key]
            if key in _HEADERS:
                value = _HEADERS[key] + "".join(traceback.format_list(value)).rstrip()
            else:
                value = repr_of(value)
            lines.append(f"{key}: {value}")
        _base_events.logger.error("\n".join(lines), exc_info=exc_info)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Give an error to the handler; an error in the handler itself is logged beside it."""
        try:
            if self._exception_handler is None:
                self.default_exception_handler(context)
            else:
                self._call_in_context(self._exception_handler, context)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - reporting must not end the loop
            self._report_broken_handler(error, context)

    def _call_in_context(self, handler: Callable[..., object], context: dict[str, Any]) -> None:
        """Call the handler in the context of what failed, where that has one."""
        subject = context.get("task") or context.get("future") or context.get("handle")
        get_context = getattr(subject, "get_context", None)
        run_in: Any = None if get_context is None else get_context()
        if hasattr(run_in, "run"):
            run_in.run(handler, self, context)
        else:
            handler(self, context)

    def _report_broken_handler(self, error: BaseException, context: dict[str, Any]) -> None:
        if self._exception_handler is None:
            _base_events.logger.error(
                "Exception in default exception handler",
                exc_info=True,  # noqa: LOG014 - the caller handles it
            )
            return
        try:
            self.default_exception_handler(
                {
                    "message": "Unhandled error in exception handler",
                    "exception": error,
                    "context": context,
                }
            )
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:  # The default was overridden, and fails too.
            _base_events.logger.error(  # noqa: G201 - asyncio's own call, which tests look for
                "Exception in default exception handler while handling an unexpected error in"
                " custom exception handler",
                exc_info=True,
            )

    def _step_took(self, handle: Handle | TimerHandle, elapsed_ns: int) -> None:
        if not self._debug:
            return  # Another loop of the kernel is in debug mode.
        elapsed = elapsed_ns / 1e9
        if elapsed >= self.slow_callback_duration:
            _base_events.logger.warning("Executing %s took %.3f seconds", _subject(handle), elapsed)


def _subject(handle: Handle | TimerHandle) -> str:
    """Name what ran: the task for a step of one, else the handle."""
    owner = attribute_of(handle._callback, "__self__")
    return repr_of(owner if issubclass(type(owner), asyncio.Task) else handle)
