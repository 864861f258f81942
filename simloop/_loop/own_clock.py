"""A loop that goes by the clock of its machine, where that is not the world's.

Owns: turning times of the machine into times of the kernel, and what a timer handle shows. A loop
whose machine has the world's own clock is a plain :class:`~simloop._loop.loop.SimLoop`, and pays
for none of this.

Must not know: why the clocks differ.

Invariant: a callback never runs before the machine's clock shows its time.
"""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from simloop._kernel import (
    NEVER,
    NS_PER_SECOND,
    TimerHandle,
    ToldContext,
    deadline_ns,
    nanoseconds,
    seconds,
)

from .core.callbacks import check_callback
from .loop import SimLoop

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from simloop._process import ProcessClock

__all__ = ["OwnClockLoop"]


class OwnTimerHandle(TimerHandle):
    """A timer handle that shows its time by the machine's clock."""

    __slots__ = ("_own_when_ns",)
    _own_when_ns: int

    @property
    def _when(self) -> float:
        return seconds(self._own_when_ns)

    def when(self) -> float:
        """Return the time at which the callback is due, in seconds of the machine's clock."""
        return seconds(self._own_when_ns)


OwnTimerHandle.__name__ = TimerHandle.__name__


class OwnClockLoop(SimLoop):
    """A loop on a machine with a clock of its own."""

    @property
    def _clock(self) -> ProcessClock:
        clock = self.process.clock
        assert clock is not None
        return clock

    def time(self) -> float:
        """Return what the machine's monotonic clock shows, in seconds."""
        super().time()  # Which counts how often it is read.
        return self._clock.now_ns / NS_PER_SECOND

    def time_ns(self) -> int:
        """Return what the machine's monotonic clock shows, in nanoseconds."""
        super().time()
        return self._clock.now_ns

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> TimerHandle:
        """Run ``callback(*args)`` after ``delay`` seconds of the machine's clock."""
        if delay is None:
            raise TypeError("delay must not be None")
        own_ns = self._clock.now_ns + nanoseconds(delay)
        return self._call_at_own(own_ns, callback, args, context, "call_later")

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> TimerHandle:
        """Run ``callback(*args)`` when the machine's clock shows ``when``, in seconds."""
        if when is None:
            raise TypeError("when cannot be None")
        return self._call_at_own(deadline_ns(when), callback, args, context, "call_at")

    def _call_at_own(
        self,
        own_ns: int,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        context: Context | None,
        caller: str,
    ) -> TimerHandle:
        self._check_closed()
        if self._debug:
            self._check_thread()
            check_callback(callback, caller)
        when_ns = self._clock.true_ns(own_ns) if own_ns < NEVER else NEVER
        handle = OwnTimerHandle(
            when_ns, callback, args, copy_context() if context is None else context, self
        )
        handle._own_when_ns = own_ns
        self._wheel.add(handle)
        return handle


def slow_down(clock: ProcessClock, loops: list[Any]) -> None:
    """Set the timers of a machine's loops anew, because its clock now runs at another rate."""
    for loop in loops:
        for handle in loop._wheel.extract(lambda each, loop=loop: each._loop is loop):
            own_ns = getattr(handle, "_own_when_ns", None)
            if own_ns is None:  # Set before the machine had a clock of its own.
                own_ns = handle._when_ns
                handle._context = ToldContext(handle.get_context(), loop, handle.when())
            handle._when_ns = clock.true_ns(own_ns) if own_ns < NEVER else NEVER
            loop._wheel.add(handle)
