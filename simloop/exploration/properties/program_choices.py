"""Choices of the program itself: what a test leaves open, for an exploration to decide.

Owns: the functions that a program or its test calls. In a run that nobody explores, and outside of
runs, they choose what happens undisturbed: the first option, no fault, no cut. So a seed changes
none of them; an exploration does, and shrinks each to that.

Must not know: who answers.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Coroutine, Generator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from simloop.errors import UsageError

from .presence import by_thread, world_of_caller

if TYPE_CHECKING:
    from types import FrameType, TracebackType

    from simloop._kernel import Kernel

__all__ = ["Chance", "buggify", "choose", "cut_short"]

_T = TypeVar("_T")


class Chance(str):
    """The name of a fault, with how likely it is, for the strategy that answers."""

    __slots__ = ("p",)

    p: float

    def __new__(cls, name: str, p: float) -> Chance:  # noqa: PYI034 - final, in spirit
        """Return a name that knows how likely it is."""
        chance = super().__new__(cls, name)
        chance.p = p
        return chance


def _explored() -> Kernel | None:
    """Return the kernel of the calling code's run, if somebody explores it."""
    world = world_of_caller()
    if world is None:
        return None
    kernel = world.kernel
    return None if kernel.gate is None else kernel


@overload
def choose(options: int, name: str | None = None) -> int: ...
@overload
def choose(options: Sequence[_T], name: str | None = None) -> _T: ...


def choose(options: Any, name: str | None = None) -> Any:
    """Return one of several options: the first, unless an exploration takes another.

    Args:
        options: A sequence, of which an element is returned; or a number, below which an integer
            is. The first should be the plainest: failures are shrunk towards it.
        name: What the choice is called, for reports; the calling function's name if None.

    Raises:
        UsageError: In a run: there is no option, or they have no order.

    Example:
        >>> import simloop
        >>> simloop.choose(["json", "csv"], "format"), simloop.choose(3)
        ('json', 0)
    """
    if not by_thread:
        return 0 if isinstance(options, int) else options[0]
    count = _count(options)
    kernel = _explored()
    picked = 0
    if kernel is not None and count > 1:
        picked = kernel.choose("choice", _name_or_place(name, sys._getframe(1)), count)
    return picked if isinstance(options, int) else options[picked]


def _count(options: Any) -> int:
    if isinstance(options, int) and not isinstance(options, bool):
        count = options
    elif hasattr(options, "__len__") and hasattr(options, "__getitem__"):
        count = len(options)
        if hasattr(options, "keys"):
            count = -1
    else:
        count = -1
    if count < 1:
        why = "there is nothing to choose" if count == 0 else "it takes a sequence, or a number"
        raise UsageError(f"choose({options!r}): {why}; its first option is what a plain run takes")
    return count


def buggify(name: str, p: float = 0.25) -> bool:
    """Return whether a fault of the program's own happens here: False, unless a run is explored.

    An exploration switches each name on or off for a whole run, so that in some it is alone; where
    it is on, it is true about so often.

    Args:
        name: What the fault is called; the same name is on or off together.
        p: How likely it is where it is on, from 0 to 1.

    Raises:
        UsageError: In a run: the name is none, or the probability is not from 0 to 1.

    Example:
        >>> import simloop
        >>> if simloop.buggify("a short write"):
        ...     print("write less")
    """
    if not by_thread or (world := world_of_caller()) is None:
        return False
    given: object = name
    if not isinstance(given, str) or not given:
        raise UsageError(f"buggify({name!r}): a fault has a name, which reports tell")
    chance: object = p
    if not isinstance(chance, int | float) or not 0 <= chance <= 1:
        raise UsageError(f"buggify({name!r}, p={p!r}): it takes a probability, from 0 to 1")
    return p > 0 and bool(world.kernel.choose("buggify", Chance(name, p), 2))


def cut_short(awaitable: Awaitable[_T], name: str | None = None) -> Coroutine[Any, Any, _T]:
    """Await something that an exploration may cancel at any of its awaits.

    Then it sees what a timeout around it would do at that moment: the innermost await is cancelled,
    and :class:`TimeoutError` is raised here. Without an exploration it is awaited as it is.

    Args:
        awaitable: A coroutine, a future, a task.
        name: What the cut is called, for reports; the calling function's name if None.

    Raises:
        TimeoutError: It was cut short.
        UsageError: In a run: it can't be awaited.

    Example:
        >>> import asyncio, simloop
        >>> async def main():
        ...     return await simloop.cut_short(asyncio.sleep(1, "done"), "the call")
        >>> simloop.run(main())
        'done'
    """
    kernel = _explored()
    if kernel is not None and inspect.isawaitable(awaitable):
        return _may_be_cut(kernel, awaitable, _name_or_place(name, sys._getframe(1)))
    if inspect.iscoroutine(awaitable):
        return cast("Coroutine[Any, Any, _T]", awaitable)
    if not inspect.isawaitable(awaitable):
        raise UsageError(f"cut_short({awaitable!r}): it can't be awaited; call the function")
    return _awaited(awaitable)


async def _awaited(awaitable: Awaitable[_T]) -> _T:
    return await awaitable


async def _may_be_cut(kernel: Kernel, awaitable: Awaitable[_T], name: str) -> _T:
    # Expired by hand. asyncio's own timeout knows how to tell its cancellation from others'.
    async with asyncio.timeout(None) as timeout:
        value: _T = await _Suspensions(kernel, awaitable, name, timeout)
        return value


class _Suspensions(Generator[Any, Any, Any]):
    """Passes everything on between a task and an awaitable, and asks at each suspension."""

    cr_frame = None
    """A report of what a task waits for looks through this object, as through a coroutine."""

    def __init__(
        self, kernel: Kernel, awaitable: Awaitable[Any], name: str, timeout: asyncio.Timeout
    ) -> None:
        self.cr_await = awaitable
        self._kernel = kernel
        self._name = name
        self._timeout = timeout
        self._is_cut = False
        self._steps: Any = awaitable.__await__()

    def __await__(self) -> _Suspensions:
        return self

    def send(self, value: Any) -> Any:
        """Go on, and ask where it suspends again."""
        waits_for = next(self._steps) if value is None else self._steps.send(value)
        return self._suspended(waits_for)

    def throw(self, kind: Any, value: Any = None, trace: TracebackType | None = None) -> Any:
        """Go on with an error."""
        error = kind if value is None else value
        if trace is not None:
            error = error.with_traceback(trace)
        return self._suspended(self._steps.throw(error))

    def close(self) -> None:
        """End it."""
        self._steps.close()

    def _suspended(self, waits_for: Any) -> Any:
        if not self._is_cut and self._kernel.choose("cut", self._name, 2):
            self._is_cut = True
            # Cancelled as a timeout does it: by the loop, when the task waits.
            self._timeout.reschedule(asyncio.get_running_loop().time())
        return waits_for


def _name_or_place(name: str | None, frame: FrameType) -> str:
    """Return a name, or else where the caller is, in words that stay when lines move."""
    given: object = name
    if given is None:
        return f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_qualname}"
    if not isinstance(given, str) or not given:
        raise UsageError(f"name={given!r}: it takes a text, which reports tell, or None")
    return given
