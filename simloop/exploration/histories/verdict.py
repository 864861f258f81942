"""The verdict on a history: whether it holds, and if not, a report for people.

Owns: the record. Its report is made when it is first asked for, since it takes a search of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .history import Operation

__all__ = ["Reason", "Verdict"]


class Reason(Protocol):
    """Why a history does not hold."""

    def prefix(self) -> tuple[Operation, ...]:
        """Return the operations of the shortest beginning that does not hold."""

    def text(self) -> str:
        """Return the report, for a terminal."""

    def svg(self) -> str:
        """Return the timeline as a picture."""


class Verdict:
    """What :meth:`simloop.History.judge` found; true if the history is one that the model allows.

    As text it is the report: what can't be, a timeline, and what could have been.

    Example:
        >>> import simloop
        >>> history = simloop.History()
        >>> history.invoke("alice", "write", 3).ok()
        >>> history.invoke("bob", "read").ok(7)
        >>> verdict = history.judge(simloop.Register())
        >>> verdict.holds, len(verdict.prefix)
        (False, 2)
        >>> print(verdict)
        not linearizable: bob: read() gave 7, and no order of the operations explains that
        ...
    """

    __slots__ = ("_reason", "_text", "states")

    def __init__(self, text: str, states: int, reason: Reason | None = None) -> None:
        self._text = text
        self._reason = reason
        self.states: int = states
        """How many states the search looked at."""

    @property
    def holds(self) -> bool:
        """Whether the history is one that the model allows."""
        return self._reason is None

    @property
    def prefix(self) -> tuple[Operation, ...]:
        """The operations of the shortest beginning that the model does not allow; else none."""
        return () if self._reason is None else self._reason.prefix()

    def svg(self) -> str:
        """Return the timeline of a history that does not hold as a picture, for a file.

        Returns:
            A document in SVG, which every browser shows; empty if the history holds.
        """
        return "" if self._reason is None else self._reason.svg()

    def __bool__(self) -> bool:
        return self.holds

    def __str__(self) -> str:
        return self._text if self._reason is None else self._reason.text()

    def __repr__(self) -> str:
        return f"<Verdict: {self._text}>"
