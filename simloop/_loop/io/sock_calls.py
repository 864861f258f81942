"""``sock_*``: coroutines on bare sockets.

Owns: trying a call, and waiting for the descriptor where it would block. All of them do the same:
try at once, and if that would block, try again each time the selector says that the descriptor is
ready. They work on anything with the methods of a socket, so a test's mock can stand in for one;
a method is looked up at each try, since a test may change it on the way. The order of checks and
tries is that of CPython 3.14, Lib/asyncio/selector_events.py: ``sock_recv`` and its kin.
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Any, TypeVar

from simloop._loop.state import LoopState
from simloop.net.addressing.addresses import is_plain
from simloop.net.errnos import os_error
from simloop.net.syscalls.virtual_socket import VirtualSocket

from .connections import refuse_ssl_socket

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["LowLevel"]

_T = TypeVar("_T")
_WOULD_BLOCK = (BlockingIOError, InterruptedError)
_UNDER_WAY = (errno.EINPROGRESS, errno.EAGAIN, errno.EALREADY, errno.EINTR)
_INTERNET = (socket.AF_INET, socket.AF_INET6)


class LowLevel(LoopState):
    """The part of a loop that works on bare sockets."""

    async def sock_recv(self, sock: Any, nbytes: int) -> bytes:
        """Receive up to ``nbytes`` bytes; b"" is the end of the stream."""
        self._check_socket(sock)
        return await self._when_ready(
            sock, self._add_reader, self.remove_reader, lambda: sock.recv(nbytes)
        )

    async def sock_recv_into(self, sock: Any, buf: Any) -> int:
        """Receive into a buffer; return how many bytes came."""
        self._check_socket(sock)
        return await self._when_ready(
            sock, self._add_reader, self.remove_reader, lambda: sock.recv_into(buf)
        )

    async def sock_recvfrom(self, sock: Any, bufsize: int) -> tuple[bytes, Any]:
        """Receive a datagram and its sender's address."""
        self._check_socket(sock)
        return await self._when_ready(
            sock, self._add_reader, self.remove_reader, lambda: sock.recvfrom(bufsize)
        )

    async def sock_recvfrom_into(self, sock: Any, buf: Any, nbytes: int = 0) -> tuple[int, Any]:
        """Receive a datagram into a buffer; return its size and its sender's address."""
        self._check_socket(sock)
        return await self._when_ready(
            sock,
            self._add_reader,
            self.remove_reader,
            lambda: sock.recvfrom_into(buf, nbytes or len(buf)),
        )

    async def sock_sendall(self, sock: Any, data: Any) -> None:
        """Send all of the data."""
        self._check_socket(sock)
        try:
            sent = sock.send(data)
        except _WOULD_BLOCK:
            sent = 0
        view = memoryview(data).cast("B")
        while sent < len(view):
            sent += await self._sock_send(sock, view[sent:], at_once=False)

    async def _sock_send(self, sock: Any, data: Any, *, at_once: bool = True) -> int:
        """Send what the socket takes, at least one byte; return how many."""
        return await self._when_ready(
            sock, self._add_writer, self.remove_writer, lambda: sock.send(data), at_once=at_once
        )

    async def sock_sendto(self, sock: Any, data: Any, address: Any) -> int:
        """Send a datagram to an address; return how many bytes were taken."""
        self._check_socket(sock)
        return await self._when_ready(
            sock, self._add_writer, self.remove_writer, lambda: sock.sendto(data, address)
        )

    async def sock_accept(self, sock: Any) -> tuple[Any, Any]:
        """Accept a connection; return its socket and the peer's address."""
        self._check_socket(sock)
        connection, address = await self._when_ready(
            sock,
            self._add_reader,
            self.remove_reader,
            lambda: sock.accept(),  # noqa: PLW0108 - see above
        )
        connection.setblocking(False)
        return connection, address

    async def sock_connect(self, sock: Any, address: Any) -> None:
        """Connect a socket; a name is resolved first.

        Raises:
            OSError: The connection was refused, or whatever else the network says.
        """
        self._check_socket(sock)
        family = sock.family
        is_ours = type(sock) is VirtualSocket  # No subclass: its methods are ours.
        if is_ours and family == socket.AF_INET and is_plain(address):
            code = sock.begin_connect(address)  # It makes no error that would only be caught.
            if code and code not in _UNDER_WAY:
                raise os_error(code)
            is_pending = code != 0
        else:
            if family in _INTERNET:
                infos = await self._ensure_resolved(
                    address, family=family, type=sock.type, proto=sock.proto
                )
                address = infos[0][4]
            is_pending = _connect(sock, address)
        if not is_pending:
            return
        # A connection within memory stands already; a link may take its time.
        if not (isinstance(sock, VirtualSocket) and sock.file.writable):
            await self._when_ready(
                sock, self._add_writer, self.remove_writer, lambda: None, at_once=False
            )
        if is_ours:
            code = sock.file.take_error()
        else:
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, f"Connect call failed {address}")

    def _check_socket(self, sock: Any) -> None:
        if type(sock) is not VirtualSocket:
            refuse_ssl_socket(sock)
        if self._debug and sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")

    async def _when_ready(
        self,
        sock: Any,
        add: Callable[..., Any],
        remove: Callable[[Any], Any],
        call: Callable[[], _T],
        *,
        at_once: bool = True,
    ) -> _T:
        """Make a call; where it would block, make it again when the descriptor is ready."""
        if at_once:
            try:
                return call()
            except _WOULD_BLOCK:
                pass
        fd = sock.fileno()
        self._ensure_fd_no_transport(fd)
        future: asyncio.Future[_T] = self.create_future()
        handle = add(fd, _try, future, call)
        try:
            return await future
        finally:
            if not handle.cancelled():  # Else another call has replaced this one.
                remove(fd)


def _try(future: asyncio.Future[_T], call: Callable[[], _T]) -> None:
    """Make a call for a future, unless it would block still."""
    if future.done():
        return
    try:
        result = call()
    except _WOULD_BLOCK:
        return
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - the future's awaiter gets it
        future.set_exception(error)
    else:
        future.set_result(result)


def _connect(sock: Any, address: Any) -> bool:
    """Call connect(); return whether its outcome is still to come."""
    try:
        if type(sock) is VirtualSocket:
            sock.connect_by_loop(address)
        else:
            sock.connect(address)
    except _WOULD_BLOCK:
        return True
    return False
