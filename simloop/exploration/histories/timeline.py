"""A timeline: the operations of a history as a picture, in text and in SVG.

Owns: the drawing. In text time goes down, a line an event, and each client has a column; so a long
history stays as wide as it has clients. In SVG it goes to the right, a line a client.

Must not know: what is wrong with the operations. One may be marked.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .history import Operation

__all__ = ["Timeline"]

_ROWS = 24
"""Lines of a picture in text: one screen."""

_WIDTH = 96
"""Columns of one, where its labels can be cut to that."""

_LABEL = 10
"""Columns of a label that is cut, at least."""


class _Event(NamedTuple):
    """A line of the picture."""

    at: int
    time: float | None
    lane: int
    glyph: str
    label: str
    operation: Operation


class Timeline:
    """The picture of the end of a beginning of a history.

    Args:
        operations: In the order in which they were invoked.
        until: The last event to show.
        marked: The operation that can't be.
    """

    def __init__(self, operations: Sequence[Operation], until: int, marked: Operation) -> None:
        self._marked = marked
        self._until = until
        self._operations = [each for each in operations if each.invoked <= until]
        # What gives a value at times is a read: there None is told, and elsewhere it says nothing.
        self._reads = dict.fromkeys(each.op for each in operations if each.value is not None)
        self._reads[marked.op] = None
        self._lanes: list[tuple[Any, int]] = []  # Client, and until when it is taken.
        self._lane_of: dict[int, int] = {}  # By invocation.
        self.cut: int = self._cut()
        """The first event that is shown; what goes on there is shown before it."""
        self._shown = [each for each in self._operations if self._end(each) >= self.cut]
        for each in self._shown:
            self._lane_of[each.invoked] = self._lane(each)

    @property
    def hidden(self) -> int:
        """How many operations ended before what is shown."""
        return len(self._operations) - len(self._shown)

    def _end(self, operation: Operation) -> int:
        """Return the last event of an operation in the picture, or one after all."""
        ended = operation.ended
        return self._until + 1 if ended is None or ended > self._until else ended

    def _cut(self) -> int:
        events = sorted(
            [each.invoked for each in self._operations]
            + [end for each in self._operations if (end := self._end(each)) <= self._until]
        )
        return events[max(0, len(events) - _ROWS)]

    def _lane(self, operation: Operation) -> int:
        """Return a lane of its client that is free when it begins, and take it."""
        for number, (client, taken) in enumerate(self._lanes):
            if client == operation.client and taken < operation.invoked:
                self._lanes[number] = (client, self._end(operation))
                return number
        self._lanes.append((operation.client, self._end(operation)))
        return len(self._lanes) - 1

    def _events(self) -> list[_Event]:
        events = []
        for each in self._shown:
            lane = self._lane_of[each.invoked]
            at = max(each.invoked, self.cut - 1)
            glyph = "┌ " if each.invoked >= self.cut else "╎ "
            events.append(_Event(at, each.invoked_at, lane, glyph, each.call, each))
            if (end := self._end(each)) <= self._until:
                glyph = "└ " if each.outcome == "ok" else "┊ "
                events.append(_Event(end, each.returned_at, lane, glyph, self._told(each), each))
        return sorted(events, key=lambda event: event.at)

    def _told(self, operation: Operation) -> str:
        """Return what an operation gave, as far as it is in the picture."""
        if operation.outcome != "ok" or self._end(operation) > self._until:
            return "unknown"
        return repr(operation.value) if operation.op in self._reads else ""

    # Text ------------------------------------------------------------------------------------

    def text(self) -> str:
        """Return the picture, its lines indented by two."""
        events = self._events()
        width = max(_LABEL, (_WIDTH - 12) // max(len(self._lanes), 1) - 3)
        widths = [
            min(width, max(len(text) for text in self._texts(lane, events)))
            for lane in range(len(self._lanes))
        ]
        times = _times([event.time for event in events]) or [f"#{event.at}" for event in events]
        margin = max(map(len, times))
        heads = [
            _fit(str(client), width + 3)
            for (client, _), width in zip(self._lanes, widths, strict=True)
        ]
        lines = [("  " + " " * (margin + 2) + "".join(heads)).rstrip()]
        going_on: dict[int, str] = {}
        for event, time in zip(events, times, strict=True):
            marks = [going_on.get(lane, "") for lane in range(len(self._lanes))]
            marks[event.lane] = event.glyph + event.label
            cells = [_fit(mark, width + 3) for mark, width in zip(marks, widths, strict=True)]
            ends = event.glyph in ("└ ", "┊ ")
            mark = " ◄ this can't be" if ends and event.operation is self._marked else ""
            lines.append(f"  {time:>{margin}}  {''.join(cells)}{mark}".rstrip())
            going_on[event.lane] = "" if ends else "│"
        return "\n".join(lines)

    def _texts(self, lane: int, events: list[_Event]) -> list[str]:
        return [str(self._lanes[lane][0])] + [
            event.glyph + event.label for event in events if event.lane == lane
        ]

    # SVG -------------------------------------------------------------------------------------

    def svg(self, title: str) -> str:
        """Return the picture as a document."""
        events = self._events()
        columns = {at: number for number, at in enumerate(dict.fromkeys(e.at for e in events))}
        step, left, high = 64, 110, 40
        width, height = left + step * (len(columns) + 1), high * (len(self._lanes) + 2)
        head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        parts = [
            f'{head} font-family="sans-serif" font-size="12">',
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
            f'<text x="8" y="20" font-weight="bold">{escape(title)}</text>',
        ]
        for number, (client, _) in enumerate(self._lanes):
            y = high * (number + 1) + 24
            parts.append(f'<text x="8" y="{y}">{escape(str(client))}</text>')
        for each in self._shown:
            y = high * (self._lane_of[each.invoked] + 1) + 8
            x = left + step * columns[max(each.invoked, self.cut - 1)]
            end = left + step * columns.get(self._end(each), len(columns))
            told = self._told(each)
            label = each.call + (f" → {told}" if told else "")
            parts += _bar(
                label, x, end - x, y, is_marked=each is self._marked, is_open=told == "unknown"
            )
        return "\n".join([*parts, "</svg>", ""])


def _bar(
    label: str,
    x: int,
    width: int,
    y: int,
    *,
    is_marked: bool,
    is_open: bool,
) -> list[str]:
    """Return the bar of an operation; the marked one is red, one of unknown outcome is dashed."""
    stroke, fill = ("#c00", "#fdd") if is_marked else ("#246", "#e8f0fa")
    dash = ' stroke-dasharray="4 3"' if is_open else ""
    bar = f'<rect x="{x}" y="{y}" width="{width}" height="24" rx="3" fill="{fill}"'
    return [
        f'{bar} stroke="{stroke}"{dash}/>',
        f'<text x="{x + 4}" y="{y + 16}" fill="{stroke}">{escape(label)}</text>',
    ]


def _fit(text: str, width: int) -> str:
    """Return a text of this width, cut where it is too long, with a blank at its end."""
    return text.ljust(width) if len(text) < width else text[: width - 2] + "… "


def _times(times: list[float | None]) -> list[str]:
    """Return times with as many digits as tell them apart; none if one is not known."""
    known = [time for time in times if time is not None]
    if len(known) < len(times):
        return []
    for digits in (3, 6, 9):
        shown = [f"{time:.{digits}f} s" for time in known]
        if all(
            one == other or a != b
            for (one, a), (other, b) in pairwise(zip(known, shown, strict=True))
        ):
            break
    return shown
