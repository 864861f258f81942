"""A clock, streams and sockets to enter a sandbox with."""

from __future__ import annotations

import select
import socket
from contextlib import nullcontext

import pytest

from simloop._kernel import Limits, RandomStreams
from simloop._sandbox import Sandbox


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self):
        self.now_ns = 0
        self.steps = 0
        self.limits = Limits()
        self.blocked_ns = []

    def now_s(self):
        return self.now_ns / 1e9

    def block(self, duration_ns):
        self.blocked_ns.append(duration_ns)
        self.now_ns += duration_ns


class FakeSocket(socket.socket):
    """A socket without a descriptor that remembers how it was made."""

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):  # noqa: A002
        self.made_with = (family, type, proto, fileno)
        self._closed = False
        self._io_refs = 0

    def fileno(self):
        return 1_000_000

    def detach(self):
        return 1_000_007

    def _real_close(self, _ss=None):
        pass

    def __del__(self):
        pass

    def __repr__(self):
        return "<FakeSocket>"


class FakePaths:
    """Paths of sockets: none."""

    names = None

    def refuse(self, *_args, **_kwargs):
        raise AssertionError("no path is a socket's")

    find = names_in = status = access = unlink = chmod = chown = utime = rename = drop = refuse
    link = refuse

    def umask(self, mask):
        pass


def answer(name):
    """A method that keeps what it was asked, and answers with its name."""

    def call(self, *args, **kwargs):
        self.calls.append((name, *args, *kwargs.values()))
        return name

    return call


class FakeSockets:
    """Names and descriptors of a world; ``calls`` tells what was asked."""

    files = None
    socket_class = FakeSocket
    paths = FakePaths()

    def __init__(self):
        self.calls = []
        self.ready = select.POLLIN

    def owns(self, fd):
        return fd >= 1_000_000

    def poll(self, fd):
        return self.ready

    def watch(self, fd, callback):
        return int

    def keep_ports(self):
        return int

    def socketpair(self, family, type, proto):  # noqa: A002
        return FakeSocket(family), FakeSocket(family)

    def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):  # noqa: A002
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.5", port))]

    def delay_of(self, host):
        return 0.0

    def gethostname(self):
        return "world"

    def gethostbyname(self, hostname):
        return "10.0.0.5"

    def gethostbyname_ex(self, hostname):
        return hostname, [], ["10.0.0.5"]

    def gethostbyaddr(self, address):
        return f"{address}.example", [], [address]

    def getnameinfo(self, sockaddr, flags):
        return "db.internal", "80"

    def pipe(self):
        return 1_000_001, 1_000_002

    def fault_of(self, name):
        return None


for _name in (
    *("read", "readv", "readinto", "write", "writev", "close", "dup", "fstat", "isatty", "fdopen"),
    *("set_blocking", "get_blocking", "set_inheritable", "get_inheritable", "fcntl", "ioctl"),
    *("getservbyname", "getservbyport", "getprotobyname", "device_encoding"),
    *("if_nameindex", "if_nametoindex", "if_indextoname", "interface_addresses"),
):
    setattr(FakeSockets, _name, answer(_name))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run a test inside the sandbox that a fixture gave it; pytest itself stays outside."""
    with getattr(pyfuncitem, "sandbox", None) or nullcontext():
        return (yield)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def fake_sockets():
    return FakeSockets()


@pytest.fixture
def make(clock):
    """Make a sandbox on the clock, of a seed."""

    def make(seed=0, **options):
        return Sandbox(**{"clock": clock, "streams": RandomStreams(seed), **options})

    return make


@pytest.fixture
def new_clock():
    """Make another clock."""
    return Clock
