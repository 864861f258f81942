"""Names and addresses: what asyncio asks before it opens a socket.

Owns: ``getaddrinfo`` and ``getnameinfo`` of a loop, answered from the world's table of names. A
name with a delay takes that long in virtual time. What needs no resolver is decided as in CPython
3.14, Lib/asyncio/base_events.py: ``_ensure_resolved``.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from simloop._loop.state import LoopState

from .connections import numeric_info

if TYPE_CHECKING:
    from simloop._loop.state import AddressInfo

__all__ = ["Names"]

_SYSTEM_GETADDRINFO = socket.getaddrinfo
_SYSTEM_GETNAMEINFO = socket.getnameinfo


class Names(LoopState):
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
        del loop  # asyncio's own callers pass it.
        host, port = address[:2]
        info = numeric_info(host, port, family, type, proto, *address[2:])
        if info is not None:
            return [info]
        return await self.getaddrinfo(
            host, port, family=family, type=type, proto=proto, flags=flags
        )

    async def _resolve_all(
        self, address: tuple[Any, ...], options: dict[str, Any]
    ) -> list[AddressInfo]:
        """Resolve an address; to nothing is an error."""
        infos = await self._ensure_resolved(address, **options)
        if not infos:
            raise OSError("getaddrinfo() returned empty list")
        return infos
