"""What the transports of virtual sockets share: their life from ``connection_made`` to the end.

Owns: closing and losing a connection, watching the file below for something to read, what
``get_extra_info`` knows, and fatal errors. Subclasses add what a stream or a datagram is.

How reading is scheduled: a transport has one handle for its read step, made once. The file below
calls ``_wake`` when something may be there; that appends the handle to the ready queue unless it
waits there already. A step that leaves something behind wakes itself. Nothing is polled.

A test that puts a selector of its own in the place of the loop's wants to see every descriptor in
it: then reading goes through that selector, as in asyncio's own transports.

Invariants: ``connection_lost`` is called once, and the socket is closed right after it;
``_is_reading`` holds exactly while the read step may call the protocol; ``_is_awake`` exactly while
the read handle waits in the ready queue.
"""

from __future__ import annotations

import warnings
from asyncio import constants, selector_events, transports, trsock
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from simloop._kernel import DebugHandle, Handle

if TYPE_CHECKING:
    import asyncio
    from collections import deque
    from collections.abc import Callable

    from simloop.net.syscalls.virtual_socket import VirtualSocket

__all__ = ["SocketTransport", "wake_waiter"]

_selector_events: Any = selector_events  # Whose logger typeshed does not know.

_HIGH_WATER = 64 * 1024  # asyncio's, and a quarter of it is the other mark.


class SocketTransport(transports._FlowControlMixin, transports.Transport):
    """A transport over a virtual socket."""

    __slots__ = (
        "__dict__",
        "__weakref__",
        "_closing",
        "_conn_lost",
        "_file",
        "_io_ready",
        "_is_awake",
        "_is_flowing",
        "_is_reading",
        "_is_selected",
        "_paused",
        "_protocol",
        "_read_handle",
        "_server",
        "_sock",
        "_sock_fd",
        "_waker",
    )

    # The names that asyncio's own transports have: helpers of asyncio's look at them.
    _loop: Any
    _extra: dict[str, Any]
    _protocol_paused: bool
    _protocol: Any
    _file: Any
    _sock: Any
    _server: Any
    _io_ready: deque[Any]
    _waker: Callable[[], None]
    _read_handle: Handle | None

    def __init__(
        self,
        loop: Any,
        sock: VirtualSocket,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
        server: Any = None,
    ) -> None:
        # What a chain of asyncio's constructors would do.
        self._loop = loop
        self._protocol_paused = False
        self._high_water = _HIGH_WATER
        self._low_water = _HIGH_WATER // 4
        self._sock = sock
        self._sock_fd = fd = sock.fileno()
        self._file = file = sock.file
        self._extra = extra = {} if extra is None else extra
        extra["socket"] = trsock.TransportSocket(sock)
        extra["sockname"] = file.getsockname()
        if "peername" not in extra:
            try:
                extra["peername"] = file.getpeername()
            except OSError:
                extra["peername"] = None
        self._closing = False
        self._conn_lost = 0
        self._paused = False
        self._is_reading = self._is_awake = self._is_selected = False
        self._is_flowing = True  # Whether a stream's writes may take the short way.
        self._io_ready = loop._kernel.io_ready
        self._waker = self._wake
        kind = DebugHandle if loop._debug else Handle
        self._protocol = protocol
        self._read_handle = kind(self._reader_for(protocol), (), copy_context(), loop)
        self._server = server
        if server is not None:
            server._attach(self)
        loop._transports[fd] = self
        loop.call_soon(protocol.connection_made, self)
        loop.call_soon(self._begin, waiter)

    def _begin(self, waiter: asyncio.Future[None] | None) -> None:
        """Start reading and wake the waiter, now that the protocol knows its transport."""
        if not self._closing and not self._paused:
            self._start_reading()
        if waiter is not None:
            wake_waiter(waiter)

    # Reading -----------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Schedule a read step: the file may have something to read."""
        if not self._is_awake:
            self._is_awake = True
            self._io_ready.append(self._read_handle)

    def _reader_for(self, protocol: asyncio.BaseProtocol) -> Callable[[], None]:
        """Return the read step that suits a protocol."""
        del protocol
        return self._read_step

    def _read_ready(self) -> None:
        """Read by the step that suits the protocol now: what a selector calls, set once."""
        self._reader_for(self._protocol)()

    def _read_step(self) -> None:
        """Read what is there and give it to the protocol."""
        raise NotImplementedError

    def _start_reading(self) -> None:
        self._is_reading = True
        if self._loop._set_selector is not None:
            self._is_selected = True
            self._loop._add_reader(self._sock_fd, self._read_ready)
            return
        self._file.watch_readable(self._waker)
        if self._file.readable:
            self._wake()

    def _stop_reading(self) -> None:
        self._is_reading = False
        if self._is_selected:
            self._is_selected = False
            self._loop._remove_reader(self._sock_fd)
        else:
            self._file.unwatch_readable(self._waker)

    def is_reading(self) -> bool:
        """Return whether the protocol is given what arrives."""
        return not self._closing and not self._paused

    def pause_reading(self) -> None:
        """Give the protocol nothing until :meth:`resume_reading`."""
        if self._closing or self._paused:
            return
        self._paused = True
        self._stop_reading()
        if self._loop.get_debug():
            _selector_events.logger.debug("%r pauses reading", self)

    def resume_reading(self) -> None:
        """Give the protocol what arrived meanwhile, and what comes."""
        if self._closing or not self._paused:
            return
        self._paused = False
        self._start_reading()
        if self._loop.get_debug():
            _selector_events.logger.debug("%r resumes reading", self)

    # The protocol ------------------------------------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Give what arrives to another protocol from now on."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        return self._protocol  # type: ignore[no-any-return]

    # The end -----------------------------------------------------------------------------------

    def _has_unsent(self) -> bool:
        """Return whether something was written that the socket did not take yet."""
        raise NotImplementedError

    def _drop_unsent(self) -> None:
        """Forget what was written and not sent."""
        raise NotImplementedError

    def is_closing(self) -> bool:
        """Return whether the transport is closed, or about to be."""
        return self._closing

    def close(self) -> None:
        """Send what was written, then close; nothing more is read."""
        if self._closing:
            return
        self._closing = True
        if self._is_reading:
            self._stop_reading()
        if not self._has_unsent():
            self._lose(None)

    def abort(self) -> None:
        """Close at once; what was written and not sent is lost."""
        self._force_close(None)

    def _force_close(self, exc: BaseException | None) -> None:
        if self._conn_lost:
            return
        self._drop_unsent()
        if not self._closing:
            self._closing = True
            self._stop_reading()
        self._lose(exc)

    def _lose(self, exc: BaseException | None) -> None:
        """Schedule the end: what is written from now on is lost."""
        self._conn_lost += 1
        self._is_flowing = False
        self._loop.call_soon(self._call_connection_lost, exc)

    def _call_connection_lost(self, exc: BaseException | None) -> None:
        try:
            self._protocol.connection_lost(exc)
        finally:
            loop = self._loop
            if loop._transports.get(self._sock_fd) is self:
                del loop._transports[self._sock_fd]
            self._sock.close()
            self._sock = self._protocol = self._loop = None
            self._read_handle = None  # It holds this transport, which then needs no collector.
            del self._waker
            server = self._server
            if server is not None:
                self._server = None
                server._detach(self)

    def _fatal_error(self, exc: BaseException, message: str) -> None:
        """Report an error that ends the connection, and end it; called while handling it."""
        if isinstance(exc, OSError):
            if self._loop.get_debug():
                _selector_events.logger.debug(
                    "%r: %s",
                    self,
                    message,
                    exc_info=True,  # noqa: LOG014 - the caller handles it
                )
        else:
            self._loop.call_exception_handler(
                {
                    "message": message,
                    "exception": exc,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )
        self._force_close(exc)

    def _warn_of_lost_write(self) -> bool:
        """Count a write after the connection was lost; false if it was not."""
        if not self._conn_lost:
            return False
        if self._conn_lost >= constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES:
            _selector_events.logger.warning("socket.send() raised exception.")
        self._conn_lost += 1
        return True

    def _forget_loop(self) -> None:
        """Stop watching the file: the loop is closed."""
        if not self._is_selected and self._loop is not None:
            self._file.unwatch_readable(self._waker)

    def __del__(self) -> None:
        sock = getattr(self, "_sock", None)
        if sock is not None:
            if sock.host.warns_of_unclosed:
                warnings.warn(
                    f"unclosed transport {self!r}", ResourceWarning, source=self, stacklevel=2
                )
            sock.close()

    def _is_writing(self) -> bool:
        """Return whether the transport waits for room to write."""
        return self._has_unsent()

    def __repr__(self) -> str:
        info = [type(self).__name__]
        if self._sock is None:
            info.append("closed")
        elif self._closing:
            info.append("closing")
        info.append(f"fd={self._sock_fd}")
        if self._loop is not None and not self._loop.is_closed():
            info.append("read=polling" if self._is_reading else "read=idle")
            state = "polling" if self._is_writing() else "idle"
            info.append(f"write=<{state}, bufsize={self.get_write_buffer_size()}>")
        return f"<{' '.join(info)}>"


def wake_waiter(waiter: asyncio.Future[None]) -> None:
    """Give a waiter its result, unless it was cancelled."""
    if not waiter.done():
        waiter.set_result(None)
