"""Sending files: ``sendfile`` and ``sock_sendfile``.

Owns: asyncio's two ways. The native one stands for ``os.sendfile``: it takes regular files only and
needs no reading by the program; here it reads by ``os.pread`` and leaves the file's position where
the system call would. Where it is not available, the fallback reads blocks and writes them. The
rules are those of CPython 3.14: Lib/asyncio/base_events.py (``sendfile``, ``sock_sendfile``,
``_check_sendfile_params``) and Lib/asyncio/unix_events.py (``_sock_sendfile_native``).
"""

from __future__ import annotations

import io
import os
import socket
import sys
from asyncio import base_events, constants
from asyncio.exceptions import SendfileNotAvailableError
from typing import Any

from simloop._loop.state import LoopState

from .connections import refuse_ssl_socket

__all__ = ["Sendfile"]

_BLOCK_SIZE = 256 * 1024
_FALLBACK_BLOCK_SIZE = 16 * 1024
# Whether the file's position follows even a transfer that sent nothing, as one at its end.
_ALWAYS_MOVES = sys.version_info >= (3, 14)
# Before 3.14 ``_sock_sendfile_fallback`` went on where a file stood if it was given no offset.
_ALWAYS_SEEKS = _ALWAYS_MOVES
_Mode = constants._SendfileMode


class Sendfile(LoopState):
    """The part of a loop that sends files."""

    async def sendfile(
        self,
        transport: Any,
        file: Any,
        offset: int = 0,
        count: int | None = None,
        *,
        fallback: bool = True,
    ) -> int:
        """Send a file over a transport; return how many bytes were sent.

        Raises:
            SendfileNotAvailableError: It is no regular file, and there may be no fallback.
            RuntimeError: The transport is closing, or cannot send files.
        """
        if transport.is_closing():
            raise RuntimeError("Transport is closing")
        mode = getattr(transport, "_sendfile_compatible", _Mode.UNSUPPORTED)
        if mode is _Mode.UNSUPPORTED:
            raise RuntimeError(f"sendfile is not supported for transport {transport!r}")
        if mode is _Mode.TRY_NATIVE:
            try:
                return await self._sendfile_native(transport, file, offset, count)
            except SendfileNotAvailableError:
                if not fallback:
                    raise
        if not fallback:
            raise RuntimeError(
                "fallback is disabled and native sendfile is not supported for transport"
                f" {transport!r}"
            )
        return await self._sendfile_fallback(transport, file, offset, count)

    async def _sendfile_native(
        self, transport: Any, file: Any, offset: int, count: int | None
    ) -> int:
        """Send through the transport's socket, which the transport leaves alone meanwhile."""
        fd = transport._sock_fd
        del self._transports[fd]
        was_reading = transport.is_reading()
        transport.pause_reading()
        try:
            await transport._make_empty_waiter()
            return await self.sock_sendfile(transport._sock, file, offset, count, fallback=False)
        finally:
            transport._reset_empty_waiter()
            transport._io_ready = self._kernel.io_ready  # A host may have exchanged it.
            if was_reading:
                transport.resume_reading()
            if transport._sock is not None:
                self._transports[fd] = transport

    async def _sendfile_fallback(
        self, transport: Any, file: Any, offset: int, count: int | None
    ) -> int:
        """Read blocks and write them, waiting where the transport asks for it."""
        if hasattr(file, "seek"):
            file.seek(offset)
        sent = 0
        protocol = base_events._SendfileFallbackProtocol(transport)  # type: ignore[attr-defined]
        try:
            while block := _read_block(file, _FALLBACK_BLOCK_SIZE, sent, count):
                await protocol.drain()
                transport.write(block)
                sent += len(block)
            return sent
        finally:
            if sent and hasattr(file, "seek"):
                file.seek(offset + sent)
            await protocol.restore()

    async def sock_sendfile(  # type: ignore[override]
        self,
        sock: Any,
        file: Any,
        offset: int = 0,
        count: int | None = None,
        *,
        fallback: bool = True,
    ) -> int:
        """Send a file through a socket; return how many bytes were sent."""
        refuse_ssl_socket(sock)
        if self._debug and sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")
        _check_arguments(sock, file, offset, count)
        try:
            return await self._sock_sendfile_native(sock, file, offset, count)
        except SendfileNotAvailableError:
            if not fallback:
                raise
        return await self._sock_sendfile_fallback(sock, file, offset, count)

    async def _sock_sendfile_native(
        self, sock: Any, file: Any, offset: int, count: int | None
    ) -> int:
        try:
            fileno = file.fileno()
            size_all = os.fstat(fileno).st_size
        except (AttributeError, io.UnsupportedOperation, OSError):
            raise SendfileNotAvailableError("not a regular file") from None
        if not (count or size_all):
            return 0
        sent = 0
        try:
            while count is None or sent < count:
                size = _BLOCK_SIZE if count is None else min(_BLOCK_SIZE, count - sent)
                block = os.pread(fileno, size, offset + sent)
                if not block:
                    break
                rest = memoryview(block)
                while rest:
                    taken = await self._sock_send(sock, rest)
                    sent += taken
                    rest = rest[taken:]
        finally:
            if sent or _ALWAYS_MOVES:
                os.lseek(fileno, offset + sent, os.SEEK_SET)
        return sent

    async def _sock_sendfile_fallback(
        self, sock: Any, file: Any, offset: int, count: int | None
    ) -> int:
        if offset if not _ALWAYS_SEEKS else hasattr(file, "seek"):
            file.seek(offset)
        sent = 0
        try:
            while block := _read_block(file, _BLOCK_SIZE, sent, count):
                await self.sock_sendall(sock, block)
                sent += len(block)
            return sent
        finally:
            if sent and hasattr(file, "seek"):
                file.seek(offset + sent)


def _read_block(file: Any, size: int, sent: int, count: int | None) -> bytes:
    """Read the next block; b"" at the end, or when ``count`` bytes were sent."""
    if count is not None:
        size = min(size, count - sent)
    if size <= 0:
        return b""
    buffer = bytearray(size)
    read = file.readinto(buffer)
    return bytes(buffer[:read]) if read else b""


def _check_arguments(sock: Any, file: Any, offset: Any, count: Any) -> None:
    """Refuse what cannot be sent, as asyncio words it."""
    if "b" not in getattr(file, "mode", "b"):
        raise ValueError("file should be opened in binary mode")
    if sock.type != socket.SOCK_STREAM:
        raise ValueError("only SOCK_STREAM type sockets are supported")
    if count is not None:
        if not isinstance(count, int):
            raise TypeError(f"count must be a positive integer (got {count!r})")
        if count <= 0:
            raise ValueError(f"count must be a positive integer (got {count!r})")
    if not isinstance(offset, int):
        raise TypeError(f"offset must be a non-negative integer (got {offset!r})")
    if offset < 0:
        raise ValueError(f"offset must be a non-negative integer (got {offset!r})")
