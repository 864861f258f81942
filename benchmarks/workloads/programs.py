"""Whole libraries at work."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from ._registry import in_loop

if TYPE_CHECKING:
    from aiohttp import web

    from benchmarks.measuring import Stopwatch


async def _http_requests(watch: Stopwatch, count: int) -> None:
    """A server and a client of aiohttp on one loop, kept alive: one GET."""
    import aiohttp  # noqa: PLC0415 - measured if it is installed
    from aiohttp import web  # noqa: PLC0415 - the same

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    async with aiohttp.ClientSession() as session:
        await (await session.get(url)).text()
        with watch:
            for _ in range(count):
                async with session.get(url) as response:
                    assert await response.text() == "hello"
    await runner.cleanup()


if find_spec("aiohttp") is not None:
    _http_requests.__name__ = "http_requests"
    in_loop(200, "http", tiny=2)(_http_requests)
