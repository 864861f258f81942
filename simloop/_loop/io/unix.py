"""UNIX sockets: connections and servers by path, and pipes.

Owns: ``create_unix_connection``, ``create_unix_server``, ``connect_read_pipe`` and
``connect_write_pipe``. Paths are names of the virtual host, not files; a server that starts on a
path takes it over from one that is gone, and from Python 3.13 on removes it when it closes (CPython
3.14 Lib/asyncio/unix_events.py: ``create_unix_server``, ``_stop_serving``).

Pipes use asyncio's own transports, and ours where it has none: they ask ``os`` to read and write,
and inside a run ``os`` answers for virtual descriptors.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

from simloop._loop.state import LoopState
from simloop.errors import UnsupportedError
from simloop.net.linux import socket_names
from simloop.net.syscalls.socket_calls import make_socket

from .connections import check_ssl_options

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from simloop.net.syscalls.virtual_socket import VirtualSocket

__all__ = ["Pipes", "Unix"]

_ReadTransport: Any
_WriteTransport: Any
try:
    from asyncio import unix_events
except ImportError:  # Windows.
    from simloop._loop.transports import pipe_transport

    _ReadTransport = pipe_transport.PipeReadTransport
    _WriteTransport = pipe_transport.PipeWriteTransport
else:
    _ReadTransport = unix_events._UnixReadPipeTransport  # type: ignore[attr-defined]  # private
    _WriteTransport = unix_events._UnixWritePipeTransport  # type: ignore[attr-defined]  # private

_CLEANS_UP = sys.version_info >= (3, 13)


class Unix(LoopState):
    """The part of a loop that speaks through paths."""

    @cached_property
    def _unix_paths(self) -> dict[Any, tuple[str, int]]:
        """Listening sockets whose path goes when they do, with the number of the path's entry."""
        return {}

    async def create_unix_connection(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        path: Any = None,
        *,
        ssl: Any = None,
        sock: Any = None,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> tuple[Any, Any]:
        """Connect to a UNIX server and return ``(transport, protocol)``."""
        if ssl and server_hostname is None:
            raise ValueError("you have to pass server_hostname when using ssl")
        check_ssl_options(ssl, ssl_handshake_timeout, ssl_shutdown_timeout, server_hostname)
        if path is not None:
            if sock is not None:
                raise ValueError("path and sock can not be specified at the same time")
            sock = make_socket(self.host, socket_names.AF_UNIX, socket.SOCK_STREAM, 0)
            try:
                sock.setblocking(False)
                await self.sock_connect(sock, os.fspath(path))
            except BaseException:
                sock.close()
                raise
        else:
            if sock is None:
                raise ValueError("no path and sock were specified")
            _check_unix_stream(sock)
            sock.setblocking(False)
        return await self._create_connection_transport(
            sock,
            protocol_factory,
            ssl,
            server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )

    async def create_unix_server(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        path: Any = None,
        *,
        sock: Any = None,
        backlog: int = 100,
        ssl: Any = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        start_serving: bool = True,
        cleanup_socket: bool = _CLEANS_UP,
    ) -> asyncio.Server:
        """Listen on a path of the virtual host, or on a socket; return the server."""
        if isinstance(ssl, bool):
            raise TypeError("ssl argument must be an SSLContext or None")
        check_ssl_options(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
        if path is not None:
            if sock is not None:
                raise ValueError("path and sock can not be specified at the same time")
            sock = self._bind_path(os.fspath(path))
        else:
            if sock is None:
                raise ValueError("path was not specified, and no sock specified")
            _check_unix_stream(sock)
        if cleanup_socket:
            self._note_path(sock)
        return await self._serve(
            [sock],
            protocol_factory,
            ssl,
            backlog,
            ssl_handshake_timeout,
            ssl_shutdown_timeout,
            start_serving=start_serving,
        )

    def _bind_path(self, path: str | bytes) -> VirtualSocket:
        """Bind a new socket to a path; a socket that was bound to it loses the path."""
        name = os.fsdecode(path)
        if name[0] != "\0" and "\0" in name:  # An empty path is an IndexError, as in asyncio.
            raise ValueError("embedded null byte")
        if not name.startswith("\0") and self.host.unix.exists(name):
            self.host.unix.unlink(name)
        sock = make_socket(self.host, socket_names.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(path)
        except BaseException as error:
            sock.close()
            if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
                message = f"Address {path!r} is already in use"
                raise OSError(errno.EADDRINUSE, message) from None
            raise
        return sock

    def _note_path(self, sock: Any) -> None:
        """Remember to remove the path of a listening socket when it closes."""
        name = sock.getsockname()
        # A socket without a name is an IndexError, as in asyncio.
        if name[0] not in {0, "\0"} and self.host.unix.exists(name):
            self._unix_paths[sock] = name, self.host.unix.entry(name).number

    def _remove_path(self, sock: Any) -> None:
        """Remove the path of a closed listening socket, if it is to go and still its own."""
        path, number = self._unix_paths.pop(sock, ("", 0))
        names = self.host.unix
        if path and names.exists(path) and names.entry(path).number == number:
            names.unlink(path)


class Pipes(LoopState):
    """The part of a loop that reads and writes pipes."""

    async def connect_read_pipe(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], pipe: Any
    ) -> tuple[Any, Any]:
        """Give a protocol what comes out of a pipe; return ``(transport, protocol)``."""
        return await self._connect_pipe(_ReadTransport, protocol_factory, pipe)

    async def connect_write_pipe(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], pipe: Any
    ) -> tuple[Any, Any]:
        """Give a protocol a pipe to write into; return ``(transport, protocol)``."""
        return await self._connect_pipe(_WriteTransport, protocol_factory, pipe)

    async def _connect_pipe(
        self, kind: Any, protocol_factory: Callable[[], asyncio.BaseProtocol], pipe: Any
    ) -> tuple[Any, Any]:
        protocol = protocol_factory()
        fd = pipe.fileno()
        if fd not in self.host.descriptors and _is_pipe(fd):
            raise UnsupportedError(
                f"{pipe!r} is a pipe of the real process (descriptor {fd}), and a simulated loop"
                " never waits for the real world; use os.pipe() or socket.socketpair() inside the"
                " run, or a program registered with the world"
            )
        waiter: asyncio.Future[None] = self.create_future()
        transport = kind(self, pipe, protocol, waiter, None)
        try:
            await waiter
        except BaseException:
            transport.close()
            raise
        return transport, protocol


def _is_pipe(fd: int) -> bool:
    """Return whether a real descriptor is one that a real loop takes.

    Those are pipes, sockets and character devices (CPython 3.14 Lib/asyncio/unix_events.py:
    ``_UnixReadPipeTransport.__init__``); asyncio refuses the others.
    """
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)


def _check_unix_stream(sock: Any) -> None:
    if sock.family != socket_names.AF_UNIX or sock.type != socket.SOCK_STREAM:
        raise ValueError(f"A UNIX Domain Stream Socket was expected, got {sock!r}")
    sock.setblocking(False)
