"""The watch on single steps: what computes for ever in one step is stopped at its line.

Owns: what is looked for in a step from outside, and how an error is raised in the thread that takes
it; the thread that looks is the :mod:`.watching.watchman`. Limits of steps and of virtual time are
asked for between steps, so they can't end ``while True: pass``; only real time can. What is counted
is the time that the thread has computed, not the wall's: a debugger that stands at a breakpoint,
and a machine that is busy with something else, use up none of it.

Must not know: how a run ends. The error is raised in the program, and what becomes of it is what
becomes of any.

Invariants:

- A run that is not watched pays nothing, and one that is pays nothing for a step.
- Frames, which keep alive what their thread lets go of meanwhile, are asked for only of a step that
  has taken too long: what a run lets go of is freed in the run.
- No error is raised while the innermost frame is one of ours. It comes at the thread's next
  instruction that asks for it, which may be one of ours by then: so what must not be left halfway,
  the seal's exit above all, is behind the watch's end, after which no error comes any more.
"""

from __future__ import annotations

import ctypes
import math
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from simloop._threads.watching import watchman
from simloop.errors import LimitError

from .real_threads import Gate
from .thread_position import computing_time_s, position_of, step_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .thread_scheduler import ThreadScheduler

__all__ = ["StepWatch", "watched_steps"]

_LOOKS = 4
"""How often the watch looks within the limit."""

_PAUSE_MAX_S = 1.0

_LOOK_S = 0.001
"""About how long a look takes."""


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
        self._is_over = False
        self._is_looking = False
        self._has_raised = False

    @property
    def pause_s(self) -> float:
        """How long to wait between two looks."""
        return min(self._limit_s / _LOOKS, _PAUSE_MAX_S)

    def look(self) -> None:
        """Look at the step that is on, and raise an error in it if it has taken too long."""
        self._is_looking = True
        try:
            if not self._is_over:
                self._look()
        finally:
            self._is_looking = False

    def end(self) -> None:
        """Look no more; called by the thread that is watched, whose errors may come until then."""
        self._is_over = True
        while self._is_looking:
            Gate().wait(_LOOK_S)
        watchman.remove(self)
        if self._has_raised:
            self._take_back()

    def _take_back(self) -> None:
        """Let come here what was raised and has not come yet."""
        # By another error in its place, of which a thread has one at most. Taken back by NULL it
        # leaves the interpreter with something to do for ever (CPython 3.11, Python/ceval.c:
        # eval_breaker), and one that traces never comes past the next call.
        try:
            _raise_in(self._ident, LimitError)
            while True:
                pass
        except LimitError:
            return

    def _look(self) -> None:
        current = self._scheduler.current
        ident = self._ident if current is None else current.ident
        if not ident or (current is not None and current.has_ended):
            return
        step = (ident, *step_of(self._scheduler.kernel))
        try:
            spent_s = self._spent_s(ident)
        except OSError:
            return  # The thread has ended just now.
        if step != self._step:
            self._step, self._began_s = step, spent_s
            return
        if spent_s - self._began_s < self._limit_s or _is_ours_in(ident):
            return
        self._began_s = spent_s  # If the program goes on all the same, it is told again.
        kind = _error_that_says(
            f"one step has computed for {self._limit_s} s of real time and goes on, at\n"
            f"    {position_of(ident)}\n"
            "Nothing else of the run can happen meanwhile. Let it end or await something; or raise"
            " real_step_limit, the seconds that a step may compute"
        )
        if not _is_ours_in(ident):  # Making the error took its time.
            self._has_raised = True
            _raise_in(ident, kind)


def _is_ours_in(ident: int) -> bool:
    """Return whether a thread is in the engine at the moment, or over."""
    frame = sys._current_frames().get(ident)
    return frame is None or str(frame.f_globals.get("__name__")).startswith("simloop.")


def _error_that_says(message: str) -> type[LimitError]:
    """Make a class of :class:`LimitError` that is called without arguments, and says this."""

    def init(self: Any, *args: object) -> None:
        LimitError.__init__(self, *(args or (message,)))

    def reduce(self: Any) -> Any:
        return LimitError, self.args

    members = {"__init__": init, "__reduce__": reduce, "__module__": LimitError.__module__}
    return type(LimitError.__name__, (LimitError,), members)


def _raise_in(ident: int, kind: type[LimitError]) -> None:
    """Raise an error in a thread, at its next instruction.

    CPython takes a class and calls it without arguments (``PyThreadState_SetAsyncExc``).
    """
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(kind))


@contextmanager
def watched_steps(
    scheduler: ThreadScheduler,
    limit_s: float | None,
    spent_s: Callable[[int], float] = computing_time_s,
) -> Iterator[None]:
    """Watch the steps that the calling thread runs in the block; not at all without a limit.

    After the block no error of the watch comes any more.
    """
    if limit_s is None or limit_s == math.inf:
        yield
        return
    watch = StepWatch(scheduler, scheduler.bridge.real_ident(), limit_s, spent_s)
    with scheduler.for_real():  # A thread of the run is no watch.
        watchman.add(watch)
    try:
        yield
    finally:
        is_over = False
        while not is_over:
            try:
                watch.end()
                is_over = True
            except LimitError:  # It was on its way: the step has ended by itself meanwhile.
                continue
