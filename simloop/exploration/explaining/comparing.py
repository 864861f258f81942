"""Comparing: what one program does under two schedules, from the first step that is not the same.

Owns: running both, and the text. Must not know where the schedules come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from simloop.exploration.program import Program, quiet
from simloop.exploration.replaying import pick_of

from .columns import Column, first_difference, side_by_side
from .explanation import end_of
from .step_log import StepLog

if TYPE_CHECKING:
    from simloop.exploration.explored_run import Main
    from simloop.exploration.schedules.schedule import Schedule

__all__ = ["Comparison", "compare"]


@attrs.frozen
class Comparison:
    """Two runs of one program; its text is the two columns."""

    program: str
    """The program's name."""
    one: Column
    other: Column
    notes: tuple[str, ...] = ()
    """What a reader should know of a schedule that does not fit."""

    @property
    def is_same(self) -> bool:
        """Whether both runs took the same steps, at the same times, to the same end."""
        times = [[row.now_ns for row in each.rows] for each in (self.one, self.other)]
        return (
            self.one.rows == self.other.rows
            and times[0] == times[1]
            and self.one.end == self.other.end
        )

    def __str__(self) -> str:
        one, other = self.one, self.other
        if self.is_same:
            head = f"{self.program}: {one.title} and {other.title} are the same run"
            return "\n".join([head, *self.notes])
        at = first_difference(one.rows, other.rows)
        if at == len(one.rows) == len(other.rows):
            head = f"{self.program}: the same steps, at other times"
        else:
            head = f"{self.program}: the runs part at step {at + 1} of the program's own"
        return "\n".join([head, *self.notes, "", *side_by_side(one, other)])


def compare(
    main: Main, one: Schedule, other: Schedule, titles: tuple[str, str], name: str | None = None
) -> Comparison:
    """Run a program under two schedules.

    Args:
        main: The coroutine function.
        one: The first schedule.
        other: The second.
        titles: What they are called.
        name: What the program is called.

    Raises:
        UsageError: It is no program that can be explored.
    """
    notes: list[str] = []
    left = _column(main, one, titles[0], notes)
    right = _column(main, other, titles[1], notes)
    return Comparison(name or _program(main, one).name, left, right, tuple(notes))


def _program(main: Main, schedule: Schedule) -> Program:
    return Program(main, schedule.options, schedule.delays, call="diff()")


def _column(main: Main, schedule: Schedule, title: str, notes: list[str]) -> Column:
    log, pick = StepLog(), pick_of(schedule)
    with quiet():
        ran, _ = _program(main, schedule).play(pick, permuted=schedule.permuted, watchers=(log,))
    if unasked := pick.unasked():
        count = len(schedule.deviations) + len(schedule.hashed)
        notes.append(
            f"Note: {title}: {len(unasked)} of {count} deviations were never asked for; the program"
            " has changed since, or it is another one"
        )
    return Column(title, log.rows, end_of(ran))
