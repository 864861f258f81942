"""Handles: one scheduled callback each, in as few stores as it takes.

Owns: asyncio's ``Handle`` and ``TimerHandle`` in a slim form. One is made per step, so the
constructors store four fields and leave the rest to class attributes; debug mode has classes of
its own that also remember where they were made. Beside them: what the loop of a handle has to
offer, and what is told of each one that runs.

Must not know: queues and clocks. A cancelled timer stays where it is; the wheel takes it out when
its turn comes, or sweeps when the count of the cancelled says so. Of asyncio it knows the two
classes of handles, how it words them, and nothing else: its loops, transports and I/O are above.

Invariants:

- A handle is cancelled exactly when it has no callback.
- ``_scheduled`` of a timer handle that is not cancelled is true exactly while the wheel holds it.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
import traceback
from asyncio import format_helpers
from types import CodeType
from typing import TYPE_CHECKING, Any, Protocol

from .clock import seconds
from .safe_looks import attribute_of, class_name, short_repr_of, unwrapped

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context
    from types import FrameType

__all__ = [
    "DebugHandle",
    "DebugThreadSafeHandle",
    "DebugTimerHandle",
    "Handle",
    "KernelLoop",
    "Observer",
    "ShownContext",
    "ThreadSafeHandle",
    "TimerHandle",
    "describe",
]


class _TimerQueue(Protocol):
    """What a cancelled timer handle needs of the wheel that holds it."""

    cancelled_count: int
    cancelled_max: int

    def sweep(self) -> None:
        """Let go of every cancelled handle."""


def describe(callback: Any, args: tuple[Any, ...] = ()) -> str:
    """Return a callback's name for messages: qualified, with arguments, file and line."""
    function = unwrapped(callback)
    name = attribute_of(function, "__qualname__") or class_name(type(function))
    shown = ", ".join(map(short_repr_of, args))
    code = attribute_of(function, "__code__") or attribute_of(function, "cr_code")
    where = f" at {code.co_filename}:{code.co_firstlineno}" if isinstance(code, CodeType) else ""
    return f"{name}({shown}){where}"


_format: Any = vars(format_helpers)["_format_callback_source"]
_tells_debug = "debug" in (_format.__kwdefaults__ or {})  # Arguments are shown in debug mode alone.


def _worded(callback: Any, args: tuple[Any, ...], loop: Any) -> str:
    """Return a callback's name in asyncio's words; in ours, if the program's raise."""
    try:
        told: str = _format(callback, args, **({"debug": loop.get_debug()} if _tells_debug else {}))
    except BaseException:  # noqa: BLE001 - a repr of the program's
        return describe(callback, args)
    return told


class _Slim:
    """The part of asyncio's handle that both of ours do in their own way."""

    __slots__ = ()
    _callback: Callable[..., Any] | None
    _args: tuple[Any, ...] | None
    _context: Context
    _loop: Any
    _repr = None
    _source_traceback: traceback.StackSummary | None = None
    may_be_held: bool = True
    """Whether what has arrived may be told later by holding this handle; see DisturbedKernel."""

    @property
    def _cancelled(self) -> bool:
        return self._callback is None

    def cancelled(self) -> bool:
        return self._callback is None

    def cancel(self) -> None:
        self._callback = None  # type: ignore[misc]  # slots of asyncio's class, beside this one
        self._args = None  # type: ignore[misc]  # what the arguments hold is free at once

    def _run(self) -> None:
        """Run the callback in its context; errors go to the loop's exception handler."""
        callback = self._callback
        if callback is None or self._args is None:
            return
        try:
            result = self._context.run(callback, *self._args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - the loop must survive any callback
            self._report(error)
        else:
            if result is not None:
                self._returned(result)
        finally:
            # A traceback that is kept holds this frame, which would hold the callback.
            del self, callback

    def _returned(self, result: object) -> None:
        """Report a callback that returned a coroutine, which is never awaited."""
        if not inspect.iscoroutine(result):
            return
        result.close()
        name = describe(self._callback, self._args or ())
        self._report(
            TypeError(
                f"coroutines cannot be used with call_soon(), call_later() or call_at(): {name}"
                " returned a coroutine, which nobody awaits; use loop.create_task() instead"
            )
        )

    def _report(self, error: BaseException) -> None:
        """Give an error of the callback to the loop's exception handler, as asyncio words it."""
        callback, args = self._callback, self._args or ()
        context: dict[str, Any] = {
            "message": f"Exception in callback {_worded(callback, args, self._loop)}",
            "exception": error,
            "handle": self,
        }
        if self._source_traceback:
            context["source_traceback"] = self._source_traceback
        self._loop.call_exception_handler(context)


class Handle(_Slim, asyncio.Handle):  # type: ignore[misc,override]  # typeshed: never None
    """A callback in the ready queue."""

    __slots__ = ()

    def __init__(
        self, callback: Callable[..., Any], args: tuple[Any, ...], context: Context, loop: Any
    ) -> None:
        self._callback = callback
        self._args = args
        self._context = context
        self._loop = loop


class TimerHandle(_Slim, asyncio.TimerHandle):  # type: ignore[misc,override]  # as above
    """A callback with a deadline, in nanoseconds of virtual time."""

    __slots__ = ("_when_ns",)

    def __init__(
        self,
        when_ns: int,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        context: Context,
        loop: Any,
    ) -> None:
        self._when_ns = when_ns
        self._callback = callback
        self._args = args
        self._context = context
        self._loop = loop
        self._scheduled = True

    @property
    def _when(self) -> float:
        return self.when()

    def when(self) -> float:
        context: Any = self._context
        return context.when_s if isinstance(context, ToldContext) else seconds(self._when_ns)

    def get_context(self) -> Context:
        context: Any = self._context
        return context.context if isinstance(context, ToldContext) else context

    def cancel(self) -> None:
        if self._callback is not None:
            self._callback = None
            self._args = None
            if self._scheduled:
                # Every timeout that does not come is cancelled: no calls between here and there.
                wheel: _TimerQueue = self._loop._wheel
                wheel.cancelled_count = cancelled_count = wheel.cancelled_count + 1
                if cancelled_count >= wheel.cancelled_max:
                    wheel.sweep()


class ToldContext:
    """A context that knows for which float a timer was set, where its deadline shows another.

    Stands in the place of a timer handle's context, so that timers set for a whole nanosecond pay
    nothing.
    """

    __slots__ = ("context", "loop", "when_s")

    def __init__(self, context: Context, loop: Any, when_s: float) -> None:
        self.context = context
        self.loop = loop
        self.when_s = when_s

    def run(self, callback: Callable[..., Any], /, *args: Any) -> Any:
        return self.context.run(callback, *args)


class ShownContext(ToldContext):
    """One whose clock shows that float when the callback runs.

    For a float that lies a fraction of a nanosecond after the handle's deadline.
    """

    __slots__ = ()

    def run(self, callback: Callable[..., Any], /, *args: Any) -> Any:
        self.loop._kernel.show(self.when_s)
        return self.context.run(callback, *args)


_SCHEDULERS = ("simloop._loop.core.scheduling", "simloop._loop.asking.disturbed_loop")


def _caller_stack() -> traceback.StackSummary:
    """Return the stack of the code that asked the loop for a handle."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__") in _SCHEDULERS:
        frame = frame.f_back
    stack = traceback.StackSummary.extract(
        traceback.walk_stack(frame), limit=10, lookup_lines=False
    )
    stack.reverse()
    return stack


class _Traced:
    """The part of a handle that remembers where it was made, in debug mode."""

    __slots__ = ()
    _source_traceback = asyncio.Handle._source_traceback  # type: ignore[attr-defined]  # the slot

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._source_traceback = _caller_stack()


class DebugHandle(_Traced, Handle):  # type: ignore[misc,override]  # as above
    """A handle that remembers where it was made."""

    __slots__ = ()


class DebugTimerHandle(_Traced, TimerHandle):  # type: ignore[misc,override]  # as above
    """A timer handle that remembers where it was made."""

    __slots__ = ()


class _Exclusive:
    """A context in which one callback runs at a time, and is not cancelled meanwhile."""

    __slots__ = ("context", "lock")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.lock = threading.RLock()

    def run(self, callback: Callable[..., Any], /, *args: Any) -> Any:
        with self.lock:
            return self.context.run(callback, *args)


class ThreadSafeHandle(Handle):
    """A callback that other threads may cancel: ``cancel`` waits while it runs.

    So once ``cancel`` has returned the callback does not run any more. The rule is that of
    ``_ThreadSafeHandle`` in CPython 3.14's ``asyncio/events.py``.
    """

    __slots__ = ()
    _context: Any

    def __init__(
        self, callback: Callable[..., Any], args: tuple[Any, ...], context: Context, loop: Any
    ) -> None:
        super().__init__(callback, args, context, loop)
        self._context = _Exclusive(context)

    def cancel(self) -> None:
        with self._context.lock:
            super().cancel()

    def cancelled(self) -> bool:
        with self._context.lock:
            return super().cancelled()

    def get_context(self) -> Context:
        return self._context.context  # type: ignore[no-any-return]


class DebugThreadSafeHandle(_Traced, ThreadSafeHandle):  # type: ignore[misc,override]  # as above
    """A handle for other threads that remembers where it was made."""

    __slots__ = ()


# The name in a repr and in logs is asyncio's, whatever the mode.
DebugHandle.__name__ = Handle.__name__
DebugTimerHandle.__name__ = TimerHandle.__name__
ThreadSafeHandle.__name__ = DebugThreadSafeHandle.__name__ = Handle.__name__


class KernelLoop(Protocol):
    """What the kernel needs of a loop that it carries."""

    _stopping: bool
    _stash: list[Any] | None
    """Where its callbacks go while its process is stopped; None while that runs."""

    def _step_into(self) -> None:
        """Become the running loop, because the next callback is yours."""

    def _takes_exit(self, error: BaseException) -> bool:
        """End the process that the loop is of, by what a step raised; false if that ends the run.

        That is a ``SystemExit`` or a ``KeyboardInterrupt``.
        """

    def _step_took(self, handle: Handle | TimerHandle, elapsed_ns: int) -> None:
        """Take note of how long a callback blocked the clock, in debug mode."""


class Observer(Protocol):
    """What is told of each step before it runs: a digest, a recorder, a sample.

    One that has a method ``stepped``, with the same arguments, is told of its end too; one that
    has ``timed``, of each timer that is set, by its deadline; one that has ``turned``, of the end
    of a turn.
    """

    def step(self, now_ns: int, handle: Handle | TimerHandle) -> None:
        """Take note that ``handle`` runs now."""
