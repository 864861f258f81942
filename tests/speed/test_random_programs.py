"""Random programs, each run by both engines: they do the same, step for step."""

from __future__ import annotations

import asyncio
import contextvars
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import simloop

pytestmark = pytest.mark.filterwarnings("ignore")  # Random programs leave things open.

COLOUR = contextvars.ContextVar("COLOUR", default=0)
PROGRAMS = int(os.environ.get("SIMLOOP_PROGRAMS", "60"))

small = st.integers(0, 7)
delays = st.one_of(
    st.sampled_from([0, 0.0, -1, 1e-12, 0.1, 0.1 + 0.2, 1, 2.5, 1e6, True]),
    st.floats(-1, 20, allow_nan=False),
    st.integers(0, 3),
)


def operations(blocks):
    """What a task may do, one thing after another."""
    return st.one_of(
        st.tuples(st.just("soon"), small),
        st.tuples(st.just("later"), delays, small),
        st.tuples(st.just("at"), delays, small),
        st.tuples(st.just("burst"), st.integers(1, 40), delays),
        st.tuples(st.just("cancel"), small),
        st.tuples(st.just("sleep"), delays),
        st.tuples(st.just("task"), blocks, st.sampled_from([None, "named", 5])),
        st.tuples(st.just("cancel task"), small),
        st.tuples(st.just("join"), small),
        st.tuples(st.just("gather"), blocks, blocks),
        st.tuples(st.just("within"), delays, blocks),
        st.tuples(
            st.just("raise"), st.sampled_from([ValueError, KeyError, asyncio.CancelledError])
        ),
        st.tuples(st.just("fail in callback"), small),
        st.tuples(st.just("coroutine in callback")),
        st.tuples(st.just("colour"), small),
        st.tuples(st.just("put"), small),
        st.tuples(st.just("get"), delays),
        st.tuples(st.just("future"), delays),
        st.tuples(st.just("echo"), st.binary(max_size=300), st.integers(1, 4)),
        st.tuples(st.just("block"), st.sampled_from([0.001, 0.5, 3])),
        st.tuples(st.just("poll"), st.integers(1, 250)),
    )


blocks = st.recursive(
    st.lists(operations(st.just([])), max_size=6),
    lambda inner: st.lists(operations(inner), max_size=8),
    max_leaves=12,
)


class World:
    """What the parts of one program share, and the record of what they did."""

    def __init__(self):
        self.log = []
        self.handles = []
        self.tasks = []
        self.queue = asyncio.Queue(2)
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(self.handle_error)

    def note(self, *what):
        self.log.append((self.loop.time(), COLOUR.get(), *what))

    def handle_error(self, _loop, context):
        self.note(
            "error", context["message"].partition(" at 0x")[0], repr(context.get("exception"))
        )

    def callback(self, number):
        self.note("callback", number)
        if number == 3:
            self.handles.append(self.loop.call_soon(self.callback, 0))
        if number == 5 and self.handles:
            self.handles[-1].cancel()
        if number == 6:
            self.loop.call_later(0.25, self.callback, 1)

    async def run(self, block):
        for name, *args in block:
            try:
                await getattr(self, "do_" + name.replace(" ", "_"))(*args)
            except (ValueError, KeyError, TimeoutError, OverflowError) as error:
                self.note(name, repr(error))

    async def do_soon(self, number):
        self.handles.append(self.loop.call_soon(self.callback, number))

    async def do_later(self, delay, number):
        self.handles.append(self.loop.call_later(delay, self.callback, number))
        self.note(self.handles[-1].when())

    async def do_at(self, delay, number):
        context = contextvars.copy_context()
        when = self.loop.time() + delay
        self.handles.append(self.loop.call_at(when, self.callback, number, context=context))
        self.note(self.handles[-1].when())

    async def do_burst(self, count, delay):
        for number in range(count):
            self.loop.call_later(delay + number * (number % 3) * 0.01, self.note, "burst", number)

    async def do_cancel(self, number):
        if self.handles:
            self.handles[number % len(self.handles)].cancel()

    async def do_sleep(self, delay):
        await asyncio.sleep(delay)
        self.note("slept")

    async def do_task(self, block, name):
        options = {} if name is None else {"name": name}
        self.tasks.append(self.loop.create_task(self.run(block), **options))
        self.note(self.tasks[-1].get_name())

    async def do_cancel_task(self, number):
        if self.tasks:
            self.note(self.tasks[number % len(self.tasks)].cancel())

    async def do_join(self, number):
        task = self.tasks[number % len(self.tasks)] if self.tasks else None
        if task is not None and task is not asyncio.current_task():
            done, pending = await asyncio.wait([task], timeout=2)
            self.note(len(done), len(pending))

    async def do_gather(self, first, second):
        await asyncio.gather(self.run(first), self.run(second))

    async def do_within(self, delay, block):
        async with asyncio.timeout(delay):
            await self.run(block)

    async def do_raise(self, kind):
        raise kind("of the program")

    async def do_fail_in_callback(self, number):
        self.loop.call_soon(lambda: [].pop(number))
        self.loop.call_later(0.1, {}.__getitem__, number)

    async def do_coroutine_in_callback(self):
        self.loop.call_soon(self.do_sleep, 1)

    async def do_colour(self, number):
        COLOUR.set(number)

    async def do_put(self, number):
        async with asyncio.timeout(1):
            await self.queue.put(number)

    async def do_get(self, delay):
        self.note("got", await asyncio.wait_for(self.queue.get(), delay))

    async def do_future(self, delay):
        future = self.loop.create_future()
        self.loop.call_later(delay, lambda: future.done() or future.set_result(delay))
        self.note(await asyncio.wait_for(future, 5))

    async def do_echo(self, data, count):
        async def serve(reader, writer):
            while piece := await reader.read(100):
                writer.write(piece)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for _ in range(count):
            writer.write(data)
        writer.write_eof()
        self.note("echo", await reader.read())
        writer.close()
        server.close()

    async def do_block(self, seconds):
        import time

        time.sleep(seconds)

    async def do_poll(self, count):
        self.note([self.loop.time() for _ in range(count)][-1])


def outcome(block, seed):
    """What is told of a run: all that may be compared."""
    worlds = []

    async def main():
        worlds.append(World())
        await worlds[0].run(block)
        return len(worlds[0].tasks)

    done = simloop.simulate(main, seed=seed, max_steps=20_000)
    log = worlds[0].log if worlds else None
    return done.digest, done.steps, done.time_ns, done.value, repr(done.error), log


@given(block=blocks, seed=st.integers(0, 3))
@settings(
    max_examples=PROGRAMS,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_program_is_the_same_run_on_both_engines(both, block, seed):
    """Digest, steps, time, result, error and the program's own record are equal."""
    plain, fast = both(outcome, block, seed)
    assert plain == fast
