"""What the parts share that open sockets: a connection's transport, numeric addresses, checks.

Owns: which transport class fits which socket, how a transport and its protocol meet, asyncio's
short way around the resolver for addresses that are numbers already, and the checks of arguments
in asyncio's words. A virtual socket gets our own transport; anything else that behaves like a
socket (a test's mock, fed through the selector) gets asyncio's.

Must not know: which call opens a socket, and why.

The rules are those of CPython 3.14: Lib/asyncio/base_events.py (``_ipaddr_info``,
``_check_ssl_socket``, ``_create_connection_transport``) and Lib/asyncio/selector_events.py
(``_make_socket_transport``).
"""

from __future__ import annotations

import socket
import sys
from asyncio import selector_events
from typing import TYPE_CHECKING, Any

from simloop._loop.state import LoopState
from simloop._loop.transports.calling_transports import NAMES_IN_SOCKETS, STREAM_NAMES, fitting
from simloop._loop.transports.stream_transport import StreamTransport, UnixStreamTransport
from simloop.net.addressing.addresses import canonical, is_plain
from simloop.net.linux import socket_names
from simloop.net.syscalls.virtual_socket import VirtualSocket

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from simloop._loop.state import AddressInfo

__all__ = [
    "Connections",
    "bind_error",
    "check_ssl_options",
    "numeric_info",
    "refuse_ssl_socket",
]

_TCP = int(socket.IPPROTO_TCP)
_UNIX = int(socket_names.AF_UNIX)
_NODELAY = (int(socket.IPPROTO_TCP), int(socket.TCP_NODELAY))
_PROTOCOLS = {
    int(socket.SOCK_STREAM): int(socket.IPPROTO_TCP),
    int(socket.SOCK_DGRAM): int(socket.IPPROTO_UDP),
}
_PLAIN = (0, *_PROTOCOLS.values())
_WITH_IPV4 = (int(socket.AF_UNSPEC), int(socket.AF_INET))


class Connections(LoopState):
    """The part of a loop that puts transports on connected sockets."""

    _stream_transport: type[StreamTransport] = StreamTransport
    _unix_transport: type[UnixStreamTransport] = UnixStreamTransport

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
            if sock._fd in self._transports:
                self._ensure_fd_no_transport(sock)
            file = sock._file if sock._fd >= 0 else sock.file  # Which raises.
            cls: type[StreamTransport] = self._stream_transport
            if sock._proto == _TCP:
                if file.options is None:
                    file.options = {_NODELAY: 1}  # As asyncio does.
                else:
                    file.options[_NODELAY] = 1
            elif sock._family == _UNIX:
                cls = self._unix_transport
            of_virtual, of_socket = NAMES_IN_SOCKETS
            if (  # Each connection comes by: this takes a third of looking the calls up.
                type(sock) is not VirtualSocket
                or not of_virtual.isdisjoint(STREAM_NAMES)
                or not of_socket.isdisjoint(STREAM_NAMES)
            ):
                cls = fitting(cls, sock)
            return cls(self, sock, protocol, waiter, extra, server)
        self._ensure_fd_no_transport(sock)
        return selector_events._SelectorSocketTransport(  # type: ignore[attr-defined,no-any-return]
            self, sock, protocol, waiter, extra, server
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
        """Put a transport and a protocol on a socket that is connected and does not block."""
        try:
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


def bind_error(error: OSError, address: object) -> OSError:
    """Return the error of a bind with the address in its text, as asyncio words it."""
    cause = str(error)
    if sys.version_info < (3, 13) and error.strerror:
        cause = error.strerror
    cause = cause.lower()
    return OSError(error.errno, f"error while attempting to bind on address {address!r}: {cause}")


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


def refuse_ssl_socket(sock: Any) -> None:
    """Refuse a socket of the ssl module: asyncio does TLS itself."""
    import ssl  # noqa: PLC0415 - a loop without connections need not load it

    if isinstance(sock, ssl.SSLSocket):
        raise TypeError("Socket cannot be of type SSLSocket")


def numeric_info(
    host: Any,
    port: Any,
    family: int,
    type_: int,
    proto: int,
    flowinfo: int = 0,
    scopeid: int = 0,
) -> AddressInfo | None:
    """Return what getaddrinfo would say of a numeric address; None if it has to be asked.

    A host that no resolver takes either is refused as asyncio's own short way refuses it.
    """
    implied = _PROTOCOLS.get(type_)
    if implied is None or proto not in _PLAIN or host is None:
        return None
    if family in _WITH_IPV4 and is_plain(address := (host, port)):
        return socket.AF_INET, type_, implied, "", address
    where = _numeric_address(host, port, flowinfo, scopeid)
    if where is None:
        return None
    wanted = socket.AF_INET if len(where) == 2 else socket.AF_INET6  # noqa: PLR2004 - its shape
    if family not in (socket.AF_UNSPEC, wanted):
        return None
    return wanted, type_, implied, "", where


def _numeric_address(host: Any, port: Any, flowinfo: int, scopeid: int) -> tuple[Any, ...] | None:
    """Return a numeric address as its family shapes it; None if it is a name."""
    if port in (None, "", b""):
        port = 0
    try:
        port = int(port)
    except (TypeError, ValueError):
        return None
    text = host.decode("idna") if isinstance(host, bytes) else host
    if not isinstance(text, str):
        raise TypeError(f"host is {host!r}; it takes a str, bytes or None")
    if "%" in text:
        return None
    if "\0" in text:
        raise ValueError("embedded null character")
    try:
        canonical(text)
    except ValueError:
        return None
    return (text, port, flowinfo, scopeid) if ":" in text else (text, port)
