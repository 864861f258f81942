"""The choice gate: the one place through which every free decision of a run passes.

Owns: asking, and what was answered. A decision has a kind ("stall", "hold", "order", ...), a thing
that it is about, and so many options, of which 0 is what happens undisturbed. asyncio promises that
ready callbacks run first in, first out; that is no choice. A world has a gate only if its run is
explored: everywhere else nothing is asked.

How answers are kept. An answer other than 0 goes on the *tape* under its position: the how many-th
question it was. A run is a function of its answers, so its tape gives the run again; that costs a
search nothing but a counter. Names, which hold when the program changes, are for the gate of
:mod:`simloop.exploration` that records.

Must not know: what is chosen between, and what things are. Options are counted; a thing has a name
only where somebody asks ``names`` for it.

Invariants:

- A kind that is not among ``kinds`` is not asked: its answer is 0, and it counts for no position.
- The tape holds answers above 0 alone, and of delays only those that had an effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from simloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Container

__all__ = ["Answerer", "ChoiceGate", "Names"]


class Answerer(Protocol):
    """An answer to each question of the gate."""

    def answer(self, kind: str, thing: object, options: int) -> int:
        """Return an index below ``options``, which is at least 2; 0 changes nothing."""


class Names(Protocol):
    """What gives the things of a world their names, the same in every run."""

    def name_of(self, kind: str, thing: object) -> str:
        """Name what a question of this kind is about."""


class ChoiceGate:
    """Ask for each decision, and keep the answers that change something.

    Args:
        answerer: What answers.
        kinds: The kinds that are asked at all.
        each_ns: How long one delay may be at most, in nanoseconds.
        total_ns: How long all delays of the run may be together.
        sleeps: By how many times its length a sleep may end late.

    Example:
        >>> class Last:
        ...     def answer(self, kind, thing, options):
        ...         return options - 1
        >>> gate = ChoiceGate(Last(), {"order"})
        >>> gate.ask("order", "a file", 3), gate.ask("split", "a file", 5), gate.tape
        (2, 0, {1: 2})
    """

    __slots__ = (
        "_answer",
        "answerer",
        "each_ns",
        "error",
        "kinds",
        "names",
        "position",
        "sleeps",
        "spent_ns",
        "tape",
        "total_ns",
    )

    def __init__(
        self,
        answerer: Answerer,
        kinds: Container[str],
        *,
        each_ns: int = 0,
        total_ns: int = 0,
        sleeps: float = 0.0,
    ) -> None:
        self.answerer: Answerer = answerer
        self._answer = answerer.answer
        self.kinds: Container[str] = kinds
        self.each_ns: int = each_ns
        self.total_ns: int = total_ns
        self.sleeps: float = sleeps
        self.spent_ns: int = 0
        self.names: Names | None = None  # Set by the layer that knows what things are.
        self.error: BaseException | None = None  # Of the answerer: no failure of the program.
        self.position: int = 0
        self.tape: dict[int, int] = {}

    def ask(self, kind: str, thing: object, options: int) -> int:
        """Return the index of one of ``options``; 0 is what happens undisturbed.

        Raises:
            UsageError: The answer is none of them.
        """
        if options < 2 or kind not in self.kinds:  # noqa: PLR2004 - one option is no choice
            return 0
        return self.put(kind, thing, options)

    def put(self, kind: str, thing: object, options: int) -> int:
        """Ask what is known to be asked: a kind among ``kinds`` with several options."""
        self.position += 1
        try:
            picked = self._answer(kind, thing, options)
        except BaseException as error:
            self.error = error
            raise
        if picked:
            if not 0 <= picked < options:
                title = getattr(self.answerer, "title", type(self.answerer).__name__)
                self.error = UsageError(
                    f"{title} answered {picked!r} to {kind!r}, which has"
                    f" {options} options; answer with a whole number from 0 to {options - 1}"
                )
                raise self.error
            self.tape[self.position] = picked
        return picked

    def withdraw(self) -> None:
        """Take the last answer back: it was a delay, and it has no effect."""
        self.tape.pop(self.position, None)

    def delayed(self, now_ns: int, until_ns: int) -> None:
        """Take note that the delay that was asked for last has an effect: from when to when."""
        self.spent_ns += until_ns - now_ns

    def teller(self) -> Callable[[str, int, int], None]:
        """Return what takes what came of the last answer: words, and from when to when."""
        return _forget

    def name_of(self, kind: str, thing: object) -> str:
        """Return the name of a thing."""
        if type(thing) is str or self.names is None:
            return str(thing)
        return self.names.name_of(kind, thing)


def _forget(words: str, from_ns: int, to_ns: int) -> None:
    """Drop what a search has no use for."""
    del words, from_ns, to_ns
