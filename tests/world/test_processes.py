"""Two processes on one kernel: each has its own of what a Unix process has.

These tests use internal names: a world gets public ones for further machines later.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
import time
import uuid

import pytest

import simloop
from simloop._process import ProcessClock


class Machines:
    """A world with the program of the run and one process more, ``db``, on a machine of its own."""

    def __init__(self, **clock):
        self.world = simloop.World(seed=5)
        host = self.world.make_host("db", "10.0.0.5")
        own_clock = ProcessClock(self.world.kernel, **clock) if clock else None
        self.process = self.world.add_process(host, ["db"], clock=own_clock)
        self.main = simloop.SimLoop(world=self.world)
        self.db = self.world.make_loop(self.process)

    def run(self, main, db):
        """Run both coroutine functions, each on its loop, and return both results."""
        served = self.db.create_task(db())
        result = self.main.run_until_complete(main())
        while not served.done():
            self.main.run_until_complete(asyncio.sleep(1))
        return result, served.result()

    def close(self):
        for loop in (self.db, self.main):
            loop.close()


@pytest.fixture
def machines():
    made = Machines()
    yield made
    made.close()


def test_each_has_its_own_identity(machines):
    """Number, parent, machine, group and name are those of the process whose step runs."""

    async def tell():
        await asyncio.sleep(0.1)
        loop = asyncio.get_running_loop()
        return os.getpid(), os.getppid(), os.getpgrp(), socket.gethostname(), os.uname()[1], loop

    assert machines.run(tell, tell) == (
        (1000, 1, 1000, "localhost", "localhost", machines.main),
        (1001, 1, 1001, "db", "db", machines.db),
    )


def test_each_draws_from_its_own_entropy(machines):
    """One draw more in one process moves no number of another one."""

    async def draw(times=1):
        drawn = []
        for _ in range(times):
            await asyncio.sleep(0.1)
            drawn += [random.random(), os.urandom(4), uuid.uuid4()]
        return drawn[:3]

    async def draw_more():
        return await draw(7)

    first = machines.run(draw, draw)
    again = Machines()
    second = again.run(draw, draw_more)
    again.close()
    assert first == second
    assert first[0] != first[1]


def test_a_draw_elsewhere_leaves_the_program_alone(machines):
    """The program of a run draws the numbers that it draws when it is the only process."""

    async def draw():
        await asyncio.sleep(0.5)
        return random.random(), uuid.uuid4()

    alone = simloop.run(draw(), seed=5)
    assert machines.run(draw, draw)[0] == alone


def test_a_generator_is_closed_on_the_loop_that_began_it(machines):
    """Each loop hears of the asynchronous generators that began in its own steps."""
    closed = []

    async def numbers():
        try:
            yield 1
        finally:
            closed.append(asyncio.get_running_loop())

    async def abandon():
        async for _ in numbers():
            break
        await asyncio.sleep(0.1)

    machines.run(abandon, abandon)
    assert sorted(closed, key=machines.world.loops.index) == [machines.main, machines.db]


def test_a_loop_that_the_kernel_carries_is_running(machines):
    """``is_running`` is true of a process's loop while the world runs, and false after it."""

    async def tell():
        await asyncio.sleep(0.1)
        return machines.main.is_running(), machines.db.is_running()

    assert machines.run(tell, tell) == ((True, True), (True, True))
    assert (machines.main.is_running(), machines.db.is_running()) == (False, False)


def test_debug_mode_is_each_loop_s_own(machines, caplog):
    """A loop in debug mode logs its own slow callbacks, and no other loop's."""
    machines.db.set_debug(True)

    async def slow():
        await asyncio.sleep(0.1)
        time.sleep(0.5)
        return asyncio.get_running_loop().get_debug()

    assert machines.run(slow, slow) == (False, True)
    assert len([each for each in caplog.records if "took" in each.getMessage()]) == 1


def test_origins_of_coroutines_are_of_the_loop_s_debug_mode(machines):
    """Coroutines remember where they were made in steps of a loop in debug mode, in no others."""
    machines.db.set_debug(True)

    async def tell():
        await asyncio.sleep(0.1)
        coroutine = asyncio.sleep(0)
        origin = coroutine.cr_origin
        await coroutine
        return origin is not None

    depth = sys.get_coroutine_origin_tracking_depth()
    assert machines.run(tell, tell) == (False, True)
    assert sys.get_coroutine_origin_tracking_depth() == depth


def test_signals_reach_one_process(machines):
    """A signal to one process runs its handler and no other process's."""
    heard = []

    async def listen():
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: heard.append(os.getpid()))
        await asyncio.sleep(1)

    async def send():
        await listen()
        os.kill(1001, signal.SIGTERM)
        await asyncio.sleep(1)

    async def wait():
        await listen()
        await asyncio.sleep(3)

    machines.run(send, wait)
    assert heard == [1001]


def test_sockets_are_of_the_process_s_machine(machines):
    """Loopback is each machine's own, and addresses lead from one machine to another."""

    async def serve():
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 80)
        server_outside = await asyncio.start_server(
            lambda _, writer: writer.close(), "10.0.0.5", 81
        )
        await asyncio.sleep(2)
        server.close()
        server_outside.close()

    async def call():
        await asyncio.sleep(1)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", 80)
        with socket.socket() as sock:
            sock.setblocking(False)
            with pytest.raises(OSError, match="unreachable"):
                sock.connect(("10.0.0.5", 81))  # The program's machine has no address yet.

    machines.run(call, serve)


def test_threads_are_of_their_process():
    """A thread sees the process that started it, whichever process's step lets it run."""
    machines = Machines()

    def tell():
        time.sleep(0.1)
        return os.getpid(), socket.gethostname(), random.random()

    async def ask():
        await asyncio.sleep(0.05)
        return await asyncio.to_thread(tell)

    (main_pid, main_name, main_drawn), (pid, name, drawn) = machines.run(ask, ask)
    machines.close()
    assert (main_pid, main_name, pid, name) == (1000, "localhost", 1001, "db")
    assert main_drawn != drawn


def test_loops_made_by_a_program_are_of_its_process(machines):
    """``asyncio.run`` in a thread of a process runs there, not in the program of the run."""

    async def tell():
        return os.getpid(), socket.gethostname()

    async def ask():
        return await asyncio.to_thread(asyncio.run, tell())

    assert machines.run(ask, ask) == ((1000, "localhost"), (1001, "db"))


def test_clocks_are_each_machine_s_own():
    """A machine whose crystal is fast and whose date is wrong shows so, and sleeps by its clock."""
    machines = Machines(skew_ns=7_000_000_000, drift=0.25)

    async def tell():
        loop = asyncio.get_running_loop()
        began, wall = loop.time(), time.time()
        await asyncio.sleep(10)
        timer = loop.call_at(loop.time() + 5, int)
        assert timer.when() == loop.time() + 5
        timer.cancel()
        return loop.time() - began, time.monotonic(), time.time() - wall, wall

    true, shown = machines.run(tell, tell)
    machines.close()
    assert true == (10.0, 10.0, 10.0, 1_704_067_200.0)
    assert shown == (10.0, 10.0, 10.0, 1_704_067_207.0)
    assert machines.world.time_ns >= 10_000_000_000


def test_time_passes_by_the_machine_s_clock():
    """Ten seconds of a clock that is a quarter fast are eight of the world's."""
    machines = Machines(drift=0.25)

    async def nap():
        await asyncio.sleep(10)
        return machines.world.time_ns

    assert machines.run(nap, nap) == (10_000_000_000, 8_000_000_000)
    machines.close()


def test_an_event_of_the_kernel_s_own_needs_no_loop():
    """A callback at a time runs as a step of no loop, between others; its error ends the run."""
    world = simloop.World()
    seen = []

    def break_down():
        raise LookupError("no route")

    async def main():
        world.kernel.call_at_ns(1_000_000_000, lambda: seen.append(world.time_ns))
        world.kernel.call_soon(seen.append, "soon")
        world.kernel.call_at_ns(1_500_000_000, break_down).cancel()
        await asyncio.sleep(2)
        world.kernel.call_at_ns(3_000_000_000, break_down)
        await asyncio.sleep(2)

    with pytest.raises(LookupError, match="no route"):
        simloop.run(main(), world=world)
    assert seen == ["soon", 1_000_000_000]
