"""Escapes from a run, and what is allowed."""

from __future__ import annotations

import asyncio
import ctypes.util
import ftplib
import http.client
import imaplib
import multiprocessing
import os
import platform
import poplib
import pty
import select
import selectors
import signal
import smtplib
import socket
import sqlite3
import subprocess
import sys
import threading
import traceback
import urllib.request
from multiprocessing import shared_memory
from pathlib import Path

import pytest

import simloop
from simloop._sandbox import allow
from simloop.errors import EscapeError, UsageError

UNREACHABLE = ("192.0.2.1", 9)


@pytest.fixture
def datagram():
    """A real socket, made outside."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        yield made


def start_process(method):
    """Start a process as ``multiprocessing`` does."""
    process = multiprocessing.get_context(method).Process(target=int)
    process.start()
    process.join()


ESCAPES = {
    "connect": (lambda sock: sock.connect(UNREACHABLE), "sockets", "socket.connect"),
    "connect_ex": (lambda sock: sock.connect_ex(UNREACHABLE), "sockets", "socket.connect"),
    "bind": (lambda sock: sock.bind(("127.0.0.1", 0)), "sockets", "socket.bind"),
    "sendto": (lambda sock: sock.sendto(b"x", UNREACHABLE), "sockets", "socket.sendto"),
    "sendmsg": (
        lambda sock: sock.sendmsg([b"x"], [], 0, UNREACHABLE),
        "sockets",
        "socket.sendmsg",
    ),
    "send": (lambda sock: sock.send(b"x"), "sockets", "socket.send()"),
    "sendall": (lambda sock: sock.sendall(b"x"), "sockets", "socket.sendall()"),
    "recv": (lambda sock: sock.recv(1), "sockets", "socket.recv()"),
    "create_connection": (
        lambda _: socket.create_connection(UNREACHABLE, 1),
        "names",
        "socket.getaddrinfo('192.0.2.1', 9",
    ),
    "getaddrinfo": (
        lambda _: socket.getaddrinfo("example.com", 80),
        "names",
        "socket.getaddrinfo('example.com', 80",
    ),
    "gethostbyname": (
        lambda _: socket.gethostbyname("example.com"),
        "names",
        "socket.gethostbyname('example.com')",
    ),
    "urllib": (
        lambda _: urllib.request.urlopen("http://192.0.2.1/"),
        "sockets",
        "urllib.Request('http://192.0.2.1/')",
    ),
    "http.client": (
        lambda _: http.client.HTTPConnection("192.0.2.1").connect(),
        "sockets",
        "http.client.connect('192.0.2.1', 80)",
    ),
    "Popen": (
        lambda _: subprocess.Popen([sys.executable, "-c", ""]),
        "subprocess",
        "subprocess.Popen(",
    ),
    "run": (
        lambda _: subprocess.run("/bin/true", check=True),
        "subprocess",
        "subprocess.Popen('/bin/true'",
    ),
    "system": (lambda _: os.system("true"), "subprocess", "os.system(b'true')"),  # noqa: S605, S607
    "fork": (lambda _: os.fork(), "subprocess", "os.fork()"),
    "exec": (lambda _: os.execv("/bin/true", ["true"]), "subprocess", "os.exec('/bin/true'"),  # noqa: S606
    "posix_spawn": (
        lambda _: os.posix_spawn("/bin/true", ["true"], {}),
        "subprocess",
        "os.posix_spawn('/bin/true'",
    ),
    "kill": (lambda _: os.kill(os.getpid(), signal.SIGUSR1), "signals", "os.kill("),
    "signal": (
        lambda _: signal.signal(signal.SIGUSR1, signal.SIG_IGN),
        "signals",
        "signal.signal(10, 1)",
    ),
    "raise_signal": (
        lambda _: signal.raise_signal(signal.SIGUSR1),
        "signals",
        "signal.raise_signal(10)",
    ),
    "alarm": (lambda _: signal.alarm(1), "signals", "signal.alarm(1)"),
    "setitimer": (
        lambda _: signal.setitimer(signal.ITIMER_REAL, 1),
        "signals",
        "signal.setitimer(0, 1)",
    ),
    "pause": (lambda _: signal.pause(), "signals", "signal.pause()"),
    "sigwait": (lambda _: signal.sigwait([signal.SIGUSR1]), "signals", "signal.sigwait("),
    "sigtimedwait": (
        lambda _: signal.sigtimedwait([signal.SIGUSR1], 1),
        "signals",
        "signal.sigtimedwait(",
    ),
    "recvfrom": (lambda sock: sock.recvfrom(1), "sockets", "socket.recvfrom()"),
    "recvfrom_into": (
        lambda sock: sock.recvfrom_into(bytearray(1)),
        "sockets",
        "socket.recvfrom_into()",
    ),
    "recvmsg": (lambda sock: sock.recvmsg(1), "sockets", "socket.recvmsg()"),
    "recvmsg_into": (
        lambda sock: sock.recvmsg_into([bytearray(1)]),
        "sockets",
        "socket.recvmsg_into()",
    ),
    "accept": (lambda sock: sock.accept(), "sockets", "socket.accept()"),
    "ftplib": (lambda _: ftplib.FTP("192.0.2.1"), "sockets", "ftplib.connect('192.0.2.1', 21)"),  # noqa: S321
    "smtplib": (lambda _: smtplib.SMTP("192.0.2.1"), "sockets", "smtplib.connect('192.0.2.1', 25)"),
    "imaplib": (lambda _: imaplib.IMAP4("192.0.2.1"), "sockets", "imaplib.open('192.0.2.1', 143)"),
    "poplib": (lambda _: poplib.POP3("192.0.2.1"), "sockets", "poplib.connect('192.0.2.1', 110)"),
    "spawnv": (lambda _: os.spawnv(os.P_WAIT, "/bin/true", ["true"]), "subprocess", "os.fork()"),  # noqa: S606
    "posix_spawnp": (
        lambda _: os.posix_spawnp("true", ["true"], {}),
        "subprocess",
        "os.posix_spawn('true'",
    ),
    "popen": (lambda _: os.popen("true"), "subprocess", "subprocess.Popen('/bin/sh'"),  # noqa: S605, S607
    "pty.fork": (lambda _: pty.fork(), "subprocess", "os.forkpty()"),
    "pty.spawn": (lambda _: pty.spawn(["true"]), "subprocess", "pty.spawn(['true'])"),
    "a forked Process": (lambda _: start_process("fork"), "subprocess", "os.fork()"),
    "a spawned Process": (lambda _: start_process("spawn"), "subprocess", "fork_exec("),
    "shared memory": (
        lambda _: shared_memory.SharedMemory("simloop_test", create=True, size=1),
        "subprocess",
        "shm_open('/simloop_test')",
    ),
}


@pytest.mark.parametrize(("escape", "name", "call"), ESCAPES.values(), ids=ESCAPES.keys())
def test_an_escape_is_refused(escape, name, call, make, datagram):
    """The error comes from the line that escaped, names call and reason, and tells the way out."""
    with make(), pytest.raises(EscapeError) as caught:
        escape(datagram)
    message = str(caught.value)
    assert message.startswith(call)
    assert "from inside a run: " in message
    assert f'with simloop.allow("{name}")' in message
    lines = [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert __file__ in lines[1:]
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


@pytest.fixture
def silent():
    """A real pipe, made outside, to which nobody writes."""
    reading, writing = os.pipe()
    yield reading
    os.close(reading)
    os.close(writing)


READS = {
    "os.read": lambda fd: os.read(fd, 1),
    "os.readv": lambda fd: os.readv(fd, [bytearray(1)]),
    "raw": lambda fd: open(fd, "rb", buffering=0, closefd=False).read(1),  # noqa: SIM115
    "raw, all": lambda fd: open(fd, "rb", buffering=0, closefd=False).read(),  # noqa: SIM115
    "buffered": lambda fd: open(fd, "rb", closefd=False).read(1),  # noqa: SIM115
    "text": lambda fd: open(fd, closefd=False).readline(),  # noqa: SIM115
    "select": lambda fd: select.select([fd], [], []),
    "poll": lambda fd: wait_by(selectors.PollSelector(), fd),
}


def wait_by(selector, fd):
    """Wait until a descriptor can be read."""
    with selector:
        selector.register(fd, selectors.EVENT_READ)
        selector.select()


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_waiting_for_a_real_pipe_is_refused(read, make, silent):
    """Whatever a real pipe is read by, waiting for it is an escape at that line."""
    with make(), pytest.raises(EscapeError) as caught:
        read(silent)
    assert 'with simloop.allow("pipes")' in str(caught.value)
    lines = [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert __file__ in lines[1:]


@pytest.mark.parametrize("name", ["raw", "buffered", "text", "os.read"])
def test_what_a_real_pipe_has_is_read(name, make):
    """A read that need not wait is none: what was written before the run, an end, a file."""
    reading, writing = os.pipe()
    os.write(writing, b"a\n")
    os.close(writing)
    with make():
        assert READS[name](reading) in (b"a", "a\n")
        with Path(__file__).open("rb") as file:
            assert READS[name](file.fileno())
    os.close(reading)


@pytest.mark.slow
def test_standard_input_is_read_as_ever(make):
    """What comes by standard input is the program's input, and waited for."""
    program = (
        "import sys, simloop\nasync def main(): return sys.stdin.readline() + input()\n"
        "print(simloop.run(main()))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(simloop.__file__).parents[1])},
    )
    out, _ = process.communicate("typed\nlater\n", timeout=60)
    assert out == "typed\nlater\n"


def test_locks_of_multiprocessing_are_no_escape(make):
    """Making a lock of processes starts a real one that cleans up; it is none of the program's."""
    with make():
        lock = multiprocessing.get_context("spawn").Lock()
    assert lock.acquire(timeout=1)


def test_the_world_goes_on_after_an_escape(make, datagram):
    """A program that handles the error goes on, in the same world."""
    with make():
        for _ in range(2):
            with pytest.raises(EscapeError):
                datagram.connect(UNREACHABLE)
            with pytest.raises(EscapeError):
                subprocess.run("/bin/true", check=True)
    datagram.bind(("127.0.0.1", 0))
    assert subprocess.run("/bin/true", check=True).returncode == 0


@pytest.mark.skipif(not hasattr(sys, "monitoring"), reason="monitors came with 3.12")
def test_a_monitor_is_not_told_of_the_guards(make):
    """A tool that registers a callback, which is an audit event, is not told of our hook's call."""
    # Coverage holds its lock while it begins again, at the end of the tests: it waited for ever.
    monitoring, tool, seen = sys.monitoring, 4, []
    with make():
        pass
    monitoring.use_tool_id(tool, "ours")
    try:
        monitoring.register_callback(
            tool, monitoring.events.PY_START, lambda code, _: seen.append(code.co_name)
        )
        monitoring.set_events(tool, monitoring.events.PY_START)
        monitoring.register_callback(tool, monitoring.events.LINE, None)
        monitoring.set_events(tool, 0)
    finally:
        monitoring.free_tool_id(tool)
    assert seen == []


def test_other_threads_are_not_guarded(make):
    """Another thread connects and starts what it likes while a run is on."""
    done = []

    def work():
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = server.getsockname()
            with socket.create_connection(address) as client, server.accept()[0] as peer:
                client.sendall(b"x")
                done.append(peer.recv(1))
        done.append(subprocess.run("/bin/true", check=True).returncode)

    with make(strict=True), allow("threads"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert done == [b"x", 0]


def test_allowed_in_a_block(make, datagram):
    """``allow`` lets its block through, and nothing after it."""
    with make():
        with allow("sockets", "subprocess", "signals"):
            datagram.bind(("127.0.0.1", 0))
            assert subprocess.run("/bin/true", check=True).returncode == 0
            before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            os.kill(os.getpid(), signal.SIGUSR1)
            signal.signal(signal.SIGUSR1, before)
        with pytest.raises(EscapeError):
            subprocess.run("/bin/true", check=True)


def test_allowed_for_a_run(make):
    """A sandbox lets through what it was made to allow."""
    with make(allow=("subprocess",)):
        process = subprocess.run(
            [sys.executable, "-c", "print(1)"], check=True, capture_output=True, timeout=60
        )
        assert process.stdout == b"1\n"
        with pytest.raises(EscapeError):
            signal.alarm(1)


def test_allowing_follows_the_task(make):
    """A block in one task allows nothing to another one."""

    async def main():
        entered, done = asyncio.Event(), asyncio.Event()

        async def allowed():
            with allow("subprocess"):
                entered.set()
                await done.wait()

        task = asyncio.create_task(allowed())
        await entered.wait()
        with pytest.raises(EscapeError):
            subprocess.run("/bin/true", check=True)
        done.set()
        await task

    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        coroutine = main()
        with make(allow=("pipes",)):
            loop.run_until_complete(coroutine)


def test_nothing_else_can_be_allowed():
    """A name that allows nothing is an error, which lists the names."""
    with (
        pytest.raises(
            UsageError, match="'network'; allow any of files, libraries, machine, names, pipes"
        ),
        allow("network"),
    ):
        pass


def test_signals_that_only_ask_are_no_escape(make):
    """Signal 0 sends nothing, and reading a handler changes nothing."""
    with make():
        os.kill(os.getpid(), 0)
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


def test_files_are_allowed_by_default(make, tmp_path):
    """A run reads and writes files unless it is strict."""
    with make():
        (tmp_path / "file").write_text("x")
        (tmp_path / "file").unlink()
        with urllib.request.urlopen(Path(__file__).as_uri()) as page:  # noqa: S310
            assert page.read(3) == b'"""'


STRICT = {
    "open": lambda path: (path / "new").write_text("x"),
    "append": lambda path: (path / "old").open("a"),
    "mkdir": lambda path: (path / "new").mkdir(),
    "remove": lambda path: (path / "old").unlink(),
    "rename": lambda path: (path / "old").rename(path / "new"),
    "sqlite": lambda path: sqlite3.connect(path / "new.db"),
}


@pytest.mark.parametrize("write", STRICT.values(), ids=STRICT.keys())
def test_the_strict_mode_refuses_to_change_files(write, make, tmp_path):
    """In the strict mode a change of a file is refused before it happens; reading is not."""
    (tmp_path / "old").write_text("old")
    with make(strict=True):
        with pytest.raises(EscapeError, match=r"leave the strict mode.*allow\(\"files\"\)"):
            write(tmp_path)
        assert (tmp_path / "old").read_text() == "old"
        with allow("files"):
            (tmp_path / "allowed").write_text("x")
        sqlite3.connect(":memory:").close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["allowed", "old"]


def test_the_strict_mode_lets_python_keep_compiled_modules(make, tmp_path, monkeypatch):
    """Importing a module in the strict mode may write its compiled form."""
    (tmp_path / "freshly_written.py").write_text("x = 1")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    with make(strict=True):
        import freshly_written
    assert freshly_written.x == 1
    assert list((tmp_path / "__pycache__").iterdir())


def test_the_strict_mode_refuses_threads(make):
    """In the strict mode a thread is refused; otherwise it may start."""
    with make():
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
    with make(strict=True), pytest.raises(EscapeError, match="refuses threads"):
        threading.Thread(target=int).start()


def test_a_private_pair_of_real_sockets_is_no_escape(make):
    """A real loop outside may be woken from inside: its pair of sockets leads nowhere."""
    first, second = socket.socketpair()
    with first, second:
        with make():
            first.send(b"x")
            assert second.recv(1) == b"x"
            data = bytearray(1)
            second.send(b"y")
            first.recv_into(data)
        assert data == b"y"
    with make(), pytest.raises(EscapeError):
        first.recv(1)


def test_a_guest_may_wait_for_the_network(make, fake_sockets):
    """A blocking client is refused only on the thread that runs the loop."""
    sandbox = make(sockets=fake_sockets)
    with sandbox:
        with pytest.raises(EscapeError, match="stops the loop"):
            urllib.request.Request("http://db/") and urllib.request.urlopen("http://db/")
        with sandbox.for_thread():
            sys.audit("urllib.Request", "http://db/", None, {}, "GET")


def test_virtual_signals_stand_in(make):
    """A world that has signals of its own is asked instead."""

    class Signals:
        def __init__(self):
            self.handlers = {}

        def signal(self, signum, handler):
            return self.handlers.setdefault(signum, handler)

        def getsignal(self, signum):
            return self.handlers[signum]

        def raise_signal(self, signum):
            self.handlers[signum](signum, None)

        def refuse(self, *_args):
            raise AssertionError

        siginterrupt = set_wakeup_fd = kill = killpg = getpgid = waitpid = refuse
        alarm = getitimer = setitimer = refuse

    heard = []
    with make(signals=Signals()):
        signal.signal(signal.SIGUSR1, lambda signum, _frame: heard.append(signum))
        signal.raise_signal(signal.SIGUSR1)
        assert callable(signal.getsignal(signal.SIGUSR1))
        with pytest.raises(EscapeError):
            signal.pause()
    assert heard == [signal.SIGUSR1]
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


def test_the_runner_of_asyncio_keeps_its_handler(make):
    """``asyncio.Runner`` may set its handler of Ctrl-C within another world's run."""

    async def main():
        return signal.getsignal(signal.SIGINT) is not signal.default_int_handler

    with make(allow=("pipes",)):
        runner = asyncio.Runner()
        assert runner.run(main())
        runner.close()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


QUESTIONS = {
    "find_library": lambda: ctypes.util.find_library("c"),
    "processor": platform._Processor.from_subprocess,
    "file": lambda: platform._syscmd_file(sys.executable),
    "platform": lambda: (
        (platform.uname.cache_clear(), platform.platform())[1]
        if hasattr(platform.uname, "cache_clear")
        else platform.platform()
    ),
}


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS.keys())
def test_questions_about_the_machine_are_no_escape(ask, make, fake_sockets):
    """What modules ask when they are imported is answered, though a program is run for it."""
    before = ask()
    with make(sockets=fake_sockets, strict=True):
        assert ask() == before
        with pytest.raises(EscapeError):
            subprocess.run("/bin/true", check=True)
