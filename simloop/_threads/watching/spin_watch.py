"""The watch on the loop's own thread: does it spin on a flag that another thread is to set?

Owns: noticing that the loop's thread has computed for a while in one step, and letting it be
looked at as other threads are (:mod:`simloop._threads.spinning`). If it only goes round and round,
it yields at each round: threads of the run take their turns in the middle of the step, and time
passes, as if the program slept there. That is what ``while not flag: pass`` comes to outside, where
threads are preempted.

Must not know: how lines are looked at.

Invariants:

- Only a run that has threads is watched. In one without, nothing could set the flag.
- Nothing but the step in which the thread was found is looked at: what a later step repeats, a
  callback that is called twenty times, is no spin.
- A thread that another tool traces (3.11: coverage, a debugger) is left alone.
"""

from __future__ import annotations

import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

from simloop._threads.spinning import (
    SPIN_S,
    is_traced,
    look_for_spin,
    raise_failure,
    thread_state,
)
from simloop._threads.thread_position import computing_time_s, step_of

from . import watchman

if TYPE_CHECKING:
    from simloop._kernel import Kernel
    from simloop._threads.real_threads import Patience
    from simloop._threads.spinning import Spin

__all__ = ["SpinWatch"]


class _LoopThread:
    """The loop's own thread, as one that may spin."""

    def __init__(self, scheduler: Any, ident: int) -> None:
        self.__qualname__ = "the loop's own thread"
        self._find = weakref.ref(scheduler)
        self.ident: int = ident
        self.state: Any = None if sys.gettrace() is not None else thread_state()
        self.spin: Spin | None = None
        self.step = (-1, -1)
        """In which step of the kernel it was found."""
        self._patience: Patience | None = None

    @property
    def kernel(self) -> Kernel:
        """The schedule of its steps; held by the world alone, which may be gone first."""
        kernel: Kernel = self.threads.kernel
        return kernel

    @property
    def threads(self) -> Any:
        """The scheduler, or None when the world is gone."""
        return self._find()

    def is_in_turn(self) -> bool:
        """Return whether it is still in the step in which it was found."""
        threads = self.threads
        return threads is not None and threads.current is None and self.step == step_of(self.kernel)

    def sleep(self, duration_ns: int) -> None:
        """Let the threads of the run go on, or one from outside, and time pass."""
        threads = self.threads
        if not threads.awake and not threads.asleep and self._hears_from_outside():
            return
        self.kernel.block(duration_ns)
        self.step = step_of(self.kernel)  # Others had steps of their own.

    def _hears_from_outside(self) -> bool:
        real_work = self.threads.real_work
        if self._patience is None:
            self._patience = real_work.patience()
        return bool(real_work.hears_from_unknown_threads(self._patience))


class SpinWatch:
    """The watch on the thread that runs the loops of one world.

    Args:
        scheduler: The threads of the world, which it holds weakly.
    """

    pause_s: float = SPIN_S

    def __init__(self, scheduler: Any) -> None:
        self._find = weakref.ref(scheduler)
        self._thread: _LoopThread | None = None
        self._turn = -1
        self._began_s = 0.0

    def begin(self, ident: int) -> None:
        """Look at the calling thread from now on, given its identifier."""
        scheduler = self._find()
        if scheduler is None or (self._thread is not None and self._thread.ident == ident):
            return
        first = self._thread is None
        self._thread = _LoopThread(scheduler, ident)
        if first:
            with scheduler.for_real():
                watchman.add(self)

    def end(self) -> None:
        """Look no longer."""
        watchman.remove(self)
        thread, self._thread = self._thread, None
        if thread is not None and thread.spin is not None:
            thread.spin.end()

    def look(self) -> None:
        """Look at the step that is on; called on the watchman's thread."""
        thread, scheduler = self._thread, self._find()
        if thread is None or scheduler is None:
            self.end()
            return
        if scheduler.current is not None or raise_failure(thread):
            return
        kernel = scheduler.kernel
        if thread.spin is None and not self._has_computed(thread, kernel.steps):
            return
        step = step_of(kernel)
        if thread.spin is not None:
            if step != thread.step:
                thread.spin.end()
        elif kernel.is_running and not is_traced(thread):
            thread.step = step
            look_for_spin(thread)

    def _has_computed(self, thread: _LoopThread, steps: int) -> bool:
        """Return whether a thread has computed for a while in its turn, or again for so long."""
        if thread.ident not in vars(threading)["_active"]:
            return False  # It has ended, and no clock is left that could be asked.
        spent_s = computing_time_s(thread.ident)
        if self._turn != steps:
            self._turn, self._began_s = steps, spent_s
        elif spent_s - self._began_s >= SPIN_S:
            self._began_s = spent_s
            return True
        return False
