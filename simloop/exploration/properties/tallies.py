"""Tallies: how often each property was looked at, and how often it was true.

Owns: the counts of one run, their sum over many, and what is missing in a sum. They are plain
values, so that a worker can send them.

Must not know: runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from simloop.errors import PropertyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Tally", "add_up", "demand", "never_true"]


class Tally(NamedTuple):
    """What became of one property, in one run or in all of an exploration."""

    kind: str
    """``"always"``, ``"eventually"``, ``"sometimes"``, ``"reachable"`` or ``"unreachable"``."""
    asked: int
    """How often it was looked at."""
    true: int
    """How often it was true then; of a line that is reachable, how often it was reached."""


def add_up(total: dict[str, Tally], more: Mapping[str, Tally]) -> None:
    """Add the tallies of one more run to a sum, by name.

    Example:
        >>> total = {}
        >>> add_up(total, {"a retry": Tally("sometimes", 3, 1)})
        >>> add_up(total, {"a retry": Tally("sometimes", 2, 0)})
        >>> total
        {'a retry': Tally(kind='sometimes', asked=5, true=1)}
    """
    for name, tally in more.items():
        known = total.get(name)
        if known is None:
            total[name] = tally
        else:
            total[name] = Tally(tally.kind, known.asked + tally.asked, known.true + tally.true)


def never_true(total: Mapping[str, Tally]) -> list[str]:
    """Return the names that were to be true at some time and never were, in order."""
    kinds = ("sometimes", "reachable", "eventually")
    return [name for name, tally in total.items() if tally.kind in kinds and not tally.true]


def demand(total: Mapping[str, Tally], names: Iterable[str]) -> None:
    """Demand that each of these was true at some time.

    Raises:
        PropertyError: One was not; the message names each, and how often it was looked at.

    Example:
        >>> demand({"retry": Tally("sometimes", 3, 0)}, ["retry"])
        Traceback (most recent call last):
        ...
        simloop.errors.PropertyError: never true, though required: sometimes 'retry' (asked 3 times)
    """
    missing = []
    for name in names:
        tally = total.get(name)
        if tally is None:
            missing.append(f"{name!r} (no line with this name was reached)")
        elif not tally.true:
            times = "once" if tally.asked == 1 else f"{tally.asked} times"
            missing.append(f"{tally.kind} {name!r} (asked {times})")
    if missing:
        raise PropertyError(f"never true, though required: {', '.join(missing)}")
