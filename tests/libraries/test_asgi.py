"""Servers and frameworks of ASGI, asked by httpx."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from ..loop_io.certificates import HERE as CERTIFICATES  # noqa: TID252 - shared by two folders
from ..loop_io.certificates import client_context  # noqa: TID252 - the same
from .bodies import BIG, HERE, ask, measure

httpx = pytest.importorskip("httpx")
pytest.importorskip("httpcore")  # Loaded late by httpx: it asks where libraries lie.

# What a library warns about is not ours.
pytestmark = pytest.mark.filterwarnings("ignore")

PEM = str(CERTIFICATES / "localhost.pem")


@contextlib.asynccontextmanager
async def uvicorn_serving(app, **options):
    """Uvicorn as a task, and the server to stop it by."""
    import uvicorn

    options.setdefault("host", HERE)
    options.setdefault("port", 8000)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", **options))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.1)
    try:
        yield server
    finally:
        server.should_exit = True
        await serving


def test_uvicorn(live):
    """A burst, five megabytes, a timeout of minutes, and the end by its own switch."""
    pytest.importorskip("uvicorn")

    async def main():
        async with uvicorn_serving(measure):
            await ask(f"http://{HERE}:8000")

    assert live(main).time >= 300


@pytest.mark.parametrize("how", ["delivered", "os.kill", "raise_signal"])
def test_uvicorn_stops_by_a_signal(live, how):
    """SIGTERM ends it once the request that is under way is answered."""
    pytest.importorskip("uvicorn")
    ways = {
        "delivered": lambda: asyncio.get_running_loop().deliver_signal(signal.SIGTERM),
        "os.kill": lambda: os.kill(os.getpid(), signal.SIGTERM),
        "raise_signal": lambda: signal.raise_signal(signal.SIGTERM),
    }

    async def main():
        # When all is done uvicorn sends the signal again, to whoever handled it before.
        again = []
        signal.signal(signal.SIGTERM, lambda number, _frame: again.append(number))
        async with uvicorn_serving(measure) as server, httpx.AsyncClient() as client:
            slow = asyncio.create_task(client.get(f"http://{HERE}:8000/slow", timeout=None))
            await asyncio.sleep(10)
            ways[how]()
            await asyncio.sleep(10)
            assert server.should_exit
            with pytest.raises(httpx.ConnectError):
                await client.get(f"http://{HERE}:8000")
            assert (await slow).text == "0"
        return again

    outcome = live(main)
    assert outcome.value == [signal.SIGTERM]
    assert outcome.time >= 1000


@pytest.mark.slow
def test_uvicorn_over_tls_and_by_a_path(live):
    """The same over TLS, and over a UNIX socket, whose mode it sets."""
    pytest.importorskip("uvicorn")

    async def main():
        async with uvicorn_serving(measure, ssl_certfile=PEM, ssl_keyfile=PEM):
            await ask("https://localhost:8000", verify=client_context())
        async with uvicorn_serving(measure, uds="/run/uvicorn.sock"):
            assert Path("/run/uvicorn.sock").stat().st_mode & 0o777 == 0o666
            await ask("http://app", transport=httpx.AsyncHTTPTransport(uds="/run/uvicorn.sock"))

    assert live(main).time >= 600


@pytest.mark.slow
def test_uvicorn_in_a_thread(live):
    """``uvicorn.Server.run`` in a thread makes a loop of its own there, in the same world."""
    uvicorn = pytest.importorskip("uvicorn")

    async def main():
        config = uvicorn.Config(measure, host=HERE, port=8000, log_level="critical", loop="asyncio")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            await asyncio.sleep(0.1)
        await ask(f"http://{HERE}:8000")
        server.should_exit = True
        await asyncio.to_thread(thread.join)

    assert live(main).time >= 300


def test_blocking_httpx_in_threads(live):
    """``httpx.Client`` in worker threads, with its blocking sockets."""
    pytest.importorskip("uvicorn")

    def work(number):
        with httpx.Client(base_url=f"http://{HERE}:8000") as client:
            assert client.post("/", content=b"x" * number).text == str(number)
            with pytest.raises(httpx.ReadTimeout):
                client.get("/slow", timeout=300)
        return time.monotonic()

    async def main():
        async with uvicorn_serving(measure):
            return await asyncio.gather(*[asyncio.to_thread(work, n) for n in (0, 10, 10**6)])

    assert all(300 <= when < 301 for when in live(main).value)


@contextlib.asynccontextmanager
async def hypercorn_serving(app, *binds, **options):
    """Hypercorn as a task."""
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = list(binds)
    config.accesslog = config.errorlog = None
    config.graceful_timeout = 1
    for name, value in options.items():
        setattr(config, name, value)
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    await asyncio.sleep(1)
    try:
        yield
    finally:
        stop.set()
        await serving


def test_hypercorn(live):
    """Hypercorn on two addresses: a burst, five megabytes, a timeout of minutes."""
    pytest.importorskip("hypercorn")

    async def main():
        binds = f"{HERE}:8000", "unix:/run/hypercorn.sock"
        async with hypercorn_serving(measure, *binds):
            await ask(f"http://{HERE}:8000")
            await ask("http://app", transport=httpx.AsyncHTTPTransport(uds="/run/hypercorn.sock"))

    assert live(main).time >= 600


@pytest.mark.slow
def test_hypercorn_over_http_2(live):
    """Many streams of one TLS connection."""
    pytest.importorskip("hypercorn")

    async def main():
        async with hypercorn_serving(measure, f"{HERE}:8000", certfile=PEM, keyfile=PEM):
            context = client_context()
            context.set_alpn_protocols(["h2"])
            await ask("https://localhost:8000", verify=context, http1=False, http2=True)

    live(main)


def test_hypercorn_stops_by_a_signal(live):
    """Without a trigger of ours Hypercorn sets handlers of signals, and SIGTERM ends it."""
    pytest.importorskip("hypercorn")
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    async def main():
        config = Config()
        config.bind = [f"{HERE}:8000"]
        config.accesslog = config.errorlog = None
        asyncio.get_running_loop().call_later(60, os.kill, os.getpid(), signal.SIGTERM)
        await serve(measure, config)

    assert live(main).time >= 60


@pytest.mark.slow
def test_fastapi(live):
    """Endpoints that are plain functions run in worker threads, and may sleep."""
    fastapi = pytest.importorskip("fastapi")
    responses = pytest.importorskip("starlette.responses")
    pytest.importorskip("uvicorn")
    app = fastapi.FastAPI()

    @app.get("/plain/{number}")
    def plain(number: int):
        time.sleep(60)
        return {"number": number}

    @app.get("/coroutine/{number}")
    async def coroutine(number: int):
        await asyncio.sleep(60)
        return {"number": number}

    @app.get("/stream")
    def stream():
        def lines():
            for number in range(5):
                time.sleep(60)
                yield f"{number}\n"

        return responses.StreamingResponse(lines())

    @app.post("/measure")
    def measure_it(body: bytes = fastapi.Body()):
        return len(body)

    async def main():
        async with (
            uvicorn_serving(app),
            httpx.AsyncClient(base_url=f"http://{HERE}:8000", timeout=900) as client,
        ):
            for kind in ("plain", "coroutine"):
                answers = await asyncio.gather(*[client.get(f"/{kind}/{n}") for n in range(50)])
                assert [answer.json()["number"] for answer in answers] == list(range(50))
            assert (await client.get("/stream")).text == "0\n1\n2\n3\n4\n"
            assert (await client.post("/measure", content=BIG)).json() == len(BIG)
            assert (await client.get("/plain/none")).status_code == 422

    # Fifty plain ones share forty threads; the others sleep together.
    assert 480 <= live(main).time < 490


def test_quart(live):
    """Quart under Hypercorn: a body, a plain function in a thread, a WebSocket."""
    quart = pytest.importorskip("quart")
    pytest.importorskip("hypercorn")
    websockets = pytest.importorskip("websockets")
    app = quart.Quart("app")
    app.config["MAX_CONTENT_LENGTH"] = None

    @app.post("/")
    async def measure_it():
        return str(len(await quart.request.get_data()))

    @app.get("/plain")
    def plain():
        time.sleep(300)
        return "plain"

    @app.websocket("/socket")
    async def reverse():
        while True:
            await quart.websocket.send((await quart.websocket.receive())[::-1])

    async def main():
        async with hypercorn_serving(app, f"{HERE}:8000"):
            async with httpx.AsyncClient(base_url=f"http://{HERE}:8000", timeout=900) as client:
                assert (await client.post("/", content=BIG)).text == str(len(BIG))
                answers = await asyncio.gather(*[client.get("/plain") for _ in range(20)])
                assert [answer.text for answer in answers] == ["plain"] * 20
            async with websockets.connect(f"ws://{HERE}:8000/socket") as socket:
                await socket.send("abc")
                assert await socket.recv() == "cba"

    assert live(main).time >= 300
