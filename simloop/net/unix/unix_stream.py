"""UNIX stream sockets: connections inside one host.

Owns: what each call answers in each state, as Linux' AF_UNIX does, and the files that travel with
bytes (SCM_RIGHTS). A sender fills the receiver's inbox until the memory of what it sent is its own
send buffer; nothing passes the link between hosts. Must not know time.

Files travel at a place in the stream: the first read that reaches the bytes they were sent with
gets them, and stops behind those bytes. Each file in flight counts as a reference.

Invariants: ``rights`` is None or a queue of (start, end, files) relative to the front of the inbox,
in order and not overlapping; ``window`` is how many bytes fit into the own send buffer however
small the writes are, so that nobody counts memory while no more than that is there; ``blocked``
holds while connected, so that a reader always looks whether its sender waits for room.
"""

from __future__ import annotations

import errno
import struct
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

from simloop.net.addressing.addresses import SocketAddress, parse_unix, show_unix
from simloop.net.errnos import os_error
from simloop.net.files.open_file import ERR, HUP, IN, OUT, RDHUP
from simloop.net.inet import options as opt
from simloop.net.inet.byte_stream import StreamSocket
from simloop.net.inet.socket_file import (
    AF_UNIX,
    SO_SNDBUF,
    SOL_SOCKET,
    Ancillary,
    Message,
    SocketFile,
)
from simloop.net.inet.tcp_states import (
    CLOSED,
    ESTABLISHED,
    LISTEN,
    ON_UNIX_CLOSE,
    ON_UNIX_LISTEN,
    ON_UNIX_SYN,
)
from simloop.net.linux import socket_names as socket

from .packet_memory import SMALLEST, StreamMemory

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.net.fabric import Endpoint
    from simloop.net.files.open_file import File
    from simloop.net.host import Host
    from simloop.net.inet.tcp_states import State

__all__ = ["BUFFER", "UNNAMED", "UnixAddresses", "UnixStream", "files_of"]

BUFFER = 212_992  # net.core.wmem_default
_BACKLOG_MAX = 4_096
UNNAMED: Endpoint = ("", 0)
_CREDENTIALS = struct.Struct("3i")
_NOBODY = (0, -1, -1)
_RIGHTS = (SOL_SOCKET, int(socket.SCM_RIGHTS))
_CREDS = (SOL_SOCKET, 2)  # SCM_CREDENTIALS
_PEERCRED = 17
_REUSEPORT = (SOL_SOCKET, int(socket.SO_REUSEPORT))

_SHUT_RD, _SHUT_WR, _SHUT_RDWR = int(socket.SHUT_RD), int(socket.SHUT_WR), int(socket.SHUT_RDWR)
_MSG_PEEK = int(socket.MSG_PEEK)
_MSG_OOB = int(socket.MSG_OOB)


class UnixAddresses(SocketFile):
    """What all UNIX sockets share: names that are texts, and the peer's credentials."""

    __slots__ = ()

    local: Endpoint | None  # Inherited, as below.
    peer: Any  # Of the heirs, each of its own kind.
    knows_process: bool
    """Whether it was connected, listened, or came of a pair: init_peercred of af_unix.c."""

    def parse_address(self, address: object, what: str) -> Endpoint:
        """Check a path or an abstract name."""
        del what
        return parse_unix(address)

    def show_address(self, endpoint: Endpoint | None) -> SocketAddress:
        """Shape a name as the socket module does."""
        return None if endpoint is None else show_unix(endpoint)

    def getsockname(self) -> SocketAddress:
        """Return the own name, "" without one."""
        return show_unix(self.local or UNNAMED)

    def getpeername(self) -> SocketAddress:
        """Return the peer's name, "" where it has none; ENOTCONN without a peer."""
        if self.remote is None:
            raise os_error(errno.ENOTCONN)
        peer = self.peer
        return show_unix(self.remote if peer is None else peer.local or UNNAMED)

    def bind(self, endpoint: Endpoint) -> None:
        """Take a name; "" lets the host choose an abstract one."""
        name = endpoint[0]
        if self.local is not None:  # An accepted socket has its listener's name.
            if name:
                if not name.startswith("\0"):
                    self.host.unix.free_place(name)  # The path is made before the socket is asked.
                raise os_error(errno.EINVAL)
            return
        self.local = endpoint
        try:
            if name:
                self.host.unix.bind(name, self)
            else:
                self.local = (self.host.unix.autobind(self), 0)
        except OSError:
            self.local = None
            raise
        self.is_bound = True

    def take_name_to_pass(self) -> None:
        """Take an abstract name if there is none and SO_PASSCRED is set (unix(7), autobind)."""
        if self.options is not None and self.local is None and self.flag(*opt.PASSCRED):
            self.bind(UNNAMED)

    def release_name(self) -> None:
        """Part from the name."""
        if self.is_bound and self.local is not None:
            self.host.unix.release(self.local[0], self)

    def find(self, endpoint: Endpoint) -> SocketFile:
        """Return the socket of this type at a name; EPROTOTYPE if it has another type."""
        if not endpoint[0]:
            raise os_error(errno.EINVAL)
        found = self.host.unix.find(endpoint[0], self.type)
        assert isinstance(found, SocketFile)
        if found.type != self.type:
            raise os_error(errno.EPROTOTYPE)
        return found

    def beside(self, data: bytes, files: list[File]) -> list[Ancillary]:
        """Return what comes beside bytes: the sender's credentials, if asked for, and files."""
        items: list[Ancillary] = [(*_RIGHTS, files)] if files else []
        if self.options is not None and self.flag(*opt.PASSCRED):
            host = self.host
            known = (host.pid, host.uid, host.gid) if data else (0, 0, 0)
            items.insert(0, (*_CREDS, _CREDENTIALS.pack(*known)))
        return items

    def setsockopt(self, level: int, name: int, value: opt.Value) -> None:
        """Set an option; a name cannot be shared."""
        if (level, name) == _REUSEPORT and opt.integer_of(value):
            raise os_error(errno.EOPNOTSUPP)
        super().setsockopt(level, name, value)

    def special_option(self, name: int) -> opt.Value | None:
        """Answer SO_PEERCRED: the virtual process of the host is on the other side."""
        if name == _PEERCRED:
            host = self.host
            known = (host.pid, host.uid, host.gid) if self.knows_process else _NOBODY
            return _CREDENTIALS.pack(*known)
        return super().special_option(name)


def files_of(ancillary: list[Ancillary]) -> list[File]:
    """Return the files that a message carries; EINVAL for a kind that does not exist."""
    files: list[File] = []
    for level, kind, data in ancillary:
        if (level, kind) == _RIGHTS and not isinstance(data, bytes):
            files.extend(data)
        elif level == SOL_SOCKET and (level, kind) != _CREDS:
            raise os_error(errno.EINVAL)
    return files


class UnixStream(UnixAddresses, StreamSocket):
    """One end of a UNIX connection, or a listener."""

    __slots__ = ("backlog", "knows_process", "queue", "rights")

    kind: ClassVar[str] = "unix"
    levels: ClassVar[tuple[int, ...]] = (SOL_SOCKET,)
    # Inherited, and said again where this class sets them: type checkers infer each its own.
    remote: Endpoint | None
    state: State
    window: int
    sndbuf: int
    rcvbuf: int
    blocked: bool
    is_shut_read: bool
    is_shut_write: bool
    peer: StreamSocket | None

    def __init__(self, host: Host, type_: int, proto: int) -> None:
        super().__init__(host, AF_UNIX, type_, proto, BUFFER, BUFFER)
        self.backlog: int = 0
        self.knows_process: bool = False
        self.queue: deque[UnixStream] | None = None
        self.rights: deque[tuple[int, int, list[File]]] | None = None

    # -- connecting ----------------------------------------------------------------------------

    def join(self, other: SocketFile) -> None:
        """Connect with another socket: socketpair(2), and what connect(2) comes to."""
        assert isinstance(other, UnixStream)
        self._joined(other)
        other._joined(self)
        self._refresh()
        other._refresh()

    def _joined(self, peer: UnixStream) -> None:
        self.state = ON_UNIX_SYN[self.state]
        self.peer = peer
        self.knows_process = True
        self.window = self._least_room()
        self.remote = peer.local or UNNAMED

    def connect(self, endpoint: Endpoint) -> int:
        """Connect at once: 0, or an errno; EAGAIN where the listener's queue is full."""
        if endpoint[0]:
            self.take_name_to_pass()
        try:
            listener = self.find(endpoint)
        except OSError as error:
            return error.errno or errno.EINVAL
        if not isinstance(listener, UnixStream) or listener.queue is None or listener.is_shut_read:
            return errno.ECONNREFUSED
        if len(listener.queue) > listener.backlog:
            return errno.EAGAIN
        if self.state is ESTABLISHED:
            return errno.EISCONN
        if self.state is LISTEN:
            return errno.EINVAL
        child = type(self)(listener.host, self.type, self.proto)
        child.local = listener.local
        self.join(child)
        listener.queue.append(child)
        listener.notify_readable()
        return 0

    def listen(self, backlog: int) -> None:
        """Accept connections from now on; EINVAL without a name."""
        if self.local is None or self.state is ESTABLISHED:
            raise os_error(errno.EINVAL)
        self.backlog = backlog if 0 <= backlog < _BACKLOG_MAX else _BACKLOG_MAX
        if self.queue is None:
            self.queue = deque()
            self.knows_process = True
            self.state = ON_UNIX_LISTEN[self.state]

    def accept(self) -> UnixStream:
        """Return the oldest connection in the queue."""
        if self.queue is None:
            raise os_error(errno.EINVAL)
        if not self.queue:
            is_over = self.is_shut_read and self.is_blocking
            raise os_error(errno.EINVAL if is_over else errno.EAGAIN)
        child = self.queue.popleft()
        self.notify_writable()
        return child

    # -- sending -------------------------------------------------------------------------------

    def _carry(self, kind: str, deliver: Callable[[], None], data: bytes = b"") -> None:
        del kind, data
        deliver()  # Both ends are in one kernel: no link lies between them.

    def _refresh(self) -> None:
        super()._refresh()
        self.blocked: bool = self.state is ESTABLISHED

    def check_sending(self) -> None:
        """Raise ENOTCONN without a peer, EPIPE where the peer reads no more."""
        if self.state is not ESTABLISHED:
            raise os_error(errno.ENOTCONN)
        if self.is_shut_write or self.peer is None:
            raise os_error(errno.EPIPE)

    def room(self) -> int:
        """How many bytes one send can take now."""
        return StreamMemory(self.sndbuf).room(self._held())

    def _held(self) -> int:
        """Return how much of the own send buffer what the peer did not read yet occupies."""
        peer = self.peer
        return 0 if peer is None else StreamMemory(self.sndbuf).of(peer.inbox)

    def count_unsent(self) -> int:
        """Return the memory of what the peer did not read (unix(7); ``unix_outq_len``)."""
        return self._held()

    def _least_room(self) -> int:
        return -(-self.sndbuf // SMALLEST)

    def _arrives_at_once(self, size: int) -> bool:
        del size
        return True  # There was room, and nothing lies between.

    def sendto(self, data: bytes, flags: int, endpoint: Endpoint) -> int:
        """Refuse: a stream has one destination."""
        del data, flags, endpoint
        raise os_error(errno.EISCONN if self.state is ESTABLISHED else errno.EOPNOTSUPP)

    def sendmsg(
        self, data: bytes, ancillary: list[Ancillary], flags: int, endpoint: Endpoint | None
    ) -> int:
        """Send bytes, and files with them; files without bytes go nowhere."""
        files = files_of(ancillary)
        if endpoint is not None:
            return self.sendto(data, flags, endpoint)
        if not files:
            return self.send(data, flags)
        self.check_sending()
        peer = self.peer
        if not data:
            return 0
        assert isinstance(peer, UnixStream)
        room = self.room()
        if room <= 0:
            raise os_error(errno.EAGAIN)
        start = peer.inbox.size  # The first buffer of the kernel's bears the files.
        end = start + min(len(data), room, StreamMemory(self.sndbuf).piece)
        for file in files:
            file.acquire()
        if peer.rights is None:
            peer.rights = deque()
        peer.rights.append((start, end, files))
        return self._send_slowly(data, flags)

    # -- receiving -----------------------------------------------------------------------------

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return up to ``size`` bytes; files that came with them are closed."""
        if not self.rights:
            return super().recv(size, flags)
        data, files = self._recv_with_files(size, flags)
        for file in files:
            file.drop()
        return data

    def recvmsg(self, size: int, ancillary_size: int, flags: int = 0) -> Message:
        """Return bytes, and the files that came with them: the caller owns their references."""
        del ancillary_size
        if not self.rights:
            sender = self._sender() if self.inbox.size else None  # The end comes from no one.
            data = super().recv(size, flags)
            return data, self.beside(data, []), 0, sender
        data, files = self._recv_with_files(size, flags)
        return data, self.beside(data, files), 0, self._sender()

    def _sender(self) -> Endpoint | None:
        """Return the name that the peer has by now, or had; None without one."""
        peer = self.peer
        name = self.remote if peer is None else peer.local
        return None if name == UNNAMED else name

    def _recv_with_files(self, size: int, flags: int) -> tuple[bytes, list[File]]:
        assert self.rights
        start, end, files = self.rights[0]
        data = super().recv(min(size, end), flags)
        if flags & _MSG_PEEK:  # The files are given, and stay: unix_peek_fds of net/unix/af_unix.c.
            files = files if len(data) > start or size == start == 0 else []
            for file in files:
                file.acquire()
            return data, files
        taken = len(data)
        if taken > start or size == start == 0:  # A read of no bytes gets them, too.
            self.rights.popleft()
        else:
            files = []
        self.rights = deque(
            (start - taken, end - taken, carried) for start, end, carried in self.rights
        )
        return data, files

    def end_with_part(self) -> None:
        """Forget the error: ``unix_stream_read_generic`` takes it, and tells of the part."""
        self.take_error()

    def recv_nothing(self) -> bytes:
        """Answer with the error, the end, or EAGAIN; EINVAL where there never was a peer."""
        if self.state is not ESTABLISHED:
            raise os_error(errno.EINVAL)
        if self.error:
            self.raise_error()
        if self.is_shut_read:
            return b""
        raise os_error(errno.EAGAIN)

    def room_made(self) -> None:
        """Call the writer's watcher, if poll shows room now that the peer's reader took bytes."""
        watcher = self.on_writable
        if watcher is not None and self.writable:
            watcher()

    # -- ends ----------------------------------------------------------------------------------

    def shutdown(self, how: int) -> None:
        """Close one direction or both: the peer's other one closes with it."""
        if how not in (_SHUT_RD, _SHUT_WR, _SHUT_RDWR):
            raise os_error(errno.EINVAL)
        self._shut(read=how != _SHUT_WR, write=how != _SHUT_RD)
        if isinstance(self.peer, UnixStream):
            self.peer._shut(read=how != _SHUT_RD, write=how != _SHUT_WR)

    def _shut(self, *, read: bool, write: bool) -> None:
        self.is_shut_read |= read
        self.is_shut_write |= write
        self._refresh()
        if read:
            self.notify_readable()
        if write:
            self.notify_writable()

    def release(self) -> None:
        """Close: the peer reads what is left, then the end; a reset if we left bytes unread."""
        self.is_released = True
        was_unread = self._is_unread()
        peer, self.peer = self.peer, None
        queue, self.queue = self.queue, None
        self.state = ON_UNIX_CLOSE[self.state]
        self.direct = self.blocked = False
        if isinstance(peer, UnixStream):
            peer.peer = None
            peer.remote = self.local or UNNAMED  # The name that it had at the end.
            if was_unread:
                peer.error = errno.ECONNRESET
            peer._shut(read=True, write=True)
        for child in queue or ():
            child._abandon()
        self._forget_input()
        self.release_name()

    def _abandon(self) -> None:
        """Go without having been accepted: the peer sees a reset."""
        if self.peer is not None:
            self.peer.error = errno.ECONNRESET
        self.release()

    def _has_input(self) -> bool:
        return self.inbox.size > 0

    def _is_unread(self) -> bool:
        return self.inbox.size > 0

    def _forget_input(self) -> None:
        self.inbox.clear()
        rights, self.rights = self.rights, None
        for _, _, files in rights or ():
            for file in files:
                file.drop()

    # -- readiness and options -------------------------------------------------------------------

    def poll(self) -> int:
        """Return what the system call poll shows."""
        if self.state is LISTEN:
            ends = (IN | RDHUP if self.is_shut_read else 0) | (HUP if self.is_shut_both else 0)
            return ends | (IN if self.queue else 0)
        mask = ERR if self.error else 0
        if self.state is CLOSED or self.is_shut_both:
            mask |= HUP
        if self.is_shut_read:
            mask |= IN | RDHUP
        if self._has_input():
            mask |= IN
        return mask | OUT if self._is_mostly_free() else mask

    def _is_mostly_free(self) -> bool:
        """Linux' rule: a UNIX socket shows writable while three quarters of its buffer are free."""
        return self.peer is None or self._held() * 4 <= self.sndbuf

    @property
    def readable(self) -> bool:
        """Whether a receive or an accept would not block."""
        return bool(self.poll() & (IN | HUP | ERR))

    @property
    def writable(self) -> bool:
        """Whether poll shows room for a send, or a send would fail at once."""
        return self.state is not LISTEN and (self._is_mostly_free() or self.error != 0)

    def option_changed(self, key: opt.Key, value: opt.Value) -> None:
        """Act upon an option; the send buffer is what the peer's inbox may hold."""
        super().option_changed(key, value)
        if key == SO_SNDBUF:
            self.window = self._least_room()
            self.room_made()

    def check(self) -> None:
        """Assert the invariants."""
        super().check()
        last = 0
        for start, end, files in self.rights or ():
            assert last <= start < end <= self.inbox.size, (start, end)
            last = end
            for file in files:
                assert file.references > 0, file
        for child in self.queue or ():
            child.check()
        if self.state is ESTABLISHED:
            assert self.blocked
            assert self.window == self._least_room()
