"""Mocks that are awaited, and patches that know coroutines."""

from __future__ import annotations

import asyncio
import socket

import pytest

import asynctest_compat as asynctest
import simloop


class Client:
    """What the tests patch."""

    async def fetch(self, number: int) -> int:
        return number

    def plain(self) -> str:
        return "plain"


def run(main):
    return simloop.run(main())


def test_a_coroutine_mock_counts_awaits_not_calls() -> None:
    """Calls and awaits are told apart, and asserted apart."""

    async def main():
        mock = asynctest.CoroutineMock(return_value=5)
        pending = mock(1, key=2)
        assert mock.called
        mock.assert_not_awaited()
        assert await pending == 5
        mock.assert_awaited_once_with(1, key=2)
        mock.assert_any_await(1, key=2)
        assert mock.await_count == 1
        assert mock.await_args == asynctest.call(1, key=2)
        mock.reset_mock()
        mock.assert_not_awaited()

    run(main)


def test_errors_come_at_the_await() -> None:
    """A side effect that is an exception is raised by the await, not by the call."""

    async def main():
        mock = asynctest.CoroutineMock(side_effect=OSError("gone"))
        pending = mock()
        with pytest.raises(OSError, match="gone"):
            await pending

    run(main)


def test_a_test_may_wait_for_awaits() -> None:
    """awaited.wait() goes on when the mock was awaited."""

    async def main():
        mock = asynctest.CoroutineMock()
        loop = asyncio.get_running_loop()
        loop.call_later(60, lambda: loop.create_task(mock()))
        assert not mock.awaited
        await mock.awaited.wait()
        assert mock.awaited
        return loop.time()

    assert run(main) == 60.0


def test_a_spec_gives_coroutine_mocks_for_coroutines() -> None:
    """Attributes that are coroutine functions on the spec are CoroutineMocks."""

    async def main():
        mock = asynctest.MagicMock(Client)
        assert isinstance(mock.fetch, asynctest.CoroutineMock)
        assert not isinstance(mock.plain, asynctest.CoroutineMock)
        mock.fetch.return_value = 7
        assert await mock.fetch(1) == 7
        with pytest.raises(AttributeError):
            mock.missing  # noqa: B018 - asking is the test

    run(main)


def test_magic_mocks_are_async_context_managers_and_iterators() -> None:
    """Both async with and async for work on a MagicMock."""

    async def main():
        mock = asynctest.MagicMock()
        async with mock as inner:
            assert inner is not mock
        mock.__aiter__.return_value = [1, 2, 3]
        return [item async for item in mock]

    assert run(main) == [1, 2, 3]


def test_patch_gives_a_coroutine_mock_for_a_coroutine() -> None:
    """Patching a coroutine function replaces it by something to await."""

    async def main():
        with asynctest.patch.object(Client, "fetch") as fetch:
            fetch.return_value = "patched"
            assert await Client().fetch(1) == "patched"
        return await Client().fetch(1)

    assert run(main) == 1


@pytest.mark.parametrize("scope", [asynctest.GLOBAL, asynctest.LIMITED])
def test_a_patched_coroutine_is_patched_by_scope(scope) -> None:
    """GLOBAL patches while the coroutine waits too, LIMITED only while it runs itself."""
    target = {"value": "real"}
    seen = []

    @asynctest.patch.dict(target, {"value": "patched"}, scope=scope)
    async def patched():
        seen.append(("inside", target["value"]))
        await asyncio.sleep(10)
        seen.append(("inside", target["value"]))

    async def main():
        task = asyncio.ensure_future(patched())
        await asyncio.sleep(5)
        seen.append(("outside", target["value"]))
        await task

    run(main)
    expected = "patched" if scope is asynctest.GLOBAL else "real"
    assert seen == [("inside", "patched"), ("outside", expected), ("inside", "patched")]
    assert target == {"value": "real"}


def test_a_patch_of_a_missing_attribute_is_refused() -> None:
    """Patching what is not there is an error that names it."""
    with pytest.raises(AttributeError, match="missing"), asynctest.patch.object(Client, "missing"):
        pass


@pytest.mark.parametrize("loop_factory", [simloop.SimLoop, asyncio.SelectorEventLoop])
def test_a_socket_mock_feeds_a_stream(loop_factory) -> None:
    """open_connection(sock=SocketMock()) reads what recv gives when it is made ready."""

    async def main():
        loop = asyncio.get_running_loop()
        mock = asynctest.SocketMock()
        mock.type = socket.SOCK_STREAM
        mock.recv.side_effect = [b"hello\n", b""]
        mock.send.side_effect = len
        reader, writer = await asyncio.open_connection(sock=mock)
        asynctest.set_read_ready(mock, loop)
        line = await reader.readline()
        writer.close()
        return line

    loop = loop_factory()
    loop._selector = asynctest.TestSelector(loop._selector)
    try:
        assert loop.run_until_complete(main()) == b"hello\n"
    finally:
        loop.close()


def test_descriptors_are_told_from_numbers() -> None:
    """fd() takes mocks and descriptors; a plain number that is no mock's is passed or refused."""
    first, second = asynctest.FileDescriptor(), asynctest.FileDescriptor()
    assert second == first + 1
    assert hash(first) != hash(int(first))
    mock = asynctest.FileMock()
    assert asynctest.isfilemock(mock)
    assert asynctest.fd(mock) == mock.fileno()
