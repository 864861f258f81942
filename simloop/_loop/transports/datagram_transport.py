"""Transports of datagrams: UDP and UNIX, in memory.

Owns: a datagram's way from ``sendto`` straight into the receiver's queue, and from there to the
protocol, one per turn, as asyncio's own transport does (Lib/asyncio/selector_events.py). Must not
know how an endpoint comes about. Only UNIX sockets ever lack room, so only they buffer here.

Invariants: ``_buffer_size`` is what the datagrams in ``_buffer`` count; while one is there, later
ones queue behind it.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from simloop._kernel import DebugHandle, Handle
from simloop.net.syscalls.argument_checks import as_bytes

from .base_transport import SocketTransport

if TYPE_CHECKING:
    from simloop.net.fabric import Endpoint
    from simloop.net.syscalls.virtual_socket import VirtualSocket

__all__ = ["DatagramTransport"]

_SIZE_MAX = 256 * 1024  # asyncio's: what one receive asks for.
_SENDS_EMPTY = sys.version_info >= (3, 13)
_HEADER_SIZE = 8 if sys.version_info >= (3, 13) else 0  # What a buffered datagram counts beside.
_KNOWN_MAX = 1024


class DatagramTransport(SocketTransport, asyncio.DatagramTransport):
    """A datagram socket, connected or not."""

    __slots__ = (
        "_address",
        "_buffer",
        "_buffer_size",
        "_is_connected",
        "_known",
        "_write_handle",
        "_write_waker",
    )

    max_size = _SIZE_MAX
    _write_handle: Handle

    def __init__(
        self,
        loop: Any,
        sock: VirtualSocket,
        protocol: asyncio.BaseProtocol,
        address: Any = None,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        self._address = address
        self._buffer: deque[tuple[bytes, Any]] = deque()
        self._buffer_size = 0
        # Addresses that were sent to, as the network writes them; numbers only, names may change.
        self._known: dict[Any, Endpoint] = {}
        super().__init__(loop, sock, protocol, waiter, extra)
        self._is_connected = bool(self._extra["peername"])

    # Receiving ---------------------------------------------------------------------------------

    def _read_step(self) -> None:
        self._is_awake = False
        if not self._is_reading:
            return
        file = self._file
        try:
            data, sender = file.recvfrom(_SIZE_MAX)
        except BlockingIOError:
            return
        except OSError as error:
            self._protocol.error_received(error)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - the endpoint ends, the loop goes on
            self._fatal_error(error, "Fatal read error on datagram transport")
            return
        else:
            self._protocol.datagram_received(data, file.show_address(sender))
        finally:
            if file.readable and self._is_reading:
                self._wake()

    # Sending -----------------------------------------------------------------------------------

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Send a datagram to an address, or to the peer."""
        if (
            type(data) is bytes
            and data
            and not (self._buffer or self._conn_lost)
            and (addr is None or not self._address or addr == self._address)
        ):
            if not self._send(data, addr or self._address):
                self._keep(data, addr or self._address)
            return
        self._sendto_slowly(data, addr)

    def _sendto_slowly(self, data: Any, addr: Any) -> None:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"data argument must be a bytes-like object, not {type(data).__name__!r}"
            )
        if not data and not _SENDS_EMPTY:
            return
        if self._address:
            if addr not in (None, self._address):
                raise ValueError(f"Invalid address: must be None or {self._address}")
            addr = self._address
        if self._address and self._warn_of_lost_write():
            return
        if self._sock is None:
            raise AttributeError(f"sendto() on {self!r}: nothing is sent after connection_lost()")
        try:
            datagram = as_bytes(data)
        except BufferError as error:  # A view with gaps, which no socket takes.
            self._fatal_error(error, "Fatal write error on datagram transport")
            return
        if self._buffer or not self._send(datagram, addr):
            self._keep(datagram, addr)

    def _keep(self, data: bytes, addr: Any) -> None:
        """Send a datagram later: the receiver has no room."""
        if not self._buffer:
            self._start_writing()
        self._buffer.append((data, addr))
        self._buffer_size += len(data) + _HEADER_SIZE
        self._maybe_pause_protocol()  # type: ignore[attr-defined]  # typeshed: private

    def _send(self, data: bytes, addr: Any) -> bool:
        """Send a datagram or report its error; return False if the receiver has no room."""
        file = self._file
        try:
            if self._is_connected:
                file.send(data)
            else:
                file.sendto(data, 0, self._known.get(addr) or self._endpoint(addr))
        except BlockingIOError:
            return False
        except OSError as error:
            self._protocol.error_received(error)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - an address that is none, too
            self._fatal_error(error, "Fatal write error on datagram transport")
        return True

    def _endpoint(self, addr: Any) -> Endpoint:
        """Check an address, and remember it if it is made of numbers."""
        endpoint: Endpoint = self._file.parse_address(addr, "sendto")
        if addr == endpoint:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            self._known[addr] = endpoint
        return endpoint

    def _start_writing(self) -> None:
        kind = DebugHandle if self._loop._debug else Handle
        self._write_handle = kind(self._write_step, (), copy_context(), self._loop)
        self._write_waker = self._wake_writer
        self._file.watch_writable(self._write_waker)

    def _wake_writer(self) -> None:
        """Schedule a write step: the receiver may have room."""
        self._file.unwatch_writable(self._write_waker)
        self._io_ready.append(self._write_handle)

    def _write_step(self) -> None:
        """Send what there is room for now."""
        while self._buffer:
            data, addr = self._buffer[0]
            if not self._send(data, addr):
                break
            if self._conn_lost:
                return
            self._buffer.popleft()
            self._buffer_size -= len(data) + _HEADER_SIZE
        self._maybe_resume_protocol()  # type: ignore[attr-defined]  # It may send more.
        if self._buffer:
            self._file.watch_writable(self._write_waker)
        elif self._closing and not self._conn_lost:
            self._conn_lost += 1
            self._call_connection_lost(None)

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait to be sent."""
        return self._buffer_size

    def _has_unsent(self) -> bool:
        return bool(self._buffer)

    def _drop_unsent(self) -> None:
        if self._buffer:
            self._buffer.clear()
            self._buffer_size = 0
            self._file.unwatch_writable(self._write_waker)
