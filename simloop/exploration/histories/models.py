"""Models: what a correct service does, one operation at a time.

Owns: the base of models and those that are always wanted. A model is a sequential program: for a
state and an operation it says what the service may answer, and its state afterwards. Whether a
history of many clients is one that such a service could have shown, the search finds out.

Must not know: clients at the same time, and times.

Invariants: a step depends on its arguments only and changes none of them. States are compared by
``==``; they need no hash, though those with one are faster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, NoReturn

from simloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from .history import Operation
    from .verdict import Verdict

__all__ = ["ANY", "Call", "Counter", "KeyValue", "Model", "Mutex", "Queue", "Register", "Set"]


class _Any:
    """Equal to everything: an answer that is not looked at."""

    def __eq__(self, _other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "anything"


ANY = _Any()


class Call(NamedTuple):
    """What a model sees of an operation.

    Example:
        >>> import simloop
        >>> class Bell(simloop.Model):
        ...     def step(self, state, call: simloop.Call):
        ...         return (state, "ding") if call.op == "ring" else self.refuse(call, "ring()")
        >>> simloop.Call("ring", ("twice",), None).args
        ('twice',)
    """

    op: str
    """Its name."""
    args: tuple[Any, ...]
    """Its arguments."""
    client: Any
    """The client, if the model says that it :attr:`~Model.looks_at_client`; else None."""


class Model:
    """What a correct service does, as a program without concurrency; subclass it for your own.

    Say with which state it starts (:meth:`initial`) and what each operation does (:meth:`step`).

    Example:
        >>> import simloop
        >>> class Stack(simloop.Model):
        ...     def initial(self):
        ...         return ()
        ...
        ...     def step(self, state, call):
        ...         match call.op, call.args:
        ...             case "push", (item,):
        ...                 return (*state, item), self.ANY
        ...             case "pop", ():
        ...                 return (state[:-1], state[-1]) if state else (state, None)
        ...         self.refuse(call, "push(item), pop()")
        >>> history = simloop.History()
        >>> history.invoke("alice", "push", "a").ok()
        >>> history.invoke("alice", "push", "b").ok()
        >>> history.invoke("bob", "pop").ok("b")
        >>> history.check(Stack())
        <Verdict: 3 operations are linearizable as a Stack>
    """

    ANY: ClassVar[Any] = ANY
    """An answer that is not looked at, because any will do."""

    looks_at_client: ClassVar[bool] = False
    """Whether :meth:`step` reads ``call.client``, which is None otherwise. Without it, operations
    of unknown outcome that do the same count as one kind, which makes the search faster."""

    def initial(self) -> Any:
        """Return the state in which the service starts."""
        return None

    def step(self, state: Any, call: Call, /) -> Any:  # noqa: ARG002 - for subclasses
        """Return what an operation does, as a pair: the state afterwards, and the answer.

        A list of such pairs where several things may happen; an empty one where the operation
        can't be done in this state, so that it has to wait for another one.

        Args:
            state: The state before, which must not be changed.
            call: The operation: ``call.op``, ``call.args``.

        Raises:
            UsageError: The model does not know the operation.
        """
        raise UsageError(f"{type(self).__name__} has no step(), and so no operation {call.op!r}")

    def agrees(self, allowed: Any, value: Any) -> bool:
        """Return whether what a client heard is the answer that :meth:`step` gave."""
        return bool(allowed == value)

    def key(self, call: Call) -> Hashable:  # noqa: ARG002 - for subclasses
        """Return the part of the service that an operation is about, or None for all of it.

        Parts are checked one by one, which is much faster. If one operation is about all of the
        service, the history is checked as a whole.
        """
        return None

    def describe(self, state: Any) -> str:
        """Return a state in words, for reports."""
        return repr(state)

    def call_of(self, operation: Operation) -> Call:
        """Return what :meth:`step` sees of an operation."""
        client = operation.client if self.looks_at_client else None
        return Call(operation.op, operation.args, client)

    def refuse(self, call: Call, known: str) -> NoReturn:
        """Refuse an operation, naming those that the model knows.

        Raises:
            UsageError: Always.
        """
        told = f"{call.op}({', '.join(map(repr, call.args))})"
        raise UsageError(f"{type(self).__name__} has no operation {told}; it has {known}")

    def judge(self, operations: Sequence[Operation], max_states: int) -> Verdict:
        """Return whether the operations are linearizable; :meth:`History.judge` asks it."""
        from .linearizability import judge  # noqa: PLC0415 - recording needs no search

        return judge(self, operations, max_states)


class Register(Model):
    """One value: ``read()``, ``write(value)``, ``cas(old, new)``.

    ``get`` and ``put`` are the same as ``read`` and ``write``. A ``cas`` (compare and set) gives
    whether it found the old value; what a ``write`` gives is not looked at.

    Args:
        initial: The value at first.

    Example:
        >>> import simloop
        >>> history = simloop.History()
        >>> history.invoke("alice", "write", 1).ok()
        >>> history.invoke("bob", "cas", 1, 2).ok(True)
        >>> history.invoke("alice", "read").ok(2)
        >>> history.check(simloop.Register())
        <Verdict: 3 operations are linearizable as a Register>
    """

    _KNOWN = "read(), write(value), cas(old, new)"

    def __init__(self, initial: Any = None) -> None:
        self._initial = initial

    def initial(self) -> Any:
        """Return the value at first."""
        return self._initial

    def step(self, state: Any, call: Call) -> Any:
        """Read, write, or compare and set."""
        match call.op, call.args:
            case "read" | "get", ():
                return state, state
            case "write" | "put", (value,):
                return value, ANY
            case "cas", (old, new):
                return (new, True) if state == old else (state, False)
        return self.refuse(call, self._KNOWN)


class KeyValue(Register):
    """A value for each key: ``get(key)``, ``put(key, value)``, ``cas(key, old, new)``.

    ``delete(key)`` takes it away, ``append(key, value)`` adds to it by ``+``. ``read`` and
    ``write`` are the same as ``get`` and ``put``; what a ``put``, an ``append`` and a ``delete``
    give is not looked at. Keys are checked one by one.

    Args:
        initial: The value of a key that was never put, or was deleted.

    Example:
        >>> import simloop
        >>> history = simloop.History()
        >>> history.invoke("alice", "put", "x", 1).ok()
        >>> history.invoke("bob", "get", "x").ok(1)
        >>> history.invoke("bob", "get", "y").ok(None)
        >>> history.check(simloop.KeyValue())
        <Verdict: 3 operations are linearizable as a KeyValue>
    """

    _KNOWN = (
        "get(key), put(key, value), append(key, value), cas(key, old, new), delete(key), of which"
        " each is about a key that can be a key of a dict"
    )

    def step(self, state: Any, call: Call) -> Any:
        """Do to one key what is asked; the state is its value."""
        match call.op, call.args:
            case "delete", (_key,):
                return self._initial, ANY
            case "append", (_key, value):
                return value if state is None else state + value, ANY
            case _, (_key, *args):
                inner = call._replace(args=tuple(args))
                if call.op in ("get", "put", "read", "write", "cas"):
                    return super().step(state, inner)
        return self.refuse(call, self._KNOWN)

    def key(self, call: Call) -> Hashable:
        """Return the key, which is the first argument."""
        try:
            return (call.args[0],)
        except IndexError:
            self.refuse(call, self._KNOWN)
            raise


class Counter(Model):
    """A number: ``read()``, ``increment(n)``, ``decrement(n)``, ``add(n)``, by 1 if not said.

    ``get`` is the same as ``read``. What changes the number gives None, or the number afterwards;
    ``get_and_add(n)`` gives the one before.

    Args:
        initial: The number at first.

    Example:
        >>> import simloop
        >>> history = simloop.History()
        >>> history.invoke("alice", "increment").ok()
        >>> history.invoke("bob", "increment", 2).ok(3)
        >>> history.invoke("alice", "read").ok(3)
        >>> history.check(simloop.Counter())
        <Verdict: 3 operations are linearizable as a Counter>
    """

    def __init__(self, initial: float = 0) -> None:
        self._initial = initial

    def initial(self) -> float:
        """Return the number at first."""
        return self._initial

    def step(self, state: Any, call: Call) -> Any:
        """Read or change the number."""
        match call.op, call.args or (1,):
            case "read" | "get", _ if not call.args:
                return state, state
            case "increment" | "add", (by,):
                return _done(state + by, state + by)
            case "decrement", (by,):
                return _done(state - by, state - by)
            case "get_and_add", (by,):
                return state + by, state
        return self.refuse(call, "read(), increment(n), decrement(n), add(n), get_and_add(n)")


class Set(Model):
    """Elements: ``add(x)``, ``remove(x)``, ``contains(x)``, ``read()``.

    ``discard`` is the same as ``remove``. What changes the set gives None, or whether it changed
    it. ``read`` gives all elements, in any collection and order. Without a ``read`` in the history,
    elements are checked one by one.

    Args:
        initial: The elements at first.

    Example:
        >>> import simloop
        >>> history = simloop.History()
        >>> history.invoke("alice", "add", "a").ok(True)
        >>> history.invoke("bob", "add", "a").ok(False)
        >>> history.invoke("alice", "read").ok({"a"})
        >>> history.check(simloop.Set())
        <Verdict: 3 operations are linearizable as a Set>
    """

    _KNOWN = "add(x), remove(x), contains(x), read()"

    def __init__(self, initial: Sequence[Any] = ()) -> None:
        self._initial = sum(1 << number for number in range(len(initial)))
        # An element is a bit of the state: equal sets are equal states, and no order is involved.
        self._numbers: dict[Any, int] = {each: number for number, each in enumerate(initial)}

    def initial(self) -> int:
        """Return the elements at first, as bits."""
        return self._initial

    def step(self, state: int, call: Call) -> Any:
        """Add, remove, or look."""
        if call.op == "read" and not call.args:
            return state, self._elements(state)
        if len(call.args) != 1:
            return self.refuse(call, self._KNOWN)
        bit = 1 << self._numbers.setdefault(call.args[0], len(self._numbers))
        is_there = bool(state & bit)
        match call.op:
            case "add":
                return _done(state | bit, not is_there)
            case "remove" | "discard":
                return _done(state & ~bit, is_there)
            case "contains":
                return state, is_there
        return self.refuse(call, self._KNOWN)

    def _elements(self, state: int) -> list[Any]:
        return [each for each, number in self._numbers.items() if state >> number & 1]

    def agrees(self, allowed: Any, value: Any) -> bool:
        """Return whether an answer is the one allowed; collections are equal in any order."""
        if not isinstance(allowed, list):
            return allowed is value or (value is not None and bool(allowed == value))
        try:
            elements = list(value)
            return len(elements) == len(allowed) and dict.fromkeys(elements) == dict.fromkeys(
                allowed
            )
        except TypeError:
            return False

    def key(self, call: Call) -> Hashable:
        """Return the element, or None where the operation is about all."""
        return tuple(call.args) or None

    def describe(self, state: int) -> str:
        """Return the elements in words."""
        return f"{{{', '.join(map(repr, self._elements(state)))}}}"


class Queue(Model):
    """First in, first out: ``put(item)``, ``get()``, ``size()``.

    ``enqueue`` and ``dequeue`` are the same as ``put`` and ``get``. What a ``put`` gives is not
    looked at; a ``get`` that finds nothing gives what ``empty`` says. A ``get`` that waits for an
    item does so too if it is given ``empty=simloop.Queue.WAITS``.

    Args:
        initial: The items at first, the oldest first.
        empty: What a ``get`` gives where there is no item.

    Example:
        >>> import simloop
        >>> history = simloop.History()
        >>> history.invoke("alice", "put", "a").ok()
        >>> history.invoke("bob", "get").ok("a")
        >>> history.invoke("bob", "get").ok(None)
        >>> history.check(simloop.Queue())
        <Verdict: 3 operations are linearizable as a Queue>
    """

    WAITS: ClassVar[Any] = ANY
    """For ``empty``: a ``get`` ends only when it has an item."""

    def __init__(self, initial: Sequence[Any] = (), *, empty: Any = None) -> None:
        self._initial = tuple(initial)
        self._empty = empty

    def initial(self) -> tuple[Any, ...]:
        """Return the items at first."""
        return self._initial

    def step(self, state: tuple[Any, ...], call: Call) -> Any:
        """Put an item behind the others, or take the first."""
        match call.op, call.args:
            case "put" | "enqueue", (item,):
                return (*state, item), ANY
            case "get" | "dequeue", ():
                if state:
                    return state[1:], state[0]
                return [] if self._empty is ANY else (state, self._empty)
            case "size", ():
                return state, len(state)
        return self.refuse(call, "put(item), get(), size()")

    def describe(self, state: tuple[Any, ...]) -> str:
        """Return the items in words."""
        return repr(list(state))


class Mutex(Model):
    """A lock that one client holds at a time: ``acquire()``, ``release()``.

    ``lock`` and ``unlock`` are the same. With an argument they are about the lock of that name. An
    ``acquire`` that gives False found it held; anything else is success. Only the client that
    holds a lock may release it.

    Example:
        >>> import simloop
        >>> history = simloop.History()
        >>> history.invoke("alice", "acquire").ok()
        >>> history.invoke("bob", "acquire").ok(False)
        >>> history.invoke("alice", "release").ok()
        >>> history.check(simloop.Mutex())
        <Verdict: 3 operations are linearizable as a Mutex>
    """

    looks_at_client = True

    def step(self, state: Any, call: Call) -> Any:
        """Take the lock, or give it back; the state is its holder."""
        if len(call.args) <= 1:
            match call.op:
                case "acquire" | "lock":
                    return [(state, False)] if state else [((call.client,), True)]
                case "release" | "unlock":
                    return [(None, ANY)] if state == (call.client,) else []
        return self.refuse(call, "acquire(), release(), each with a name of the lock, or without")

    def agrees(self, allowed: Any, value: Any) -> bool:
        """Return whether an answer is the one allowed; what is not False is success."""
        return allowed is ANY or allowed is (value is not False)

    def key(self, call: Call) -> Hashable:
        """Return the name of the lock, if it has one."""
        return tuple(call.args)

    def describe(self, state: Any) -> str:
        """Return who holds the lock."""
        return f"held by {state[0]!r}" if state else "free"


def _done(state: Any, told: Any) -> list[tuple[Any, Any]]:
    """Return a change that gives None, or what it tells."""
    return [(state, None), (state, told)]
