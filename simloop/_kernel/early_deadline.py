"""The early deadline: telling a driver that the next deadline moved forward.

A driver is a simulator that steps the loop from outside and plans ahead by what ``peek`` returned.

Owns: the queue and the wheel that notice. A kernel has plain ones; when a driver asks to be told,
it gets a queue, and its wheel a class, that look at each deadline that is added, so that a run
without a driver pays nothing for this.

Must not know: who the driver is, and what it does about it; how the kernel runs. Of the kernel it
knows :class:`Schedule`.

Invariants:

- The driver is told at most once after each ``peek``: it has to ask again anyway.
- While the kernel runs nothing is told: the driver asks when the kernel returns.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol, TypeVar

from .timer_wheel import TellingWheel, TimerWheel, tell_timers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .handles import Handle, TimerHandle

__all__ = ["EarlyDeadline"]

_Handle = TypeVar("_Handle", bound="Handle | TimerHandle")


class Schedule(Protocol):
    """What is watched for early deadlines: the kernel."""

    ready: deque[Handle | TimerHandle]
    io_ready: deque[Handle]
    wheel: TimerWheel
    is_running: bool

    @property
    def now_ns(self) -> int:
        """The time."""

    def peek_ns(self) -> int:
        """Return when the next callback is due."""


class EarlyDeadline:
    """What the driver was last told, against what is scheduled since.

    Args:
        kernel: The kernel to look at.
        tell: Called when something is due before what the driver knows; from the thread that
            scheduled it.
    """

    def __init__(self, kernel: Schedule, tell: Callable[[], object]) -> None:
        self._kernel = kernel
        self._tell = tell
        self._known_ns = kernel.peek_ns()
        exchange(kernel, self.scheduled)

    def peeked(self, when_ns: int) -> None:
        """Keep what the driver was told when it asked for the next deadline."""
        self._known_ns = when_ns

    def scheduled(self, when_ns: int) -> None:
        """Tell the driver if what was scheduled is due before what it knows."""
        if when_ns < self._known_ns and not self._kernel.is_running:
            self._known_ns = -1  # Nothing is earlier, until it asks again.
            self._tell()

    def end(self) -> None:
        """Give the kernel a plain queue and wheel again."""
        self._kernel.ready = deque(self._kernel.ready)
        self._kernel.io_ready = deque(self._kernel.io_ready)
        wheel = self._kernel.wheel
        wheel.__class__ = TimerWheel
        tell_timers(wheel, wheel.tell)


def exchange(kernel: Schedule, scheduled: Callable[[int], None]) -> None:
    """Exchange the kernel's queue and the wheel's class for ones that tell what is added."""

    class NoticingQueue(deque[_Handle]):
        def append(self, handle: _Handle, /) -> None:
            super().append(handle)
            scheduled(kernel.now_ns)

        def extend(self, handles: Iterable[_Handle], /) -> None:
            super().extend(handles)
            if self:
                scheduled(kernel.now_ns)

    class NoticingWheel(TellingWheel):
        __slots__ = ()

        def add(self, handle: TimerHandle) -> None:
            super().add(handle)
            scheduled(handle._when_ns)

    kernel.ready = NoticingQueue(kernel.ready)
    kernel.io_ready = NoticingQueue(kernel.io_ready)
    kernel.wheel.__class__ = NoticingWheel
