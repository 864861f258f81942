"""A simulation behind a real web page, and the same one under trio.

The simulation is a belt with a parcel a minute, on a SimLoop. The page is a real aiohttp server on
a real port, in a real asyncio loop, which lets the simulation live ten thousand times as fast as
the wall. The visitor here is a client in the same process, so that this file ends; it watches until
three parcels have gone by, stops the belt, and looks again:

    python examples/live_page.py
"""

from __future__ import annotations

import asyncio

import trio
from aiohttp import ClientSession, web

import simloop
from simloop.embed.live import Live, run_in_trio


class Belt:
    """The simulation: nothing in it knows that anybody watches."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.moved = asyncio.Condition()
        self.runs = True

    async def run(self) -> None:
        """Move a parcel a minute, until somebody stops the belt or four have gone by."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while self.runs and len(self.times) < 4:
            await asyncio.sleep(60)
            async with self.moved:
                self.times.append(round(loop.time() - began, 6))
                self.moved.notify_all()
                # The visitor is slow, and what this prints is pinned: wait for the word.
                if len(self.times) == 3:
                    await self.moved.wait_for(lambda: not self.runs)

    async def at_least(self, count: int) -> list[float]:
        """Wait for so many parcels; return when each went by."""
        async with self.moved:
            await self.moved.wait_for(lambda: len(self.times) >= count)
        return self.times

    async def stop(self) -> None:
        """Stop after the parcel that is on the way."""
        async with self.moved:
            self.runs = False
            self.moved.notify_all()


def page(belt: Belt, live: Live) -> web.Application:
    """Make the real page: what it asks of the simulation goes through ``live``."""

    async def watch(request: web.Request) -> web.Response:
        times = await live.run(belt.at_least(int(request.query["count"])))
        return web.json_response(times)

    async def stop(_: web.Request) -> web.Response:
        await live.run(belt.stop())
        return web.Response(text="stopped")

    app = web.Application()
    app.add_routes([web.get("/belt", watch), web.post("/stop", stop)])
    return app


async def serve_and_visit(guest: simloop.SimLoop) -> None:
    """Open the page on a port that is free, visit it, and close it."""
    belt = Belt()
    async with Live(guest, factor=10_000) as live:
        running = live.create_task(belt.run())
        runner = web.AppRunner(page(belt, live))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        _, port, *_ = runner.addresses[0]
        async with ClientSession(f"http://127.0.0.1:{port}") as visitor:
            async with visitor.get("/belt?count=3") as answer:
                print("the page shows", await answer.json())
            async with visitor.post("/stop") as answer:
                print("the belt is", await answer.text())
            async with visitor.get("/belt?count=1") as answer:
                print("the page shows", await answer.json())
        await live.wait(running)
        await runner.cleanup()


async def watch_in_trio(guest: simloop.SimLoop) -> None:
    """Let trio's clock pace the same simulation, beside tasks of trio."""
    belt = Belt()

    async def main() -> list[float]:
        running = asyncio.create_task(belt.run())
        times = await belt.at_least(3)
        await belt.stop()
        await running
        return times

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep, 0.001)
        print("trio sees", await run_in_trio(guest, main(), factor=10_000))


def main() -> None:
    """Run both hosts, each with a world of its own."""
    guest = simloop.SimLoop()
    asyncio.run(serve_and_visit(guest))
    guest.close()
    guest = simloop.SimLoop()
    trio.run(watch_in_trio, guest)
    guest.close()


if __name__ == "__main__":
    main()
