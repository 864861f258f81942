"""Waiting by the clock: what it costs to read a clock again and again in one step.

Owns: telling a program that waits for a time by reading a clock (``while time.monotonic() < end:
pass``) from one that only reads it often, and letting time pass for both, as it would outside. In
a world computing takes no time, so without this the first would spin for ever.

How. Each read takes one item of the context's iterator: counting a word down would cost twice as
much, for each count is a new number. When that is used up, one look: if all the
reads were made in one step, at one instant, the thread polls, and from then on each read lets a
little time pass, as ``time.sleep`` does (``Clock.block``: other threads run meanwhile, timers
become due).

- A read that finds the program exactly where the last one found it (the same frames, at the same
  instruction, with the same variables) is a *wait*: nothing but the clock can end it. Its steps
  grow with what has passed, so that a second takes some ten thousand reads and a day twice as many.
- Other reads are *work* (20,000 lines are logged in one step): each costs a microsecond, which is
  less than it does outside. Only after 100,000 of them do the steps grow, for a wait that counts
  its own rounds.

- A poll over many turns, each of which yields to the loop, is :mod:`.turn_polls`'.

With ``clock_tick`` each read takes time, as it does outside, and is looked at for that. What waits
by reading is found as without it: by counting the reads between which nothing else moved the clock.

Must not know: which threads there are, and what runs when the clock moves.

Invariants: what is decided depends on counts, never on real time; a program that reads a clock
less than ``clock_reads`` times in a step sees no difference; a wait ends or is a LimitError.
"""

from __future__ import annotations

import sys
from itertools import repeat
from operator import length_hint
from typing import TYPE_CHECKING, Any

from simloop._kernel import NS_PER_SECOND, seconds
from simloop._kernel.safe_looks import variables_of
from simloop._sandbox.run_context import by_thread, get_ident
from simloop.errors import LimitError

from .cpu_time import spend, used_ns
from .reading_frames import is_same, position_of, reader, state_of
from .turn_polls import TurnPolls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from simloop._sandbox.contracts import Clock
    from simloop._sandbox.run_context import RunContext

__all__ = ["ClockPolls", "cpu_ns", "read", "read_again", "reads_of_loop"]

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


class ClockPolls:
    """What one thread's reads have come to."""

    __slots__ = (
        "_began_ns", "_count", "_is_wait", "_now_ns", "_seen", "_step", "_ticks_left", "_turns",
        "begun",
    )  # fmt: skip

    def __init__(self) -> None:
        self._step: tuple[int, int] = (-1, -1)
        self._now_ns = -1
        self._began_ns = 0
        self._count = 0
        self._is_wait = False
        # What the last read found, between two reads that are compared; else it keeps nothing.
        self._seen: list[Any] | None = None
        # What the reads of many steps at one instant have come to.
        self._turns: TurnPolls | None = None
        # How many reads take the tick alone, before one is looked at.
        self._ticks_left = 0
        self.begun: object = None
        """Which counting of reads is on: another object with each that began."""

    def again(self, run: RunContext) -> int:
        """Look at a read, and let time pass if the thread polls; return how many come unseen now.

        Raises:
            LimitError: A wait that no time ends, or that would pass ``max_time``.
        """
        if run.clock.limits.clock_tick_ns:
            return self._tick(run)
        return self._look(run)

    def has_just_begun(self, clock: Clock, begun: object) -> bool:
        """Return whether another counter began to count at this instant, after this one's reads."""
        if clock.limits.clock_tick_ns:
            return False
        return begun is not self.begun and clock.now_ns == self._now_ns

    def _tick(self, run: RunContext) -> int:
        """Let a read take its time; look at it when as many came as would come unseen."""
        clock = run.clock
        self._ticks_left -= 1
        if self._ticks_left < 0 or clock.now_ns != self._now_ns:
            self._ticks_left = self._look(run)
        self._pass(run, clock.limits.clock_tick_ns, "in one step")
        return 0

    def _look(self, run: RunContext) -> int:
        clock = run.clock
        if clock.now_ns != self._now_ns:
            self._now_ns, self._turns = clock.now_ns, None
            return self._begin(clock)
        turns = self._turns
        if turns is not None and (turns.is_comparing or turns.is_polling):
            return self._look_at_turn(run, turns)
        if _step_of(clock) != self._step:
            if turns is None:
                turns = self._turns = TurnPolls()
            turns.begin()
            return 0
        count = self._count
        self._count = count + 1
        if count % _LOOK_AGAIN < _LOOKS:
            self._compare(count % _LOOK_AGAIN, clock.now_ns)
            return 0
        self._let_pass(run)
        return 0 if self._is_wait else _WORK_BATCH - 1

    def _begin(self, clock: Clock) -> int:
        """Begin to count the reads of a step; return how many come unseen."""
        self._step = _step_of(clock)
        self._count, self._seen, self.begun = 0, None, object()
        self._is_wait = False
        return clock.limits.clock_reads

    def _look_at_turn(self, run: RunContext, turns: TurnPolls) -> int:
        """Look at a read of one of many turns at one instant, as :meth:`again` does."""
        clock, frame = run.clock, reader()
        if turns.is_comparing:
            turns.compare(frame, clock.steps)
        else:
            step_ns = turns.passes_ns(frame, clock.steps, clock.limits.clock_reads)
            if step_ns and turns.polled > clock.limits.livelock_steps:
                raise LimitError(
                    f"the program has read the clock in {turns.polled} turns, and still waits at"
                    f" {seconds(clock.now_ns):.0f} s of virtual time, at\n"
                    f"    {position_of(frame)}\n"
                    "Let it sleep until then (asyncio.sleep with a delay above 0), or raise"
                    " livelock_steps"
                )
            if step_ns:
                self._pass(run, step_ns, "turn after turn")
        return 0 if turns.is_comparing or turns.is_polling else self._begin(clock)

    def _compare(self, look: int, now_ns: int) -> None:
        """Find out whether the program is where it was at the last read."""
        seen, self._seen = self._seen, state_of(reader())
        if look == 0:
            return
        is_wait = is_same(seen, self._seen)
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
                    f"    {position_of(reader())}\n"
                    "What it waits for is no time: await it, or let it sleep (time.sleep, which is"
                    " virtual)"
                )
            step_ns = max(_STEP_NS, passed_ns // _GROWTH)
        else:
            step_ns = _WORK_BATCH * _STEP_NS * (1 + self._count // _WORK_LOOKS)
        self._pass(run, step_ns, "in one step")
        if clock.steps != self._step[0]:
            self._step = _step_of(clock)  # Others had steps of their own meanwhile.

    def _pass(self, run: RunContext, step_ns: int, how: str) -> None:
        clock = run.clock
        if clock.now_ns + step_ns > clock.limits.time_max_ns:
            raise LimitError(
                f"the program reads the clock again and again {how}, and time has passed up"
                f" to the limit of {seconds(clock.limits.time_max_ns)} s, at\n"
                f"    {position_of(reader())}\n"
                "Raise max_time to go on"
            )
        if run.threads is None or not run.threads.waits_for_real_work():
            clock.block(step_ns)
            spend(run, step_ns)
        self._now_ns = clock.now_ns


def read(run: RunContext) -> int:
    """Return what the clock of a run shows, counting the read; hot functions spell this out."""
    for _ in run.reads:
        break
    else:
        read_again(run)
    return run.clock.now_ns


def cpu_ns(run: RunContext, *, of_thread: bool = False) -> int:
    """Return the CPU time of the caller's process or thread, counting the read."""
    read(run)
    return used_ns(run, of_thread=of_thread)


def read_again(run: RunContext) -> int:
    """Look at what a thread's reads have come to; return how many may come unseen."""
    run.reads = repeat(None, 0)  # Where time passes others may read, and come here, too.
    if run.polls is None:
        run.polls = ClockPolls()
    unseen = run.polls.again(run)
    run.reads = repeat(None, unseen)
    return unseen


def reads_of_loop(begun: object) -> tuple[Iterator[None], object]:
    """Look at what a loop's reads have come to, which it counts itself.

    Args:
        begun: Which counting of the thread's they were a part of.

    Returns:
        As many items as may come unseen, and which counting these are a part of.
    """
    run = by_thread.get(get_ident())
    if run is None:
        return repeat(None, _UNLIMITED), begun  # Outside of runs time passes by itself.
    polls = run.polls
    if polls is None or not polls.has_just_begun(run.clock, begun):
        unseen = read_again(run)
    else:
        unseen = run.clock.limits.clock_reads
    assert run.polls is not None
    return repeat(None, unseen), run.polls.begun


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
            rest = variables_of(frame).get("rest")
            if hasattr(rest, "__length_hint__"):
                return clock.steps, length_hint(rest)
        frame = frame.f_back
    return clock.steps, 0
