"""Tests that another plugin runs on a loop of ours: what the report of a failure says.

Owns: the book of worlds that such loops have, which pytest-asyncio's hook, anyio's backend or a
case of unittest makes by ``SimLoop()``, and the seed for those that name none. Nothing of the
engine is loaded for it.

Must not know: which plugin it is.

Invariant: a world is not kept; of one that is gone the seed is known still.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from simloop._presence import loops_alone

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ForeignLoops"]


class _Made:
    """A world of a loop that another plugin made."""

    def __init__(self, world: Any, *, is_usual: bool) -> None:
        self.seed: Any = world.seed
        self.is_usual = is_usual  # Whether the command line gave the seed.
        self.find: Callable[[], Any] = weakref.ref(world)
        self.steps = 0  # When the test began that runs.


class ForeignLoops:
    """The worlds of loops that were made in this run of pytest.

    Args:
        seed: That of the command line, for loops that are given none; None if it names none.
    """

    def __init__(self, seed: int | str | None) -> None:
        self._made: list[_Made] = []
        self._old = 0
        before = loops_alone.seed, loops_alone.made
        loops_alone.made = self._take
        if seed is not None:
            loops_alone.seed = seed
        self._before = before

    def close(self) -> None:
        """Hear of no more; a pytest within a test of another one ends before it."""
        loops_alone.seed, loops_alone.made = self._before

    def _take(self, world: Any, is_usual: bool) -> None:  # noqa: FBT001 - a hook
        self._made.append(_Made(world, is_usual=is_usual))

    def test_begins(self) -> None:
        """Look which worlds there are before a test: those of wider scopes."""
        self._made = [each for each in self._made if each.find() is not None]
        for each in self._made:
            each.steps = each.find().steps
        self._old = len(self._made)

    def last_used(self) -> tuple[str, str | None] | None:
        """Return how far the last world came that the test used, and the seed to give again.

        The seed is None where the suite's own code names it; so is the whole, if none was used.
        """
        for number, made in reversed(list(enumerate(self._made))):
            world = made.find()
            if number >= self._old or (world is not None and world.steps > made.steps):
                told = f"seed {made.seed!r}"
                if world is not None:
                    steps = "1 step" if world.steps == 1 else f"{world.steps} steps"
                    told = f"{told}, virtual time {world.time_ns / 1e9!r} s, {steps}"
                return told, str(made.seed) if made.is_usual else None
        return None
