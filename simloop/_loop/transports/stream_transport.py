"""Transports of byte streams: TCP and UNIX, in memory.

Owns: how a protocol is given what arrives, and what happens to what cannot be sent at once. The two
hot paths of the network end here: ``write`` (``FastWriter`` of net) puts the caller's bytes object
straight into the peer's inbox and wakes its reader; a read step gives that same object to the
peer's protocol. A round trip through both copies nothing and costs two entries in the ready queue.

What does not fit into the peer's inbox and the socket's own queue stays here, in ``_unsent``, and
goes on when the file tells that there is room; the protocol is told to pause and to resume, as
asyncio documents it.

Invariants: ``_is_flowing`` implies that nothing is unsent, that neither an end of stream nor the
end of the connection was asked for, and that no sendfile is under way: then, and only then, a write
may take the short way.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio import constants
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from simloop._kernel import DebugHandle, Handle
from simloop.net.inet.buffers import ByteQueue
from simloop.net.inet.byte_stream import FastWriter
from simloop.net.syscalls.argument_checks import as_bytes

from .base_transport import SocketTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


__all__ = ["StreamTransport", "UnixStreamTransport"]

_READ_SIZE_MAX = 256 * 1024  # asyncio's: what one step reads at most.
_BYTES_LIKE = (
    "bytes, bytearray, or memoryview object"
    if sys.version_info >= (3, 14)
    else ("bytes-like object")
)


class StreamTransport(FastWriter, SocketTransport):
    """A connected byte stream."""

    __slots__ = ()

    max_size = _READ_SIZE_MAX
    _start_tls_compatible = True
    _sendfile_compatible = constants._SendfileMode.TRY_NATIVE
    # What most connections never need has its beginning here.
    _eof = False
    _empty_waiter: asyncio.Future[None] | None = None
    _unsent: ByteQueue | None = None
    _write_handle: Handle | None = None
    _write_waker: Callable[[], None]
    _is_write_awake: bool

    # Reading -----------------------------------------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Give what arrives to another protocol from now on."""
        self._protocol = protocol
        if self._read_handle is not None:
            self._read_handle._callback = self._reader_for(protocol)

    def _reader_for(self, protocol: asyncio.BaseProtocol) -> Callable[[], None]:
        if isinstance(protocol, asyncio.BufferedProtocol):
            return self._read_into_protocol
        return self._read_step

    def _read_step(self) -> None:
        self._is_awake = False
        if not self._is_reading:
            return
        file = self._file
        inbox = file.inbox
        chunks = inbox.chunks
        if len(chunks) == 1 and not inbox.head and inbox.size <= _READ_SIZE_MAX:
            # The twin of ``StreamSocket.recv``'s fast path; why it is one: see byte_stream.py.
            inbox.size = 0
            data = chunks.popleft()
            peer = file.peer
            if peer is not None and peer.blocked:
                peer.room_made()
        else:
            data = self._receive()
            if not data:
                return
        try:
            self._protocol.data_received(data)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - the connection ends, the loop goes on
            self._fatal_error(error, "Fatal error: protocol.data_received() call failed.")
            return
        if (chunks or file.is_shut_read) and self._is_reading:
            self._wake()

    def _give(self, data: bytes) -> bool:
        """Give the protocol some data; return whether it wants more."""
        try:
            self._protocol.data_received(data)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - the connection ends, the loop goes on
            self._fatal_error(error, "Fatal error: protocol.data_received() call failed.")
            return False
        return self._is_reading

    def _receive(self) -> bytes:
        """Receive by the long way; b"" if there is nothing for the protocol, or the end came."""
        try:
            data: bytes = self._file.recv(_READ_SIZE_MAX)
        except BlockingIOError:
            return b""
        except OSError as error:
            self._fatal_error(error, "Fatal read error on socket transport")
            return b""
        if not data:
            self._receive_eof()
        return data

    def _receive_eof(self) -> None:
        """Call ``eof_received``, and close unless that asks to stay open."""
        try:
            keep_open = self._protocol.eof_received()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - the connection ends, the loop goes on
            self._fatal_error(error, "Fatal error: protocol.eof_received() call failed.")
            return
        if keep_open:
            self._stop_reading()
        else:
            self.close()

    def _read_into_protocol(self) -> None:
        """Read into the buffer of a protocol that has one."""
        self._is_awake = False
        if not self._is_reading:
            return
        try:
            buffer = self._protocol.get_buffer(-1)
            if not len(buffer):
                raise RuntimeError("get_buffer() returned an empty buffer")  # noqa: TRY301
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - the connection ends, the loop goes on
            self._fatal_error(error, "Fatal error: protocol.get_buffer() call failed.")
            return
        size = self._receive_into(buffer)
        if not size:
            return
        try:
            self._protocol.buffer_updated(size)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - the connection ends, the loop goes on
            self._fatal_error(error, "Fatal error: protocol.buffer_updated() call failed.")
            return
        if (self._file.inbox.size or self._file.is_shut_read) and self._is_reading:
            self._wake()

    def _receive_into(self, buffer: Any) -> int:
        """Receive into a buffer; 0 if there is nothing for the protocol, or the end came."""
        try:
            size: int = self._sock.recv_into(buffer)
        except BlockingIOError:
            return 0
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - a buffer that is none, too
            self._fatal_error(error, "Fatal read error on socket transport")
            return 0
        if not size:
            self._receive_eof()
        return size

    # Writing -----------------------------------------------------------------------------------

    def _write_slowly(self, data: Any) -> None:
        quiet = self._file.quiet
        if quiet is not None and self._is_flowing and type(data) is bytes and quiet(data):
            return
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be a {_BYTES_LIKE}, not {type(data).__name__!r}")
        self._check_writable("write")
        if not data or self._warn_of_lost_write():
            return
        try:
            raw = as_bytes(data)
        except BufferError as error:  # A view with gaps, which no socket takes.
            self._fatal_error(error, "Fatal write error on socket transport")
            return
        self._push(raw)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send several pieces of data, in order."""
        if sys.version_info >= (3, 12):
            self._check_writable("writelines")
            if not list_of_data or self._warn_of_lost_write():
                return
        self.write(b"".join(list_of_data))

    def _check_writable(self, call: str) -> None:
        if self._eof:
            raise RuntimeError(f"Cannot call {call}() after write_eof()")
        if self._empty_waiter is not None:
            raise RuntimeError(f"unable to {call}; sendfile is in progress")

    def _push(self, data: bytes) -> None:
        """Send what there is room for, and keep the rest."""
        unsent = self._unsent
        if unsent is None or not unsent.size:
            try:
                sent = self._send(data)
            except BlockingIOError:
                sent = 0
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001 - of a socket of the program's, too
                self._fatal_error(error, "Fatal write error on socket transport")
                return
            if sent == len(data):
                return
            data = data[sent:]
            self._start_writing()
        assert self._unsent is not None
        self._unsent.append(data)
        self._maybe_pause_protocol()  # type: ignore[attr-defined]  # typeshed: private

    def _send(self, data: bytes) -> int:
        sent: int = self._file.send(data)
        return sent

    def _send_some(self, unsent: ByteQueue, room: int) -> None:
        """Send as much of what waits as there is room for."""
        self._file.send(unsent.take(room))

    def _start_writing(self) -> None:
        """Wait for room; the short way is closed meanwhile."""
        self._is_flowing = False
        if self._unsent is None:
            self._unsent = ByteQueue()
        handle = self._write_handle
        if handle is None:
            kind = DebugHandle if self._loop._debug else Handle
            self._write_handle = kind(self._write_step, (), copy_context(), self._loop)
            self._write_waker = self._wake_writer
            self._is_write_awake = False
        self._file.watch_writable(self._write_waker)
        if self._file.writable:
            self._wake_writer()

    def _stop_writing(self) -> None:
        self._file.unwatch_writable(self._write_waker)
        self._is_flowing = not (self._eof or self._conn_lost or self._empty_waiter)

    def _wake_writer(self) -> None:
        """Schedule a write step: the file may have room."""
        if not self._is_write_awake:
            self._is_write_awake = True
            self._io_ready.append(self._write_handle)

    def _write_step(self) -> None:
        """Send what there is room for now."""
        self._is_write_awake = False
        unsent = self._unsent
        if self._conn_lost or unsent is None or not unsent.size:
            return
        file = self._file
        try:
            file.check_sending()
            room = file.room()
            if room > 0:
                self._send_some(unsent, room)
        except BlockingIOError:
            return
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - of a socket of the program's, too
            waiter = self._empty_waiter
            self._fatal_error(error, "Fatal write error on socket transport")
            if waiter is not None:
                waiter.set_exception(error)
            return
        self._maybe_resume_protocol()  # type: ignore[attr-defined]  # It may write more.
        if not unsent.size:
            self._all_sent()
        elif file.writable:
            self._wake_writer()

    def _all_sent(self) -> None:
        """Go on with what had to wait until everything was sent."""
        if self._conn_lost:
            return
        self._stop_writing()
        if self._empty_waiter is not None:
            self._empty_waiter.set_result(None)
        if self._closing:
            self._conn_lost += 1
            self._is_flowing = False
            self._call_connection_lost(None)
        elif self._eof:
            self._shut_write()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait to be sent."""
        return 0 if self._unsent is None else self._unsent.size

    def _has_unsent(self) -> bool:
        return self._unsent is not None and self._unsent.size > 0

    def _drop_unsent(self) -> None:
        if self._unsent is not None and self._unsent.size:
            self._unsent.clear()
            self._stop_writing()

    # The end -----------------------------------------------------------------------------------

    def can_write_eof(self) -> bool:
        """Return True: a stream can be closed in one direction."""
        return True

    def write_eof(self) -> None:
        """Close the writing direction once everything is sent; reading goes on."""
        if self._closing or self._eof:
            return
        self._eof = True
        self._is_flowing = False
        if not self._has_unsent():
            self._shut_write()

    def _shut_write(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)

    def _call_connection_lost(self, exc: BaseException | None) -> None:
        try:
            super()._call_connection_lost(exc)
        finally:
            if self._write_handle is not None:
                self._write_handle = None  # As for the read handle.
                del self._write_waker
            if self._empty_waiter is not None and not self._empty_waiter.done():
                self._empty_waiter.set_exception(ConnectionError("Connection is closed by peer"))

    def _forget_loop(self) -> None:
        super()._forget_loop()
        if self._write_handle is not None:
            self._file.unwatch_writable(self._write_waker)

    # Sendfile ----------------------------------------------------------------------------------

    def _make_empty_waiter(self) -> asyncio.Future[None]:
        """Return a future that is done when all is sent; nothing may be written meanwhile."""
        if self._empty_waiter is not None:
            raise RuntimeError("Empty waiter is already set")
        self._empty_waiter = waiter = self._loop.create_future()
        self._is_flowing = False
        if not self._has_unsent():
            waiter.set_result(None)
        return waiter  # type: ignore[no-any-return]

    def _reset_empty_waiter(self) -> None:
        self._empty_waiter = None
        self._is_flowing = not (self._eof or self._conn_lost or self._has_unsent())


class UnixStreamTransport(StreamTransport):
    """A connected byte stream between UNIX sockets, which may carry files beside bytes."""

    __slots__ = ()

    def _read_step(self) -> None:
        rights = self._file.rights
        if rights:  # A transport has no call for them: they are closed, as recv() closes them.
            for _, _, files in rights:
                for file in files:
                    file.drop()
            rights.clear()
        super()._read_step()
