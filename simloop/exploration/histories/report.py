"""The report on a history that is not linearizable: what can't be, when, and what could.

Owns: the words. A person who reads it is tired: first comes the operation that no order explains,
then the timeline up to it, then what it could have given instead, and in which orders.

Must not know: how the search goes; it is asked for the places at which it got stuck.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from simloop.errors import LimitError

from .linearizability import Search
from .models import ANY, Model
from .timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .history import Operation
    from .models import Call

__all__ = ["NotLinearizable"]

_ALTERNATIVES = 3
_STATES_MAX = 100_000
"""States looked at for what an operation could have given, which is told as far as it is found."""

_STATES = 3
_LAST = 4
"""How many operations of an order are told: the last ones."""


class _AnyAnswer(Model):
    """A model that lets one operation give any answer, and notes in the state which it was."""

    def __init__(self, model: Model, operation: Operation) -> None:
        self._model = model
        self._operation = operation

    def initial(self) -> Any:
        """Return the state, and that nothing was given yet."""
        return self._model.initial(), ()

    def call_of(self, operation: Operation) -> Call:
        """Return what the model sees; the one operation is a kind of its own."""
        call = self._model.call_of(operation)
        return call._replace(client=(call.client, operation is self._operation))

    def step(self, state: Any, call: Call) -> Any:
        """Do as the model does."""
        inner, given = state
        client, is_it = call.client
        said = self._model.step(inner, call._replace(client=client))
        pairs = said if isinstance(said, list) else [said]
        if not is_it:
            return [((after, given), answer) for after, answer in pairs]
        found = []
        for after, _ in pairs:
            shown = [_shown(answer) for other, answer in pairs if other == after]
            found.append(((after, tuple(dict.fromkeys(shown))), ANY))
        return found

    def agrees(self, allowed: Any, value: Any) -> bool:
        """Return whether an answer is the one allowed."""
        return allowed is ANY or self._model.agrees(allowed, value)


def _shown(answer: Any) -> str:
    return "anything" if answer is ANY else repr(answer)


class NotLinearizable:
    """Why a history is not linearizable.

    Args:
        search: The search that failed.
        key: Which part of the service it was about, as the model gave it.
    """

    def __init__(self, search: Search, key: Any) -> None:
        self._first = search
        self._key = key

    @cached_property
    def _search(self) -> Search:
        return self._first.shortest()

    @cached_property
    def _timeline(self) -> Timeline:
        search = self._search
        return Timeline(search.prefix(), search.stuck_at, search.culprit)

    def prefix(self) -> tuple[Operation, ...]:
        """Return the operations of the shortest beginning that does not hold."""
        return self._search.prefix()

    def svg(self) -> str:
        """Return the timeline as a picture."""
        return self._timeline.svg(self._headline())

    def text(self) -> str:
        """Return the report."""
        lines = [self._headline(), *self._before(), "", self._timeline.text(), ""]
        return "\n".join([*lines, *self._instead()])

    def _headline(self) -> str:
        key, it = self._key, self._search.culprit
        told = key[0] if isinstance(key, tuple) and len(key) == 1 else key
        about = "" if key in (None, ()) else f" of {told!r}"
        return (
            f"not linearizable{about}: {it.client}: {it.call} gave {it.value!r}, and no order of"
            " the operations explains that"
        )

    def _before(self) -> list[str]:
        """Say what is not in the picture."""
        search, hidden = self._search, self._timeline.hidden
        shown = f"the first {_count(len(search.prefix()))} are enough"
        if not hidden:
            return [shown]
        states = [search.model.describe(each) for each in search.states_at(self._timeline.cut)]
        was = f"; it was {_either(states)} then" if len(states) <= _STATES else ""
        lines = [f"{shown}; {hidden} ended before what is shown{was}"]
        lost = [
            f"{each.call} of {each.client}"
            for each in search.prefix()
            if each.outcome == "unknown"
            and each.ended is not None
            and each.ended < self._timeline.cut
        ]
        if lost:
            told = f", and {len(lost) - 2 * _LAST} more" if len(lost) > 2 * _LAST else ""
            lines.append(f"may still be done: {', '.join(lost[-2 * _LAST :])}{told}")
        return lines

    def _instead(self) -> list[str]:
        """Say what the operation could have given, and in which orders."""
        search, culprit = self._search, self._search.culprit
        open_search = Search(
            _AnyAnswer(search.model, culprit),
            search.prefix(),
            _STATES_MAX,
            until=search.stuck_at,
        )
        found: dict[str, str] = {}
        with suppress(LimitError):
            for place in open_search.explanations():
                _, answers = open_search.state_of(place)
                told = _either(answers)
                before = takewhile(lambda each: each is not culprit, open_search.order(place))
                found.setdefault(told, self._order_told(list(before)))
        lines = [f"  {told}, {order}" for told, order in list(found.items())[:_ALTERNATIVES]]
        if len(found) > _ALTERNATIVES:
            lines.append(f"  or something else, of which there are {len(found) - _ALTERNATIVES}")
        if not lines:
            states = dict.fromkeys(search.model.describe(search.state_of(p)) for p in search.stuck)
            return [f"Until it ended it could not be done at all: it was {_either(states)}."]
        return ["It could have given:", *lines]

    def _order_told(self, order: list[Operation]) -> str:
        if not order:
            return "at first"
        told = ", ".join(f"{each.call} of {each.client}" for each in order[-_LAST:])
        return f"after {'... ' if len(order) > _LAST else ''}{told}"


def _either(texts: Iterable[str]) -> str:
    return " or ".join(texts)


def _count(number: int) -> str:
    return "1 operation" if number == 1 else f"{number} operations"
