"""Names and addresses: what asyncio asks before it opens a socket.

Owns: ``getaddrinfo`` and ``getnameinfo`` of a loop, answered from the world's table of names, and
asyncio's short way around it for addresses that are numbers already. A name with a delay takes
that long in virtual time.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, TypeAlias

from simloop.net.addressing.addresses import canonical, is_plain

from .readiness import Readiness

if TYPE_CHECKING:
    AddressInfo: TypeAlias = tuple[int, int, int, str, tuple[Any, ...]]

__all__ = ["AddressInfo", "Names", "interleaved", "numeric_info"]

_SYSTEM_GETADDRINFO = socket.getaddrinfo
_SYSTEM_GETNAMEINFO = socket.getnameinfo
_PROTOCOLS = {
    int(socket.SOCK_STREAM): int(socket.IPPROTO_TCP),
    int(socket.SOCK_DGRAM): int(socket.IPPROTO_UDP),
}
_PLAIN = (0, *_PROTOCOLS.values())
_WITH_IPV4 = (int(socket.AF_UNSPEC), int(socket.AF_INET))


class Names(Readiness):
    """The part of a loop that looks up names."""

    async def getaddrinfo(  # type: ignore[override]  # typeshed's enums
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - asyncio's name
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """Resolve a name from the world's table, in the time that the table says.

        Raises:
            socket.gaierror: The name is unknown, or told to fail.
        """
        if socket.getaddrinfo is not _SYSTEM_GETADDRINFO:  # A test put its own there.
            return list(socket.getaddrinfo(host, port, family, type, proto, flags))
        names = self.host.network.names
        delay = names.delay_of(host)
        if delay:
            await asyncio.sleep(delay)
        return names.getaddrinfo(host, port, family, type, proto, flags)  # type: ignore[return-value]

    async def getnameinfo(self, sockaddr: tuple[Any, ...], flags: int = 0) -> tuple[str, str]:
        """Resolve an address from the world's table."""
        if socket.getnameinfo is not _SYSTEM_GETNAMEINFO:
            return socket.getnameinfo(sockaddr, flags)
        return self.host.network.names.getnameinfo(sockaddr, flags)

    async def _ensure_resolved(
        self,
        address: tuple[Any, ...],
        *,
        family: int = 0,
        type: int = socket.SOCK_STREAM,  # noqa: A002 - as above
        proto: int = 0,
        flags: int = 0,
        loop: Any = None,
    ) -> list[AddressInfo]:
        """Resolve an address unless it is a number already."""
        del loop  # asyncio's own helpers pass it.
        host, port = address[:2]
        info = numeric_info(host, port, family, type, proto, *address[2:])
        if info is not None:
            return [info]
        return await self.getaddrinfo(
            host, port, family=family, type=type, proto=proto, flags=flags
        )


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


def interleaved(infos: list[AddressInfo], first_family_count: int) -> list[AddressInfo]:
    """Order addresses as RFC 8305 says: families take turns, the first one begins with some.

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
