"""The program's clocks, detached from the loop's: for tests that move the loop's clock by hand.

Owns: what ``time``, ``datetime`` and ``time.sleep`` go by where an advance of the loop's clock is
not to move them, as in asynctest's ``ClockedTestCase``: there the loop's clock is a number of the
test's, and the others are the machine's.

Must not know: who advances.

Invariants:

- An advance moves the loop's clock alone, ``time.sleep`` the program's alone. What waits for a lock
  with a timeout moves both, since its end is a timer of the kernel: a program that counts its waits
  by its own clock sees them pass.
- The standard library's own waits (``queue.Queue.get``) go by the kernel's clock, which their
  timeouts go by; else they would wait again and again: :attr:`wait_ns`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from simloop._kernel import seconds

if TYPE_CHECKING:
    from simloop._sandbox.contracts import Clock, ClockLimits

__all__ = ["DetachedClock", "DetachedThreadClock"]


class AdvancingKernel(Protocol):
    """What is needed of the kernel."""

    now_ns: int
    steps: int

    @property
    def limits(self) -> ClockLimits:
        """The limits of the run."""

    def reach(self, target_ns: int | None, /) -> None:
        """Begin an advance, or end it by None."""


class DetachedClock:
    """A clock beside the kernel's, which stands still while that is advanced.

    Args:
        kernel: The kernel; its ``reach`` tells this clock when an advance begins and ends.
    """

    __slots__ = ("_kernel", "_reach", "_slept_ns", "_stopped_ns")

    def __init__(self, kernel: AdvancingKernel) -> None:
        self._kernel = kernel
        self._slept_ns = 0  # How far this clock is ahead of the kernel's; less than 0 if behind.
        self._stopped_ns: int | None = None  # The kernel's time when the advance began.
        self._reach = kernel.reach
        kernel.reach = self._told_reach  # type: ignore[method-assign]  # until attach()

    def _told_reach(self, target_ns: int | None) -> None:
        if target_ns is not None:
            if self._stopped_ns is None:
                self._stopped_ns = self._kernel.now_ns
        elif self._stopped_ns is not None:
            self._slept_ns -= self._kernel.now_ns - self._stopped_ns
            self._stopped_ns = None
        self._reach(target_ns)

    @property
    def limits(self) -> ClockLimits:
        """The limits of the run."""
        return self._kernel.limits

    @property
    def steps(self) -> int:
        """How many steps of the loop's thread have begun."""
        return self._kernel.steps

    @property
    def wait_ns(self) -> int:
        """The time by which waits for locks end."""
        return self._kernel.now_ns

    @property
    def now_ns(self) -> int:
        """Nanoseconds since the world began, as the program's clocks have it."""
        stopped_ns = self._stopped_ns
        return (self._kernel.now_ns if stopped_ns is None else stopped_ns) + self._slept_ns

    def now_s(self) -> float:
        """Return the same in float seconds."""
        return seconds(self.now_ns)

    def block(self, duration_ns: int, /) -> None:
        """Let that much time pass by this clock alone."""
        self._slept_ns += duration_ns

    def attach(self) -> int:
        """End the detachment; return how far this clock was ahead of the kernel's, or 0."""
        self._kernel.reach = self._reach  # type: ignore[method-assign]  # as before
        return max(self.now_ns - self._kernel.now_ns, 0)


class DetachedThreadClock:
    """The same clock for a second thread, which lets others run when it sleeps."""

    __slots__ = ("_clock", "_thread")

    def __init__(self, clock: DetachedClock, thread: Clock) -> None:
        self._clock = clock
        self._thread = thread

    @property
    def limits(self) -> ClockLimits:
        """The limits of the run."""
        return self._clock.limits

    @property
    def steps(self) -> int:
        """Always 0; as for each second thread of a run."""
        return 0

    @property
    def wait_ns(self) -> int:
        """The time by which waits for locks end."""
        return self._clock.wait_ns

    @property
    def now_ns(self) -> int:
        """Nanoseconds since the world began."""
        return self._clock.now_ns

    def now_s(self) -> float:
        """Return the same in float seconds."""
        return self._clock.now_s()

    def block(self, duration_ns: int, /) -> None:
        """Let that much time pass, and others run at the same instant of the loop's clock."""
        self._clock.block(duration_ns)
        self._thread.block(0)
