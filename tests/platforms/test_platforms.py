"""All that is virtual works on macOS and Windows, as far as this machine can show it.

The harness, ``elsewhere.py``, gives a process the names and modules of those platforms only. CI
runs the engine's suite on it too (``.ci/run``); what is here are its front doors.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import simloop
from simloop._first_load import refuse_other_pythons
from simloop._loop.io import unix
from simloop._loop.transports.pipe_transport import PipeReadTransport, PipeWriteTransport
from simloop.net.linux import fcntl_names, numbers_of, os_names, platform_module, signal_names

HERE = Path(__file__).parent
ELSEWHERE = ("darwin", "win32")

needs_typeshed = pytest.mark.skipif(
    not importlib.util.find_spec("mypy"), reason="typeshed comes with mypy, of the extra dev"
)


def run(platform, *arguments, cwd=None):
    """Run Python as if on another platform; return its output, errors and status."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    line = [sys.executable, "-W", "error", str(HERE / "elsewhere.py"), platform, *arguments]
    return subprocess.run(
        line, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300
    )


@functools.cache
def on_linux():
    """Run the program of everything as it is here."""
    return run("linux", str(HERE / "everything.py"))


# The names -------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="the numbers are Linux's")
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("socket_names", "socket"),
        ("os_names", "os"),
        ("select_names", "select"),
        ("signal_names", "signal"),
        ("fcntl_names", "fcntl"),
        ("fcntl_names", "termios"),
    ],
)
def test_the_numbers_of_our_tables_are_those_of_linux(ours, theirs, monkeypatch):
    """Each constant that a platform may lack has, in our table, the number that Linux gives it."""
    module, real = importlib.import_module(f"simloop.net.linux.{ours}"), platform_module(theirs)
    tables = []

    def note(_module, lacking):
        tables.append(lacking)
        return numbers_of(_module, lacking)

    monkeypatch.setattr("simloop.net.linux.numbers_of", note)
    importlib.reload(module)
    numbers = {name: number for table in tables for name, number in table.items()}
    assert numbers
    known = {name: getattr(real, name) for name in numbers if hasattr(real, name)}
    # On Linux poll's and epoll's bits, and a flag of a shift, may be spelt as negative numbers.
    assert {name: numbers[name] & 0xFFFFFFFF for name in known} == {
        name: int(value) & 0xFFFFFFFF for name, value in known.items()
    }
    assert known


def test_a_number_that_a_platform_gives_to_something_else_is_not_ours():
    """A lacking signal gets no number of another one; what is there keeps its own."""
    module = type(signal)("signal")
    vars(module).update(SIGTERM=15, SIGBREAK=21, SIG_DFL=0)
    found = numbers_of(module, {"SIGTERM": 99, "SIGTTIN": 21, "SIGKILL": 9})
    assert found["SIGTERM"] == 15
    assert found["SIGKILL"] == 9
    assert found["SIGTTIN"] not in (21, 15, 9)


def test_a_module_that_is_not_there_is_empty():
    """The stand-in has no names, and its import is no error."""
    assert vars(platform_module("no_such_module")).keys() <= {
        *("__doc__", "__loader__", "__name__", "__package__", "__spec__")
    }
    assert platform_module("socket") is socket
    assert (os_names.WNOHANG, fcntl_names.F_GETFL) == (1, 3)


def test_signals_have_names_and_limits():
    """A signal of the world is valid and has a name, on every platform; others are not."""
    assert signal_names.name_of(9) == "SIGKILL"
    assert signal_names.name_of(4711) == "4711"
    assert signal_names.is_valid(15)
    assert not signal_names.is_valid(4711)


@pytest.mark.parametrize(("name", "header_bytes"), [("pypy", 16), ("cpython", 32)])
def test_a_python_that_lacks_what_we_need_is_told_so(name, header_bytes):
    """PyPy and a free-threaded build are refused, by what they lack and which Python will do."""
    with pytest.raises(simloop.UnsupportedError, match="run it on"):
        refuse_other_pythons(name, header_bytes)
    assert refuse_other_pythons("cpython", object.__basicsize__) is None


# Pipes where asyncio has no transports ------------------------------------------------------------


async def pipe_story():
    """Return what the protocols of two ends of pipes are told: much, the end, a broken pipe."""
    loop, told = asyncio.get_running_loop(), []

    class Reading(asyncio.Protocol):
        def connection_made(self, transport):
            told.append(("made", transport.is_reading()))

        def data_received(self, data):
            told.append(("data", len(data), loop.time()))

        def eof_received(self):
            told.append("eof")

        def connection_lost(self, exc):
            told.append(("lost", type(exc)))

    class Writing(asyncio.BaseProtocol):
        def pause_writing(self):
            told.append(("pause", loop.time()))

        def resume_writing(self):
            told.append(("resume", loop.time()))

        def connection_lost(self, exc):
            told.append(("written", type(exc)))

    async def ends():
        reading, writing = os.pipe()
        return (
            (await loop.connect_read_pipe(Reading, os.fdopen(reading, "rb", 0)))[0],
            (await loop.connect_write_pipe(Writing, os.fdopen(writing, "wb", 0)))[0],
        )

    reader, writer = await ends()
    reader.pause_reading()
    writer.write(b"x" * 200_000)
    told.append(("waiting", writer.get_write_buffer_size(), writer.can_write_eof()))
    await asyncio.sleep(1)
    reader.resume_reading()
    writer.write(b"")
    writer.write_eof()
    told.append((writer.is_closing(), "closing" in repr(writer), reader.get_protocol() is not None))
    await asyncio.sleep(1)
    told.append("closed" in repr(reader))
    reader, writer = await ends()
    writer.write(b"y" * 100_000)
    reader.close()
    await asyncio.sleep(1)
    for _ in range(7):
        writer.write(b"lost")
    reader, writer = await ends()
    reader.pause_reading()
    writer.write(b"z" * 100_000)
    writer.abort()
    reader.resume_reading()
    await asyncio.sleep(1)
    return told


@pytest.mark.skipif(not hasattr(os, "pipe2"), reason="asyncio has none here to compare with")
def test_our_transports_of_pipes_are_asyncios(monkeypatch, caplog):
    """What protocols are told, and when, is the same by our transports and by asyncio's own."""
    expected = simloop.run(pipe_story())
    warned = caplog.text
    caplog.clear()
    monkeypatch.setattr(unix, "_ReadTransport", PipeReadTransport)
    monkeypatch.setattr(unix, "_WriteTransport", PipeWriteTransport)
    assert simloop.run(pipe_story()) == expected
    assert ("pipe closed by peer" in caplog.text) == ("pipe closed by peer" in warned)
    assert "eof" in expected
    assert ("written", BrokenPipeError) in expected


# On the harness -----------------------------------------------------------------------------------


@needs_typeshed
@pytest.mark.slow
@pytest.mark.parametrize(
    ("platform", "there", "gone"),
    [
        ("darwin", "os.fork, fcntl.flock", "os.pipe2 select.epoll socket.SO_DOMAIN"),
        ("win32", "os.getpid, signal.SIGTERM", "os.fork signal.SIGKILL socket.AF_UNIX select.poll"),
    ],
)
def test_the_harness_takes_away_what_a_platform_lacks(platform, there, gone):
    """Names that typeshed has for Linux only are gone, those of both are there."""
    program = (
        f"import os, select, signal, socket, sys\nassert sys.platform == {platform!r}\n"
        "try: import fcntl\nexcept ImportError: print('no fcntl')\n"
        f"{there}\nfor name in {gone.split()!r}:\n"
        " module, _, each = name.partition('.')\n assert not hasattr(globals()[module], each), name"
    )
    done = run(platform, "-c", program)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.strip() == ("no fcntl" if platform == "win32" else "")


@needs_typeshed
@pytest.mark.slow
@pytest.mark.parametrize("platform", ELSEWHERE)
def test_a_program_is_the_same_on_each_platform(platform):
    """Network, processes, threads, signals, names: what is printed is what Linux prints."""
    here = on_linux()
    there = run(platform, str(HERE / "everything.py"))
    assert here.returncode == 0, here.stderr
    assert (there.stdout, there.stderr) == (here.stdout, here.stderr)


SUITE = """\
import asyncio
import pytest
import asynctest_compat as asynctest

@pytest.mark.simloop(autojump=False)
async def test_by_hand(simloop_loop):
    bell = asyncio.create_task(asyncio.sleep(60, "ring"))
    await simloop_loop.advance(60)
    assert bell.result() == "ring"

@pytest.mark.simloop(explore=5)
async def test_explored():
    await asyncio.gather(asyncio.sleep(1), asyncio.sleep(2))

class TestCase(asynctest.ClockedTestCase):
    async def test_it(self):
        done = asyncio.ensure_future(asyncio.sleep(60, "done"))
        await self.advance(60)
        self.assertEqual(done.result(), "done")
"""


@needs_typeshed
@pytest.mark.slow
@pytest.mark.parametrize("platform", ELSEWHERE)
def test_a_suite_runs_on_each_platform(platform, tmp_path):
    """The plugin, an explored test and asynctest's cases work."""
    (tmp_path / "test_suite.py").write_text(SUITE)
    done = run(platform, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


@needs_typeshed
@pytest.mark.slow
@pytest.mark.parametrize("platform", ELSEWHERE)
def test_the_command_runs_a_program_on_each_platform(platform, tmp_path):
    """``simloop run`` gives its closing line, and ``explore`` its report."""
    (tmp_path / "app.py").write_text(
        "import asyncio\nasync def main():\n    await asyncio.sleep(3600)\n    print('slept')\n"
    )
    done = run(platform, "-m", "simloop", "run", "app.py:main", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "slept" in done.stdout
    assert "simloop: 1:00:00 virtual" in done.stderr
    done = run(platform, "-m", "simloop", "explore", "app.py:main", "--schedules=3", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_typeshed
@pytest.mark.slow
def test_what_needs_a_fork_says_so_and_names_the_way_out():
    """Workers that would be forked are refused on Windows, in a line that names executors."""
    program = (
        "import asyncio, simloop\n"
        "async def main(): await asyncio.sleep(1)\n"
        "try: simloop.sweep(main, seeds=range(4), jobs=2)\n"
        "except simloop.UnsupportedError as error: print(error)\n"
    )
    done = run("win32", "-c", program)
    assert done.returncode == 0, done.stderr
    assert "win32 has no fork(); give executor=ProcessPoolExecutor()" in done.stdout


@needs_typeshed
@pytest.mark.slow
@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_hosts_and_disks_say_that_they_need_linux(platform):
    """What stands on files of a run is refused with the reason, not by a missing name."""
    program = (
        "import simloop\n"
        "for ask in (lambda: simloop.World(disk=True), lambda: simloop.World().add_host('db')):\n"
        "    try: ask()\n"
        "    except simloop.UnsupportedError as error: print(error)\n"
    )
    done = run(platform, "-c", program)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith(f"World(disk=True) on '{platform}': ")
    assert "a container will do" in second
