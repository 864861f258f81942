"""Small programs, each with one bug that a real system brings to light now and then."""

from __future__ import annotations

import asyncio
import contextlib

HERE = "127.0.0.1"


async def _say_back(reader, writer):
    writer.write(await reader.readline())
    writer.close()


async def lost_update():
    """A read and a write of shared state with a request between them."""
    balance = [100]
    log = await asyncio.start_server(_say_back, HERE, 7001)

    async def handle(reader, writer):
        while line := await reader.readline():
            before = balance[0]
            log_reader, log_writer = await asyncio.open_connection(HERE, 7001)
            log_writer.write(b"log\n")
            await log_reader.readline()
            log_writer.close()
            balance[0] = before + int(line)
            writer.write(b"ok\n")
        writer.close()

    server = await asyncio.start_server(handle, HERE, 7000)

    async def client(number):
        await asyncio.sleep(number * 0.01)
        reader, writer = await asyncio.open_connection(HERE, 7000)
        writer.write(b"10\n")
        await reader.readline()
        writer.close()

    await asyncio.gather(client(0), client(1))
    server.close()
    log.close()
    assert balance == [120]


async def timeout_races_result():
    """A worker sets the result of a request that has timed out."""
    requests: asyncio.Queue[asyncio.Future[int]] = asyncio.Queue()

    async def work():
        while True:
            request = await requests.get()
            await asyncio.sleep(0.5)
            request.set_result(1)

    worker = asyncio.create_task(work())
    for _ in range(2):
        request = asyncio.get_running_loop().create_future()
        requests.put_nowait(request)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(request, 1.0)
    await asyncio.sleep(1)
    if worker.done():
        worker.result()
    worker.cancel()


async def check_then_act():
    """A cache that two tasks fill, because a request stands between the look and the store."""
    cache: dict[str, bytes] = {}
    loads = []
    server = await asyncio.start_server(_say_back, HERE, 7000)

    async def load():
        loads.append(1)
        reader, writer = await asyncio.open_connection(HERE, 7000)
        writer.write(b"x\n")
        value = await reader.readline()
        writer.close()
        return value

    async def get():
        if "x" not in cache:
            cache["x"] = await load()

    async def later():
        await asyncio.sleep(0.02)
        await get()

    await asyncio.gather(get(), later())
    server.close()
    assert len(loads) == 1


async def cancelled_while_acquiring():
    """A pool that keeps its permit when a connection is cancelled."""
    permits = asyncio.Semaphore(1)

    async def serve(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, HERE, 7000)

    async def use(seconds):
        async with asyncio.timeout(seconds):
            await permits.acquire()
            _, writer = await asyncio.open_connection(HERE, 7000)
        writer.close()
        permits.release()

    with contextlib.suppress(TimeoutError):
        await use(0.2)
    await use(None)
    server.close()


async def effect_after_timeout():
    """A thread that goes on after the await of it has been cancelled."""
    done = []
    try:
        await asyncio.wait_for(asyncio.to_thread(done.append, 1), 0.1)
    except TimeoutError:
        await asyncio.sleep(60)
        assert not done, "the effect came after the timeout"


async def one_read_is_one_message():
    """A reader that takes what one read returns for a message."""
    got = []

    async def serve(reader, writer):
        got.append(await reader.read(100))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, HERE, 7000)
    reader, writer = await asyncio.open_connection(HERE, 7000)
    writer.write(b"hello, world")
    writer.write_eof()
    await reader.read()
    server.close()
    assert got == [b"hello, world"]


async def forgotten_error():
    """A task in the background that fails now and then, and nobody asks."""
    state = {"ready": False}

    async def background():
        await asyncio.sleep(1.01)
        if not state["ready"]:
            raise LookupError("not ready")

    async def prepare():
        await asyncio.sleep(1)
        state["ready"] = True

    asyncio.create_task(background())  # noqa: RUF006 - that is the bug
    preparing = asyncio.create_task(prepare())
    await asyncio.sleep(2)
    await preparing


async def sleeps_stand_for_io():
    """A lost update across a sleep that stands for a write to a database."""
    value = [0]

    async def increase():
        before = value[0]
        await asyncio.sleep(0.005)
        value[0] = before + 1

    async def increase_later():
        await asyncio.sleep(0.005)
        await increase()

    await asyncio.gather(increase(), increase_later())
    assert value == [2]


BROKEN = {
    lost_update: AssertionError,
    timeout_races_result: asyncio.InvalidStateError,
    check_then_act: AssertionError,
    cancelled_while_acquiring: Exception,
    effect_after_timeout: AssertionError,
    one_read_is_one_message: AssertionError,
}
