"""Tests that must fail, to prove that nothing is swallowed. Run by test_canaries.py.

Each one says what its report has to show: ``must(kind, reason, ...)``, where kind is how unittest
calls it. A mark on a class stands for the class's own fixtures. Whatever fails here without a mark,
or does not fail, is a bug.
"""

import asyncio
import types

from hypothesis import given, settings
from hypothesis import strategies as st

import asynctest_compat as asynctest
import simloop

#: Qualified name -> (kind, reasons)
CANARIES = {}


def must(kind, *reasons):
    def note(canary):
        CANARIES[canary.__qualname__] = (kind, reasons)
        return canary

    return note


async def fail(text="broken"):
    await asyncio.sleep(0)
    raise OSError(text)


def wait():
    yield from asyncio.sleep(0).__await__()


class Control(asynctest.TestCase):
    async def test_passes(self):
        await asyncio.sleep(0)


class Tests(asynctest.TestCase):
    @must("FAIL", "AssertionError: 1 != 2")
    async def test_assertion(self):
        await asyncio.sleep(0)
        self.assertEqual(1, 2)

    @must("ERROR", "OSError: in the test")
    async def test_error(self):
        await fail("in the test")

    @must("FAIL", "AssertionError: plain")
    def test_plain(self):
        self.fail("plain")

    @must("ERROR", "OSError: generator")
    @types.coroutine
    def test_types_coroutine(self):
        yield from wait()
        raise OSError("generator")

    @must("FAIL", "AssertionError: plain generator")
    def test_generator(self):
        yield from wait()
        self.fail("plain generator")

    @must("ERROR", "OSError: returned")
    def test_returned_coroutine(self):
        return fail("returned")

    @must("ERROR", "OSError: task")
    def test_returned_task(self):
        return self.loop.create_task(fail("task"))

    @must("ERROR", "OSError: awaitable")
    def test_returned_awaitable(self):
        class Awaitable:
            def __await__(self):
                return fail("awaitable").__await__()

        return Awaitable()

    @must("ERROR", "TypeError", "is an asynchronous generator")
    async def test_asynchronous_generator(self):
        yield self.fail("never run")

    @must("ERROR", "CancelledError")
    async def test_cancelled(self):
        raise asyncio.CancelledError

    @must("ERROR", "SystemExit: 3")
    async def test_exit(self):
        raise SystemExit(3)

    @must("ERROR", "OSError: gathered")
    async def test_gather(self):
        await asyncio.gather(asyncio.sleep(0), fail("gathered"))

    @must("ERROR", "ExceptionGroup", "OSError: one of a group")
    async def test_group(self):
        async with asyncio.TaskGroup() as group:
            group.create_task(fail("one of a group"))

    @must("ERROR", "TimeoutError")
    async def test_timeout(self):
        async with asyncio.timeout(0.01):
            await asyncio.sleep(10)

    @must("ERROR", "OSError: thread")
    async def test_thread(self):
        def work():
            raise OSError("thread")

        await asyncio.to_thread(work)

    @must("ERROR", "OSError: future")
    async def test_future(self):
        future = self.loop.create_future()
        self.loop.call_later(0.01, future.set_exception, OSError("future"))
        await future

    @must("FAIL", "AssertionError: first part", "AssertionError: third part")
    async def test_subtests(self):
        for part in ("first", "second", "third"):
            with self.subTest(part=part):
                await asyncio.sleep(0)
                if part != "second":
                    self.fail(f"{part} part")

    @must("UNEXPECTED SUCCESS")
    @asynctest.expectedFailure
    async def test_unexpected_success(self):
        await asyncio.sleep(0)

    @must("ERROR", "OSError: done by the test")
    async def test_own_cleanups(self):
        self.addCleanup(fail, "done by the test")
        await self.doCleanups()

    @must("ERROR", "StopIteration")
    async def test_stop_iteration(self):
        asynctest.CoroutineMock(side_effect=[])()


class PlainSetUp(asynctest.TestCase):
    def setUp(self):
        raise OSError("plain setUp")

    @must("ERROR", "OSError: plain setUp")
    async def test_it(self):
        raise AssertionError("never run")


class CoroutineSetUp(asynctest.TestCase):
    async def setUp(self):
        self.addCleanup(fail, "cleanup of the broken setUp")
        await fail("coroutine setUp")

    @must("ERROR", "OSError: coroutine setUp", "OSError: cleanup of the broken setUp")
    def test_it(self):
        raise AssertionError("never run")


class GeneratorSetUp(asynctest.TestCase):
    def setUp(self):
        yield from wait()
        raise OSError("generator setUp")

    @must("ERROR", "OSError: generator setUp")
    def test_it(self):
        raise AssertionError("never run")


class AsyncSetUp(asynctest.TestCase):
    async def asyncSetUp(self):
        await fail("asyncSetUp")

    @must("ERROR", "OSError: asyncSetUp")
    def test_it(self):
        raise AssertionError("never run")


class GeneratingSetUp(asynctest.TestCase):
    async def setUp(self):
        yield

    @must("ERROR", "TypeError", "is an asynchronous generator")
    def test_it(self):
        raise AssertionError("never run")


class MixedSetUp(CoroutineSetUp):
    def setUp(self):
        super().setUp()

    @must("ERROR", "OSError: coroutine setUp", "OSError: cleanup of the broken setUp")
    def test_it(self):
        raise AssertionError("never run")


class PlainTearDown(asynctest.TestCase):
    def tearDown(self):
        raise OSError("plain tearDown")

    @must("ERROR", "OSError: plain tearDown")
    async def test_it(self):
        await asyncio.sleep(0)


class CoroutineTearDown(asynctest.TestCase):
    async def asyncTearDown(self):
        self.addCleanup(fail, "and the cleanup")

    async def tearDown(self):
        await fail("coroutine tearDown")

    @must("ERROR", "OSError: the test", "OSError: coroutine tearDown", "OSError: and the cleanup")
    async def test_it(self):
        await fail("the test")


class AsyncTearDown(asynctest.TestCase):
    async def asyncTearDown(self):
        await fail("asyncTearDown")

    @must("ERROR", "OSError: asyncTearDown")
    def test_it(self):
        pass


class Cleanups(asynctest.TestCase):
    @must("ERROR", "OSError: plain cleanup")
    def test_plain(self):
        def clean():
            raise OSError("plain cleanup")

        self.addCleanup(clean)

    @must("ERROR", "OSError: coroutine cleanup")
    def test_coroutine(self):
        self.addCleanup(fail, "coroutine cleanup")

    @must("ERROR", "OSError: mock cleanup")
    async def test_mock(self):
        self.addCleanup(asynctest.CoroutineMock(side_effect=OSError("mock cleanup")))

    @must("ERROR", "OSError: cleanup of a cleanup", "OSError: the last")
    async def test_nested(self):
        self.addCleanup(fail, "the last")
        self.addCleanup(self.addCleanup, fail, "cleanup of a cleanup")


@must("ERROR", "OSError: coroutine setUpClass")
class SetUpClass(asynctest.TestCase):
    @classmethod
    async def setUpClass(cls):
        await fail("coroutine setUpClass")

    async def test_it(self):
        raise AssertionError("never run")


@must("ERROR", "OSError: coroutine tearDownClass", "OSError: class cleanup")
class TearDownClass(asynctest.TestCase):
    @classmethod
    async def setUpClass(cls):
        cls.addClassCleanup(fail, "class cleanup")

    @classmethod
    async def tearDownClass(cls):
        await fail("coroutine tearDownClass")

    async def test_it(self):
        await asyncio.sleep(0)


class Checks(asynctest.TestCase):
    @must("FAIL", "Loop did not run during the test")
    @asynctest.fail_on(unused_loop=True)
    def test_unused_loop(self):
        pass

    @must("FAIL", "Loop contained unfinished work")
    @asynctest.fail_on(active_handles=True)
    async def test_active_handles(self):
        self.loop.call_later(10, print)

    @must("FAIL", "some events watched during the tests were not removed", "add_reader")
    async def test_active_selector_callbacks(self):
        self.loop.add_reader(asynctest.FileMock(), print)

    @must("FAIL", "AssertionError: in a callback")
    @asynctest.fail_on(unhandled_exceptions=True)
    async def test_callback(self):
        self.loop.call_soon(self.fail, "in a callback")
        await asyncio.sleep(0.01)

    @must("FAIL", "AssertionError: in a reader")
    @asynctest.fail_on(unhandled_exceptions=True)
    async def test_reader(self):
        mock = asynctest.FileMock()
        self.loop.add_reader(mock, self.fail, "in a reader")
        asynctest.set_read_ready(mock, self.loop)
        await asynctest.exhaust_callbacks(self.loop)
        self.loop.remove_reader(mock)

    @must("FAIL", "OSError: nobody awaited it")
    @asynctest.fail_on(unhandled_exceptions=True)
    async def test_task(self):
        self.loop.create_task(fail("nobody awaited it"))
        await asyncio.sleep(0.01)

    @must("FAIL", "some tasks were still pending at the end of the test", "the lost one")
    @asynctest.fail_on(pending_tasks=True)
    async def test_pending_task(self):
        task = self.loop.create_task(asyncio.sleep(10), name="the lost one")
        self.addCleanup(task.cancel)

    @must("ERROR", "OSError: test and check", "AssertionError", "Loop contained unfinished work")
    @asynctest.fail_on(active_handles=True)
    async def test_fails_too(self):
        self.loop.call_later(10, print)
        await fail("test and check")


@asynctest.strict
class Strict(asynctest.TestCase):
    @must("FAIL", "Loop contained unfinished work")
    @asynctest.fail_on(unused_loop=False)
    def test_handles(self):
        self.loop.call_later(10, print)

    @must("FAIL", "Loop did not run during the test")
    def test_loop(self):
        pass


class Assertions(asynctest.TestCase):
    @must("FAIL", "AssertionError: OSError not raised")
    async def test_nothing_raised(self):
        await self.assertAsyncRaises(OSError, asyncio.sleep(0))

    @must("ERROR", "OSError: another one")
    async def test_another_raised(self):
        await self.assertAsyncRaises(ValueError, fail("another one"))

    @must("FAIL", 'AssertionError: "nothing" does not match "this"')
    async def test_another_text(self):
        await self.assertAsyncRaisesRegex(OSError, "nothing", fail("this"))

    @must("FAIL", "AssertionError: UserWarning not triggered")
    async def test_nothing_warned(self):
        await self.assertAsyncWarns(UserWarning, asyncio.sleep(0))

    @must("FAIL", "AssertionError", '"nothing" does not match')
    async def test_another_warning(self):
        async def warn():
            asynctest.warnings.warn("this", UserWarning, stacklevel=1)

        await self.assertAsyncWarnsRegex(UserWarning, "nothing", warn())

    @must("ERROR", "TypeError: an awaitable was expected", "call the function first")
    async def test_not_called(self):
        await self.assertAsyncRaises(TypeError, fail)


class Client:
    async def get(self, key):
        return key


class Awaits(asynctest.TestCase):
    async def setUp(self):
        self.mock = asynctest.CoroutineMock(name="the_mock")
        await self.mock(1)
        await self.mock(2)

    @must("FAIL", "AssertionError: Expected 'mock' to have been awaited.")
    async def test_awaited(self):
        mock = asynctest.CoroutineMock()
        mock().close()
        mock.assert_called_once_with()
        mock.assert_awaited()

    @must("FAIL", "AssertionError: Expected 'the_mock' to have been awaited once. Awaited 2")
    async def test_once(self):
        self.mock.assert_awaited_once()

    @must("FAIL", "AssertionError: expected await not found.", "Actual: the_mock(2)")
    async def test_with(self):
        self.mock.assert_awaited_with(1)

    @must("FAIL", "AssertionError: Expected 'the_mock' to have been awaited once.")
    async def test_once_with(self):
        self.mock.assert_awaited_once_with(2)

    @must("FAIL", "AssertionError: the_mock(3) await not found")
    async def test_any(self):
        self.mock.assert_any_await(3)

    @must("FAIL", "AssertionError: Awaits not found.")
    async def test_has(self):
        self.mock.assert_has_awaits([asynctest.call(2), asynctest.call(1)])

    @must("FAIL", "AssertionError: (call(3),) not all found in await list")
    async def test_has_in_any_order(self):
        self.mock.assert_has_awaits([asynctest.call(2), asynctest.call(3)], any_order=True)

    @must("FAIL", "AssertionError: Expected 'the_mock' to not have been awaited.")
    async def test_not_awaited(self):
        self.mock.assert_not_awaited()

    @must("ERROR", "OSError: side effect")
    async def test_side_effect(self):
        await asynctest.CoroutineMock(side_effect=OSError("side effect"))()

    @must("ERROR", "TypeError: too many positional arguments")
    async def test_autospec(self):
        await asynctest.create_autospec(Client).get(1, 2, 3)


class Patches(asynctest.TestCase):
    @must("FAIL", "AssertionError: globally patched")
    @asynctest.patch.object(Client, "get")
    async def test_global(self, get):
        await asyncio.sleep(0)
        self.fail("globally patched")

    @must("FAIL", "AssertionError: patched step by step")
    @asynctest.patch.object(Client, "get", scope=asynctest.LIMITED)
    async def test_limited(self, get):
        await asyncio.sleep(0)
        self.fail("patched step by step")

    @must("FAIL", "AssertionError: patched generator")
    @asynctest.patch.object(Client, "get", scope=asynctest.LIMITED)
    def test_generator(self, get):
        yield from wait()
        self.fail("patched generator")

    @must("ERROR", "AttributeError", "does not have the attribute 'missing'")
    @asynctest.patch.object(Client, "missing")
    async def test_missing(self, missing):
        raise AssertionError("never run")


@asynctest.patch.dict("os.environ", CANARY="1")
class PatchedClass(asynctest.TestCase):
    @must("FAIL", "AssertionError: in a patched class")
    async def test_it(self):
        await asyncio.sleep(0)
        self.fail("in a patched class")


class Clocks(asynctest.ClockedTestCase):
    @must("ERROR", "DeadlockError", "the clock moves only when the test awaits advance(seconds)")
    async def test_forgotten_advance(self):
        await asyncio.sleep(5)

    @must("ERROR", "ValueError: Cannot go back in time (-1 seconds)")
    async def test_backwards(self):
        await self.advance(-1)

    @must("ERROR", "OSError: while advancing")
    async def test_task(self):
        task = self.loop.create_task(fail("while advancing"))
        await self.advance(1)
        await task

    @must("FAIL", "AssertionError: in a timer")
    @asynctest.fail_on(unhandled_exceptions=True)
    async def test_timer(self):
        self.loop.call_later(1, self.fail, "in a timer")
        await self.advance(1)


class Waits(asynctest.TestCase):
    loop_factory = simloop.SimLoop

    @must("ERROR", "DeadlockError", "for_ever")
    async def test_for_ever(self):
        await self.loop.create_task(asyncio.Event().wait(), name="for_ever")


class Limits(asynctest.TestCase):
    @must("FAIL", "TimeLimitError: the test did not end within 0.05 s of its loop's time")
    @asynctest.time_limit(0.05)
    async def test_loop_s_time(self):
        await asyncio.sleep(10)

    @must("FAIL", "TimeLimitError: the test did not end within 0.1 s of real time")
    @asynctest.time_limit(real=0.1)
    async def test_real_time(self):
        while True:
            await asyncio.sleep(0)

    @must("FAIL", "TimeLimitError: the test did not end within 0.1 s of real time")
    @asynctest.time_limit(real=0.1)
    def test_spinning(self):
        while True:
            pass


class Examples(asynctest.TestCase):
    @settings(database=None, deadline=None)
    @given(number=st.integers(min_value=0))
    @must("FAIL", "AssertionError: 3 not less than 3", "number=3")
    async def test_hypothesis(self, number):
        await asyncio.sleep(0)
        self.assertLess(number, 3)


class Forbidden(asynctest.TestCase):
    forbid_get_event_loop = True

    @must("FAIL", "AssertionError: TestCase.forbid_get_event_loop is True")
    def test_it(self):
        asyncio.get_event_loop()


class NoLoop(asynctest.TestCase):
    def loop_factory():
        raise OSError("no loop to be had")

    @must("ERROR", "OSError: no loop to be had")
    async def test_it(self):
        raise AssertionError("never run")


class BrokenLoop(asynctest.TestCase):
    @must("ERROR", "OSError: when it was closed")
    async def test_it(self):
        def close():
            closed()
            raise OSError("when it was closed")

        closed, self.loop.close = self.loop.close, close
