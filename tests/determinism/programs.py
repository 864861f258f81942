"""Programs on real libraries, each a client and a server in one loop: ``programs.py NAME [SEED]``.

Prints the digest, the virtual time and the number of steps. What a program asserts about itself
holds in every run.
"""

# ruff: noqa: T201 - programs as programs are

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import random
import sys
import time
import uuid

import simloop


async def with_aiohttp():
    """Ask an aiohttp server with an aiohttp client, in a burst, and by a WebSocket."""
    from aiohttp import ClientSession, ClientTimeout, web

    async def hello(request):
        await asyncio.sleep(random.random())
        return web.json_response({"name": request.match_info["name"], "id": str(uuid.uuid4())})

    async def dawdle(_request):
        await asyncio.sleep(3600)

    async def reverse(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data[::-1])
        return socket

    application = web.Application()
    application.add_routes(
        [web.get("/hello/{name}", hello), web.get("/slow", dawdle), web.get("/socket", reverse)]
    )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 8080).start()
    base = "http://127.0.0.1:8080"
    async with ClientSession(timeout=ClientTimeout(total=300)) as session:

        async def ask(number):
            async with session.get(f"{base}/hello/{number}") as answer:
                return await answer.json()

        names = [answer["name"] for answer in await asyncio.gather(*map(ask, range(20)))]
        assert names == [str(number) for number in range(20)]
        with contextlib.suppress(TimeoutError):
            await session.get(f"{base}/slow")
        async with session.ws_connect(f"{base}/socket") as socket:
            await socket.send_str("abc")
            assert (await socket.receive()).data == "cba"
    await runner.cleanup()


async def with_httpx_and_uvicorn():
    """Ask a uvicorn server with an httpx client."""
    import httpx
    import uvicorn

    async def application(scope, receive, send):
        assert scope["type"] == "http"
        size = 0
        while True:
            message = await receive()
            size += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        await asyncio.sleep(random.random())
        headers = [(b"x-request-id", uuid.uuid4().hex.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"%d" % size})

    config = uvicorn.Config(
        application, port=8000, log_config=None, lifespan="off", loop="none", access_log=False
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.1)
    async with httpx.AsyncClient(base_url="http://127.0.0.1:8000") as client:
        answers = await asyncio.gather(*[client.post("/", content=b"x" * n) for n in range(20)])
        assert [answer.text for answer in answers] == [str(n) for n in range(20)]
        assert (await client.post("/", content=b"x" * 1_000_000)).text == "1000000"
    server.should_exit = True
    await serving


async def with_websockets():
    """Talk to a websockets server by many connections, and keep one alive for an hour."""
    from websockets.asyncio.client import connect
    from websockets.asyncio.server import serve

    async def reverse(socket):
        async for message in socket:
            await asyncio.sleep(random.random())
            await socket.send(message[::-1])

    async def talk(number):
        async with connect("ws://127.0.0.1:8765") as socket:
            for turn in range(3):
                await socket.send(f"{number}/{turn}")
                assert await socket.recv() == f"{number}/{turn}"[::-1]

    async with serve(reverse, "127.0.0.1", 8765):
        await asyncio.gather(*map(talk, range(10)))
        async with connect("ws://127.0.0.1:8765") as socket:
            await asyncio.sleep(3600)
            await socket.send("abc")
            assert await socket.recv() == "cba"


class Store:
    """A small server that speaks enough of Redis' protocol, written with streams."""

    def __init__(self):
        self.values = {}

    async def serve(self, reader, writer):
        while line := await reader.readline():
            arguments = []
            for _ in range(int(line[1:])):
                size = int((await reader.readline())[1:])
                arguments.append((await reader.readexactly(size + 2))[:-2])
            await asyncio.sleep(random.random() / 1000)
            writer.write(self.answer(*arguments))
            await writer.drain()
        writer.close()

    def answer(self, command, *arguments):
        if command == b"SET":
            self.values[arguments[0]] = arguments[1]
        if command == b"INCRBY":
            count = int(self.values.get(arguments[0], 0)) + int(arguments[1])
            self.values[arguments[0]] = b"%d" % count
            return b":%b\r\n" % self.values[arguments[0]]
        if command != b"GET":
            return b"+OK\r\n"
        value = self.values.get(arguments[0])
        return b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)


async def with_redis():
    """Ask a small server by redis.asyncio, through its pool of connections and in a pipeline."""
    from redis import asyncio as redis

    server = await asyncio.start_server(Store().serve, "127.0.0.1", 6379)
    client = redis.Redis(host="127.0.0.1", protocol=2)
    await asyncio.gather(*[client.set(f"key{n}", str(uuid.uuid4())) for n in range(20)])
    await asyncio.gather(*[client.incr("count") for _ in range(20)])
    assert await client.get("count") == b"20"
    async with client.pipeline(transaction=False) as pipeline:
        assert await pipeline.get("count").get("nothing").execute() == [b"20", None]
    await client.aclose()
    server.close()
    await server.wait_closed()


async def with_anyio():
    """Serve and ask through anyio's streams, task groups, memory streams and cancel scopes."""
    import anyio

    async def echo(stream):
        async with stream:
            async for data in stream:
                await anyio.sleep(random.random())
                await stream.send(data)

    async def ask(number, results):
        async with await anyio.connect_tcp("127.0.0.1", 7000) as stream:
            await stream.send(b"%d" % number)
            await results.send(int(await stream.receive()))

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=7000)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, echo)
        sender, receiver = anyio.create_memory_object_stream(3)
        for number in range(10):
            group.start_soon(ask, number, sender)
        seen = [await receiver.receive() for _ in range(10)]
        assert sorted(seen) == list(range(10))
        with anyio.move_on_after(300):
            await anyio.sleep_forever()
        group.cancel_scope.cancel()


async def with_tenacity():
    """Retry what fails, by waits that are random and grow."""
    from tenacity import AsyncRetrying, retry, retry_if_exception_type, stop_after_attempt
    from tenacity.wait import wait_exponential_jitter, wait_random_exponential

    waits = []

    @retry(
        wait=wait_random_exponential(multiplier=1, max=60),
        stop=stop_after_attempt(8),
        retry=retry_if_exception_type(ConnectionError),
    )
    async def fetch(name):
        waits.append((name, time.monotonic()))
        if random.random() < 0.7:
            raise ConnectionRefusedError(name)
        return name

    results = await asyncio.gather(*map(fetch, range(5)), return_exceptions=True)
    print(results[:4], waits)
    async for attempt in AsyncRetrying(wait=wait_exponential_jitter(), stop=stop_after_attempt(5)):
        with attempt:
            if attempt.retry_state.attempt_number < 4:
                raise LookupError
    print(attempt.retry_state.seconds_since_start, attempt.retry_state.idle_for)


async def with_apscheduler():
    """Run jobs at wall-clock times for a week: by cron, by interval with jitter, at a date."""
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

    began = dt.datetime.now(dt.UTC)
    ran = []

    def note(name):
        ran.append((name, dt.datetime.now(dt.UTC).isoformat()))

    async def later(name):
        await asyncio.sleep(1)
        note(name)

    def block(name):  # No coroutine: in the default executor.
        time.sleep(2)
        note(name)

    scheduler = AsyncIOScheduler(timezone=dt.UTC)
    scheduler.add_job(later, "cron", ["cron"], day_of_week="mon-fri", hour=9, minute=30)
    scheduler.add_job(later, "interval", ["interval"], hours=5, jitter=600)
    scheduler.add_job(block, "cron", ["block"], hour=23)
    scheduler.add_job(note, "date", ["date"], run_date=began + dt.timedelta(days=3))
    scheduler.start()
    await asyncio.sleep(7 * 86_400)
    scheduler.shutdown()
    print(*ran, sep="\n")
    times = [moment for name, moment in ran if name == "cron"]
    assert [moment[11:19] for moment in times] == ["09:30:01"] * 5
    assert sum(name == "block" for name, _ in ran) == 7
    assert sum(name == "interval" for name, _ in ran) >= 32
    assert [moment[:10] for name, moment in ran if name == "date"] == ["2024-01-04"]


async def with_janus():
    """Use both ends of janus' queues: threads and coroutines, in both directions."""
    import janus

    jobs, results = janus.Queue(maxsize=3), janus.Queue()

    def work():
        while (job := jobs.sync_q.get()) is not None:
            time.sleep(random.random())
            results.sync_q.put((job, time.monotonic()))
            jobs.sync_q.task_done()

    workers = [asyncio.create_task(asyncio.to_thread(work)) for _ in range(3)]
    for job in range(12):
        await jobs.async_q.put(job)
    await jobs.async_q.join()
    for _ in workers:
        await jobs.async_q.put(None)
    await asyncio.gather(*workers)
    seen = [await results.async_q.get() for _ in range(12)]
    assert sorted(job for job, _ in seen) == list(range(12))
    print(seen)
    for queue in (jobs, results):
        await queue.aclose()


async def with_anyio_threads():
    """Go to worker threads and back to the loop, with anyio, and by a portal."""
    import anyio
    from anyio import from_thread, to_thread

    loop = asyncio.get_running_loop()
    seen = []

    async def pause(seconds):
        await anyio.sleep(seconds)
        return loop.time()

    def work(number):
        time.sleep(random.random())
        there = from_thread.run(pause, random.random())
        seen.append((number, there, from_thread.run_sync(loop.time), time.monotonic()))

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(to_thread.run_sync, work, number)
    async with from_thread.BlockingPortal() as portal:
        assert await to_thread.run_sync(portal.call, pause, 5) == loop.time()
    assert sorted(number for number, *_ in seen) == list(range(8))
    print(seen)


PROGRAMS = {
    "aiohttp": with_aiohttp,
    "httpx and uvicorn": with_httpx_and_uvicorn,
    "websockets": with_websockets,
    "redis": with_redis,
    "anyio": with_anyio,
    "tenacity": with_tenacity,
    "apscheduler": with_apscheduler,
    "janus": with_janus,
    "anyio threads": with_anyio_threads,
}


# What each program needs, by the name of its module.
NEEDS = {
    "aiohttp": ["aiohttp"],
    "httpx and uvicorn": ["httpx", "uvicorn"],
    "websockets": ["websockets"],
    "redis": ["redis"],
    "anyio": ["anyio"],
    "tenacity": ["tenacity"],
    "apscheduler": ["apscheduler"],
    "janus": ["janus"],
    "anyio threads": ["anyio"],
}


def run(name, seed):
    """Run a program and print what it came to."""
    outcome = simloop.simulate(PROGRAMS[name], seed=seed)
    if outcome.error is not None:
        raise outcome.error
    print(outcome.digest, outcome.time, outcome.steps)


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]) if sys.argv[2:] else 0)
