"""Datagram endpoints: UDP and UNIX, in memory.

Owns: the transport of datagrams, and ``create_datagram_endpoint``. A datagram goes straight into
the receiver's queue; the receiving transport gives its protocol one per turn, as asyncio does.
Only UNIX sockets ever lack room, so only they buffer here.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio import base_events, selector_events
from collections import deque
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from simloop._kernel import DebugHandle, Handle
from simloop._loop.state import LoopState
from simloop._loop.transports.base_transport import SocketTransport
from simloop.net.syscalls.argument_checks import as_bytes
from simloop.net.syscalls.virtual_socket import VirtualSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop._loop.state import AddressInfo
    from simloop.net.fabric import Endpoint

__all__ = ["DatagramTransport", "Datagrams"]

_SIZE_MAX = 256 * 1024  # asyncio's: what one receive asks for.
_SENDS_EMPTY = sys.version_info >= (3, 13)
_HEADER_SIZE = 8 if sys.version_info >= (3, 13) else 0  # What a buffered datagram counts beside.
_KNOWN_MAX = 1024


class DatagramTransport(SocketTransport, asyncio.DatagramTransport):
    """A datagram socket, connected or not."""

    __slots__ = (
        "_address",
        "_buffer",
        "_buffer_size",
        "_is_connected",
        "_known",
        "_write_handle",
        "_write_waker",
    )

    max_size = _SIZE_MAX
    _write_handle: Handle

    def __init__(
        self,
        loop: Any,
        sock: VirtualSocket,
        protocol: asyncio.BaseProtocol,
        address: Any = None,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        self._address = address
        self._buffer: deque[tuple[bytes, Any]] = deque()
        self._buffer_size = 0
        # Addresses that were sent to, as the network writes them; numbers only, names may change.
        self._known: dict[Any, Endpoint] = {}
        super().__init__(loop, sock, protocol, waiter, extra)
        self._is_connected = bool(self._extra["peername"])

    # Receiving ---------------------------------------------------------------------------------

    def _read_step(self) -> None:
        self._is_awake = False
        if not self._is_reading:
            return
        file = self._file
        try:
            data, sender = file.recvfrom(_SIZE_MAX)
        except BlockingIOError:
            return
        except OSError as error:
            self._protocol.error_received(error)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - the endpoint ends, the loop goes on
            self._fatal_error(error, "Fatal read error on datagram transport")
            return
        else:
            self._protocol.datagram_received(data, file.show_address(sender))
        finally:
            if file.readable and self._is_reading:
                self._wake()

    # Sending -----------------------------------------------------------------------------------

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Send a datagram to an address, or to the peer."""
        if (
            type(data) is bytes
            and data
            and not (self._buffer or self._conn_lost)
            and (addr is None or not self._address or addr == self._address)
        ):
            if not self._send(data, addr or self._address):
                self._keep(data, addr or self._address)
            return
        self._sendto_slowly(data, addr)

    def _sendto_slowly(self, data: Any, addr: Any) -> None:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"data argument must be a bytes-like object, not {type(data).__name__!r}"
            )
        if not data and not _SENDS_EMPTY:
            return
        if self._address:
            if addr not in (None, self._address):
                raise ValueError(f"Invalid address: must be None or {self._address}")
            addr = self._address
        if self._address and self._warn_of_lost_write():
            return
        if self._sock is None:
            raise AttributeError(f"sendto() on {self!r}: nothing is sent after connection_lost()")
        try:
            datagram = as_bytes(data)
        except BufferError as error:  # A view with gaps, which no socket takes.
            self._fatal_error(error, "Fatal write error on datagram transport")
            return
        if self._buffer or not self._send(datagram, addr):
            self._keep(datagram, addr)

    def _keep(self, data: bytes, addr: Any) -> None:
        """Send a datagram later: the receiver has no room."""
        if not self._buffer:
            self._start_writing()
        self._buffer.append((data, addr))
        self._buffer_size += len(data) + _HEADER_SIZE
        self._maybe_pause_protocol()  # type: ignore[attr-defined]  # typeshed: private

    def _send(self, data: bytes, addr: Any) -> bool:
        """Send a datagram, or tell the protocol why not; false if the receiver has no room."""
        file = self._file
        try:
            if self._is_connected:
                file.send(data)
            else:
                file.sendto(data, 0, self._known.get(addr) or self._endpoint(addr))
        except BlockingIOError:
            return False
        except OSError as error:
            self._protocol.error_received(error)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - an address that is none, too
            self._fatal_error(error, "Fatal write error on datagram transport")
        return True

    def _endpoint(self, addr: Any) -> Endpoint:
        """Check an address, and remember it if it is made of numbers."""
        endpoint: Endpoint = self._file.parse_address(addr, "sendto")
        if addr == endpoint:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            self._known[addr] = endpoint
        return endpoint

    def _start_writing(self) -> None:
        kind = DebugHandle if self._loop._debug else Handle
        self._write_handle = kind(self._write_step, (), copy_context(), self._loop)
        self._write_waker = self._wake_writer
        self._file.watch_writable(self._write_waker)

    def _wake_writer(self) -> None:
        """Schedule a write step: the receiver may have room."""
        self._file.unwatch_writable(self._write_waker)
        self._io_ready.append(self._write_handle)

    def _write_step(self) -> None:
        """Send what there is room for now."""
        while self._buffer:
            data, addr = self._buffer[0]
            if not self._send(data, addr):
                break
            if self._conn_lost:
                return
            self._buffer.popleft()
            self._buffer_size -= len(data) + _HEADER_SIZE
        self._maybe_resume_protocol()  # type: ignore[attr-defined]  # It may send more.
        if self._buffer:
            self._file.watch_writable(self._write_waker)
        elif self._closing and not self._conn_lost:
            self._conn_lost += 1
            self._call_connection_lost(None)

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait to be sent."""
        return self._buffer_size

    def _has_unsent(self) -> bool:
        return bool(self._buffer)

    def _drop_unsent(self) -> None:
        if self._buffer:
            self._buffer.clear()
            self._buffer_size = 0
            self._file.unwatch_writable(self._write_waker)


class Datagrams(LoopState):
    """The part of a loop that makes datagram endpoints."""

    def _make_datagram_transport(
        self,
        sock: Any,
        protocol: asyncio.BaseProtocol,
        address: Any = None,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Any:
        """Make the transport that fits the socket."""
        self._ensure_fd_no_transport(sock)
        if isinstance(sock, VirtualSocket):
            return DatagramTransport(self, sock, protocol, address, waiter, extra)
        return selector_events._SelectorDatagramTransport(  # type: ignore[attr-defined]
            self, sock, protocol, address, waiter, extra
        )

    async def create_datagram_endpoint(  # type: ignore[override]  # one signature for all versions
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        local_addr: Any = None,
        remote_addr: Any = None,
        *,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        reuse_port: bool | None = None,
        allow_broadcast: bool | None = None,
        sock: Any = None,
    ) -> tuple[Any, Any]:
        """Open a datagram socket, bound or connected or both; return ``(transport, protocol)``.

        The arguments and the errors are asyncio's own.
        """
        remote = None
        if sock is None:
            options = _Opening(bool(reuse_port), bool(allow_broadcast))
            pairs = await self._address_pairs(local_addr, remote_addr, family, proto, flags)
            sock, remote = await self._open_first(pairs, options)
        else:
            modifiers = {
                "local_addr": local_addr,
                "remote_addr": remote_addr,
                "family": family,
                "proto": proto,
                "flags": flags,
                "reuse_port": reuse_port,
                "allow_broadcast": allow_broadcast,
            }
            _check_given_socket(sock, modifiers)
            sock.setblocking(False)
        protocol = protocol_factory()
        waiter: asyncio.Future[None] = self.create_future()
        transport = self._make_datagram_transport(sock, protocol, remote, waiter)
        try:
            await waiter
        except BaseException:
            transport.close()
            raise
        return transport, protocol

    async def _address_pairs(
        self, local: Any, remote: Any, family: int, proto: int, flags: int
    ) -> list[tuple[tuple[int, int], list[Any]]]:
        """Return what to try: ``((family, protocol), [local address, remote address])``."""
        if not (local or remote):
            if family == 0:
                raise ValueError("unexpected address family")
            return [((family, proto), [None, None])]
        if family == socket.AF_UNIX:
            return [((family, proto), self._unix_pair(local, remote))]
        found: dict[tuple[int, int], list[Any]] = {}
        for side, address in enumerate((local, remote)):
            if address is None:
                continue
            for info in await self._resolve_datagram(address, family, proto, flags):
                found.setdefault((info[0], info[2]), [None, None])[side] = info[4]
        pairs = [
            (key, pair)
            for key, pair in found.items()
            if not (local and pair[0] is None) and not (remote and pair[1] is None)
        ]
        if not pairs:
            raise ValueError("can not get address information")
        return pairs

    def _unix_pair(self, local: Any, remote: Any) -> list[Any]:
        """Check UNIX addresses, and make way for the local one if it is a stale path."""
        for address in (local, remote):
            if address is not None and not isinstance(address, str):
                raise TypeError("string is expected")
        if local and not local.startswith("\0") and self.host.unix.exists(local):
            self.host.unix.unlink(local)
        return [local, remote]

    async def _resolve_datagram(
        self, address: Any, family: int, proto: int, flags: int
    ) -> list[AddressInfo]:
        if not (isinstance(address, tuple) and len(address) == 2):  # noqa: PLR2004 - host, port
            raise TypeError("2-tuple is expected")
        options = {"family": family, "type": socket.SOCK_DGRAM, "proto": proto, "flags": flags}
        return await self._resolve_all(address, options)

    async def _open_first(
        self, pairs: list[tuple[tuple[int, int], list[Any]]], options: _Opening
    ) -> tuple[VirtualSocket, Any]:
        """Open a socket on the first pair of addresses that works."""
        errors: list[OSError] = []
        for (family, proto), (local, remote) in pairs:
            sock = None
            try:
                sock = self.host.socket(family, socket.SOCK_DGRAM, proto)
                options.apply(sock)
                if local:
                    sock.bind(local)
                if remote and not options.allow_broadcast:
                    await self.sock_connect(sock, remote)
            except BaseException as error:
                if sock is not None:
                    sock.close()
                if not isinstance(error, OSError):
                    raise
                errors.append(error)
            else:
                return sock, remote
        raise errors[0]


class _Opening:
    """The options of a datagram socket that is to be opened."""

    def __init__(self, reuse_port: bool, allow_broadcast: bool) -> None:  # noqa: FBT001 - a record
        self.reuse_port = reuse_port
        self.allow_broadcast = allow_broadcast

    def apply(self, sock: VirtualSocket) -> None:
        sock.setblocking(False)
        if self.reuse_port:
            base_events._set_reuseport(sock)  # type: ignore[attr-defined]  # private
        if self.allow_broadcast:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)


def _check_given_socket(sock: Any, modifiers: dict[str, Any]) -> None:
    """Refuse a socket that is no datagram socket, and options that come too late for it."""
    is_wrong = sock.type == socket.SOCK_STREAM if _SENDS_EMPTY else sock.type != socket.SOCK_DGRAM
    if is_wrong:
        article = "datagram socket" if _SENDS_EMPTY else "UDP Socket"
        raise ValueError(f"A {article} was expected, got {sock!r}")
    problems = ", ".join(f"{name}={value}" for name, value in modifiers.items() if value)
    if problems:
        raise ValueError(
            "socket modifier keyword arguments can not be used when sock is specified."
            f" ({problems})"
        )
