"""Hearing that the next deadline moved forward, for a driver that plans ahead.

Owns: the queue and the wheel that notice. A kernel has plain ones; when a driver asks to be told,
it gets a queue, and its wheel a class, that look at each deadline that is added, so that a run
that nothing drives pays nothing for this.

Must not know: what the driver is, and what it does about it.

Invariants:

- The driver is told at most once after each of its questions: it has to ask again anyway.
- While the kernel runs nothing is told: its driver asks when it returns.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from .timer_wheel import TimerWheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .kernel import Kernel

__all__ = ["EarlyDeadline"]


class EarlyDeadline:
    """What the driver was last told, against what is scheduled since.

    Args:
        kernel: The kernel to look at.
        tell: Called when something is due before what the driver knows; from the thread that
            scheduled it.
    """

    def __init__(self, kernel: Kernel, tell: Callable[[], object]) -> None:
        self._kernel = kernel
        self._tell = tell
        self._known_ns = kernel.peek_ns()
        exchange(kernel, self.scheduled)

    def peeked(self, when_ns: int) -> None:
        """Take note of what the driver was told when it asked for the next deadline."""
        self._known_ns = when_ns

    def scheduled(self, when_ns: int) -> None:
        """Hear that something was scheduled; tell the driver if that is news."""
        if when_ns < self._known_ns and not self._kernel.is_running:
            self._known_ns = -1  # Nothing is earlier, until it asks again.
            self._tell()

    def end(self) -> None:
        """Give the kernel its plain queue and wheel back."""
        self._kernel.ready = deque(self._kernel.ready)
        self._kernel.io_ready = deque(self._kernel.io_ready)
        self._kernel.wheel.__class__ = TimerWheel


def exchange(kernel: Kernel, scheduled: Callable[[int], None]) -> None:
    """Make the kernel's queue and wheel tell what is added to them."""

    class NoticingQueue(deque[Any]):
        def append(self, handle: Any, /) -> None:
            super().append(handle)
            scheduled(kernel.now_ns)

        def extend(self, handles: Iterable[Any], /) -> None:
            super().extend(handles)
            if self:
                scheduled(kernel.now_ns)

    class NoticingWheel(TimerWheel):
        __slots__ = ()

        def add(self, handle: Any) -> None:
            super().add(handle)
            scheduled(handle._when_ns)

    kernel.ready = NoticingQueue(kernel.ready)
    kernel.io_ready = NoticingQueue(kernel.io_ready)
    kernel.wheel.__class__ = NoticingWheel
