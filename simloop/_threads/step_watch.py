"""The watch on single steps: what computes for ever in one step is stopped at its line.

Owns: the one thread of the process that looks at steps from outside, and how it raises an error in
the thread that takes one. Limits of steps and of virtual time are asked for between steps, so they
can't end ``while True: pass``; only real time can. What is counted is the time that the thread has
computed, not the wall's: a debugger that stands at a breakpoint, and a machine that is busy with
something else, use up none of it.

Must not know: how a run ends. The error is raised in the program, and what becomes of it is what
becomes of any.

Invariants:

- A run that is not watched pays nothing, and one that is pays nothing for a step.
- No error is raised while the innermost frame is one of ours: the engine is never left halfway.
- The thread is no thread of ``threading``, ends with the process, and sleeps while nothing is
  watched.
"""

from __future__ import annotations

import _thread
import ctypes
import itertools
import math
import os
import sys
from contextlib import contextmanager
from operator import length_hint
from typing import TYPE_CHECKING, Any

from simloop.errors import LimitError

from .real_threads import Gate
from .thread_position import position_of
from .thread_scheduler import computing_time_s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from .thread_scheduler import ThreadScheduler

__all__ = ["StepWatch", "watched_steps"]

_LOOKS = 4
"""How often the watch looks within the limit."""

_PAUSE_MAX_S = 1.0

_start_for_real = _thread.start_new_thread


class StepWatch:
    """The watch on the steps of one run.

    Args:
        scheduler: Which thread of the run has the turn.
        ident: The thread that runs the loop.
        limit_s: How long one step may compute.
        spent_s: Tells the time that a thread has computed, given its identifier.
    """

    def __init__(
        self,
        scheduler: ThreadScheduler,
        ident: int,
        limit_s: float,
        spent_s: Callable[[int], float] = computing_time_s,
    ) -> None:
        self._scheduler = scheduler
        self._ident = ident
        self._limit_s = limit_s
        self._spent_s = spent_s
        self._step: tuple[int, int, int] | None = None
        self._began_s = 0.0

    @property
    def pause_s(self) -> float:
        """How long to wait between two looks."""
        return min(self._limit_s / _LOOKS, _PAUSE_MAX_S)

    def look(self) -> None:
        """Look at the step that is on, and raise an error in it if it has taken too long."""
        current = self._scheduler.current
        ident = self._ident if current is None else current.ident
        frames = sys._current_frames()
        if ident not in frames or self._ident not in frames:
            return
        kernel = self._scheduler.kernel
        step = (ident, kernel.steps, _left_of_turn(frames[self._ident]))
        spent_s = self._spent_s(ident)
        if step != self._step:
            self._step, self._began_s = step, spent_s
            return
        if spent_s - self._began_s < self._limit_s or _is_ours(frames[ident]):
            return
        self._began_s = spent_s  # If the program goes on all the same, it is told again.
        _raise_in(
            ident,
            f"one step has computed for {self._limit_s} s of real time and goes on, at\n"
            f"    {position_of(ident)}\n"
            "Nothing else of the run can happen meanwhile. Let it end or await something; or raise"
            " real_step_limit, the seconds that a step may compute",
        )


def _left_of_turn(frame: FrameType | None) -> int:
    """Return how many steps of its turn a kernel has left, which stands in a frame of its own."""
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith("simloop._kernel."):
            rest = frame.f_locals.get("rest")
            if isinstance(rest, itertools.repeat):
                return length_hint(rest)
        frame = frame.f_back
    return -1


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith("simloop.")


def _raise_in(ident: int, message: str) -> None:
    """Raise a :class:`LimitError` in another thread, at its next instruction.

    CPython takes a class and calls it without arguments (``PyThreadState_SetAsyncExc``), so this
    makes one that knows what it says.
    """

    def init(self: Any, *args: object) -> None:
        LimitError.__init__(self, *(args or (message,)))

    def reduce(self: Any) -> Any:
        return LimitError, self.args

    members = {"__init__": init, "__reduce__": reduce, "__module__": LimitError.__module__}
    kind = type(LimitError.__name__, (LimitError,), members)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(kind))


class Watchman:
    """The thread that looks."""

    def __init__(self) -> None:
        self._watches: dict[StepWatch, None] = {}
        self._bell = Gate()
        self._is_there = False

    def add(self, watch: StepWatch) -> None:
        """Look at the steps of a run from now on."""
        self._watches[watch] = None
        if not self._is_there:
            self._is_there = True
            _start_for_real(self._go_round, ())
        self._bell.open()

    def remove(self, watch: StepWatch) -> None:
        """Look at them no more."""
        self._watches.pop(watch, None)

    def _go_round(self) -> None:
        while True:
            watches = list(self._watches)
            pause_s = min((watch.pause_s for watch in watches), default=-1)
            self._bell.wait(pause_s)
            for watch in watches:
                if watch in self._watches:
                    watch.look()
            del watches


_watchman = Watchman()


def _forget_watchman() -> None:
    """Begin anew in a process that was forked, which has no thread but one."""
    global _watchman  # noqa: PLW0603 - the state of the process
    _watchman = Watchman()


os.register_at_fork(after_in_child=_forget_watchman)


@contextmanager
def watched_steps(
    scheduler: ThreadScheduler,
    limit_s: float | None,
    spent_s: Callable[[int], float] = computing_time_s,
) -> Iterator[None]:
    """Watch the steps that the calling thread runs in the block; not at all without a limit."""
    if limit_s is None or limit_s == math.inf:
        yield
        return
    watch = StepWatch(scheduler, scheduler.bridge.real_ident(), limit_s, spent_s)
    with scheduler.for_real():  # A thread of the run is no watch.
        _watchman.add(watch)
    try:
        yield
    finally:
        _watchman.remove(watch)
