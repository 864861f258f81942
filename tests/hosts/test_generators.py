"""Asynchronous generators of programs on several hosts: who hears of them."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings

import simloop


def closing(seen):
    """Return an asynchronous generator function that tells where it was closed."""

    async def numbers():
        try:
            for number in range(10):
                yield number
        finally:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(0.5)
            seen.append((socket.gethostname(), loop is asyncio.get_running_loop(), loop.time()))

    return numbers


def test_a_dropped_generator_is_closed_by_the_loop_of_its_host():
    """Each loop closes the generators that its program has dropped, the one of the driver too."""
    seen = []
    numbers = closing(seen)

    async def drop(rest):
        await asyncio.sleep(rest)
        for _ in range(2):
            async for number in numbers():
                if number:
                    break
            gc.collect()
            await asyncio.sleep(1)

    async def main():
        world = simloop.current_world()
        world.add_host("a", drop, args=(0.1,))
        world.add_host("b", drop, args=(0.1,))
        await drop(0.2)
        await asyncio.sleep(1)

    simloop.run(main())
    assert [(name, is_same) for name, is_same, _ in seen] == [
        ("a", True),
        ("b", True),
        (seen[2][0], True),
    ] * 2


def test_a_generator_belongs_to_the_loop_in_which_it_began():
    """Dropped in a step of another host, it is closed by the loop of the first."""
    seen, kept = [], []
    numbers = closing(seen)

    async def begin():
        kept.append(numbers())
        await anext(kept[0])
        await asyncio.sleep(3)

    async def other():
        await asyncio.sleep(1)
        kept.clear()
        gc.collect()
        await asyncio.sleep(3)

    async def main():
        world = simloop.current_world()
        world.add_host("a", begin)
        world.add_host("b", other)
        await asyncio.sleep(5)

    simloop.run(main())
    assert seen == [("a", True, 1.5)]


def test_a_generator_left_open_is_closed_at_the_end_of_its_program():
    """As ``asyncio.run`` does, while other hosts go on; a late one is warned about where it is."""
    seen, kept = [], []
    numbers = closing(seen)

    async def late():
        kept.append(numbers())
        await anext(kept[-1])  # Here.

    async def leave():
        kept.append(numbers())
        await anext(kept[-1])
        await asyncio.sleep(1)

    async def main():
        world = simloop.current_world()
        world.add_host("a", leave)
        world.add_host("b", leave)
        await asyncio.sleep(3)
        assert [name for name, _, _ in seen] == ["a", "b"]
        await asyncio.get_running_loop().shutdown_asyncgens()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            await late()
        assert [each.lineno for each in caught] == [late.__code__.co_firstlineno + 2]
        await kept[-1].aclose()

    simloop.run(main())
