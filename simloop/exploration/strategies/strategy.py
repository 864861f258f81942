"""The strategy: what an exploration asks of one, and the one that changes nothing.

Owns: the interface. An exploration calls ``begin`` before each schedule, the gate then calls
``answer`` for each decision, and the exploration ``ended`` after it. The first schedule is the
undisturbed run: there ``observe`` is called in place of ``answer``, and ``measured`` after it.

Must not know: how answers are kept. A strategy may forget what it said.

Invariants:

- What a strategy says depends on ``random``, on the number of the schedule and on what it was told,
  and on nothing else, so that the same seed explores the same schedules.
- Where several processes share the schedules, each has a copy that runs some and skips the others.
  A strategy that is not ``is_in_order`` says the same there: it learns from the first schedules
  alone, which one process runs in order before there are others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from simloop.exploration.gates import NEEDS_ASKING, Kinds

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Container

    from simloop.exploration.gates import Point

__all__ = ["DELAY_KINDS", "LEARNT", "Measure", "Strategy", "Undisturbed"]

DELAY_KINDS = (
    "stall",
    "late",
    "hold",
    "job",
    "done",
    "name",
    "exit",
    "signal",
    "cpu",
    "sleep",
    "preempt",
)
"""The kinds whose answer is a delay code."""

LEARNT = 20
"""The number of the last schedule from which a strategy that learns does so."""


@attrs.frozen
class Measure:
    """What the undisturbed run was like."""

    gaps_ns: tuple[int, ...]
    """By how much its clock jumped, each time."""
    time_ns: int
    """The virtual time at its end."""
    steps: int
    """How many callbacks ran."""
    points: tuple[Point, ...]
    """Each decision that it came to."""


class Strategy:
    """What answers the gate; a class of your own inherits it and overrides ``answer``.

    Example:
        >>> import asyncio, simloop
        >>> class Last(simloop.Strategy):
        ...     def answer(self, kind, thing, options):
        ...         return options - 1 if kind == "order" else 0
        >>> async def main():
        ...     await asyncio.sleep(1)
        >>> simloop.explore(main, schedules=5, strategy=Last()).ran
        5
    """

    name: str = "a strategy"
    """What reports call it."""

    kinds: Container[str] = Kinds(NEEDS_ASKING)
    """The kinds of decisions that are asked; the others are 0."""

    is_stricter = False
    """Whether it permutes ready callbacks, which asyncio runs first in, first out."""

    names_things = True
    """Whether ``answer`` is given the name of a thing, which takes time, or the thing itself."""

    is_in_order: bool = True
    """Whether a schedule may depend on the one before, so that one process has to run them all."""

    learns_until: int = 0
    """The number of the last schedule that it learns from, besides the undisturbed one."""

    name_of: Callable[[str, object], str]
    """Names a thing, given the kind of question; set for each run."""

    random: random.Random
    """Where randomness comes from, seeded anew for each schedule."""

    def measured(self, measure: Measure) -> None:
        """Take note of what the undisturbed run was like."""

    def begin(self, number: int) -> bool:
        """Begin a schedule; false where there is none left.

        Args:
            number: Its number; 2 is the first after the undisturbed run.
        """
        del number
        return True

    def skip(self, number: int) -> bool:
        """Pass over a schedule that another process runs; false where there is none left.

        Args:
            number: Its number.
        """
        del number
        return True

    def observe(self, kind: str, thing: object, options: int) -> None:
        """Take note of a decision of the undisturbed run."""

    def answer(self, kind: str, thing: object, options: int) -> int:
        """Return which of ``options`` is taken; 0 is what happens undisturbed.

        Args:
            kind: What sort of decision: "stall", "late", "hold", "order", ...
            thing: The name of what it is about.
            options: How many there are; for a delay, the number of delay codes.
        """
        raise NotImplementedError

    def ended(self, *, has_failed: bool) -> None:
        """Take note of how the schedule went."""

    def is_exhausted(self) -> bool:
        """Return whether every schedule that the strategy has was run."""
        return False

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy in another process has, which is given a generator of its own."""
        return {name: value for name, value in vars(self).items() if name not in _OF_A_RUN}


_OF_A_RUN = ("name_of", "random")


class Undisturbed(Strategy):
    """The plain run, each time; with other seeds of the world it is another."""

    name = "undisturbed"
    kinds: Container[str] = ()
    is_in_order = False

    def begin(self, number: int) -> bool:
        """Return False: there is one such run."""
        del number
        return False

    def skip(self, number: int) -> bool:
        """Return False: there is one such run."""
        return self.begin(number)

    def answer(self, kind: str, thing: object, options: int) -> int:
        """Return 0."""
        del kind, thing, options
        return 0

    def is_exhausted(self) -> bool:
        """Return True: there is one such run."""
        return True
