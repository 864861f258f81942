"""Sparse runs of "timing": one deviation, two or three, and nothing else.

Owns: which schedules are such, and where they deviate. What needs one thing to be late and all
others not is hidden where everything is a little late. There are two sorts:

- One end of a connection is told past the next deadline, in programs with several connections: an
  answer is overtaken by the next one's. Each is tried once, first what each was told first, in
  every other schedule of the beginning.
- In programs with threads, a few places of the undisturbed run, as for "single", but drawn: first
  the kind, then the thing, then the time, so that a thing that is asked about often hides none that
  is asked once.

Measured on other programs, such runs find less than those in which much is late, so there are none.

Must not know: programs.

Invariant: which schedules are sparse does not depend on a draw, so that the others are what they
would be without.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .strategy import DELAY_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .strategy import Measure

__all__ = ["Sparse"]

_EVERY = 8
"""Every which schedule is sparse."""

_COUNTS = (1, 1, 1, 1, 2, 2, 3)
_WEIGHTS = {"preempt": 4}
"""How often a kind is drawn beside the others; most races of threads are found by no other."""

_LONGER = (1, 10, 100)
"""By how many times the run's scale a thread stands still where it is preempted."""


_FIRST = 4
"""The first schedule in which one connection is late, and no other; then every other one."""

_CONNECTION = re.compile("(.*) (?:client|server)")
_ENDS_MAX = 10


class Sparse:
    """The places of the undisturbed run."""

    def __init__(self) -> None:
        # By kind and by name: the positions, and how many options each has.
        self._places: dict[str, dict[str, list[tuple[int, int]]]] = {}
        self._kinds: tuple[str, ...] = ()
        self._ends: list[int] = []  # Positions at which an end of a connection is told something.

    def measured(self, measure: Measure) -> None:
        """Take note of each decision of the undisturbed run."""
        self._places = {}
        for position, point in enumerate(measure.points, 1):
            names = self._places.setdefault(point.key.kind, {})
            names.setdefault(point.key.name, []).append((position, point.options))
        self._kinds = tuple(kind for kind in self._places for _ in range(_WEIGHTS.get(kind, 1)))

        ends: dict[str, list[tuple[int, int]]] = {}  # By the connection.
        for position, point in enumerate(measure.points, 1):
            found = _CONNECTION.match(point.key.name)
            if point.key.kind == "hold" and found:
                ends.setdefault(found[1], []).append((point.key.nth, position))
        asked = sorted(each for told in ends.values() for each in told)
        self._ends = [position for _, position in asked[:_ENDS_MAX]] if len(ends) > 1 else []

    def one_late(self, number: int) -> int:
        """Return the one position at which a schedule deviates, or 0."""
        index, is_odd = divmod(number - _FIRST, 2)
        return 0 if is_odd or not 0 <= index < len(self._ends) else self._ends[index]

    @property
    def has_threads(self) -> bool:
        """Whether threads make calls in which they may be preempted."""
        return "preempt" in self._places

    def has_turn(self, number: int) -> bool:
        """Return whether a schedule is sparse."""
        return self.has_threads and number % _EVERY == 0

    def draw(self, rng: Any, code: Callable[[int], int]) -> dict[int, int]:
        """Return the answers of a run that are not 0, by position.

        Args:
            rng: What draws.
            code: Draws a delay: given a number, one of so many times the run's scale; given 0, any.
        """
        few: dict[int, int] = {}
        for _ in range(rng.choice(_COUNTS)):
            kind = rng.choice(self._kinds)
            positions = rng.choice([*self._places[kind].values()])
            position, options = rng.choice(positions)
            few[position] = _answer(rng, kind, options, code)
        return few


def _answer(rng: Any, kind: str, options: int, code: Callable[[int], int]) -> int:
    if kind not in DELAY_KINDS:
        return int(rng.randrange(1, options))
    return code(rng.choice(_LONGER) if kind == "preempt" else 0)
