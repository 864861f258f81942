"""The searcher: runs the schedule of a number.

Owns: the generator, which is seeded anew for each number, so that a schedule is the same whatever
ran before it in the same process; and going to a number, by skipping those that others run.

Must not know: what becomes of failures.
"""

from __future__ import annotations

import _random
import copy
import random
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from simloop._kernel.gate import ChoiceGate
    from simloop.exploration.explored_run import Ran
    from simloop.exploration.gates import Key, RecordingGate
    from simloop.exploration.program import Program
    from simloop.exploration.strategies import Measure, Strategy

__all__ = ["Searcher"]

_seed = _random.Random.seed
"""What ``random.Random.seed`` calls for an integer: a third of its cost, once for each schedule."""


class Searcher:
    """Schedules of one program by number.

    Args:
        program: What is run.
        strategy: What decides.
        seed: Where its randomness comes from.
    """

    def __init__(self, program: Program, strategy: Strategy, seed: int | str) -> None:
        self.program: Program = program
        self.strategy: Strategy = strategy
        # One generator, seeded anew for each schedule by a number that the seed moves.
        self._random: random.Random = random.Random(0)  # noqa: S311 - no secret
        strategy.random = self._random
        raw = blake2b(repr(seed).encode(), digest_size=8).digest()
        self._base = int.from_bytes(raw, "big") >> 1
        self._start = self._next = 0
        self._fresh: Strategy | None = None

    def first(self) -> tuple[Ran, Measure]:
        """Run undisturbed, and let each part of the strategy learn of it."""
        strategy = self.strategy
        for part in getattr(strategy, "parts", lambda: [strategy])():
            self._random.seed(self._base)
            ran, measure = self.program.measure(part)
            part.measured(measure)
        return ran, measure

    def begin(self, number: int) -> bool:
        """Begin with a schedule; false if the strategy has none of this number."""
        _seed(self._random, self._base + number)
        self._random.gauss_next = None  # type: ignore[attr-defined]  # as random.Random.seed does
        self._next = number + 1
        return self.strategy.begin(number)

    def search(self, watchers: Collection[Any] = ()) -> tuple[Ran, ChoiceGate]:
        """Run the schedule that was begun."""
        return self.program.search(self.strategy, self._answer, watchers=watchers)

    def search_told(self, tell: Callable[[Key, int], object]) -> tuple[Ran, ChoiceGate]:
        """Run the schedule that was begun, and tell each deviation before it has an effect."""
        return self.program.search_told(self.strategy, self._answer, tell)

    @property
    def _answer(self) -> Any:
        strategy = self.strategy
        return _named(strategy) if strategy.names_things else strategy

    def repeat(self, gate: ChoiceGate) -> tuple[Ran, RecordingGate]:
        """Run the same schedule again, with names and a digest."""
        strategy = self.strategy
        return self.program.repeat(gate.tape, strategy.kinds, permuted=strategy.is_stricter)

    # Shared with others ------------------------------------------------------------------------

    def share(self, number: int) -> None:
        """Take note that from this number on others run some of the schedules."""
        self._start = self._next = number
        self._fresh = copy.deepcopy(self.strategy)

    def skip_to(self, number: int) -> None:
        """Go to a number, forward or back."""
        if number < self._next:
            assert self._fresh is not None, "only a searcher that shares goes back"
            self.strategy = copy.deepcopy(self._fresh)
            self._next = self._start
        self.strategy.random = self._random
        for each in range(self._next, number):
            if not self.strategy.skip(each):
                break
        self._next = number


def _named(strategy: Strategy) -> Any:
    """Return what answers for a strategy of a user's, which is given names."""

    class Named:
        def answer(self, kind: str, thing: object, options: int) -> int:
            return strategy.answer(kind, strategy.name_of(kind, thing), options)

    Named.__name__ = getattr(strategy, "title", type(strategy).__name__)
    return Named()
