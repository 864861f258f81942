"""aiohttp, client and server."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from ..loop_io.certificates import client_context, server_context  # noqa: TID252 - shared by two folders
from .bodies import BIG

aiohttp = pytest.importorskip("aiohttp")
from aiohttp import web  # noqa: E402
from aiohttp.test_utils import TestServer  # noqa: E402

# What a library warns about is not ours.
pytestmark = pytest.mark.filterwarnings("ignore")


async def hello(request):
    return web.Response(text=f"hello {request.match_info['name']}")


async def measure(request):
    return web.Response(text=str(len(await request.read())))


async def send_big(_request):
    return web.Response(body=BIG)


async def dawdle(_request):
    await asyncio.sleep(600)
    return web.Response(text="late")


async def reverse(request):
    socket = web.WebSocketResponse(max_msg_size=0)
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data[::-1])
    return socket


def application():
    app = web.Application(client_max_size=10**8)
    app.add_routes(
        [
            web.get("/hello/{name}", hello),
            web.post("/measure", measure),
            web.get("/big", send_big),
            web.get("/slow", dawdle),
            web.get("/socket", reverse),
        ]
    )
    return app


@contextlib.asynccontextmanager
async def serving(make_site):
    runner = web.AppRunner(application(), access_log=None)
    await runner.setup()
    await make_site(runner).start()
    try:
        yield runner.addresses[0]
    finally:
        await runner.cleanup()


async def ask_everything(session, base):
    answers = await asyncio.gather(*[session.get(f"{base}/hello/{n}") for n in range(50)])
    assert [await answer.text() for answer in answers] == [f"hello {n}" for n in range(50)]
    async with session.get(f"{base}/big") as answer:
        assert await answer.read() == BIG
    async with session.post(f"{base}/measure", data=BIG) as answer:
        assert await answer.text() == str(len(BIG))
    patience = aiohttp.ClientTimeout(total=300)
    with pytest.raises(TimeoutError):
        await session.get(f"{base}/slow", timeout=patience)
    async with session.ws_connect(f"{base}/socket", max_msg_size=0) as socket:
        for text in ("abc", "x" * 1_000_000):
            await socket.send_str(text)
            assert (await socket.receive()).data == text[::-1]


def test_plain(live):
    """A burst, five megabytes each way, minutes of patience, a WebSocket: over TCP."""

    async def main():
        site = lambda runner: web.TCPSite(runner, "127.0.0.1", 0)  # noqa: E731
        async with serving(site) as address, aiohttp.ClientSession() as session:
            await ask_everything(session, f"http://127.0.0.1:{address[1]}")

    assert live(main).time == pytest.approx(300, abs=60)


def test_over_tls(live):
    """The same, encrypted."""

    async def main():
        context = server_context()
        site = lambda runner: web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)  # noqa: E731
        async with serving(site) as address:
            connector = aiohttp.TCPConnector(ssl=client_context())
            async with aiohttp.ClientSession(connector=connector) as session:
                await ask_everything(session, f"https://localhost:{address[1]}")

    live(main)


def test_over_a_unix_socket(live):
    """The same, by a path."""

    async def main():
        async with serving(lambda runner: web.UnixSite(runner, "/run/app.sock")):
            connector = aiohttp.UnixConnector("/run/app.sock")
            async with aiohttp.ClientSession(connector=connector) as session:
                await ask_everything(session, "http://app")

    live(main)


def test_its_own_test_server(live):
    """The TestServer of aiohttp, which makes a socket of its own."""

    async def main():
        async with TestServer(application()) as server, aiohttp.ClientSession() as session:
            answer = await session.get(server.make_url("/hello/you"))
            assert await answer.text() == "hello you"

    live(main)
