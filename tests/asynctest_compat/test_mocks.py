"""Mocks that know coroutine functions: specs, wrapped objects, magic methods, autospec, helpers."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import inspect
import types
import unittest.mock
import warnings

import pytest

import asynctest_compat as asynctest
from asynctest_compat import CoroutineMock, MagicMock, Mock
from asynctest_compat._mocks.coroutines import is_coroutine_function

KINDS = [
    asynctest.Mock,
    asynctest.MagicMock,
    asynctest.NonCallableMock,
    asynctest.NonCallableMagicMock,
]
ALL = pytest.mark.parametrize("kind", KINDS)


class Client:
    """Every kind of attribute that a spec can have."""

    number = 1

    async def native(self, value):
        return value

    @types.coroutine
    def generator_based(self):
        yield

    @classmethod
    async def of_class(cls):
        return cls

    @staticmethod
    async def static():
        return 1

    partial = functools.partial(asyncio.sleep, 0)

    def plain(self):
        return "plain"

    @property
    def touched(self):
        raise AssertionError("a spec's properties are not to be run")

    def generator(self):
        yield


COROUTINES = ("native", "generator_based", "of_class", "static", "partial")
OTHERS = ("plain", "touched", "generator", "number")


@ALL
@pytest.mark.parametrize("how", ["spec", "spec_set"])
@pytest.mark.parametrize("of", [Client, Client()], ids=["class", "instance"])
def test_coroutine_functions_of_a_spec_become_coroutine_mocks(kind, how, of) -> None:
    """Native, types.coroutine, class and static methods, partials; nothing else; none is run."""
    mock = kind(**{how: of})
    for name in COROUTINES:
        assert isinstance(getattr(mock, name), CoroutineMock), name
    for name in OTHERS:
        assert not isinstance(getattr(mock, name), CoroutineMock), name
    with pytest.raises(AttributeError):
        mock.missing  # noqa: B018 - asking is the test


@ALL
def test_children_are_of_the_documented_kind(kind) -> None:
    """Mocks give Mocks, magic ones MagicMocks, and those that can't be called ones that can."""
    child = kind().child
    is_magic = kind in (asynctest.MagicMock, asynctest.NonCallableMagicMock)
    assert isinstance(child, MagicMock if is_magic else Mock)
    assert isinstance(child, MagicMock) == is_magic
    assert callable(child)
    assert not isinstance(child, CoroutineMock)


@ALL
def test_a_mock_may_be_a_spec(kind) -> None:
    """A spec that is a mock hands on what it knows: also coroutine functions added to it."""
    original = kind(Client)
    copy = kind(original)
    assert isinstance(copy.native, CoroutineMock)
    assert not isinstance(copy.plain, CoroutineMock)
    extended = Mock()
    extended.fetch = CoroutineMock()
    assert isinstance(Mock(extended).fetch, CoroutineMock)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("function", [Client.native, Client.plain, Client.generator_based])
def test_issue_56_a_function_as_a_spec_makes_no_coroutine_function(kind, function) -> None:
    """Whatever the spec, a mock that is no CoroutineMock is not taken for a coroutine function."""
    mock = kind(function)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.14
        assert not asyncio.iscoroutinefunction(mock)
    assert not inspect.iscoroutinefunction(mock)
    assert not is_coroutine_function(mock)
    if callable(mock):
        assert not inspect.isawaitable(mock())


@pytest.mark.parametrize("kind", [Mock, MagicMock])
def test_a_class_of_mocks_may_be_derived_from(kind) -> None:
    """Children of a derived class are of that class, or CoroutineMocks where the spec says so."""
    derived = type("Derived", (kind,), {"extra": 5})
    mock = derived(Client)
    assert isinstance(mock.plain, derived)
    assert isinstance(mock.native, CoroutineMock)
    assert mock.extra == 5


def test_issue_110_wrapping_gives_coroutine_mocks(drive) -> None:
    """With wraps= coroutine functions of an object are CoroutineMocks that run the real ones."""

    async def main():
        for kind in KINDS:
            mock = kind(wraps=Client())
            assert isinstance(mock.native, CoroutineMock)
            assert await mock.native(5) == 5
            mock.native.assert_awaited_once_with(5)
            assert mock.plain() == "plain"
            assert not isinstance(mock.plain, CoroutineMock)

    drive(main())


def test_a_mock_stands_before_a_coroutine_function_by_is_coroutine() -> None:
    """NonCallableMock(is_coroutine=True) passes for one; the attribute may change."""
    for kind in (asynctest.NonCallableMock, asynctest.NonCallableMagicMock):
        mock = kind(is_coroutine=True)
        assert is_coroutine_function(mock)
        holder = types.SimpleNamespace(attribute=mock)
        with asynctest.patch.object(holder, "attribute") as patched:
            assert isinstance(patched, CoroutineMock)
        mock.is_coroutine = False
        assert not is_coroutine_function(mock)


def test_an_asynchronous_context_manager(drive) -> None:
    """A MagicMock is one: it gives another MagicMock, and lets exceptions pass."""

    async def main():
        mock = MagicMock()
        async with mock as entered:
            assert isinstance(entered, MagicMock)
            assert entered is not mock
        mock.__aenter__.assert_awaited_once_with()
        mock.__aexit__.assert_awaited_once_with(None, None, None)
        mock.__aenter__.return_value = "entered"
        async with mock as entered:
            assert entered == "entered"
        with pytest.raises(OSError, match="passes"):
            async with mock:
                raise OSError("passes")
        mock.__aexit__.return_value = True
        async with mock:
            raise OSError("swallowed")

    drive(main())


def test_magic_methods_are_coroutine_mocks() -> None:
    """__aenter__, __aexit__ and __anext__ are; __aiter__ is not."""
    mock = MagicMock()
    for name in asynctest.async_magic_coroutines:
        assert isinstance(getattr(mock, name), CoroutineMock), name
    assert not isinstance(mock.__aiter__, CoroutineMock)
    assert not hasattr(Mock(), "__aenter__")


def test_functions_set_as_magic_methods_get_the_mock(drive) -> None:
    """A coroutine function that is set as __aenter__ is called with the mock as self."""

    async def enter(self):
        return self.value

    async def leave(self, *exc_info):
        self.left = exc_info

    async def main():
        mock = MagicMock(value=5)
        type(mock).__aenter__, type(mock).__aexit__ = enter, leave
        async with mock as entered:
            assert entered == 5
        assert mock.left == (None, None, None)
        other = MagicMock(value=6)
        other.__aenter__ = enter
        async with other as entered:
            assert entered == 6

    drive(main())


async def numbers():
    yield 1
    yield 2


@pytest.mark.parametrize("values", [[1, 2], (1, 2), range(1, 3), iter([1, 2]), numbers()])
def test_an_asynchronous_iterator(values) -> None:
    """__aiter__.return_value is an iterable of either kind, or an iterator; by default empty."""

    async def main():
        mock = MagicMock()
        assert [item async for item in mock] == []
        mock.__aiter__.return_value = values
        assert [item async for item in mock] == [1, 2]
        assert await anext(aiter(MagicMock()), "end") == "end"

    asyncio.run(main())


def test_an_iterator_is_played_by_hand(drive) -> None:
    """__anext__ may be set up itself."""

    async def main():
        mock = MagicMock()
        mock.__aiter__ = lambda self: self
        mock.__anext__.side_effect = [1, 2, StopAsyncIteration]
        assert [item async for item in mock] == [1, 2]
        assert mock.__anext__.await_count == 3

    drive(main())


def test_await_can_t_be_mocked() -> None:
    """A MagicMock is not awaitable, as documented."""
    assert not inspect.isawaitable(MagicMock())
    with pytest.raises(AttributeError):
        MagicMock().__await__  # noqa: B018 - asking is the test


def test_a_spec_says_which_magic_methods_there_are() -> None:
    """A class without __aenter__ has no mock that can be entered."""
    with pytest.raises(AttributeError):
        MagicMock(Client).__aenter__  # noqa: B018 - asking is the test

    class Manager:
        async def __aenter__(self):
            return self

        async def __aexit__(self, *exc_info):
            pass

    assert isinstance(MagicMock(Manager).__aenter__, CoroutineMock)


def test_autospec_of_a_class_goes_all_the_way_down(drive) -> None:
    """Coroutine functions are CoroutineMocks at every depth, with the right signatures."""

    class Service:
        client = Client()

        async def fetch(self, key):
            return key

    async def main():
        for mock in (asynctest.create_autospec(Service), asynctest.create_autospec(Service())):
            assert isinstance(mock.fetch, CoroutineMock)
            assert isinstance(mock.client.native, CoroutineMock)
            assert not isinstance(mock.client.plain, CoroutineMock)
            mock.client.native.return_value = 3
            arguments = (1,) if not isinstance(mock, type) else (mock, 1)
            assert await mock.client.native(*arguments[-1:]) == 3
        instance = asynctest.create_autospec(Service)()
        instance.fetch.return_value = 4
        assert await instance.fetch(1) == 4
        instance.fetch.assert_awaited_once_with(key=1)

    drive(main())


def test_autospec_of_a_coroutine_function_is_a_function(drive) -> None:
    """It is a coroutine function with the signature, and has the records and assertions."""

    async def get(key, *, default=None):
        """Get it."""

    async def main():
        mock = asynctest.create_autospec(get, return_value=5)
        assert isinstance(mock, types.FunctionType)
        assert is_coroutine_function(mock)
        assert mock.__name__ == "get"
        mock.assert_not_awaited()
        assert await mock(1, default=2) == 5
        mock.assert_awaited_once_with(1, default=2)
        mock.assert_awaited()
        mock.assert_has_awaits([asynctest.call(1, default=2)])
        assert mock.await_count == 1
        assert mock.await_args == asynctest.call(1, default=2)
        assert mock.awaited
        waiting = asyncio.ensure_future(mock.awaited.wait_next())
        await asyncio.sleep(0)
        await mock(2)
        await waiting
        mock.reset_mock()

    drive(main())


def test_autospec_takes_its_options() -> None:
    """spec_set refuses new attributes, instance gives what is not callable, the name shows."""
    with pytest.raises(AttributeError):
        asynctest.create_autospec(Client, spec_set=True).brand_new = 1
    instance = asynctest.create_autospec(Client, instance=True)
    assert not callable(instance)
    assert isinstance(instance.native, CoroutineMock)
    assert "its_name" in repr(asynctest.create_autospec(Client, _name="its_name"))
    with pytest.raises(RuntimeError, match="Instance can not be True"):
        asynctest.create_autospec(Client.native, instance=True)


@dataclasses.dataclass
class Point:
    x: int
    client: Client = dataclasses.field(default_factory=Client)

    async def move(self, by):
        self.x += by


def test_autospec_knows_fields_values_and_properties() -> None:
    """Fields without a default, lists, properties that fail, and what is made up on demand."""

    class Proxy:
        def __dir__(self):
            return ["fetch", "broken", "gone"]

        def __getattr__(self, name):
            if name == "fetch":
                return Client().native
            raise OSError(name) if name == "broken" else AttributeError(name)

    instance = asynctest.create_autospec(Point)(1)
    instance.x = 5
    assert isinstance(instance.move, CoroutineMock)
    assert isinstance(asynctest.create_autospec(Point(1)).client.native, CoroutineMock)
    assert asynctest.create_autospec([1, 2]).append(3) is not None
    with pytest.raises(AttributeError):
        asynctest.create_autospec([1, 2]).no_such_method  # noqa: B018 - asking is the test
    mock = Mock(Proxy())
    assert isinstance(mock.fetch, CoroutineMock)
    assert not isinstance(mock.broken, CoroutineMock)
    assert isinstance(asynctest.create_autospec(Client()).touched, MagicMock)


def test_autospec_wraps(drive) -> None:
    """wraps= runs the real methods, under the signatures of the spec."""

    async def main():
        mock = asynctest.create_autospec(Client(), wraps=Client())
        assert await mock.native(5) == 5
        assert mock.plain() == "plain"
        mock.native.assert_awaited_once_with(5)

    drive(main())


def test_issue_107_a_spec_may_be_added_later() -> None:
    """mock_add_spec() of a class that can be entered brings __aenter__."""

    class Manager:
        async def __aenter__(self):
            return self

        async def __aexit__(self, *exc_info):
            pass

        async def fetch(self):
            pass

    mock = MagicMock()
    mock.mock_add_spec(Manager)
    assert isinstance(mock.fetch, CoroutineMock)
    assert isinstance(mock.__aenter__, CoroutineMock)
    with pytest.raises(AttributeError):
        mock.other  # noqa: B018 - asking is the test


def test_sealed_mocks_stay_as_they_are() -> None:
    """unittest.mock.seal() works on these mocks."""
    mock = MagicMock()
    mock.known.return_value = 1
    unittest.mock.seal(mock)
    assert mock.known() == 1
    with pytest.raises(AttributeError, match="unknown"):
        mock.unknown()


def test_calls_are_those_of_unittest() -> None:
    """Parents record the calls of children, attached ones and CoroutineMocks too."""
    parent = Mock()
    parent.plain(1)
    parent.attach_mock(CoroutineMock(), "attached")
    parent.attached(2).close()
    assert parent.mock_calls == [asynctest.call.plain(1), asynctest.call.attached(2)]
    assert asynctest.call is unittest.mock.call
    assert asynctest.ANY == 5


def test_mock_open_reads_what_it_was_given() -> None:
    """The mock stands for open(): read, readline, readlines, iteration, and a with block."""
    opener = asynctest.mock_open(read_data="one\ntwo\n")
    assert isinstance(opener, MagicMock)
    with asynctest.patch("builtins.open", opener):
        with open("name") as file:  # noqa: PTH123 - it is mocked
            assert file.read() == "one\ntwo\n"
        assert open("name").readlines() == ["one\n", "two\n"]  # noqa: PTH123, SIM115 - the same
        assert list(open("name")) == ["one\n", "two\n"]  # noqa: PTH123, SIM115 - the same
        handle = open("name", "w")  # noqa: PTH123, SIM115 - the same
        assert handle.readline() == "one\n"
        handle.write("written")
    opener.assert_called_with("name", "w")
    opener().write.assert_called_once_with("written")
    assert asynctest.mock_open()().read() == ""
    own = Mock()
    assert asynctest.mock_open(own, read_data=b"bytes") is own
    assert own().read() == b"bytes"


def test_return_once_gives_one_value_then_another() -> None:
    """The value comes once, then None or what was given; an exception in either place is raised."""
    mock = Mock(side_effect=asynctest.return_once(b"data"))
    assert [mock(), mock(), mock()] == [b"data", None, None]
    mock = Mock(side_effect=asynctest.return_once(1, 2))
    assert [mock(), mock(), mock()] == [1, 2, 2]
    mock = Mock(side_effect=asynctest.return_once(b"data", then=BlockingIOError))
    assert mock() == b"data"
    for _ in range(2):
        with pytest.raises(BlockingIOError):
            mock()
    mock = Mock(side_effect=asynctest.return_once(ValueError("first"), "then"))
    with pytest.raises(ValueError, match="first"):
        mock()
    assert mock() == "then"


def test_return_once_works_for_coroutines(drive) -> None:
    """Exceptions come at the await."""

    async def main():
        mock = CoroutineMock(side_effect=asynctest.return_once(1, then=OSError("gone")))
        assert await mock() == 1
        pending = mock()
        with pytest.raises(OSError, match="gone"):
            await pending

    drive(main())
