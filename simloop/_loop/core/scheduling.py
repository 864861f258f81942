"""Callbacks and timers: asyncio's ``call_*`` family on the kernel.

Owns: turning a callback and float seconds into a handle that the kernel holds. This is the hot
path of every program, so a plain call makes its handle, appends it, and does nothing else; what
debug mode adds stands apart. ``call_later`` and ``call_at`` spell a timer out twice: one call more
makes it 2 to 3 % slower (Python 3.11). tests/loop/test_twins.py holds both equal.

Invariants: a closed loop refuses at no cost to an open one, because ``close`` puts
:class:`~.callbacks.ClosedQueue` where the ready queue was.
"""

from __future__ import annotations

import sys
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from simloop._kernel import (
    COARSE_NS,
    NEVER,
    NS_PER_SECOND,
    DebugHandle,
    DebugThreadSafeHandle,
    DebugTimerHandle,
    Handle,
    ShownContext,
    ThreadSafeHandle,
    TimerHandle,
    ToldContext,
    first_shown,
    nanoseconds,
    seconds,
)
from simloop._loop.state import LoopState
from simloop._presence import call_hearers
from simloop._sandbox import reads_of_loop

from .callbacks import check_callback, no_callback

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

__all__ = ["Scheduling"]


# How a handle that other threads know is made.
_IS_SAFE = sys.version_info >= (3, 14)
_KIND: type[Handle] = ThreadSafeHandle if _IS_SAFE else Handle
_DEBUG_KIND: type[Handle] = DebugThreadSafeHandle if _IS_SAFE else DebugHandle

_new = object.__new__


class Scheduling(LoopState):
    """The part of a loop that schedules callbacks."""

    def time(self) -> float:
        """Return the virtual time in seconds, rounded to the nearest float.

        It starts at 0, or at ``start_time``. A callback of :meth:`call_at` never sees it before
        the float that it was set for. Who reads it very often in one step lets a little time pass,
        as on a real machine; see ``clock_reads`` of :func:`simloop.run`.
        """
        for _ in self._reads:  # A read is counted: clock_polls.py.
            break
        else:
            self._reads, self._reads_begun = reads_of_loop(self._reads_begun)
        kernel = self._kernel
        now_ns = kernel.now_ns  # As ShownClock.now_s, which would be one call more.
        if now_ns == kernel.shown_ns:
            return kernel.shown_s
        kernel.shown_s = now_s = now_ns / NS_PER_SECOND
        kernel.shown_ns = now_ns
        return now_s

    def time_ns(self) -> int:
        """Return the virtual time in nanoseconds, exactly."""
        for _ in self._reads:
            break
        else:
            self._reads, self._reads_begun = reads_of_loop(self._reads_begun)
        return self._kernel.now_ns

    def call_soon(  # type: ignore[override]  # typeshed's TypeVarTuple says no more
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Handle:
        """Run ``callback(*args)`` at the next turn, after what is ready already."""
        if context is None:
            context = copy_context()
        if self._debug:
            return self._call_soon_checked(callback, args, context)
        if callback is None:  # That would be a cancelled handle.
            callback = no_callback
        handle = _new(Handle)  # What the constructor does, without its call.
        handle._callback, handle._args = callback, args
        handle._context, handle._loop = context, self
        self._ready.append(handle)
        return handle

    def _call_soon_checked(
        self, callback: Callable[..., Any], args: tuple[Any, ...], context: Context
    ) -> Handle:
        self._check_closed()
        self._check_thread()
        check_callback(callback, "call_soon")
        handle = DebugHandle(callback, args, context, self)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Handle:
        """Like :meth:`call_soon`, from any thread; wakes a loop that waits for real work."""
        self._check_closed()
        if self._debug:
            check_callback(callback, "call_soon_threadsafe")
        kind = _DEBUG_KIND if self._debug else _KIND
        if context is None:  # An empty context is false, and still the one to run in.
            context = copy_context()
        if callback is None:  # That would be a cancelled handle.
            callback = no_callback
        handle = kind(callback, args, context, self)
        self._ready.append(handle)
        self._heard_from_outside()
        if call_hearers:  # On a real loop a byte is sent here, which others may see first.
            call_hearers[0]()
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> TimerHandle:
        """Run ``callback(*args)`` after ``delay`` seconds of virtual time.

        A delay that is not positive means as soon as possible, ordered by its value, as in
        asyncio; ``inf`` never comes, and the handle keeps its callback alive.

        Raises:
            TypeError: ``delay`` is None.
            ValueError: ``delay`` is not a number.
        """
        if delay is None:
            raise TypeError("delay must not be None")
        when_ns = self._kernel.now_ns + nanoseconds(delay)
        if self._debug or self._closed:
            return self._call_at_ns(when_ns, callback, args, context, "call_later")
        if context is None:
            context = copy_context()
        if callback is None:  # That would be a cancelled handle.
            callback = no_callback
        handle = _new(TimerHandle)  # As in call_soon.
        handle._when_ns, handle._scheduled = when_ns, True
        handle._callback, handle._args = callback, args
        handle._context, handle._loop = context, self
        self._wheel.add(handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> TimerHandle:
        """Run ``callback(*args)`` at the virtual time ``when``, in seconds.

        Raises:
            TypeError: ``when`` is None.
            ValueError: ``when`` is not a number.
        """
        if when is None:
            raise TypeError("when cannot be None")
        when_ns = nanoseconds(when)
        if when_ns / NS_PER_SECOND != when or when_ns > COARSE_NS or type(when) is int:
            return self._call_at_given(when, when_ns, callback, args, context, "call_at")
        if self._debug or self._closed:
            return self._call_at_ns(when_ns, callback, args, context, "call_at")
        if context is None:
            context = copy_context()
        if callback is None:  # That would be a cancelled handle.
            callback = no_callback
        handle = _new(TimerHandle)  # As in call_soon.
        handle._when_ns, handle._scheduled = when_ns, True
        handle._callback, handle._args = callback, args
        handle._context, handle._loop = context, self
        self._wheel.add(handle)
        return handle

    def _call_at_given(
        self,
        when: float,
        when_ns: int,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        context: Context | None,
        caller: str,
    ) -> TimerHandle:
        """Set a timer for what its nanosecond does not show, or not alone; ``when()`` tells it."""
        if COARSE_NS < when_ns < NEVER:
            when_ns = first_shown(when)
        if callback is None and not self._debug:
            callback = no_callback
        handle = self._call_at_ns(when_ns, callback, args, context, caller)
        if type(when) is int:  # As aiohttp rounds its timeouts: each is some nanosecond's.
            handle._context = ToldContext(handle._context, self, when)  # type: ignore[assignment]  # it runs, too
        elif when_ns / NS_PER_SECOND < when and when_ns < NEVER:
            handle._context = ShownContext(handle._context, self, float(when))  # type: ignore[assignment]  # as above
        elif seconds(when_ns) != when:
            handle._context = ToldContext(handle._context, self, when)  # type: ignore[assignment]  # as above
        return handle

    def _call_at_ns(
        self,
        when_ns: int,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        context: Context | None,
        caller: str,
    ) -> TimerHandle:
        if self._closed:
            raise RuntimeError("Event loop is closed")
        if context is None:
            context = copy_context()
        handle = TimerHandle(when_ns, callback, args, context, self)
        if self._debug:
            self._check_thread()
            check_callback(callback, caller)
            handle = DebugTimerHandle(when_ns, callback, args, context, self)
        self._wheel.add(handle)
        return handle

    def _timer_handle_cancelled(self, handle: object) -> None:
        """Do nothing: a timer handle that a program made by asyncio's class waits nowhere."""
