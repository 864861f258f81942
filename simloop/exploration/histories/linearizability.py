"""Linearizability: is there one order of the operations that explains what every client heard?

Owns: the search, after Wing and Gong (J. M. Wing, C. Gong: Testing and Verifying Concurrent
Objects, 1993), with Lowe's memory of where it has been and his rule that an operation is put into
the order only when another one returns (G. Lowe: Testing for Linearizability, 2017). Parts of a
service are searched one by one, since a history is linearizable if each of its objects is
(M. Herlihy, J. Wing: Linearizability, 1990, theorem 1).

A search walks through the events of a history. Where an operation returns, it must stand in the
order; if it does not yet, it is put there, maybe behind others that are still going on. An
operation of unknown outcome never returns, so it is put into the order only where it helps. Those
that do the same are counted as one kind, and a place that was reached once already with fewer of
them in use leads nowhere new: this keeps histories with many timeouts small.

Must not know: how a verdict is told.

Invariant: whether a history is linearizable, and how many states were looked at, depends on the
operations and the model only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from simloop.errors import LimitError, UsageError

from .verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Never

    from .history import Operation
    from .models import Call, Model

__all__ = ["Place", "Search", "judge"]


def judge(model: Model, operations: Sequence[Operation], max_states: int) -> Verdict:
    """Return the verdict on operations, in the order in which they were invoked."""
    looked = 0
    name = type(model).__name__
    for key, part in _parts(model, operations):
        search = Search(model, part, max_states - looked)
        is_linearizable = search.run()
        looked += search.states
        if not is_linearizable:
            from .report import NotLinearizable  # noqa: PLC0415 - it needs the search itself

            text = f"{len(operations)} operations are not linearizable as a {name}"
            return Verdict(text, looked, NotLinearizable(search, key))
    return Verdict(f"{len(operations)} operations are linearizable as a {name}", looked)


def _parts(model: Model, operations: Sequence[Operation]) -> list[tuple[Any, list[Operation]]]:
    """Return the operations of each key, or all of them if one is about all."""
    counted = [each for each in operations if each.outcome != "failed"]
    parts: dict[Any, list[Operation]] = {}
    for operation in counted:
        key = model.key(model.call_of(operation))
        try:
            parts.setdefault(key, []).append(operation)
        except TypeError:
            raise UsageError(
                f"{operation}: its key {key!r} can't be a key of a dict; use a string or a tuple"
            ) from None
    return [(None, counted)] if None in parts else list(parts.items())


class _Numbers:
    """Numbers for values by ``==``: hashed where they can be, else looked for one by one."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._hashed: dict[Any, int] = {}
        self._others: list[int] = []

    def __getitem__(self, value: Any) -> int:
        try:
            number = self._hashed.get(value)
        except TypeError:
            for known in self._others:
                if self.values[known] == value:
                    return known
            self._others.append(len(self.values))
        else:
            if number is not None:
                return number
            self._hashed[value] = len(self.values)
        self.values.append(value)
        return len(self.values) - 1


class Place(NamedTuple):
    """A place in the search."""

    event: int
    """Which event is next, an index of ``returns``."""
    state: int
    """The state of the service, by number."""
    placed: int
    """The operations that go on and stand in the order, as bits by slot."""
    used: tuple[int, ...]
    """How many operations of unknown outcome stand in the order, by kind."""
    origin: Place | None
    """The place before."""
    operation: Operation | None
    """What was put into the order there."""


class Search:
    """One search over the operations of one part, or of the beginning of one.

    Args:
        model: What the service does.
        operations: In the order in which they were invoked.
        limit: How many states to look at.
        until: The event at which the beginning ends; None for all.
    """

    def __init__(
        self, model: Model, operations: Sequence[Operation], limit: int, until: int | None = None
    ) -> None:
        self.model = model
        self.limit = limit
        self.states: int = 0
        self.stuck: list[Place] = []  # The places at the furthest event.
        self._operations = operations
        self._until = until
        self._states = _Numbers()
        self._kinds = _Numbers()
        self._calls: list[Call] = []
        self._steps: dict[tuple[int, int], list[tuple[int, Any]]] = {}
        self._fitting: dict[tuple[int, int], list[int]] = {}
        self._memory: dict[tuple[int, int, int], list[tuple[int, ...]]] = {}
        self.returns: list[int] = []  # The events at which operations return.
        self._returning: list[int] = []  # Which one does there, by slot.
        self._going_on: list[list[tuple[int, Operation, int]]] = []  # Slot, operation, kind.
        self._unknown: list[list[tuple[int, int, Operation]]] = []  # Kind, how many, one.
        self._lay_out()

    @property
    def stuck_at(self) -> int:
        """The event that no order gets past."""
        return self.returns[self.stuck[0].event]

    @property
    def culprit(self) -> Operation:
        """The operation that returns there."""
        place = self.stuck[0]
        slot = self._returning[place.event]
        return next(each for at, each, _ in self._going_on[place.event] if at == slot)

    def prefix(self) -> tuple[Operation, ...]:
        """Return the operations that were invoked up to there."""
        return tuple(each for each in self._operations if each.invoked <= self.stuck_at)

    def _returned(self, operation: Operation) -> bool:
        """Return whether an operation gives a value, in the beginning that is looked at."""
        if operation.outcome != "ok":
            return False
        assert operation.ended is not None
        return self._until is None or operation.ended <= self._until

    def _lay_out(self) -> None:
        """List, for each return, what goes on there and what may have happened by then."""
        events: list[tuple[int, bool, Operation]] = []
        for each in self._operations:
            if self._until is None or each.invoked <= self._until:
                events.append((each.invoked, False, each))
                if self._returned(each):
                    assert each.ended is not None
                    events.append((each.ended, True, each))
        events.sort(key=lambda event: event[0])
        slots: dict[int, tuple[int, Operation, int]] = {}  # By invocation.
        free: list[int] = []
        unknown: dict[int, tuple[int, int, Operation]] = {}  # By kind.
        for at, is_return, operation in events:
            if is_return:
                slot = slots[operation.invoked][0]
                self.returns.append(at)
                self._returning.append(slot)
                self._going_on.append(
                    sorted(slots.values(), key=lambda entry: (entry[0] != slot, entry[1].ended))
                )
                self._unknown.append(list(unknown.values()))
                del slots[operation.invoked]
                free.append(slot)
                continue
            kind = self._kind(operation)
            if self._returned(operation):
                slots[operation.invoked] = (free.pop() if free else len(slots), operation, kind)
            else:
                number, count, first = unknown.get(kind, (len(unknown), 0, operation))
                unknown[kind] = (number, count + 1, first)
        self._kinds_used = len(unknown)

    def _kind(self, operation: Operation) -> int:
        call = self.model.call_of(operation)
        kind = self._kinds[call]
        if kind == len(self._calls):
            self._calls.append(call)
        return kind

    # The walk --------------------------------------------------------------------------------

    def run(self) -> bool:
        """Return whether an order explains the operations.

        Raises:
            LimitError: Too many states were looked at.
        """
        return next(self.explanations(), None) is not None

    def explanations(self) -> Iterator[Place]:
        """Yield the places at which an order explains all operations, one for each state.

        Raises:
            LimitError: Too many states were looked at.
        """
        first = self._states[self.model.initial()]
        stack = [Place(0, first, 0, (0,) * self._kinds_used, None, None)]
        end = len(self.returns)
        while stack:
            place = self._pass(stack.pop())
            if self._is_known(place):
                continue
            if place.event == end:
                yield place
                continue
            self.states += 1
            if self.states > self.limit:
                self._give_up(place)
            if self.stuck and place.event > self.stuck[0].event:
                self.stuck = []
            if not self.stuck or place.event == self.stuck[0].event:
                self.stuck.append(place)
            stack.extend(self._next(place))

    def _give_up(self, place: Place) -> Never:
        raise LimitError(
            f"the check looked at {self.limit} states and is not done: {len(self.returns)}"
            f" operations returned, and {len(self._unknown[place.event])} kinds of them have an"
            " unknown outcome. Give the model a key() that tells its parts apart, record fewer"
            " operations or fewer at a time, or raise max_states"
        )

    def _pass(self, place: Place) -> Place:
        """Go past the returns of operations that stand in the order."""
        event, placed = place.event, place.placed
        while event < len(self.returns) and placed >> self._returning[event] & 1:
            placed ^= 1 << self._returning[event]
            event += 1
        return place if event == place.event else place._replace(event=event, placed=placed)

    def _is_known(self, place: Place) -> bool:
        """Return whether the search was here, with as few unknown outcomes; remember it."""
        seen = self._memory.setdefault((place.event, place.state, place.placed), [])
        used = place.used
        for known in seen:
            if all(one <= other for one, other in zip(known, used, strict=True)):
                return True
        seen.append(used)
        return False

    def _next(self, place: Place) -> Iterator[Place]:
        """Yield where one more operation in the order leads, the most likely place last."""
        event, state, placed, used, _, _ = place
        for kind, count, operation in self._unknown[event]:
            if used[kind] < count:
                more = (*used[:kind], used[kind] + 1, *used[kind + 1 :])
                for after in self._changes(state, operation):
                    yield Place(event, after, placed, more, place, operation)
        for slot, operation, kind in reversed(self._going_on[event]):
            if not placed >> slot & 1:
                for after in self._after(state, operation, kind):
                    yield Place(event, after, placed | 1 << slot, used, place, operation)

    # What the model says ----------------------------------------------------------------------

    def allowed(self, state: int, kind: int) -> list[tuple[int, Any]]:
        """Return what a kind of operation may do in a state: states and answers."""
        found = self._steps.get((state, kind))
        if found is None:
            said = self.model.step(self._states.values[state], self._calls[kind])
            pairs = said if isinstance(said, list) else [said]
            try:
                found = [(self._states[after], answer) for after, answer in pairs]
            except (TypeError, ValueError):
                raise UsageError(
                    f"{type(self.model).__name__}.step() returned {said!r} for"
                    f" {self._calls[kind].op!r}; it returns a pair of the state afterwards and the"
                    " answer, or a list of such pairs"
                ) from None
            self._steps[state, kind] = found
        return found

    def _after(self, state: int, operation: Operation, kind: int) -> list[int]:
        """Return the states to which an operation leads that gave what it gave."""
        found = self._fitting.get((state, operation.invoked))
        if found is None:
            agrees, value = self.model.agrees, operation.value
            found = list(
                dict.fromkeys(
                    after for after, answer in self.allowed(state, kind) if agrees(answer, value)
                )
            )
            self._fitting[state, operation.invoked] = found
        return found

    def _changes(self, state: int, operation: Operation) -> list[int]:
        """Return the states to which an operation of unknown outcome may lead."""
        found = self._fitting.get((state, operation.invoked))
        if found is None:
            allowed = self.allowed(state, self._kind(operation))
            found = [each for each in dict.fromkeys(after for after, _ in allowed) if each != state]
            self._fitting[state, operation.invoked] = found
        return found

    # What a report asks -----------------------------------------------------------------------

    def shortest(self) -> Search:
        """Return the failed search over the shortest beginning that fails.

        This search knew what operations give that had not returned yet, so it may have failed too
        early. A beginning that fails fails however it goes on, so the right one is found by halves.
        """
        ends = [each for each in self.returns if each >= self.stuck_at]
        low, high, middle = 0, len(ends) - 1, 0  # As a rule the first one is right.
        while True:
            tried = Search(self.model, self._operations, self.limit, until=ends[middle])
            if tried.run():
                low = middle + 1
            elif low == middle:
                return tried
            else:
                high = middle
            middle = (low + high) // 2

    def order(self, place: Place) -> list[Operation]:
        """Return the operations in the order in which a place has them."""
        found: list[Operation] = []
        step: Place | None = place
        while step is not None:
            if step.operation is not None:
                found.append(step.operation)
            step = step.origin
        return found[::-1]

    def state_of(self, place: Place) -> Any:
        """Return the service's state at a place."""
        return self._states.values[place.state]

    def states_at(self, event: int) -> list[Any]:
        """Return the states that the service may have had at the first return from then on."""
        index = next(number for number, at in enumerate(self.returns) if at >= event)
        found = dict.fromkeys(state for at, state, _ in self._memory if at == index)
        return [self._states.values[state] for state in found]
