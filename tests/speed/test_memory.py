"""Counts of references and memory: a twin keeps nothing and frees nothing twice."""

from __future__ import annotations

import asyncio
import gc
import sys

import pytest

import simloop

KEPT = [None, True, False, (), 0, 1, asyncio.Future, asyncio.Task, simloop.SimLoop]


async def much(count):
    """Do a bit of everything that has a twin."""
    loop = asyncio.get_running_loop()

    async def serve(reader, writer):
        while piece := await reader.read(100):
            writer.write(piece)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    for number in range(count):
        loop.call_soon(int)
        loop.call_later(number % 7, int).cancel()
        loop.call_at(loop.time() + 0.5, int, context=None)
        await asyncio.sleep(0.1)
        await loop.create_task(asyncio.sleep(0))
        writer.write(b"x")
        await reader.readexactly(1)
        loop.call_soon(lambda: 1 / 0)
    writer.close()
    await writer.wait_closed()
    server.close()
    await asyncio.sleep(1)


def run(count, *, digest):
    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        await much(count)

    done = simloop.simulate(main) if digest else simloop.run(main())
    return getattr(done, "error", None)


@pytest.mark.slow
@pytest.mark.parametrize("digest", [False, True])
def test_memory_stays_flat(accelerated, digest):
    """As many blocks are in use after many operations as after a few, and no count is off."""
    run(200, digest=digest)
    gc.collect()
    blocks, counts = sys.getallocatedblocks(), [sys.getrefcount(each) for each in KEPT]
    assert run(4_000, digest=digest) is None
    gc.collect()
    assert abs(sys.getallocatedblocks() - blocks) < 1_000
    for before, after in zip(counts, [sys.getrefcount(each) for each in KEPT], strict=True):
        assert abs(after - before) < 200
