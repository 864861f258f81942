"""Threads that a program starts inside of a world while no loop of it runs."""

from __future__ import annotations

import asyncio
import concurrent.futures as cf
import queue
import threading
import time

import pytest

import simloop


def test_a_thread_is_virtual_before_any_loop_is_there() -> None:
    """In a world without a loop, threads start, sleep and are joined in virtual time."""
    seen = []

    def work() -> None:
        time.sleep(3600)
        seen.append(time.monotonic())

    world = simloop.World()
    with world.inside():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert seen == [3600.0]
    assert world.time_ns == 3600 * 10**9


def test_a_thread_started_before_the_run_serves_it() -> None:
    """A thread from before talks to the loop, outlives it, and ends when it is told to."""
    orders: queue.Queue[tuple[asyncio.AbstractEventLoop, asyncio.Future[float]] | None]
    orders = queue.Queue()

    def serve() -> None:
        while (order := orders.get()) is not None:
            loop, future = order
            time.sleep(5)
            loop.call_soon_threadsafe(future.set_result, time.monotonic())

    async def main() -> float:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[float] = loop.create_future()
        orders.put((loop, future))
        return await future

    world = simloop.World()
    with world.inside():
        thread = threading.Thread(target=serve)
        thread.start()
        assert [simloop.run(main(), world=world) for _ in range(2)] == [5.0, 10.0]
        assert thread.is_alive()
        orders.put(None)
        thread.join()
        assert not thread.is_alive()


def test_waiting_between_runs_leaves_no_loop_running() -> None:
    """A step of a loop's thread that the main thread waits for makes that loop no running one."""
    gate = threading.Event()

    async def start() -> threading.Thread:
        thread = threading.Thread(target=gate.wait)
        thread.start()
        return thread

    world = simloop.World()
    loop = simloop.SimLoop(world=world)
    with world.inside():
        thread = loop.run_until_complete(start())
        gate.set()
        thread.join()
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        loop.run_until_complete(asyncio.sleep(1))
    loop.close()


@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (cf.CancelledError, asyncio.CancelledError),
        (cf.InvalidStateError, asyncio.InvalidStateError),
        (TimeoutError, TimeoutError),
    ],
)
def test_errors_of_other_futures_become_asyncio_s(run_either, raised, seen) -> None:
    """A job that waited for a concurrent future in vain raises what awaiting one would."""

    def job() -> None:
        raise raised("said so")

    async def main() -> tuple[type[BaseException], tuple[object, ...]]:
        try:
            await asyncio.get_running_loop().run_in_executor(None, job)
        except BaseException as error:  # noqa: BLE001 - whatever it is is compared
            return type(error), error.args
        raise AssertionError("nothing was raised")

    assert run_either(main()) == (seen, ("said so",))


def test_a_thread_of_the_run_may_close_a_loop_of_its_own() -> None:
    """A second loop of the world can be made and closed in a thread while the first one runs."""

    async def main() -> bool:
        world = asyncio.get_running_loop().world

        def work() -> bool:
            other = simloop.SimLoop(world=world)
            other.call_soon(print)
            other.close()
            return other.is_closed()

        return await asyncio.to_thread(work)

    assert simloop.run(main())
