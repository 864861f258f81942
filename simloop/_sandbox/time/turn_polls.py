"""Waiting by the clock over many turns: ``while loop.time() < end: await asyncio.sleep(0)``.

Owns: telling such a poll from a program that only does much at one instant, and letting time pass
for it. The loop is never idle meanwhile, so without this the clock would stand still for ever.

How. A look comes when ``clock_reads`` reads were made at one instant in several steps. Then some
reads are compared. One that finds the program where an earlier one found it in an earlier turn (the
same coroutine, at the same instruction, with the same variables) is a *poll*. One whose variables
differ is only after the tenth such look: a program may well do something ten thousand times, but a
coroutine that has read the clock a hundred thousand times at one place, in as many turns and at
one instant, counts its rounds. From then on each turn in which the clock is read at that place
costs what a turn costs outside, ten microseconds, and slowly more: no clock runs away from a
program that was taken for a poll and does work.

Must not know: how a read is counted, and what runs when the clock moves.

Invariants: what is decided depends on counts; reads at other places pass no time; what many tasks
do at one instant, each in a coroutine of its own, is no poll.
"""

from __future__ import annotations

from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from typing import TYPE_CHECKING, Any

from .reading_frames import is_same, outermost, place_of, state_of

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["TurnPolls"]

_LOOKS = 24
"""So many reads in a row are compared: more than tasks that poll by turns, in most programs."""

_ROUNDS = 10
"""Looks at which the variables of a coroutine differed, until it counts as a poll."""

_STEP_NS = 10_000
"""What a turn of a poll costs at first: a call of ``epoll_wait``, and a step of a task."""

_SLOWER = 2_000
"""After so many turns of a poll each costs twice as much, then three times, ..., so that a second
takes some 12,000 turns and a minute 150,000."""

_KEEPS = CO_COROUTINE | CO_GENERATOR | CO_ASYNC_GENERATOR
"""Code whose frame lives through all its steps."""


class TurnPolls:
    """What the reads of one thread at one instant have come to, over its turns."""

    __slots__ = ("_first", "_left", "_others", "_place", "_rounds", "_turn", "polled")

    def __init__(self) -> None:
        self._rounds = 0
        self._left = 0
        # The read that others are compared with: its turn, where it was, and what it found.
        self._first: tuple[int, FrameType | None, list[Any], list[Any]] | None = None
        # Where the poll reads the clock, once one was found.
        self._place: list[Any] | None = None
        self._turn = -1
        self._others = 0
        self.polled = 0
        """In how many turns the poll has read the clock in vain."""

    @property
    def is_comparing(self) -> bool:
        """Whether the next read is one that is compared."""
        return self._left > 0

    @property
    def is_polling(self) -> bool:
        """Whether a poll was found, so that each read is to be looked at."""
        return self._place is not None

    def begin(self) -> None:
        """Compare the next reads: many were made at this instant."""
        self._left = _LOOKS
        self._first = None

    def compare(self, frame: FrameType | None, turn: int) -> None:
        """Compare a read with the first one; nothing is kept when all were compared."""
        self._left -= 1
        place, state = place_of(frame), state_of(frame)
        if self._first is None:
            self._first = turn, outermost(frame), place, state
        elif turn != self._first[0] and place == self._first[2] and self._is_one(frame):
            if not is_same(self._first[3], state):
                self._rounds += 1
                self._left = 0
            if self._left or self._rounds > _ROUNDS:
                self._place, self._turn = place, turn
                self.polled = self._others = self._left = 0
        if not self._left:
            self._first = None

    def _is_one(self, frame: FrameType | None) -> bool:
        """Return whether the same coroutine reads again, in another step; or any callback.

        Each call of a callback has a frame of its own.
        """
        assert self._first is not None
        below = outermost(frame)
        return below is self._first[1] or (below is not None and not below.f_code.co_flags & _KEEPS)

    def passes_ns(self, frame: FrameType | None, turn: int, reads: int) -> int:
        """Return how much time passes with a read; 0 if it is not the poll's, or in its turn.

        Args:
            frame: Where the clock was read.
            turn: How many steps had begun then.
            reads: After so many reads that are not the poll's it has ended.
        """
        if turn == self._turn or place_of(frame) != self._place:
            self._others += 1
            if self._others > reads:
                self._place = None
            return 0
        self._others, self._turn = 0, turn
        self.polled += 1
        return _STEP_NS * (1 + self.polled // _SLOWER)
