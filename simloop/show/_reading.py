"""Reading a trace: from Chrome trace events to what is drawn.

Owns: the checks of a file that may be anything, and the putting together of spans. It takes what
`simloop run --trace` writes, also if the run was broken off and some spans have no end.

Must not know: the page.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ._picture import Message, Picture, Step, TraceError, Track, Wait

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read"]


def read(path: Path) -> Picture:
    """Read a trace.

    Raises:
        OSError: The file can't be read.
        TraceError: It is no trace of a run.
    """
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise TraceError(f"{str(path)!r} is not JSON: {error}; {_WAY_OUT}") from None
    is_object = isinstance(content, dict)
    events = content.get("traceEvents") if is_object else content
    if not isinstance(events, list):
        raise TraceError(f"{str(path)!r} has no list of trace events; {_WAY_OUT}")
    about = content.get("otherData") if is_object else None
    reader = _Reader(about if isinstance(about, dict) else {})
    for number, event in enumerate(events):
        try:
            reader.take(event)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise TraceError(
                f"{str(path)!r}: event {number} is not as simloop writes it"
                f" ({type(error).__name__}: {error}): {str(event)[:200]}; {_WAY_OUT}"
            ) from None
    if not reader.picture.steps:
        raise TraceError(f"{str(path)!r} has no step of a run of simloop in it; {_WAY_OUT}")
    return reader.close()


_WAY_OUT = "make a trace with: simloop run PROGRAM --trace FILE"

_Key = tuple[int, int]


class _Reader:
    """Builds a picture, event by event."""

    def __init__(self, about: dict[str, Any]) -> None:
        self.picture = Picture(about=about)
        self._processes: dict[int, int] = {}
        self._tracks: dict[_Key, int] = {}
        self._spans: dict[_Key, list[Step | Wait | Track | None]] = {}
        self._last_step: dict[int, int] = {}
        self._waiting: dict[int, Wait] = {}
        self._flows: dict[int, Message] = {}
        self._lost: dict[int, None] = {}

    def take(self, event: dict[str, Any]) -> None:
        """Take one event; kinds that are not ours are left out."""
        phase = event["ph"]
        if phase == "M":
            self._name(event)
            return
        take = _PHASES.get(phase)
        if take is None:
            return
        time_us = float(event["ts"])
        self.picture.end_us = max(self.picture.end_us, time_us)
        take(self, event, (event["pid"], event["tid"]), time_us)

    def close(self) -> Picture:
        """Return the picture; what has no end yet ends with it."""
        for spans in self._spans.values():
            for span in spans:
                if isinstance(span, Step | Wait):
                    span.end_us = self.picture.end_us
        return self.picture

    # Names ---------------------------------------------------------------------------------

    def _process(self, pid: int) -> int:
        if pid not in self._processes:
            self._processes[pid] = len(self.picture.processes)
            self.picture.processes.append(f"process {pid}")
        return self._processes[pid]

    def _track(self, key: _Key) -> int:
        if key not in self._tracks:
            self._tracks[key] = len(self.picture.tracks)
            self.picture.tracks.append(Track(self._process(key[0]), f"thread {key[1]}"))
        return self._tracks[key]

    def _name(self, event: dict[str, Any]) -> None:
        if event["name"] == "process_name":
            self.picture.processes[self._process(event["pid"])] = str(event["args"]["name"])
        elif event["name"] == "thread_name":
            key = (event["pid"], event["tid"])
            self.picture.tracks[self._track(key)].name = str(event["args"]["name"])

    # Spans ---------------------------------------------------------------------------------

    def _begin(self, event: dict[str, Any], key: _Key, time_us: float) -> None:
        index, category = self._track(key), event["cat"]
        span: Step | Wait | Track | None
        if category == "task":
            span = self.picture.tracks[index]
            span.coroutine = str(event["name"])
            span.where = str(event["args"]["where"])
        elif category == "lost":
            self._lost[event["args"]["id"]] = None
            span = None
        elif category == "wait":
            where = str(event["args"]["where"])
            after = self._last_step[index]
            span = Wait(index, time_us, time_us, str(event["name"]), where, after)
            self.picture.waits.append(span)
            self._waiting[index] = span
        else:
            span = self._add_step(event, index, time_us)
        self._spans.setdefault(key, []).append(span)

    def _end(self, event: dict[str, Any], key: _Key, time_us: float) -> None:
        span = self._spans[key].pop()
        if isinstance(span, Track):
            span.outcome = str(event.get("args", {}).get("outcome", ""))
        elif span is not None:
            span.end_us = time_us

    def _add_step(self, event: dict[str, Any], index: int, time_us: float) -> Step:
        step = Step(index, time_us, time_us, str(event["name"]), str(event["args"]["where"]))
        self._last_step[index] = number = len(self.picture.steps)
        self.picture.steps.append(step)
        wait = self._waiting.pop(index, None)
        if wait is not None:
            wait.before = number
        return step

    # Messages ------------------------------------------------------------------------------

    def _send(self, event: dict[str, Any], key: _Key, _time_us: float) -> None:
        sender = self._last_step[self._track(key)]
        about = dict(event["args"])
        message = Message(str(about.get("kind", "")), about, sender)
        self._flows[event["id"]] = message
        self.picture.messages.append(message)

    def _arrive(self, event: dict[str, Any], key: _Key, _time_us: float) -> None:
        message = self._flows.pop(event["id"])
        if event["id"] not in self._lost:
            message.taker = self._last_step[self._track(key)]


_PHASES = {
    "B": _Reader._begin,
    "E": _Reader._end,
    "s": _Reader._send,
    "f": _Reader._arrive,
}
