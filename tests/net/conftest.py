"""The two arms: one body runs on the real kernel's sockets and on the virtual ones.

``arm`` runs a test once on each. ``same`` runs a body on both and compares what each call of it
gave, so that an expectation need not be written down: Linux is the expectation. Numbers that no two
runs share (ephemeral ports, descriptors) are compared by their order of appearance.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import tempfile
import warnings
from pathlib import Path

import pytest

from simloop.net import (
    Network,
    VirtualSocket,
    make_pipe,
    make_socket,
    make_socketpair,
    set_host_finder,
)
from simloop.net.linux import select_names

EVENTS = {
    select_names.POLLIN: "in",
    select_names.POLLOUT: "out",
    select_names.POLLRDHUP: "rdhup",
    select_names.POLLERR: "err",
    select_names.POLLHUP: "hup",
    select_names.POLLNVAL: "nval",
}
ASKED = select_names.POLLIN | select_names.POLLOUT | select_names.POLLRDHUP
LOW_PORTS = 1024
AUTOBOUND = re.compile(rb"\0[0-9a-f]{5}")  # unix(7): Linux draws them, here they count up.


class Arm:
    """One side of the comparison: what makes sockets, and a record of what calls gave."""

    def __init__(self):
        self.record = []
        self.seen = {}
        self.opened = []
        self.pipes = []

    def tcp(self, family=socket.AF_INET):
        """A non-blocking TCP socket."""
        return self.make(family, socket.SOCK_STREAM)

    def udp(self, family=socket.AF_INET, bind=None):
        """A non-blocking UDP socket."""
        sock = self.make(family, socket.SOCK_DGRAM)
        if bind is not None:
            sock.bind(bind)
        return sock

    def unix(self, type_=socket.SOCK_STREAM):
        """A non-blocking UNIX socket."""
        return self.make(socket.AF_UNIX, type_)

    def listener(self, address=("127.0.0.1", 0), family=socket.AF_INET, backlog=5, options=()):
        """A listening TCP socket."""
        sock = self.tcp(family)
        for level, name, value in options:
            sock.setsockopt(level, name, value)
        sock.bind(address)
        sock.listen(backlog)
        return sock

    def connected(self, options=()):
        """A listener, a client and what accept gave for it."""
        listener = self.listener(options=options)
        client = self.tcp()
        client.connect_ex(listener.getsockname())
        self.wait(client, "out")
        self.wait(listener, "in")
        return listener, client, self.accept(listener)

    def accept(self, listener):
        """The next connection, non-blocking and closed at the end."""
        sock, _ = listener.accept()
        sock.setblocking(False)
        self.opened.append(sock)
        return sock

    def keep(self, *socks):
        """Close these at the end, non-blocking from now on."""
        for sock in socks:
            sock.setblocking(False)
            self.opened.append(sock)
        return socks

    def fill(self, sock, chunk=b"x" * 65536):
        """Send until there is no room; how much went in."""
        total = 0
        try:
            while True:
                total += sock.send(chunk)
        except BlockingIOError:
            return total

    def drain(self, sock):
        """Receive all that is there."""
        parts = []
        try:
            while data := sock.recv(1 << 20):
                parts.append(data)
        except BlockingIOError:
            pass
        return b"".join(parts)

    def do(self, label, call, *args):
        """Make a call and note what it gave: a value, or the type and errno of an error."""
        try:
            result = call(*args)
        except Exception as error:  # noqa: BLE001  # Whatever it is, the other arm must give it too.
            result = None
            code = error.errno if isinstance(error, OSError) else None
            self.note(label, (type(error).__name__, code))
        else:
            self.note(label, result)
        return result

    def note(self, label, value):
        """Record a value, in the form in which both arms can be compared."""
        self.record.append((label, self.plain(value)))

    def poll(self, label, sock):
        """Record the events of a socket."""
        self.note(label, self.events(sock))

    def plain(self, value):
        """Replace what no two runs share."""
        if isinstance(value, self.kind):
            return "a socket"
        if isinstance(value, tuple | list):
            return type(value)([self.plain(part) for part in value])
        if isinstance(value, bytes) and AUTOBOUND.fullmatch(value):
            return "a name of the kernel's choice"
        if isinstance(value, str | bytes):
            root = self.root if isinstance(value, str) else self.root.encode()
            return value.replace(root, type(root)())
        if isinstance(value, int) and not isinstance(value, bool) and value > LOW_PORTS:
            return "number", self.seen.setdefault(value, len(self.seen))
        return value

    def close(self):
        """Close everything."""
        for sock in self.opened:
            sock.close()


class Real(Arm):
    """The kernel of this machine."""

    kind = socket.socket
    name = "real"

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.root = self.folder.name
        self.read, self.write, self.close_fd = os.read, os.write, os.close

    def make(self, *args):
        sock = socket.socket(*args)
        self.keep(sock)
        return sock

    def socketpair(self, type_=socket.SOCK_STREAM):
        return self.keep(*socket.socketpair(socket.AF_UNIX, type_))

    def pipe(self):
        ends = os.pipe()
        for fd in ends:
            os.set_blocking(fd, False)
            self.pipes.append(fd)
        return ends

    def adopt(self, *args, fileno):
        sock = socket.socket(*args, fileno=fileno)
        self.keep(sock)
        return sock

    def path(self, name):
        return f"{self.root}/{name}"

    def unlink(self, path):
        Path(path).unlink()

    def events(self, sock, timeout_ms=3):
        poll = select.poll()
        poll.register(sock, ASKED)
        ready = poll.poll(timeout_ms)
        return [name for bit, name in EVENTS.items() if ready and ready[0][1] & bit]

    def wait(self, sock, event):
        for _ in range(200):
            if event in self.events(sock):
                return
        raise AssertionError(f"{sock} never got {event}")

    def close(self):
        super().close()
        for fd in self.pipes:
            with contextlib.suppress(OSError):
                os.close(fd)
        self.folder.cleanup()


class Virtual(Arm):
    """A host of a virtual network, whose invariants are checked at every call."""

    name = "virtual"
    root = "/run/world"

    def __init__(self):
        super().__init__()
        self.network = Network()
        self.host = self.network.add_host()
        self.kind = VirtualSocket
        self.read, self.write = self.host.read, self.host.write
        self.close_fd = self.host.close

    def make(self, *args):
        sock = make_socket(self.host, *args)
        self.keep(sock)
        return sock

    def socketpair(self, type_=socket.SOCK_STREAM):
        return self.keep(*make_socketpair(self.host, socket.AF_UNIX, type_))

    def pipe(self):
        ends = make_pipe(self.host)
        for fd in ends:
            self.host.file(fd).is_blocking = False
        return ends

    def adopt(self, *args, fileno):
        before = set_host_finder(lambda: self.host)
        try:
            sock = self.kind(*args, fileno=fileno)
        finally:
            set_host_finder(before)
        self.keep(sock)
        return sock

    def path(self, name):
        return f"{self.root}/{name}"

    def unlink(self, path):
        self.host.unix.unlink(path)

    def events(self, sock):
        fd = sock if isinstance(sock, int) else sock.fileno()
        ready = self.host.poll({fd: ASKED})
        return [name for bit, name in EVENTS.items() if ready and ready[0][1] & bit]

    def wait(self, sock, event):
        assert event in self.events(sock), (sock, event)

    def note(self, label, value):
        super().note(label, value)
        self.network.check()

    def close(self):
        super().close()
        self.network.check()


ARMS = (Real, Virtual)


@pytest.fixture(params=ARMS, ids=lambda kind: kind.name)
def arm(request):
    """Run the test on real sockets and on virtual ones."""
    made = request.param()
    yield made
    made.close()


@pytest.fixture
def same():
    """Run a body on both arms; each call in it must have given the same."""

    def run(body):
        records = []
        for kind in ARMS:
            made = kind()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ResourceWarning)
                    body(made)
            finally:
                made.close()
            records.append(made.record)
        real, virtual = records
        assert real, "the body recorded nothing"
        assert virtual == real

    return run


@pytest.fixture
def network():
    """A network without hosts."""
    made = Network()
    yield made
    made.check()


@pytest.fixture
def host(network):
    """A host with its loopback only."""
    return network.add_host()
