"""The late answer to a request that timed out is taken for the answer to the next one.

A meter is read over datagrams, one request at a time. The protocol's frames carry a number that
the client does not look at, so after a timeout each value may belong to the register before.

Fails: the value of another register is returned.
"""

from __future__ import annotations

import asyncio
from typing import cast

from bugs.scaffold import LOOPBACK

SOURCE = "https://github.com/pymodbus-dev/pymodbus/issues/538"


class Meter(asyncio.DatagramProtocol):
    """The device: answers each request a little later."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        number, _, register = data.partition(b" ")
        answer = number + b" value of " + register
        asyncio.get_running_loop().call_later(0.01, self.answer, answer, addr)

    def answer(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data, addr)


class Client(asyncio.DatagramProtocol):
    """One request at a time."""

    def __init__(self) -> None:
        self.number = 0
        self.answer: asyncio.Future[str] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        number, _, value = data.decode().partition(" ")
        if self.answer is None or self.answer.done() or not self.is_expected(int(number)):
            return
        self.answer.set_result(value)

    def is_expected(self, _number: int) -> bool:
        return True

    async def read(self, register: str) -> str:
        self.number += 1
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.sendto(f"{self.number} {register}".encode())
        return await self.answer


class FixedClient(Client):
    """An answer to another request is no answer."""

    def is_expected(self, number: int) -> bool:
        return number == self.number


async def reading(factory: type[Client]) -> None:
    loop = asyncio.get_running_loop()
    device, _ = await loop.create_datagram_endpoint(Meter, local_addr=(LOOPBACK, 0))
    address = device.get_extra_info("sockname")
    transport, client = await loop.create_datagram_endpoint(factory, remote_addr=address)
    try:
        async with asyncio.timeout(0.05):
            assert await client.read("volts") == "value of volts"
    except TimeoutError:
        pass
    assert await client.read("amperes") == "value of amperes"
    transport.close()
    device.close()


async def buggy() -> None:
    await reading(Client)


async def fixed() -> None:
    await reading(FixedClient)
