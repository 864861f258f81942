"""Tools that put something in the place of Python's functions, modules and clients, in a run."""

from __future__ import annotations

import asyncio
import os
import pathlib
import socket
import subprocess
import sys
import time

import pytest

import simloop

pytest_plugins = ["pytester"]

HERE = 1_704_067_200.0

_SUBPROCESS = "pytest_subprocess.fixtures"

FAKE_FILES = """
import asyncio, os, pathlib, sys, time

async def main():
    await asyncio.sleep(10)
    with open("/report.txt", "w") as file:
        file.write("done")
    pathlib.Path("/folder").mkdir()

    async def echo(reader, writer):
        writer.write(await reader.read(5))
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 80)
    reader, writer = await asyncio.open_connection("127.0.0.1", 80)
    writer.write(b"hello")
    echoed = await reader.read()
    writer.close()
    server.close()
    ends = os.pipe()
    os.write(ends[1], b"x")
    piped = os.read(ends[0], 1)
    for end in ends:
        os.close(end)
    folder = await asyncio.to_thread(os.getcwd)
    times = os.stat("/report.txt").st_mtime, time.time()
    return sorted(os.listdir("/")), echoed, piped, folder, times, os.getpid() == {pid}

async def plain():
    await asyncio.sleep(5)
    return os.path.exists("/report.txt"), time.time()
"""

ORDERS = {
    "a first run within": (
        "from pyfakefs.fake_filesystem_unittest import Patcher\n"
        "with Patcher():\n    import simloop\n    told = simloop.run(main())\n"
    ),
    "the tool first": (
        "from pyfakefs.fake_filesystem_unittest import Patcher\nimport simloop\n"
        "simloop.run(plain())\nwith Patcher():\n    told = simloop.run(main())\n"
    ),
    "the tool after a run": (
        "import simloop\nsimloop.run(plain())\n"
        "from pyfakefs.fake_filesystem_unittest import Patcher\n"
        "with Patcher():\n    told = simloop.run(main())\n    simloop.run(plain())\n"
    ),
    "the block in a run": (
        "import simloop\n"
        "async def within():\n"
        "    from pyfakefs.fake_filesystem_unittest import Patcher\n"
        "    with Patcher():\n        return await main()\n"
        "told = simloop.run(within())\n"
    ),
    "a file system first": (
        "from pyfakefs.fake_filesystem_unittest import Patcher\n"
        "import simloop\nwith Patcher():\n    first = simloop.run(plain())\n"
        "with Patcher():\n    told = simloop.run(main())\n"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS)
def test_fake_files(order):
    """Whatever comes first, a program sees the fake files, with the run's times, and all else."""
    pytest.importorskip("pyfakefs")
    program = (
        f"{FAKE_FILES.format(pid=1000)}{ORDERS[order]}print(told)\nprint(simloop.run(plain()))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode == 0, ended.stderr
    told, after = ended.stdout.splitlines()
    names = ["folder", "report.txt", "tmp"]
    expected = (names, b"hello", b"x", "/", (HERE + 10, HERE + 10), True)
    assert told == repr(expected)
    assert after == repr((False, HERE + 5))


TESTS = """
import asyncio, os, socket, subprocess, time
import pytest

pytestmark = pytest.mark.simloop


async def test_time(mocker):
    mocker.patch("time.time", return_value=5.0)
    await asyncio.sleep(10)
    assert time.time() == 5.0
    mocker.stopall()
    assert time.time() == 1_704_067_210.0


async def test_sleep(mocker):
    sleep = mocker.patch("time.sleep")
    time.sleep(1000)
    await asyncio.to_thread(time.sleep, 5)
    assert asyncio.get_running_loop().time() == 0
    assert sleep.call_count == 2
    mocker.stopall()
    await asyncio.to_thread(time.sleep, 5)
    assert asyncio.get_running_loop().time() == 5


async def test_monotonic(mocker):
    mocker.patch("time.monotonic", return_value=5.0)
    await asyncio.wait_for(asyncio.sleep(10), 20)
    assert await asyncio.to_thread(time.monotonic) == 5.0


async def test_spy(mocker):
    spy = mocker.spy(time, "sleep")
    time.sleep(5)
    assert spy.call_count == 1
    assert asyncio.get_running_loop().time() == 5


async def test_sockets(mocker):
    made = mocker.patch("socket.socket")
    socket.socket().connect(("1.2.3.4", 5))
    made.return_value.connect.assert_called_once()
    mocker.stopall()
    with socket.socket() as sock:
        assert isinstance(sock, socket.socket)


async def test_names(mocker):
    there = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))
    mocker.patch("socket.getaddrinfo", return_value=[there])

    async def serve(reader, writer):
        writer.write(b"x")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 80)
    reader, writer = await asyncio.open_connection("nowhere.example", 80)
    assert await reader.read() == b"x"
    writer.close()
    server.close()


async def test_what_the_engine_uses_too(mocker):
    mocker.patch("os.urandom", return_value=b"abcd")
    mocker.patch("builtins.open", mocker.mock_open(read_data="hey"))
    mocker.patch("os.getpid", return_value=3)
    assert (os.urandom(4), open("/nowhere").read(), os.getpid()) == (b"abcd", "hey", 3)
    await asyncio.sleep(4)


async def test_socket_disabled(socket_disabled):
    import pytest_socket

    with pytest.raises(pytest_socket.SocketBlockedError), pytest.warns(UserWarning):
        socket.socket()
    await asyncio.sleep(5)


@pytest.mark.allow_hosts(["10.0.0.0/8", "127.0.0.1"])
async def test_hosts_that_are_allowed():
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        client.close()


@pytest.mark.allow_hosts(["10.0.0.1"])
async def test_hosts_that_are_not_allowed():
    import pytest_socket

    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.warns(UserWarning), pytest.raises(pytest_socket.SocketConnectBlockedError):
            socket.create_connection(server.getsockname())
        with socket.socket() as client:
            client.setblocking(False)
            await loop.sock_connect(client, server.getsockname())
        _, writer = await asyncio.open_connection(*server.getsockname())
        writer.close()


async def test_a_mock_of_connect(mocker):
    connect = mocker.patch("socket.socket.connect")
    with socket.socket() as client:
        client.connect(("10.0.0.1", 80))
    connect.assert_called_once_with(("10.0.0.1", 80))
    mocker.stopall()
    with socket.socket() as client, pytest.raises(ConnectionRefusedError):
        client.connect(("127.0.0.1", 80))


async def test_responses():
    import requests
    import responses

    with responses.RequestsMock() as mock:
        mock.get("http://nowhere/x", json={"a": 1})
        assert requests.get("http://nowhere/x").json() == {"a": 1}
        assert (await asyncio.to_thread(requests.get, "http://nowhere/x")).json() == {"a": 1}


async def test_processes(fp):
    fp.register(["git", "branch"], stdout=["main"], returncode=0, occurrences=2)
    ended = subprocess.run(["git", "branch"], capture_output=True, text=True)
    assert ended.stdout == "main\\n"
    process = await asyncio.create_subprocess_exec("git", "branch", stdout=subprocess.PIPE)
    assert (await process.communicate())[0] == b"main\\n"


async def test_after_them():
    assert time.time() == 1_704_067_200.0
    socket.socket().close()
"""


@pytest.mark.slow
def test_mocks(pytester, monkeypatch):
    """What a test patches is patched in its run, the engine goes on, and after it nothing is."""
    for tool in ("pytest_mock", "pytest_socket", "responses", "pytest_subprocess"):
        pytest.importorskip(tool)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(TESTS)
    plugins = ("simloop.testing.plugin", "pytest_mock", "pytest_socket", _SUBPROCESS)
    options = [word for name in plugins for word in ("-p", name)]
    result = pytester.runpytest_subprocess(*options, "-p", "no:cacheprovider")
    result.assert_outcomes(passed=14)


def test_the_real_functions_are_back():
    """After runs Python's functions are its own, and the process its own."""

    async def main():
        return time.time(), os.getpid(), pathlib.Path.cwd(), socket.gethostname()

    told = simloop.run(main())
    assert told[0] == HERE
    assert told[1] != os.getpid()
    assert time.time() > HERE
    assert asyncio.run(asyncio.sleep(0, result=5)) == 5
