"""One context for all that a test runs, on the loop and off it.

Owns: running a test's functions and coroutines in one ``contextvars`` context, so that what a
set-up sets is seen by the test, the tear-down and the cleanups. It must not know what these phases
are.

A coroutine is not given to ``create_task(context=...)``: a test may replace the loop by a mock or
set a task factory that knows no contexts. Each of its steps enters the context instead.

Invariants:

- A context is entered once at a time. A coroutine that plain code runs in the middle of a phase
  gets a copy, whose changes are taken over when it ends.
- A phase that would wait for ever is cancelled: it is over, and nothing of it is left to surprise a
  later test. Other tasks are left alone.
"""

from __future__ import annotations

import contextvars
import inspect
from asyncio import CancelledError, all_tasks
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import simloop
from asynctest_compat._mocks.coroutines import (
    YieldableCoroutine,
    as_coroutine,
    is_coroutine,
    is_coroutine_function,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

__unittest = True  # unittest leaves frames of modules with this mark out of its reports

_MACHINERY = ("asyncio", "asynctest_compat", "simloop", "uvloop")


class _InContext(YieldableCoroutine[Any]):
    """Run each step of a coroutine in one context."""

    __slots__ = ("_context",)

    def __init__(self, steps: Any, context: contextvars.Context) -> None:
        super().__init__(steps)
        self._context = context

    def send(self, value: Any) -> Any:
        return self._context.run(super().send, value)

    def throw(self, typ: Any, val: Any = None, tb: Any = None) -> Any:
        return self._context.run(super().throw, typ, val, tb)


class Phases:
    """Runs the functions of one test."""

    def __init__(self) -> None:
        self._context = contextvars.copy_context()
        self._is_entered = False
        # Whether code of the test is running, on the loop or off it.
        self.is_inside = False
        self._steps: _InContext | None = None

    @property
    def is_on_loop(self) -> bool:
        """Whether a loop runs something of the test that has not ended yet."""
        return self._steps is not None and self._steps.cr_frame is not None

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function of the test off the loop, and return what it gives."""
        if self._is_entered:
            return function(*args, **kwargs)
        self._is_entered = self.is_inside = True
        try:
            return self._context.run(function, *args, **kwargs)
        finally:
            self._is_entered = self.is_inside = False

    def finish(self, loop: Any, awaitable: Awaitable[Any]) -> Any:
        """Run an awaitable of the test on ``loop``, and return its result."""
        if self._is_entered:
            return _finish_inside(loop, awaitable)
        self.is_inside = True
        self._steps = steps = _InContext(as_coroutine(awaitable), self._context)
        try:
            return loop.run_until_complete(steps)
        except BaseException as error:  # noqa: BLE001 - raised again
            if isinstance(error, simloop.DeadlockError):
                _give_up(loop, steps)
            raise error.with_traceback(_own_part(error.__traceback__)) from error.__cause__
        finally:
            self.is_inside = False
            self._steps = None


def _give_up(loop: Any, steps: _InContext) -> None:
    """Cancel what waits for ever, so that it ends on its own loop and not when it is collected."""
    for task in all_tasks(loop):
        if task.get_coro() is steps:
            task.cancel()
            with suppress(CancelledError, Exception):  # the first error is the one to be told
                loop.run_until_complete(task)


def _own_part(trace: TracebackType | None) -> TracebackType | None:
    """Leave out the loop's frames before the test's first, so that a report shows the test's."""
    own = trace
    while own is not None:
        package = own.tb_frame.f_globals.get("__name__", "").partition(".")[0]
        if package not in _MACHINERY:
            return own
        own = own.tb_next
    return trace


def _finish_inside(loop: Any, awaitable: Awaitable[Any]) -> Any:
    changed: dict[contextvars.ContextVar[Any], Any] = {}

    async def tracked() -> Any:
        try:
            return await as_coroutine(awaitable)
        finally:
            changed.update(contextvars.copy_context().items())

    before = contextvars.copy_context()
    try:
        return loop.run_until_complete(tracked())
    finally:
        for var, value in changed.items():
            if before.get(var, changed) is not value:
                var.set(value)


def must_wait(function: Any, result: Any) -> bool:
    """Return whether a fixture's result has to be run on the loop: if it is a coroutine.

    Raises:
        TypeError: It is an asynchronous generator, of which nothing would run.

    """
    if inspect.isasyncgen(result):
        raise TypeError(
            f"{function!r} is an asynchronous generator: it contains 'yield', so that calling it"
            " runs nothing. Remove the yield, or wait with 'await'"
        )
    return is_coroutine(result) or (inspect.isawaitable(result) and is_coroutine_function(function))
