"""What a sweep over seeds gives back.

Owns: the records and the report. Must not know: how seeds were run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from simloop._kernel.safe_looks import text_of
from simloop.errors import SimError
from simloop.exploration.properties.tallies import Tally, never_true
from simloop.exploration.same_failure import Identity, identity_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simloop.exploration.findings import Lost
    from simloop.world.outcome import Outcome

__all__ = ["SeedFailure", "Swept"]

_SEEDS_SHOWN = 10
_LOST_SHOWN = 10


@attrs.define(eq=False)
class SeedFailure:
    """One way in which a program fails, and the seeds with which it does.

    Example:
        >>> import random, simloop
        >>> async def main():
        ...     assert random.random() < 0.9
        >>> failure = simloop.sweep(main, seeds=range(20)).failures[0]
        >>> failure.seed == failure.seeds[0], failure.outcome.seed == failure.seed
        (True, True)
    """

    error: BaseException
    """The program's error with the first of the seeds."""
    seeds: Sequence[int | str]
    """The seeds that fail so, in the order of the sweep."""
    outcome: Outcome[Any]
    """The outcome of the run with the first of them."""
    replay_line: str
    """What runs the first of them again."""

    @property
    def seed(self) -> int | str:
        """The first of the seeds."""
        return self.seeds[0]

    @property
    def identity(self) -> Identity:
        """What it shares with the same failure of other seeds."""
        return identity_of(self.error)

    def __str__(self) -> str:
        shown = text_of(self.error).splitlines()[:1]
        text = f"{self.identity}{': ' if shown and shown[0] else ''}{''.join(shown)}"
        seeds = ", ".join(repr(each) for each in self.seeds[:_SEEDS_SHOWN])
        more = ", ..." if len(self.seeds) > _SEEDS_SHOWN else ""
        which = "seed" if len(self.seeds) == 1 else f"{len(self.seeds)} seeds:"
        return f"{text}\n    {which} {seeds}{more}\n    {self.replay_line}"


@attrs.define(eq=False)
class Swept:
    """What a sweep over seeds found; its text is the report.

    Example:
        >>> import simloop
        >>> async def main():
        ...     pass
        >>> swept = simloop.sweep(main, seeds=range(5))
        >>> swept.ran, swept.failures, swept.interrupted
        (5, [], False)
    """

    program: str
    """What was run, ``module:function``."""
    seeds: int
    """How many seeds there were."""
    ran: int = 0
    """How many of them were run."""
    seconds: float = 0.0
    """How long it took, in real seconds."""
    resumed: int = 0
    """How many of the seeds ran before, as the journal tells, and were not run again."""
    failures: list[SeedFailure] = attrs.Factory(list)
    """The failures, different ones, in the order of their first seeds."""
    properties: dict[str, Tally] = attrs.Factory(dict)
    """How often each property of the program was looked at and true with all seeds, by name."""
    lost: list[Lost] = attrs.Factory(list)
    """The seeds that broke a worker, in order."""
    interrupted: bool = False
    """Whether Ctrl-C ended it early, or what a note tells."""
    notes: list[str] = attrs.Factory(list)
    """What a reader should know, a sentence each."""
    found: int = 0
    """How many different failures there are so far; ``failures`` has them in the end."""

    @property
    def rate(self) -> float:
        """How many seeds were run in a second."""
        return max(0, self.ran - self.resumed) / self.seconds if self.seconds > 0 else 0.0

    def raise_first(self) -> None:
        """Raise the error of the first failure, if there is one, with its seeds as a note.

        Raises:
            BaseException: That error.
            SimError: There is none, but a seed broke its process.
        """
        if self.failures:
            failure = self.failures[0]
            failure.error.add_note(f"simloop.sweep: {failure}")
            raise failure.error
        if self.lost:
            raise SimError(f"seed {self.lost[0]}")

    def __str__(self) -> str:
        count = len(self.failures)
        found = f"{count} failure{'' if count == 1 else 's'}" if count else "no failure"
        which = "seed" if self.ran == 1 else "seeds"
        of = "" if self.ran == self.seeds else f" of {self.seeds}"
        rate = f" ({self.rate:.0f} a second)" if self.seconds > 0 else ""
        end = "; interrupted" if self.interrupted else ""
        lines = [f"{self.program}: {found} in {self.ran}{of} {which}{rate}{end}"]
        lines += [f"{number}. {failure}" for number, failure in enumerate(self.failures, 1)]
        lines += [f"Lost: seed {each}" for each in self.lost[:_LOST_SHOWN]]
        if len(self.lost) > _LOST_SHOWN:
            lines.append(f"Lost: {len(self.lost) - _LOST_SHOWN} more seeds")
        if missing := never_true(self.properties):
            told = ", ".join(f"{self.properties[name].kind} {name!r}" for name in missing)
            lines.append(f"Never true: {told}")
        return "\n".join([*lines, *(f"Note: {note}" for note in self.notes)])
