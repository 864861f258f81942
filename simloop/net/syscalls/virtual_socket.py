"""``socket.socket`` without an operating system: the face that programs see.

Owns: making and closing a socket object on top of a ``SocketFile``, and what ``socket.socket`` does
in Python; :mod:`.socket_methods` has the rest. A ``VirtualSocket`` is a ``socket.socket`` to
``isinstance``, but its parent's ``__init__`` never runs, so the C object below holds no descriptor,
and every method that would touch one is overridden (a test walks the parent's and holds that).

Must not know who runs the program: :mod:`.host_of_caller` tells on which host it is made.

Invariants: ``_fd`` names ``_file`` in the host's table, or is -1 and ``_file`` the closed one,
whose every call is EBADF; ``_timeout`` is None, or seconds >= 0, where 0 means non-blocking.
"""

from __future__ import annotations

import errno
import io
import operator
import socket
import warnings
from typing import TYPE_CHECKING, Any

from simloop.net.errnos import os_error
from simloop.net.inet.socket_file import AF_INET, SocketFile
from simloop.net.linux import socket_names

from .argument_checks import (
    is_open_elsewhere,
)
from .connect_guard import is_answered_by_tool
from .host_of_caller import host_of_caller
from .shared_buffers import file_of
from .socket_families import open_socket
from .socket_methods import SocketMethods

if TYPE_CHECKING:
    from simloop.net.addressing.addresses import SocketAddress
    from simloop.net.host import Host

__all__ = ["VirtualSocket"]

# Under the Python class, whose __new__ may be sent elsewhere: it asks whose socket is to be made.
_bare = socket.SocketType.__new__

# Looked up here, which a call of the enum's class takes much longer for.
_FAMILIES: dict[int, Any] = {int(each): each for each in socket.AddressFamily}
_KINDS: dict[int, Any] = {int(each): each for each in socket.SocketKind}

_STREAM = int(socket.SOCK_STREAM)
_NONBLOCK = int(socket_names.SOCK_NONBLOCK)
_TYPE_FLAGS = _NONBLOCK | int(socket_names.SOCK_CLOEXEC)


class VirtualSocket(socket.socket, SocketMethods):
    """A socket of a simulated host."""

    __slots__ = ("_family", "_fd", "_file", "_host", "_proto", "_table", "_timeout", "_type")

    def __init__(
        self,
        family: int = -1,
        type: int = -1,  # noqa: A002  # socket.socket's own name.
        proto: int = -1,
        fileno: int | None = None,
    ) -> None:
        host = host_of_caller()
        family, type, proto = map(operator.index, (family, type, proto))  # noqa: A001
        if fileno is None:
            self._create(host, family, type, proto)
        else:
            self._adopt(host, family, type, proto, operator.index(fileno))

    @classmethod
    def _of_file(cls, host: Host, file: SocketFile) -> VirtualSocket:
        self: VirtualSocket = _bare(cls)
        self._start(host, host.descriptors.add(file), file)
        return self

    def _create(self, host: Host, family: int, type_: int, proto: int) -> None:
        family = AF_INET if family == -1 else family
        type_ = _STREAM if type_ == -1 else type_
        proto = 0 if proto == -1 else proto
        file = open_socket(host, family, type_, proto)
        self._start(host, host.descriptors.add(file), file)
        if type_ & _NONBLOCK:
            self._timeout = 0.0
            file.is_blocking = False

    def _adopt(self, host: Host, family: int, type_: int, proto: int, fd: int) -> None:
        if fd < 0:
            raise ValueError("negative file descriptor")
        file = host.look_up(fd)
        if not isinstance(file, SocketFile):
            raise os_error(errno.ENOTSOCK if file or is_open_elsewhere(fd) else errno.EBADF)
        self._start(host, fd, file)
        if family != -1:
            self._family = family
        if type_ != -1:
            self._type = type_ & ~_TYPE_FLAGS
        self._proto = file.protocol if proto == -1 else proto

    def _start(self, host: Host, fd: int, file: SocketFile) -> None:
        self._io_refs = 0
        self._closed = False
        self._host = host
        self._table = host.descriptors  # Of its process, which need not be in place at its end.
        self._fd = fd
        self._file = file
        self._family = file.family
        self._type = file.type
        self._proto = file.proto
        self._timeout = socket.getdefaulttimeout()
        if (
            self._timeout is not None
        ):  # Only then, as CPython's init_sockobject: the flag is shared.
            file.is_blocking = False

    # -- what it is ----------------------------------------------------------------------------

    @property
    def host(self) -> Host:
        """The simulated host that the socket belongs to."""
        return self._host

    @property
    def family(self) -> socket.AddressFamily:
        """The address family; a plain number where the enum has none, as in the parent."""
        return _FAMILIES.get(self._family, self._family)  # type: ignore[no-any-return]

    @property
    def type(self) -> socket.SocketKind:
        """The kind, without SOCK_NONBLOCK and SOCK_CLOEXEC."""
        return _KINDS.get(self._type, self._type)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        closed = " [closed]" if self._closed else ""
        text = (
            f"<simloop.VirtualSocket{closed} fd={self._fd}, family={self._family}, "
            f"type={self._type}, proto={self._proto}"
        )
        if not self._closed:
            for label, name in (("laddr", self.getsockname), ("raddr", self.getpeername)):
                try:
                    address = name()
                except OSError:
                    continue
                if address:
                    text += f", {label}={address!r}"
        return text + ">"

    def __enter__(self) -> VirtualSocket:  # noqa: PYI034  # As the parent is typed.
        return self

    def makefile(
        self,
        mode: str = "r",
        buffering: int | None = None,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Any:
        """Return a file over this socket, which threads may share; see :mod:`.shared_buffers`."""
        size = io.DEFAULT_BUFFER_SIZE if buffering is None or buffering < 0 else buffering
        is_known = not mode.strip("rwb")
        bare = f"{mode}b" if size and is_known else mode  # What is refused is refused there.
        raw = super().makefile(bare, 0)  # type: ignore[call-overload]  # of any mode
        encoding = encoding if "b" in mode else io.text_encoding(encoding)
        return file_of(raw, mode, size, encoding=encoding, errors=errors, newline=newline)

    # -- descriptors ---------------------------------------------------------------------------

    _real_close = SocketMethods.close  # Which the parent's close() calls.

    def __del__(self) -> None:
        fd = getattr(self, "_fd", -1)
        if fd >= 0 and self._file.references:  # Else its process has ended, and closed it.
            try:
                if self._host.warns_of_unclosed:
                    warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
            finally:  # A warning may be an error.
                self._fd = -1
                self._table.close(fd)

    def dup(self) -> VirtualSocket:
        """Return a second object with a descriptor of its own for the same socket."""
        self.file  # noqa: B018  # EBADF once closed.
        twin = VirtualSocket.__new__(type(self))
        twin._start(self._host, self._host.dup(self._fd), self._file)
        twin._family, twin._type, twin._proto = self._family, self._type, self._proto
        twin._timeout = self._timeout
        return twin

    def get_inheritable(self) -> bool:
        """Return what set_inheritable set; there is no other process to inherit the descriptor."""
        return self._host.descriptors.is_inheritable(self._fd)

    def set_inheritable(self, inheritable: bool) -> None:  # noqa: FBT001  # As the parent has it.
        """Keep the flag; there is no other process to inherit the descriptor."""
        self._host.descriptors.set_inheritable(self._fd, inheritable=bool(inheritable))

    # -- connecting ----------------------------------------------------------------------------

    def accept(self) -> tuple[VirtualSocket, SocketAddress]:
        """Return a connected socket and the peer's address."""
        self._host.descriptors.check_room()
        file = self._wait("accept", 0, self._file.accept)
        sock = VirtualSocket._of_file(self._host, file)
        sock._proto = self._proto
        return sock, file.show_address(file.remote)

    def accept_ready(self) -> tuple[VirtualSocket, SocketAddress] | None:
        """Accept as a non-blocking socket does, but return None where nothing is queued."""
        self._host.descriptors.check_room()
        listener = self._file
        if not listener.readable:
            return None
        file = listener.accept()
        sock = VirtualSocket._of_file(self._host, file)
        sock._proto = self._proto
        return sock, file.show_address(file.remote)

    def connect(self, address: Any, /) -> None:
        """Connect, or begin to: BlockingIOError (EINPROGRESS) on a non-blocking socket."""
        if not is_answered_by_tool(self, address):
            self.connect_by_loop(address)

    def connect_by_loop(self, address: Any, /) -> None:
        """Connect, whatever stands in front of ``connect``."""
        code = self.begin_connect(self._endpoint(address, "connect"))
        if code:
            raise os_error(code)

    # -- sending -------------------------------------------------------------------------------

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a file's content by reading it: no os.sendfile reaches a virtual descriptor."""
        parent: Any = super()
        sent: int = parent._sendfile_use_send(file, offset, count)
        return sent
