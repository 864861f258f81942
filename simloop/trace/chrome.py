"""A run as Chrome trace events, which Perfetto, Chrome and ``simloop show`` draw.

Owns: what becomes which event. Hosts are processes, tasks are threads, and one more thread per
host has the callbacks that belong to no task. On a task's thread lies one span for its life, and
in it a span for each step and each wait. What hosts have beside lies on their lanes
(:mod:`simloop.trace.lanes.host_lanes`). A message is a flow from the step that sent it
to the step that it woke or, if it woke none, to the one that read it.

Must not know: where events go, and why anything happened.

Invariants:

- Time is virtual, in microseconds; a step has a duration only if it blocked the world. Events are
  in order of time, spans of a thread are nested, and each flow has both its ends, within steps.
  (A step is a pair of events, not one with a duration of 0: viewers pile those up.)
- The run is the same with and without this watcher, and equal runs give equal events.
- Memory holds what goes on now: living tasks, the steps of one instant, unread messages.
"""

from __future__ import annotations

import json
from types import CodeType
from typing import TYPE_CHECKING, Any

from simloop._kernel.safe_looks import attribute_of

from .labels import asked, coroutine_of, location, name_of, qualified_name, task_of
from .lanes.event_text import Endpoint, microseconds, quoted, shown_endpoint
from .lanes.host_lanes import HostLanes
from .messages import Messages
from .plain_text import canonical
from .tracks import Track, Tracks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simloop._kernel import Handle, TimerHandle

    from .eventfile import EventFile

__all__ = ["ChromeTrace"]

_SHOWN_BYTES = 48


class _Step:
    """A step that has begun."""

    __slots__ = ("began_ns", "forwarded", "head", "is_written", "queued", "sent", "track")

    def __init__(self, track: Track, began_ns: int, head: str, queued: int) -> None:
        self.track = track
        self.began_ns = began_ns
        self.head = head  # The fields of its event that follow the time.
        self.queued = queued  # How many callbacks were ready when it began.
        self.is_written = False
        self.sent: list[str] = []  # Events that come after its beginning.
        self.forwarded: list[int] = []  # Messages that another step read, and this one got.


class ChromeTrace:
    """A watcher of a world that writes what happens as trace events.

    Args:
        file: Where events go.
        clock: Tells the virtual time in nanoseconds.
        receiver: Tells into which file of the network the last message went, or None.
        summary_of: Tells what a suspended task waits for, and where: ``file:line in function``.
        states: Tells what is the matter with each host, as :class:`HostLanes` takes it.
    """

    def __init__(
        self,
        file: EventFile,
        clock: Callable[[], int],
        receiver: Callable[[], Any],
        summary_of: Callable[[Any], tuple[str, str]],
        states: Callable[[], Iterable[tuple[str, str, str]]] = tuple,
    ) -> None:
        self._write: Callable[[str], None] = file.write
        self._clock = clock
        self._glance = summary_of
        self._tracks = Tracks(self._track_began)
        self._messages = Messages(receiver)
        self._lanes = HostLanes(self._tracks.lane, self._tell, lambda: self._now_ns, states)
        self._steps = 0
        self._now_ns = 0
        self._open: list[_Step] = []
        self._resting: dict[int, Track] = {}
        # Messages that were read by a step which woke a task, by that task's next step.
        self._inbound: list[tuple[Any, list[int]]] = []
        self._senders: dict[int, Track] = {}

    # What the world tells ------------------------------------------------------------------

    def step(self, now_ns: int, handle: Handle | TimerHandle) -> None:
        """Hear that a step begins."""
        self._advance(now_ns)
        self._bury()
        if self._open:
            self._write_down(self._open[-1])  # This one is in the middle of it.
        loop = handle._loop
        task = task_of(handle._callback)
        if task is None:
            track = self._tracks.of_loop(loop)
            name, where = qualified_name(handle._callback), location(handle)
        else:
            track = self._tracks.of_task(task, loop)
            name, where = qualified_name(coroutine_of(task)), self._look(task)[1]
            if track.is_waiting:
                track.is_waiting = False
                self._end(track, now_ns)
            track.rests_ns = None
            self._resting.pop(track.tid, None)
        self._steps += 1
        head = (
            f'"pid":{track.pid},"tid":{track.tid},"cat":"step","name":{quoted(name)},'
            f'"args":{{"step":{self._steps},"where":{quoted(where)}}}}}'
        )
        step = _Step(track, now_ns, head, len(loop._ready))
        step.forwarded = self._take_inbound(handle)
        self._open.append(step)

    def stepped(self, now_ns: int, handle: Handle | TimerHandle) -> None:
        """Hear that the step which began last ends."""
        if not self._open:
            return
        step = self._open[-1]
        track = step.track
        self._advance(now_ns)
        self._lanes.look()
        self._open.pop()
        self._write_down(step)
        self._arrive(step, handle, now_ns)
        self._end(track, now_ns)
        self._lose(self._messages.take_lost())
        self._bury()
        task = track.task
        if task is None:
            return
        if asked(task, "done"):
            self._end(track, now_ns, outcome=_outcome(task))
            self._tracks.end(track)
        else:
            track.rests_ns = now_ns
            self._resting[track.tid] = track

    def sent(self, kind: str, source: Endpoint, destination: Endpoint, data: bytes) -> None:
        """Hear that a message was sent."""
        if not self._open:
            return  # By something that is no step: the program before its loop runs.
        step = self._open[-1]
        self._advance(self._clock())  # The step may have blocked the world before.
        about = {
            "kind": kind,
            "from": shown_endpoint(source),
            "to": shown_endpoint(destination),
            "bytes": len(data),
        }
        if data:
            about["begins"] = data[:_SHOWN_BYTES].decode("latin-1")
        else:
            del about["bytes"]  # Ciphered: how much it was is not told.
        number = self._messages.sent(len(data))
        track = step.track
        self._senders[number] = track
        step.sent.append(
            f'{{"ph":"s","ts":{microseconds(self._now_ns)},"pid":{track.pid},"tid":{track.tid},'
            f'"cat":"message","name":"message","id":{number},"args":{json.dumps(about)}}}'
        )

    def noted(self, what: str, text: str, hostname: str) -> None:
        """Hear of something that happens on a host, or in the world."""
        self._advance(self._clock())
        self._lanes.noted(what, text, hostname)

    def packet_left(self, packet: Any) -> None:
        """Hear that a packet sets out."""
        self._advance(self._clock())
        self._lanes.left(packet)

    def packet_arrived(self, packet: Any) -> None:
        """Hear that a packet is there."""
        self._advance(self._clock())
        self._lanes.arrived(packet)

    def packet_lost(self, packet: Any, why: str) -> None:
        """Hear that a packet is lost."""
        self._advance(self._clock())
        self._lanes.lost(packet, why)

    def wire_changed(self) -> None:
        """Hear that the network is not what it was."""
        self._lanes.changed()

    def close(self, now_ns: int) -> None:
        """End what still goes on: the run is over."""
        for step in self._open:  # Those that the run's end broke off.
            self._write_down(step)
        self._advance(now_ns)
        while self._open:
            self._end(self._open.pop().track, now_ns)
        self._rest()
        self._bury()
        self._lanes.close()
        for _, numbers in self._inbound:
            self._lose(numbers)
        self._lose(self._messages.close())
        for track in self._tracks.living():
            if track.is_waiting:
                self._end(track, now_ns)
            self._end(track, now_ns, outcome="still pending at the end of the run")

    # Messages ------------------------------------------------------------------------------

    def _arrive(self, step: _Step, handle: Any, now_ns: int) -> None:
        """End the flows of what the step read or got, or hand them to the task that it woke."""
        numbers = self._messages.read()
        if numbers and step.track.task is None:
            ready = handle._loop._ready
            woken = [ready[index] for index in range(step.queued, len(ready))]
            task_step = next((each for each in woken if task_of(each._callback)), None)
            if task_step is not None:
                self._inbound.append((task_step, numbers))
                numbers = []
        self._end_flows(step.forwarded + numbers, step.track, now_ns)

    def _take_inbound(self, handle: Any) -> list[int]:
        """Return the messages that were read for the task whose step this is."""
        taken: list[int] = []
        if self._inbound:
            for waiting, numbers in self._inbound:
                if waiting is handle:
                    taken += numbers
            self._inbound = [each for each in self._inbound if each[0] is not handle]
        return taken

    def _end_flows(self, numbers: list[int], track: Track, now_ns: int) -> None:
        for number in numbers:
            del self._senders[number]
            self._write(
                f'{{"ph":"f","bp":"e","ts":{microseconds(now_ns)},"pid":{track.pid},"tid":{track.tid},'
                f'"cat":"message","name":"message","id":{number}}}'
            )

    def _lose(self, numbers: list[int]) -> None:
        """End the flows of messages that nobody read."""
        for number in numbers:
            track = self._tracks.beside(self._senders[number])
            self._write(
                f'{{"ph":"B","ts":{microseconds(self._now_ns)},"pid":{track.pid},"tid":{track.tid},'
                f'"cat":"lost","name":"a message that nobody read","args":{{"id":{number}}}}}'
            )
            self._end_flows([number], track, self._now_ns)
            self._end(track, self._now_ns)

    # Spans ---------------------------------------------------------------------------------

    def _tell(self, event: str) -> None:
        """Write an event that happens now, within the step that has begun if one has."""
        if self._open:
            self._open[-1].sent.append(event)
        else:
            self._write(event)

    def _track_began(
        self, track: Track, task: Any, hostname: str | None, lane: str = "callbacks"
    ) -> None:
        if hostname is not None:
            self._name("process_name", track.pid, track.tid, hostname)
        if task is None:
            self._name("thread_name", track.pid, track.tid, lane)
            return
        coro = coroutine_of(task)
        code: Any = attribute_of(coro, "cr_code") or attribute_of(coro, "gi_code")
        where = f"{code.co_filename}:{code.co_firstlineno}" if isinstance(code, CodeType) else ""
        name, coroutine = name_of(task), qualified_name(coro)
        self._name("thread_name", track.pid, track.tid, name)
        about = json.dumps({"task": name, "coroutine": coroutine, "where": where})
        self._write(
            f'{{"ph":"B","ts":{microseconds(self._now_ns)},"pid":{track.pid},"tid":{track.tid},'
            f'"cat":"task","name":{quoted(coroutine)},"args":{about}}}'
        )

    def _name(self, what: str, pid: int, tid: int, name: str) -> None:
        self._write(
            f'{{"ph":"M","pid":{pid},"tid":{tid},"name":"{what}","args":{{"name":{quoted(name)}}}}}'
        )

    def _write_down(self, step: _Step) -> None:
        """Write that a step began, and what it has sent since."""
        if not step.is_written:
            step.is_written = True
            self._write(f'{{"ph":"B","ts":{microseconds(step.began_ns)},{step.head}')
        for event in step.sent:
            self._write(event)
        step.sent.clear()

    def _end(self, track: Track, now_ns: int, outcome: str | None = None) -> None:
        told = "" if outcome is None else f',"args":{{"outcome":{json.dumps(outcome)}}}'
        self._write(
            f'{{"ph":"E","ts":{microseconds(now_ns)},"pid":{track.pid},"tid":{track.tid}{told}}}'
        )

    def _advance(self, now_ns: int) -> None:
        """Begin the waits of tasks that did not go on before the clock moved."""
        if now_ns > self._now_ns:
            self._now_ns = now_ns
            self._rest()

    def _bury(self) -> None:
        """End the spans of tasks that were destroyed."""
        while self._tracks.destroyed:
            track = self._tracks.destroyed.pop(0)
            self._resting.pop(track.tid, None)
            if track.is_waiting:
                self._end(track, self._now_ns)
            self._end(track, self._now_ns, outcome="destroyed while pending")

    def _look(self, task: Any) -> tuple[str, str]:
        """Return what a task waits for, and where, as far as its class lets itself be asked."""
        try:
            return self._glance(task)
        except BaseException:  # noqa: BLE001 - a class of the program's own; the run goes on
            return "its turn", ""

    def _rest(self) -> None:
        resting, self._resting = self._resting, {}
        if not resting:
            return
        # A task's own class may do something as it is looked at. That comes after the waits, which
        # have begun before.
        write, heard = self._write, list[str]()
        self._write = heard.append
        looks = [
            (each, *self._look(each.task)) for each in resting.values() if each.task is not None
        ]
        self._write = write
        for track, reason, where in looks:
            if track.rests_ns is None:
                continue
            track.is_waiting = True
            write(
                f'{{"ph":"B","ts":{microseconds(track.rests_ns)},"pid":{track.pid},"tid":{track.tid},'
                f'"cat":"wait","name":{quoted(reason)},"args":{{"where":{quoted(where)}}}}}'
            )
        for event in heard:
            write(event)


def _outcome(task: Any) -> str:
    """Say how a task ended, without marking its error as seen."""
    if asked(task, "cancelled"):
        return "cancelled"
    error: Any = attribute_of(task, "_exception")
    return "returned" if error is None else f"raised {canonical(error)}"
