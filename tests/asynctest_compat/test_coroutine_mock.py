"""``CoroutineMock``: what a call gives, what an await counts, and who waits for it."""

from __future__ import annotations

import asyncio
import inspect
import types
import warnings

import pytest

import asynctest_compat as asynctest
from asynctest_compat import CoroutineMock, call
from asynctest_compat._mocks.coroutines import is_coroutine_function


async def give(value):
    await asyncio.sleep(0)
    return value


def test_it_passes_for_a_coroutine_function() -> None:
    """Asyncio and inspect take the mock for a coroutine function, and a call's result for one."""
    mock = CoroutineMock()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.14
        assert asyncio.iscoroutinefunction(mock)
    assert is_coroutine_function(mock)
    result = mock()
    assert asyncio.iscoroutine(result)
    assert inspect.isawaitable(result)
    result.close()


def test_a_call_and_an_await_are_two_things(drive) -> None:
    """The call is counted when it is made, the await when it ends."""

    async def main():
        mock = CoroutineMock(return_value=5)
        pending = mock(1, key=2)
        mock.assert_called_once_with(1, key=2)
        mock.assert_not_awaited()
        assert mock.await_args is None
        assert mock.await_args_list == []
        assert await pending == 5
        assert mock.await_count == 1
        assert mock.await_args == call(1, key=2)
        assert mock.await_args_list == [call(1, key=2)]

    drive(main())


def test_an_await_counts_when_it_ends(drive) -> None:
    """While what a call gave still waits, nothing is counted; when it is cancelled, it is."""

    async def main():
        gate = asyncio.Event()
        mock = CoroutineMock(side_effect=lambda _: gate.wait())
        task = asyncio.ensure_future(mock(1))
        await asyncio.sleep(0)
        assert mock.await_count == 0
        assert not mock.awaited
        gate.set()
        assert await task is True
        assert mock.await_count == 1
        gate.clear()
        task = asyncio.ensure_future(mock(2))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert mock.await_args_list == [call(1), call(2)]

    drive(main())


def test_awaits_are_those_of_their_own_call(drive) -> None:
    """Awaits that end in another order than the calls were made record their own arguments."""

    async def main():
        mock = CoroutineMock()
        first, second = mock(1), mock(2)
        await second
        assert mock.await_args == call(2)
        await first
        assert mock.await_args == call(1)
        assert mock.await_args_list == [call(2), call(1)]
        assert mock.call_args == call(2)

    drive(main())


def test_an_await_that_is_closed_has_ended() -> None:
    """A coroutine that is closed or thrown into while it waits counts, and waits for nothing."""

    def forever(_number):
        class Forever:
            def __await__(self):
                while True:
                    yield

        return Forever()

    mock = CoroutineMock(side_effect=forever)
    pending = mock(1)
    pending.send(None)
    pending.close()
    assert mock.await_args_list == [call(1)]
    pending = mock(2)
    pending.send(None)
    with pytest.raises(OSError, match="thrown"):
        pending.throw(OSError, OSError("thrown"), None)
    assert mock.await_count == 2
    mock(3).close()  # never begun
    assert mock.await_count == 2
    assert "CoroutineMock" in repr(mock(4))


def test_a_side_effect_that_is_a_function_runs_at_the_call(drive) -> None:
    """Its result is what the await gives; a coroutine function's result is awaited too."""

    async def main():
        log = []
        mock = CoroutineMock(side_effect=lambda value: log.append(value) or value)
        pending = mock(3)
        assert log == [3]
        assert await pending == 3
        assert await CoroutineMock(side_effect=give)(4) == 4
        default = CoroutineMock(side_effect=lambda: asynctest.DEFAULT, return_value=6)
        assert await default() == 6

    drive(main())


def test_a_side_effect_that_is_an_exception_comes_at_the_await(drive) -> None:
    """An exception, its class, or what a function raises: not the call raises, the await does."""

    def fail():
        raise OSError("gone")

    async def main():
        for effect in (OSError("gone"), OSError, fail, [OSError]):
            mock = CoroutineMock(side_effect=effect)
            pending = mock()
            with pytest.raises(OSError):  # noqa: PT011 - a class has no text
                await pending
            mock.assert_awaited_once_with()

    drive(main())


def test_a_side_effect_that_is_an_iterable_ends_at_the_call(drive) -> None:
    """One value for each call; when there is none left, the call itself raises StopIteration."""

    async def main():
        mock = CoroutineMock(side_effect=[1, give(2), 3])
        assert [await mock(), await mock(), await mock()] == [1, 2, 3]
        with pytest.raises(StopIteration):
            mock()
        assert mock.await_count == 3

    drive(main())


def test_a_function_that_raises_stop_iteration_is_no_end(drive) -> None:
    """Only an exhausted iterable raises at the call; Python makes a RuntimeError of the other."""

    def stop():
        raise StopIteration

    async def main():
        pending = CoroutineMock(side_effect=stop)()
        with pytest.raises(RuntimeError, match="StopIteration"):
            await pending

    drive(main())


def test_an_awaitable_result_is_awaited(drive) -> None:
    """A coroutine, a future or another awaitable as the outcome is not what the await gives."""

    async def main():
        future = asyncio.get_running_loop().create_future()
        future.set_result(7)
        assert await CoroutineMock(return_value=future)() == 7
        assert await CoroutineMock(return_value=give(8))() == 8
        assert await CoroutineMock(side_effect=lambda: future)() == 7
        assert await CoroutineMock(return_value=CoroutineMock(return_value=9)())() == 9

    drive(main())


def test_without_an_outcome_an_await_gives_a_magic_mock(drive) -> None:
    """What comes back is a mock that can be called, and no CoroutineMock; children too."""

    async def main():
        mock = CoroutineMock()
        result = await mock()
        assert isinstance(result, asynctest.MagicMock)
        assert not isinstance(result, CoroutineMock)
        assert await mock() is result
        assert isinstance(mock.child, asynctest.MagicMock)
        assert not isinstance(mock.child, CoroutineMock)

    drive(main())


def test_a_wrapped_coroutine_function_is_called(drive) -> None:
    """wraps= runs the real one and counts."""

    async def main():
        mock = CoroutineMock(wraps=give)
        assert await mock(5) == 5
        mock.assert_awaited_once_with(5)

    drive(main())


def test_generators_wait_for_a_mock(drive) -> None:
    """A call can be delegated to by a plain generator and by types.coroutine."""
    mock = CoroutineMock(side_effect=give)

    def generator():
        return (yield from mock(1))

    @types.coroutine
    def marked():
        return (yield from mock(2))

    async def main():
        assert await marked() == 2
        return await asynctest._mocks.coroutines.as_coroutine(generator())

    assert drive(main()) == 1
    assert mock.await_args_list == [call(2), call(1)]


def test_reset_forgets_calls_and_awaits(drive) -> None:
    """reset_mock puts the records of awaits back, and does what unittest's does."""

    async def main():
        mock = CoroutineMock(return_value=1, side_effect=[5])
        await mock()
        mock.reset_mock()
        mock.assert_not_awaited()
        mock.assert_not_called()
        assert not mock.awaited
        assert mock.await_args is None
        assert mock.await_args_list == []
        mock.reset_mock(return_value=True, side_effect=True)
        assert isinstance(await mock(), asynctest.MagicMock)

    drive(main())


def awaited_with(*all_args):
    async def main():
        mock = CoroutineMock(name="the_mock")
        for args in all_args:
            await mock(*args)
        return mock

    return asyncio.run(main())


def test_the_assertions_hold_for_what_was_awaited() -> None:
    """Each assertion of the family passes for awaits that were made as it says."""
    mock = awaited_with((1,), (2,), (3,))
    mock.assert_awaited()
    mock.assert_awaited_with(3)
    mock.assert_any_await(1)
    mock.assert_has_awaits([call(1), call(2)])
    mock.assert_has_awaits([call(3), call(1)], any_order=True)
    mock.assert_has_awaits([])
    once = awaited_with((4,))
    once.assert_awaited_once()
    once.assert_awaited_once_with(4)
    CoroutineMock().assert_not_awaited()


WRONG = {
    "Expected 'mock' to have been awaited.": lambda _: CoroutineMock().assert_awaited(),
    "Expected 'the_mock' to have been awaited once. Awaited 2 times.": (
        lambda mock: mock.assert_awaited_once()
    ),
    "Expected await: mock(1)\nNot awaited": lambda _: CoroutineMock().assert_awaited_with(1),
    "Expected: the_mock(1)\n  Actual: the_mock(2)": lambda mock: mock.assert_awaited_with(1),
    "the_mock(3) await not found; the awaits were [call(1), call(2)]": (
        lambda mock: mock.assert_any_await(3)
    ),
    "Expected: [call(2), call(1)]\nActual: [call(1), call(2)]": (
        lambda mock: mock.assert_has_awaits([call(2), call(1)])
    ),
    "(call(3),) not all found in await list": (
        lambda mock: mock.assert_has_awaits([call(1), call(3)], any_order=True)
    ),
    "Expected 'the_mock' to not have been awaited. Awaited 2 times.": (
        lambda mock: mock.assert_not_awaited()
    ),
}


@pytest.mark.parametrize("text", WRONG)
def test_the_assertions_say_what_was_awaited(text) -> None:
    """An assertion that fails names the mock, what was expected and what there was."""
    mock = awaited_with((1,), (2,))
    with pytest.raises(AssertionError) as caught:
        WRONG[text](mock)
    assert text in str(caught.value)


def test_a_test_waits_for_an_await(drive) -> None:
    """awaited.wait() and wait(skip) go on when there were enough awaits in all."""

    async def main():
        mock = CoroutineMock()
        assert not mock.awaited
        waiting = asyncio.ensure_future(mock.awaited.wait())
        skipping = asyncio.ensure_future(mock.awaited.wait(skip=1))
        await asyncio.sleep(0)
        await mock()
        await waiting
        assert mock.awaited
        assert not skipping.done()
        await mock()
        await skipping
        await mock.awaited.wait()  # long since

    drive(main())


def test_a_test_waits_for_the_next_await(drive) -> None:
    """awaited.wait_next(skip) counts from where it is called."""

    async def main():
        mock = CoroutineMock()
        await mock()
        following = asyncio.ensure_future(mock.awaited.wait_next())
        after_that = asyncio.ensure_future(mock.awaited.wait_next(skip=1))
        await asyncio.sleep(0)
        assert not following.done()
        await mock()
        await following
        assert not after_that.done()
        await mock()
        await after_that

    drive(main())


def test_a_test_waits_for_a_predicate(drive) -> None:
    """awaited.wait_for(predicate) asks after each await, and gives what the predicate gave."""

    async def main():
        mock = CoroutineMock()
        waiting = asyncio.ensure_future(
            mock.awaited.wait_for(lambda it: it.await_args == call("now") and "seen")
        )
        for word in ("not yet", "now"):
            await asyncio.sleep(0)
            assert not waiting.done()
            await mock(word)
        assert await waiting == "seen"

    drive(main())


def test_an_await_that_fails_wakes_waiters(drive) -> None:
    """Waiters see an await that ended by an exception, too."""

    async def main():
        mock = CoroutineMock(side_effect=OSError)
        waiting = asyncio.ensure_future(mock.awaited.wait())
        await asyncio.sleep(0)
        with pytest.raises(OSError):  # noqa: PT011 - it has no text
            await mock()
        await waiting

    drive(main())


def test_a_mock_outlives_a_loop() -> None:
    """A mock of one test may be awaited and waited for in the next one, on another loop."""
    mock = CoroutineMock()

    async def main():
        waiting = asyncio.ensure_future(mock.awaited.wait_next())
        await asyncio.sleep(0)
        await mock()
        await waiting

    asyncio.run(main())
    asyncio.run(main())
    assert mock.await_count == 2


def test_a_spec_limits_the_mock() -> None:
    """A list of names is a spec, whatever is in it; the names of awaits stay."""
    mock = CoroutineMock(spec_set=["attribute"])
    assert mock.await_count == 0
    with pytest.raises(AttributeError):
        mock.other  # noqa: B018 - asking is the test
    assert CoroutineMock([{"a": 1}]).await_count == 0
    listed = CoroutineMock(give)
    asyncio.run(listed(1))
    listed.assert_awaited_once_with(value=1)


def test_the_class_itself_stands_for_a_class() -> None:
    """Suites put the class in place of a class, set attributes on it and call it with anything."""
    holder = types.SimpleNamespace(client=None)
    with asynctest.patch.object(holder, "client", CoroutineMock):
        assert isinstance(holder.client("spec", side_effect=None), CoroutineMock)
    kind = type("Client", (CoroutineMock,), {})
    kind.get = CoroutineMock(return_value=3)
    assert asyncio.run(kind().get()) == 3
