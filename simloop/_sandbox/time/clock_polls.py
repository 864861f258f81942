"""Waiting by the clock: what it costs to read a clock again and again in one step.

Owns: telling a program that waits for a time by reading a clock (``while time.monotonic() < end:
pass``) from one that only reads it often, and letting time pass for both, as it would outside. In
a world computing takes no time, so without this the first would spin for ever.

How. Each read counts one word of the context down. When that is used up, one look: if all the
reads were made in one step, at one instant, the thread polls, and from then on each read lets a
little time pass, as ``time.sleep`` does (``Clock.block``: other threads run meanwhile, timers
become due).

- A read that finds the program exactly where the last one found it (the same frames, at the same
  instruction, with the same variables) is a *wait*: nothing but the clock can end it. Its steps
  grow with what has passed, so that a second takes some ten thousand reads and a day twice as many.
- Other reads are *work* (20,000 lines are logged in one step): each costs a microsecond, which is
  less than it does outside. Only after 100,000 of them do the steps grow, for a wait that counts
  its own rounds.

Must not know: which threads there are, and what runs when the clock moves.

Invariants: what is decided depends on counts, never on real time; a program that reads a clock
less than ``clock_reads`` times in a step sees no difference; a wait ends or is a LimitError.
"""

from __future__ import annotations

import itertools
import linecache
import sys
from operator import length_hint
from typing import TYPE_CHECKING, Any

from simloop._kernel import NS_PER_SECOND, seconds
from simloop._sandbox.run_context import by_thread, get_ident
from simloop.errors import LimitError

if TYPE_CHECKING:
    from types import FrameType

    from simloop._sandbox.contracts import Clock
    from simloop._sandbox.run_context import RunContext

__all__ = ["ClockPolls", "read", "read_again"]

_STEP_NS = 1000
"""What one read costs at first: a call of ``clock_gettime`` and what the loop around it does."""

_GROWTH = 1000
"""A wait overshoots by this part of itself at most."""

_WORK_BATCH = 10
"""So many reads that look like work are one look, and cost their time together."""

_WORK_LOOKS = 10_000
"""After so many looks at work each costs twice as much, then three times, ..."""

_LOOKS = 3
"""How many reads in a row must find the same for a wait; the clock stands still for these."""

_LOOK_AGAIN = 1000
"""After so many looks a poll is looked at anew: work may have become a wait."""

_WAIT_MAX_NS = 366 * 86_400 * NS_PER_SECOND
"""No program waits for a year by reading the clock: what it waits for is not a time."""

_UNLIMITED = 1 << 62

_PLAIN = (int, float, str, bytes, bool, type(None))
"""Types whose values are compared by what they are worth; others by which object it is."""


class ClockPolls:
    """What one thread's reads have come to."""

    __slots__ = ("_began_ns", "_count", "_is_wait", "_now_ns", "_seen", "_step")

    def __init__(self) -> None:
        self._step: tuple[int, int] = (-1, -1)
        self._now_ns = -1
        self._began_ns = 0
        self._count = 0
        self._is_wait = False
        # What the last read found, between two reads that are compared; else it keeps nothing.
        self._seen: list[Any] | None = None

    def again(self, run: RunContext) -> int:
        """Look at a read, and let time pass if the thread polls; return how many come unseen now.

        Raises:
            LimitError: A wait that no time ends, or that would pass ``max_time``.
        """
        clock = run.clock
        reads = clock.limits.clock_reads
        step = _step_of(clock)
        if step != self._step or clock.now_ns != self._now_ns:
            self._step, self._now_ns = step, clock.now_ns
            self._count, self._seen = 0, None
            self._is_wait = False
            return reads
        count = self._count
        self._count = count + 1
        if count % _LOOK_AGAIN < _LOOKS:
            self._compare(count % _LOOK_AGAIN, clock.now_ns)
            return 0
        self._let_pass(run)
        return 0 if self._is_wait else _WORK_BATCH - 1

    def _compare(self, look: int, now_ns: int) -> None:
        """Find out whether the program is where it was at the last read."""
        seen, self._seen = self._seen, _state_of(_reader())
        if look == 0:
            return
        is_wait = _same(seen, self._seen)
        if is_wait and not self._is_wait and look == 1:
            self._began_ns = now_ns
        self._is_wait = is_wait and (self._is_wait or look == 1)
        if look == _LOOKS - 1:
            self._seen = None

    def _let_pass(self, run: RunContext) -> None:
        """Let some time pass."""
        clock, now_ns = run.clock, self._now_ns
        if self._is_wait:
            passed_ns = now_ns - self._began_ns
            if passed_ns > _WAIT_MAX_NS:
                raise LimitError(
                    f"the program reads the clock again and again in one step, and"
                    f" {seconds(passed_ns):.0f} s of virtual time have not ended that, at\n"
                    f"    {_position(_reader())}\n"
                    "What it waits for is no time: await it, or let it sleep (time.sleep, which is"
                    " virtual)"
                )
            step_ns = max(_STEP_NS, passed_ns // _GROWTH)
        else:
            step_ns = _WORK_BATCH * _STEP_NS * (1 + self._count // _WORK_LOOKS)
        if now_ns + step_ns > clock.limits.time_max_ns:
            raise LimitError(
                f"the program reads the clock again and again in one step, and time has passed up"
                f" to the limit of {seconds(clock.limits.time_max_ns)} s, at\n"
                f"    {_position(_reader())}\n"
                "Raise max_time to go on"
            )
        if run.threads is None or not run.threads.waits_for_real_work():
            clock.block(step_ns)
        self._now_ns = clock.now_ns
        if clock.steps != self._step[0]:
            self._step = _step_of(clock)  # Others had steps of their own meanwhile.


def read(run: RunContext) -> int:
    """Return what the clock of a run shows, counting the read; hot functions spell this out."""
    run.reads_left -= 1
    if run.reads_left < 0:
        read_again(run)
    return run.clock.now_ns


def read_again(run: RunContext | None = None) -> int:
    """Look at what a thread's reads have come to; return how many may come unseen."""
    if run is None:
        run = by_thread.get(get_ident())
        if run is None:
            return _UNLIMITED  # Outside of runs time passes by itself.
    run.reads_left = 0  # Where time passes others may read, and come here, too.
    if run.polls is None:
        run.polls = ClockPolls()
    run.reads_left = run.polls.again(run)
    return run.reads_left


def _step_of(clock: Clock) -> tuple[int, int]:
    """Return which step of the run this is.

    Of a thread all is one step: how often it waited meanwhile says nothing of what it waits for.
    The kernel counts the steps of a turn when it begins. How many of them are left stands in the
    iterator of the turn that runs, as a variable of a frame below: asked for there, when it
    matters, a step pays nothing for being told from the next.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith("simloop._kernel."):
            rest = frame.f_locals.get("rest")
            if isinstance(rest, itertools.repeat):
                return clock.steps, length_hint(rest)
        frame = frame.f_back
    return clock.steps, 0


def _reader() -> FrameType | None:
    """Return the frame of the program that reads the clock."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_ours(frame):
        frame = frame.f_back
    return frame


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith("simloop.")


def _state_of(frame: FrameType | None) -> list[Any]:
    """Return where the program stands, and what its variables hold, up to where we called it."""
    state: list[Any] = []
    while frame is not None and not _is_ours(frame):
        state += (frame.f_code, frame.f_lasti)
        state.extend(frame.f_locals.values())
        frame = frame.f_back
    return state


def _same(before: list[Any] | None, after: list[Any]) -> bool:
    return before is not None and len(before) == len(after) and all(map(_is_same, before, after))


def _is_same(before: Any, after: Any) -> bool:
    if before is after:
        return True
    return type(before) is type(after) and type(before) in _PLAIN and bool(before == after)


def _position(frame: FrameType | None) -> str:
    """Return ``file:line in function: source`` of a frame, for people."""
    if frame is None:
        return "no line of Python"
    code = frame.f_code
    source = linecache.getline(code.co_filename, frame.f_lineno).strip()
    return f"{code.co_filename}:{frame.f_lineno} in {code.co_qualname}: {source}"
