"""Other people's frameworks: one suite under each of them, moved over by one setting."""

from __future__ import annotations

import sys
import textwrap

import pytest

pytest_plugins = ["pytester"]

SUITE = """
import asyncio
import pytest


async def test_sleep():
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.sleep(3600)
    assert loop.time() == began + 3600.0


async def test_server():
    async def echo(reader, writer):
        writer.write(await reader.readexactly(5))
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(echo, "127.0.0.1", 8080)
    async with server:
        reader, writer = await asyncio.open_connection("127.0.0.1", 8080)
        writer.write(b"hello")
        assert await reader.read() == b"hello"
        writer.close()
        await writer.wait_closed()


async def test_timeout():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(86_400):
            await asyncio.Event().wait()
"""

PYTEST = """
@pytest.mark.parametrize("hours", [1, 2])
@pytest.mark.parametrize("tasks", [1, 3])
async def test_parameters(hours, tasks):
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*[asyncio.sleep(3600 * hours) for _ in range(tasks)])
    assert asyncio.get_running_loop().time() == began + 3600.0 * hours


async def test_subtests(subtests, tmp_path):
    for hours in range(3):
        with subtests.test(hours=hours):
            await asyncio.sleep(3600 * hours)


class TestMethods:
    async def test_method(self, caplog):
        await asyncio.sleep(3600)
"""

FIXTURE = """
@{fixture}
async def clock():
    await asyncio.sleep(60)
    yield asyncio.get_running_loop()
    await asyncio.sleep(60)


async def test_fixture(clock):
    assert clock is asyncio.get_running_loop()
"""

BY_MARK = """
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker("simloop")
"""

BY_PYTEST_ASYNCIO = """
import simloop

def pytest_asyncio_loop_factories(config, item):
    return {"simloop": simloop.SimLoop}
"""

BY_ANYIO = """
import pytest
import simloop

@pytest.fixture
def anyio_backend():
    return "asyncio", {"loop_factory": simloop.SimLoop}
"""

ASYNCIO_ARGS = (
    *("-p", "asyncio", "-o", "asyncio_mode=auto"),
    *("-o", "asyncio_default_fixture_loop_scope=function"),
)
PLAIN = "pytest.fixture"
WAYS = {
    "mark": (BY_MARK, PLAIN, ("-p", "simloop.testing.plugin")),
    "auto": ("", PLAIN, ("-p", "simloop.testing.plugin", "-o", "simloop_mode=auto")),
    "pytest-asyncio": (BY_PYTEST_ASYNCIO, PLAIN, ASYNCIO_ARGS),
    "anyio": (BY_ANYIO, PLAIN, ("-p", "anyio", "-o", "anyio_mode=auto")),
    "aiohttp": (
        "import pytest\n@pytest.fixture\ndef loop(simloop_loop): return simloop_loop",
        PLAIN,
        ("-p", "simloop.testing.plugin", "-p", "aiohttp.pytest_plugin", "-o", "simloop_mode=auto"),
    ),
}


@pytest.fixture
def alone(monkeypatch):
    """Load only the plugins that a test names."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("way", WAYS)
def test_one_suite_under_every_plugin(pytester, way) -> None:
    """The same file, with an async fixture, passes in virtual time under each plugin."""
    conftest, fixture, args = WAYS[way]
    pytester.makeconftest(conftest)
    pytester.makepyfile(test_suite=SUITE + PYTEST + FIXTURE.format(fixture=fixture))
    result = pytester.runpytest_inprocess(*args)
    result.assert_outcomes(passed=10)


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("way", ["mark", "pytest-asyncio", "anyio"])
def test_one_suite_in_workers(pytester, way) -> None:
    """The same, spread over two processes by xdist."""
    conftest, fixture, args = WAYS[way]
    pytester.makeconftest(conftest)
    pytester.makepyfile(test_suite=SUITE + PYTEST + FIXTURE.format(fixture=fixture))
    result = pytester.runpytest_inprocess(*args, "-p", "xdist", "-n2")
    result.assert_outcomes(passed=10)


CASE = """
import test_suite
from simloop.testing import SimTestCase

class TestSuite(SimTestCase):
    test_sleep = staticmethod(test_suite.test_sleep)
    test_server = staticmethod(test_suite.test_server)
    test_timeout = staticmethod(test_suite.test_timeout)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
def test_the_suite_as_a_test_case(pytester) -> None:
    """The same functions pass as methods of a SimTestCase, under unittest itself."""
    pytester.makepyfile(test_suite=SUITE, test_case=CASE)
    result = pytester.run(sys.executable, "-m", "unittest", "test_case")
    result.stderr.fnmatch_lines(["Ran 3 tests in *", "OK"])


AIOHTTP = """
import asyncio
from aiohttp import web
import pytest

pytestmark = pytest.mark.simloop

@pytest.fixture
def loop(simloop_loop):
    return simloop_loop

async def slow(request):
    await asyncio.sleep(200)
    return web.Response(text="at last")

async def test_client(aiohttp_client):
    app = web.Application()
    app.router.add_get("/", slow)
    client = await aiohttp_client(app)
    answer = await client.get("/")
    assert await answer.text() == "at last"
    assert asyncio.get_running_loop().time() >= 200
"""


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
def test_aiohttps_client_and_server(pytester) -> None:
    """The plugin of aiohttp serves an application in virtual time, given our loop as its own."""
    pytester.makepyfile(textwrap.dedent(AIOHTTP))
    result = pytester.runpytest_inprocess(
        "-p", "simloop.testing.plugin", "-p", "aiohttp.pytest_plugin"
    )
    result.assert_outcomes(passed=1)


SCOPED = """
import asyncio, pytest, pytest_asyncio, simloop

@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def loop():
    await asyncio.sleep(60)
    yield asyncio.get_running_loop()

@pytest.mark.asyncio(loop_scope="module", loop_factories=["simloop"])
@pytest.mark.parametrize("n", [1, 2])
async def test_it(loop, n):
    await asyncio.sleep(3600)
    assert loop is asyncio.get_running_loop()
    assert isinstance(loop, simloop.SimLoop)
    assert loop.time() == 60 + 3600 * n

@pytest.mark.asyncio(loop_factories=["real"])
async def test_real():
    assert not isinstance(asyncio.get_running_loop(), simloop.SimLoop)
"""

BOTH_FACTORIES = """
import asyncio, simloop

def pytest_asyncio_loop_factories(config, item):
    return {"simloop": simloop.SimLoop, "real": asyncio.new_event_loop}
"""


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
def test_pytest_asyncios_mark_chooses_the_loop(pytester) -> None:
    """With several factories the mark says which tests run simulated, in loops of any scope."""
    pytester.makeconftest(BOTH_FACTORIES)
    pytester.makepyfile(SCOPED)
    result = pytester.runpytest_inprocess(
        *("-p", "asyncio", "-o", "asyncio_default_fixture_loop_scope=function")
    )
    result.assert_outcomes(passed=3)


PYTEST_AIOHTTP = """
import asyncio
import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
import pytest
import simloop

pytestmark = pytest.mark.{mark}

async def slow(request):
    await asyncio.sleep(200)
    return web.Response(text="at last")

def app():
    app = web.Application()
    app.router.add_get("/", slow)
    return app

async def test_client(aiohttp_client):
    client = await aiohttp_client(app())
    assert await (await client.get("/")).text() == "at last"
    assert asyncio.get_running_loop().time() >= 200
    assert isinstance(asyncio.get_running_loop(), simloop.SimLoop)

async def test_server(aiohttp_server):
    server = await aiohttp_server(app())
    async with aiohttp.ClientSession() as session, session.get(server.make_url("/")) as answer:
        assert await answer.text() == "at last"

async def test_no_fixture():
    async with TestClient(TestServer(app())) as client:
        assert (await client.get("/")).status == 200
"""


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("mark", "conftest", "mode"),
    [
        ("simloop", "", "strict"),
        ("simloop", "", "auto"),
        ("asyncio", BY_PYTEST_ASYNCIO, "strict"),
        ("asyncio", BY_PYTEST_ASYNCIO, "auto"),
    ],
)
def test_pytest_aiohttp(pytester, mark, conftest, mode) -> None:
    """Its clients and servers live in virtual time, by our mark or by pytest-asyncio's setting."""
    pytester.makeconftest(conftest)
    pytester.makepyfile(PYTEST_AIOHTTP.format(mark=mark))
    result = pytester.runpytest_inprocess(
        *("-p", "simloop.testing.plugin", *ASYNCIO_ARGS, "-o", f"asyncio_mode={mode}"),
        *("-p", "pytest_aiohttp.plugin"),
    )
    result.assert_outcomes(passed=3)


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("options", [(), ("--looptime",)])
def test_looptime_beside_pytest_asyncio(pytester, options) -> None:
    """A suite whose loops are ours by pytest-asyncio's setting does not mind looptime."""
    pytest.importorskip("looptime")
    pytester.makeconftest(BY_PYTEST_ASYNCIO)
    pytester.makepyfile(test_suite=SUITE + PYTEST + FIXTURE.format(fixture=PLAIN))
    result = pytester.runpytest_inprocess(*ASYNCIO_ARGS, "-p", "looptime_plugin", *options)
    result.assert_outcomes(passed=10)
