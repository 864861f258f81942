"""Findings: what an exploration gives back.

Owns: the records of an exploration and of each failure, and the report.

Must not know: how they were found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from simloop._kernel.safe_looks import text_of
from simloop.errors import SimError

from .properties.tallies import Tally, never_true
from .same_failure import Identity, identity_of, manner_of

if TYPE_CHECKING:
    from simloop.world.outcome import Outcome

    from .program import Program
    from .schedules.schedule import Schedule

__all__ = ["Failure", "Found", "Lost"]

_LOST_SHOWN = 10


@attrs.define(eq=False)
class Failure:
    """One way in which a program fails, and the schedule that makes it.

    Example:
        >>> import asyncio, simloop
        >>> async def main():
        ...     async with asyncio.timeout(1):
        ...         await asyncio.sleep(0.9)
        >>> failure = simloop.explore(main, schedules=200).failures[0]
        >>> failure.error, failure.outcome.error, failure.found_at > 1
        (TimeoutError(), TimeoutError(), True)
    """

    error: BaseException
    """The program's error, or that of the world."""
    kind: str
    """What sort of failure it is ("error", "deadlock", "limit", "unretrieved", ...)."""
    found_at: int
    """The number of the schedule that found it; 1 is the first, which is undisturbed."""
    schedule: Schedule
    """The schedule, shrunk."""
    original: Schedule
    """The schedule as it was found."""
    runs: int
    """How many runs shrinking has taken."""
    outcome: Outcome[Any]
    """The outcome of the shrunk run."""
    program: Program = attrs.field(repr=False)
    """What failed."""

    @property
    def identity(self) -> Identity:
        """What it shares with the same failure under other schedules."""
        return identity_of(self.error)

    def explain(self) -> str:
        """Return one screen of text: what failed, under which deviations, beside the plain run.

        The program is run twice for it.
        """
        from .explaining import explain  # noqa: PLC0415 - only a failure wants it

        return explain(self)

    def __str__(self) -> str:
        count = len(self.schedule.deviations)
        what = f"{count} deviation{'' if count == 1 else 's'}"
        shown = text_of(self.error).splitlines()[:1]
        text = f"{manner_of(self.kind)}{self.identity}"
        text += f"{': ' if shown and shown[0] else ''}{''.join(shown)}"
        return f"{text}\n    schedule {self.found_at}, {what}, token {self.schedule.token}"


@attrs.frozen
class Lost:
    """A run that broke the process that it ran in, twice: it crashed, hung, or took all memory.

    Example:
        >>> import simloop
        >>> print(simloop.Lost(77, "its process died of SIGSEGV"))
        77: its process died of SIGSEGV
    """

    number: int
    """The number of the schedule, or of the seed among the seeds."""
    how: str
    """What became of the process."""
    schedule: Schedule | None = None
    """Its deviations as far as they came; None where it is no schedule."""
    seed: int | str | None = None
    """Its seed, where seeds are swept."""

    def __str__(self) -> str:
        which = f"{self.number}" if self.seed is None else f"{self.seed!r}"
        token = "" if self.schedule is None else f", token {self.schedule.token}"
        return f"{which}: {self.how}{token}"


@attrs.define(eq=False)
class Found:
    """What an exploration found; its text is the report.

    Example:
        >>> import asyncio, simloop
        >>> async def main():
        ...     await asyncio.sleep(1)
        >>> found = simloop.explore(main, schedules=3, strategy="random")
        >>> found.ran, found.exhausted, found.failures
        (3, False, [])
    """

    program: str
    """What was explored, ``module:function``."""
    strategy: str
    """How."""
    seed: int | str
    """Where the schedules came from."""
    ran: int = 0
    """How many schedules ran."""
    seconds: float = 0.0
    """How long it took, in real seconds."""
    resumed: int = 0
    """How many of the schedules ran before, as the journal tells, and were not run again."""
    interleavings: int | None = None
    """How many different orders of steps there were, where ``progress`` was given."""
    exhausted: bool = False
    """Whether there is no other schedule of this strategy."""
    failures: list[Failure] = attrs.Factory(list)
    """The failures, different ones, in the order in which they were found."""
    properties: dict[str, Tally] = attrs.Factory(dict)
    """How often each property of the program was looked at and true in all schedules, by name."""
    lost: list[Lost] = attrs.Factory(list)
    """The schedules that broke a worker, in order; they are counted, and no failures."""
    interrupted: bool = False
    """Whether Ctrl-C ended it."""
    notes: list[str] = attrs.Factory(list)
    """What a reader should know, a sentence each."""

    def raise_first(self) -> None:
        """Raise the error of the first failure, if there is one, with its explanation as a note.

        Raises:
            BaseException: That error.
            SimError: There is none, but a schedule broke its process.
        """
        if self.failures:
            failure = self.failures[0]
            failure.error.add_note(failure.explain())
            raise failure.error
        if self.lost:
            raise SimError(f"schedule {self.lost[0]}")

    def __str__(self) -> str:
        new = max(0, self.ran - self.resumed)
        rate = f", {new / self.seconds:.0f} a second" if self.seconds > 0 else ""
        which = "schedule" if self.ran == 1 else "schedules"
        end = ", which are all there are" if self.exhausted else ""
        end += "; interrupted" if self.interrupted else ""
        count = len(self.failures)
        found = f"{count} failure{'' if count == 1 else 's'}" if count else "no failure"
        head = f"{self.program}: {found} in {self.ran} {which} ({self.strategy}{rate}){end}"
        lines = [f"{number}. {failure}" for number, failure in enumerate(self.failures, 1)]
        lines += [f"Lost: schedule {each}" for each in self.lost[:_LOST_SHOWN]]
        if len(self.lost) > _LOST_SHOWN:
            lines.append(f"Lost: {len(self.lost) - _LOST_SHOWN} more schedules")
        if missing := never_true(self.properties):
            told = ", ".join(f"{self.properties[name].kind} {name!r}" for name in missing)
            lines.append(f"Never true: {told}")
        return "\n".join([head, *lines, *(f"Note: {note}" for note in self.notes)])
