"""A client library as it was written in 2019: a line protocol, retries with back-off, a poller."""

import asyncio


class Unavailable(Exception):  # noqa: N818  # a library's own name
    """The server did not answer, however often it was asked."""


async def fetch(_host):
    """Ask a server over the network; tests never let it."""
    raise OSError("no network here")


class Quotes(asyncio.Protocol):
    """Reads lines `SYMBOL PRICE` and keeps the latest price of each symbol."""

    def __init__(self, prices):
        self.prices, self._rest, self.transport = prices, b"", None

    def connection_made(self, transport):
        self.transport = transport
        transport.write(b"SUBSCRIBE\n")

    def data_received(self, data):
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            symbol, price = line.decode().split()
            self.prices[symbol] = float(price)


class Client:
    """Asks with retries, and polls at an interval."""

    retries, delay = 3, 10

    def __init__(self, host, loop):
        self.host, self.loop, self.history = host, loop, []

    async def get(self):
        for attempt in range(self.retries):
            try:
                return await fetch(self.host)
            except OSError:
                await asyncio.sleep(self.delay * 2**attempt)
        raise Unavailable(self.host)

    async def poll(self, interval):
        while True:
            self.history.append((self.loop.time(), await self.get()))
            await asyncio.sleep(interval)
