"""The await half of a coroutine mock: what was awaited, who waits for it, what can be asserted.

Owns: ``AwaitEvent``, which is ``mock.awaited``, and ``AwaitAssertions``, the ``assert_awaited``
family. It must not know how a mock makes its result; it reads ``await_count``, ``await_args`` and
``await_args_list`` of the mock that it belongs to.

Invariants: these three change when an await *ends*, by a result or by an exception, never when it
starts; waiters of the event are woken after they changed.
"""

from __future__ import annotations

import unittest.mock
from asyncio import Condition, get_running_loop
from typing import TYPE_CHECKING, Any, TypeVar

from asynctest_compat._mocks.coroutines import yieldable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

call = unittest.mock.call


class AwaitEvent:
    """An event: whether a mock has been awaited, and waiting until it is.

    True as soon as one await has ended.
    """

    def __init__(self, mock: Any) -> None:
        self._mock = mock
        # Made when first needed: a mock often exists before the loop that it will be used on.
        self._condition: Condition | None = None
        self._loop: Any = None

    def __bool__(self) -> bool:
        return bool(self._mock.await_count)

    @yieldable
    async def wait(self, skip: int = 0) -> Any:
        """Wait until the mock has been awaited more than ``skip`` times in all."""
        return await self.wait_for(lambda mock: mock.await_count > skip)

    @yieldable
    async def wait_next(self, skip: int = 0) -> Any:
        """Wait until the mock has been awaited more than ``skip`` times from now on."""
        before: int = self._mock.await_count
        return await self.wait_for(lambda mock: mock.await_count > before + skip)

    @yieldable
    async def wait_for(self, predicate: Callable[[Any], T]) -> T:
        """Wait until ``predicate(mock)`` is true, and return what it gave."""
        condition = self._get_condition()
        async with condition:
            return await condition.wait_for(lambda: predicate(self._mock))

    async def _notify(self) -> None:
        condition = self._get_condition()
        async with condition:
            condition.notify_all()

    def _get_condition(self) -> Condition:
        loop = _current_loop()
        if self._condition is None or self._loop is not loop:
            # A mock that outlives a test is awaited on the next test's loop.
            self._condition, self._loop = Condition(), loop
        return self._condition


def _current_loop() -> Any:
    try:
        return get_running_loop()
    except RuntimeError:  # awaited by hand, or by another framework
        return None


class AwaitAssertions:
    """The assertions about awaits, for classes that have the three records of awaits."""

    # Read from the mock itself; declared here for the type checker.
    await_count: Any
    await_args: Any
    await_args_list: Any

    def _known_as(self) -> str:
        return getattr(self, "_mock_name", None) or "mock"

    def _matching(self, calls: Iterable[Any]) -> list[Any]:
        matcher = self._call_matcher  # type: ignore[attr-defined]  # unittest.mock's own
        return [matcher(one) for one in calls]

    def _as_text(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        return str(self._format_mock_call_signature(args, kwargs))  # type: ignore[attr-defined]  # unittest.mock's own

    def assert_awaited(self) -> None:
        """Assert that the mock was awaited at least once."""
        if not self.await_count:
            raise AssertionError(f"Expected '{self._known_as()}' to have been awaited.")

    def assert_not_awaited(self) -> None:
        """Assert that the mock was never awaited."""
        if self.await_count:
            raise AssertionError(
                f"Expected '{self._known_as()}' to not have been awaited. "
                f"Awaited {self.await_count} times."
            )

    def assert_awaited_once(self, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002  # asynctest's signature
        """Assert that the mock was awaited exactly once."""
        if self.await_count != 1:
            raise AssertionError(
                f"Expected '{self._known_as()}' to have been awaited once. "
                f"Awaited {self.await_count} times."
            )

    def assert_awaited_with(self, /, *args: Any, **kwargs: Any) -> None:
        """Assert that the last await was of a call with these arguments."""
        expected_text = self._as_text(args, kwargs)
        if self.await_args is None:
            raise AssertionError(f"Expected await: {expected_text}\nNot awaited")
        expected, actual = self._matching([call(*args, **kwargs), self.await_args])
        if expected != actual:
            actual_text = self._as_text(self.await_args.args, self.await_args.kwargs)
            raise AssertionError(
                f"expected await not found.\nExpected: {expected_text}\n  Actual: {actual_text}"
            ) from _cause(expected)

    def assert_awaited_once_with(self, /, *args: Any, **kwargs: Any) -> None:
        """Assert that the mock was awaited exactly once, by a call with these arguments."""
        self.assert_awaited_once()
        self.assert_awaited_with(*args, **kwargs)

    def assert_any_await(self, /, *args: Any, **kwargs: Any) -> None:
        """Assert that one of the awaits was of a call with these arguments."""
        (expected,) = self._matching([call(*args, **kwargs)])
        if expected not in self._matching(self.await_args_list):
            raise AssertionError(
                f"{self._as_text(args, kwargs)} await not found; the awaits were "
                f"{list(self.await_args_list)!r}"
            ) from _cause(expected)

    def assert_has_awaits(self, calls: Iterable[Any], any_order: bool = False) -> None:  # noqa: FBT001, FBT002  # asynctest's signature
        """Assert that the awaits contain ``calls``: in one piece, or each somewhere."""
        calls = list(calls)
        expected = self._matching(calls)
        actual = self._matching(self.await_args_list)
        cause = next((e for e in expected if isinstance(e, Exception)), None)
        if not any_order:
            if not _contains_run(actual, expected):
                raise AssertionError(
                    f"Awaits not found.\nExpected: {calls!r}"
                    f"\nActual: {list(self.await_args_list)!r}"
                ) from cause
            return
        missing = []
        for one in expected:
            if one in actual:
                actual.remove(one)
            else:
                missing.append(one)
        if missing:
            raise AssertionError(f"{tuple(missing)!r} not all found in await list") from cause


def _cause(expected: object) -> Exception | None:
    """Name the reason if the expected call does not even fit the signature."""
    return expected if isinstance(expected, Exception) else None


def _contains_run(items: list[Any], run: list[Any]) -> bool:
    return any(items[i : i + len(run)] == run for i in range(len(items) - len(run) + 1))
