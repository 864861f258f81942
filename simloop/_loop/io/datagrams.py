"""Datagram endpoints: ``create_datagram_endpoint``, over UDP and UNIX sockets.

Owns: which addresses are tried, which options are refused, and which transport fits a socket: one
of ours for a virtual one, asyncio's own for a real one that was allowed. The rules and the messages
are those of ``create_datagram_endpoint`` in CPython's Lib/asyncio/base_events.py.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio import base_events, selector_events
from typing import TYPE_CHECKING, Any

from simloop._loop.state import LoopState
from simloop._loop.transports.calling_transports import (
    CallingDatagramTransport,
    has_own_datagram_calls,
)
from simloop._loop.transports.datagram_transport import DatagramTransport
from simloop.net.linux import socket_names
from simloop.net.syscalls.socket_calls import make_socket
from simloop.net.syscalls.virtual_socket import VirtualSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop._loop.state import AddressInfo

__all__ = ["Datagrams"]

_SENDS_EMPTY = sys.version_info >= (3, 13)


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
            cls = CallingDatagramTransport if has_own_datagram_calls(sock) else DatagramTransport
            return cls(self, sock, protocol, address, waiter, extra)
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
        if family == socket_names.AF_UNIX:
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
                sock = make_socket(self.host, family, socket.SOCK_DGRAM, proto)
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
