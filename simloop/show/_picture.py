"""What is drawn: tracks, steps, waits, messages, and what hosts have; each a plain record.

Owns: the shapes. Times are microseconds of virtual time, as in the trace; steps are numbered in the
order in which they ran, and everything else says by these numbers where it begins and ends, since
many steps may share one moment.
"""

from __future__ import annotations

from typing import Any

import attrs

from simloop.errors import UsageError

__all__ = [
    "Message",
    "Moment",
    "Packet",
    "Picture",
    "Spell",
    "Step",
    "TraceError",
    "Track",
    "Wait",
]


class TraceError(UsageError):
    """A file is no trace of a run."""


@attrs.define(eq=False)
class Track:
    """A task, or the callbacks of a host."""

    process: int
    name: str
    coroutine: str = ""
    where: str = ""
    outcome: str = ""


@attrs.define(eq=False)
class Step:
    """One callback that ran."""

    track: int
    begin_us: float
    end_us: float
    name: str
    where: str


@attrs.define(eq=False)
class Wait:
    """The time between two steps of a task."""

    track: int
    begin_us: float
    end_us: float
    reason: str
    where: str
    after: int
    """The step before it."""
    before: int = -1
    """The step that ended it; -1 if none did."""


@attrs.define(eq=False)
class Message:
    """Bytes that one step sent and another took."""

    kind: str
    about: dict[str, Any]
    sender: int
    taker: int = -1
    """-1 if nobody read it."""


@attrs.define(eq=False)
class Packet:
    """One packet between two hosts, which are processes of the picture; -1 for none."""

    kind: str
    about: dict[str, Any]
    source: int
    """The host that sent it."""
    destination: int
    sender: int
    """The step in which it set out; -1 if it did before the first."""
    begin_us: float
    end_us: float
    taker: int = -1
    """The step in which it arrived, or was lost."""
    ended_at: int = -1
    """The host at which it did; -1 while it is on its way."""
    why: str = ""
    """Why it was lost; empty if it arrived."""


@attrs.define(eq=False)
class Spell:
    """A time during which something was the matter with a host."""

    process: int
    kind: str
    """``power`` or ``network``."""
    state: str
    begin_us: float
    end_us: float
    after: int
    """The step in which it began."""
    before: int = -1
    """The step in which it ended; -1 if it did not."""


@attrs.define(eq=False)
class Moment:
    """Something that happened on a host, or in the world."""

    process: int
    """The host's number, -1 for the world."""
    kind: str
    text: str
    at_us: float
    step: int


@attrs.define(eq=False)
class Picture:
    """One run."""

    about: dict[str, Any] = attrs.Factory(dict)
    processes: list[str] = attrs.Factory(list)
    tracks: list[Track] = attrs.Factory(list)
    steps: list[Step] = attrs.Factory(list)
    waits: list[Wait] = attrs.Factory(list)
    messages: list[Message] = attrs.Factory(list)
    packets: list[Packet] = attrs.Factory(list)
    spells: list[Spell] = attrs.Factory(list)
    moments: list[Moment] = attrs.Factory(list)
    end_us: float = 0.0

    @property
    def failing_step(self) -> int:
        """The number of the step in which the run failed, -1 if it did not or nothing tells.

        It is the last step of the task that raised the run's error, the first of them if there are
        several; of a run that ended otherwise, such as by a deadlock, the last step of all.
        """
        error = str(self.about.get("error") or "")
        if not error or not self.steps:
            return -1
        name = error.partition(":")[0].rpartition(".")[2]
        last = {step.track: number for number, step in enumerate(self.steps)}
        raised = [
            last[number]
            for number, track in enumerate(self.tracks)
            if number in last and track.outcome.partition("(")[0] == f"raised {name}"
        ]
        return min(raised, default=len(self.steps) - 1)
