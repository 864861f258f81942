"""The caller who resolves a name for all of them is cancelled, and so are all of them.

Callers for one host share the lookup of the first. When the first one's timeout cancels it, the
error is passed on to those who wait, none of whom has been cancelled.

Fails: CancelledError in a caller without a timeout.
"""

from __future__ import annotations

import asyncio

SOURCE = "https://github.com/aio-libs/aiohttp/issues/3431"


class Resolver:
    """One lookup at a time for each host."""

    def __init__(self) -> None:
        self.lookups: dict[str, asyncio.Future[str]] = {}

    async def resolve(self, host: str) -> str:
        if host in self.lookups:
            return await asyncio.shield(self.lookups[host])
        lookup = self.lookups[host] = asyncio.get_running_loop().create_future()
        try:
            address = await look_up(host)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                lookup.cancel()
            else:
                lookup.set_exception(error)
            raise
        finally:
            del self.lookups[host]
        lookup.set_result(address)
        return address


class FixedResolver(Resolver):
    """The lookup is a task of its own; callers wait for it, and may leave."""

    async def resolve(self, host: str) -> str:
        if host not in self.lookups:
            lookup = self.lookups[host] = asyncio.ensure_future(look_up(host))
            lookup.add_done_callback(lambda _: self.lookups.pop(host))
        return await asyncio.shield(self.lookups[host])


async def look_up(host: str) -> str:
    await asyncio.sleep(0.01)
    found = await asyncio.get_running_loop().getaddrinfo(host, 80)
    return str(found[0][4][0])


async def requests(resolver: Resolver) -> None:
    async def health() -> None:
        try:
            async with asyncio.timeout(0.06):
                await resolver.resolve("localhost")
        except TimeoutError:
            pass

    checking = asyncio.create_task(health())
    await asyncio.sleep(0)
    payment = asyncio.create_task(resolver.resolve("localhost"))
    await asyncio.wait([checking, payment])
    assert not payment.cancelled(), "cancelled, for another one's timeout"
    assert payment.result()


async def buggy() -> None:
    await requests(Resolver())


async def fixed() -> None:
    await requests(FixedResolver())
