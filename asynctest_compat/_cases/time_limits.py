"""How long a test may take: ``time_limit``, in the loop's time and in real time.

Owns: the decorator, and the two ways to stop a test. It must not know how a test is run.

The loop's time is measured by a timer of the loop. Real time is measured by the interval timer of
the operating system, whose signal also interrupts code that blocks; outside of the main thread, or
where that signal is taken, there is none and the limit is not applied.

Invariants:

- Whatever happens, the signal's handler and the interval timer are back as they were.
- Wherever the signal strikes, the test has one failure more, and no loop is left running by it.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from asyncio import timeout_at
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from types import FrameType

F = TypeVar("F")
T = TypeVar("T")

__unittest = True  # unittest leaves frames of modules with this mark out of its reports

_ATTR = "_asynctest_time_limit"

#: Seconds between two signals once the time is up.
_INTERVAL = 0.01

#: Seconds for which the test's own code is waited for, before anything is interrupted.
_PATIENCE = 1.0

#: Who leaves things half done when interrupted, or drops the error as a weak reference's callback.
_MACHINERY = (
    *("asynctest_compat", "simloop", "asyncio", "uvloop", "concurrent", "selectors", "signal"),
    *("unittest", "_pytest", "pluggy", "weakref", "_weakrefset"),
)

#: Who is taken for what calls it.
_LIBRARIES = {*sys.stdlib_module_names, "attr", "sortedcontainers", ""} - {"test"}


class TimeLimitError(AssertionError):
    """The test did not end within its time limit."""


class _TimeIsUp(KeyboardInterrupt):
    """Raised by the signal: a loop lets nothing else through from inside a callback."""

    def __init__(self, limit: _RealLimit) -> None:
        self.limit = limit


def time_limit(seconds: float | None = None, *, real: float | None = None) -> Callable[[F], F]:
    """Fail a test that takes longer. Decorates a class or a test method.

    Args:
        seconds: Of the loop's time, virtual on a SimLoop, for set-up, test and tear-down together.
        real: Seconds of real time, for the same and the cleanups. Needs the main thread and the
            signal SIGALRM, and is not applied where other code has that.

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


class _RealLimit:
    """Ends what runs once its time is up, there where that breaks nothing.

    The signal comes between any two instructions, also those of a loop that is about to stop, which
    would then count as running for ever. So a running loop is asked to raise the error from a
    callback of its own, unless what it runs has just ended. Where that does not come to pass, or no
    loop runs, the error is raised as soon as a signal meets the test's own code.
    """

    def __init__(self, seconds: float, is_on_loop: Callable[[], bool]) -> None:
        self.seconds = seconds
        self._is_on_loop = is_on_loop
        self._strikes = 0
        self._is_up = False
        self._is_told = False

    def strike(self, _number: int, frame: FrameType | None) -> None:
        """Handle the signal: the first, and those that follow until the test has ended."""
        self._is_up = True
        self._strikes += 1
        loop = asyncio._get_running_loop()
        if self._strikes == 1 and loop is not None:
            loop.call_soon_threadsafe(self._end_on_loop)
        elif self._strikes > _PATIENCE / _INTERVAL or (
            self._strikes > 1 and not _is_machinery(frame)
        ):
            self.end()

    def _end_on_loop(self) -> None:
        if self._is_on_loop():
            self.end()

    def end(self) -> None:
        """Raise the error, if the time is up and it was not raised yet."""
        if self._is_up and not self._is_told:
            # Should the error be swallowed, or what it interrupts go on, there is a next time.
            self._strikes = -round(self.seconds / _INTERVAL)
            raise _TimeIsUp(self)

    def tell(self) -> TimeLimitError:
        """Return the error for the test's result; from now on there is none."""
        self._is_told = True
        return TimeLimitError(f"the test did not end within {self.seconds} s of real time")


def _is_machinery(frame: FrameType | None) -> bool:
    """Return whether the standard library at work here works for machinery, or is that itself."""
    while frame is not None:
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package in _MACHINERY:
            return True
        if package not in _LIBRARIES:
            return False
        frame = frame.f_back
    return True


@contextmanager
def real_limit(
    seconds: float | None, is_on_loop: Callable[[], bool]
) -> Iterator[Callable[[], None]]:
    """Interrupt what runs inside after ``seconds`` of real time, by an error for :func:`told`.

    Gives what to call at good moments for that. ``is_on_loop`` tells whether a loop is in the
    middle of something that may be left there.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if seconds is None or not is_main or signal.getsignal(signal.SIGALRM) != signal.SIG_DFL:
        yield lambda: None
        return

    limit = _RealLimit(seconds, is_on_loop)
    try:
        signal.signal(signal.SIGALRM, limit.strike)
        signal.setitimer(signal.ITIMER_REAL, seconds, _INTERVAL)
        yield limit.end
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    limit.end()


@contextmanager
def told() -> Iterator[None]:
    """Turn the interruption into the error that a test's result shows."""
    try:
        yield
    except _TimeIsUp as error:
        raise error.limit.tell() from error
