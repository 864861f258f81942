"""What counts as a coroutine, and a coroutine that many can wait for.

Owns: the one answer to "is this a coroutine function?", and ``YieldableCoroutine``, the object that
this package hands out wherever asynctest handed out a generator-based coroutine. It must not know
mocks, loops or test cases.

Three generations of code meet in an old test suite: native ``async def``, generators marked by
``types.coroutine`` (or once by ``asyncio.coroutine``), and plain generators that delegate with
``yield from``. asyncio accepts only the first since Python 3.12, a plain generator can delegate
only to the last two. Invariants:

- Detection never runs a property and never creates a child of a mock.
- A ``YieldableCoroutine`` is awaitable, is a coroutine for asyncio on every Python, and is
  iterable, so that each of the three generations can wait for it. It adds no step of its own.
"""

from __future__ import annotations

import asyncio.coroutines
import collections.abc
import functools
import inspect
import types
import unittest.mock
from typing import TYPE_CHECKING, Any, ParamSpec, TypeGuard, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from types import TracebackType

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F")

#: What ``asyncio.iscoroutinefunction`` compares an object's ``_is_coroutine`` with.
ASYNCIO_MARK: object = getattr(asyncio.coroutines, "_is_coroutine", True)

#: What ``inspect.iscoroutinefunction`` compares ``_is_coroutine_mark`` with, since Python 3.12.
INSPECT_MARK: object = getattr(inspect, "_is_coroutine_mark", None)


class YieldableCoroutine(collections.abc.Coroutine[Any, Any, T]):
    """Drive a coroutine or a generator for callers of every generation.

    ``steps`` is a native coroutine, a generator or any other iterator that an awaitable gave. Its
    frames show under the names that asyncio and debuggers look for (``cr_frame``, ``cr_await``
    ...).
    """

    __slots__ = ("__name__", "__qualname__", "__weakref__", "_steps")

    def __init__(self, steps: Any, name: str | None = None) -> None:
        self._steps = steps
        self.__name__ = name or getattr(steps, "__name__", type(steps).__name__)
        self.__qualname__ = name or getattr(steps, "__qualname__", self.__name__)

    def __repr__(self) -> str:
        return f"<coroutine {self.__qualname__} at {id(self):#x}>"

    def __await__(self) -> Generator[Any, Any, T]:
        return self  # it has all that an interpreter asks of an iterator

    def __iter__(self) -> Generator[Any, Any, T]:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        """Resume with ``value`` up to the next thing to wait for."""
        if value is None and not hasattr(self._steps, "send"):
            return next(self._steps)
        return self._steps.send(value)

    def throw(
        self,
        typ: Any,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
    ) -> Any:
        """Resume by raising; the old form with three arguments is accepted silently."""
        error = val if isinstance(val, BaseException) else typ
        if isinstance(error, type):
            error = error() if val is None else error(val)
        if tb is not None:
            error = error.with_traceback(tb)
        if hasattr(self._steps, "throw"):
            return self._steps.throw(error)
        raise error

    def close(self) -> None:
        """End it where it stands; nothing happens if it never started."""
        close = getattr(self._steps, "close", None)
        if close is not None:
            close()

    def _of_steps(self, *names: str) -> Any:
        return next((getattr(self._steps, n) for n in names if hasattr(self._steps, n)), None)

    @property
    def cr_frame(self) -> Any:
        """The frame at which it waits, or None."""
        return self._of_steps("cr_frame", "gi_frame")

    @property
    def cr_code(self) -> Any:
        """The code object, or None."""
        return self._of_steps("cr_code", "gi_code")

    @property
    def cr_await(self) -> Any:
        """What it waits for, or None."""
        return self._of_steps("cr_await", "gi_yieldfrom")

    @property
    def cr_running(self) -> bool:
        """Whether it is being run right now."""
        return bool(self._of_steps("cr_running", "gi_running"))


def mark(function: F) -> F:
    """Mark ``function`` so that asyncio and inspect take it for a coroutine function."""
    function._is_coroutine = ASYNCIO_MARK  # type: ignore[attr-defined]  # asyncio's own protocol
    if INSPECT_MARK is not None:
        function._is_coroutine_mark = INSPECT_MARK  # type: ignore[attr-defined]  # inspect's
    return function


def yieldable(
    function: Callable[P, collections.abc.Coroutine[Any, Any, T]],
) -> Callable[P, YieldableCoroutine[T]]:
    """Make a native coroutine function's calls awaitable for callers of every generation."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> YieldableCoroutine[T]:
        return YieldableCoroutine(function(*args, **kwargs))

    return mark(call)


@types.coroutine
def one_turn() -> Generator[None, None, None]:
    """Give way once, whatever a test has patched over ``asyncio.sleep``."""
    yield


def _marked(candidate: object) -> bool:
    if isinstance(candidate, unittest.mock.NonCallableMock):
        marks = vars(candidate)  # asking a mock for an attribute would create it
        return marks.get("_is_coroutine") is ASYNCIO_MARK or bool(marks.get("_mock_is_coroutine"))
    try:
        return getattr(candidate, "_is_coroutine", None) is ASYNCIO_MARK
    except Exception:  # noqa: BLE001  # a spec may hold any object, a proxy without target too
        return False


def is_coroutine_function(candidate: object) -> bool:
    """Return whether calling ``candidate`` gives something to await.

    Looks through ``partial``, methods, ``classmethod`` and ``staticmethod``, and knows native
    coroutine functions, those of ``types.coroutine``, and everything that carries asyncio's mark.

    >>> is_coroutine_function(types.coroutine(lambda: (yield)))
    True
    """
    while True:
        if isinstance(candidate, functools.partial):
            candidate = candidate.func
        elif isinstance(candidate, (classmethod, staticmethod, types.MethodType)):
            candidate = candidate.__func__
        else:
            break
    if _marked(candidate):
        return True
    if type(candidate) is not types.FunctionType:
        return not isinstance(
            candidate, unittest.mock.NonCallableMock
        ) and inspect.iscoroutinefunction(candidate)
    flags = inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE
    return bool(candidate.__code__.co_flags & flags) or inspect.iscoroutinefunction(candidate)


def is_coroutine(result: object) -> TypeGuard[Awaitable[Any]]:
    """Return whether ``result`` is a coroutine of any generation, a plain generator included."""
    return isinstance(result, (collections.abc.Coroutine, types.GeneratorType))


def can_run(result: object) -> TypeGuard[Awaitable[Any]]:
    """Return whether a test's ``result`` has to be run on the loop: any awaitable or generator."""
    return is_coroutine(result) or inspect.isawaitable(result)


def as_coroutine(awaitable: Awaitable[T] | Generator[Any, Any, T]) -> Any:
    """Turn any awaitable or generator into something that ``run_until_complete`` takes."""
    if isinstance(awaitable, types.GeneratorType):
        return YieldableCoroutine(awaitable)
    if isinstance(awaitable, collections.abc.Coroutine):
        return awaitable
    return YieldableCoroutine(awaitable.__await__())  # type: ignore[union-attr]  # not a generator
