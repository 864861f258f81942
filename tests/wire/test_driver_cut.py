"""The driver is a host as others are to what is said of the wire."""

from __future__ import annotations

import asyncio

import simloop


async def greet():
    """Serve a greeting."""

    async def answer(_reader, writer):
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(answer, port=80)
    await server.serve_forever()


async def can_talk():
    """Return whether the driver hears from db within five seconds."""
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection("db", 80)
            heard = await reader.read()
            writer.close()
            return heard == b"hello"
    except TimeoutError:
        return False


def test_the_driver_is_cut_off_by_its_name():
    """A partition between a host and the driver cuts their ways, and healing joins them."""

    async def main():
        world = simloop.current_world()
        world.add_host("db", greet)
        await asyncio.sleep(1)
        heard = [await can_talk()]
        world.network.partition("db", "driver")
        heard.append(await can_talk())
        world.network.heal("driver", "db")
        heard.append(await can_talk())
        world.network.hold(world.driver, "db")
        heard.append(await can_talk())
        return heard

    assert simloop.run(main()) == [True, False, True, False]
