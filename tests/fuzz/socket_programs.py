"""Random programs of socket calls, and the machine that carries one out and records the answers.

Owns: which calls there are (`CALLS`), how a program is drawn (`programs`), and what is written down
of each call: its value or its errno, and then the events of every open descriptor.

Must not know on which arm it runs: ``socket``, ``os`` and ``select`` are the machine's outside of a
run, and the world's inside of one.

A program is a list of calls ``(name, number, number)``. The numbers choose a descriptor among those
that are open, an address, a size: any numbers give a program, so that Hypothesis can drop calls and
lower numbers as it likes when it looks for the smallest program that is answered otherwise.
"""

from __future__ import annotations

import array
import fcntl
import os
import select
import socket
import struct
import termios
import time
import zlib
from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st

from . import further_calls

LENGTH = 25
"""So many calls are drawn for a program."""
SLOTS_MAX = 7
"""So many descriptors are open at a time; what would open more does nothing."""
LONG = 40
"""Longer bytes are written down as their length and checksum."""

EVENTS = {
    select.POLLIN: "in",
    select.POLLPRI: "pri",
    select.POLLOUT: "out",
    select.POLLRDHUP: "rdhup",
    select.POLLERR: "err",
    select.POLLHUP: "hup",
    select.POLLNVAL: "nval",
}
ASKED = select.POLLIN | select.POLLPRI | select.POLLOUT | select.POLLRDHUP

KINDS = (
    (socket.AF_INET, socket.SOCK_STREAM),
    (socket.AF_INET, socket.SOCK_DGRAM),
    (socket.AF_UNIX, socket.SOCK_STREAM),
    (socket.AF_UNIX, socket.SOCK_DGRAM),
    (socket.AF_UNIX, socket.SOCK_SEQPACKET),
    (socket.AF_INET6, socket.SOCK_STREAM),
    (socket.AF_INET6, socket.SOCK_DGRAM),
)
KIND_NAMES = dict(
    zip(
        KINDS, ("tcp", "udp", "unix", "unix datagrams", "unix packets", "tcp6", "udp6"), strict=True
    )
)
ADDRESSES = {
    socket.AF_INET: (("127.0.0.1", 0), ("0.0.0.0", 0), ("127.0.0.2", 0), ("192.0.2.1", 0)),  # noqa: S104
    socket.AF_INET6: (("::1", 0), ("::", 0), ("::ffff:127.0.0.1", 0), ("2001:db8::1", 0)),
    socket.AF_UNIX: ("a", "b", "\0c", "", "no/folder", "x" * 120),
}
"""To bind to, beside the names of the sockets that are there; paths are in the program's folder."""
STRANGERS = {
    socket.AF_INET: (("127.0.0.1", 1), ("127.0.0.2", 1)),
    socket.AF_INET6: (("::1", 1), ("::ffff:127.0.0.1", 1)),
    socket.AF_UNIX: ("a", "b", "\0c", "nowhere", "no/folder"),
}
"""To connect and send to, beside those."""
SIZES = (1, 10, 0, 300, 5000, 70000)
HOWS = (socket.SHUT_WR, socket.SHUT_RD, socket.SHUT_RDWR, 7)
READ_FLAGS = (0, socket.MSG_PEEK, socket.MSG_TRUNC, socket.MSG_WAITALL, socket.MSG_DONTWAIT)
SEND_FLAGS = (0, socket.MSG_DONTWAIT, socket.MSG_NOSIGNAL, socket.MSG_EOR)
VALUES = (0, 1, 2, 30, -1, 5000)

OPTIONS = [
    *(
        (socket.SOL_SOCKET, getattr(socket, name))
        for name in (
            "SO_REUSEADDR", "SO_REUSEPORT", "SO_KEEPALIVE", "SO_BROADCAST", "SO_TYPE",
            "SO_ACCEPTCONN", "SO_DOMAIN", "SO_PROTOCOL", "SO_DONTROUTE", "SO_OOBINLINE",
            "SO_PASSCRED", "SO_PRIORITY", "SO_MARK", "SO_RCVLOWAT", "SO_SNDLOWAT", "SO_SNDBUF",
            "SO_RCVBUF",
        )
    ),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name))
        for name in (
            "TCP_NODELAY", "TCP_MAXSEG", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT",
            "TCP_SYNCNT", "TCP_LINGER2", "TCP_DEFER_ACCEPT", "TCP_QUICKACK", "TCP_USER_TIMEOUT",
        )
    ),
    *(
        (socket.IPPROTO_IP, number) for number in (1, 2, 6, 8, 10, 11, 12, 13, 15, 24, 33, 34)
    ),
    *((socket.IPPROTO_IPV6, number) for number in (16, 17, 18, 19, 25, 26, 49, 51, 66, 67)),
    (17, 9), (999, 1),
]  # fmt: skip

CALLS = (
    "send", "recv", "recv", "connect", "accept", "bind", "listen", "open", "open_pair", "open_pipe",
    "meet", "sendto", "sendto", "recvfrom", "sendmsg", "recvmsg", "recv_into", "shutdown", "close",
    "dup", "get", "set", "names", "error", "linger", "read", "write", "queued", "blocking", "fill",
    "drain", "pass_on", "take_on", "list_folder", "unlink", "again", "listen_here", "connect_back",
    *further_calls.NAMES,
)  # fmt: skip
NODELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY)
BUFFERS = [
    (socket.SOL_SOCKET, getattr(socket, name)) for name in ("SO_SNDBUF", "SO_RCVBUF", "SO_RCVLOWAT")
]
OPENING = ("open", "open_pair", "open_pipe", "meet", "listen_here")
ANY_FILE = (
    "close",
    "dup",
    "read",
    "write",
    "fill",
    "drain",
    "queued",
    "blocking",
    "unlink",
    "list_folder",
    *further_calls.ON_PIPES,
)
"""What is called on the ends of pipes, too."""
CALL = st.tuples(st.sampled_from(CALLS), st.integers(0, 6), st.integers(0, 60))


def programs():
    """Return the strategy of programs: a beginning, and calls after it."""
    beginning = st.sampled_from(OPENING)
    first = st.tuples(beginning, st.integers(0, 6), st.integers(0, 60))
    calls = st.lists(st.none() | CALL, min_size=LENGTH, max_size=LENGTH)
    return st.tuples(first, calls).map(lambda drawn: [drawn[0], *filter(None, drawn[1])])


class Answer(NamedTuple):
    """What one call gave."""

    call: tuple[str, int, int]
    kind: str
    """Of the descriptor: the family and the type of a socket, or "pipe"."""
    said: object
    """The value, or the type of the error and its errno."""
    events: list[str]
    """Of every descriptor that is open after it."""
    notes: tuple


class Machine(further_calls.FurtherCalls):
    """Carries a program out, and keeps a record of what each call gave."""

    def __init__(self, folder: str, patience: float = 0.0) -> None:
        self.folder = folder
        self.patience = patience
        """Real seconds after each call, for a kernel that did not come to it yet."""
        self.slots = []
        self.record = []
        self.known = {}
        self.notes = []
        """What the list of differences by design has to know of the call."""
        self.count = 0

    def run(self, program):
        """Carry it out, close everything, and return the record."""
        try:
            for name, where, what in program:
                self.do(name, where, what)
        finally:
            for slot in self.slots:
                self.close_one(slot)
            for path in sorted(Path(self.folder).rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
        return self.record

    def do(self, name, where, what):
        """Make one call, and write down what it gave and how all descriptors are then."""
        slot = self.slots[where % len(self.slots)] if self.slots else None
        if name not in OPENING and (
            slot is None or (isinstance(slot, int) and name not in ANY_FILE)
        ):
            return
        try:
            given = getattr(self, name)(slot, what)
        except (OSError, ValueError, OverflowError, TypeError) as error:
            given = type(error).__name__, getattr(error, "errno", None)
        if self.patience:
            time.sleep(self.patience)
        kind = KIND_NAMES[slot.family, slot.type] if isinstance(slot, socket.socket) else "pipe"
        events = [self.events(each) for each in self.slots]
        said = self.plain(given)
        self.record.append(Answer((name, where, what), kind, said, events, tuple(self.notes)))
        self.notes.clear()

    # -- what is written down ----------------------------------------------------------------------

    def events(self, slot):
        poll = select.poll()
        poll.register(slot, ASKED)
        ready = poll.poll(0)
        return " ".join(name for bit, name in EVENTS.items() if ready and ready[0][1] & bit)

    def plain(self, value):
        """Replace what no two runs share: ports, the folder, names of the kernel's choice."""
        match value:
            case [str(ip), int(port), *rest] if port > 1 and {".", ":"} & {*ip}:
                return ip, ("port", self.known.setdefault(port, len(self.known))), *rest
        if isinstance(value, tuple | list):
            return [self.plain(part) for part in value]
        if isinstance(value, str):
            return value.replace(self.folder, "")
        if isinstance(value, bytes):
            if value[:1] == b"\0" and len(value) == 6:  # unix(7): autobind draws it.
                return "a name of the kernel's choice"
            return value if len(value) <= LONG else (len(value), zlib.crc32(value))
        return value

    # -- making and closing ------------------------------------------------------------------------

    def keep(self, *made):
        """Add descriptors, non-blocking; close them where there are enough."""
        for each in made:
            if len(self.slots) >= SLOTS_MAX:
                self.close_one(each)
                continue
            if isinstance(each, int):
                os.set_blocking(each, False)
            else:
                each.setblocking(False)
                self.hurry(each)
            self.slots.append(each)
        return len(made)

    def hurry(self, sock):
        """Send small segments at once, as asyncio sets it: Nagle's delay is a matter of moments."""
        if sock.family != socket.AF_UNIX and sock.type == socket.SOCK_STREAM:
            sock.setsockopt(*NODELAY, 1)

    def close_one(self, slot):
        if isinstance(slot, int):
            os.close(slot)
        else:
            slot.close()

    def open(self, _, what):
        return self.keep(socket.socket(*KINDS[what % len(KINDS)]))

    def open_pair(self, _, what):
        kind = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET)[what % 3]
        return self.keep(*socket.socketpair(socket.AF_UNIX, kind))

    def open_pipe(self, _, __):
        return self.keep(*os.pipe())

    def listen_here(self, _, what):
        """Open a socket that listens."""
        family = (socket.AF_INET, socket.AF_UNIX, socket.AF_INET6)[what % 3]
        sock = socket.socket(family, socket.SOCK_STREAM)
        self.keep(sock)
        if len(self.slots) < SLOTS_MAX:
            sock.bind(self.address(ADDRESSES[family][0]))
            sock.listen(3)

    def meet(self, _, what):
        """Open two sockets that are connected to each other."""
        family, kind = KINDS[what % len(KINDS)]
        first, second = socket.socket(family, kind), socket.socket(family, kind)
        self.keep(first, second)
        if len(self.slots) >= SLOTS_MAX:
            return None
        if family == socket.AF_UNIX:
            first.bind("")
        else:
            first.bind(ADDRESSES[family][0])
        if kind == socket.SOCK_DGRAM:
            if family != socket.AF_UNIX:
                second.bind(ADDRESSES[family][0])
                first.connect(second.getsockname())
            return second.connect(first.getsockname())
        first.listen(3)
        second.connect_ex(first.getsockname())
        poll = select.poll()
        poll.register(first, select.POLLIN)
        assert poll.poll(5000), "a connection to the same machine takes five seconds"
        made = first.accept()[0]
        self.slots.remove(first)
        first.close()
        return self.keep(made)

    def accept(self, slot, _):
        made, name = slot.accept()
        self.keep(made)
        return name, made.getsockname()

    def close(self, slot, _):
        self.slots.remove(slot)
        return self.close_one(slot)

    def dup(self, slot, what):
        """Go on with a copy; the other descriptor is closed, or stays open as well."""
        made = os.dup(slot) if isinstance(slot, int) else slot.dup()
        blocking = os.get_blocking(made if isinstance(made, int) else made.fileno())
        self.keep(made)
        if what % 2:
            self.close(slot, 0)
        return blocking

    def again(self, slot, _):
        """Make another object of the same descriptor."""
        made = socket.socket(fileno=slot.fileno())
        slot.detach()
        self.slots[self.slots.index(slot)] = made
        made.setblocking(False)
        return made.family, made.type, made.proto, slot.fileno()

    # -- addresses ---------------------------------------------------------------------------------

    def address(self, name):
        """Return an address, with the path of the folder where it is a path."""
        if isinstance(name, str) and name and not name.startswith("\0"):
            return f"{self.folder}/{name}"
        if isinstance(name, str) and name:
            return f"\0{self.folder}{name[1:]}"
        return name

    def choose(self, table, slot, what):
        """Return the address of another socket, of whatever family, or one of the table."""
        others = [each for each in self.slots if isinstance(each, socket.socket)]
        names = table[slot.family]
        number = what % (len(others) + len(names))
        if number < len(others):
            chosen = others[number].getsockname()
        else:
            chosen = self.address(names[number - len(others)])
        if isinstance(chosen, tuple) and chosen[1] == 0:
            self.notes.append("port 0")
        if slot.family == socket.AF_INET6 and isinstance(chosen, tuple):
            self.notes.append("IPv4" if chosen[0].startswith("::ffff:") else "IPv6")
        return chosen

    def bind(self, slot, what):
        slot.bind(self.choose(ADDRESSES, slot, what))
        return slot.getsockname()

    def listen(self, slot, what):
        return slot.listen((0, 1, 3, 5)[what % 4])

    def connect(self, slot, what):
        return slot.connect(self.choose(STRANGERS, slot, what))

    def connect_back(self, slot, what):
        """Connect, without an exception."""
        return slot.connect_ex(self.choose(STRANGERS, slot, what))

    def names(self, slot, _):
        here = slot.getsockname()
        return here, slot.getpeername()

    def list_folder(self, _, __):
        return sorted(os.listdir(self.folder))  # noqa: PTH208 - the call is what is tried.

    def unlink(self, _, what):
        return os.unlink(f"{self.folder}/{'ab'[what % 2]}")  # noqa: PTH108 - the same.

    # -- data --------------------------------------------------------------------------------------

    def data(self, what):
        """Return bytes that no other call sends."""
        self.count += 1
        size = SIZES[what % len(SIZES)]
        return (
            bytes((self.count * 41 + index) % 251 for index in range(min(size, 251)))
            * (size // 251 + 1)[:size]
            if size > 251
            else bytes((self.count * 41 + index) % 251 for index in range(size))
        )

    def send(self, slot, what):
        return slot.send(self.data(what), SEND_FLAGS[what // 6 % len(SEND_FLAGS)])

    def recv(self, slot, what):
        size, flags = self.how_to_read(what)
        data = slot.recv(size, flags)
        return len(data) if flags & socket.MSG_TRUNC else data

    def how_to_read(self, what):
        """Return a size and flags; with MSG_TRUNC, bytes mean nothing."""
        return SIZES[what % len(SIZES)], READ_FLAGS[what // len(SIZES) % len(READ_FLAGS)]

    def sendto(self, slot, what):
        return slot.sendto(self.data(what // 8), self.choose(STRANGERS, slot, what))

    def recvfrom(self, slot, what):
        size, flags = self.how_to_read(what)
        data, name = slot.recvfrom(size, flags)
        return len(data) if flags & socket.MSG_TRUNC else data, name

    def sendmsg(self, slot, what):
        parts = [self.data(what), b"", self.data(what + 1)]
        if what % 2:
            return slot.sendmsg(parts)
        return slot.sendmsg(parts, [], 0, self.choose(STRANGERS, slot, what // 2))

    def recvmsg(self, slot, what):
        room = (0, socket.CMSG_SPACE(4), 200)[what // 30 % 3]
        size, asked = self.how_to_read(what)
        data, ancillary, flags, name = slot.recvmsg(size, room, asked)
        if asked & socket.MSG_TRUNC:
            data = len(data)
        return data, [self.shown(item) for item in ancillary], flags, name

    def shown(self, item):
        """Return what an ancillary item says, and close the descriptors that came with it."""
        level, kind, data = item
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            numbers = array.array("i", data[: len(data) // 4 * 4])
            for number in numbers:
                os.close(number)
            return "descriptors", len(numbers)
        if (level, kind) == (socket.SOL_SOCKET, 2):  # SCM_CREDENTIALS
            return "credentials", len(data), struct.unpack("3i", data)[0] in {0, os.getpid()}
        return level, kind, data

    def recv_into(self, slot, what):
        size, flags = self.how_to_read(what)
        buffer = bytearray(size or 3)
        count = slot.recv_into(buffer, 0, flags)
        return count, None if flags & socket.MSG_TRUNC else bytes(buffer[:count])

    def read(self, slot, what):
        return os.read(slot if isinstance(slot, int) else slot.fileno(), SIZES[what % len(SIZES)])

    def write(self, slot, what):
        return os.write(slot if isinstance(slot, int) else slot.fileno(), self.data(what))

    def fill(self, slot, what):
        """Write until there is no room, where what there is room for is not a matter of moments."""
        if not isinstance(slot, int) and slot.family != socket.AF_UNIX:
            return None
        chunk = b"f" * (1000, 4096, 65536, 1)[what % 4 if isinstance(slot, int) else what % 3]
        total = 0
        for _ in range(3000):
            try:
                total += os.write(slot, chunk) if isinstance(slot, int) else slot.send(chunk)
            except BlockingIOError:
                break
        return total

    def drain(self, slot, _):
        """Read all that is there."""
        total, parts = 0, 0
        while True:
            try:
                data = os.read(slot, 1 << 20) if isinstance(slot, int) else slot.recv(1 << 20)
            except BlockingIOError:
                return total, parts
            if not data:
                return total, parts, "end"
            total, parts = total + len(data), parts + 1

    def pass_on(self, slot, what):
        """Send a descriptor of a pipe with a byte."""
        ends = os.pipe()
        try:
            fds = array.array("i", ends[: what % 3])
            return slot.sendmsg([b"p"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        finally:
            for end in ends:
                os.close(end)

    def take_on(self, slot, what):
        data, fds, flags, name = socket.recv_fds(slot, 10, 2)
        for number in fds:
            os.close(number)
        return data, len(fds), flags, name

    # -- state -------------------------------------------------------------------------------------

    def shutdown(self, slot, what):
        return slot.shutdown(HOWS[what % len(HOWS)])

    def error(self, slot, _):
        return slot.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def linger(self, slot, what):
        value = struct.pack("ii", what % 2, (0, 5)[what // 2 % 2])
        slot.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, value)
        return slot.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)

    def get(self, slot, what):
        option = OPTIONS[what % len(OPTIONS)]
        self.notes.append(option)
        return slot.getsockopt(*option)

    def set(self, slot, what):
        """Set an option, and get it."""
        option = OPTIONS[what % len(OPTIONS)]
        value = VALUES[(what * 7 + self.count) % len(VALUES)]
        if value < 0 and option in BUFFERS:
            return None  # As much as the machine's administrator allows.
        if option == NODELAY:
            return None  # Whether a segment was held back is a matter of moments.
        self.notes.append(option)
        slot.setsockopt(*option, value)
        return slot.getsockopt(*option)

    def queued(self, slot, _):
        """Ask how many bytes can be read: FIONREAD."""
        buffer = array.array("i", [0])
        fcntl.ioctl(slot, termios.FIONREAD, buffer)
        return buffer[0]

    def blocking(self, slot, _):
        return os.get_blocking(slot if isinstance(slot, int) else slot.fileno())
