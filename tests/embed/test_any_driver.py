"""However a program is driven, it takes the same steps: one digest for all ways."""

from __future__ import annotations

import asyncio
import random
import threading
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simloop
from simloop.embed.live import Live
from simloop.trace import Digest

DELAYS = st.sampled_from([0, 0, 0.1, 0.1, 0.25, 1, 3600])
"""Few values, so that deadlines tie."""

ACTIONS = st.one_of(
    st.tuples(st.just("sleep"), DELAYS),
    st.tuples(st.just("later"), DELAYS),
    st.tuples(st.just("soon"), st.integers(0, 3)),
    st.tuples(st.just("put"), st.integers(0, 3)),
    st.tuples(st.just("get"), DELAYS),
    st.tuples(st.just("echo"), st.binary(min_size=1, max_size=3)),
    st.tuples(st.just("thread"), DELAYS),
    st.tuples(st.just("draw"), st.just(None)),
    st.tuples(st.just("cancel"), st.integers(0, 3)),
)
PROGRAMS = st.lists(st.lists(ACTIONS, max_size=5), min_size=1, max_size=4)


class Program:
    """Some workers with a script each, that share a queue, a server and each other's tasks."""

    def __init__(self, scripts) -> None:
        self.scripts = scripts
        self.tasks: list[asyncio.Task] = []

    async def main(self) -> None:
        self.queue: asyncio.Queue[int] = asyncio.Queue(2)
        async with await asyncio.start_server(self.serve, "127.0.0.1", 80):
            self.tasks = [asyncio.create_task(self.work(script)) for script in self.scripts]
            await asyncio.gather(*self.tasks, return_exceptions=True)

    async def serve(self, reader, writer) -> None:
        try:
            writer.write(await reader.read(10))
        finally:
            writer.close()
            await writer.wait_closed()

    async def work(self, script) -> None:
        for name, argument in script:
            async with asyncio.timeout(7200):
                await getattr(self, name)(argument)

    async def sleep(self, delay) -> None:
        await asyncio.sleep(delay)

    async def later(self, delay) -> None:
        asyncio.get_running_loop().call_later(delay, random.random)

    async def soon(self, count) -> None:
        for _ in range(count):
            asyncio.get_running_loop().call_soon(random.random)

    async def put(self, value) -> None:
        await self.queue.put(value)

    async def get(self, delay) -> None:
        try:
            async with asyncio.timeout(delay):
                await self.queue.get()
        except TimeoutError:
            pass

    async def echo(self, data) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", 80)
        try:
            writer.write(data)
            assert await reader.read() == data
        finally:
            writer.close()
            await writer.wait_closed()

    async def thread(self, delay) -> None:
        await asyncio.to_thread(int, delay)

    async def draw(self, _) -> None:
        await asyncio.sleep(random.random())

    async def cancel(self, number) -> None:
        if self.tasks:
            self.tasks[number % len(self.tasks)].cancel()


def freely(loop, task, draw) -> None:
    loop.run_forever()


def by_steps(loop, task, draw) -> None:
    while not task.done():
        assert loop.step()


def in_slices(loop, task, draw) -> None:
    for _ in range(100):
        loop.run_until(loop.time() + draw.choice([0.01, 0.5, 700]), inclusive=draw.random() < 0.5)
    loop.run_until_idle()


def by_a_mixture(loop, task, draw) -> None:
    while not task.done():
        draw.choice([loop.step, loop.run_ready, partial(loop.run_for, draw.random())])()
        if draw.random() < 0.1:
            loop.run_until(max(loop.time(), min(loop.peek(), 1e9)))


async def driver(loop, task, factor) -> None:
    """Drive a loop until its task is done, without a callback of its own on the task."""
    async with Live(loop, factor=factor):
        while not task.done():
            await asyncio.sleep(0.001)


def inside_a_live_loop(loop, task, draw) -> None:
    asyncio.run(driver(loop, task, 1e12))


def inside_another_world(loop, task, draw) -> None:
    simloop.run(driver(loop, task, 100_000))


def under_simpy(loop, task, draw) -> None:
    simpy = pytest.importorskip("simpy")
    from simloop.embed.simpy import LoopProcess

    env = simpy.Environment()
    LoopProcess(env, loop)

    def clock():
        while not task.done():
            yield env.timeout(draw.random() * 100)

    env.process(clock())
    env.run()


def under_salabim(loop, task, draw) -> None:
    salabim = pytest.importorskip("salabim")
    from simloop.embed.salabim import LoopComponent

    class Clock(salabim.Component):
        def process(self):
            while not task.done():
                yield self.hold(draw.random() * 100)

    env = salabim.Environment(trace=False, yieldless=False)
    LoopComponent(env, loop)
    Clock(env=env)
    env.run()


def inside_trio(loop, task, draw) -> None:
    trio = pytest.importorskip("trio")
    from trio.testing import MockClock

    async def drive() -> None:
        while not task.done():
            due = max(loop.peek(), loop.time())
            await trio.sleep(due - loop.time())
            loop.run_until(due)

    trio.run(drive, clock=MockClock(autojump_threshold=0))


def in_threads(loop, task, draw) -> None:
    while not task.done():
        thread = threading.Thread(target=in_slices, args=(loop, task, draw))
        thread.start()
        thread.join()


WAYS = [
    by_steps,
    in_slices,
    by_a_mixture,
    inside_a_live_loop,
    inside_another_world,
    inside_trio,
    in_threads,
    under_simpy,
    under_salabim,
]


def digest_of(scripts, drive, seed=0) -> tuple[str, int]:
    """Run a program one way, to the end of everything that it has begun."""
    loop = simloop.SimLoop(seed=seed)
    digest = Digest()
    loop.world.watch(digest)
    task = loop.create_task(Program(scripts).main())
    task.add_done_callback(lambda _: loop.stop())
    try:
        drive(loop, task, random.Random(7))
        loop.run_until_idle()
        task.result()
        return digest.hexdigest(), loop.world.steps
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


@pytest.mark.slow
@pytest.mark.parametrize("drive", WAYS)
@settings(max_examples=25, deadline=None)
@given(scripts=PROGRAMS, seed=st.integers(0, 3))
def test_any_way_of_driving_gives_the_same_digest(drive, scripts, seed) -> None:
    """Steps, their times, their order and the bytes on the wire do not depend on the driver."""
    assert digest_of(scripts, drive, seed) == digest_of(scripts, freely, seed)


def test_another_seed_is_another_digest() -> None:
    """The comparison can fail: a program that draws a delay differs by seed."""
    scripts = [[("draw", None), ("echo", b"hello")]]
    assert digest_of(scripts, freely, 1) != digest_of(scripts, freely, 2)
