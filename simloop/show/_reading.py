"""Reading a trace: from Chrome trace events to what is drawn.

Owns: the checks of a file that may be anything, and the putting together of spans. It takes what
`simloop run --trace` writes, also if the run was broken off and some spans have no end, or if the
file itself was cut off: then all whole events before the cut. Categories that it does not know are
left out, moments excepted, which say what they are.

Must not know: the page.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ._picture import Message, Moment, Packet, Picture, Spell, Step, TraceError, Track, Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["read"]


def read(path: Path) -> Picture:
    """Read a trace.

    Raises:
        OSError: The file can't be read.
        TraceError: It is no trace of a run.
    """
    content = _load(path)
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


def _load(path: Path) -> Any:
    data = path.read_bytes()
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        if events := list(_whole_events(data)):
            return {"traceEvents": events, "otherData": {"complete": False, "cut": True}}
        raise TraceError(f"{str(path)!r} is not JSON: {error}; {_WAY_OUT}") from None


def _whole_events(data: bytes) -> Iterator[Any]:
    """Yield the events of a file that was cut off, as long as they are whole: one a line."""
    head, *lines = data.split(b"\n")
    if head != b'{"traceEvents":[':
        return
    for line in lines:
        try:
            event = json.loads(line.removesuffix(b","))
        except (ValueError, RecursionError):
            return
        yield event


_WAY_OUT = "make a trace with: simloop run PROGRAM --trace FILE"

_Key = tuple[int, int]


class _Reader:
    """Builds a picture, event by event."""

    def __init__(self, about: dict[str, Any]) -> None:
        self.picture = Picture(about=about)
        self._processes: dict[int, int] = {}
        self._tracks: dict[_Key, int] = {}
        self._names: dict[_Key, str] = {}
        self._spans: dict[_Key, list[Step | Wait | Track | Spell | None]] = {}
        self._last_step: dict[int, int] = {}
        self._waiting: dict[int, Wait] = {}
        self._flows: dict[int, Message] = {}
        self._lost: dict[int, None] = {}
        self._packets: dict[int, Packet] = {}

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
                if isinstance(span, Step | Wait | Spell):
                    span.end_us = self.picture.end_us
        for packet in self._packets.values():
            packet.end_us = self.picture.end_us
        hosts = {name: number for number, name in enumerate(self.picture.processes)}
        for packet in self.picture.packets:
            packet.destination = hosts.get(str(packet.about.get("host", "")), -1)
        self.picture.about["failing"] = self.picture.failing_step
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
            name = self._names.get(key, f"thread {key[1]}")
            self.picture.tracks.append(Track(self._process(key[0]), name))
        return self._tracks[key]

    def _name(self, event: dict[str, Any]) -> None:
        if event["name"] == "process_name":
            self.picture.processes[self._process(event["pid"])] = str(event["args"]["name"])
        elif event["name"] == "thread_name":
            key = (event["pid"], event["tid"])
            self._names[key] = name = str(event["args"]["name"])
            if key in self._tracks:
                self.picture.tracks[self._tracks[key]].name = name

    # Spans ---------------------------------------------------------------------------------

    def _begin(self, event: dict[str, Any], key: _Key, time_us: float) -> None:
        begin = _CATEGORIES.get(event["cat"])
        span = None if begin is None else begin(self, event, key, time_us)
        self._spans.setdefault(key, []).append(span)

    def _begin_task(self, event: dict[str, Any], key: _Key, _time_us: float) -> Track:
        track = self.picture.tracks[self._track(key)]
        track.coroutine = str(event["name"])
        track.where = str(event["args"]["where"])
        return track

    def _begin_lost(self, event: dict[str, Any], _key: _Key, _time_us: float) -> None:
        self._lost[event["args"]["id"]] = None

    def _begin_wait(self, event: dict[str, Any], key: _Key, time_us: float) -> Wait:
        index = self._track(key)
        where, after = str(event["args"]["where"]), self._last_step[index]
        wait = Wait(index, time_us, time_us, str(event["name"]), where, after)
        self.picture.waits.append(wait)
        self._waiting[index] = wait
        return wait

    def _end(self, event: dict[str, Any], key: _Key, time_us: float) -> None:
        span = self._spans[key].pop()
        if isinstance(span, Track):
            span.outcome = str(event.get("args", {}).get("outcome", ""))
        elif span is not None:
            span.end_us = time_us
        if isinstance(span, Spell):
            span.before = len(self.picture.steps) - 1

    def _begin_step(self, event: dict[str, Any], key: _Key, time_us: float) -> Step:
        index = self._track(key)
        step = Step(index, time_us, time_us, str(event["name"]), str(event["args"]["where"]))
        self._last_step[index] = number = len(self.picture.steps)
        self.picture.steps.append(step)
        wait = self._waiting.pop(index, None)
        if wait is not None:
            wait.before = number
        return step

    # Messages ------------------------------------------------------------------------------

    def _send(self, event: dict[str, Any], key: _Key, _time_us: float) -> None:
        if event["cat"] != "message":
            return  # A packet's: the spans at its ends say more.
        sender = self._last_step[self._track(key)]
        about = dict(event["args"])
        message = Message(str(about.get("kind", "")), about, sender)
        self._flows[event["id"]] = message
        self.picture.messages.append(message)

    def _arrive(self, event: dict[str, Any], key: _Key, _time_us: float) -> None:
        if event["cat"] != "message":
            return
        message = self._flows.pop(event["id"])
        if event["id"] not in self._lost:
            message.taker = self._last_step[self._track(key)]

    # Hosts ---------------------------------------------------------------------------------

    def _begin_packet(self, event: dict[str, Any], key: _Key, time_us: float) -> None:
        """Take one end of a packet: where it sets out, or where it arrives."""
        about, step = dict(event["args"]), len(self.picture.steps) - 1
        if "to" not in about:
            self._end_packet(event, key, time_us)
            return
        host = self._process(key[0])
        packet = Packet(str(event["name"]), about, host, -1, step, time_us, time_us)
        self._packets[about["packet"]] = packet
        self.picture.packets.append(packet)

    def _end_packet(self, event: dict[str, Any], key: _Key, time_us: float) -> None:
        packet = self._packets.pop(event["args"]["packet"])
        packet.end_us, packet.taker = time_us, len(self.picture.steps) - 1
        packet.ended_at = self._process(key[0])
        packet.why = str(event["args"].get("why", ""))

    def _begin_spell(self, event: dict[str, Any], key: _Key, time_us: float) -> Spell:
        kind, state, step = str(event["cat"]), str(event["name"]), len(self.picture.steps) - 1
        spell = Spell(self._process(key[0]), kind, state, time_us, time_us, step)
        self.picture.spells.append(spell)
        return spell

    def _moment(self, event: dict[str, Any], key: _Key, time_us: float) -> None:
        process = self._process(key[0]) if event.get("s") == "p" else -1
        step, kind = len(self.picture.steps) - 1, str(event["cat"])
        self.picture.moments.append(Moment(process, kind, str(event["name"]), time_us, step))


_CATEGORIES: dict[str, Callable[..., Step | Wait | Track | Spell | None]] = {
    "task": _Reader._begin_task,
    "step": _Reader._begin_step,
    "wait": _Reader._begin_wait,
    "lost": _Reader._begin_lost,
    "packet": _Reader._begin_packet,
    "lost packet": _Reader._end_packet,
    "power": _Reader._begin_spell,
    "network": _Reader._begin_spell,
}

_PHASES = {
    "B": _Reader._begin,
    "E": _Reader._end,
    "s": _Reader._send,
    "f": _Reader._arrive,
    "i": _Reader._moment,
}
