"""What a socket object does by C methods in CPython, here: below ``socket.socket``.

Owns: arguments and their errors, timeouts, calls that wait. ``SocketMethods`` comes after
``socket.socket`` in the order of look-up and before the class written in C, so whatever a tool sets
on ``socket.socket`` (a mock, a guard) is met first, as with real sockets.

Must not know who runs the program: a call that would wait asks ``host.on_would_block``, and who
wants to hear of calls that go through is told before.

Invariants: ``_fd`` names ``_file`` in the host's table, or is -1 and ``_file`` the closed one,
whose every call is EBADF; ``_timeout`` is None, or seconds >= 0, where 0 means non-blocking.
"""

from __future__ import annotations

import _socket
import array
import errno
import operator
import socket
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar, overload

from simloop._presence import call_hearers
from simloop.net.addressing.addresses import parse_inet, parse_unix
from simloop.net.errnos import os_error
from simloop.net.files.passed_file import PassedFile
from simloop.net.inet import options as opt
from simloop.net.inet.socket_file import AF_UNIX, SocketFile
from simloop.net.linux import socket_names

from .argument_checks import as_bytes, as_timeout, c_int, joined, size_of, writable_view
from .closed_file import CLOSED_FILE
from .connect_guard import refuse_while_asked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from simloop.net.addressing.addresses import SocketAddress
    from simloop.net.fabric import Endpoint
    from simloop.net.files.descriptor_table import DescriptorTable
    from simloop.net.files.open_file import File
    from simloop.net.host import Host
    from simloop.net.inet.socket_file import Ancillary, Message

__all__ = ["SocketMethods"]

T = TypeVar("T")

_MSG_DONTWAIT = int(socket_names.MSG_DONTWAIT)
_MSG_PEEK = int(socket.MSG_PEEK)
_MSG_WAITALL = int(socket_names.MSG_WAITALL)
_MSG_CTRUNC = int(socket_names.MSG_CTRUNC)
_MSG_CMSG_CLOEXEC = 0x40000000
_RIGHTS = (int(socket.SOL_SOCKET), int(socket_names.SCM_RIGHTS))
_OPTION_SIZE_MAX = 1024
_BACKLOG = min(socket.SOMAXCONN, 128)  # CPython's default.
_INT_SIZE = 4


class SocketMethods(_socket.socket):
    """The calls of a socket of a simulated host."""

    __slots__ = ()

    _host: Host
    _file: SocketFile
    _fd: int
    _family: int
    _proto: int
    _table: DescriptorTable
    _timeout: float | None

    # -- what it is ----------------------------------------------------------------------------

    @property
    def file(self) -> SocketFile:
        """The open socket below, which transports and selectors watch; EBADF once closed."""
        if self._fd < 0:
            raise os_error(errno.EBADF)
        return self._file

    @property
    def proto(self) -> int:
        """The protocol as it was asked for."""
        return self._proto

    @property
    def timeout(self) -> float | None:
        """Seconds that a call may wait; None: for ever, 0: not at all."""
        return self._timeout

    # -- descriptors ---------------------------------------------------------------------------

    def fileno(self) -> int:
        """Return the descriptor, far above those of the real process; -1 once closed."""
        return self._fd

    def detach(self) -> int:
        """Close the object but not the descriptor, and return that."""
        fd, self._fd = self._fd, -1
        self._file = CLOSED_FILE
        return fd

    def close(self) -> None:
        """Close the descriptor; once closed, do nothing."""
        if call_hearers:
            call_hearers[0]()
        fd = self._fd
        if fd >= 0:
            self._fd = -1
            self._file = CLOSED_FILE
            self._table.close(fd)

    # -- blocking ------------------------------------------------------------------------------

    def settimeout(self, value: float | None, /) -> None:
        """Set how many seconds a call may wait: None for ever, 0 not at all."""
        self._timeout = as_timeout(value)
        self.file.is_blocking = value is None

    def gettimeout(self) -> float | None:
        """Return what settimeout set."""
        return self._timeout

    def setblocking(self, flag: bool, /) -> None:  # noqa: FBT001  # As the parent has it.
        """Let calls wait for ever, or not at all."""
        self._timeout = None if flag else 0.0
        if self._fd < 0:
            raise os_error(errno.EBADF)
        self._file.is_blocking = bool(flag)

    def getblocking(self) -> bool:
        """Return whether calls may wait."""
        return self._timeout != 0.0

    def _wait(self, what: str, flags: int, call: Callable[[], T]) -> T:
        """Make a call, and where it would block and may, wait by the host's hook and try again."""
        if call_hearers:
            call_hearers[0]()
        if flags & _MSG_DONTWAIT:
            return call()
        timeout = self._timeout or None
        while True:
            try:
                return call()
            except BlockingIOError:
                if not self._may_wait():
                    raise
            # Not in the handler: what ends the wait has no other error as its context.
            timeout = self._host.on_would_block(self, what, timeout)

    def _may_wait(self) -> bool:
        """Return whether a call may wait: in poll(2) for a timeout, else as O_NONBLOCK has it.

        So does CPython (Modules/socketmodule.c: ``sock_call_impl``). The flag is the open file's,
        and another descriptor of it, or fcntl(2), may have changed it.
        """
        return bool(self._timeout) or self._file.is_blocking

    def _endpoint(self, address: object, what: str) -> Endpoint:
        """Check an address, which even a closed socket does, as CPython's does."""
        if self._fd >= 0:
            return self._file.parse_address(address, what)
        if self._family == AF_UNIX:
            return parse_unix(address)
        return parse_inet(self._family, address, what, self._host.resolve)

    # -- connecting ----------------------------------------------------------------------------

    def bind(self, address: Any, /) -> None:
        """Take a local address."""
        endpoint = self._endpoint(address, "bind")
        self._file.bind(endpoint)

    def listen(self, backlog: SupportsIndex = _BACKLOG, /) -> None:
        """Accept connections; as many as ``backlog`` queue up."""
        self._file.listen(c_int(backlog))

    def _accept(self) -> tuple[int, SocketAddress]:
        self._host.descriptors.check_room()
        file = self._wait("accept", 0, self._file.accept)
        return self._host.descriptors.add(file), file.show_address(file.remote)

    def connect(self, address: Any, /) -> None:
        """Connect, or begin to: BlockingIOError (EINPROGRESS) on a non-blocking socket."""
        refuse_while_asked(self)
        code = self.begin_connect(self._endpoint(address, "connect"))
        if code:
            raise os_error(code)

    def connect_ex(self, address: Any, /) -> int:
        """Connect, or begin to; return 0 or the errno."""
        return self.begin_connect(self._endpoint(address, "connect_ex"), "connect_ex")

    def begin_connect(self, endpoint: Endpoint, what: str = "connect") -> int:
        """Do what the call ``what`` does with an address in its canonical form; 0 or the errno."""
        if call_hearers:
            call_hearers[0]()
        if self._fd < 0:
            return errno.EBADF
        file = self._file
        code = file.connect(endpoint)
        if not self._may_wait():
            return code
        timeout = self._timeout or None
        while code == errno.EAGAIN:  # A UNIX listener whose queue is full.
            timeout = self._host.on_would_block(self, what, timeout)
            code = file.connect(endpoint)
        if code == errno.EINPROGRESS:
            while not file.writable:
                timeout = self._host.on_would_block(self, what, timeout)
            if self._timeout is not None:  # CPython asks for the error, the kernel never forgets.
                return int(file.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
            code = file.connect_outcome()
        return code

    def shutdown(self, how: SupportsIndex, /) -> None:
        """Close one direction or both."""
        if call_hearers:
            call_hearers[0]()
        self._file.shutdown(operator.index(how))

    def getsockname(self) -> SocketAddress:
        """Return the local address."""
        return self._file.getsockname()

    def getpeername(self) -> SocketAddress:
        """Return the peer's address."""
        return self._file.getpeername()

    # -- sending -------------------------------------------------------------------------------

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Send; return how many bytes were taken."""
        raw = data if type(data) is bytes else as_bytes(data, self._file.most_taken())
        if call_hearers:
            call_hearers[0]()
        try:
            sent = self._file.send(raw, flags)
            if raw is data and sent == len(raw):
                return sent
        except BlockingIOError:
            if not self._may_wait():
                raise
            sent = -1
        if sent < 0:
            sent = self._wait("send", flags, lambda: self._file.send(raw, flags))
        return self._send_rest("send", data, sent, flags)

    def _send_rest(self, what: str, data: Any, sent: int, flags: int) -> int:
        """Send what is left of ``data`` if the call blocks until all is taken; return how much was.

        On a descriptor without O_NONBLOCK a stream takes everything, and less only where it breaks
        (``tcp_sendmsg_locked`` of net/ipv4/tcp.c, ``unix_stream_sendmsg`` of net/unix/af_unix.c).
        """
        file = self._file
        if not self._is_whole(flags):
            return sent
        rest = memoryview(data)
        rest = rest.cast("B") if rest.nbytes else memoryview(b"")
        while sent < len(rest):
            if file.error:
                file.end_with_part()
                return sent
            try:
                sent += file.send(rest[sent : sent + file.most_taken()].tobytes(), flags)
                continue
            except BlockingIOError:
                pass
            except OSError:
                return sent
            self._host.on_would_block(self, what, None)
        return sent

    def _is_whole(self, flags: int) -> bool:
        """Return whether a call may block until the last byte: a stream's, without O_NONBLOCK.

        A socket with a timeout has the flag: CPython waits by poll(2) (``sock_call_impl``).
        """
        file = self._file
        return file.is_stream and file.is_blocking and not flags & _MSG_DONTWAIT

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send everything, or raise after sending a part."""
        raw = data if type(data) is bytes else as_bytes(data)
        sent = self._wait("sendall", flags, lambda: self._file.send(raw, flags))
        while sent < len(raw):
            rest = raw[sent : sent + 2**20]
            sent += self._wait("sendall", flags, lambda rest=rest: self._file.send(rest, flags))  # type: ignore[misc]  # The default only binds.

    @overload
    def sendto(self, data: Any, address: Any, /) -> int: ...
    @overload
    def sendto(self, data: Any, flags: int, address: Any, /) -> int: ...
    def sendto(self, data: Any, *args: Any) -> int:
        """Send to an address, which comes last; flags may stand before it."""
        if len(args) not in (1, 2):
            raise TypeError(f"sendto() takes 2 or 3 arguments ({1 + len(args)} given)")
        raw = data if type(data) is bytes else as_bytes(data)
        flags = c_int(args[0]) if len(args) == 2 else 0  # noqa: PLR2004
        file = self._file
        endpoint = self._endpoint(args[-1], "sendto")
        sent = self._wait("sendto", flags, lambda: file.sendto(raw, flags, endpoint))
        return self._send_rest("sendto", raw, sent, flags)

    def sendmsg(
        self,
        buffers: Iterable[Any],
        ancdata: Iterable[tuple[int, int, Any]] = (),
        flags: int = 0,
        address: Any = None,
        /,
    ) -> int:
        """Send buffers and ancillary data; SCM_RIGHTS takes descriptors of this host."""
        raw = joined(buffers)
        file = self._file
        endpoint = None if address is None else self._endpoint(address, "sendmsg")
        ancillary = self._outgoing(ancdata)
        sent = self._wait("sendmsg", flags, lambda: file.sendmsg(raw, ancillary, flags, endpoint))
        return self._send_rest("sendmsg", raw, sent, flags)

    def _outgoing(self, ancdata: Iterable[tuple[int, int, Any]]) -> list[Ancillary]:
        """Turn descriptors in SCM_RIGHTS into what they name."""
        items: list[Ancillary] = []
        for item in ancdata:
            if len(item) != 3:  # noqa: PLR2004
                raise TypeError(
                    "[sendmsg() ancillary data items]() argument must be a sequence of length 3"
                )
            level, kind, data = c_int(item[0]), c_int(item[1]), as_bytes(item[2])
            if (level, kind) == _RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(data[: len(data) // _INT_SIZE * _INT_SIZE])
                items.append((level, kind, [_file_of(self._host, fd) for fd in numbers]))
            else:
                items.append((level, kind, data))
        return items

    # -- receiving -----------------------------------------------------------------------------

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Receive up to ``bufsize`` bytes; b"" is the end of a stream."""
        size = bufsize if type(bufsize) is int else operator.index(bufsize)
        if size <= 0:
            size_of(size, "negative buffersize in recv")
            return b""
        if call_hearers:
            call_hearers[0]()
        if flags & _MSG_WAITALL:
            return self._receive_all("recv", size, flags)[0]
        try:
            return self._file.recv(size, flags)
        except BlockingIOError:
            if not self._may_wait():
                raise
        return self._wait("recv", flags, lambda: self._file.recv(size, flags))

    def _receive_all(self, what: str, size: int, flags: int) -> tuple[bytes, Endpoint | None]:
        """Receive with MSG_WAITALL, but for files: bytes and their sender."""
        data, items, _, sender = self._message(what, size, 0, flags)
        for item in items:
            if not isinstance(item[2], bytes):
                for file in item[2]:
                    file.drop()
        return data, sender

    def _message(self, what: str, size: int, room: int, flags: int) -> Message:
        """Receive a message; with MSG_WAITALL a stream's comes whole where the call may block.

        Less comes where the stream ends or fails, and with files, which end a receive
        (``unix_stream_read_generic`` of net/unix/af_unix.c).
        """
        file = self._file
        message = self._wait(what, flags, lambda: file.recvmsg(size, room, flags))
        if not flags & _MSG_WAITALL or not self._is_whole(flags):
            return message
        if flags & _MSG_PEEK:  # What TCP peeks at must be there; UNIX sockets wait for no more.
            if file.family != AF_UNIX and self._await_bytes(what, size):
                message = file.recvmsg(size, room, flags)
            return message
        data, items, told, sender = message
        parts, count = [data], len(data)
        while 0 < count < size and not _has_files(items):  # None at all: that was the end.
            if not self._await_bytes(what, 1):
                file.end_with_part()
                break
            more, beside, _, _ = file.recvmsg(size - count, room, flags)
            parts.append(more)
            count += len(more)
            items += [item for item in beside if not isinstance(item[2], bytes)]
        return b"".join(parts), items, told, sender

    def _await_bytes(self, what: str, count: int) -> bool:
        """Block until so many bytes are there; false where the stream is over before."""
        file = self._file
        while file.count_unread() < count:
            if file.is_over:
                return False
            self._host.on_would_block(self, what, None)
        return True

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Receive into a buffer; return how many bytes came."""
        view = writable_view(buffer, "recv_into")
        size = size_of(nbytes, "negative buffersize in recv_into")
        size = size or len(view)
        if size > len(view):
            raise ValueError("buffer too small for requested bytes")
        if not size:
            return 0
        part = view[:size]
        if flags & _MSG_WAITALL:
            data = self._receive_all("recv_into", size, flags)[0]
            part[: len(data)] = data
            return len(data)
        return self._wait("recv_into", flags, lambda: self._file.recv_into(part, flags))

    def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, SocketAddress]:
        """Receive, with the sender's address."""
        size = size_of(bufsize, "negative buffersize in recvfrom")
        file = self._file
        data, sender = self._received_from("recvfrom", size, flags)
        return data, file.show_address(sender)

    def _received_from(self, what: str, size: int, flags: int) -> tuple[bytes, Endpoint | None]:
        if flags & _MSG_WAITALL:
            return self._receive_all(what, size, flags)
        file = self._file
        return self._wait(what, flags, lambda: file.recvfrom(size, flags))

    def recvfrom_into(
        self, buffer: Any, nbytes: int = 0, flags: int = 0
    ) -> tuple[int, SocketAddress]:
        """Receive into a buffer, with the sender's address."""
        view = writable_view(buffer, "recvfrom_into")
        size = size_of(nbytes, "negative buffersize in recvfrom_into") or len(view)
        if size > len(view):
            raise ValueError("nbytes is greater than the length of the buffer")
        file = self._file
        data, sender = self._received_from("recvfrom_into", size, flags)
        count = min(len(data), size)
        view[:count] = data[:count]
        return len(data), file.show_address(sender)

    def recvmsg(
        self, bufsize: int, ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[bytes, list[tuple[int, int, bytes]], int, Any]:
        """Receive with ancillary data: (data, ancillary items, message flags, address)."""
        size = size_of(bufsize, "negative buffer size in recvmsg()")
        data, ancillary, told, address = self._recvmsg("recvmsg", size, ancbufsize, flags)
        return data[:size], ancillary, told, address

    def recvmsg_into(
        self, buffers: Iterable[Any], ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[int, list[tuple[int, int, bytes]], int, Any]:
        """Receive into several buffers, with ancillary data."""
        views = [writable_view(buffer, "recvmsg_into") for buffer in buffers]
        size = sum(map(len, views))
        data, ancillary, message_flags, address = self._recvmsg(
            "recvmsg_into", size, ancbufsize, flags
        )
        start = 0
        for view in views:
            part = data[start : start + len(view)]
            view[: len(part)] = part
            start += len(part)
        return len(data), ancillary, message_flags, address

    def _recvmsg(
        self, what: str, size: int, ancbufsize: int, flags: int
    ) -> tuple[bytes, list[tuple[int, int, bytes]], int, Any]:
        room = size_of(ancbufsize, "invalid ancillary data buffer length")
        file = self._file
        data, items, message_flags, sender = self._message(what, size, room, flags)
        ancillary, is_cut = self._incoming(items, room, is_kept=not flags & _MSG_CMSG_CLOEXEC)
        if is_cut:
            message_flags |= _MSG_CTRUNC
        # With MSG_TRUNC there may be more of it than there was room for.
        return data, ancillary, message_flags, file.show_address(sender)

    def _incoming(
        self, items: Sequence[Ancillary], room: int, *, is_kept: bool
    ) -> tuple[list[tuple[int, int, bytes]], bool]:
        """Give descriptors to files that came by SCM_RIGHTS, as many as there is room for.

        Args:
            items: What came.
            room: For how many bytes of it.
            is_kept: Whether a program that is executed would get them: no MSG_CMSG_CLOEXEC.
        """
        ancillary = []
        is_cut = False
        for level, kind, data in items:
            if isinstance(data, bytes):
                # put_cmsg (net/core/scm.c): what is left of the room after a header is filled.
                count = room - socket_names.cmsg_len(0)
                fits = count >= 0
                is_cut |= count < len(data)
                raw = data[: max(count, 0)]
            else:
                count = max(0, room - socket_names.cmsg_len(0)) // _INT_SIZE
                fits = count > 0
                is_cut |= count < len(data)
                raw = self._received(data, count, is_kept=is_kept)
            if fits:
                ancillary.append((level, kind, raw))
                room -= socket_names.cmsg_space(len(raw))
            else:
                is_cut = True
        return ancillary, is_cut

    def _received(self, files: list[File], count: int, *, is_kept: bool) -> bytes:
        """Number the first ``count`` files; each file was held by the message until now."""
        numbers = array.array(
            "i", [self._number_of(file, is_kept=is_kept) for file in files[:count]]
        )
        for file in files:
            file.drop()
        return numbers.tobytes()

    def _number_of(self, file: File, *, is_kept: bool) -> int:
        if isinstance(file, PassedFile):
            return file.take_number()
        number = self._host.descriptors.add(file)
        if is_kept:
            self._host.descriptors.set_inheritable(number, inheritable=True)
        return number

    # -- options -------------------------------------------------------------------------------

    def setsockopt(
        self, level: int, optname: int, value: Any, optlen: int | None = None, /
    ) -> None:
        """Set an option from an int, a bytes-like structure, or None and a length."""
        if value is None and optlen is not None:
            raise os_error(errno.EFAULT)
        is_int = isinstance(value, int) and -(2**31) <= value < 2**31
        self._file.setsockopt(
            c_int(level), c_int(optname), int(value) if is_int else as_bytes(value)
        )

    @overload
    def getsockopt(self, level: int, optname: int, /) -> int: ...
    @overload
    def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes: ...
    def getsockopt(self, level: int, optname: int, buflen: int = 0, /) -> int | bytes:
        """Return an option as an int, or as a structure of up to ``buflen`` bytes."""
        level, optname, size = c_int(level), c_int(optname), c_int(buflen)
        if not 0 <= size <= _OPTION_SIZE_MAX:
            raise OSError("getsockopt buflen out of range")
        value = self._file.getsockopt(level, optname)
        return opt.encode(value, size) if size else opt.integer_of(value)


def _has_files(items: Sequence[Ancillary]) -> bool:
    return any(not isinstance(item[2], bytes) for item in items)


def _file_of(host: Host, fd: int) -> File:
    """Return the open file that a descriptor names, of the host or of the real process."""
    return host.look_up(fd) or host.on_foreign(fd)
