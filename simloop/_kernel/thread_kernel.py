"""The thread kernel: the schedule of a secondary loop, which a thread of the program runs.

Owns: that loop's ready queue and its timers, and running them a turn at a time on the thread that
asks. Clock, streams, limits, observers and the count of steps are the world's kernel's.

Must not know: threads. How to wait is told by the layer above, as a function that returns when the
wait has ended or was cut short.

Invariants:

- Between two turns the thread waits if another thread's schedule is due, and while nothing is.
- Whatever is scheduled while it waits cuts the wait short.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from .early_deadline import exchange
from .kernel import Kernel

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from .handles import Handle, KernelLoop, TimerHandle

__all__ = ["ThreadKernel"]

_Handle = TypeVar("_Handle", bound="Handle | TimerHandle")


class ThreadKernel(Kernel):
    """A second schedule beside the world's, under the same clock.

    Args:
        main: The world's kernel.
        wait: ``wait(until_ns)`` lets others run until then, or until ``wake`` is called.
        wake: Cuts the wait short, from whatever thread; does nothing between waits.
    """

    def __init__(self, main: Kernel, wait: Callable[[int], None], wake: Callable[[], None]) -> None:
        self._main = main
        self._wait = wait
        steps = main.steps
        super().__init__(start_ns=main.now_ns)
        main.steps = steps
        self.streams = main.streams
        self.limits = main.limits
        self._observers = main._observers
        self._followers = main._followers
        self._watched = True
        self._tell_of_timers()
        exchange(self, lambda _when_ns: wake())

    @property
    def now_ns(self) -> int:
        """The world's time."""
        return self._main.now_ns

    @now_ns.setter
    def now_ns(self, value: int) -> None:
        self._main.now_ns = value

    @property
    def steps(self) -> int:
        """How many callbacks have run in the world."""
        return self._main.steps

    @steps.setter
    def steps(self, value: int) -> None:
        self._main.steps = value

    @property
    def autojump(self) -> bool:
        """Whether the world's clock may jump by itself."""
        return self._main.autojump

    @autojump.setter
    def autojump(self, value: bool) -> None:
        self._main.autojump = value

    def _rewatch(self) -> None:
        """Make every turn a watched one: the list of observers is the world's."""
        self._watched = True
        self._tell_of_timers()

    def take_over(self, loop: KernelLoop) -> None:
        """Take from the main kernel what is scheduled there on a loop."""
        _move(self._main.ready, self.ready, loop)
        _move(self._main.io_ready, self.io_ready, loop)
        for timer in self._main.wheel.extract(lambda handle: handle._loop is loop):
            self.wheel.add(timer)

    def run(self, loop: KernelLoop) -> None:
        """Run turns until ``loop`` is told to stop, waiting between them where others are due."""
        while True:
            self.wheel.move_due(self.now_ns, self.ready)
            self.turn()
            if loop._stopping:
                return
            until_ns = self.peek_ns()
            if until_ns > self.now_ns or self._others_are_due():
                self._wait(until_ns)

    def _others_are_due(self) -> bool:
        main = self._main
        return main.peek_ns() <= main.now_ns


def _move(queue: deque[_Handle], target: deque[_Handle], loop: KernelLoop) -> None:
    """Move the handles of a loop from one queue into another."""
    target.extend([handle for handle in queue if handle._loop is loop])
    others = [handle for handle in queue if handle._loop is not loop]
    queue.clear()
    queue.extend(others)
