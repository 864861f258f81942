"""What a journal tells: how much was done, how fast, and what was found.

Owns: adding up what journals hold, and the table. Must not know: how a page looks.
"""

from __future__ import annotations

import datetime as dt
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import attrs

from simloop.exploration.delays import Delays
from simloop.exploration.properties.tallies import Tally, add_up, never_true
from simloop.exploration.schedules.schedule import Deviation, Schedule

from .schedule_work import taken_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simloop.sweeps.journal import Kept
    from simloop.sweeps.work import Finding

__all__ = ["FailureRow", "JournalReport", "report_of"]

_POINTS_MAX = 600
_PAUSE_S = 60.0
"""A longer pause between two parts is a sweep that was stopped."""

_RANGE = re.compile(r"from (-?\d+) by (-?\d+)")
"""How a sweep tells in its journal that its seeds are a range."""


@attrs.define
class FailureRow:
    """One failure, in all sweeps of a journal."""

    failure: str
    error: str
    count: int
    first: str
    """The first seed, or schedule, that failed so."""
    replay: str
    """What runs it again."""


@attrs.define
class JournalReport:
    """What the sweeps of a journal have done and found; its text is the table."""

    kind: str
    program: str
    about: list[dict[str, Any]]
    """What each sweep is about."""
    done: int
    begun_s: float
    """When the first sweep began, in POSIX seconds."""
    ended_s: float
    """When the last part was done."""
    worked_s: float
    """For how long workers were at it, all together."""
    failures: list[FailureRow]
    lost: list[tuple[str, str]]
    """Which runs broke their processes, and how."""
    properties: dict[str, Tally]
    points: list[tuple[float, int]]
    """How many runs were done, by seconds since the beginning."""

    @property
    def active_s(self) -> float:
        """For how many seconds parts came in, pauses left out."""
        times = [at for at, _ in self.points]
        gaps = (after - before for before, after in pairwise(times))
        return sum(gap for gap in gaps if gap <= _PAUSE_S)

    @property
    def rate(self) -> float:
        """How many runs a second there were, pauses left out."""
        return self.done / self.active_s if self.active_s > 0 else 0.0

    def __str__(self) -> str:
        rate = f", {self.rate:.0f} a second" if self.rate else ""
        head = f"{self.program}: {self.done:,} {self.kind}, begun {_date(self.begun_s)}"
        lines = [f"{head}, last {_date(self.ended_s)}{rate}"]
        lines += [f"  {_told(each)}" for each in self.about]
        if not self.failures:
            lines.append("no failure")
        for number, row in enumerate(self.failures, 1):
            share = row.count / self.done if self.done else 0.0
            lines.append(f"{number}. {row.error}")
            lines.append(f"    {row.count:,} of {self.done:,} ({share:.3%}), first {row.first}")
            lines.append(f"    {row.replay}")
        lines += [f"Lost: {which}: {how}" for which, how in self.lost]
        if missing := never_true(self.properties):
            told = ", ".join(f"{self.properties[name].kind} {name!r}" for name in missing)
            lines.append(f"Never true: {told}")
        return "\n".join(lines)


def report_of(sweeps: Sequence[Kept]) -> JournalReport:
    """Return what the sweeps of a journal have done and found."""
    rows: dict[str, FailureRow] = {}
    properties: dict[str, Tally] = {}
    moments: list[tuple[float, int]] = []
    lost: list[tuple[str, str]] = []
    for kept in sweeps:
        for part, at_s in zip(kept.parts, kept.at_s, strict=True):
            moments.append((at_s, part.end - part.first))
            add_up(properties, {name: Tally(*each) for name, each in part.tallies.items()})
        lost += [(_which(kept, each.number, None), each.how) for each in kept.lost]
        for finding in kept.findings():
            row = _row_of(kept, finding)
            known = rows.setdefault(finding.failure, row)
            known.count += sum(len(part.numbers.get(finding.failure, ())) for part in kept.parts)
    moments.sort()
    about = [kept.about for kept in sweeps]
    begun_s = min((kept.begun_s for kept in sweeps), default=0.0)
    return JournalReport(
        kind=about[0]["kind"] if about else "runs",
        program=about[0]["program"] if about else "nothing",
        about=about,
        done=sum(kept.done.count for kept in sweeps),
        begun_s=begun_s,
        ended_s=max((at_s for at_s, _ in moments), default=begun_s),
        worked_s=sum(part.seconds for kept in sweeps for part in kept.parts),
        failures=list(rows.values()),
        lost=lost,
        properties=properties,
        points=_points(moments, begun_s),
    )


def _points(moments: list[tuple[float, int]], begun_s: float) -> list[tuple[float, int]]:
    """Return sums over time, not more of them than a picture can show."""
    points, total = [(0.0, 0)], 0
    every = max(1, len(moments) // _POINTS_MAX)
    for number, (at_s, count) in enumerate(moments, 1):
        total += count
        if number % every == 0 or number == len(moments):
            points.append((max(0.0, at_s - begun_s), total))
    return points


def _row_of(kept: Kept, finding: Finding) -> FailureRow:
    detail = kept.refined.get(finding.failure) or finding.detail
    first = _which(kept, finding.number, detail)
    if kept.about["kind"] == "seeds":
        program = kept.about["program"]
        replay = f"seed {detail['seed']!r} of {program}"
    else:
        replay = f"token {_token(kept.about, detail)}"
    return FailureRow(finding.failure, detail["error"], 0, first, replay)


def _which(kept: Kept, number: int, detail: dict[str, Any] | None) -> str:
    if kept.about["kind"] == "seeds":
        return _seed(kept.about["seeds"], number) if detail is None else f"seed {detail['seed']!r}"
    return f"schedule {number} of seed {kept.about['seed']!r}"


def _seed(told: str, number: int) -> str:
    """Return the seed of a run, by its number; its place where the journal does not know the list.

    Example:
        >>> _seed("from 100 by 2", 3)
        'seed 104'
    """
    of_range = _RANGE.fullmatch(told)
    if of_range is None:
        return f"the seed at place {number} of the list"
    first, step = map(int, of_range.groups())
    return f"seed {first + (number - 1) * step}"


def _token(about: dict[str, Any], detail: dict[str, Any]) -> str:
    """Return the token of a failure: shrunk, where that was done."""
    is_shrunk = detail["shrunk"] is not None
    taken = taken_of(detail, "shrunk" if is_shrunk else "taken")
    schedule = Schedule(
        [Deviation(*key, value) for key, value in taken.items()],
        delays=Delays(*about["delays"]),
        options=about["options"],
        digest=detail["shrunk_digest" if is_shrunk else "digest"],
        permuted=detail["permuted"],
    )
    return schedule.token


def _told(about: dict[str, Any]) -> str:
    hidden = ("kind", "program")
    told = (
        f"{name} {value}"
        for name, value in about.items()
        if name not in hidden and value not in (None, {}, [])
    )
    return ", ".join(told)


def _date(posix_s: float) -> str:
    return dt.datetime.fromtimestamp(posix_s, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
