"""A guarded strategy: one of a user's own, whose errors are told as its own.

Owns: saying which strategy raised, in which method, and what. An error in the middle of a run would
look like one of the program's.

Must not know: what the strategy does.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from simloop._kernel.safe_looks import class_name, text_of
from simloop.errors import UsageError

from .strategy import Strategy

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Container, Iterator

    from .strategy import Measure

__all__ = ["Guarded"]


class Guarded(Strategy):
    """A strategy that does what another one does.

    Args:
        strategy: The other one.
    """

    def __init__(self, strategy: Strategy) -> None:
        self._inner = strategy

    @property
    def title(self) -> str:
        """The name of the other one's class."""
        return class_name(type(self._inner))

    @property
    def name(self) -> str:  # type: ignore[override]
        """What reports call it."""
        return self._inner.name

    @property
    def kinds(self) -> Container[str]:  # type: ignore[override]
        """The kinds of decisions that are asked."""
        return self._inner.kinds

    @property
    def is_stricter(self) -> bool:  # type: ignore[override]
        """Whether it permutes ready callbacks."""
        return self._inner.is_stricter

    @property
    def names_things(self) -> bool:  # type: ignore[override]
        """Whether it wants names."""
        return self._inner.names_things

    @property
    def is_in_order(self) -> bool:  # type: ignore[override]
        """Whether a schedule may depend on the one before."""
        return self._inner.is_in_order

    @property
    def learns_until(self) -> int:  # type: ignore[override]
        """The number of the last schedule that it learns from."""
        return self._inner.learns_until

    @property
    def random(self) -> random.Random:
        """Where randomness comes from."""
        return self._inner.random

    @random.setter
    def random(self, value: random.Random) -> None:
        self._inner.random = value

    @property
    def name_of(self) -> Callable[[str, object], str]:
        """Names a thing."""
        return self._inner.name_of

    @name_of.setter
    def name_of(self, value: Callable[[str, object], str]) -> None:
        self._inner.name_of = value

    def measured(self, measure: Measure) -> None:
        """Tell it what the undisturbed run was like."""
        with self._telling("measured"):
            self._inner.measured(measure)

    def begin(self, number: int) -> bool:
        """Begin a schedule of it."""
        with self._telling("begin"):
            return self._inner.begin(number)

    def skip(self, number: int) -> bool:
        """Pass over a schedule of it."""
        with self._telling("skip"):
            return self._inner.skip(number)

    def observe(self, kind: str, thing: object, options: int) -> None:
        """Tell it of a decision of the undisturbed run."""
        with self._telling("observe"):
            self._inner.observe(kind, thing, options)

    def answer(self, kind: str, thing: object, options: int) -> int:
        """Answer as it does."""
        with self._telling("answer"):
            return self._inner.answer(kind, thing, options)

    def ended(self, *, has_failed: bool) -> None:
        """Tell it how the schedule went."""
        with self._telling("ended"):
            self._inner.ended(has_failed=has_failed)

    def is_exhausted(self) -> bool:
        """Return whether every schedule that it has was run."""
        with self._telling("is_exhausted"):
            return self._inner.is_exhausted()

    @contextmanager
    def _telling(self, method: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            what: Any = f"{class_name(type(error))}: {text_of(error)}"
            raise UsageError(
                f"the strategy {self.title}.{method}() raised {what}; that is no failure of the"
                f" program: correct the strategy, or take one of simloop's, strategy='timing'"
            ) from error
