"""Mistakes: each gets the documented exception, and the message shows what was given."""

from __future__ import annotations

import asyncio
import math
import selectors

import pytest

import asynctest_compat as asynctest

READ = selectors.EVENT_READ


class Client:
    value = 1

    def __init__(self, host):
        self.host = host

    async def get(self, key):
        return key

    def put(self, key, value):
        return key, value


async def function(a, *, b=2):
    return a, b


class Case(asynctest.TestCase):
    def runTest(self):
        pass


@pytest.mark.parametrize("decorate", [asynctest.fail_on, asynctest.case.fail_on])
def test_an_unknown_check_is_named(decorate) -> None:
    """fail_on refuses it, and lists the checks that there are."""
    with pytest.raises(TypeError, match=r"'nonsense'.*unused_loop.*active_selector_callbacks"):
        decorate(unused_loop=True, nonsense=True)


CALLS = {
    "too many positional arguments, in the call function(1, 2)": (
        lambda: asynctest.create_autospec(function)(1, 2)
    ),
    "unexpected keyword argument 'c', in the call function(1, c=3)": (
        lambda: asynctest.create_autospec(function)(1, c=3)
    ),
    "missing a required argument: 'host', in the call Client()": (
        asynctest.create_autospec(Client)
    ),
    "too many positional arguments, in the call get(1, 2)": (
        lambda: asynctest.create_autospec(Client)("host").get(1, 2)
    ),
    "missing a required argument: 'value', in the call put('key')": (
        lambda: asynctest.create_autospec(Client, instance=True).put("key")
    ),
}


@pytest.mark.parametrize("text", CALLS)
def test_a_mock_names_the_call_that_its_spec_refuses(text) -> None:
    """Wrong arguments are a TypeError at the call, which is shown."""
    with pytest.raises(TypeError) as caught:
        CALLS[text]()
    assert text in str(caught.value)


def test_a_patched_function_names_the_call_that_it_refuses() -> None:
    """The same with patch(autospec=True), for a coroutine function and for a method."""
    with (
        asynctest.patch.object(Client, "get", autospec=True),
        pytest.raises(TypeError, match=r"get\(<.*Client object.*>, 1, 2\)"),
    ):
        Client("host").get(1, 2)


def test_a_mock_is_made_with_arguments_that_it_has() -> None:
    """What a mock can't be made of is refused: a misspelled spec, an instance of a function."""
    with pytest.raises(RuntimeError, match=r"Instance can not be True.*function"):
        asynctest.create_autospec(function, instance=True)
    with pytest.raises(RuntimeError, match="autospect"):
        asynctest.create_autospec(Client, autospect=True)
    with pytest.raises(AttributeError, match="missing"):
        asynctest.Mock(Client).missing  # noqa: B018 - asking is the test
    with pytest.raises(AttributeError, match="missing"):
        asynctest.MagicMock(spec_set=Client).missing = 1
    with pytest.raises(AttributeError, match="assret_awaited"):
        asynctest.CoroutineMock().assret_awaited()
    with pytest.raises(AttributeError, match="assert_waited"):
        asynctest.CoroutineMock().assert_waited()


@pytest.mark.parametrize("seconds", [-1, -0.5, math.inf, -math.inf, math.nan])
def test_a_clock_goes_forward(run_case, factory, seconds) -> None:
    """advance() takes a finite number that is not negative, and shows what it got."""

    class Clocked(asynctest.ClockedTestCase):
        loop_factory = factory

        async def test_it(self):
            with self.assertRaisesRegex(ValueError, f"{seconds} seconds"):
                await self.advance(seconds)
            assert self.loop.time() == 0

    result = run_case(Clocked)
    assert result.wasSuccessful(), result.errors


def test_advance_outside_of_a_test_is_refused() -> None:
    """A case that does not run has no clock."""
    with pytest.raises(RuntimeError, match="outside of a test"):
        asyncio.run(asynctest.ClockedTestCase("run").advance(1))


@pytest.mark.parametrize("wrong", [5, -1, "name", None])
def test_fd_takes_no_plain_number(wrong) -> None:
    """fd() refuses what is neither file nor mock, by its value."""
    with pytest.raises(ValueError, match=f"no file descriptor in {wrong!r}"):
        asynctest.fd(wrong)


def test_a_mock_is_registered_once() -> None:
    """Registering it again is a KeyError that names mock and descriptor."""
    selector, file = asynctest.TestSelector(), asynctest.FileMock(name="the_file")
    selector.register(file, READ)
    with pytest.raises(KeyError, match=rf"the_file.*\(FD {int(file.fileno())}\) is already"):
        selector.register(file, READ)
    with pytest.raises(KeyError, match=rf"{int(file.fileno())}.* is already registered"):
        selector.register(file.fileno(), READ)


@pytest.mark.parametrize("make_ready", [asynctest.set_read_ready, asynctest.set_write_ready])
def test_a_loop_without_a_selector_is_named(make_ready) -> None:
    """A loop that has none to be seen, as uvloop, is refused, with what works."""

    class Loop:
        def __repr__(self):
            return "<its loop>"

    with pytest.raises(TypeError, match=r"<its loop> has no selector .*the_file"):
        make_ready(asynctest.FileMock(name="the_file"), Loop())


@pytest.mark.parametrize("method", ["unregister", "modify", "get_key"])
def test_an_unregistered_descriptor_is_named(method) -> None:
    """What is not registered can't be removed, changed or looked up."""
    selector, descriptor = asynctest.TestSelector(), asynctest.FileDescriptor()
    arguments = (descriptor, READ) if method == "modify" else (descriptor,)
    with pytest.raises(KeyError, match=rf"\b{int(descriptor)} is not registered"):
        getattr(selector, method)(*arguments)


@pytest.mark.parametrize("scope", [asynctest.GLOBAL, asynctest.LIMITED])
def test_a_patch_of_a_missing_attribute_is_named(scope) -> None:
    """However the patch is used, the attribute is an AttributeError, and nothing is patched."""
    patch = asynctest.patch.object(Client, "missing", scope=scope)
    with pytest.raises(AttributeError, match=r"Client.*'missing'"):
        patch.start()

    @asynctest.patch.object(Client, "value", 2, scope=scope)
    @asynctest.patch.object(Client, "missing", scope=scope)
    async def patched(missing):
        raise AssertionError

    with pytest.raises(AttributeError, match=r"Client.*'missing'"):
        asyncio.run(patched())
    assert Client.value == 1
    with pytest.raises(AttributeError, match="no_such_name"):
        asynctest.patch("asyncio.no_such_name").start()


@pytest.mark.parametrize("scope", ["LIMITED", 3, None])
def test_an_unknown_scope_is_refused(scope) -> None:
    """A scope is GLOBAL or LIMITED, and no other value that may look like it."""
    for patch in (
        lambda: asynctest.patch("asyncio.sleep", scope=scope),
        lambda: asynctest.patch.dict({}, scope=scope),
        lambda: asynctest.patch.multiple(Client, value=1, scope=scope),
    ):
        with pytest.raises(TypeError, match=f"GLOBAL or asynctest.LIMITED, not {scope!r}"):
            patch()


def test_an_assertion_awaits_awaitables_only(run_case) -> None:
    """A function that was not called is a TypeError of the test, never the error it waits for."""

    class Asserting(asynctest.TestCase):
        async def test_raises(self):
            await self.assertAsyncRaises(TypeError, function)

        async def test_warns(self):
            await self.assertAsyncWarns(UserWarning, 5)

    result = run_case(Asserting)
    assert "an awaitable was expected, not <function function" in result.errors[0][1]
    assert "an awaitable was expected, not 5" in result.errors[1][1]
