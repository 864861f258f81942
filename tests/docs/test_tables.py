"""The table of what is virtual is true: names, tests, verdicts and refusals.

Names come from Python itself, so a call that a new version brings fails here until it has a row.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import fcntl
import importlib.util
import inspect
import mmap
import os
import select
import selectors
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from multiprocessing import shared_memory
from pathlib import Path

import pytest

import simloop
from simloop._loop.transports.datagram_transport import DatagramTransport
from simloop._loop.transports.stream_transport import StreamTransport
from simloop.net import VirtualSocket

TESTS = Path(__file__).parents[1]
MAKER = TESTS.parent / "docs" / "tables" / "what_is_virtual.py"
if not MAKER.exists():
    pytest.skip("the documentation is not beside these tests", allow_module_level=True)

_spec = importlib.util.spec_from_file_location("what_is_virtual", MAKER)
maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(maker)
SECTIONS = maker.sections()
ROWS = [(title, row) for title, rows in SECTIONS.items() for row in rows]


def public(*owners):
    """Return the public names that these classes or modules define themselves."""
    return {name for owner in owners for name in vars(owner) if not name.startswith("_")}


def functions(module):
    """Return the public functions of a module."""
    return {
        name
        for name, value in vars(module).items()
        if callable(value) and not isinstance(value, type) and not name.startswith("_")
    }


def under(prefix, names):
    return {f"{prefix}.{name}" for name in names}


def of_descriptors():
    """Return the functions of os whose first argument is a descriptor."""
    found = set()
    for name in functions(os):
        try:
            arguments = list(inspect.signature(getattr(os, name)).parameters)
        except ValueError:  # C without a signature.
            continue
        if arguments and arguments[0] in {"fd", "fd_low", "in_fd", "out_fd"}:
            found.add(name)
    return found


A = asyncio
LOOP_METHODS = {name for name in public(A.AbstractEventLoop) if name != "slow_callback_duration"}
WAYS_TO_START = ("system", "popen", "fork", "forkpty", "posix_spawn", "posix_spawnp")
THERE = {
    "asyncio's event loop": LOOP_METHODS,
    "Transports": public(
        *(A.BaseTransport, A.ReadTransport, A.WriteTransport, A.Transport),
        *(A.DatagramTransport, A.SubprocessTransport),
    ),
    "Protocols": public(
        *(A.BaseProtocol, A.Protocol, A.BufferedProtocol, A.DatagramProtocol, A.SubprocessProtocol),
    ),
    "asyncio.Server": public(A.Server),
    "Streams": {"open_connection", "start_server", "open_unix_connection", "start_unix_server"}
    | under("StreamReader", public(A.StreamReader))
    | under("StreamWriter", public(A.StreamWriter)),
    "Processes": under("asyncio", ("create_subprocess_exec", "create_subprocess_shell"))
    | under("Process", public(A.subprocess.Process))
    | under("subprocess", functions(subprocess) - {"list2cmdline"})
    | {"subprocess.Popen"}
    | under("os", WAYS_TO_START)
    | under("os", ("spawnv", "execv", "kill", "killpg", "waitpid", "getpgid")),
    "socket.socket": {name for name in dir(socket.socket) if not name.startswith("_")},
    "The module socket": functions(socket) | {"socket"},
    "Select and selectors": under("select", functions(select) | {"epoll"})
    | under("epoll", (name for name in dir(select.epoll) if not name.startswith("_")))
    | under(
        "selectors",
        (
            name
            for name, value in vars(selectors).items()
            if isinstance(value, type)
            and issubclass(value, selectors.BaseSelector)
            and not name.startswith(("_", "Base"))
        ),
    ),
    "Calls on descriptors": under("os", of_descriptors())
    | under("os", ("pipe", "pipe2", "get_terminal_size", "copy_file_range", "splice"))
    | under("fcntl", functions(fcntl)),
    "Signals": under("signal", functions(signal))
    | under("loop", ("add_signal_handler", "remove_signal_handler", "deliver_signal")),
}


def here(row):
    """Tell whether this Python has what a row is about."""
    return not row.since or tuple(map(int, row.since.split("."))) <= sys.version_info


@pytest.mark.parametrize("title", THERE)
def test_every_call_has_a_row(title):
    """The table has a row for each call that this version of Python has, and no other."""
    names = [row.name for row in SECTIONS[title] if here(row)]
    assert sorted(names) == sorted(THERE[title])


def test_the_page_is_the_one_that_is_made():
    """The committed page is what the rows give."""
    assert maker.PAGE.read_text() == maker.page(), f"to update, run: {maker.COMMAND}"


def test_verdicts_are_known():
    """Each row has a verdict of the four, and what is not virtual is explained."""
    for _, row in ROWS:
        assert row.verdict in maker.VERDICTS, row
        assert row.how or row.verdict == "virtual", row


@pytest.mark.parametrize("test", sorted({row.test for _, row in ROWS}))
def test_the_test_exists(test):
    """The test that a row names is there."""
    path, _, name = test.partition("::")
    tree = ast.parse((TESTS / path).read_text())
    names = [node.name for node in tree.body if hasattr(node, "name")]
    assert name in names


# -- who answers -----------------------------------------------------------------------------------


def maker_of(owner, name):
    """Return the module that defines a class's attribute."""
    for kind in owner.__mro__:
        if name in vars(kind):
            return kind.__module__
    raise AttributeError(name)


@pytest.mark.parametrize("name", [row.name for row in SECTIONS["asyncio's event loop"]])
def test_methods_of_the_loop_are_ours(name):
    """No method of the loop is left to asyncio's abstract one."""
    assert maker_of(simloop.SimLoop, name).startswith("simloop.")


@pytest.mark.parametrize("row", SECTIONS["socket.socket"], ids=lambda row: row.name)
def test_methods_of_sockets_are_ours(row):
    """A method of a virtual socket is its own, or Python's on top of its own."""
    on_top = {"close", "detach", "sendmsg_afalg"}  # On ours below it; an error.
    ours = maker_of(VirtualSocket, row.name).startswith("simloop.")
    assert ours is (row.name not in on_top)


@pytest.mark.parametrize("name", [row.name for row in SECTIONS["Transports"]])
def test_methods_of_transports_are_answered(name):
    """No method of a transport is left to asyncio's abstract one."""
    abstract = vars(A.transports).values()
    kinds = [kind for kind in (StreamTransport, DatagramTransport) if hasattr(kind, name)]
    kinds = kinds or [A.base_subprocess.BaseSubprocessTransport]
    if name == "sendto":
        kinds = [DatagramTransport]
    for kind in kinds:
        owner = next(each for each in kind.__mro__ if name in vars(each))
        is_real = owner.__name__ in {"_FlowControlMixin", "BaseTransport"}  # get_extra_info
        if kind is DatagramTransport and name in {"write", "writelines", "write_eof"}:
            continue
        if kind is DatagramTransport and name == "can_write_eof":
            continue
        assert owner not in abstract or is_real, (kind, owner)


# -- what is refused -------------------------------------------------------------------------------

ECHO = [sys.executable, "-c", ""]
WAYS = {
    "subprocess.run": lambda: subprocess.run(ECHO, check=True),
    "subprocess.call": lambda: subprocess.call(ECHO),
    "subprocess.check_call": lambda: subprocess.check_call(ECHO),
    "subprocess.check_output": lambda: subprocess.check_output(ECHO),
    "subprocess.getoutput": lambda: subprocess.getoutput("true"),  # noqa: S605, S607 - it is refused
    "subprocess.getstatusoutput": lambda: subprocess.getstatusoutput("true"),  # noqa: S605, S607 - it is refused
    "subprocess.Popen": lambda: subprocess.Popen(ECHO),
    "os.system": lambda: os.system("true"),  # noqa: S605, S607 - the same
    "os.popen": lambda: os.popen("true"),  # noqa: S605, S607 - the same
    "os.fork": os.fork,
    "os.forkpty": os.forkpty,
    "os.posix_spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "os.posix_spawnp": lambda: os.posix_spawnp("true", ["true"], {}),
    "os.spawnv": lambda: os.spawnv(os.P_WAIT, "/bin/true", ["true"]),  # noqa: S606 - the same
    "os.execv": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606 - the same
    "sethostname": lambda: socket.sethostname("never"),
    "signal.pause": signal.pause,
    "signal.sigwait": lambda: signal.sigwait([signal.SIGUSR1]),
    "signal.sigwaitinfo": lambda: signal.sigwaitinfo([signal.SIGUSR1]),
    "signal.sigtimedwait": lambda: signal.sigtimedwait([signal.SIGUSR1], 0),
    "signal.pidfd_send_signal": lambda: signal.pidfd_send_signal(0, 0),
    "signal.pthread_kill": lambda: signal.pthread_kill(threading.get_ident(), signal.SIGCONT),
    "epoll.fileno": lambda: select.epoll().fileno(),
    "epoll.fromfd": lambda: on_a_socket(select.epoll.fromfd),
    "os.fchmod": lambda: on_a_socket(os.fchmod, 0o600),
    "os.fchown": lambda: on_a_socket(os.fchown, -1, -1),
    "os.lockf": lambda: on_a_socket(os.lockf, os.F_LOCK, 1),
    "os.fpathconf": lambda: on_a_socket(os.fpathconf, "PC_NAME_MAX"),
    "os.fstatvfs": lambda: on_a_socket(os.fstatvfs),
    "os.posix_fadvise": lambda: on_a_socket(os.posix_fadvise, 0, 0, 0),
    "os.posix_fallocate": lambda: on_a_socket(os.posix_fallocate, 0, 1),
    "os.login_tty": lambda: on_a_socket(os.login_tty),
    "os.splice": lambda: on_a_socket(os.splice, 1, 1),
    "os.copy_file_range": lambda: on_a_socket(os.copy_file_range, 1, 1),
    "os.eventfd_read": lambda: on_a_socket(os.eventfd_read),
    "os.eventfd_write": lambda: on_a_socket(os.eventfd_write, 1),
    "os.timerfd_settime": lambda: on_a_socket(os.timerfd_settime),
    "os.timerfd_settime_ns": lambda: on_a_socket(os.timerfd_settime_ns),
    "os.timerfd_gettime": lambda: on_a_socket(os.timerfd_gettime),
    "os.timerfd_gettime_ns": lambda: on_a_socket(os.timerfd_gettime_ns),
    "os.grantpt": lambda: on_a_socket(os.grantpt),
    "os.unlockpt": lambda: on_a_socket(os.unlockpt),
    "os.ptsname": lambda: on_a_socket(os.ptsname),
    "os.setns": lambda: on_a_socket(os.setns),
    "fcntl.flock": lambda: on_a_socket(fcntl.flock, fcntl.LOCK_EX),
    "fcntl.lockf": lambda: on_a_socket(fcntl.lockf, fcntl.LOCK_EX),
    "time.clock_settime": lambda: time.clock_settime(time.CLOCK_REALTIME, 0.0),
    "time.clock_settime_ns": lambda: time.clock_settime_ns(time.CLOCK_REALTIME, 0),
    "os.setuid": lambda: os.setuid(os.getuid()),
    "os.setgid": lambda: os.setgid(os.getgid()),
    "os.setgroups": lambda: os.setgroups([]),
    "os.nice": lambda: os.nice(0),
    "os.setpriority": lambda: os.setpriority(os.PRIO_PROCESS, 0, 0),
    "os.sched_setaffinity": lambda: os.sched_setaffinity(0, {0}),
    "multiprocessing.shared_memory.SharedMemory": lambda: shared_memory.SharedMemory(
        create=True, size=1
    ),
    "/proc": lambda: Path("/proc/self/maps").read_bytes(),
    "/sys": lambda: Path("/sys/power/state").read_bytes(),
}


WAYS_ON_A_DISK = {
    "os.mkfifo": lambda: os.mkfifo("never"),
    "os.chroot": lambda: os.chroot("never"),
    "mmap.mmap (of a file)": lambda: mapped("never"),
    "sqlite3.connect (of a file)": lambda: sqlite3.connect("never"),
    "sqlite3: ATTACH": lambda: run_sql("ATTACH 'never' AS x"),
    "VACUUM INTO": lambda: run_sql("VACUUM INTO 'never'"),
    "ssl.SSLContext.keylog_filename": lambda: setattr(
        ssl.create_default_context(), "keylog_filename", "never"
    ),
}


def run_sql(statement):
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(statement)


def mapped(path):
    """Map a new file into memory."""
    with Path(path).open("w+b") as file:
        file.write(b"x")
        file.flush()
        mmap.mmap(file.fileno(), 0)


def on_a_socket(call, *args):
    """Make a call on the descriptor of a new socket."""
    with socket.socket() as sock:
        return call(sock.fileno(), *args)


REFUSED = [row for _, row in ROWS if row.verdict == "refused" and here(row)]


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.name)
def test_what_is_refused_is_refused(row):
    """A call that the table calls refused raises one of our errors, inside a run."""
    way = WAYS.get(row.name) or WAYS_ON_A_DISK[row.name]

    async def main():
        way()

    with pytest.raises((simloop.UnsupportedError, simloop.EscapeError)):
        simloop.run(main(), disk=row.name in WAYS_ON_A_DISK)


def test_nothing_else_is_tried():
    """Each refusal that is tried here has its row."""
    assert sorted([*WAYS, *WAYS_ON_A_DISK]) == sorted(
        {row.name for _, row in ROWS if row.verdict == "refused"}
    )


# -- small promises of the table -------------------------------------------------------------------


def test_the_default_timeout_is_obeyed():
    """``socket.setdefaulttimeout`` counts for virtual sockets."""

    async def main():
        socket.setdefaulttimeout(5)
        try:
            with socket.socket() as sock:
                return sock.gettimeout(), socket.getdefaulttimeout()
        finally:
            socket.setdefaulttimeout(None)

    assert simloop.run(main()) == (5.0, 5.0)


def test_arithmetic_is_arithmetic():
    """What the module socket computes is the same inside a run and outside."""

    def numbers():
        return [
            socket.inet_ntoa(socket.inet_aton("10.1")),
            socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, "::1")),
            *(call(258) for call in (socket.htonl, socket.htons, socket.ntohl, socket.ntohs)),
            *(call(5) for call in (socket.CMSG_LEN, socket.CMSG_SPACE)),
        ]

    async def main():
        return numbers()

    assert simloop.run(main()) == numbers()


@pytest.mark.skipif(not hasattr(os, "readinto"), reason="os.readinto came with Python 3.14")
def test_readinto_reads():
    """``os.readinto`` reads from a virtual descriptor."""

    async def main():
        ours, theirs = socket.socketpair()
        theirs.send(b"abc")
        buffer = bytearray(5)
        with ours, theirs:
            return os.readinto(ours.fileno(), buffer), bytes(buffer)

    assert simloop.run(main()) == (3, b"abc\0\0")


def test_closerange_leaves_virtual_descriptors():
    """``os.closerange`` does not reach the world's descriptors."""

    async def main():
        with socket.socket() as sock:
            os.closerange(sock.fileno(), sock.fileno() + 1)
            return sock.getsockname()

    assert simloop.run(main()) == ("0.0.0.0", 0)  # noqa: S104 - a name, in a world


def test_questions_about_real_signals_are_answered():
    """Questions about the signals of the process may be asked inside a run."""

    def questions():
        return (
            signal.strsignal(signal.SIGTERM),
            len(signal.valid_signals()),
            signal.pthread_sigmask(signal.SIG_BLOCK, []),
            signal.sigpending(),
        )

    async def main():
        return questions()

    assert simloop.run(main()) == questions()
