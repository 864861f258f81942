"""The pytest plugin: ``pytest -p asynctest_compat.as_asynctest``.

Owns: installing this package as ``asynctest`` before a suite is collected, with the options for it,
and the fixture ``clock``. Tests themselves are found and run by pytest's support for unittest.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, TypeVar

import pytest

import simloop

from . import _install
from ._cases.moved_clock import Clock, told_way_out
from ._mocks.coroutines import as_coroutine, yieldable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

__all__ = ["ClockFixture", "clock", "pytest_addoption", "pytest_configure"]

_T = TypeVar("_T")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, which an ini file can set as well."""
    group = parser.getgroup("asynctest_compat")
    group.addoption(
        "--asynctest-loop",
        default=None,
        metavar="virtual|stock|MODULE:FACTORY",
        help="the loop of all asynctest tests that choose none (default: virtual)",
    )
    group.addoption(
        "--asynctest-removed-names",
        action="store_true",
        default=None,
        help="put back what Python removed since: asyncio.coroutine, loop= arguments,"
        " assertEquals ...",
    )
    parser.addini("asynctest_loop", "the same as --asynctest-loop", default="")
    parser.addini(
        "asynctest_removed_names", "the same as --asynctest-removed-names", "bool", default=False
    )


def pytest_configure(config: pytest.Config) -> None:
    """Install, before any test module is imported."""
    names = config.getoption("asynctest_removed_names")
    try:
        _install.install(
            removed_names=config.getini("asynctest_removed_names") if names is None else names,
            loop=config.getoption("asynctest_loop") or config.getini("asynctest_loop") or None,
        )
    except ValueError as error:
        raise pytest.UsageError(f"--asynctest-loop: {error}") from error


class ClockFixture:
    """A clock that moves only by ``advance``, for tests that are plain functions or coroutines.

    A plain test runs a coroutine on a SimLoop of the fixture's own, ``clock.loop``, by ``run``. A
    coroutine test of another framework just awaits ``advance``: the first use of the fixture inside
    it freezes the loop that it runs on.
    """

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop = simloop.SimLoop(autojump=False)
        self._clock = Clock(self.loop)
        self._other: Clock | None = None

    def run(self, awaitable: Awaitable[_T]) -> _T:
        """Run a coroutine on the fixture's loop and return its result."""
        with told_way_out():
            result: _T = self.loop.run_until_complete(as_coroutine(awaitable))
        return result

    def time(self) -> float:
        """Return the loop's time in seconds; it starts at 0 on the fixture's own loop."""
        return self._current().time()

    @yieldable
    async def advance(self, seconds: float) -> None:
        """Move the clock forward; each callback runs at its own time."""
        await self._current().advance(seconds)

    def _current(self) -> Clock:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            return self._other or self._clock
        if running is self.loop:
            return self._clock
        if self._other is None or self._other.loop is not running:
            self._other = Clock(running)
        return self._other

    def close(self) -> None:
        """Close the fixture's loop, and give another one its time back."""
        if self._other is not None and not self._other.loop.is_closed():
            self._other.thaw()
        self.loop.close()


@pytest.fixture
def clock() -> Iterator[ClockFixture]:
    """Give a clock that stands still until the test advances it."""
    with contextlib.closing(ClockFixture()) as fixture:
        yield fixture
