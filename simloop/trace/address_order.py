"""Sets whose order follows addresses, near the step at which two runs part.

Owns: the look at what a step can reach (the variables of its task, of what the task awaits, and
what these hold), the sets found there whose elements hash by address, and the comparison of their
orders in two runs. A dictionary has the order of insertion, so only sets can be the cause.

Must not know: how a program is run again.

Invariants: nothing of the program's code is run but what iterating a set runs, which is none; what
is kept are words. The look is bounded, and taken in runs that are known to differ.
"""

from __future__ import annotations

import gc
import weakref
from collections import deque
from types import CoroutineType, FrameType, FunctionType, GeneratorType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from simloop._kernel.safe_looks import attribute_of, class_name

from .labels import coroutine_of, frame_of, task_of
from .lines import in_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from simloop._kernel import Handle, TimerHandle

__all__ = ["AddressOrder", "OrderLook", "order_that_differs"]

_OBJECTS_MAX = 20_000
_ELEMENTS_MAX = 100
_STEPS_AROUND = 2
"""How many steps before and after the one that differs are looked at, too."""


class AddressOrder(NamedTuple):
    """A set of objects that hash by address, and their order in one run."""

    path: str
    """How the program reaches it: ``self.connections``."""
    words: str
    """``a set of 20 Connection objects``."""
    order: tuple[str, ...]
    """Its elements in words, in the order of this run."""

    def __str__(self) -> str:
        named = f" ({self.path})" if self.path else ""
        return f"{self.words}{named}, which hash by address"


class OrderLook:
    """An observer that looks around at one step of a run, and those beside it.

    Args:
        number: Which step, counted from 0.
    """

    def __init__(self, number: int) -> None:
        self.found: list[AddressOrder] = []
        self._number = number
        self._count = -1

    def step(self, _now_ns: int, handle: Handle | TimerHandle) -> None:
        """Look, where the step is near."""
        self._count += 1
        if abs(self._count - self._number) <= _STEPS_AROUND:
            self.look(_variables_of(handle))

    def look(self, variables: Iterable[tuple[str, Any]]) -> None:
        """Keep the sets of objects that variables lead to, the nearest first."""
        known = dict.fromkeys(each[:2] for each in self.found)
        for path, thing in _reached(variables):
            order = _order_of(path, thing)
            if order is not None and order[:2] not in known:
                known[order[:2]] = None
                self.found.append(order)


def order_that_differs(
    first: list[AddressOrder], second: list[AddressOrder]
) -> AddressOrder | None:
    """Return the first set that has other orders in two runs, one with a name if there is one.

    Example:
        >>> one = AddressOrder("peers", "a set of 2 Peer objects", ("a", "b"))
        >>> print(order_that_differs([one], [one._replace(order=("b", "a"))]))
        a set of 2 Peer objects (peers), which hash by address
    """
    orders = {each[:2]: each.order for each in second}
    differ = [each for each in first if orders.get(each[:2], each.order) != each.order]
    return next((each for each in differ if each.path), differ[0] if differ else None)


def _variables_of(handle: Handle | TimerHandle) -> Iterator[tuple[str, Any]]:
    """Give the variables of the frames of a step: of its task's coroutines, innermost first."""
    task = task_of(handle._callback)
    if task is None:
        yield "", (handle._callback, handle._args)
        return
    awaitables = []
    awaitable = coroutine_of(task)
    while type(awaitable) in (CoroutineType, GeneratorType):
        awaitables.append(awaitable)
        is_coroutine = type(awaitable) is CoroutineType
        awaitable = awaitable.cr_await if is_coroutine else awaitable.gi_yieldfrom
    for each in reversed(awaitables):
        frame = frame_of(each)
        if frame is not None:
            yield from list(frame.f_locals.items())
        yield "", each  # What it iterates is on its stack, which the collector can see.


_NO_WAY = (ModuleType, FrameType)


def _reached(variables: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Give what variables lead to, with the way to it, the nearest first."""
    queue = deque(variables)
    seen: dict[int, Any] = {}
    while queue and len(seen) < _OBJECTS_MAX:
        path, thing = queue.popleft()
        if id(thing) in seen or type(thing) in _NO_WAY or issubclass(type(thing), type):
            continue
        seen[id(thing)] = thing  # Kept, so that no other one comes to lie there.
        yield path, thing
        queue.extend(_held_by(path, thing))


def _held_by(path: str, thing: Any) -> Iterator[tuple[str, Any]]:
    kind = type(thing)
    if kind is FunctionType:
        names = thing.__code__.co_freevars
        for name, cell in zip(names, thing.__closure__ or (), strict=True):
            yield from ((name, each) for each in gc.get_referents(cell))
        return
    if kind is dict:
        for key, value in list(thing.items())[:_ELEMENTS_MAX]:
            shown = f"{path}[{key!r}]" if type(key) in (str, int) else f"{path}[...]"
            yield shown, value
        return
    attributes = attribute_of(thing, "__dict__")
    if type(attributes) is dict:
        owner = path or class_name(kind)
        for name, value in list(attributes.items()):
            yield f"{owner}.{name}", value
    shown = f"{path}[...]" if path and kind in (list, tuple, deque) else ""
    for each in gc.get_referents(thing):
        if each is not attributes:
            yield shown, each


def _order_of(path: str, thing: Any) -> AddressOrder | None:
    """Describe a set whose elements hash by address; None if it is none."""
    kind: Any = type(thing)
    is_weak = kind is weakref.WeakSet
    if is_weak:
        thing = attribute_of(thing, "data")
    if not issubclass(type(thing), set | frozenset) or len(thing) < 2:  # noqa: PLR2004 - one has one order
        return None
    elements = list(
        set.__iter__(thing) if issubclass(type(thing), set) else frozenset.__iter__(thing)
    )
    if is_weak:
        elements = [each for ref in elements if (each := weakref.ref.__call__(ref)) is not None]
    addressed = [found for each in elements if (found := _by_address(each)) is not None]
    if not addressed:
        return None
    names = list(dict.fromkeys(class_name(type(each)) for each in addressed))
    held = "" if any(each is addressed[0] for each in elements) else "tuples that hold "
    words = f"a {kind.__qualname__} of {len(elements)} {held}{' and '.join(sorted(names))} objects"
    order = tuple(in_words(each, depth=3) for each in elements[:_ELEMENTS_MAX])
    return AddressOrder(path, words, order)


def _by_address(element: Any) -> Any:
    """Return what in an element hashes by address: itself, or something in a tuple; else None."""
    kind = type(element)
    if kind is tuple:
        found = (_by_address(each) for each in element)
        return next((each for each in found if each is not None), None)
    if element is None:
        return None  # A constant: CPython gh-99540, and before 3.12 in every process with a run.
    for each in type.__dict__["__mro__"].__get__(kind):
        if "__hash__" in vars(each):
            return element if each is object else None
    return None
