"""The report on transactions that contradict each other.

Owns: the words, and the shortest beginning of the history that shows an anomaly.
"""

from __future__ import annotations

import copy
from functools import cached_property
from typing import TYPE_CHECKING

from .list_append import Anomaly, find_anomaly
from .timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .history import Operation

__all__ = ["Anomalous"]


class Anomalous:
    """Why transactions are not what their level of isolation allows.

    Args:
        operations: The history.
        level: The level of isolation.
        anomaly: What the whole history shows.
    """

    def __init__(self, operations: Sequence[Operation], level: str, anomaly: Anomaly) -> None:
        self._operations = operations
        self._level = level
        self._found = anomaly

    @cached_property
    def _shortest(self) -> tuple[int, Anomaly]:
        """The event at which the shortest beginning ends that shows an anomaly, and which."""
        ends = sorted(each.ended for each in self._operations if each.ended is not None)
        low, high, found = 0, len(ends) - 1, self._found
        while low < high:
            middle = (low + high) // 2
            earlier = find_anomaly(self._beginning(ends[middle]), self._level)
            if earlier is None:
                low = middle + 1
            else:
                high, found = middle, earlier
        return ends[high], found

    def _beginning(self, until: int) -> list[Operation]:
        """Return the operations up to an event, those pending that had not ended."""
        found = []
        for each in self._operations:
            if each.invoked > until:
                continue
            if each.ended is not None and each.ended > until:
                pending = copy.copy(each)
                pending.outcome, pending.ended, pending.value = "pending", None, None
                found.append(pending)
            else:
                found.append(each)
        return found

    def prefix(self) -> tuple[Operation, ...]:
        """Return the operations of the shortest beginning that does not hold."""
        until = self._shortest[0]
        return tuple(each for each in self._operations if each.invoked <= until)

    def _headline(self) -> str:
        return f"not {self._level}: {self._shortest[1].name}"

    @cached_property
    def _timeline(self) -> Timeline:
        until, anomaly = self._shortest
        shown = sorted(
            {each.invoked: each for each in anomaly.operations}.values(),
            key=lambda each: each.invoked,
        )
        last = max(shown, key=lambda each: -1 if each.ended is None else each.ended)
        return Timeline(shown, until, last)

    def svg(self) -> str:
        """Return the timeline as a picture."""
        return self._timeline.svg(self._headline())

    def text(self) -> str:
        """Return the report."""
        until, anomaly = self._shortest
        count = sum(1 for each in self._operations if each.invoked <= until)
        plural = "operation is" if count == 1 else f"{count} operations are"
        lines = [
            self._headline(),
            f"the first {plural} enough; shown are those that it takes",
            "",
            self._timeline.text(),
            "",
            *self._why(anomaly),
        ]
        return "\n".join(lines)

    def _why(self, anomaly: Anomaly) -> list[str]:
        operations, reasons = anomaly.operations, anomaly.reasons
        if len(reasons) != len(operations) or len(operations) == 1:
            return reasons
        lines = ["Each of these has to come before the next one, and so before itself:"]
        for number, reason in enumerate(reasons):
            after = operations[(number + 1) % len(operations)]
            first, second = _short(operations[number]), _short(after)
            told = reason.replace("the first", first).replace("the second", second)
            lines.append(f"  {first} before {second}: {told}")
        return lines


def _short(operation: Operation) -> str:
    return f"{operation.client}'s #{operation.invoked}"
