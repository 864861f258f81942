"""Test cases: what runs, in which order, on which loop, and that failing tests fail."""

from __future__ import annotations

import asyncio
import types

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


def test_assertions_await(run_case, factory) -> None:
    """The assertions for awaitables await what they are given, and fail when nothing happens."""

    async def fail():
        raise ValueError("boom 7")

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def test_it(self):
            await self.assertAsyncRaises(ValueError, fail())
            await self.assertAsyncRaisesRegex(ValueError, r"boom \d", fail())
            with self.assertRaises(AssertionError):
                await self.assertAsyncRaises(ValueError, asyncio.sleep(0))

    assert run_case(Case).wasSuccessful()


def test_a_clocked_day_takes_no_time(run_case) -> None:
    """advance() runs what is due on the way, each at its own time, and ends at the target."""
    times = []

    class Case(asynctest.ClockedTestCase):
        async def test_day(self):
            async def tick():
                while True:
                    await asyncio.sleep(3600)
                    times.append(self.loop.time())

            task = asyncio.ensure_future(tick())
            await self.advance(86_400)
            assert self.loop.time() == 86_400
            task.cancel()

        async def test_backwards(self):
            with self.assertRaises(ValueError):
                await self.advance(-1)

    assert run_case(Case).wasSuccessful()
    assert times == [3600.0 * hour for hour in range(1, 25)]


def test_a_forgotten_advance_says_so(run_case) -> None:
    """A test that would wait for ever on the frozen clock fails at once and names advance()."""

    class Case(asynctest.ClockedTestCase):
        async def test_it(self):
            await asyncio.sleep(5)

    ((_, trace),) = run_case(Case).errors
    assert "DeadlockError" in trace
    assert "awaits advance(seconds)" in trace


def test_functions_make_a_test_case() -> None:
    """FunctionTestCase runs coroutine functions."""
    log = []

    async def test():
        await asyncio.sleep(0)
        log.append("ran")

    case = asynctest.FunctionTestCase(test)
    assert case.run().wasSuccessful()
    assert log == ["ran"]


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
