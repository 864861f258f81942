"""Transports that call their socket, for one whose class says how it sends and receives.

A program may give a transport a socket of a class of its own: one that counts what passes, slows it
down or fails. asyncio's transport calls ``recv``, ``recv_into`` and ``send`` of whatever socket it
has (CPython: ``selector_events._SelectorSocketTransport``), one of datagrams ``recvfrom``, ``send``
and ``sendto``. Those of this engine move bytes between two files, unless the calls are not the
plain ones: then they are made.

Owns: telling such a socket, and the steps that call it.

Must not know: what the socket's calls do.

Invariants: every byte passes the socket's calls; a ``send`` that took less than it was given is
asked again with the rest; what they raise ends the connection as it does in asyncio.
"""

from __future__ import annotations

import socket
import sys
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from simloop.net.syscalls.virtual_socket import VirtualSocket

from .datagram_transport import DatagramTransport
from .stream_transport import StreamTransport, UnixStreamTransport

if TYPE_CHECKING:
    import asyncio

    from simloop.net.inet.buffers import ByteQueue

__all__ = [
    "NAMES_IN_SOCKETS",
    "STREAM_NAMES",
    "CallingDatagramTransport",
    "fitting",
    "has_own_datagram_calls",
]

STREAM_NAMES = ("recv", "recv_into", "send", "sendmsg")
_stream_calls_of = attrgetter(*STREAM_NAMES)
_datagram_calls_of = attrgetter("recvfrom", "send", "sendto")
_STREAM_CALLS = _stream_calls_of(VirtualSocket)
_DATAGRAM_CALLS = _datagram_calls_of(VirtualSocket)
_SENDS_REST_BY_SENDMSG = sys.version_info >= (3, 12)
"""Whether what a first ``send`` left goes by ``sendmsg`` (``_write_sendmsg``)."""


def has_own_datagram_calls(sock: VirtualSocket) -> bool:
    """Return whether a socket's class, or a patch of it, says how it sends or receives."""
    return bool(_datagram_calls_of(type(sock)) != _DATAGRAM_CALLS)


NAMES_IN_SOCKETS = vars(VirtualSocket).keys(), vars(socket.socket).keys()
"""What the classes of sockets that may be patched have now; it is no copy."""


def fitting(cls: type[StreamTransport], sock: VirtualSocket) -> type[StreamTransport]:
    """Return the class of transports for a stream socket: one that calls it, if need be.

    One without any of ``STREAM_NAMES`` in ``NAMES_IN_SOCKETS`` need not be asked about.
    """
    if _stream_calls_of(type(sock)) == _STREAM_CALLS:
        return cls
    return _CallingUnixTransport if issubclass(cls, UnixStreamTransport) else _CallingTransport


class _CallingSocket:
    """The part of a stream transport that goes by its socket's calls."""

    __slots__ = ()

    if TYPE_CHECKING:  # The transport's.
        _sock: Any
        _file: Any
        _is_awake: Any
        _is_reading: Any
        _protocol: asyncio.BaseProtocol
        _fatal_error: Any
        _give: Any
        _receive_eof: Any
        _wake: Any
        _write_slowly: Any

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send data, now or as soon as there is room."""
        self._write_slowly(data)

    def _send(self, data: bytes) -> int:
        sent: int = self._sock.send(data)
        return sent

    def _send_some(self, unsent: ByteQueue, room: int) -> None:
        data = unsent.peek(room)
        unsent.take(self._sock.sendmsg([data]) if _SENDS_REST_BY_SENDMSG else self._sock.send(data))

    def _read_step(self) -> None:
        self._is_awake = False
        if not self._is_reading:
            return
        data = self._receive()
        if data and self._give(data) and (self._file.inbox.chunks or self._file.is_shut_read):
            self._wake()

    def _receive(self) -> bytes:
        try:
            data: bytes = self._sock.recv(StreamTransport.max_size)
        except (BlockingIOError, InterruptedError):
            return b""
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - as asyncio: the connection ends
            self._fatal_error(error, "Fatal read error on socket transport")
            return b""
        if not data:
            self._receive_eof()
        return data


class _CallingTransport(_CallingSocket, StreamTransport):
    """A connected byte stream that calls its socket."""

    __slots__ = ()


class _CallingUnixTransport(_CallingSocket, UnixStreamTransport):
    """The same between UNIX sockets; ``recv`` closes the files that came beside the bytes."""

    __slots__ = ()


class _CalledFile:
    """The file of a socket, but that datagrams pass the socket's calls; addresses stay as given."""

    def __init__(self, sock: VirtualSocket) -> None:
        self._sock = sock
        self._file = sock.file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def recvfrom(self, size: int) -> tuple[bytes, Any]:
        return self._sock.recvfrom(size)

    def show_address(self, address: Any) -> Any:
        return address

    def send(self, data: bytes) -> None:
        self._sock.send(data)

    def sendto(self, data: bytes, _flags: int, address: Any) -> None:
        self._sock.sendto(data, address)

    def parse_address(self, address: Any, _call: str) -> Any:
        return address


class CallingDatagramTransport(DatagramTransport):
    """A datagram socket whose own calls are made."""

    __slots__ = ()

    def __init__(self, loop: Any, sock: VirtualSocket, *args: Any) -> None:
        super().__init__(loop, sock, *args)
        self._file = _CalledFile(sock)
