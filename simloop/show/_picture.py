"""What is drawn: tracks, steps, waits and messages, each a plain record.

Owns: the shapes. Times are microseconds of virtual time, as in the trace; steps are numbered in the
order in which they ran, and everything else says by these numbers where it begins and ends, since
many steps may share one moment.
"""

from __future__ import annotations

from typing import Any

import attrs

from simloop.errors import UsageError

__all__ = ["Message", "Picture", "Step", "TraceError", "Track", "Wait"]


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
class Picture:
    """One run."""

    about: dict[str, Any] = attrs.Factory(dict)
    processes: list[str] = attrs.Factory(list)
    tracks: list[Track] = attrs.Factory(list)
    steps: list[Step] = attrs.Factory(list)
    waits: list[Wait] = attrs.Factory(list)
    messages: list[Message] = attrs.Factory(list)
    end_us: float = 0.0
