"""Connecting streams: from a host and a port, or a socket, to a transport and its protocol.

Owns: ``create_connection`` and ``connect_accepted_socket``: which addresses are tried, in which
order, and which error is raised when none answers. The rules are those of CPython 3.14,
Lib/asyncio/base_events.py: ``create_connection``, ``_connect_sock``, ``connect_accepted_socket``.
"""

from __future__ import annotations

import contextlib
import socket
from asyncio import staggered
from typing import TYPE_CHECKING, Any

from simloop._loop.state import LoopState
from simloop.net.syscalls.socket_calls import make_socket

from .connections import bind_error, check_ssl_options, numeric_info, refuse_ssl_socket

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from simloop._loop.state import AddressInfo
    from simloop.net.syscalls.virtual_socket import VirtualSocket

__all__ = ["Connecting", "interleaved"]


class Connecting(LoopState):
    """The part of a loop that makes stream connections."""

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
        if ssl and server_hostname is None:
            server_hostname = _name_for_tls(host)
        if sock is not None:
            refuse_ssl_socket(sock)
        if host is not None or port is not None:
            if sock is not None:
                raise ValueError("host/port and sock can not be specified at the same time")
            info = (  # A number is one address: all that ``_connect_any`` does for it is here.
                numeric_info(host, port, family, socket.SOCK_STREAM, proto)
                if local_addr is None and happy_eyeballs_delay is None and not interleave
                else None
            )
            if info is not None:
                errors: list[list[Exception]] = []
                try:  # noqa: SIM105 - suppress() would be three calls more
                    sock = await self._connect_one(errors, info, None)
                except OSError:  # Raised below, not as its own context.
                    pass
                if sock is None:
                    _raise_combined(errors, all_errors)
            else:
                resolve = {
                    "family": family,
                    "type": socket.SOCK_STREAM,
                    "proto": proto,
                    "flags": flags,
                }
                sock = await self._connect_any(
                    (host, port), local_addr, resolve, happy_eyeballs_delay, interleave, all_errors
                )
        elif sock is None:
            raise ValueError("host and port was not specified and no sock specified")
        elif sock.type != socket.SOCK_STREAM:
            raise ValueError(f"A Stream Socket was expected, got {sock!r}")
        else:
            sock.setblocking(False)
        return await self._create_connection_transport(
            sock,
            protocol_factory,
            ssl,
            server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )

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
        _raise_combined(errors, all_errors)
        return None

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
        sock.setblocking(False)
        return await self._create_connection_transport(
            sock,
            protocol_factory,
            ssl,
            "",
            server_side=True,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )


def _name_for_tls(host: Any) -> Any:
    """Return the name that the server's certificate has to bear; bytes are asyncio's problem."""
    if not host:
        raise ValueError("You must set server_hostname when using ssl without a host")
    return host


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


def _raise_combined(errors: list[list[Exception]], all_errors: bool) -> None:  # noqa: FBT001
    """Raise the one error that tells of all."""
    try:
        raise _combined([error for group in errors for error in group], all_errors)
    finally:
        errors.clear()  # The error's traceback holds this frame, and that of the caller.


def _combined(errors: list[Exception], all_errors: bool) -> Exception:  # noqa: FBT001 - a leaf
    """Return the one error that tells of all, by the rules of ``create_connection``."""
    if all_errors:
        return ExceptionGroup("create_connection failed", errors)
    if not errors:
        return TimeoutError("create_connection failed")
    texts = [str(error) for error in errors]
    if all(text == texts[0] for text in texts):
        return errors[0]
    return OSError(f"Multiple exceptions: {', '.join(texts)}")


def interleaved(infos: list[AddressInfo], first_family_count: int) -> list[AddressInfo]:
    """Order addresses as RFC 8305 says: families take turns, the first one begins with some.

    As in CPython 3.14, Lib/asyncio/base_events.py: ``_interleave_addrinfos``.

    Example:
        >>> [info[0] for info in interleaved([(10,), (10,), (10,), (2,)], 1)]
        [10, 2, 10, 10]
    """
    families: dict[int, list[AddressInfo]] = {}
    for info in infos:
        families.setdefault(info[0], []).append(info)
    queues = list(families.values())
    ordered = queues[0][: first_family_count - 1]
    queues[0] = queues[0][first_family_count - 1 :]
    for turn in range(max(map(len, queues))):
        ordered += [queue[turn] for queue in queues if turn < len(queue)]
    return ordered
