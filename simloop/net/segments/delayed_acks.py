"""Acknowledgements that wait for data to carry them: those of all connections of a network.

Owns: when each of them goes by itself. Nearly all are carried by an answer a moment later, so to
wait must cost next to nothing: all wait for the same time, and stand in one row, in the order in
which they are due, with one event for the first. One that has gone is passed over when its turn
comes. (A timer for each connection was set and cancelled with every answer.) Must not know what an
acknowledgement says.

Invariants: the row is in order; a connection whose acknowledgement waits stands in it, with that
deadline; while the row is not empty there is one event, at its first deadline or before it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simloop.net.wire.wire import Wire

    from .receiving import Receiving

__all__ = ["DelayedAcks"]

_JIFFY_NS = 4_000_000
_JIFFIES = 11  # TCP_DELACK_MIN, 40 ms, and one more: what ``wheel_ns`` gives for it.


class DelayedAcks:
    """The acknowledgements of a network that wait."""

    __slots__ = ("_due_ns", "_has_event", "_jiffy_ends_ns", "_waiting", "_wire")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._waiting: deque[tuple[int, Receiving]] = deque()
        self._has_event = False
        self._jiffy_ends_ns = 0  # Of the jiffy in which one was delayed last.
        self._due_ns = 0  # When those go that are delayed in it.

    def delay(self, connection: Receiving, now_ns: int) -> None:
        """Let a connection's acknowledgement go after a while, unless it has gone by then."""
        if now_ns >= self._jiffy_ends_ns:  # Where many talk, it is one jiffy for several.
            self._jiffy_ends_ns = ends_ns = (now_ns // _JIFFY_NS + 1) * _JIFFY_NS
            self._due_ns = ends_ns + (_JIFFIES - 1) * _JIFFY_NS
        connection.ack_due_ns = due_ns = self._due_ns
        if connection.ack_row_ns != due_ns:
            connection.ack_row_ns = due_ns
            self._waiting.append((due_ns, connection))
            if not self._has_event:
                self._has_event = True
                self._wire.call_at_ns(due_ns, self._fire)

    def _fire(self) -> None:
        self._has_event = False
        waiting = self._waiting
        now_ns = self._wire.now_ns()
        while waiting:
            due_ns, connection = waiting[0]
            if connection.ack_due_ns == due_ns:
                if due_ns > now_ns:
                    self._has_event = True
                    self._wire.call_at_ns(due_ns, self._fire)
                    return
                connection.send_ack()
            waiting.popleft()
