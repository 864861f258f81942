"""The recorder: every step of a run, kept, and where two runs part.

Owns: the list of records and the search for the first that differs. It keeps a tuple per step, so
it is for finding out, not for every run; what only asks whether two runs are the same uses the
digest.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from .labels import label, location

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simloop._kernel import Handle, TimerHandle

__all__ = ["Difference", "Recorder", "Step", "first_difference"]


class Step(NamedTuple):
    """One thing that happened: a step, or bytes that crossed a socket."""

    time_ns: int
    label: str
    where: str = ""

    def __str__(self) -> str:
        where = f"  ({self.where})" if self.where else ""
        return f"at {self.time_ns / 1e9} s  {self.label}{where}"


class Difference(NamedTuple):
    """The first step in which two runs differ; None on a side means that it had ended."""

    position: int
    first: Step | None
    second: Step | None

    def __str__(self) -> str:
        sides = (("first run", self.first), ("second run", self.second))
        return f"step {self.position} differs:" + "".join(
            f"\n  {name}:  {'it had ended' if step is None else step}" for name, step in sides
        )


class Recorder:
    """An observer of the kernel and a tap of the network that keeps what it hears."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._now_ns = 0

    def step(self, now_ns: int, handle: Handle | TimerHandle) -> None:
        """Keep a step."""
        self._now_ns = now_ns
        self.steps.append(Step(now_ns, label(handle), location(handle)))

    def sent(self, kind: str, source: object, destination: object, data: bytes) -> None:
        """Keep bytes that crossed a socket."""
        shown = data[:32].hex() + ("..." if len(data) > 32 else "")  # noqa: PLR2004 - a summary_of
        text = f"{kind} {source} -> {destination}: {len(data)} bytes {shown}"
        self.steps.append(Step(self._now_ns, text))


def first_difference(first: Iterable[Step], second: Iterable[Step]) -> Difference | None:
    """Find where two runs part; None if they never do.

    Example:
        >>> first_difference([Step(0, "a")], [Step(0, "a"), Step(5, "b")]).position
        1
    """
    for index, (one, other) in enumerate(zip_longest(first, second)):
        if one != other:
            return Difference(index, one, other)
    return None
