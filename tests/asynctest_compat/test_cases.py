"""Test cases: what runs, in which order, on which loop, and that failing tests fail."""

from __future__ import annotations

import asyncio
import io
import types

import pytest

import asynctest_compat as asynctest
import simloop


def run(case_class: type, *names: str):
    """Run a test class by unittest's own runner, and return its result."""
    loader = asynctest.TestLoader()
    suite = loader.loadTestsFromTestCase(case_class)
    if names:
        suite = asynctest.TestSuite(case_class(name) for name in names)
    return asynctest.TextTestRunner(stream=io.StringIO(), verbosity=0).run(suite)


@pytest.fixture(params=[None, asyncio.SelectorEventLoop], ids=["virtual", "stock"])
def factory(request):
    """The default loop, and asyncio's own."""
    return request.param


def test_coroutines_run_in_order_around_a_test(factory) -> None:
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

    assert run(Case).wasSuccessful()
    assert log == ["setUp", "test", "tearDown", "cleanup"]


def test_tests_that_must_fail_do_fail(factory) -> None:
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

    result = run(Canary)
    assert result.testsRun == 8
    assert len(result.failures) == 4
    assert len(result.errors) == 3
    assert len(result.unexpectedSuccesses) == 1


def test_skips_and_expected_failures_are_unittest_s() -> None:
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

    result = run(Case)
    assert len(result.skipped) == 2
    assert len(result.expectedFailures) == 1
    assert result.wasSuccessful()


def test_each_test_has_a_virtual_loop_of_its_own() -> None:
    """By default a test runs on a SimLoop, which is the current loop, and is closed after it."""
    loops = []

    class Case(asynctest.TestCase):
        def setUp(self):
            assert asyncio.get_event_loop() is self.loop

        async def test_one(self):
            await asyncio.sleep(3600)
            assert self.loop.time() >= 3600
            loops.append(self.loop)

        async def test_two(self):
            loops.append(self.loop)

    assert run(Case).wasSuccessful()
    assert loops[0] is not loops[1]
    assert all(isinstance(loop, simloop.SimLoop) and loop.is_closed() for loop in loops)


def test_get_event_loop_may_be_forbidden() -> None:
    """forbid_get_event_loop makes asking for the current loop an assertion error."""

    class Case(asynctest.TestCase):
        forbid_get_event_loop = True

        def test_it(self):
            with self.assertRaises(AssertionError):
                asyncio.get_event_loop()

    assert run(Case).wasSuccessful()


def test_assertions_await(factory) -> None:
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

    assert run(Case).wasSuccessful()


def test_an_unused_loop_fails_where_that_is_asked() -> None:
    """fail_on(unused_loop=True) fails a test that never runs the loop."""

    class Case(asynctest.TestCase):
        @asynctest.fail_on(unused_loop=True)
        def test_unused(self):
            pass

        @asynctest.lenient
        def test_lenient(self):
            pass

    result = run(Case)
    assert len(result.failures) == 1


def test_an_unknown_check_is_refused() -> None:
    """fail_on takes only checks that exist, and names the one that does not."""
    with pytest.raises(TypeError, match="no_such_check"):
        asynctest.fail_on(no_such_check=True)


def test_a_clocked_day_takes_no_time() -> None:
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

    assert run(Case).wasSuccessful()
    assert times == [3600.0 * hour for hour in range(1, 25)]


def test_a_forgotten_advance_says_so() -> None:
    """A test that would wait for ever on the frozen clock fails at once and names advance()."""

    class Case(asynctest.ClockedTestCase):
        async def test_it(self):
            await asyncio.sleep(5)

    ((_, trace),) = run(Case).errors
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


def test_a_failure_shows_the_test_s_own_line(factory) -> None:
    """A report of a failing coroutine test has the line that failed, and none of the loop's."""

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def test_it(self):
            await asyncio.sleep(0)
            self.assertEqual("left", "right")  # the culprit

    ((_, trace),) = run(Case).failures
    assert "the culprit" in trace
    assert "run_until_complete" not in trace
