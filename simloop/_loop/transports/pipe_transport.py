"""Transports of pipes where asyncio has none: on Windows, whose asyncio knows no UNIX pipes.

Owns: an end of a virtual pipe and its protocol, with the order of calls and the limits of asyncio's
own (CPython 3.14 Lib/asyncio/unix_events.py: ``_UnixReadPipeTransport``,
``_UnixWritePipeTransport``), which are used wherever they are there.

Must not know: who opened the pipe. Reading and writing is asked of ``os``, as asyncio does it.

Invariants: ``connection_lost`` is called once, as a step of its own; nothing is read before
``connection_made`` was called; what can't be written at once waits in one buffer, in order.
"""

from __future__ import annotations

import os
from asyncio import constants, transports
from asyncio.log import logger
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["PipeReadTransport", "PipeWriteTransport"]

_READ_MAX = 256 * 1024
"""Bytes that are read in one turn; asyncio's number."""


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class _PipeEnd(transports.BaseTransport):
    """What both ends of a pipe do."""

    _extra: dict[str, Any]
    _loop: Any
    _pipe: Any
    _is_closing: bool

    def _begin(self, loop: Any, pipe: Any, protocol: Any) -> None:
        self._loop = loop
        self._pipe = pipe
        self._fd: int = pipe.fileno()
        self._protocol = protocol
        self._is_closing = False
        loop.host.file(self._fd).is_blocking = False
        loop.call_soon(protocol.connection_made, self)

    def _tell(self, waiter: asyncio.Future[None] | None) -> None:
        """Wake what made the transport, once the protocol and the reader are in place."""
        if waiter is not None:
            self._loop.call_soon(_wake, waiter)

    def __repr__(self) -> str:
        state = "closed" if self._pipe is None else "closing" if self._is_closing else "open"
        return f"<{type(self).__name__} {state} fd={self._fd}>"

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Give what happens to another protocol from now on."""
        self._protocol = protocol

    def get_protocol(self) -> Any:
        """Return the protocol that is told."""
        return self._protocol

    def is_closing(self) -> bool:
        """Return whether the end is closed or about to be."""
        return self._is_closing

    def _fail(self, error: BaseException, message: str) -> None:
        if not isinstance(error, OSError):
            self._loop.call_exception_handler(
                {
                    "message": message,
                    "exception": error,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        self._is_closing = True
        self._loop._remove_reader(self._fd)
        self._loop.call_soon(self._lose, error)

    def _lose(self, error: BaseException | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self._pipe.close()
            self._pipe = self._protocol = self._loop = None


class PipeReadTransport(_PipeEnd, transports.ReadTransport):
    """The end of a pipe that gives its protocol what comes out."""

    def __init__(
        self, loop: Any, pipe: Any, protocol: Any, waiter: Any = None, extra: Any = None
    ) -> None:
        super().__init__(extra)
        self._extra["pipe"] = pipe
        self._is_paused = False
        self._begin(loop, pipe, protocol)
        loop.call_soon(self._watch)
        self._tell(waiter)

    def is_reading(self) -> bool:
        """Return whether the protocol is given what comes."""
        return not self._is_paused and not self._is_closing

    def pause_reading(self) -> None:
        """Let what comes stay in the pipe."""
        if self.is_reading():
            self._is_paused = True
            self._loop._remove_reader(self._fd)

    def resume_reading(self) -> None:
        """Go on reading."""
        if self._is_paused and not self._is_closing:
            self._is_paused = False
            self._watch()

    def close(self) -> None:
        """Read no more."""
        if not self._is_closing:
            self._end(None)

    def _watch(self) -> None:
        if self.is_reading():
            self._loop._add_reader(self._fd, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, _READ_MAX)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(error, "Fatal read error on pipe transport")
            return
        if data:
            self._protocol.data_received(data)
            return
        self._is_closing = True
        self._loop._remove_reader(self._fd)
        self._loop.call_soon(self._protocol.eof_received)
        self._loop.call_soon(self._lose, None)


class PipeWriteTransport(_PipeEnd, transports._FlowControlMixin, transports.WriteTransport):
    """The end of a pipe that takes what its program writes."""

    _maybe_pause_protocol: Callable[[], None]
    _maybe_resume_protocol: Callable[[], None]

    def __init__(
        self, loop: Any, pipe: Any, protocol: Any, waiter: Any = None, extra: Any = None
    ) -> None:
        super().__init__(extra, loop)
        self._extra["pipe"] = pipe
        self._unwritten = bytearray()
        self._lost = 0
        self._begin(loop, pipe, protocol)
        # To hear that the other end was closed; nothing can be read here.
        loop.call_soon(loop._add_reader, self._fd, self._broken)
        self._tell(waiter)

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait for room in the pipe."""
        return len(self._unwritten)

    def can_write_eof(self) -> bool:
        """Return True: closing the end is the end of the other one's file."""
        return True

    def write_eof(self) -> None:
        """Close when everything is written."""
        if self._is_closing:
            return
        self._is_closing = True
        if not self._unwritten:
            self._loop._remove_reader(self._fd)
            self._loop.call_soon(self._lose, None)

    def close(self) -> None:
        """Close when everything is written."""
        if self._pipe is not None:
            self.write_eof()

    def abort(self) -> None:
        """Close at once; what was not written is lost."""
        self._drop(None)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write, now or when there is room."""
        if not data:
            return
        if self._lost or self._is_closing:
            if self._lost >= constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES:
                logger.warning("pipe closed by peer or os.write(pipe, data) raised exception.")
            self._lost += 1
            return
        is_first = not self._unwritten
        self._unwritten += data
        if is_first and self._write_some() and self._unwritten:
            self._loop._add_writer(self._fd, self._go_on)
        if self._unwritten:
            self._maybe_pause_protocol()

    def _write_some(self) -> bool:
        """Write what there is room for; False where that failed, and the transport with it."""
        try:
            count = os.write(self._fd, self._unwritten)
        except BlockingIOError:
            return True
        except OSError as error:
            self._unwritten.clear()
            self._lost += 1
            self._fail(error, "Fatal write error on pipe transport")
            return False
        del self._unwritten[:count]
        return True

    def _go_on(self) -> None:
        if not self._write_some():
            return
        if not self._unwritten:
            self._loop._remove_writer(self._fd)
            self._maybe_resume_protocol()  # Which may write more.
            if self._is_closing and not self._unwritten:
                self._loop._remove_reader(self._fd)
                self._lose(None)

    def _broken(self) -> None:
        self._drop(BrokenPipeError() if self._unwritten else None)

    def _drop(self, error: BaseException | None) -> None:
        if self._unwritten:
            self._loop._remove_writer(self._fd)
        self._unwritten.clear()
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        self._loop._remove_writer(self._fd)
        super()._end(error)
