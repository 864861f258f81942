"""The examples of asynctest's documentation, and the errors that it promises."""

from __future__ import annotations

import asyncio
import types
import unittest
import unittest.mock

import pytest

import asynctest_compat as asynctest
import simloop

LOOPS = [simloop.SimLoop, asyncio.SelectorEventLoop]


def failures(case):
    """Run one test and return the texts of its errors and failures."""
    result = unittest.TestResult()
    case.run(result)
    return [text for _, text in (*result.errors, *result.failures)]


@pytest.mark.parametrize("factory", LOOPS)
def test_advance_runs_each_callback_on_time(factory) -> None:
    """Both callbacks, also the one set on the way, see their own time."""
    seen = []

    class Case(asynctest.ClockedTestCase):
        loop_factory = factory

        async def runTest(self):
            def note():
                seen.append(self.loop.time())

            self.loop.call_later(1, note)
            self.loop.call_later(2, self.loop.call_later, 1, note)
            await self.advance(3)
            await self.assertAsyncRaisesRegex(ValueError, "back in time .-1", self.advance(-1))

    assert failures(Case()) == []
    assert seen == [1, 3]


def test_a_generator_coroutine_in_a_spec() -> None:
    """A coroutine method becomes a CoroutineMock, another a Mock."""

    class Foo:
        @types.coroutine
        def foo(self):
            yield

        def bar(self):
            pass

    assert type(asynctest.mock.Mock(Foo()).foo) is not type(asynctest.mock.Mock(Foo()).bar)
    assert isinstance(asynctest.mock.Mock(Foo()).foo, asynctest.CoroutineMock)
    assert not isinstance(asynctest.mock.Mock(Foo()).bar, asynctest.CoroutineMock)


def test_return_once_gives_one_value_then_another() -> None:
    """The value comes once; then None, or the exception."""
    mock = asynctest.Mock(side_effect=asynctest.return_once(b"data"))
    assert [mock(), mock(), mock()] == [b"data", None, None]
    mock = asynctest.Mock(side_effect=asynctest.return_once(b"data", then=BlockingIOError))
    assert mock() == b"data"
    with pytest.raises(BlockingIOError):
        mock()


@pytest.mark.parametrize("factory", LOOPS)
@pytest.mark.parametrize("way", ["read", "write"])
def test_a_mock_is_made_ready(factory, way) -> None:
    """The callback runs once, as if the selector had told so."""
    with asyncio.Runner(loop_factory=factory) as runner:
        loop, file, ran = runner.get_loop(), asynctest.FileMock(), []
        loop._selector = asynctest.TestSelector(loop._selector)

        async def main():
            add, ready, remove = {
                "read": (loop.add_reader, asynctest.set_read_ready, loop.remove_reader),
                "write": (loop.add_writer, asynctest.set_write_ready, loop.remove_writer),
            }[way]
            add(file, ran.append, way)
            ready(file, loop)
            await asynctest.exhaust_callbacks(loop)
            assert remove(file)
            ready(file, loop)
            await asynctest.exhaust_callbacks(loop)

        runner.run(main())
    assert ran == [way]


@pytest.mark.parametrize("factory", LOOPS)
def test_a_method_s_choice_wins_over_its_class_s(factory) -> None:
    """Checks are inherited, merged and overridden; the base keeps its own."""

    @asynctest.fail_on(active_handles=True)
    class Base(asynctest.TestCase):
        loop_factory = factory

        async def test_left(self):
            self.loop.call_later(10, print)

        @asynctest.fail_on(active_handles=False)
        async def test_allowed(self):
            self.loop.call_later(10, print)

    @asynctest.fail_on(active_handles=False)
    class Child(Base):
        pass

    assert "unfinished work" in failures(Base("test_left"))[0]
    assert failures(Base("test_allowed")) == []
    assert failures(Child("test_left")) == []


@pytest.mark.parametrize("factory", LOOPS)
def test_a_reader_that_stays_fails_by_default(factory) -> None:
    """active_selector_callbacks is on, and lenient turns it off."""

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def test_left(self):
            self.loop.add_reader(asynctest.FileMock(), print)

        test_lenient = asynctest.lenient(lambda self: self.test_left())

    assert "were not removed" in failures(Case("test_left"))[0]
    assert failures(Case("test_lenient")) == []


@pytest.mark.parametrize("factory", LOOPS)
def test_strict_sees_pending_tasks_and_lost_errors(factory) -> None:
    """What nobody would have noticed fails a strict test."""

    @asynctest.strict
    class Case(asynctest.TestCase):
        loop_factory = factory

        async def test_pending(self):
            self.task = self.loop.create_task(asyncio.Event().wait(), name="waits")
            self.addCleanup(self.task.cancel)
            await asyncio.sleep(0)

        async def test_lost(self):
            self.loop.call_soon(lambda: 1 / 0)
            await asyncio.sleep(0)

    assert "waits" in failures(Case("test_pending"))[0]
    assert "ZeroDivisionError" in failures(Case("test_lost"))[0]


def test_a_clock_is_frozen_without_the_class() -> None:
    """frozen_clock works in any coroutine, on either loop."""

    async def main():
        with asynctest.frozen_clock() as clock:
            task = asyncio.create_task(asyncio.sleep(86_400, "a day"))
            await clock.advance(86_400)
            return task.result()

    for factory in LOOPS:
        with asyncio.Runner(loop_factory=factory) as runner:
            assert runner.run(main()) == "a day"


@pytest.mark.parametrize("factory", LOOPS)
def test_a_generator_is_patched_while_it_runs(factory) -> None:
    """LIMITED is off between the steps of generators of both kinds, GLOBAL is on."""
    target = types.SimpleNamespace(value=0)

    def patched(scope):
        return asynctest.patch.object(target, "value", new=1, scope=scope)

    for scope, outside in ((asynctest.LIMITED, 0), (asynctest.GLOBAL, 1)):

        @patched(scope)
        def plain():
            yield target.value
            yield target.value

        @patched(scope)
        async def asynchronous():
            yield target.value

        assert [(seen, target.value) for seen in plain()] == [(1, outside)] * 2
        assert target.value == 0

        async def main(make=asynchronous):
            return [(seen, target.value) async for seen in make()]

        with asyncio.Runner(loop_factory=factory) as runner:
            assert runner.run(main()) == [(1, outside)]
        assert target.value == 0


def test_a_class_may_share_a_loop_with_its_tests() -> None:
    """A coroutine setUpClass runs on the loop that the tests get."""
    loops = []

    class Case(asynctest.TestCase):
        @classmethod
        async def setUpClass(cls):
            loops.append(asyncio.get_running_loop())

        async def test_it(self):
            loops.append(asyncio.get_running_loop())

    result = unittest.TestResult()
    unittest.TestSuite([Case("test_it")]).run(result)
    assert result.wasSuccessful(), result.errors
    assert loops[0] is loops[1]
    assert loops[0].is_closed()
