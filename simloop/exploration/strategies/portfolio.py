"""A portfolio: several strategies in turn.

Owns: whose turn it is. Each has every n-th schedule; one that is exhausted leaves its turns to the
others.

Must not know: what the strategies do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .strategy import Strategy

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Container, Sequence

    from .strategy import Measure

__all__ = ["Portfolio"]


class Portfolio(Strategy):
    """Strategies that take turns."""

    def __init__(self, strategies: Sequence[Strategy]) -> None:
        self._all = list(strategies)
        self._left = list(strategies)
        self._now = self._all[0]
        self.name: str = ", ".join(each.name for each in strategies)

    @property
    def kinds(self) -> Container[str]:  # type: ignore[override]
        """The kinds that the one whose turn it is wants to be asked."""
        return self._now.kinds

    @property
    def is_stricter(self) -> bool:  # type: ignore[override]
        """Whether the one whose turn it is permutes ready callbacks."""
        return self._now.is_stricter

    @property
    def names_things(self) -> bool:  # type: ignore[override]
        """Whether the one whose turn it is wants names."""
        return self._now.names_things

    @property
    def is_in_order(self) -> bool:  # type: ignore[override]
        """Whether a schedule of one of them may depend on the one before."""
        return any(each.is_in_order for each in self._all)

    @property
    def learns_until(self) -> int:  # type: ignore[override]
        """The number of the last schedule that one of them learns from."""
        return max(each.learns_until for each in self._all)

    @property
    def random(self) -> random.Random:
        """Where randomness comes from."""
        return self._now.random

    @random.setter
    def random(self, value: random.Random) -> None:
        for each in self._all:
            each.random = value

    @property
    def name_of(self) -> Callable[[str, object], str]:
        """Names a thing."""
        return self._now.name_of

    @name_of.setter
    def name_of(self, value: Callable[[str, object], str]) -> None:
        self._now.name_of = value

    def parts(self) -> list[Strategy]:
        """Return the strategies."""
        return self._all

    def measured(self, measure: Measure) -> None:
        """Tell each what the undisturbed run was like."""
        for each in self._all:
            each.measured(measure)

    def begin(self, number: int) -> bool:
        """Begin a schedule of the next one that has any left."""
        while self._left:
            self._now = self._left.pop(0)
            if self._now.begin(number):
                self._left.append(self._now)
                return True
        return False

    def skip(self, number: int) -> bool:
        """Pass over a schedule of the next one that has any left."""
        while self._left:
            self._now = self._left.pop(0)
            if self._now.skip(number):
                self._left.append(self._now)
                return True
        return False

    def answer(self, kind: str, thing: object, options: int) -> int:
        """Answer as the one whose turn it is does."""
        return self._now.answer(kind, thing, options)

    def ended(self, *, has_failed: bool) -> None:
        """Tell the one whose turn it was."""
        self._now.ended(has_failed=has_failed)

    def is_exhausted(self) -> bool:
        """Return whether each has run every schedule that it has."""
        return all(each.is_exhausted() for each in self._all)
