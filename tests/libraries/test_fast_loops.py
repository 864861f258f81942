"""uvloop, which makes loops in C: in a run its functions give a loop of the world."""

from __future__ import annotations

import asyncio
import os
import warnings

import pytest

import simloop

from .sealed import SEALED

uvloop = pytest.importorskip("uvloop")


async def nap():
    loop = asyncio.get_running_loop()
    await asyncio.sleep(3600)
    return isinstance(loop, simloop.SimLoop), loop.time()


def by_factory():
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(nap())


def by_run():
    return uvloop.run(nap())


def by_policy():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # From 3.12 on.
        loop = uvloop.EventLoopPolicy().new_event_loop()
    try:
        return loop.run_until_complete(nap())
    finally:
        loop.close()


@pytest.mark.parametrize("way", [by_factory, by_run, by_policy])
def test_a_loop_of_uvloop_is_one_of_the_world_in_a_run(way):
    """Each way to a loop of uvloop gives one in virtual time, on a host as in a thread."""

    async def main():
        found = []
        host = simloop.current_world().add_host("web", lambda: found.append(way()))
        assert await host.processes[0].exited() == 0
        found.append(await asyncio.to_thread(way))
        return found

    assert simloop.run(main()) == [(True, 3600.0), (True, 7200.0)]


@pytest.mark.skipif(SEALED in os.environ, reason="the kernel forbids real sockets here")
def test_outside_of_runs_uvloop_is_itself():
    """A program outside of a run gets the loop that it asked for."""

    async def tell():
        return type(asyncio.get_running_loop()).__module__

    simloop.run(asyncio.sleep(0))
    assert uvloop.run(tell()) == "uvloop"


def test_uvicorn_serves_on_a_host():
    """uvicorn, which takes uvloop where it is there, is reached over the wire."""
    uvicorn = pytest.importorskip("uvicorn")

    async def app(_scope, _receive, send):
        head = {"type": "http.response.start", "status": 204, "headers": []}
        await send(head)
        await send({"type": "http.response.body", "body": b""})

    def serve():
        uvicorn.run(app, host="0.0.0.0", port=8000, lifespan="off", log_config=None)  # noqa: S104

    async def main():
        simloop.current_world().add_host("web", serve)
        await asyncio.sleep(1)
        reader, writer = await asyncio.open_connection("web", 8000)
        writer.write(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")
        status = await reader.readline()
        writer.close()
        return status

    assert simloop.run(main()) == b"HTTP/1.1 204 No Content\r\n"
