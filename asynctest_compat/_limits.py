"""How long a test may take: ``time_limit``, in the loop's time and in real time.

Owns: the decorator, and the two ways to stop a test. It must not know how a test is run.

The loop's time is measured by a timer of the loop. Real time is measured by the interval timer of
the operating system, whose signal also interrupts code that blocks; outside of the main thread, or
where that signal is taken, there is none and the limit is not applied.

Invariant: whatever happens, the signal's handler and the interval timer are back as they were.
"""

from __future__ import annotations

import signal
import threading
from asyncio import timeout_at
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

F = TypeVar("F")
T = TypeVar("T")

__unittest = True  # unittest leaves frames of modules with this mark out of its reports

_ATTR = "_asynctest_time_limit"


class TimeLimitError(AssertionError):
    """The test did not end within its time limit."""


class _TimeIsUp(KeyboardInterrupt):
    """Raised by the signal: a loop lets nothing else through from inside a callback."""


def time_limit(seconds: float | None = None, *, real: float | None = None) -> Callable[[F], F]:
    """Fail a test that takes longer. Decorates a class or a test method.

    Args:
        seconds: Of the loop's time, virtual on a SimLoop, for set-up, test and tear-down together.
        real: Seconds of real time, for the same and the cleanups. Needs the main thread and the
            signal SIGALRM, and is not applied where somebody else has that.

    A method's limits win over those of its class.

    >>> @time_limit(60, real=5)
    ... async def test_something(self): ...

    Raises:
        ValueError: A limit is not positive, or there is none.

    """
    given = {"seconds": seconds, "real": real}
    limits = {name: value for name, value in given.items() if value is not None}
    if not limits or any(value <= 0 for value in limits.values()):
        raise ValueError(f"time_limit() takes positive seconds, not {seconds!r} and {real!r}")

    def decorate(func: F) -> F:
        setattr(func, _ATTR, {**getattr(func, _ATTR, {}), **limits})
        return func

    return decorate


def limits_of(case: Any, method: Any) -> dict[str, float]:
    """Return the limits, ``seconds`` and ``real``, of one test."""
    return {**getattr(case, _ATTR, {}), **getattr(method, _ATTR, {})}


async def until(deadline: float, awaitable: Awaitable[T], limit: float) -> T:
    """Await, at most until ``deadline`` on the running loop's clock."""
    scope = timeout_at(deadline)
    try:
        async with scope:
            return await awaitable
    except TimeoutError as error:
        if scope.expired():
            raise TimeLimitError(
                f"the test did not end within {limit} s of its loop's time"
            ) from error
        raise


@contextmanager
def real_limit(seconds: float | None) -> Iterator[None]:
    """Interrupt what runs inside after ``seconds`` of real time, by ``_TimeIsUp``."""
    is_main = threading.current_thread() is threading.main_thread()
    if seconds is None or not is_main or signal.getsignal(signal.SIGALRM) != signal.SIG_DFL:
        yield
        return

    def is_up(_number: int, _frame: object) -> None:
        raise _TimeIsUp

    signal.signal(signal.SIGALRM, is_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


@contextmanager
def told(limits: dict[str, float]) -> Iterator[None]:
    """Turn the interruption into the error that a test's result shows."""
    try:
        yield
    except _TimeIsUp as error:
        raise TimeLimitError(
            f"the test did not end within {limits.get('real')} s of real time"
        ) from error
