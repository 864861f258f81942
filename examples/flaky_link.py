"""A client of aiohttp that orders at a shop, behind a link that loses packets."""

import asyncio
from functools import partial

import aiohttp
from aiohttp import web

import simloop


async def shop(orders, looks_at_keys):
    """Take orders, each with a key that its retries have, too."""

    async def order(request):
        key = request.headers["Idempotency-Key"]
        if not looks_at_keys or key not in orders:
            orders.append(key)
        return web.Response(text="ordered")

    app = web.Application()
    app.router.add_post("/orders", order)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, port=80).start()
    await asyncio.Future()


async def buy(session, number):
    """Order, and order again where no answer comes within a second."""
    headers = {"Idempotency-Key": f"order {number}"}
    for attempt in range(8):
        try:
            async with (
                asyncio.timeout(1),
                session.post("http://shop/orders", headers=headers) as response,
            ):
                return await response.text()
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(0.1 * 2**attempt)
    raise TimeoutError("the shop can't be reached")


async def main(looks_at_keys=False):
    world = simloop.current_world()
    orders: list[str] = []
    world.add_host("shop", shop, args=(orders, looks_at_keys))
    world.network.configure("shop", latency=(0.01, 0.1), loss=0.2)
    await asyncio.sleep(1)
    async with aiohttp.ClientSession() as session:
        for number in range(20):
            assert await buy(session, number) == "ordered"
    assert len(orders) == 20, f"{len(orders)} orders instead of 20"


with_keys = partial(main, looks_at_keys=True)
