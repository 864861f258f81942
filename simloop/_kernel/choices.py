"""The choice gate: the one place through which every free decision of a run passes.

Owns: asking a strategy which of several equally right things happens, and recording the answer.
asyncio promises that ready callbacks run first in, first out; that is no choice, and without a
strategy the gate is not even asked. With one, each decision is named, answered and kept, so that
the run can be replayed.

Must not know: what is chosen between. Options are counted, not looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from simloop.errors import NondeterminismError

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

__all__ = ["Choice", "ChoiceGate", "RandomStrategy", "ReplayStrategy", "Strategy"]


class Choice(NamedTuple):
    """One decision: its name, how many options there were, and the index picked."""

    name: str
    options: int
    picked: int


class Strategy(Protocol):
    """An answer to each question of the gate."""

    def choose(self, name: str, options: int) -> int:
        """Return an index below ``options``, which is at least 2."""


class ChoiceGate:
    """Ask the strategy, if there is one, and record what it said.

    Example:
        >>> gate = ChoiceGate()
        >>> gate.choose("ready", 3)
        0
        >>> gate.strategy = ReplayStrategy([Choice("ready", 3, 2)])
        >>> gate.choose("ready", 3), gate.recording
        (2, [Choice(name='ready', options=3, picked=2)])
    """

    __slots__ = ("recording", "strategy")

    def __init__(self) -> None:
        self.strategy: Strategy | None = None
        self.recording: list[Choice] = []

    def choose(self, name: str, options: int) -> int:
        """Return the index of one of ``options`` equally right things; 0 without a strategy."""
        if self.strategy is None or options < 2:  # noqa: PLR2004 - one option is no choice
            return 0
        picked = self.strategy.choose(name, options)
        if not 0 <= picked < options:
            raise IndexError(
                f"strategy {type(self.strategy).__name__} picked {picked} for {name!r},"
                f" which has {options} options; pick an index below that"
            )
        self.recording.append(Choice(name, options, picked))
        return picked


class RandomStrategy:
    """A strategy that picks evenly, from a stream of the seed."""

    __slots__ = ("_stream",)

    def __init__(self, stream: random.Random) -> None:
        self._stream = stream

    def choose(self, name: str, options: int) -> int:  # noqa: ARG002 - every name is treated alike
        """Return a uniformly random index."""
        return self._stream.randrange(options)


class ReplayStrategy:
    """A strategy that gives the answers of a recording, up to the first question that differs."""

    __slots__ = ("_position", "_recording")

    def __init__(self, recording: Sequence[Choice]) -> None:
        self._recording = list(recording)
        self._position = 0

    def choose(self, name: str, options: int) -> int:
        """Return what was picked at this point of the recorded run.

        Raises:
            NondeterminismError: The run asks something else than the recorded one did.
        """
        position = self._position
        if position >= len(self._recording):
            raise NondeterminismError(
                f"choice {position} ({name!r} of {options}) is beyond the end of the recording;"
                " record the run again with this version of the program"
            )
        choice = self._recording[position]
        if (choice.name, choice.options) != (name, options):
            raise NondeterminismError(
                f"choice {position} is {name!r} of {options}, but the recording has"
                f" {choice.name!r} of {choice.options}: the program changed, or depends on"
                " something outside its seed"
            )
        self._position += 1
        return choice.picked
