"""A history: which operations clients invoked, when each ended, and what came of it.

Owns: recording. An operation is invoked and later completed, once: it was done and gave a value, it
failed and was not done, or its outcome stays unknown (a timeout, a lost connection: it may have
been done, now or at any time later).

Must not know: what a right answer is. That is a model's.

Invariants:

- The order of a history is the order in which its methods were called, a running number; times are
  for people only.
- What is recorded is a copy, so that a list that changes later does not change the history.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

from simloop.errors import PropertyError, UsageError
from simloop.exploration.properties.presence import world_of_caller

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from .list_append import ListAppend
    from .models import Model
    from .verdict import Verdict

__all__ = ["History", "Operation"]

_NS_PER_S = 1_000_000_000

MAX_STATES = 1_000_000
"""States that a check may look at before it gives up; some ten seconds."""


class Operation:
    """One operation of a history: invoked by :meth:`History.invoke`, and completed once.

    As a context manager it completes itself: an exception leaves the outcome unknown, and a block
    that ends without a call of :meth:`ok` is ``ok()``.

    Example:
        >>> import simloop
        >>> history = simloop.History()
        >>> with history.invoke("alice", "write", 3):
        ...     pass  # await client.write(3)
        >>> with history.invoke("alice", "read") as read:
        ...     read.ok(3)  # read.ok(await client.read())
        >>> print(*history.operations, sep=", ")
        alice: write(3), alice: read() gave 3
    """

    __slots__ = (
        "_history",
        "args",
        "client",
        "ended",
        "invoked",
        "invoked_at",
        "op",
        "outcome",
        "returned_at",
        "value",
    )

    def __init__(self, history: History, client: object, op: str, args: tuple[Any, ...]) -> None:
        self._history = history
        self.client: Any = client
        """The client that invoked it."""
        self.op: str = op
        """Its name, a word of the model."""
        self.args: tuple[Any, ...] = args
        """Its arguments."""
        self.outcome: str = "pending"
        """``"pending"``, ``"ok"``, ``"failed"`` or ``"unknown"``."""
        self.value: Any = None
        """What it gave, if it is ``"ok"``."""
        self.invoked: int = history._next()
        """Its place in the order of the history's events."""
        self.ended: int | None = None
        """The place of its completion; None while it is pending."""
        self.invoked_at: float | None = history._now()
        """When it was invoked, in seconds; None where no clock was at hand."""
        self.returned_at: float | None = None
        """When it was completed, in seconds."""

    def ok(self, value: Any = None) -> None:
        """Record that it was done, and gave this value.

        Raises:
            UsageError: It is completed already.
        """
        self._complete("ok")
        self.value = _kept(value)

    def failed(self) -> None:
        """Record that it was not done, for certain: it counts for nothing.

        Where "no" is an answer of the service (a compare-and-set that found another value), it was
        done and gave this answer: ``ok(False)``.

        Raises:
            UsageError: It is completed already.
        """
        self._complete("failed")

    def unknown(self) -> None:
        """Record that nobody knows whether it was done: it may be yet, at any time, or never.

        Raises:
            UsageError: It is completed already.
        """
        self._complete("unknown")

    def _complete(self, outcome: str) -> None:
        if self.outcome != "pending":
            raise UsageError(
                f"{self} was completed already, as {self.outcome!r}; each operation ends once:"
                " invoke() another one"
            )
        self.outcome = outcome
        self.ended = self._history._next()
        self.returned_at = self._history._now()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.outcome == "pending":
            if error is None:
                self.ok()
            else:
                self.unknown()

    def __str__(self) -> str:
        gave = {"ok": "" if self.value is None else f" gave {self.value!r}", "failed": " failed"}
        return f"{self.client}: {self.call}{gave.get(self.outcome, ', outcome unknown')}"

    @property
    def call(self) -> str:
        """The operation as a call, such as ``write(3)``."""
        return f"{self.op}({', '.join(map(repr, self.args))})"

    def __repr__(self) -> str:
        return f"<Operation {self}>"


class History:
    """What clients asked of a service and heard, to be checked against a model of it.

    It works in a run and outside of one. In a run its times are the world's; outside they are those
    of the running loop, from the first operation on, if there is one.

    Example:
        >>> import simloop
        >>> history = simloop.History()
        >>> write = history.invoke("alice", "write", 1)
        >>> write.ok()
        >>> read = history.invoke("bob", "read")
        >>> read.ok(None)
        >>> history.check(simloop.Register())
        Traceback (most recent call last):
        ...
        simloop.errors.PropertyError: not linearizable: bob: read() gave None, ...
    """

    def __init__(self) -> None:
        self._operations: list[Operation] = []
        self._numbers = itertools.count()
        self._origin: float | None = None

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The operations, in the order in which they were invoked."""
        return tuple(self._operations)

    def __len__(self) -> int:
        return len(self._operations)

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    def __repr__(self) -> str:
        return f"<History of {len(self)} operations>"

    def invoke(self, client: object, op: str, *args: Any) -> Operation:
        """Record that a client begins an operation; complete what is returned.

        Args:
            client: Any name of the client. It may have several operations at a time.
            op: The operation's name, a word of the model: ``"write"``.
            *args: Its arguments.

        Raises:
            UsageError: The name is no string.
        """
        name: object = op
        if not isinstance(name, str) or not name:
            raise UsageError(
                f"invoke({client!r}, {op!r}): the second argument names the operation, as in"
                " invoke('alice', 'write', 3)"
            )
        operation = Operation(self, client, op, _kept(args))
        self._operations.append(operation)
        return operation

    def check(self, model: Model | ListAppend, *, max_states: int = MAX_STATES) -> Verdict:
        """Check that the history is one that the model allows, and return the verdict.

        Operations without an outcome count as unknown: each may have been done at any time after it
        was invoked, or never.

        Args:
            model: What a correct service does: a :class:`Register`, a :class:`ListAppend`, one of
                your own.
            max_states: How many states the search may look at.

        Raises:
            PropertyError: It is not; the message is the report.
            LimitError: The search looked at ``max_states`` states and is not done.
            UsageError: The model is none, or does not know an operation.
        """
        verdict = self.judge(model, max_states=max_states)
        if not verdict.holds:
            raise PropertyError(str(verdict))
        return verdict

    def judge(self, model: Model | ListAppend, *, max_states: int = MAX_STATES) -> Verdict:
        """Return the verdict on the history, whatever it is; see :meth:`check`.

        Raises:
            LimitError: The search looked at ``max_states`` states and is not done.
            UsageError: The model is none, or does not know an operation.

        Example:
            >>> import simloop
            >>> history = simloop.History()
            >>> history.invoke("alice", "increment").ok()
            >>> history.invoke("bob", "read").ok(2)
            >>> history.judge(simloop.Counter()).holds
            False
        """
        if isinstance(model, type) or not callable(getattr(model, "judge", None)):
            raise UsageError(
                f"check({model!r}): it takes a model, an instance of Register, KeyValue, Counter,"
                " Set, Queue, Mutex, ListAppend or of a subclass of simloop.Model"
            )
        return model.judge(self.operations, max_states)

    def _next(self) -> int:
        return next(self._numbers)

    def _now(self) -> float | None:
        world = world_of_caller()
        if world is not None:
            return world.time_ns / _NS_PER_S
        loop = asyncio._get_running_loop()
        if loop is None:
            return None
        now = loop.time()
        if self._origin is None:
            self._origin = now
        return now - self._origin


def _kept(value: Any) -> Any:
    """Return a copy of a value's containers, which are the service's and may change."""
    kind = type(value)
    if kind is tuple or kind is list:
        return kind(map(_kept, value))
    if kind is dict:
        return {key: _kept(each) for key, each in value.items()}
    if kind in (set, bytearray):
        return kind(value)
    return value
