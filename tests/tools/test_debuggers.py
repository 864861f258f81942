"""Debuggers and tracers: a run under one is the run without it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import textwrap

import pytest
from debug_adapter import DebugClient

import simloop

pytestmark = pytest.mark.slow  # A process for each tool, which is what users start.

TEST = """
import asyncio
import pathlib

import simloop


async def test_day():
    loop = asyncio.get_running_loop()
    for hour in range(24):
        await asyncio.sleep(3600)
        if hour == 9:
            answer = loop.time()
            await asyncio.sleep(60)
            answer = answer + 1
    assert answer == 36001.0
    assert loop.time() == 24 * 3600.0 + 60


def test_digest():
    async def main():
        await asyncio.gather(asyncio.sleep(5), asyncio.to_thread(print, "in a thread"))

    pathlib.Path("digest").write_text(simloop.simulate(main).digest)
"""
AT = TEST.splitlines().index("            answer = loop.time()") + 1

PROGRAM = """
import asyncio, random, sys, threading, time
import simloop

async def main():
    async def echo(reader, writer):
        writer.write(await reader.readexactly(5))
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 8080)
    reader, writer = await asyncio.open_connection("127.0.0.1", 8080)
    writer.write(b"hello")
    told = await reader.read()
    writer.close()
    server.close()
    await asyncio.to_thread(lambda: time.sleep(60))
    {stop}
    await asyncio.sleep(random.random())
    return told, time.time()

if __name__ == "__main__":
    outcome = simloop.simulate(main)
    print("digest", outcome.digest, outcome.value)
"""


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    return kept | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""} | more


def digest_of(path, *command, said="", **more):
    """Run the program under a command of Python's; return what it says of itself."""
    ended = subprocess.run(
        [sys.executable, *command, str(path)],
        input=said,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=path.parent,
        env=environment(**more),
    )
    lines = [line for line in ended.stdout.splitlines() if "digest " in line]
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert len(lines) == 1, ended.stdout + ended.stderr
    return lines[0].partition("digest ")[2]


@pytest.fixture
def program(tmp_path):
    def write(stop="pass"):
        path = tmp_path / "program.py"
        path.write_text(PROGRAM.format(stop=stop))
        return path

    return write


@contextlib.contextmanager
def listening(folder, *command):
    """Start pytest under debugpy, waiting for its client; gives a connected one and the process."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    started = [sys.executable, "-Xfrozen_modules=off", "-m", "debugpy", "--wait-for-client"]
    process = subprocess.Popen(
        [*started, "--listen", f"127.0.0.1:{port}", "-m", "pytest", "-q", *command],
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
    )
    client = DebugClient(port, process)
    try:
        yield client, process
    finally:
        client.close()
        process.kill()
        process.wait()


def test_a_session_of_an_editor(tmp_path):
    """A breakpoint in an async test is hit, shows variables and the run's time, and steps on."""
    pytest.importorskip("debugpy")
    path = tmp_path / "test_day.py"
    path.write_text(TEST)
    plain = [sys.executable, "-m", "pytest", "-q", "-p", "simloop.testing.plugin"]
    options = ("-o", "simloop_mode=auto", str(path))
    subprocess.run([*plain, *options], cwd=tmp_path, env=environment(), check=True)
    digest = (tmp_path / "digest").read_text()
    (tmp_path / "digest").unlink()
    with listening(tmp_path, "-p", "simloop.testing.plugin", *options) as (client, process):
        client.ask("initialize", adapterID="simloop", clientID="simloop")
        client.send("attach", justMyCode=True)
        client.wait_for("initialized")
        at = {"source": {"path": str(path)}, "breakpoints": [{"line": AT}]}
        (placed,) = client.ask("setBreakpoints", **at)["breakpoints"]
        assert placed["verified"]
        client.ask("configurationDone")
        stopped = client.wait_for("stopped")
        frame = client.top_frame(stopped)
        assert (frame["name"], frame["line"]) == ("test_day", AT)
        assert client.value(frame, "hour") == "9"
        # However long the user looks, no time passes in the run.
        assert client.value(frame, "loop.time()") == "36000.0"
        assert client.value(frame, "asyncio.current_task().get_name()") == "'Task-1'"
        assert client.value(frame, "__import__('time').time()") == "1704103200.0"
        stepped = []
        for _ in range(3):
            client.ask("next", threadId=stopped["threadId"])
            stopped = client.wait_for("stopped")
            frame = client.top_frame(stopped)
            stepped.append((frame["line"] - AT, client.value(frame, "loop.time()")))
        assert stepped == [(1, "36000.0"), (2, "36060.0"), (-3, "36060.0")]
        client.ask("setBreakpoints", **(at | {"breakpoints": []}))
        client.send("continue", threadId=stopped["threadId"])
        client.until_the_end()
        assert process.wait(100) == 0
    assert (tmp_path / "digest").read_text() == digest


def test_a_program_under_debugpy(program):
    """A program that VS Code starts runs in virtual time, with the digest that it has alone."""
    pytest.importorskip("debugpy")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    path = program()
    under = digest_of(path, "-m", "debugpy", "--listen", f"127.0.0.1:{port}")
    assert under == digest_of(path)


def test_pdb(program):
    """At a breakpoint of pdb's the program's variables and time can be read, and it goes on."""
    plain = digest_of(program())
    path = program("breakpoint()")
    commands = "p told\np asyncio.get_running_loop().time()\nnext\nnext\np time.time()\ncontinue\n"
    ended = subprocess.run(
        [sys.executable, str(path)],
        input=commands,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
        env=environment(),
    )
    assert "(Pdb) b'hello'" in ended.stdout
    assert "(Pdb) 60.0" in ended.stdout
    assert f"digest {plain}" in ended.stdout


@pytest.mark.parametrize(
    ("tool", "command", "more"),
    [
        ("coverage", ("-m", "coverage", "run", "--data-file=here"), {}),
        ("coverage", ("-m", "coverage", "run", "--data-file=here"), {"COVERAGE_CORE": "sysmon"}),
        ("coverage", ("-m", "coverage", "run", "--data-file=here"), {"COVERAGE_CORE": "pytrace"}),
        ("viztracer", ("-m", "viztracer", "-o", "here.json", "--quiet"), {}),
        ("cProfile", ("-m", "cProfile"), {}),
    ],
)
def test_tracers(program, tool, command, more):
    """A program that is measured or traced has the digest that it has alone."""
    pytest.importorskip(tool)
    path = program()
    if more.get("COVERAGE_CORE") == "sysmon" and sys.version_info < (3, 12):
        pytest.skip("sys.monitoring came with Python 3.12")
    assert digest_of(path, *command, **more) == digest_of(path)


@pytest.fixture
def main():
    scope = {"__name__": "program"}
    exec(compile(PROGRAM.format(stop="pass"), "program.py", "exec"), scope)  # noqa: S102
    return scope["main"]


def test_functions_that_trace(main, monkeypatch):
    """Functions set by sys.settrace and sys.setprofile hear of the run, which is the same."""
    plain = simloop.simulate(main)
    heard = []
    before = sys.gettrace(), sys.getprofile()
    sys.setprofile(lambda frame, event, arg: heard.append(event))
    sys.settrace(lambda frame, event, arg: heard.append(frame.f_code.co_name))
    try:
        traced = simloop.simulate(main)
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
    assert (traced.digest, traced.value) == (plain.digest, plain.value)
    assert {"main", "c_call"} <= {*heard}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with Python 3.12")
def test_monitoring(main):
    """A tool of sys.monitoring hears of the run, which is the same."""
    plain = simloop.simulate(main)
    monitoring, heard = sys.monitoring, []
    monitoring.use_tool_id(4, "simloop's test")
    try:
        events = monitoring.events.PY_START | monitoring.events.LINE | monitoring.events.CALL
        for event in (monitoring.events.PY_START, monitoring.events.LINE):
            monitoring.register_callback(4, event, lambda code, at: heard.append(code.co_name))
        monitoring.set_events(4, events)
        traced = simloop.simulate(main)
    finally:
        monitoring.set_events(4, 0)
        monitoring.free_tool_id(4)
    assert (traced.digest, traced.value) == (plain.digest, plain.value)
    assert "main" in heard


STANDING_IN_FRONT = """
import importlib, sys, types

kept = {}

def stand_in(key):
    return lambda *args, **kwargs: kept[key](*args, **kwargs)

NAMES = (
    *("time", "os", "posix", "builtins", "_thread", "_socket", "socket", "select", "_signal"),
    *("_posixsubprocess", "fcntl", "_locale", "pwd", "grp", "uuid", "io", "_io"),
)
OF_BUILTINS = ("open", "print")
for module in map(importlib.import_module, NAMES):
    for name, value in tuple(vars(module).items()):
        is_meant = module.__name__ not in ("builtins", "_io") or name in OF_BUILTINS
        if type(value) is types.BuiltinFunctionType and is_meant and name != "open_code":
            kept[module.__name__, name] = value
            setattr(module, name, stand_in((module.__name__, name)))

sys.path.insert(0, "")
import program
import simloop

told = [simloop.simulate(program.main)]
for (module, name), value in kept.items():
    setattr(sys.modules[module], name, value)
told.append(simloop.simulate(program.main))
assert told[0].value == told[1].value, told
assert told[0].digest == told[1].digest
assert len(kept) > 100
print("digest", told[1].digest, told[1].value)
"""


def test_functions_in_front_of_what_is_written_in_c(program, tmp_path):
    """Wherever a Python function stands in front of a C function at a first run, it is called."""
    _, value = digest_of(program()).split(" ", 1)
    path = tmp_path / "in_front.py"
    path.write_text(textwrap.dedent(STANDING_IN_FRONT))
    assert digest_of(path).split(" ", 1)[1] == value
