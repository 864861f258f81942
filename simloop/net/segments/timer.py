"""A timer of a connection: at most one deadline, which may move.

Owns: one callback and its deadline. Must not know what for. A deadline that moves to later costs
nothing: the event that was set for the earlier one sets itself anew. Nor does stopping and starting
again, which happens with every answer: an event that is far off stays, and finds that there is
nothing to do. (A turn for it costs more than to cancel it, so a near one is cancelled.)

Linux' timers are late, and so are these: its timer wheel (kernel/time/timer.c) counts in jiffies of
4 ms (HZ = 250), and the further a deadline lies the coarser it is: 4 ms up to a quarter of a
second, 32 ms up to 2 s, 256 ms up to 16 s, 2 s up to two minutes. So a first retransmission after
250 ms comes after 256 to 288, and a connect that nobody answers fails after 133 s and not 131.

``due_ns`` is as it was asked for, or as the wheel has it: nothing but the timer itself goes by it.

Invariants: while a deadline is set there is one event, at the deadline or before it; there is never
more than one; ``event_ns`` is its time, and later than all deadlines where there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.net.wire.wire import Wire

__all__ = ["FAR_NS", "Timer", "wheel_ns"]

_JIFFY_NS = 4_000_000
FAR_NS = 100_000_000
"""An event that is further off stays when the deadline is forgotten."""
NO_EVENT_NS = 1 << 64
"""What stands for the time of an event where there is none: later than all."""
_SLOTS = 63  # Of a level of the wheel: LVL_SIZE - 1.


def wheel_ns(due_ns: int, now_ns: int) -> int:
    """Return when a timer of Linux fires that is set now.

    >>> wheel_ns(40_000_000, 0), wheel_ns(1_000_000_000, 0)
    (44000000, 1024000000)
    """
    now = now_ns // _JIFFY_NS
    expires = now - (now_ns - due_ns) // _JIFFY_NS
    shift = 0
    while expires - now >= _SLOTS << shift:
        shift += 3
    return ((expires >> shift) + 1) * _JIFFY_NS << shift


class Timer:
    """Call back at a time, unless stopped."""

    __slots__ = ("_callback", "_event", "_wire", "due_ns", "event_ns", "set_ns")

    def __init__(self, wire: Wire, callback: Callable[[], None]) -> None:
        self._wire = wire
        self._callback: Callable[[], None] | None = callback
        self._event: Any = None
        self.event_ns: int = NO_EVENT_NS
        self.set_ns: int | None = None  # When it was set, until the wheel has been asked.
        self.due_ns: int | None = None

    def start(self, due_ns: int) -> None:
        """Set the deadline, or move it."""
        self.start_at(due_ns, self._wire.now_ns())

    def start_at(self, due_ns: int, now_ns: int) -> None:
        """Set the deadline, or move it, where the time is known; the wheel is asked when it fires.

        Most deadlines move before that.
        """
        if self.event_ns <= due_ns:
            self.due_ns = due_ns
            self.set_ns = now_ns
        else:
            self.start_event(wheel_ns(due_ns, now_ns))

    def start_event(self, due_ns: int) -> None:
        """Set the deadline to what the wheel has it for, and see to it that an event is there."""
        self.due_ns = due_ns
        self.set_ns = None
        if self._event is not None:
            if self.event_ns <= due_ns:
                return
            self._event.cancel()
        self.event_ns = due_ns
        self._event = self._wire.call_at_ns(due_ns, self._fire)

    def stop(self) -> None:
        """Forget the deadline."""
        self.due_ns = None
        if self._event is not None and self.event_ns - self._wire.now_ns() < FAR_NS:
            self.forget_event()

    def end(self) -> None:
        """Stop for good, and forget the callback: it holds what holds this timer."""
        self.due_ns = None
        self._callback = None
        if self._event is not None:
            self.forget_event()

    def forget_event(self) -> None:
        """Cancel the event that is there."""
        self._event.cancel()
        self._event = None
        self.event_ns = NO_EVENT_NS

    def _fire(self) -> None:
        fired_ns = self.event_ns
        self._event = None
        self.event_ns = NO_EVENT_NS
        due_ns = self.due_ns
        if due_ns is None:
            return
        if self.set_ns is not None:
            due_ns = wheel_ns(due_ns, self.set_ns)
        if due_ns > fired_ns:
            self.start_event(due_ns)
            return
        self.due_ns = None
        if self._callback is not None:
            self._callback()
