"""Transactions on lists: do they contradict each other, or each other's order?

Owns: the check of histories whose transactions append to lists and read them, after Elle
(K. Kingsbury, P. Alvaro: Elle, VLDB 2020; the names of the anomalies are A. Adya's, 1999). Each
value is appended once, so a list that was read tells which transactions made it, and in which
order. What was read gives edges between transactions; a cycle means that no order of them explains
it. It costs time in proportion to the history, where a search for an order would not end.

Edges: ``ww``, appended behind the other's value; ``wr``, read the other's value; ``rw``, read a
list that the other appended to later; ``rt``, ended before the other began.

Must not know: how an anomaly is told.

Invariant: a transaction whose outcome is unknown counts as done if a value of it was read, and
otherwise not at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from simloop.errors import UsageError

from .dependency_graph import Edge, Graph
from .verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .history import Operation

__all__ = ["Anomaly", "ListAppend", "find_anomaly"]

_TIME = "the first had ended when the second began"
_CYCLES = (
    (("ww",), "G0, a write cycle"),
    (("ww", "wr"), "G1c, circular information flow"),
    (("single",), "G-single, read skew"),
    (("ww", "wr", "rw"), "G2-item, write skew"),
)
"""Kinds of edges, and what their cycles are called, the worst first."""

_LEVELS = {
    "read-committed": (2, False),
    "snapshot-isolation": (3, False),
    "serializable": (4, False),
    "strict-serializable": (4, True),
}
"""How many of those cycles a level of isolation excludes, and whether it keeps to real time."""


class Anomaly(NamedTuple):
    """Something that a history shows and its level of isolation excludes."""

    name: str
    operations: list[Operation]
    """The transactions that show it."""
    reasons: list[str]
    """Why, in words; of a cycle one for each of its edges."""


class _Transaction(NamedTuple):
    """A transaction, read out of an operation."""

    number: int
    operation: Operation
    appends: list[tuple[Any, Any]]
    """Keys and values."""
    reads: list[tuple[Any, list[Any], int]]
    """Keys, lists, and how many appends came before; none where the outcome is not ok."""


class ListAppend:
    """Lists by key, in transactions: ``txn([("append", key, value), ("r", key)])``.

    Of one step, ``append(key, value)`` and ``read(key)`` will do. A transaction gives the lists
    that it read, one for each ``"r"``, or its steps with the lists filled in, as Jepsen writes
    them: ``[("append", "x", 1), ("r", "x", [1])]``. Each value may be appended to a key only once.

    Args:
        level: ``"strict-serializable"`` (one order, which keeps to real time), ``"serializable"``,
            ``"snapshot-isolation"`` or ``"read-committed"``.

    Raises:
        UsageError: There is no such level.

    Example:
        >>> import simloop
        >>> history = simloop.History()
        >>> history.invoke("alice", "txn", [("r", "x"), ("append", "y", 1)]).ok([[]])
        >>> history.invoke("bob", "txn", [("r", "y"), ("append", "x", 2)]).ok([[]])
        >>> history.judge(simloop.ListAppend("read-committed")).holds
        True
        >>> print(history.judge(simloop.ListAppend()))
        not strict-serializable: G2-item, write skew
        ...
    """

    def __init__(self, level: str = "strict-serializable") -> None:
        if level not in _LEVELS:
            raise UsageError(f"ListAppend({level!r}): the levels are {', '.join(_LEVELS)}")
        self.level: str = level
        """What is excluded."""

    def judge(self, operations: Sequence[Operation], max_states: int) -> Verdict:  # noqa: ARG002 - a model's
        """Return whether the operations are what the level allows; see :meth:`History.judge`."""
        anomaly = find_anomaly(operations, self.level)
        told = f"{len(operations)} operations {'do not fit' if anomaly else 'fit'} {self.level}"
        if anomaly is None:
            return Verdict(told, len(operations))
        from .anomaly_report import Anomalous  # noqa: PLC0415 - it needs the check itself

        return Verdict(told, len(operations), Anomalous(operations, self.level, anomaly))


def find_anomaly(operations: Sequence[Operation], level: str) -> Anomaly | None:
    """Return the worst anomaly of a history that a level of isolation excludes."""
    check = _Check(operations)
    direct = next(check.direct(), None)
    if direct is not None:
        return direct
    count, keeps_time = _LEVELS[level]
    check.connect()
    for extra, suffix in (((), ""), (("rt",), ", in real time")) if keeps_time else (((), ""),):
        single = check.graph.without_adjacent("rw")
        for kinds, name in _CYCLES[:count]:
            graph = single if kinds == ("single",) else check.graph
            cycle = graph.cycle((*(("ww", "wr") if graph is single else kinds), *extra))
            if cycle is not None:
                cycle = check.shortened(cycle) if extra else cycle
                told = [check.transactions[edge.source].operation for edge in cycle]
                return Anomaly(name + suffix, told, [edge.reason for edge in cycle])
    return None


class _Check:
    """One check of a history: its transactions, the order of each list, and the edges."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.graph = Graph()
        self.transactions = [_read(number, each) for number, each in enumerate(operations)]
        self._writer: dict[Any, dict[Any, _Transaction]] = {}  # By key and value.
        for transaction in self.transactions:
            for key, value in transaction.appends:
                values = self._writer.setdefault(key, {})
                if value in values:
                    raise UsageError(
                        f"{value!r} was appended to {key!r} twice, by {values[value].operation} and"
                        f" {transaction.operation}; append each value to a key only once"
                    )
                values[value] = transaction
        self._orders: dict[Any, list[Any]] = {}  # The longest list that was read of each key.
        for transaction in self.transactions:
            for key, read, _ in transaction.reads:
                if len(read) > len(self._orders.get(key, ())):
                    self._orders[key] = read

    # What one read shows by itself -----------------------------------------------------------

    def direct(self) -> Iterator[Anomaly]:
        """Yield what is wrong whatever the order is."""
        for transaction in self.transactions:
            for key, values, before in transaction.reads:
                yield from self._of_values(transaction, key, values)
                yield from self._of_itself(transaction, key, values, before)
        for transaction in self.transactions:
            for key, values, _ in transaction.reads:
                longest = self._orders.get(key, [])
                if longest[: len(values)] != values:
                    other = self._reader(key, longest)
                    told = (
                        f"{key!r} was read as {values!r} and as {longest!r}, of which none begins"
                    )
                    told += " the other"
                    yield Anomaly("incompatible orders", [other, transaction.operation], [told])

    def _reader(self, key: Any, values: list[Any]) -> Operation:
        return next(
            each.operation
            for each in self.transactions
            if any(read[:2] == (key, values) for read in each.reads)
        )

    def _of_values(
        self, transaction: _Transaction, key: Any, values: list[Any]
    ) -> Iterator[Anomaly]:
        operation = transaction.operation
        if len(dict.fromkeys(values)) < len(values):
            told = f"{key!r} was read as {values!r}, and each value was appended once"
            yield Anomaly("a duplicate", [operation], [told])
        for value in values:
            writer = self._writer.get(key, {}).get(value)
            if writer is None:
                told = f"{key!r} was read with {value!r}, which nothing appended"
                yield Anomaly("a value from nowhere", [operation], [told])
            elif writer.operation.outcome == "failed":
                told = f"{key!r} was read with {value!r}, whose transaction failed"
                yield Anomaly("G1a, an aborted read", [writer.operation, operation], [told])
        writer = self._writer.get(key, {}).get(values[-1]) if values else None
        if writer is not None and writer is not transaction:
            last = [value for other, value in writer.appends if other == key][-1]
            if last != values[-1]:
                told = (
                    f"{key!r} was read up to {values[-1]!r}, from the middle of a transaction that"
                    f" appended {last!r} too"
                )
                yield Anomaly("G1b, an intermediate read", [writer.operation, operation], [told])

    def _of_itself(
        self, transaction: _Transaction, key: Any, values: list[Any], before: int
    ) -> Iterator[Anomaly]:
        """Yield where a transaction does not see what it did itself."""
        own = [value for other, value in transaction.appends[:before] if other == key]
        told = None
        if own != values[len(values) - len(own) :]:
            told = f"{key!r} was read as {values!r} by a transaction that appended {own!r} before"
        else:
            base = values[: len(values) - len(own)]
            for other, earlier, count in transaction.reads:
                mine = sum(1 for each, _ in transaction.appends[:count] if each == key)
                if other == key and count <= before and earlier[: len(earlier) - mine] != base:
                    told = (
                        f"{key!r} was read as {earlier!r} and then as {values!r} in one transaction"
                    )
                    break
        if told is not None:
            yield Anomaly("an internal contradiction", [transaction.operation], [told])

    # What reads show together ----------------------------------------------------------------

    def connect(self) -> None:
        """Add all edges."""
        reads: dict[Any, list[tuple[_Transaction, list[Any], int]]] = {}
        for transaction in self.transactions:
            for key, values, before in transaction.reads:
                reads.setdefault(key, []).append((transaction, values, before))
        for key, writers in self._writer.items():
            order = self._orders.get(key, [])
            known = dict.fromkeys(order)
            # What was done and is in no list that was read comes behind all that is.
            unread = [
                (value, writer)
                for value, writer in writers.items()
                if self._is_done(writer) and value not in known
            ]
            self._add_writes(key, order, unread)
            for transaction, values, before in reads.get(key, ()):
                self._add_read(transaction, key, values, before, unread)
        self._add_times()

    def _is_done(self, transaction: _Transaction) -> bool:
        """Return whether a transaction was done for certain: it ended so, or a value was read."""
        return transaction.operation.outcome == "ok" or any(
            value in self._orders.get(key, ()) for key, value in transaction.appends
        )

    def _add_writes(
        self, key: Any, order: list[Any], unread: list[tuple[Any, _Transaction]]
    ) -> None:
        writers = self._writer[key]
        for number, value in enumerate(order[1:], 1):
            before = order[number - 1]
            told = f"the first appended {before!r} to {key!r}, the second {value!r} behind it"
            self._edge(writers[before], writers[value], "ww", told)
        for value, writer in unread if order else ():
            told = f"the first appended {order[-1]!r} to {key!r}, the second {value!r} later"
            self._edge(writers[order[-1]], writer, "ww", told)

    def _add_read(
        self,
        transaction: _Transaction,
        key: Any,
        values: list[Any],
        before: int,
        unread: list[tuple[Any, _Transaction]],
    ) -> None:
        """Add the edges of one read: from the last value in it, and to the first that is not."""
        writers, order = self._writer[key], self._orders.get(key, [])
        own = sum(1 for other, _ in transaction.appends[:before] if other == key)
        seen = values[: len(values) - own]
        if seen:
            told = f"the second read {key!r} = {values!r}, of which the first appended {seen[-1]!r}"
            self._edge(writers[seen[-1]], transaction, "wr", told)
        later = [(value, writers[value]) for value in order[len(seen) : len(seen) + 1]] or unread
        for value, writer in later:
            told = (
                f"the first read {key!r} = {values!r}, without {value!r}, which the second appended"
            )
            self._edge(transaction, writer, "rw", told)

    def _edge(self, first: _Transaction, second: _Transaction, kind: str, reason: str) -> None:
        if first is not second:
            self.graph.add(Edge(first.number, second.number, kind, reason))

    def shortened(self, cycle: list[Edge]) -> list[Edge]:
        """Return the shortest part of a cycle that one edge of real time closes, if there is one.

        Edges of real time that others imply are not in the graph, so a way may be longer than it
        has to be.
        """
        places = [self.transactions[edge.source] for edge in cycle]
        for length in range(1, len(cycle) - 1):
            for start, first in enumerate(places):
                end = start + length
                last = places[end % len(places)]
                ended = last.operation.ended
                is_done = last.operation.outcome == "ok"
                if is_done and ended is not None and ended < first.operation.invoked:
                    part = [cycle[index % len(cycle)] for index in range(start, end)]
                    return [*part, Edge(last.number, first.number, "rt", _TIME)]
        return cycle

    def _add_times(self) -> None:
        """Add an edge from what had ended to what began then, but for those that others imply."""
        events: list[tuple[int, bool, _Transaction]] = []
        for each in self.transactions:
            operation = each.operation
            if operation.outcome != "failed":
                events.append((operation.invoked, False, each))
            if operation.outcome == "ok" and operation.ended is not None:
                events.append((operation.ended, True, each))
        ended: dict[int, _Transaction] = {}  # Those after which no other one began and ended.
        for _, is_end, each in sorted(events, key=lambda event: event[0]):
            if not is_end:
                for other in ended.values():
                    self._edge(other, each, "rt", _TIME)
                continue
            for number, other in list(ended.items()):
                assert other.operation.ended is not None
                if other.operation.ended < each.operation.invoked:
                    del ended[number]
            ended[each.number] = each


def _read(number: int, operation: Operation) -> _Transaction:
    """Read a transaction out of an operation.

    Raises:
        UsageError: It is none.
    """
    transaction = _Transaction(number, operation, [], [])
    steps = _steps(operation)
    lists = _lists(operation, steps) if operation.outcome == "ok" else None
    for step in steps:
        if step[0] == "append":
            _check_hashable(operation, *step[1:])
            transaction.appends.append((step[1], step[2]))
        else:
            _check_hashable(operation, step[1])
            if lists is not None:
                values = next(lists)
                _check_hashable(operation, *values)
                transaction.reads.append((step[1], values, len(transaction.appends)))
    return transaction


def _steps(operation: Operation) -> list[tuple[Any, ...]]:
    """Return the steps of a transaction: ``("append", key, value)`` and ``("r", key)``."""
    op, args = operation.op, operation.args
    given: Any = [(op, *args)]
    if op == "txn":
        given = args[0] if len(args) == 1 and isinstance(args[0], list) else args
    steps: list[tuple[Any, ...]] = []
    for step in given:
        match step:
            case ["append", key, value]:
                steps.append(("append", key, value))
            case ["r" | "read", key] | ["r" | "read", key, None]:
                steps.append(("r", key))
            case _:
                raise UsageError(
                    f"{operation}: {step!r} is no step of a transaction; it has ('append', key,"
                    " value) and ('r', key)"
                )
    return steps


def _lists(operation: Operation, steps: list[tuple[Any, ...]]) -> Iterator[list[Any]]:
    """Return what the reads of a transaction gave, in order."""
    value: Any = operation.value
    reads = [step for step in steps if step[0] == "r"]
    if operation.op != "txn":
        value = [value] if reads else []
    found = [] if value is None and not reads else value
    if isinstance(found, list) and len(found) == len(steps) and _is_filled_in(found, steps):
        found = [step[2] for step in found if step[0] != "append"]
    if not isinstance(found, list | tuple) or len(found) != len(reads):
        raise UsageError(
            f"{operation}: it has {len(reads)} reads, so it gives that many lists, or its steps"
            " with the lists filled in"
        )
    for each in found:
        if each is not None and not isinstance(each, list | tuple):
            raise UsageError(f"{operation}: a read gives a list, or None for an empty one")
    return iter([list(each or ()) for each in found])


def _is_filled_in(found: list[Any], steps: list[tuple[Any, ...]]) -> bool:
    """Return whether an answer is the steps themselves, with what they read."""
    return all(
        isinstance(given, list | tuple)
        and len(given) == 3  # noqa: PLR2004 - a step, its key and its value
        and given[0] in ("append", "r", "read")
        and (given[0] == "append") == (step[0] == "append")
        and given[1] == step[1]
        for given, step in zip(found, steps, strict=True)
    )


def _check_hashable(operation: Operation, *values: Any) -> None:
    try:
        dict.fromkeys(values)
    except TypeError:
        raise UsageError(
            f"{operation}: keys and values of lists are found by hash; use numbers or strings"
        ) from None
