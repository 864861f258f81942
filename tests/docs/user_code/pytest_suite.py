"""Tests for pytest, annotated: the fixtures and the mark, unittest's case, plain functions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

import simloop
from simloop.testing import SimTestCase, virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.simloop(seed=7, max_time=60.0)
async def test_echo(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hello\n")
    assert await reader.readline() == b"hello\n"
    writer.close()


@pytest.mark.simloop(autojump=False)
async def test_by_hand(simloop_loop: simloop.SimLoop) -> None:
    bell = asyncio.create_task(asyncio.sleep(60, "ring"))
    await simloop_loop.advance(60)
    assert bell.result() == "ring"
    assert simloop.current_loop() is simloop_loop
    assert simloop.current_world() is simloop_loop.world


@pytest.mark.simloop
async def test_a_host(simloop_world: simloop.World) -> None:
    async def serve() -> None:
        await asyncio.sleep(60)

    host = simloop_world.add_host("db", serve)
    assert await host.processes[0].exited() == 0


@pytest.mark.simloop
def test_from_outside(simloop_loop: simloop.SimLoop) -> None:
    simloop_loop.run_for(3600)
    assert simloop_loop.time() == 3600


class TestCase(SimTestCase):
    seed = "a word"
    autojump = False

    async def test_it(self) -> None:
        slept = asyncio.create_task(asyncio.sleep(60))
        await self.advance(60)
        self.assertTrue(slept.done())


@virtual_time(seed=7)
async def test_plain() -> None:
    await asyncio.sleep(60)
    assert asyncio.get_running_loop().time() == 60
