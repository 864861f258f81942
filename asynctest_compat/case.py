"""unittest's test cases, with a loop for each test.

Owns: what happens around and in one test: loop, set-up, test, tear-down, checks, cleanups, end of
the loop. It must not know which loop that is (``_loops``), how a clock is frozen (``_clock``) or
which checks there are (``_fail_on``). It stands on the hooks that unittest itself has for its
``IsolatedAsyncioTestCase``, so that results, skips, subtests and expected failures are unittest's.

Invariants:

- ``run()`` and ``debug()`` do the same, in the same order, each time with a new loop; whatever the
  test does, the loop is closed and the outer policy is back.
- Checks run after ``tearDown`` and before the cleanups. What the loop does in ``setUp`` or in the
  cleanups does not count as the test's.
- Whatever awaitable a test returns is run. What can't be run is an error, never a silent pass.
- Nothing is cancelled at the end: tasks that are pending stay so, as in asynctest.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
import unittest
import unittest.case
import warnings
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, overload
from unittest.case import SkipTest, expectedFailure, skip, skipIf, skipUnless

from . import _fail_on
from ._cases import class_fixtures as _class_fixtures
from ._cases.case_loops import InForce, default_loop, factory_of
from ._cases.class_fixtures import NOTHING, class_loop_of
from ._cases.moved_clock import Clock, told_way_out
from ._cases.phases import Phases, must_wait
from ._cases.time_limits import TimeLimitError, limits_of, real_limit, told, until
from ._fail_on import fail_on, lenient, strict
from ._mocks.coroutines import as_coroutine, can_run, is_coroutine_function, yieldable
from .selector import TestSelector

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

__all__ = [
    "ClockedTestCase",
    "FunctionTestCase",
    "SkipTest",
    "TestCase",
    "expectedFailure",
    "fail_on",
    "ignore_loop",
    "lenient",
    "skip",
    "skipIf",
    "skipUnless",
    "strict",
]

__unittest = True  # unittest leaves frames of modules with this mark out of its reports

_T = TypeVar("_T")
_F = TypeVar("_F")


class TestCase(unittest.TestCase):
    """A test case whose tests, fixtures and cleanups may be coroutine functions.

    Each test has a loop of its own, ``self.loop``, which is also what ``asyncio.get_event_loop()``
    gives; by default a ``simloop.SimLoop``, so that the test runs in virtual time. ``fail_on``
    chooses what is checked afterwards.

    ``setUp``, ``asyncSetUp``, the test, ``asyncTearDown`` and ``tearDown`` run in this order and in
    one context. A class whose ``setUpClass`` or ``tearDownClass`` is a coroutine function shares
    one loop with all of its tests.
    """

    #: Use the current default loop instead of a new one, and leave it open.
    use_default_loop = False

    #: Let ``asyncio.get_event_loop()`` raise AssertionError where no loop is running.
    forbid_get_event_loop = False

    #: Makes the loop of each test, called without arguments; None for the suite's choice.
    loop_factory: Callable[[], Any] | None = None

    #: The loop of the test that is running.
    loop: Any = None

    _asynctest_phases: Phases | None = None
    _asynctest_in_force: InForce | None = None
    _asynctest_deadline: float | None = None
    # Raises once the test has used up its real time.
    _asynctest_end_late: Callable[[], None] = staticmethod(lambda: None)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__ == __name__:
            return  # Our own classes need nothing, and are not all there yet.
        _class_fixtures.prepare(cls, TestCase, FunctionTestCase)
        cleanups = vars(cls).get("doCleanups")
        if cleanups is not None and is_coroutine_function(cleanups):
            cls.doCleanups = _synchronised(cleanups)  # type: ignore[method-assign]  # see there

    # The loop. Test suites override these four.

    def _init_loop(self) -> None:
        shared = class_loop_of(type(self))
        in_force = InForce(
            factory_of(self), unittest.TestCase.id(self), forbidden=self.forbid_get_event_loop
        )
        if self.use_default_loop:
            loop = default_loop()
            in_force.begin(loop)
            in_force.policy.loop = None  # so that the outer policy answers
        else:
            loop = in_force.begin(shared.loop if shared is not None else None)
        self._asynctest_in_force = in_force
        self.loop = loop
        self.loop = self._patch_loop(loop)

    def _unset_loop(self) -> None:
        loop, self.loop = self.loop, None
        in_force, self._asynctest_in_force = self._asynctest_in_force, None
        keep = self.use_default_loop or class_loop_of(type(self)) is not None
        try:
            if loop is not None and not keep:
                try:
                    loop.run_until_complete(loop.shutdown_asyncgens())
                finally:
                    loop.close()
        finally:
            if in_force is not None:
                in_force.end()

    def _patch_loop(self, loop: Any) -> Any:
        """Make ``loop`` note whether it ran, and its selector know mocks; once."""
        if isinstance(getattr(loop, "_asynctest_ran", None), bool):
            return loop
        loop._asynctest_ran = False
        for name in ("run_forever", "run_until_complete"):
            setattr(loop, name, _noting(loop, getattr(loop, name)))
        selector = getattr(loop, "_selector", None)
        if selector is not None and not isinstance(selector, TestSelector):
            loop._selector = TestSelector(selector)
        return loop

    def _run_test_method(self, method: Callable[[], Any]) -> None:
        _let_hypothesis_wait(method)
        result = self._asynctest_call(method)
        if inspect.isasyncgen(result):
            must_wait(method, result)  # raises
        if can_run(result):
            self._asynctest_finish(result)

    # Running a test. The hooks are unittest's.

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test with a loop of its own; see ``unittest.TestCase.run``."""
        try:
            with told(), self._asynctest_real_limit():
                return super().run(result)
        except TimeLimitError:  # between two phases, where unittest takes it for Ctrl-C
            if result is None:
                raise
            result.addFailure(self, sys.exc_info())
            return result
        finally:
            self._asynctest_end()

    def debug(self) -> None:
        """Run the test without collecting its errors.

        Unlike in ``unittest.TestCase.debug``, tear-down and cleanups also run when it fails.
        """
        method = getattr(self, self._testMethodName)
        if any(getattr(part, "__unittest_skip__", False) for part in (type(self), method)):
            super().debug()  # raises
        try:
            with told(), self._asynctest_real_limit(), ExitStack() as stack:
                stack.callback(self._asynctest_debug_cleanups)
                self._callSetUp()
                stack.callback(self._callTearDown)
                self._callTestMethod(method)
        finally:
            self._asynctest_end()

    def _asynctest_debug_cleanups(self) -> None:
        self._asynctest_deadline = None
        while self._cleanups:
            function, args, kwargs = self._cleanups.pop()
            try:
                self._callCleanup(function, *args, **kwargs)
            except BaseException:
                self._asynctest_debug_cleanups()  # none stops the others
                raise

    def _asynctest_end(self) -> None:
        """Close the loop, if no phase did: after ``debug``, an interruption or a broken set-up."""
        try:
            if self.loop is not None or self._asynctest_in_force is not None:
                self._unset_loop()
        finally:
            self._asynctest_phases = None
            self._asynctest_deadline = None

    def _asynctest_limits(self) -> dict[str, float]:
        return limits_of(self, getattr(self, self._testMethodName, None))

    @contextmanager
    def _asynctest_real_limit(self) -> Iterator[None]:
        seconds = self._asynctest_limits().get("real")
        with real_limit(seconds, self._asynctest_is_on_loop) as self._asynctest_end_late:
            yield

    def _asynctest_is_on_loop(self) -> bool:
        return self._asynctest_phases is not None and self._asynctest_phases.is_on_loop

    def _callSetUp(self) -> None:
        self._asynctest_phases = Phases()
        limits = self._asynctest_limits()
        with told():
            self._init_loop()
            if "seconds" in limits:
                self._asynctest_deadline = self.loop.time() + limits["seconds"]
            method = getattr(self, self._testMethodName)
            self._checker = getattr(method, _fail_on._FAIL_ON_ATTR, None) or _fail_on._fail_on()
            self._checker.before_test(self)
            self._asynctest_fixture(self.setUp)
            if type(self).asyncSetUp is not TestCase.asyncSetUp:
                self._asynctest_fixture(self.asyncSetUp)
            self.loop._asynctest_ran = False

    def _callTestMethod(self, method: Callable[[], Any]) -> None:
        with told():
            self._run_test_method(method)

    def _callTearDown(self) -> None:
        with told():
            if type(self).asyncTearDown is not TestCase.asyncTearDown:
                # Ours does nothing, and running it would count as use of the loop.
                self._asynctest_fixture(self.asyncTearDown)
            self._asynctest_fixture(self.tearDown)
            self._checker.check_test(self)

    def _callCleanup(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self._asynctest_fixture(function, *args, **kwargs)

    def _asynctest_fixture(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        result = self._asynctest_call(function, *args, **kwargs)
        if must_wait(function, result):
            self._asynctest_finish(result)

    def _asynctest_call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        phases = self._asynctest_phases or Phases()
        return phases.call(function, *args, **kwargs)

    def _asynctest_finish(self, awaitable: Awaitable[_T]) -> _T:
        """Run an awaitable on the loop, within the test's time limit."""
        phases = self._asynctest_phases or Phases()
        if self._asynctest_deadline is not None:
            limit = self._asynctest_limits()["seconds"]
            awaitable = until(self._asynctest_deadline, as_coroutine(awaitable), limit)
        result: _T = phases.finish(self.loop, awaitable)
        self._asynctest_end_late()
        return result

    def doCleanups(self) -> Any:
        """Run all cleanups, those that are coroutine functions too, on the loop.

        Called for you after ``tearDown``. Called by the test itself, it is a coroutine to await.
        """
        return _synchronised(TestCase._asynctest_cleanups)(self)

    @yieldable
    async def _asynctest_cleanups(self) -> bool:
        outcome: Any = self._outcome or unittest.case._Outcome()  # type: ignore[attr-defined]  # unittest's own
        while self._cleanups:
            function, args, kwargs = self._cleanups.pop()
            with outcome.testPartExecutor(self):
                result = function(*args, **kwargs)
                if must_wait(function, result):
                    await as_coroutine(result)
        return bool(outcome.success)

    # What a test overrides or calls.

    def setUp(self) -> Any:
        """Prepare the test. May be a coroutine function."""
        result: Any = super().setUp()  # A mixin may give an awaitable.
        return NOTHING if result is None else result

    def tearDown(self) -> Any:
        """Clean up after the test, before the checks. May be a coroutine function."""
        result: Any = super().tearDown()
        return NOTHING if result is None else result

    async def asyncSetUp(self) -> None:
        """Prepare the test, after ``setUp``."""

    async def asyncTearDown(self) -> None:
        """Clean up after the test, before ``tearDown``."""

    _cleanups: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]]

    def addCleanup(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        """Call ``function`` when the test has ended, whatever happened; the latest comes first.

        A coroutine function runs on the loop before it is closed.
        """
        super().addCleanup(function, *args, **kwargs)

    def addAsyncCleanup(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        """Do the same as ``addCleanup``: the name of unittest's IsolatedAsyncioTestCase."""
        self.addCleanup(function, *args, **kwargs)

    async def enterAsyncContext(self, cm: AbstractAsyncContextManager[_T]) -> _T:
        """Enter ``cm``, and exit it by a cleanup."""
        try:
            enter, leave = type(cm).__aenter__, type(cm).__aexit__
        except AttributeError:
            raise TypeError(f"{cm!r} is no asynchronous context manager") from None
        result = await enter(cm)
        self.addCleanup(leave, cm, None, None, None)
        return result

    @classmethod
    def addClassCleanup(cls, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        """Call ``function`` when the class has ended; a coroutine function runs on its loop."""
        shared = class_loop_of(cls)
        if shared is not None:
            args, function = (function, *args), shared.call
        super().addClassCleanup(function, *args, **kwargs)

    @yieldable
    async def assertAsyncRaises(self, exception: Any, awaitable: Awaitable[Any]) -> None:
        """Fail unless awaiting ``awaitable`` raises ``exception``."""
        coroutine = _waitable(awaitable)
        with self.assertRaises(exception):
            await coroutine

    @yieldable
    async def assertAsyncRaisesRegex(
        self, exception: Any, regex: Any, awaitable: Awaitable[Any]
    ) -> None:
        """Fail unless awaiting raises ``exception`` with a text that ``regex`` finds."""
        coroutine = _waitable(awaitable)
        with self.assertRaisesRegex(exception, regex):
            await coroutine

    @yieldable
    async def assertAsyncWarns(self, warning: Any, awaitable: Awaitable[_T]) -> _T:
        """Fail unless awaiting triggers ``warning``; return the awaitable's result."""
        coroutine = _waitable(awaitable)
        with self.assertWarns(warning):
            result: _T = await coroutine
        return result

    @yieldable
    async def assertAsyncWarnsRegex(self, warning: Any, regex: Any, awaitable: Awaitable[_T]) -> _T:
        """Fail unless awaiting triggers ``warning`` with a text that ``regex`` finds."""
        coroutine = _waitable(awaitable)
        with self.assertWarnsRegex(warning, regex):
            result: _T = await coroutine
        return result


def _waitable(awaitable: Any) -> Any:
    """Refuse what can't be awaited here, where no assertRaises takes the error for the test's."""
    if not can_run(awaitable):
        raise TypeError(f"an awaitable was expected, not {awaitable!r}: call the function first")
    return as_coroutine(awaitable)


def _noting(loop: Any, method: Any) -> Any:
    @functools.wraps(method)
    def wrapper(_loop: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        finally:
            loop._asynctest_ran = True

    return types.MethodType(wrapper, loop)


def _synchronised(function: Callable[..., Awaitable[Any]]) -> Any:
    """Make a coroutine ``doCleanups`` that unittest can call.

    unittest calls it off the loop and ignores its result. The loop is closed here, as the last of
    the cleanups, so that an error in that is the test's.
    """

    @functools.wraps(function)
    def doCleanups(self: TestCase) -> Any:  # unittest's name
        phases = self._asynctest_phases
        if phases is not None and phases.is_inside:
            return function(self)
        outcome: Any = self._outcome or unittest.case._Outcome()  # type: ignore[attr-defined]  # unittest's own
        if self.loop is None:  # it could not even be made
            return unittest.TestCase.doCleanups(self)
        self._asynctest_deadline = None
        is_mine = function is not TestCase._asynctest_cleanups
        while is_mine or self._cleanups:
            before = len(self._cleanups)
            with outcome.testPartExecutor(self), told():
                self._asynctest_finish(function(self))
            is_mine = False
            if len(self._cleanups) >= before:
                break  # the loop is a mock, which runs none
        with outcome.testPartExecutor(self):
            self._unset_loop()
        return outcome.success

    return doCleanups


def _let_hypothesis_wait(method: Any) -> None:
    """Make the function inside ``@given``, which Hypothesis calls itself, wait for its end."""
    handle = getattr(method, "hypothesis", None)
    inner = getattr(handle, "inner_test", None)
    if inner is None or hasattr(inner, "_asynctest_waits"):
        return

    @functools.wraps(inner)
    def example(*args: Any, **kwargs: Any) -> Any:
        case = kwargs["self"] if "self" in kwargs else args[0]
        result = inner(*args, **kwargs)
        return case._asynctest_finish(result) if can_run(result) else result

    example._asynctest_waits = True  # type: ignore[attr-defined]  # a mark, so that none is wrapped twice
    handle.inner_test = example  # type: ignore[union-attr]  # Hypothesis offers it for this


class FunctionTestCase(TestCase, unittest.FunctionTestCase):
    """Make a test case of functions, each of which may be a coroutine function."""

    _testFunc: Callable[[], Any]
    _setUpFunc: Callable[[], Any] | None
    _tearDownFunc: Callable[[], Any] | None

    def setUp(self) -> Any:
        """Call the function given as ``setUp``."""
        return self._setUpFunc() if self._setUpFunc is not None else NOTHING

    def tearDown(self) -> Any:
        """Call the function given as ``tearDown``."""
        return self._tearDownFunc() if self._tearDownFunc is not None else NOTHING

    def runTest(self) -> Any:  # unittest's name
        """Call the function under test."""
        return self._testFunc()


class ClockedTestCase(TestCase):
    """A test case whose loop's clock starts at 0 and moves only by ``advance()``.

    Sockets and everything else that takes no time go on while the clock stands still. A test that
    waits for a timer without advancing fails at once.

    The program's other clocks (``time.time()``, ``time.monotonic()``, ``datetime.now()``) stand
    still over ``advance()``, as in asynctest; ``time.sleep()`` moves them, and not the loop's.
    """

    _asynctest_clock: Clock | None = None

    def _init_loop(self) -> None:
        super()._init_loop()
        self._asynctest_clock = Clock(self.loop, start=0, alone=True)

    def _unset_loop(self) -> None:
        clock, self._asynctest_clock = self._asynctest_clock, None
        loop = self.loop
        super()._unset_loop()
        if clock is not None and not loop.is_closed():  # others go on to use it
            clock.thaw()

    def _asynctest_finish(self, awaitable: Awaitable[_T]) -> _T:
        with told_way_out():
            return super()._asynctest_finish(awaitable)

    @property
    def _time(self) -> float:
        time: float = self.loop.time()
        return time

    @yieldable
    async def advance(self, seconds: float) -> None:
        """Move the clock forward by ``seconds``.

        Callbacks that come due on the way run at exactly their time, those too that others schedule
        on the way::

            self.loop.call_later(1, print_time)
            self.loop.call_later(2, self.loop.call_later, 1, print_time)
            await self.advance(3)  # prints 1 and 3

        Raises:
            ValueError: ``seconds`` is negative.

        """
        if self._asynctest_clock is None:
            raise RuntimeError("advance() outside of a test: there is no loop to advance")
        await self._asynctest_clock.advance(seconds)


@overload
def ignore_loop(func: None = None) -> _fail_on._fail_on: ...
@overload
def ignore_loop(func: _F) -> _F: ...
def ignore_loop(func: Any = None) -> Any:
    """Accept a test whose loop did not run. Deprecated, as ``fail_on`` does it."""
    warnings.warn(
        "ignore_loop() is deprecated in favor of fail_on(unused_loop=False)",
        DeprecationWarning,
        stacklevel=2,
    )
    checker = _fail_on._fail_on({"unused_loop": False})
    return checker if func is None else checker(func)
