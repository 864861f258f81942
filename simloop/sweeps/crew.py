"""A crew: what does the tasks of a sweep, and tells how each went.

Owns: the interface between a sweep and its workers, and the events that it is told by.

Must not know: how workers are made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from .work import Part, Runs, Task

__all__ = ["Broken", "Crew", "CrewError", "Ended", "Event", "Limits", "Refined", "Returned", "Told"]


class Limits(NamedTuple):
    """What a worker may take."""

    run_s: float | None = 60.0
    """For how many real seconds one run may go on; None for ever."""
    memory_bytes: int = 1 << 30
    """By how much a worker may grow."""


class Told(NamedTuple):
    """A part of a task is done."""

    task: Runs
    part: Part


class Ended(NamedTuple):
    """A task is done, or was stopped; all its parts were told."""

    task: Task


class Refined(NamedTuple):
    """A detail was refined."""

    failure: str
    detail: Any


class Returned(NamedTuple):
    """A task was not begun, through no fault of its own."""

    task: Task


class Broken(NamedTuple):
    """A worker died of a task."""

    task: Task
    number: int | None
    """The run that it had begun; None where that is not known."""
    how: str
    """What became of the worker, in words."""
    told: tuple[Any, ...] = ()
    """What a run alone told of its deviations."""


Event = Told | Ended | Refined | Returned | Broken


class CrewError(Exception):
    """There is nothing any more that does tasks; the text says why."""


class Crew(Protocol):
    """What does tasks."""

    size: int
    """How many workers there are."""

    def start(self) -> None:
        """Make the workers.

        Raises:
            UsageError: They can't do this work, and why.
        """

    def has_room(self) -> bool:
        """Return whether another task would soon be begun."""

    def give(self, task: Task) -> None:
        """Hand out a task."""

    def wait(self, timeout_s: float) -> list[Event]:
        """Return what happened; wait for it, for so long at most."""

    def stop(self) -> None:
        """Ask for the end of all runs soon; what is done is still told."""

    def close(self) -> None:
        """End all workers, now."""
