"""Test cases: what runs, in which order, on which loop, and that failing tests fail."""

from __future__ import annotations

import asyncio
import gc
import types
import warnings

import pytest

import asynctest_compat as asynctest


def test_coroutines_run_in_order_around_a_test(run_case, factory) -> None:
    """setUp, test, tearDown and cleanups may be coroutines, and run in unittest's order."""
    log = []

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def setUp(self):
            await asyncio.sleep(0)
            log.append("setUp")
            self.addCleanup(self.clean, "cleanup")

        async def clean(self, what):
            await asyncio.sleep(0)
            log.append(what)

        async def test_it(self):
            await asyncio.sleep(0)
            log.append("test")

        def tearDown(self):
            log.append("tearDown")

    assert run_case(Case).wasSuccessful()
    assert log == ["setUp", "test", "tearDown", "cleanup"]


def test_tests_that_must_fail_do_fail(run_case, factory) -> None:
    """Nothing swallows a failure: each of these fails or errs, and unittest counts it."""

    class Canary(asynctest.TestCase):
        loop_factory = factory

        async def test_assertion(self):
            await asyncio.sleep(0)
            self.assertEqual(1, 2)

        async def test_error(self):
            raise OSError("broken")

        def test_plain(self):
            self.fail("plain")

        @types.coroutine
        def test_generator(self):
            yield
            raise OSError("generator")

        def test_awaitable(self):
            async def fail():
                raise OSError("awaitable")

            return fail()

        async def test_unawaited_mock(self):
            asynctest.CoroutineMock().assert_awaited()

        async def test_subtest(self):
            with self.subTest(part=1):
                self.fail("part")

        @asynctest.expectedFailure
        async def test_unexpected_success(self):
            pass

    result = run_case(Canary)
    assert result.testsRun == 8
    assert len(result.failures) == 4
    assert len(result.errors) == 3
    assert len(result.unexpectedSuccesses) == 1


def test_skips_and_expected_failures_are_unittest_s(run_case) -> None:
    """Skipping and expecting a failure work on coroutine tests."""

    class Case(asynctest.TestCase):
        @asynctest.skip("not now")
        async def test_skipped(self):
            raise AssertionError

        @asynctest.expectedFailure
        async def test_fails(self):
            self.fail()

        async def test_skips_itself(self):
            self.skipTest("later")

    result = run_case(Case)
    assert len(result.skipped) == 2
    assert len(result.expectedFailures) == 1
    assert result.wasSuccessful()


def test_a_failure_shows_the_test_s_own_line(run_case, factory) -> None:
    """A report of a failing coroutine test has the line that failed, and none of the loop's."""

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def test_it(self):
            await asyncio.sleep(0)
            self.assertEqual("left", "right")  # the culprit

    ((_, trace),) = run_case(Case).failures
    assert "the culprit" in trace
    assert "run_until_complete" not in trace


async def fail(text):
    await asyncio.sleep(0)
    raise ValueError(text)


async def warn(text):
    await asyncio.sleep(0)
    warnings.warn(text, UserWarning, stacklevel=1)
    return "result"


def test_assertions_await(run_case, factory) -> None:
    """The assertions await a coroutine, a task, a future; the warning ones give its result."""

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def test_raises(self):
            await self.assertAsyncRaises(ValueError, fail("boom 7"))
            await self.assertAsyncRaises((OSError, ValueError), self.loop.create_task(fail("x")))
            await self.assertAsyncRaisesRegex(ValueError, r"boom \d", fail("boom 7"))
            future = self.loop.create_future()
            future.set_exception(OSError("gone"))
            await self.assertAsyncRaisesRegex(OSError, "gone", future)
            with self.assertRaisesRegex(AssertionError, "ValueError not raised"):
                await self.assertAsyncRaises(ValueError, asyncio.sleep(0))

        async def test_warns(self):
            assert await self.assertAsyncWarns(UserWarning, warn("careful")) == "result"
            assert await self.assertAsyncWarnsRegex(UserWarning, "care", warn("careful"))
            with self.assertRaisesRegex(AssertionError, "UserWarning not triggered"):
                await self.assertAsyncWarns(UserWarning, asyncio.sleep(0))

        def test_generator(self):
            yield from self.assertAsyncRaises(ValueError, fail("delegated"))
            yield from self.assertAsyncWarns(UserWarning, warn("delegated"))

        async def test_tasks(self):
            await self.loop.create_task(self.assertAsyncRaises(ValueError, fail("in a task")))

    result = run_case(Case)
    assert result.wasSuccessful(), result.errors + result.failures


def test_what_a_test_returns_is_run(run_case, factory) -> None:
    """A coroutine, a generator, a future, a task or another awaitable: all are waited for."""
    log = []

    async def note(what):
        await asyncio.sleep(0.001)
        log.append(what)

    class Awaitable:
        def __await__(self):
            return note("awaitable").__await__()

    class Case(asynctest.TestCase):
        loop_factory = factory

        def test_coroutine(self):
            return note("coroutine")

        def test_task(self):
            return self.loop.create_task(note("task"))

        def test_future(self):
            future = self.loop.create_future()
            future.add_done_callback(lambda _: log.append("future"))
            self.loop.call_later(0.001, future.set_result, None)
            return future

        def test_awaitable(self):
            return Awaitable()

        def test_mock(self):
            return asynctest.CoroutineMock(side_effect=note)("mock")

    result = run_case(Case)
    assert result.wasSuccessful(), result.errors
    assert sorted(log) == ["awaitable", "coroutine", "future", "mock", "task"]


def test_functions_make_a_test_case(factory) -> None:
    """FunctionTestCase runs plain and coroutine functions around a test, and shows their names."""
    log = []

    async def note(what):
        await asyncio.sleep(0)
        log.append(what)

    async def the_test():
        await note("test")

    class Case(asynctest.FunctionTestCase):
        loop_factory = factory

    case = Case(the_test, lambda: note("setUp"), lambda: log.append("tearDown"), "its description")
    assert case.shortDescription() == "its description"
    assert case.run().wasSuccessful()
    assert log == ["setUp", "test", "tearDown"]
    assert "the_test" in case.id()
    failing = asynctest.FunctionTestCase(lambda: fail("in a function"))
    assert "in a function" in failing.run().errors[0][1]
    with pytest.raises(ValueError, match="in a function"):
        failing.debug()


def test_a_test_that_waits_for_ever_is_ended_on_its_loop(run_case) -> None:
    """Its own finally runs before tearDown; other tasks that wait are left alone."""
    log, others = [], []

    class Case(asynctest.TestCase):
        async def test_it(self):
            others.append(asyncio.ensure_future(asyncio.Event().wait()))
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(1)
                log.append("finally")

        async def tearDown(self):
            log.append("tearDown")

    ((_, text),) = run_case(Case).errors
    assert "DeadlockError" in text
    assert log == ["finally", "tearDown"]
    assert not others[0].done()
    others[0]._log_destroy_pending = False
    others[0].get_coro().close()


def test_subtests_are_unittest_s(run_case, factory) -> None:
    """Each part of a coroutine test is reported by its parameters, and the rest goes on."""

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def test_it(self):
            for number in range(4):
                with self.subTest(number=number):
                    await asyncio.sleep(0)
                    self.assertEqual(number % 2, 0)

    result = run_case(Case)
    assert [str(case).rpartition(" ")[2] for case, _ in result.failures] == [
        "(number=1)",
        "(number=3)",
    ]


FORGOTTEN = {
    "assertAsyncRaises": lambda case: case.assertAsyncRaises(OSError, case.loop.create_future()),
    "advance": lambda case: case.advance(1),
    "exhaust_callbacks": lambda case: asynctest.exhaust_callbacks(case.loop),
    "wait": lambda _: asynctest.CoroutineMock().awaited.wait(),
}


@pytest.mark.parametrize("name", FORGOTTEN)
def test_what_nobody_awaits_is_warned_of(run_case, name) -> None:
    """An assertion, an advance() or a helper that is only called does not go unseen."""

    class Case(asynctest.ClockedTestCase):
        async def test_it(self):
            FORGOTTEN[name](self)
            gc.collect()

    with pytest.warns(RuntimeWarning, match=rf"{name}' was never awaited"):
        assert run_case(Case).wasSuccessful()
