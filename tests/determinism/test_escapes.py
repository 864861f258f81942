"""Escapes from a world: refused at the line that did it; the world goes on, or ends cleanly."""

from __future__ import annotations

import asyncio
import http.client
import multiprocessing
import os
import select
import signal
import socket
import subprocess
import threading
import traceback
import urllib.request
from pathlib import Path

import pytest

import simloop


@pytest.fixture
def real():
    """A socket, a listener and a pipe of the machine, made outside."""

    class Real:
        client = socket.socket()
        listener = socket.create_server(("127.0.0.1", 0))
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        pipe = os.pipe()

    Real.datagrams.bind(("127.0.0.1", 0))
    yield Real
    for sock in (Real.client, Real.listener, Real.datagrams):
        sock.close()
    for fd in Real.pipe:
        os.close(fd)


def spawn():
    multiprocessing.get_context("spawn").Process(target=int).start()


ESCAPES = {
    "socket.connect": lambda real: real.client.connect(real.listener.getsockname()),
    "socket.bind": lambda real: real.client.bind(("127.0.0.1", 0)),
    "socket.sendto": lambda real: real.datagrams.sendto(b"x", ("127.0.0.1", 9)),
    "socket.send()": lambda real: real.client.send(b"x"),
    "socket.recv()": lambda real: real.client.recv(1),
    "socket.recvfrom()": lambda real: real.datagrams.recvfrom(1),
    "socket.accept()": lambda real: real.listener.accept(),
    "urllib.Request": lambda _: urllib.request.urlopen("http://example.com/"),
    "http.client.connect": lambda _: http.client.HTTPConnection("example.com").connect(),
    "subprocess.Popen": lambda _: subprocess.run("/bin/true", check=True),
    "os.system": lambda _: os.system("true"),  # noqa: S605, S607
    "os.fork": lambda _: os.fork(),
    "os.posix_spawn": lambda _: os.posix_spawn("/bin/true", ["true"], {}),
    "os.exec": lambda _: os.execv("/bin/true", ["true"]),  # noqa: S606
    "fork_exec": lambda _: spawn(),
    "os.kill": lambda _: os.kill(os.getppid(), signal.SIGTERM),
    "signal.sigwait": lambda _: signal.sigwait([signal.SIGUSR1]),
    "os.read": lambda real: os.read(real.pipe[0], 1),
    "read() of": lambda real: open(real.pipe[0], "rb", 0, closefd=False).read(1),  # noqa: SIM115
}


_OF_UNIX = ("os.fork", "os.posix_spawn", "fork_exec", "signal.sigwait")
if not hasattr(os, "fork"):
    ESCAPES = {name: escape for name, escape in ESCAPES.items() if name not in _OF_UNIX}


@pytest.mark.parametrize(("call", "escape"), ESCAPES.items(), ids=list(ESCAPES))
def test_the_world_goes_on(call, escape, real):
    """A program that catches the error at its line goes on, in its world and in its time."""

    async def main():
        with pytest.raises(simloop.EscapeError) as caught:
            escape(real)
        await asyncio.sleep(3600)
        return caught.value, asyncio.get_running_loop().time()

    error, now = simloop.run(main())
    assert str(error).startswith(call)
    assert "from inside a run: " in str(error)
    assert "with simloop.allow(" in str(error)
    assert now == 3600
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    assert files.count(__file__) >= 2


@pytest.mark.parametrize(("call", "escape"), ESCAPES.items(), ids=list(ESCAPES))
def test_the_world_ends_cleanly(call, escape, real):
    """A program that does not catch it ends by it, its tasks and its clean-up included."""
    cleaned = []

    async def other():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)
            cleaned.append("task")

    async def main():
        task = asyncio.create_task(other())
        await asyncio.sleep(1)
        try:
            escape(real)
        finally:
            cleaned.append(task.done())

    outcomes = [simloop.simulate(main), simloop.simulate(main)]
    assert all(isinstance(outcome.error, simloop.EscapeError) for outcome in outcomes)
    assert cleaned == [False, "task"] * 2
    assert [outcome.time for outcome in outcomes] == [2.0, 2.0]


@pytest.mark.parametrize("escape", [ESCAPES["os.system"], ESCAPES["socket.connect"]])
def test_threads_of_the_run_are_guarded(escape, real):
    """A job and a thread of the program are inside, too."""

    async def main():
        with pytest.raises(simloop.EscapeError):
            await asyncio.to_thread(escape, real)
        errors = []
        thread = threading.Thread(target=lambda: errors.append(attempt()))
        thread.start()
        await asyncio.to_thread(thread.join)
        return errors

    def attempt():
        with pytest.raises(simloop.EscapeError) as caught:
            escape(real)
        return caught.type

    assert simloop.run(main()) == [simloop.EscapeError]


def test_what_the_world_has_is_no_escape():
    """Names, connections and signal handlers are the world's: it answers, as Linux would."""

    async def main():
        with pytest.raises(socket.gaierror):
            socket.getaddrinfo("example.com", 80)
        with pytest.raises(OSError, match="Network is unreachable"):
            socket.create_connection(("192.0.2.1", 80))
        assert signal.signal(signal.SIGUSR1, signal.SIG_IGN) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN

    simloop.run(main())
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


def test_waiting_for_something_real_on_the_loop_is_told(real):
    """Selecting a real pipe on the loop's thread can never end, and says so."""

    async def main():
        select.select([real.pipe[0]], [], [])

    with pytest.raises((simloop.EscapeError, simloop.DeadlockError), match="loop"):
        simloop.run(main())


def test_the_strict_mode(tmp_path):
    """In the strict mode writing a file and starting a thread are escapes, and reading is not."""

    async def main():
        (tmp_path / "old").read_text()
        for act in (
            lambda: (tmp_path / "new").write_text("x"),
            (tmp_path / "old").unlink,
            (tmp_path / "new").mkdir,
            threading.Thread(target=int).start,
        ):
            with pytest.raises(simloop.EscapeError, match="leave the strict mode"):
                act()
        await asyncio.sleep(1)

    Path(tmp_path / "old").write_text("old")
    simloop.run(main(), strict=True)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_what_is_allowed_is_none():
    """A run that allows processes starts them, and only them."""

    async def main():
        assert subprocess.run("/bin/true", check=True).returncode == 0
        with pytest.raises(simloop.EscapeError):
            signal.sigwait([signal.SIGUSR1])

    simloop.run(main(), allow=("subprocess",))
