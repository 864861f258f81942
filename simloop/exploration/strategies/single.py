"""The strategies "single" and "random": one deviation at a time, and evenly drawn ones.

Owns: for "single", the list of all single deviations of the undisturbed run. It is a closing proof:
where it is exhausted and found nothing, no single delay, split or exchange breaks the program.

Must not know: programs.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from simloop._kernel.gate import LOG_FIRST, PER_DECADE, RANKS
from simloop.exploration.gates import NEEDS_ASKING, Kinds

from .strategy import DELAY_KINDS, Strategy
from .timing import delay_code

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from simloop.exploration.gates import Point

    from .strategy import Measure

__all__ = ["RandomAnswers", "Single"]

_RANKS_TRIED = 3
_DECADES_TRIED = 8
"""From a microsecond to ten seconds."""
_DECADES_OF_THREADS = (0, 4, 7)
"""A thread that is preempted stands still while others run, mostly for however long."""


def _kinds(*, sleeps: bool) -> Container[str]:
    return Kinds([kind for kind in NEEDS_ASKING if not (sleeps and kind == "sleep")])


class Single(Strategy):
    """Each single deviation of the undisturbed run."""

    name = "single"
    names_things = False
    is_in_order = False

    def __init__(self, *, sleeps: bool = False) -> None:
        self.kinds: Container[str] = _kinds(sleeps=sleeps)
        self._points: tuple[Point, ...] = ()
        self._left: Iterator[tuple[int, int]] = iter(())
        self._begun = 0
        self._position = self._at = self._answer = 0
        self._is_over = False

    def measured(self, measure: Measure) -> None:
        """List the deviations."""
        self._points = measure.points
        self._left = _deviations(measure.points)
        self._begun = 0

    def begin(self, number: int) -> bool:
        """Take the next deviation."""
        del number
        self._position = 0
        self._at, self._answer = next(self._left, (0, 0))
        self._begun += 1
        self._is_over = not self._at
        return not self._is_over

    def skip(self, number: int) -> bool:
        """Leave out the next deviation."""
        return self.begin(number)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the iterator, of which a copy has one at the same place."""
        return {name: value for name, value in super().__getstate__().items() if name != "_left"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Go to the place that the deviations have come to."""
        vars(self).update(state)
        self._left = islice(_deviations(self._points), self._begun, None)

    def answer(self, kind: str, thing: object, options: int) -> int:
        """Return the deviation at its point, and 0 elsewhere."""
        del kind, thing
        self._position += 1
        return min(self._answer, options - 1) if self._position == self._at else 0

    def is_exhausted(self) -> bool:
        """Return whether every single deviation was run."""
        return self._is_over


def _deviations(points: tuple[Point, ...]) -> Iterator[tuple[int, int]]:
    """Yield the position and the value of each single deviation, the shortest delays first."""
    values: list[tuple[int, list[int]]] = []
    for position, point in enumerate(points, 1):
        if point.key.kind == "preempt":
            codes = [LOG_FIRST + decade * PER_DECADE for decade in _DECADES_OF_THREADS]
            codes += [code for rank in range(1, _RANKS_TRIED + 1) for code in (rank, rank + RANKS)]
        elif point.key.kind in DELAY_KINDS:
            codes = [code for rank in range(1, _RANKS_TRIED + 1) for code in (rank, rank + RANKS)]
            codes += [LOG_FIRST + decade * PER_DECADE for decade in range(_DECADES_TRIED)]
        else:
            codes = list(range(1, point.options))
        values.append((position, codes))
    for rank in range(max((len(codes) for _, codes in values), default=0)):
        for position, codes in values:
            if rank < len(codes):
                yield position, codes[rank]


class RandomAnswers(Strategy):
    """A deviation here and there, evenly drawn; the measure of other strategies."""

    name = "random"
    names_things = False
    is_in_order = False

    def __init__(self, *, sleeps: bool = False) -> None:
        self.kinds: Container[str] = _kinds(sleeps=sleeps)
        self._p = 0.1

    def begin(self, number: int) -> bool:
        """Draw how many deviations there are."""
        del number
        self._p = self.random.choice((0.02, 0.1, 0.4))
        return True

    def answer(self, kind: str, thing: object, options: int) -> int:
        """Draw one answer."""
        del thing
        rng: Any = self.random
        if rng.random() >= self._p:
            return 0
        if kind in DELAY_KINDS:
            is_rank = rng.random() < 0.5  # noqa: PLR2004 - half of them
            return rng.randint(1, 2 * RANKS) if is_rank else delay_code(rng, 1e10, 1e-7)
        return int(rng.randrange(options))
