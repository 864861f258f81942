"""Serving streams: listening sockets, and a connection for each client.

Owns: ``create_server`` and how connections are accepted. asyncio's own ``Server`` is used, because
what its methods promise differs between Python versions; ours only keeps its clients in the order
in which they came, so that closing them all is the same in every run.

A listener is watched like a transport: one handle, scheduled when a client comes, which accepts
every client that waits, up to the backlog (CPython 3.14 Lib/asyncio/selector_events.py:
``_accept_connection``, ``_accept_connection2``).
"""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from asyncio import base_events, constants, trsock
from asyncio.base_events import Server as StockServer
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from simloop._kernel import DebugHandle, Handle
from simloop._loop.state import LoopState
from simloop.net.syscalls.socket_calls import make_socket
from simloop.net.syscalls.virtual_socket import VirtualSocket

from .connections import bind_error, check_ssl_options, refuse_ssl_socket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simloop._loop.state import AddressInfo

__all__ = ["Server", "Serving"]

_LENIENT = sys.version_info >= (3, 13)
"""Whether an address that the host lacks is left out; older versions refuse it."""

_COUNTS = sys.version_info < (3, 13)
"""Whether asyncio's server counts its clients; newer versions keep them."""

_OUT_OF_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Server(StockServer):
    """asyncio's server, with its clients in order."""

    _active_count: int

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        # By descriptor, for to hash a transport by number takes longer; each has its own until it
        # is detached.
        self._members: dict[int, Any] = {}
        if not _COUNTS:  # A WeakSet, in no order.
            self._clients = _Members(self._members)

    def _attach(self, transport: Any = None) -> None:
        """Count a client."""
        assert self._sockets is not None  # type: ignore[attr-defined]
        if transport is not None:
            self._members[transport._sock_fd] = transport
        if _COUNTS:
            self._active_count += 1

    def _detach(self, transport: Any = None) -> None:
        """Count a client less; the last one ends ``wait_closed``."""
        if transport is not None:
            self._members.pop(transport._sock_fd, None)
        left = len(self._members)
        if _COUNTS:
            self._active_count -= 1
            left = self._active_count
        if not left and self._sockets is None and self._waiters is not None:  # type: ignore[attr-defined]
            self._wakeup()  # type: ignore[attr-defined]


class _Members:
    """The clients of a server as asyncio uses them: a set with an order."""

    def __init__(self, members: dict[int, Any]) -> None:
        self._members = members

    def __len__(self) -> int:
        return len(self._members)

    def copy(self) -> list[Any]:
        return list(self._members.values())


class Serving(LoopState):
    """The part of a loop that serves."""

    async def create_server(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | Iterable[str | None] | None = None,
        port: int | None = None,
        *,
        family: int = socket.AF_UNSPEC,
        flags: int = socket.AI_PASSIVE,
        sock: Any = None,
        backlog: int = 100,
        ssl: Any = None,
        reuse_address: bool | None = None,
        reuse_port: bool | None = None,
        keep_alive: bool | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        start_serving: bool = True,
    ) -> Server:
        """Listen on a host (or several) and a port, or on a socket; return the server.

        The arguments and the errors are asyncio's own.
        """
        if isinstance(ssl, bool):
            raise TypeError("ssl argument must be an SSLContext or None")
        check_ssl_options(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
        if sock is not None:
            refuse_ssl_socket(sock)
        if host is not None or port is not None:
            if sock is not None:
                raise ValueError("host/port and sock can not be specified at the same time")
            infos = await self._resolve_hosts(host, port, family, flags)
            wants_address = True if reuse_address is None else reuse_address
            options = _Listening(wants_address, bool(reuse_port), bool(keep_alive))
            sockets: list[Any] = self._listeners(infos, options)
        elif sock is None:
            raise ValueError("Neither host/port nor sock were specified")
        elif sock.type != socket.SOCK_STREAM:
            raise ValueError(f"A Stream Socket was expected, got {sock!r}")
        else:
            sockets = [sock]
        return await self._serve(
            sockets,
            protocol_factory,
            ssl,
            backlog,
            ssl_handshake_timeout,
            ssl_shutdown_timeout,
            start_serving=start_serving,
        )

    async def _resolve_hosts(
        self,
        host: str | Iterable[str | None] | None,
        port: int | None,
        family: int,
        flags: int,
    ) -> list[AddressInfo]:
        """Resolve every host, each address once."""
        if host == "":
            hosts: list[Any] = [None]
        elif host is None or isinstance(host, str):
            hosts = [host]
        else:
            hosts = list(host)
        found: dict[AddressInfo, None] = {}
        for each in hosts:
            infos = await self._ensure_resolved(
                (each, port), family=family, type=socket.SOCK_STREAM, flags=flags
            )
            if not infos:
                raise OSError(f"getaddrinfo({each!r}) returned empty list")
            found.update(dict.fromkeys(infos))
        return list(found)

    def _listeners(self, infos: list[AddressInfo], options: _Listening) -> list[VirtualSocket]:
        """Open and bind a socket for each address; all of them, or an error and none."""
        sockets: list[VirtualSocket] = []
        try:
            for family, type_, proto, _, address in infos:
                sock = make_socket(self.host, family, type_, proto)
                sockets.append(sock)
                options.apply(sock)
                try:
                    sock.bind(address)
                except OSError as error:
                    if error.errno != errno.EADDRNOTAVAIL or not _LENIENT:
                        raise bind_error(error, address) from None
                    sockets.pop().close()  # The addresses that the host has will do.
        except BaseException:
            for each in sockets:
                each.close()
            raise
        if not sockets and _LENIENT:
            addresses = [info[4] for info in infos]
            raise OSError(f"could not bind on any address out of {addresses!r}")
        return sockets

    async def _serve(self, sockets: list[Any], *args: Any, start_serving: bool) -> Server:
        """Make a server of listening sockets, and start it if asked to."""
        for each in sockets:
            each.setblocking(False)
        server = Server(self, sockets, *args)
        if start_serving:
            server._start_serving()  # type: ignore[attr-defined]
            await asyncio.sleep(0)
        return server

    # Accepting ---------------------------------------------------------------------------------

    def _start_serving(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        sock: Any,
        sslcontext: Any = None,
        server: Any = None,
        backlog: int = 100,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> None:
        """Accept connections from now on; asyncio's server calls it for each socket."""
        acceptor = _Acceptor(self, sock, protocol_factory, server, backlog)
        if sslcontext:
            acceptor.ssl = {
                "sslcontext": sslcontext,
                "server_side": True,
                "ssl_handshake_timeout": ssl_handshake_timeout,
                "ssl_shutdown_timeout": ssl_shutdown_timeout,
            }
        acceptor.start()

    def _stop_serving(self, sock: Any) -> None:
        """Accept no more, close the socket, and remove its path if it is a UNIX one's own."""
        fd = sock.fileno()
        acceptor = self._transports.get(fd)
        if isinstance(acceptor, _Acceptor):
            acceptor.stop()
        sock.close()
        self._remove_path(sock)


class _Listening:
    """The options of listening sockets."""

    def __init__(self, reuse_address: bool, reuse_port: bool, keep_alive: bool) -> None:  # noqa: FBT001
        self._flags = [
            name
            for name, wanted in (
                (socket.SO_REUSEADDR, reuse_address),
                (socket.SO_KEEPALIVE, keep_alive),
            )
            if wanted
        ]
        self._reuse_port = reuse_port

    def apply(self, sock: VirtualSocket) -> None:
        for flag in self._flags:
            sock.setsockopt(socket.SOL_SOCKET, flag, 1)
        if self._reuse_port:
            base_events._set_reuseport(sock)  # type: ignore[attr-defined]  # private
        if sock.family == socket.AF_INET6:
            # asyncio opens one socket per family, so none of them may take the other's clients.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)


class _Acceptor:
    """The acceptor of one listening socket: it takes the connections that clients begin."""

    def __init__(
        self,
        loop: LoopState,
        sock: Any,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        server: Any,
        backlog: int,
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._fd: int = sock.fileno()
        self._protocol_factory = protocol_factory
        self._server = server
        self._backlog = backlog
        self.ssl: dict[str, Any] | None = None
        self._is_selected = loop._set_selector is not None or not isinstance(sock, VirtualSocket)
        self._is_awake = False
        self._is_stopped = False
        kind = DebugHandle if loop._debug else Handle
        self._handle = kind(self._accept_all, (), copy_context(), loop)
        self._waker = self._wake

    def start(self) -> None:
        """Watch the socket for clients."""
        if self._is_stopped:
            return
        self._loop._transports[self._fd] = self
        if self._is_selected:
            self._loop._add_reader(self._fd, self._accept_all)
            return
        file = self._sock.file
        file.watch_readable(self._waker)
        if file.readable:
            self._wake()

    def stop(self) -> None:
        """Watch it no more."""
        self._is_stopped = True
        self._pause()

    def _pause(self) -> None:
        self._loop._transports.pop(self._fd, None)
        if self._is_selected:
            self._loop._remove_reader(self._fd)
        elif self._sock.fileno() >= 0:
            self._sock.file.unwatch_readable(self._waker)

    def is_closing(self) -> bool:
        """Return True, by which a program may watch the descriptor too: asyncio lets it."""
        return True

    def _forget_loop(self) -> None:
        if not self._is_selected and self._sock.fileno() >= 0:
            self._sock.file.unwatch_readable(self._waker)

    def _wake(self) -> None:
        if not self._is_awake:
            self._is_awake = True
            self._loop._kernel.io_ready.append(self._handle)

    def _accept_all(self) -> None:
        """Accept every client that waits, and make a connection of each."""
        self._is_awake = False
        listener = self._sock
        is_virtual = type(listener) is VirtualSocket  # A subclass may have its own accept().
        for _ in range(self._backlog + 1):
            if self._is_stopped:
                return
            try:
                accepted = listener.accept_ready() if is_virtual else listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if error.errno not in _OUT_OF_RESOURCES:
                    raise
                self._rest(error)
                return
            if accepted is None:
                return
            sock, address = accepted
            sock.setblocking(False)
            context = copy_context()  # Each client has one of its own.
            if self.ssl is None:
                context.run(self._connect, sock, address)
            else:
                self._loop.create_task(self._connect_ssl(sock, address), context=context)
        if not self._is_selected and listener.file.readable:
            self._wake()

    def _rest(self, error: OSError) -> None:
        """Accept no client for ACCEPT_RETRY_DELAY: there are no descriptors left."""
        self._loop.call_exception_handler(
            {
                "message": "socket.accept() out of system resource",
                "exception": error,
                "socket": trsock.TransportSocket(self._sock),
            }
        )
        self._pause()
        self._loop.call_later(constants.ACCEPT_RETRY_DELAY, self.start)

    def _connect(self, sock: Any, address: Any) -> None:
        """Make the protocol and the transport of a client."""
        protocol = None
        try:
            protocol = self._protocol_factory()
            self._loop._make_socket_transport(
                sock, protocol, extra={"peername": address}, server=self._server
            )
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - one client fails, the server goes on
            sock.close()
            self._report(error, protocol, None)

    async def _connect_ssl(self, sock: Any, address: Any) -> None:
        protocol = transport = None
        try:
            protocol = self._protocol_factory()
            waiter: asyncio.Future[None] = self._loop.create_future()
            transport = self._loop._make_ssl_transport(
                sock,
                protocol,
                waiter=waiter,
                extra={"peername": address},
                server=self._server,
                **(self.ssl or {}),
            )
            await waiter
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - one client fails, the server goes on
            if transport is None:
                sock.close()
            else:
                transport.close()
            self._report(error, protocol, transport)
        finally:
            waiter = None  # type: ignore[assignment]  # Its error would hold this frame.

    def _report(self, error: BaseException, protocol: Any, transport: Any) -> None:
        """Report a client that could not be welcomed; in debug mode only, as asyncio does."""
        if not self._loop._debug:
            return
        context = {
            "message": "Error on transport creation for incoming connection",
            "exception": error,
        }
        if protocol is not None:
            context["protocol"] = protocol
        if transport is not None:
            context["transport"] = transport
        self._loop.call_exception_handler(context)
