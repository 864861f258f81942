"""The shrinker: the fewest and smallest deviations under which a program fails in the same way.

Owns: the search for them. Where threads were preempted, one of them at one call alone; then the
shortest beginning that fails, by bisection; then few of the delays, made long; then halves,
quarters and so on (delta debugging, Zeller and Hildebrandt, TSE 2002); then single ones; then lower
values, ranks first, because they say what a delay is for. What an accepted candidate really used
takes its place. At last each deviation that is left is tried alone, and near itself: the way down
ends in a local minimum now and then.

A run that ends at the limit of steps goes on for ever: a polling loop, say. Such runs are let go
twenty times as far as the undisturbed one instead, and only the result to the limit itself; if it
ends before that, the search is made again with runs that go all the way.

Must not know: strategies, and what the deviations mean beyond "a delay" or "an option".

Invariants: the result fails as the original does; it never grows; the same original gives the same
result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simloop._kernel import nanoseconds
from simloop._kernel.gate import LOG_FIRST, PER_DECADE, RANKS, log_code
from simloop.errors import LimitError

from .gates import ByKey
from .same_failure import identity_of
from .strategies.strategy import DELAY_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .gates import Key
    from .program import Program
    from .same_failure import Identity

__all__ = ["Shrinker"]

_RUNS_MAX = 400
_FEW, _MANY = 2, 16
"""With more deviations than these it is tried whether fewer and longer ones do: late, and soon."""

_TRIED_FIRST = (1, RANKS + 1, 2, RANKS + 2)
_CALLS_MAX = 24
_OPTIONS_MAX = 24
_TIMES, _STEPS_MIN = 20, 2_000
"""How far a run goes that may go on for ever: so many times the undisturbed one, and so far."""

_LOG_STEPS = (3 * PER_DECADE, PER_DECADE, 3, 1)


class _EnoughError(Exception):
    """The runs are used up."""


class Shrinker:
    """One search for a small schedule.

    Args:
        program: What fails.
        taken: The deviations of the run that failed, in the order in which they came.
        identity: How it failed.
        permuted: Whether ready callbacks are permuted.
        runs_max: How many runs may be spent.
    """

    def __init__(
        self,
        program: Program,
        taken: Mapping[Key, int],
        identity: Identity,
        *,
        permuted: bool,
        runs_max: int = _RUNS_MAX,
    ) -> None:
        self._program = program
        self._identity = identity
        self._permuted = permuted
        self._runs_max = runs_max
        self._seen: dict[tuple[tuple[Key, int], ...], bool] = {}
        self.best: dict[Key, int] = dict(taken)
        self.runs: int = 0
        self._steps = 0  # Of the latest run.

    def fails(self, candidate: Mapping[Key, int]) -> bool:
        """Try a candidate; where it fails in the same way, it may become the best."""
        known = tuple(sorted(candidate.items()))
        if known in self._seen:
            return self._seen[known]
        if self.runs >= self._runs_max:
            raise _EnoughError
        taken = self._taken_by(candidate)
        self._seen[known] = taken is not None
        if taken is not None and _size(taken) < _size(self.best):
            self.best = taken
            self._seen[tuple(sorted(taken.items()))] = True
        return taken is not None

    def _taken_by(self, candidate: Mapping[Key, int]) -> dict[Key, int] | None:
        """Return what a run really took of a candidate; None where it does not fail alike."""
        self.runs += 1
        ran, gate = self._program.play(ByKey(candidate), permuted=self._permuted)
        self._steps = ran.world.steps
        has_failed = ran.error is not None and identity_of(ran.error) == self._identity
        return gate.taken if has_failed else None

    def shrink(self) -> bool:
        """Search; false if the original does not fail in the same way."""
        whole = self.best
        if not self.fails(whole):
            return False
        if not whole or self.fails({}):
            return True
        program, shorter = self._program, self._shorter_program(self._steps)
        if shorter is not None:
            self._program = shorter
            self._search()
            self._program = program
            if self._taken_by(self.best) is not None:
                return True
            self.best = whole
            self._seen.clear()
        self._search()
        return True

    def _shorter_program(self, steps: int) -> Program | None:
        """Return the program with a lower limit of steps, where it fails by passing its own.

        Args:
            steps: How many the undisturbed run takes.
        """
        limit = self._program.options.max_steps
        if limit is None or self._identity.kind != LimitError.__qualname__:
            return None
        lower = max(_TIMES * steps, _STEPS_MIN)
        return self._program.with_steps(lower) if lower < limit else None

    def _search(self) -> None:
        """Look for the smallest schedule, as long as there are runs left."""
        try:
            if self._try_one_thread():
                return
            self._shorten()
            if len(self.best) > _MANY:
                self._lengthen()
            self._divide()
            if len(self.best) > _FEW:
                self._lengthen()
                self._divide()
            before = None
            while before != self.best:
                before = self.best
                self._remove_each()
                self._lower_each()
            self._try_alone()
        except _EnoughError:
            pass

    def _try_one_thread(self) -> bool:
        """Try whether it is enough that one thread is held at one of its calls, a moment.

        Where threads race, the run that failed held many of them, and the way down from there
        seldom leads to the one place that matters: it may not be among those that were held.
        """
        if len(self.best) < 2 or not any(key.kind == "preempt" for key in self.best):  # noqa: PLR2004 - one is alone already
            return False
        calls: list[Key] = []

        def note(key: Key, position: int, options: int) -> int:
            del position, options
            if key.kind == "preempt":
                calls.append(key)
            return 0

        self._program.play(note, permuted=self._permuted)
        return any(self.fails({key: LOG_FIRST}) for key in calls[:_CALLS_MAX])

    def _shorten(self) -> None:
        """Find the shortest beginning that fails."""
        items = list(self.best.items())
        low, high = 0, len(items)
        while low < high:
            middle = (low + high) // 2
            if self.fails(dict(items[:middle])):
                high = middle
            else:
                low = middle + 1

    def _lengthen(self) -> None:
        """Try whether few of the delays are enough, if these are as long as may be.

        Lateness adds up to what breaks a deadline: none of many short delays can then be left out.
        """
        longest = log_code(nanoseconds(self._program.delays.each))
        delays = [key for key in self.best if key.kind in DELAY_KINDS]
        others = {key: value for key, value in self.best.items() if key not in delays}
        count = 1
        while count < len(delays):
            for long in (delays[:count], delays[-count:]):
                if self.fails({**others, **dict.fromkeys(long, longest)}):
                    return
            count *= 2

    def _divide(self) -> None:
        """Leave out parts, in ever smaller ones."""
        parts = 2
        while len(self.best) > 1:
            items = list(self.best.items())
            size = max(1, len(items) // parts)
            for start in range(0, len(items), size):
                if self.fails(dict(items[:start] + items[start + size :])):
                    parts = max(parts - 1, 2)
                    break
            else:
                if parts >= len(items):
                    return
                parts = min(len(items), 2 * parts)

    def _remove_each(self) -> None:
        for key in list(self.best)[::-1]:
            if key in self.best:
                self.fails({other: value for other, value in self.best.items() if other != key})

    def _lower_each(self) -> None:
        for key in list(self.best):
            if key in self.best:
                self._lower(key)

    def _lower(self, key: Key) -> None:
        """Find a lower value of one deviation: the first that fails."""
        value = self.best[key]
        if key.kind not in DELAY_KINDS:
            self._try_values(key, range(1, value))
        elif not self._try_values(key, (rank for rank in _ranks_below(value))):
            for step in _LOG_STEPS:
                while key in self.best and self.best[key] - step >= LOG_FIRST:
                    if not self._try_values(key, (self.best[key] - step,)):
                        break

    def _try_values(self, key: Key, values: Iterable[int]) -> bool:
        return any(self.fails({**self.best, key: value}) for value in values)

    def _try_alone(self) -> None:
        """Try each deviation that is left alone, with a few values."""
        if len(self.best) < 2:  # noqa: PLR2004 - one is alone already
            return
        for key, value in list(self.best.items()):
            values = [value]
            if key.kind in DELAY_KINDS:
                values += [*_TRIED_FIRST, LOG_FIRST + 6 * PER_DECADE, LOG_FIRST + 7 * PER_DECADE]
            else:
                values += range(1, min(value, _OPTIONS_MAX))
            if any(self.fails({key: each}) for each in values):
                self._lower_each()
                return


def _ranks_below(value: int) -> Iterable[int]:
    """Return the ranks that are simpler than a code."""
    if value in _TRIED_FIRST:
        return _TRIED_FIRST[: _TRIED_FIRST.index(value)]
    return _TRIED_FIRST


def _size(taken: Mapping[Key, int]) -> tuple[int, int]:
    return len(taken), sum(taken.values())
