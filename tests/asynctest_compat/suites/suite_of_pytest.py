"""Mocks and patches without any TestCase, beside fixtures. Run by test_as_asynctest.py."""

import asyncio

import asynctest
import pytest
from asynctest import LIMITED, CoroutineMock, patch


class Target:
    value = 1

    async def get(self):
        return "real"


numbers = {}


@pytest.fixture
def five():
    return 5


@patch.object(Target, "get")
async def test_a_mock_and_a_fixture(get, five):
    get.return_value = five
    assert await Target().get() == 5
    get.assert_awaited_once_with()


@patch.dict(numbers, a=1)
@patch.object(Target, "get", scope=LIMITED)
async def test_a_dict_a_mock_and_a_fixture(get, five):
    await asyncio.sleep(0)
    assert isinstance(get, CoroutineMock)
    assert (numbers, five) == ({"a": 1}, 5)


@patch.dict(numbers, a=1)
async def test_a_dict_and_a_fixture(five):
    assert (numbers, five) == ({"a": 1}, 5)


@patch.object(Target, "value", 7)
@pytest.mark.parametrize("parameter", [1, 2])
async def test_a_parameter(parameter, five):
    assert (Target.value, parameter in {1, 2}, five) == (7, True, 5)


@patch.object(Target, "get")
def test_a_plain_function(get, five):
    assert isinstance(Target.get, CoroutineMock)
    assert five == 5


@pytest.fixture
@patch.object(Target, "value", 9)
async def patched_fixture():
    await asyncio.sleep(0)
    yield Target.value
    assert Target.value == 9


async def test_a_patched_fixture(patched_fixture):
    assert (patched_fixture, Target.value) == (9, 9)


@patch.object(Target, "get")
class TestPatched:
    async def test_a_method(self, get, five):
        assert Target.get is get
        assert five == 5

    def test_a_plain_method(self, get, five):
        assert Target.get is get


async def test_sockets_and_callbacks():
    loop = asyncio.get_running_loop()
    loop._selector = asynctest.TestSelector(loop._selector)
    mock = asynctest.SocketMock()
    mock.recv.side_effect = [b"line\n", b""]
    reader, writer = await asyncio.open_connection(sock=mock)
    asynctest.set_read_ready(mock, loop)
    assert await reader.readline() == b"line\n"
    writer.close()
    await asynctest.exhaust_callbacks(loop)
