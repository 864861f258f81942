"""The interval timer of a process: ``signal.setitimer(ITIMER_REAL)`` and ``signal.alarm``.

Owns: when SIGALRM comes next, by the clock of the process's machine. What it does is the process's
dispositions'.

Must not know: who is told of the signal.

Invariants (man 2 setitimer, man 2 alarm):

- Durations are whole microseconds, rounded up; a timer that is set has at least one left.
- One that repeats keeps its beat: a ring that was late, because a callback blocked the world, does
  not move the next one, and those that were missed are one.
- ``alarm`` sets the same timer, and tells whole seconds, half ones rounded up, never 0 of one that
  is set (``alarm_setitimer`` in Linux's kernel/time/itimer.c).
- It rings as an event of the kernel's, so what a handler raises comes out of the loop that runs, as
  out of its ``select`` outside; and in the middle of a call that blocks the world, be it a sleep
  or a wait for a lock, a thread, a socket (PEP 475: the wait goes on, unless the handler raises).
"""

from __future__ import annotations

import operator
import weakref
from errno import EINVAL
from os import strerror
from typing import TYPE_CHECKING, Any

from simloop._kernel import NS_PER_SECOND
from simloop.net.linux import signal_names as signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop._kernel import Kernel, TimerHandle

    from .process_clock import ProcessClock

__all__ = ["IntervalTimer"]

_US = 1000
_SECONDS_MAX = 1 << 63


class IntervalTimer:
    """The timer of real time of one process.

    Args:
        kernel: The clock and the schedule by which it rings.
        ring: Called each time.
        own_clock: Returns the clock of the machine; None where that is the world's.

    Example:
        >>> from simloop._kernel import Kernel
        >>> timer = IntervalTimer(Kernel(), print)
        >>> timer.set(1.5, 0.25), timer.set(0.0, 0.0), timer.get()
        ((0.0, 0.0), (1.5, 0.25), (0.0, 0.0))
    """

    def __init__(
        self,
        kernel: Kernel,
        ring: Callable[[], object],
        own_clock: Callable[[], ProcessClock | None] = lambda: None,
    ) -> None:
        self._kernel = kernel
        self._ring = ring
        self._own_clock = own_clock
        self._handle: TimerHandle | None = None
        self._due_ns = 0
        self._interval_ns = 0

    def set(self, delay: object, interval: object) -> tuple[float, float]:
        """Ring after ``delay`` seconds, then every ``interval``; 0 stops it. Return :meth:`get`.

        Raises:
            signal.ItimerError: A duration is negative.
            TypeError: One is no number.
            ValueError: One is not a number of seconds.
        """
        delay_ns, interval_ns = _whole_us(delay), _whole_us(interval)
        if delay_ns < 0 or interval_ns < 0:
            raise signal.ItimerError(EINVAL, strerror(EINVAL))
        before = self.get()
        self._stop()
        if delay_ns:
            self._interval_ns = interval_ns
            self._start(self._now_ns() + delay_ns)
        return before

    def get(self) -> tuple[float, float]:
        """Return in how many seconds it rings, and how long the pauses are then; zeros if never."""
        return self._left_ns() // _US / 1e6, self._interval_ns // _US / 1e6

    def alarm(self, seconds: Any) -> int:
        """Ring once after so many seconds, 0 stops it; return how many were left."""
        left_s, rest_ns = divmod(self._left_ns(), NS_PER_SECOND)
        self.set(operator.index(seconds), 0)
        rounds_up = rest_ns >= NS_PER_SECOND // 2 or (rest_ns and not left_s)
        return left_s + 1 if rounds_up else left_s

    def _left_ns(self) -> int:
        if self._handle is None:
            return 0
        return max(self._due_ns - self._now_ns(), _US)

    def look_again(self) -> None:
        """Ring when the machine's clock shows the time: it now runs at another rate."""
        if self._handle is not None:
            interval_ns = self._interval_ns
            self._stop()
            self._interval_ns = interval_ns
            self._start(self._due_ns)

    def _now_ns(self) -> int:
        return (self._own_clock() or self._kernel).now_ns

    def _start(self, due_ns: int) -> None:
        clock = self._own_clock()
        when_ns = due_ns if clock is None else clock.true_ns(due_ns)
        self._due_ns = due_ns
        self._handle = self._kernel.call_at_ns(when_ns, self._rings)
        self._alarms().due.append(self._handle)

    def _stop(self) -> None:
        handle, self._handle = self._handle, None
        self._interval_ns = 0
        if handle is not None:
            self._alarms().due.remove(handle)
            handle.cancel()

    def _alarms(self) -> _Alarms:
        alarms = self._kernel.before_block
        if not isinstance(alarms, _Alarms):
            alarms = self._kernel.before_block = _Alarms(self._kernel)
        return alarms

    def _rings(self) -> None:
        interval_ns = self._interval_ns
        self._stop()
        if interval_ns:
            missed = (self._now_ns() - self._due_ns) // interval_ns
            self._interval_ns = interval_ns
            self._start(self._due_ns + (missed + 1) * interval_ns)
        self._ring()


class _Alarms:
    """The timers that are set in a world, which ring in the middle of what blocks it."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel: Kernel = weakref.proxy(kernel)
        self._is_blocking = False
        self.due: list[TimerHandle] = []

    def __call__(self, until_ns: int) -> None:
        """Block the world up to each timer that rings until then, and let it ring."""
        kernel = self._kernel
        if self._is_blocking:
            return  # Up to the timer that is waited for there is no other.
        while (handle := self._first(until_ns)) is not None:
            self._is_blocking = True
            try:
                kernel.block(max(handle._when_ns - kernel.now_ns, 0))
            finally:
                self._is_blocking = False
            if handle in self.due:  # Else a thread has stopped it, or a turn has rung it.
                handle._run()

    def rings_by(self, until_ns: int) -> bool:
        """Let a timer ring in the middle of a wait of the loop's thread; false if none is due.

        Args:
            until_ns: When something else comes, up to which nothing else can.
        """
        handle = None if self._is_blocking else self._first(until_ns)
        if handle is None:
            return False
        self._kernel.move_to(max(handle._when_ns, self._kernel.now_ns))
        handle._run()
        return True

    def _first(self, until_ns: int) -> TimerHandle | None:
        due = [handle for handle in self.due if handle._when_ns <= until_ns]
        return min(due, key=lambda handle: handle._when_ns, default=None)


def _whole_us(seconds: Any) -> int:
    """Return a duration in nanoseconds, of whole microseconds, rounded up."""
    if not isinstance(seconds, float):
        seconds = operator.index(seconds)
    if seconds != seconds:  # noqa: PLR0124 - not a number
        raise ValueError("Invalid value NaN (not a number)")
    if not -_SECONDS_MAX <= seconds < _SECONDS_MAX:
        raise OverflowError("timestamp out of range for platform time_t")
    whole = int(seconds // 1)
    return whole * NS_PER_SECOND + -int(-((seconds - whole) * 1_000_000) // 1) * _US
