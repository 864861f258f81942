"""Set-up and tear-down of every kind: plain, coroutine, inherited, of a class; their context."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import types
import unittest

import pytest

import asynctest_compat as asynctest

VALUE = contextvars.ContextVar("VALUE", default=0)


def errors_of(result) -> str:
    return "\n".join(text for _, text in result.failures + result.errors)


def test_one_context_holds_a_test_together(run_case, factory) -> None:
    """A context variable set by any part of a test is seen by all later parts and cleanups."""
    seen = []

    class Case(asynctest.TestCase):
        loop_factory = factory

        def setUp(self):
            self.addCleanup(self.clean)
            self.step(1)

        async def asyncSetUp(self):
            self.step(2)

        async def test_it(self):
            await asyncio.sleep(0)
            self.step(3)

        async def asyncTearDown(self):
            self.step(4)

        def tearDown(self):
            self.step(5)

        async def clean(self):
            self.step(6)

        def step(self, number):
            seen.append(VALUE.get())
            VALUE.set(number)

    assert run_case(Case).wasSuccessful()
    assert seen == [0, 1, 2, 3, 4, 5]
    assert VALUE.get() == 0


class AsyncMixin:
    async def setUp(self):
        await asyncio.sleep(0)
        VALUE.set(7)
        self.log = ["async mixin"]


class PlainMixin:
    def setUp(self):
        self.log = ["plain mixin"]


def test_issue_72_a_plain_set_up_calls_a_coroutine_one(run_case, factory) -> None:
    """super().setUp() of a coroutine runs to its end, in the test's context."""

    class Case(AsyncMixin, asynctest.TestCase):
        loop_factory = factory

        def setUp(self):
            super().setUp()
            self.log.append("plain")

        def test_it(self):
            assert self.log == ["async mixin", "plain"]
            assert VALUE.get() == 7

    result = run_case(Case)
    assert result.wasSuccessful(), errors_of(result)


def test_issue_72_a_coroutine_set_up_awaits_a_plain_one(run_case, factory) -> None:
    """Await super().setUp() works where the parent's is plain, or unittest's own."""

    class Case(PlainMixin, asynctest.TestCase):
        loop_factory = factory

        async def setUp(self):
            await super().setUp()
            self.log.append("async")

        async def tearDown(self):
            await super().tearDown()

        async def test_it(self):
            assert self.log == ["plain mixin", "async"]

    result = run_case(Case)
    assert result.wasSuccessful(), errors_of(result)


def test_issue_72_a_plain_set_up_in_between_drops_nothing(run_case) -> None:
    """A coroutine set-up that a plain one called on the running loop is awaited all the same."""

    class Between(AsyncMixin):
        def setUp(self):
            super().setUp()

    class Case(Between, asynctest.TestCase):
        async def setUp(self):
            await super().setUp()
            self.log.append("async")

        async def test_it(self):
            assert self.log == ["async mixin", "async"]

    result = run_case(Case)
    assert result.wasSuccessful(), errors_of(result)


def test_issue_72_a_plain_set_up_hands_a_coroutine_on(run_case) -> None:
    """A plain set-up that returns what its parent's gives is awaited, like a coroutine one."""

    class Between(AsyncMixin):
        def setUp(self):
            return super().setUp()

    class Case(Between, asynctest.TestCase):
        async def setUp(self):
            await super().setUp()
            self.log.append("async")

        async def test_it(self):
            assert self.log == ["async mixin", "async"]

    result = run_case(Case)
    assert result.wasSuccessful(), errors_of(result)


def test_issue_72_a_mixin_serves_other_test_cases_too(run_case) -> None:
    """A mixin that was made to mix still gives a coroutine to unittest's own async case."""

    class Mixin:
        async def setUp(self):
            self.log = ["mixin"]

    class Ours(Mixin, asynctest.TestCase):
        def setUp(self):
            super().setUp()

        def test_it(self):
            assert self.log == ["mixin"]

    class Theirs(Mixin, unittest.IsolatedAsyncioTestCase):
        def setUp(self):
            pass

        async def asyncSetUp(self):
            await Mixin.setUp(self)

        async def test_it(self):
            assert self.log == ["mixin"]

    for case in (Ours, Theirs):
        result = run_case(case)
        assert result.wasSuccessful(), errors_of(result)


def test_set_ups_of_one_kind_are_left_as_they_are() -> None:
    """No mixin is touched unless both kinds meet in a class."""

    class Mixin:
        async def setUp(self):
            pass

    before = Mixin.setUp

    class Case(Mixin, asynctest.TestCase):
        async def setUp(self):
            await super().setUp()

    assert Mixin.setUp is before


def test_generator_based_fixtures_and_tests_run(run_case, factory) -> None:
    """Functions of types.coroutine, and plain generators, are coroutines everywhere in a case."""
    log = []

    def wait():
        yield from asyncio.sleep(0).__await__()

    class Case(asynctest.TestCase):
        loop_factory = factory

        @types.coroutine
        def setUp(self):
            yield from wait()
            log.append("setUp")
            self.addCleanup(self.clean)

        def test_it(self):
            yield from wait()
            log.append("test")

        def tearDown(self):
            yield from wait()
            log.append("tearDown")

        @types.coroutine
        def clean(self):
            yield from wait()
            log.append("cleanup")

    result = run_case(Case)
    assert result.wasSuccessful(), errors_of(result)
    assert log == ["setUp", "test", "tearDown", "cleanup"]


def test_an_async_generator_is_no_test(run_case) -> None:
    """A test with a yield in it would run nothing: it is an error that says so."""

    class Case(asynctest.TestCase):
        async def test_it(self):
            yield

    assert "asynchronous generator" in errors_of(run_case(Case))


def class_log():
    """Make a class whose fixtures are coroutines and keep a log."""

    class ClassLog(asynctest.TestCase):
        log: list[str]
        where = None

        @classmethod
        async def setUpClass(cls):
            await asyncio.sleep(0.001)
            cls.log = ["setUpClass"]
            cls.where = asyncio.get_running_loop()
            cls.addClassCleanup(cls.clean_class)

        @classmethod
        async def clean_class(cls):
            await asyncio.sleep(0)
            cls.log.append("cleanup")

        @classmethod
        async def tearDownClass(cls):
            await asyncio.sleep(0)
            cls.log.append("tearDownClass")

        async def test_it(self):
            assert self.loop is asyncio.get_running_loop() is self.where
            self.log.append("test")

        def test_plain(self):
            assert asyncio.get_event_loop() is self.where
            self.log.append("test")

    return ClassLog


def test_issue_26_a_class_shares_its_loop_with_its_tests(run_case, factory) -> None:
    """Coroutine setUpClass, tests and tearDownClass run on one loop, closed at the end."""
    case = type("Case", (class_log(),), {"loop_factory": factory})
    for _ in range(2):  # a class may run again
        result = run_case(case)
        assert result.wasSuccessful(), errors_of(result)
        assert case.log == ["setUpClass", "test", "test", "tearDownClass", "cleanup"]
        assert case.where.is_closed()


def test_issue_26_class_fixtures_call_their_parent_s(run_case) -> None:
    """A coroutine setUpClass awaits its parent's, and each class has a loop of its own."""
    base = class_log()

    class Child(base):
        @classmethod
        async def setUpClass(cls):
            await super().setUpClass()
            cls.log.append("child")

    class PlainChild(base):
        @classmethod
        def setUpClass(cls):
            super().setUpClass()
            cls.log.append("child")

    for case in (Child, PlainChild):
        result = run_case(case)
        assert result.wasSuccessful(), errors_of(result)
        assert case.log[:2] == ["setUpClass", "child"]


def test_a_failing_class_fixture_is_an_error(run_case) -> None:
    """An error in a coroutine setUpClass is reported, and its loop is closed."""
    loops = []

    class Case(asynctest.TestCase):
        @classmethod
        async def setUpClass(cls):
            loops.append(asyncio.get_running_loop())
            raise OSError("broken class")

        async def test_it(self):
            raise AssertionError("not reached")

    result = run_case(Case)
    assert "broken class" in errors_of(result)
    assert result.testsRun == 0
    assert loops[0].is_closed()


@pytest.mark.parametrize("how", ["run", "debug"])
def test_run_and_debug_do_the_same(how, factory) -> None:
    """Both run everything in order on a loop of their own and close it."""
    log, loops = [], []

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def setUp(self):
            loops.append(self.loop)
            log.append("setUp")
            self.addCleanup(self.clean)

        async def runTest(self):
            log.append("test")

        async def tearDown(self):
            log.append("tearDown")

        async def clean(self):
            log.append("cleanup")

    case = Case()
    getattr(case, how)()
    getattr(case, how)()
    assert log == ["setUp", "test", "tearDown", "cleanup"] * 2
    assert loops[0] is not loops[1]
    assert all(loop.is_closed() for loop in loops)
    assert case.loop is None


@pytest.mark.parametrize("how", ["run", "debug"])
def test_a_broken_test_leaves_nothing_behind(how, factory) -> None:
    """After an error the rest still runs, the loop is closed and the outer policy is back."""
    log, loops = [], []

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def setUp(self):
            self.addCleanup(self.clean, "last")
            self.addCleanup(self.clean, "failing")

        async def runTest(self):
            loops.append(self.loop)
            raise SystemError("broken")

        async def tearDown(self):
            log.append("tearDown")

        async def clean(self, what):
            log.append(what)
            if what == "failing":
                raise OSError("cleanup")

    before = asynctest.case.InForce(None, "test").policy.original_policy
    if how == "debug":
        with pytest.raises(OSError, match="cleanup") as caught:
            Case().debug()
        assert isinstance(caught.value.__context__, SystemError)
    else:
        assert len(Case().run().errors) == 2
    assert log == ["tearDown", "failing", "last"]
    assert asynctest.case.InForce(None, "test").policy.original_policy is before
    assert loops[0].is_closed()


def test_debug_raises_what_a_test_raises(factory) -> None:
    """The error of test, set-up or a check comes out of debug(), and so does a skip."""

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def test_error(self):
            raise SystemError("broken")

        @asynctest.fail_on(unused_loop=True)
        def test_check(self):
            pass

        @asynctest.skip("not now")
        def test_skipped(self):
            pass

    with pytest.raises(SystemError, match="broken"):
        Case("test_error").debug()
    with pytest.raises(AssertionError, match="Loop did not run"):
        Case("test_check").debug()
    with pytest.raises(asynctest.SkipTest, match="not now"):
        Case("test_skipped").debug()


def test_asynchronous_generators_are_closed(run_case, factory) -> None:
    """What an unfinished asynchronous generator does at its end still happens."""
    log = []

    async def numbers():
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            log.append("closed")

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def test_it(self):
            self.numbers = numbers()
            await anext(self.numbers)

    assert run_case(Case).wasSuccessful()
    assert log == ["closed"]


def test_cleanups_take_anything_that_can_be_called(run_case, factory) -> None:
    """Mocks, coroutine mocks, partials: the latest comes first, and a failing one stops none."""
    log = []

    async def fail():
        raise OSError("cleanup")

    class Case(asynctest.TestCase):
        loop_factory = factory

        def test_it(self):
            self.addCleanup(log.append, "last")
            self.addCleanup(fail)
            self.mock = asynctest.CoroutineMock()
            self.addCleanup(self.mock, 1)
            self.addAsyncCleanup(asyncio.sleep, 0)
            self.addCleanup(lambda: log.append("current" * (asyncio.get_event_loop() is self.loop)))
            Case.mock = self.mock

    result = run_case(Case)
    assert log == ["current", "last"]
    Case.mock.assert_awaited_once_with(1)
    assert "OSError: cleanup" in errors_of(result)


def test_cleanups_may_be_done_by_the_test(run_case) -> None:
    """Await self.doCleanups() runs them in the middle of a test; overriding it works too."""
    log = []

    class Case(asynctest.TestCase):
        async def test_it(self):
            self.addCleanup(log.append, "cleanup")
            await self.doCleanups()
            log.append("test")

        async def doCleanups(self):
            log.append("mine")
            return await super().doCleanups()

    result = run_case(Case)
    assert result.wasSuccessful(), errors_of(result)
    assert log == ["mine", "cleanup", "test", "mine"]


def test_contexts_are_entered_for_the_test(run_case) -> None:
    """What enterAsyncContext entered is left in a cleanup."""
    log = []

    @contextlib.asynccontextmanager
    async def resource():
        log.append("enter")
        yield "resource"
        log.append("exit")

    class Case(asynctest.TestCase):
        async def test_it(self):
            assert await self.enterAsyncContext(resource()) == "resource"
            with self.assertRaisesRegex(TypeError, "5 is no asynchronous context manager"):
                await self.enterAsyncContext(5)
            log.append("test")

    assert run_case(Case).wasSuccessful()
    assert log == ["enter", "test", "exit"]


def test_nothing_is_kept_of_a_test(run_case) -> None:
    """A loop goes when its test has ended: no global holds it."""
    import weakref

    loops = []

    class Case(asynctest.TestCase):
        async def test_it(self):
            loops.append(weakref.ref(self.loop))

    assert run_case(Case).wasSuccessful()
    gc.collect()
    assert loops[0]() is None
