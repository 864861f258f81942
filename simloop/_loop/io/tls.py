"""TLS: asyncio's own state machine and the real ssl module, over our transports.

Owns: putting ``asyncio.sslproto.SSLProtocol`` between a transport and a protocol, at the start of a
connection or in the middle of one. The encryption works on memory; its timeouts are timers of this
loop and so virtual. The order of steps is that of CPython 3.14: Lib/asyncio/base_events.py
(``start_tls``) and Lib/asyncio/selector_events.py (``_make_ssl_transport``).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from simloop._loop.state import LoopState

if TYPE_CHECKING:
    import ssl

__all__ = ["Tls"]


class Tls(LoopState):
    """The part of a loop that encrypts."""

    def _make_ssl_transport(
        self,
        rawsock: Any,
        protocol: asyncio.BaseProtocol,
        sslcontext: ssl.SSLContext | None,
        waiter: asyncio.Future[None] | None = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        extra: dict[str, Any] | None = None,
        server: Any = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> asyncio.Transport:
        """Make a transport with TLS on it; ``waiter`` hears of the end of the handshake."""
        from asyncio import sslproto  # noqa: PLC0415 - a loop without TLS need not load it

        self._ensure_fd_no_transport(rawsock)
        ssl_protocol = sslproto.SSLProtocol(
            self,
            protocol,
            sslcontext,  # type: ignore[arg-type]  # None means the default one
            waiter,  # type: ignore[arg-type]
            server_side,
            server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,  # type: ignore[arg-type]
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )
        self._make_socket_transport(rawsock, ssl_protocol, extra=extra, server=server)
        return ssl_protocol._app_transport

    async def start_tls(
        self,
        transport: Any,
        protocol: asyncio.BaseProtocol,
        sslcontext: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> asyncio.Transport:
        """Encrypt a connection from here on; return the transport to use instead.

        Raises:
            TypeError: The context is none, or the transport cannot be encrypted.
        """
        import ssl  # noqa: PLC0415 - as above
        from asyncio import sslproto  # noqa: PLC0415

        if not isinstance(sslcontext, ssl.SSLContext):
            raise TypeError(
                f"sslcontext is expected to be an instance of ssl.SSLContext, got {sslcontext!r}"
            )
        if not getattr(transport, "_start_tls_compatible", False):
            raise TypeError(f"transport {transport!r} is not supported by start_tls()")
        waiter: asyncio.Future[None] | None = self.create_future()
        assert waiter is not None
        ssl_protocol = sslproto.SSLProtocol(
            self,
            protocol,
            sslcontext,
            waiter,
            server_side,
            server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,  # type: ignore[arg-type]
            ssl_shutdown_timeout=ssl_shutdown_timeout,
            call_connection_made=False,
        )
        # Nothing may reach the new protocol before it knows its transport.
        transport.pause_reading()
        if server_side:
            _hand_over(protocol, ssl_protocol)
        transport.set_protocol(ssl_protocol)
        made = self.call_soon(ssl_protocol.connection_made, transport)
        resumed = self.call_soon(transport.resume_reading)
        try:
            await waiter
        except BaseException:
            transport.close()
            made.cancel()
            resumed.cancel()
            waiter = None  # Its error would hold this frame.
            raise
        return ssl_protocol._app_transport


def _hand_over(protocol: asyncio.BaseProtocol, ssl_protocol: Any) -> None:
    """Give TLS what a stream reader already holds of it: a client may begin at once."""
    if not isinstance(protocol, asyncio.StreamReaderProtocol):
        return
    reader = getattr(protocol, "_stream_reader", None)
    if reader is not None and reader._buffer:
        ssl_protocol._incoming.write(reader._buffer)
        reader._buffer.clear()
