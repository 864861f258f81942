"""Connecting streams: from a host and a port, or a socket, to a transport and its protocol.

Owns: ``create_connection`` and ``connect_accepted_socket``, and which transport class fits which
socket. A virtual socket gets our own transport; anything else that behaves like a socket (a test's
mock, fed through the selector) gets asyncio's.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from asyncio import selector_events, staggered
from typing import TYPE_CHECKING, Any

from simloop._loop.transports.stream_transport import StreamTransport, UnixStreamTransport
from simloop.net.syscalls.socket_calls import make_socket
from simloop.net.syscalls.virtual_socket import VirtualSocket

from .resolving import interleaved, numeric_info
from .sock_calls import LowLevel, refuse_ssl_socket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .resolving import AddressInfo

__all__ = ["Connecting", "bind_error", "check_ssl_options"]

_NODELAY = (int(socket.IPPROTO_TCP), int(socket.TCP_NODELAY))


class Connecting(LowLevel):
    """The part of a loop that makes stream connections."""

    def _make_socket_transport(
        self,
        sock: Any,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        *,
        extra: dict[str, Any] | None = None,
        server: Any = None,
    ) -> asyncio.Transport:
        """Make the transport that fits the socket."""
        if isinstance(sock, VirtualSocket):
            if sock.fileno() in self._transports:
                self._ensure_fd_no_transport(sock)
            if sock.proto == socket.IPPROTO_TCP:
                options = sock.file.options
                if options is None:
                    options = sock.file.options = {}
                options[_NODELAY] = 1  # As asyncio does.
            elif sock.family == socket.AF_UNIX:
                return UnixStreamTransport(self, sock, protocol, waiter, extra, server)
            return StreamTransport(self, sock, protocol, waiter, extra, server)
        self._ensure_fd_no_transport(sock)
        return selector_events._SelectorSocketTransport(  # type: ignore[attr-defined,no-any-return]
            self, sock, protocol, waiter, extra, server
        )

    def _make_ssl_transport(self, *args: Any, **options: Any) -> asyncio.Transport:
        """Make a transport with TLS on it; see :mod:`simloop._loop.io.tls`."""
        raise NotImplementedError

    async def create_connection(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | bytes | None = None,
        port: str | bytes | int | None = None,
        *,
        ssl: Any = None,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        sock: Any = None,
        local_addr: tuple[str, int] | None = None,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        happy_eyeballs_delay: float | None = None,
        interleave: int | None = None,
        all_errors: bool = False,
    ) -> tuple[Any, Any]:
        """Connect to a TCP server and return ``(transport, protocol)``.

        The arguments and the errors are asyncio's own.
        """
        check_ssl_options(ssl, ssl_handshake_timeout, ssl_shutdown_timeout, server_hostname)
        if server_hostname is None and ssl:
            if not host:
                raise ValueError("You must set server_hostname when using ssl without a host")
            server_hostname = host  # type: ignore[assignment]  # bytes are asyncio's problem
        if sock is not None:
            refuse_ssl_socket(sock)
        if host is not None or port is not None:
            if sock is not None:
                raise ValueError("host/port and sock can not be specified at the same time")
            resolve = {"family": family, "type": socket.SOCK_STREAM, "proto": proto, "flags": flags}
            sock = await self._connect_any(
                (host, port), local_addr, resolve, happy_eyeballs_delay, interleave, all_errors
            )
        elif sock is None:
            raise ValueError("host and port was not specified and no sock specified")
        elif sock.type != socket.SOCK_STREAM:
            raise ValueError(f"A Stream Socket was expected, got {sock!r}")
        return await self._create_connection_transport(
            sock,
            protocol_factory,
            ssl,
            server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )

    async def _resolve_all(
        self, address: tuple[Any, ...], options: dict[str, Any]
    ) -> list[AddressInfo]:
        infos = await self._ensure_resolved(address, **options)
        if not infos:
            raise OSError("getaddrinfo() returned empty list")
        return infos

    async def _connect_any(
        self,
        address: tuple[Any, Any],
        local_address: Any,
        resolve: dict[str, Any],
        delay: float | None,
        interleave: int | None,
        all_errors: bool,  # noqa: FBT001 - asyncio's option, passed on
    ) -> Any:
        """Connect to the first that answers of what an address stands for."""
        host, port = address
        info = numeric_info(host, port, resolve["family"], resolve["type"], resolve["proto"])
        infos = [info] if info else await self._resolve_all(address, resolve)
        local_infos = None
        if local_address is not None:
            local_infos = await self._resolve_all(local_address, resolve)
        if interleave is None and delay is not None:
            interleave = 1
        if interleave:
            infos = interleaved(infos, interleave)
        errors: list[list[Exception]] = []
        if delay is None:
            for info in infos:
                try:
                    return await self._connect_one(errors, info, local_infos)
                except OSError:
                    continue
        else:
            attempts = [
                lambda info=info: self._connect_one(errors, info, local_infos) for info in infos
            ]
            sock = (await staggered.staggered_race(attempts, delay, loop=self))[0]
            if sock is not None:
                return sock
        try:
            raise _combined([error for group in errors for error in group], all_errors)
        finally:
            errors.clear()  # The error's traceback holds this frame.

    async def _connect_one(
        self,
        errors: list[list[Exception]],
        info: AddressInfo,
        local_infos: Sequence[AddressInfo] | None,
    ) -> VirtualSocket:
        """Open, bind and connect one socket; its errors are noted, and the last one raised."""
        mine: list[Exception] = []
        errors.append(mine)
        family, type_, proto, _, address = info
        sock = None
        try:
            sock = make_socket(self.host, family, type_, proto)
            sock.setblocking(False)
            if local_infos is not None:
                _bind_local(sock, family, local_infos, mine)
            await self.sock_connect(sock, address)
        except BaseException as error:
            if sock is not None:
                with contextlib.suppress(OSError):  # The first error says more.
                    sock.close()
            if isinstance(error, OSError):
                mine.append(error)
            raise
        else:
            return sock
        finally:
            del errors, mine  # Errors hold frames, which would hold the errors.

    async def connect_accepted_socket(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        sock: Any,
        *,
        ssl: Any = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> tuple[Any, Any]:
        """Wrap a connection that was accepted elsewhere; return ``(transport, protocol)``."""
        if sock.type != socket.SOCK_STREAM:
            raise ValueError(f"A Stream Socket was expected, got {sock!r}")
        check_ssl_options(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
        refuse_ssl_socket(sock)
        return await self._create_connection_transport(
            sock,
            protocol_factory,
            ssl,
            "",
            server_side=True,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )

    async def _create_connection_transport(
        self,
        sock: Any,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        ssl: Any,
        server_hostname: str | None,
        *,
        server_side: bool = False,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Put a transport and a protocol on a connected socket, and wait until they met."""
        try:
            sock.setblocking(False)
            protocol = protocol_factory()
            waiter: asyncio.Future[None] = self.create_future()
            if ssl:
                transport = self._make_ssl_transport(
                    sock,
                    protocol,
                    None if isinstance(ssl, bool) else ssl,
                    waiter,
                    server_side=server_side,
                    server_hostname=server_hostname,
                    ssl_handshake_timeout=ssl_handshake_timeout,
                    ssl_shutdown_timeout=ssl_shutdown_timeout,
                )
            else:
                transport = self._make_socket_transport(sock, protocol, waiter)
        except BaseException:
            sock.close()
            raise
        try:
            await waiter
        except BaseException:
            transport.close()
            raise
        finally:
            del waiter  # Its error would hold this frame, and what the frame holds.
        return transport, protocol


def _bind_local(
    sock: VirtualSocket,
    family: int,
    local_infos: Sequence[AddressInfo],
    errors: list[Exception],
) -> None:
    """Bind to the first local address of the family that is free."""
    for local_family, _, _, _, address in local_infos:
        if local_family != family:
            continue
        try:
            sock.bind(address)
        except OSError as error:
            errors.append(bind_error(error, address))
        else:
            return
    if errors:
        raise errors.pop()
    raise OSError(f"no matching local address with {family=} found")


def bind_error(error: OSError, address: object) -> OSError:
    """Return the error of a bind with the address in its text, as asyncio words it."""
    cause = str(error)
    if sys.version_info < (3, 13) and error.strerror:
        cause = error.strerror
    cause = cause.lower()
    return OSError(error.errno, f"error while attempting to bind on address {address!r}: {cause}")


def _combined(errors: list[Exception], all_errors: bool) -> Exception:  # noqa: FBT001 - a leaf
    """Return the one error that tells of all: asyncio's rules."""
    if all_errors:
        return ExceptionGroup("create_connection failed", errors)
    if not errors:
        return TimeoutError("create_connection failed")
    texts = [str(error) for error in errors]
    if all(text == texts[0] for text in texts):
        return errors[0]
    return OSError(f"Multiple exceptions: {', '.join(texts)}")


def check_ssl_options(
    ssl: Any,
    handshake_timeout: float | None,
    shutdown_timeout: float | None,
    server_hostname: str | None = None,
) -> None:
    """Refuse options of TLS without TLS, as asyncio words it."""
    if ssl:
        return
    if server_hostname is not None:
        raise ValueError("server_hostname is only meaningful with ssl")
    if handshake_timeout is not None:
        raise ValueError("ssl_handshake_timeout is only meaningful with ssl")
    if shutdown_timeout is not None:
        raise ValueError("ssl_shutdown_timeout is only meaningful with ssl")
