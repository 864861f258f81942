"""Strategies that permute ready callbacks: stricter than asyncio, for logic in memory and proofs.

Owns: which of the tasks that are ready runs next. Two rules make the counts of a complete search
exact: a handle that is no step of a task ("glue": a done callback, a future's wake-up) runs at
once; and each task is one thread, of which only its first handle is eligible. A decision exists
where two tasks are eligible.

asyncio runs what is ready first in, first out, so what these find need not be able to happen: they
say so in their reports. They are:

- "pct[:depth]": priorities per task, and ``depth - 1`` moments at which the running one is demoted
  (Burckhardt et al., ASPLOS 2010); the length of runs is learnt, with a floor.
- "pos": a priority per pending step, drawn anew after each (Yuan, Yang, Gu, CAV 2018).
- "surw": a walk that weighs tasks by the steps that they have left (Zhao et al., ASPLOS 2025).
- "delay:n": the undisturbed order with ``n`` steps postponed (Emmi et al., POPL 2011).
- "dfs[:bound]": every order, with at most ``bound`` decisions that are not the first.

Must not know: handles beyond the name of their task.

Invariant: a task that yields again and again is demoted, so that a loop that waits by ``call_soon``
for another task does not spin for ever.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from .strategy import LEARNT, Strategy

if TYPE_CHECKING:
    from collections.abc import Container

    from .strategy import Measure

__all__ = ["DelayBounded", "Dfs", "Pct", "Permuting", "Pos", "Surw"]

_K_FLOOR = 100
_K_FACTOR = 1.5
_SPINS = 200
"""How often one task may be picked in a row, others being eligible, before it is demoted."""


class Permuting(Strategy):
    """A strategy that picks among ready tasks; heirs say which by ``pick``."""

    kinds: Container[str] = ("ready", "choice", "buggify", "cut")
    is_stricter = True
    names_things = False
    is_in_order = False
    _last: object = None
    _in_a_row = 0

    def answer(self, kind: str, thing: Any, options: int) -> int:
        """Pick a task; other kinds are drawn evenly."""
        if kind != "ready":
            return self.random.randrange(options)
        index = self.pick(thing)
        picked = thing[index]
        if picked == self._last:
            self._in_a_row += 1
            if self._in_a_row >= _SPINS:
                self._in_a_row = 0
                self.demote(picked)
                index = (index + 1) % options
        else:
            self._last, self._in_a_row = picked, 0
        return index

    def pick(self, names: list[str]) -> int:
        """Return the index of the task that runs, given the names of those that may."""
        raise NotImplementedError

    def demote(self, name: str) -> None:
        """Let a task that yields for ever wait."""


class Learning(Permuting):
    """A strategy that learns from the first runs; heirs say what by ``learn``."""

    learns_until = LEARNT
    _number = 0

    def begin(self, number: int) -> bool:
        """Take note of the schedule's number."""
        self._number = number
        return True

    def measured(self, measure: Measure) -> None:
        """Learn from the undisturbed run."""
        del measure
        self.learn()

    def ended(self, *, has_failed: bool) -> None:
        """Learn from one of the first schedules."""
        del has_failed
        if self._number <= LEARNT:
            self.learn()

    def learn(self) -> None:
        """Learn from the run that has ended."""
        raise NotImplementedError


class Pct(Learning):
    """Priorities, and a few moments at which they change."""

    def __init__(self, depth: int = 3) -> None:
        self.name: str = f"pct:{depth}"
        self._depth = depth
        self._seen = 0
        self._decisions = 0
        self._ranks: dict[str, float] = {}
        self._changes: dict[int, float] = {}

    def observe(self, kind: str, thing: object, options: int) -> None:
        """Count the decisions of the undisturbed run."""
        del thing, options
        self._decisions += kind == "ready"

    def begin(self, number: int) -> bool:
        """Draw priorities and moments."""
        super().begin(number)
        k = max(_K_FLOOR, round(_K_FACTOR * self._seen))
        self._ranks, self._decisions = {}, 0
        self._changes = {self.random.randint(1, k): -float(at) for at in range(1, self._depth)}
        return True

    def learn(self) -> None:
        """Keep the largest number of decisions."""
        self._seen = max(self._seen, self._decisions)

    def pick(self, names: list[str]) -> int:
        """Return the task of the highest priority."""
        ranks = self._ranks
        for name in names:
            if name not in ranks:
                ranks[name] = self.random.random()
        self._decisions += 1
        best = max(names, key=ranks.__getitem__)
        if self._decisions in self._changes:
            ranks[best] = self._changes[self._decisions]
            best = max(names, key=ranks.__getitem__)
        return names.index(best)

    def demote(self, name: str) -> None:
        """Give a task the lowest priority of all."""
        self._ranks[name] = min(self._ranks.values(), default=0.0) - 1


class Pos(Permuting):
    """A priority for each pending step, drawn anew once its task has run."""

    name = "pos"

    def __init__(self) -> None:
        self._ranks: dict[str, float] = {}

    def begin(self, number: int) -> bool:
        """Forget the priorities."""
        del number
        self._ranks = {}
        return True

    def pick(self, names: list[str]) -> int:
        """Return the task whose step has the highest priority."""
        for name in names:
            if name not in self._ranks:
                self._ranks[name] = self.random.random()
        best = max(names, key=self._ranks.__getitem__)
        del self._ranks[best]
        return names.index(best)


class Surw(Learning):
    """A walk in which a task is the likelier the more steps it has left."""

    name = "surw"

    def __init__(self) -> None:
        self._known: Counter[str] = Counter()
        self._done: Counter[str] = Counter()

    def observe(self, kind: str, thing: Any, options: int) -> None:
        """Count the steps of each task in the undisturbed run, which takes the first."""
        del options
        if kind == "ready":
            self._done[thing[0]] += 1

    def begin(self, number: int) -> bool:
        """Begin to count."""
        super().begin(number)
        self._done = Counter()
        return True

    def learn(self) -> None:
        """Keep the largest counts seen."""
        self._known |= self._done

    def pick(self, names: list[str]) -> int:
        """Return a task, weighed by the steps that it is thought to have left."""
        weights = [max(1, self._known[name] - self._done[name]) for name in names]
        index = int(self.random.choices(range(len(names)), weights)[0])
        self._done[names[index]] += 1
        return index


class DelayBounded(Learning):
    """The undisturbed order, in which a few steps are postponed behind the next task."""

    def __init__(self, delays: int) -> None:
        self.name: str = f"delay:{delays}"
        self._delays = delays
        self._seen = 0
        self._decisions = 0
        self._at: dict[int, int] = {}

    def observe(self, kind: str, thing: object, options: int) -> None:
        """Count the decisions of the undisturbed run."""
        del thing, options
        self._decisions += kind == "ready"

    def begin(self, number: int) -> bool:
        """Draw where steps are postponed."""
        super().begin(number)
        self._decisions = 0
        self._at = Counter(self.random.randint(1, max(1, self._seen)) for _ in range(self._delays))
        return True

    def learn(self) -> None:
        """Keep the largest number of decisions."""
        self._seen = max(self._seen, self._decisions)

    def pick(self, names: list[str]) -> int:
        """Return the first task, or the one behind those that are postponed here."""
        self._decisions += 1
        return self._at.get(self._decisions, 0) % len(names)


class Dfs(Permuting):
    """Every order of tasks and every choice of the program, depth first.

    Args:
        bound: How many decisions of one run may differ from the undisturbed one; None: all.
    """

    is_in_order = True  # Each path is the one before with its last decision exchanged.

    def __init__(self, bound: int | None = None) -> None:
        self.name: str = "dfs" if bound is None else f"dfs:{bound}"
        self._bound = bound
        self._path: list[list[int]] = []  # For each decision: what was taken, of how many.
        self._depth = 0
        self._spent = 0
        self._is_over = False

    def observe(self, kind: str, thing: object, options: int) -> None:
        """Take note of a decision of the first run, which takes the first of all."""
        self.answer(kind, thing, options)

    def begin(self, number: int) -> bool:
        """Go on to the next path; false after the last."""
        del number
        path = self._path
        del path[self._depth :]
        while path and (path[-1][0] + 1 >= path[-1][1] or self._is_spent(path)):
            path.pop()
        self._is_over = not path
        if path:
            path[-1][0] += 1
        self._depth = 0
        return bool(path)

    def _is_spent(self, path: list[list[int]]) -> bool:
        """Return whether the last decision may not be another than it is."""
        if self._bound is None or path[-1][0]:
            return False
        return sum(taken > 0 for taken, _ in path) >= self._bound

    def answer(self, kind: str, thing: object, options: int) -> int:
        """Return what the path has, and at its end the first."""
        del kind, thing
        if self._depth == len(self._path):
            self._path.append([0, options])
        taken, width = self._path[self._depth]
        self._path[self._depth][1] = min(width, options)
        self._depth += 1
        return min(taken, options - 1)

    def measured(self, measure: Measure) -> None:
        """Learn nothing: the first run was observed."""

    def is_exhausted(self) -> bool:
        """Return whether every path was run."""
        return self._is_over
