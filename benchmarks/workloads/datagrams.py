"""Datagrams."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ._registry import in_loop

if TYPE_CHECKING:
    from typing import Any

    from benchmarks.measuring import Stopwatch

_MESSAGE = b"x" * 64
_HOST = "127.0.0.1"


class _Echo(asyncio.DatagramProtocol):
    """Sends back whatever comes."""

    _transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._transport.sendto(data, addr)


class _Asker(_Echo):
    """Asks again as soon as it is answered, so many times."""

    def __init__(self, count: int) -> None:
        self._left = count
        self.done = asyncio.get_running_loop().create_future()

    def ask(self) -> None:
        """Send the first question."""
        self._transport.sendto(_MESSAGE)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        del addr
        self._left -= 1
        if self._left > 0:
            self._transport.sendto(data)
        else:
            self.done.set_result(None)


@in_loop(5_000, "udp")
async def udp_ping_pong(watch: Stopwatch, count: int) -> None:
    """64 bytes to and fro between two datagram endpoints: one round trip."""
    loop = asyncio.get_running_loop()
    echo, _ = await loop.create_datagram_endpoint(_Echo, (_HOST, 0))
    asker, protocol = await loop.create_datagram_endpoint(
        lambda: _Asker(count), remote_addr=echo.get_extra_info("sockname")
    )
    with watch:
        protocol.ask()
        await protocol.done
    asker.close()
    echo.close()
    await asyncio.sleep(0)
