"""Every example of asynctest's documentation, in its order, on both kinds of loops.

What the documentation shows as a session is a doctest here; ``asyncio.coroutine``, which Python has
removed, is put back for these tests. The names of classes show this package.
"""

from __future__ import annotations

import asyncio
import doctest
import types

import pytest

import asynctest_compat as asynctest
from asynctest_compat import _removed


@pytest.fixture(autouse=True)
def coroutine(monkeypatch):
    """Put asyncio.coroutine back for a test."""
    monkeypatch.setattr(asyncio, "coroutine", _removed.coroutine, raising=False)


def passes(run_case, case_class, *names) -> None:
    result = run_case(case_class, *names)
    assert result.wasSuccessful(), result.errors + result.failures
    assert result.testsRun


def play(session: str) -> None:
    """Run a session and compare what it prints."""
    names = {"asyncio": asyncio, "asynctest": asynctest, **vars(asynctest.mock)}
    test = doctest.DocTestParser().get_doctest(session, names, "session", None, 0)
    told: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=told.append)
    assert not told, "".join(told)


def test_case_with_a_reusable_loop(run_case) -> None:
    """The attributes of a case are set when its class is defined."""
    loop = asyncio.SelectorEventLoop()
    asyncio.set_event_loop(loop)

    class With_Reusable_Loop_TestCase(asynctest.TestCase):  # noqa: N801 - the documentation's name
        use_default_loop = True
        forbid_get_event_loop = False

        def test_something(self):
            assert self.loop is loop

    passes(run_case, With_Reusable_Loop_TestCase)
    asyncio.set_event_loop(None)
    loop.close()


def test_clocked_case_prints_the_time(run_case, factory, capsys) -> None:
    """The third callback is scheduled at 2 to run at 3, and does."""

    class Case(asynctest.ClockedTestCase):
        loop_factory = factory

        async def test_it(self):
            def print_time():
                print(int(self.loop.time()))  # noqa: T201 - the documentation's

            self.loop.call_later(1, print_time)
            self.loop.call_later(2, self.loop.call_later, 1, print_time)
            await self.advance(3)

    passes(run_case, Case)
    assert capsys.readouterr().out == "1\n3\n"


def test_fail_on_decorates_a_class(run_case, factory) -> None:
    """unused_loop=True for a class: a coroutine test can't fail by it, a plain one can."""

    @asynctest.fail_on(unused_loop=True)
    class TestCase(asynctest.TestCase):
        loop_factory = factory

        async def test_coroutine(self):
            pass

        def test_plain(self):
            pass

    class Child(TestCase):
        test_plain = asynctest.fail_on(unused_loop=False)(lambda self: None)

    result = run_case(TestCase)
    assert [case._testMethodName for case, _ in result.failures] == ["test_plain"]
    passes(run_case, Child)


def test_strict_lenient_and_ignore_loop_decorate(run_case, factory) -> None:
    """As the documentation names them: case.strict, case.lenient, ignore_loop; for both kinds."""
    with pytest.warns(DeprecationWarning, match="fail_on"):
        ignore_loop = asynctest.ignore_loop()

    @asynctest.case.strict
    class Strict(asynctest.TestCase):
        loop_factory = factory

        def test_strict(self):
            pass

        @asynctest.case.lenient
        def test_lenient(self):
            self.loop.call_later(10, print)

        @ignore_loop
        def test_ignoring(self):
            pass

    result = run_case(Strict)
    assert [case._testMethodName for case, _ in result.failures] == ["test_strict"]


def test_a_mock_of_a_class_with_a_coroutine() -> None:
    """A coroutine method of the spec is a CoroutineMock, another is a Mock."""
    play("""
    >>> class Foo:
    ...     @asyncio.coroutine
    ...     def foo(self):
    ...         pass
    ...
    ...     def bar(self):
    ...         pass
    >>> type(asynctest.mock.Mock(Foo()).foo)
    <class 'asynctest_compat.mock.CoroutineMock'>
    >>> type(asynctest.mock.Mock(Foo()).bar)
    <class 'asynctest_compat.mock.Mock'>
    """)


@pytest.mark.filterwarnings("ignore:.*iscoroutinefunction:DeprecationWarning")
def test_a_coroutine_mock_is_recognised() -> None:
    """As a coroutine function, and what it gives as a coroutine."""
    play("""
    >>> mock = CoroutineMock()
    >>> asyncio.iscoroutinefunction(mock)
    True
    >>> asyncio.iscoroutine(mock())
    True
    """)


def test_a_context_manager_patches_while_the_coroutine_waits(drive) -> None:
    """With a with block another task sees the patch; the decorator with LIMITED hides it."""
    module = types.SimpleNamespace(function=print)

    async def coro():
        with asynctest.mock.patch.object(module, "function"):
            await asyncio.sleep(0.001)

    @asynctest.mock.patch.object(module, "function", scope=asynctest.LIMITED)
    async def limited(function):
        await asyncio.sleep(0.001)
        assert module.function is function

    async def independent_coro():
        assert not isinstance(module.function, asynctest.mock.Mock)

    async def main(patched):
        task = asyncio.create_task(patched())
        try:
            await asyncio.create_task(independent_coro())
        finally:
            await task

    with pytest.raises(AssertionError):
        drive(main(coro))
    drive(main(limited))
    assert module.function is print


def test_the_order_of_decorators(run_case, factory) -> None:
    """Mocks come in the reverse order of the patches, with the coroutine decorator innermost."""
    module = types.SimpleNamespace(function1=1, function2=2)

    class Case(asynctest.TestCase):
        loop_factory = factory

        @asynctest.patch.object(module, "function2")
        @asynctest.patch.object(module, "function1")
        @asyncio.coroutine
        def test_coro(self, mock_function1, mock_function2):
            yield from asyncio.sleep(0.001)
            assert module.function1 is mock_function1
            assert module.function2 is mock_function2

    passes(run_case, Case)
    assert (module.function1, module.function2) == (1, 2)


def test_return_once_in_a_session() -> None:
    """Data once, then None; or data once, then an exception, each time."""
    play("""
    >>> mock = Mock()
    >>> mock.recv = Mock(side_effect=return_once(b"data"))
    >>> mock.recv()
    b'data'
    >>> repr(mock.recv())
    'None'
    >>> repr(mock.recv())
    'None'
    >>> mock.recv = Mock(side_effect=return_once(b"data", then=BlockingIOError))
    >>> mock.recv()
    b'data'
    >>> mock.recv()
    Traceback (most recent call last):
        ...
    BlockingIOError
    """)


def test_a_selector_is_put_into_a_loop_and_a_mock_is_read(drive, capsys) -> None:
    """The selector's own example, and that of set_read_ready, which needs it."""

    async def main():
        loop = asyncio.get_running_loop()
        loop._selector = asynctest.TestSelector(loop._selector)
        mock = asynctest.SocketMock()
        mock.recv.return_value = b"Data"
        stopped = loop.create_future()

        def read_ready(sock):
            print("received:", sock.recv(1024))  # noqa: T201 - the documentation's
            stopped.set_result(None)

        loop.add_reader(mock, read_ready, mock)
        asynctest.set_read_ready(mock, loop)
        await stopped
        loop.remove_reader(mock)

    drive(main())
    assert capsys.readouterr().out == "received: b'Data'\n"


def test_exhaust_callbacks_gives_callbacks_a_chance(run_case, factory) -> None:
    """What active_handles says about it: with it, nothing that is ready is left."""
    log = []

    class Case(asynctest.TestCase):
        loop_factory = factory

        @asynctest.fail_on(active_handles=True)
        async def test_it(self):
            self.loop.call_soon(log.append, "ran")
            await asynctest.helpers.exhaust_callbacks(self.loop)

    passes(run_case, Case)
    assert log == ["ran"]
