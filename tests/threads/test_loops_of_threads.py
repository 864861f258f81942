"""Loops that threads of a run make for themselves: ``asyncio.run`` in a thread, and its kin."""

from __future__ import annotations

import asyncio
import concurrent.futures as cf
import selectors
import signal
import threading
import time

import pytest

import simloop


def test_asyncio_run_in_a_job_of_the_executor(run_either) -> None:
    """A job may run a loop of its own, with tasks, timers and threads; and another one after it."""

    async def inner(name: str) -> list[str]:
        return await asyncio.gather(
            asyncio.sleep(0.01, f"{name} slept"), asyncio.to_thread(str.upper, name)
        )

    def work(name: str) -> list[list[str]]:
        return [asyncio.run(inner(f"{name}{number}")) for number in range(2)]

    async def main() -> list[list[list[str]]]:
        return await asyncio.gather(*(asyncio.to_thread(work, name) for name in "ab"))

    assert run_either(main()) == [
        [["a0 slept", "A0"], ["a1 slept", "A1"]],
        [["b0 slept", "B0"], ["b1 slept", "B1"]],
    ]


def test_loops_of_jobs_sleep_side_by_side(simulate) -> None:
    """The loops of two jobs, and a thread of each, sleep at the same time, exactly."""

    async def inner(delay: float) -> float:
        begin = time.monotonic()
        await asyncio.gather(asyncio.sleep(delay), asyncio.to_thread(time.sleep, 2 * delay))
        return time.monotonic() - begin

    def work() -> list[float]:
        return [asyncio.run(inner(50)) for _ in range(2)]

    async def main() -> object:
        jobs = asyncio.gather(asyncio.to_thread(work), asyncio.to_thread(work))
        return await jobs, time.monotonic()

    assert simulate(main).value == ([[100.0] * 2] * 2, 200.0)


def test_a_loop_in_a_thread_serves_the_first_one(run_either) -> None:
    """The loop of a thread runs coroutines for others until it is told to stop."""

    async def main() -> tuple[str, bool]:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        slow = asyncio.run_coroutine_threadsafe(asyncio.sleep(0.01, "slow"), loop)
        result = await asyncio.wrap_future(slow)
        is_running = loop.is_running()
        loop.call_soon_threadsafe(loop.stop)
        await asyncio.to_thread(thread.join)
        loop.close()
        return result, is_running

    assert run_either(main()) == ("slow", True)


def test_loops_speak_by_sockets(run_either) -> None:
    """A server on the first loop and clients on loops of threads, a megabyte each way."""
    data = bytes(1_000_000)

    async def echo(reader, writer):
        while chunk := await reader.read(1 << 16):
            writer.write(chunk)
            await writer.drain()
        writer.close()

    async def client(port: int) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        answer = await reader.readexactly(len(data))
        writer.close()
        await writer.wait_closed()
        return answer == data

    async def main() -> list[bool]:
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            jobs = [asyncio.to_thread(asyncio.run, client(port)) for _ in range(3)]
            return await asyncio.gather(*jobs)

    assert run_either(main()) == [True] * 3


def test_each_thread_has_its_own_running_loop(run_either) -> None:
    """In callbacks of a thread's loop that loop is the running one, also after a wait."""

    async def inner() -> list[bool]:
        loop, ident, seen = asyncio.get_running_loop(), threading.get_ident(), []
        for _ in range(3):
            await asyncio.sleep(0.001)
            here = asyncio.get_running_loop() is loop and threading.get_ident() == ident
            seen.append(here and asyncio.current_task() in asyncio.all_tasks())
        return seen

    async def main() -> list[bool]:
        job = asyncio.create_task(asyncio.to_thread(asyncio.run, inner()))
        return (await inner()) + await job

    assert run_either(main()) == [True] * 6


def test_a_loop_that_polls_lets_others_run(run_either) -> None:
    """A coroutine that spins in its thread until somebody else is ready does not stop them."""

    async def main() -> str:
        flag = threading.Event()

        async def poll() -> str:
            while not flag.is_set():
                await asyncio.sleep(0)
            return "seen"

        job = asyncio.create_task(asyncio.to_thread(asyncio.run, poll()))
        await asyncio.sleep(0)
        flag.set()
        return await job

    assert run_either(main()) == "seen"


def test_signal_handlers_are_the_main_threads(run_either) -> None:
    """``add_signal_handler`` on the loop of another thread is refused, as asyncio does."""

    async def inner() -> str:
        with pytest.raises(RuntimeError, match="main thread"):
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, print)
        return "refused"

    async def main() -> str:
        return await asyncio.to_thread(asyncio.run, inner())

    assert run_either(main()) == "refused"


def test_time_is_the_worlds(simulate) -> None:
    """Sleeps of loops in threads and of the first loop share one clock, and cost no real time."""

    async def inner(delay: float) -> float:
        await asyncio.sleep(delay)
        time.sleep(delay)
        return asyncio.get_running_loop().time()

    async def main() -> object:
        jobs = [asyncio.to_thread(asyncio.run, inner(delay)) for delay in (3600, 60)]
        return await asyncio.gather(asyncio.sleep(600, "first"), *jobs), time.monotonic()

    assert simulate(main).value == (["first", 7200.0, 120.0], 7200.0)


@pytest.mark.slow
def test_two_runs_of_many_loops_are_the_same() -> None:
    """Steps of a thread's loop are steps of the run: each is in its digest, in the same order."""

    async def inner(number: int) -> int:
        async with asyncio.TaskGroup() as group:
            for each in range(number):
                group.create_task(asyncio.sleep(each % 3))
        return number

    async def main() -> list[int]:
        return await asyncio.gather(*[asyncio.to_thread(asyncio.run, inner(n)) for n in range(9)])

    simloop.check(main, seeds=range(3))
    outcome = simloop.simulate(main)
    assert outcome.value == list(range(9))
    assert outcome.steps > 9 * 8 / 2


@pytest.mark.parametrize("make", [asyncio.new_event_loop, asyncio.SelectorEventLoop])
def test_every_way_to_make_a_loop_gives_one_of_the_world(make) -> None:
    """Asyncio's own class makes a loop of the world, too; outside it is what it was."""

    async def main() -> bool:
        loop, first = make(), asyncio.get_running_loop()
        loop.close()
        return isinstance(loop, type(first)) and loop.world is first.world

    assert simloop.run(main())
    real = asyncio.SelectorEventLoop(selectors.SelectSelector())
    assert type(real) is asyncio.SelectorEventLoop
    real.close()


def test_what_a_loop_was_given_before_it_ran_waits_for_its_thread(simulate) -> None:
    """Tasks, callbacks and timers that others scheduled run in the thread that runs the loop."""

    async def main() -> list[object]:
        loop, seen = asyncio.new_event_loop(), []
        note = lambda what: seen.append((what, loop.time(), threading.current_thread().name))  # noqa: E731
        loop.call_soon(note, "soon")
        loop.call_later(5, note, "later")
        loop.call_later(7, loop.stop)
        await asyncio.sleep(2)
        assert seen == []
        thread = threading.Thread(target=loop.run_forever, name="runner")
        thread.start()
        await asyncio.to_thread(thread.join)
        loop.close()
        return seen

    assert simulate(main).value == [("soon", 2.0, "runner"), ("later", 5.0, "runner")]


def test_a_world_without_a_running_loop() -> None:
    """A plain function inside a world may make a loop, give it to a thread, and wait for it."""
    world = simloop.World()
    with world.inside():
        loop = simloop.SimLoop(world=world)
        fired = []
        handles = [loop.call_later(delay, fired.append, delay) for delay in (3, 1, 2, 40)]
        handles[2].cancel()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        future = asyncio.run_coroutine_threadsafe(asyncio.sleep(30, "done"), loop)
        assert future.result() == "done"
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    assert (fired, world.time_ns) == ([1, 3], 30 * 10**9)


def test_a_pool_whose_threads_run_loops(simulate) -> None:
    """One loop for each thread of a pool, kept in a thread's local storage."""
    local = threading.local()

    def job(delay: float) -> float:
        if not hasattr(local, "loop"):
            local.loop = asyncio.new_event_loop()
            loops.append(local.loop)
        return local.loop.run_until_complete(asyncio.sleep(delay, delay))

    loops = []

    async def main() -> list[float]:
        with cf.ThreadPoolExecutor(2) as pool:
            jobs = [asyncio.wrap_future(pool.submit(job, delay)) for delay in (4, 3, 2, 1)]
            results = await asyncio.gather(*jobs)
        for loop in loops:
            loop.close()
        return results

    outcome = simulate(main)
    assert (outcome.value, outcome.time) == ([4, 3, 2, 1], 5.0)


def test_a_deadlock_names_the_tasks_of_all_loops() -> None:
    """A report lists what the tasks on a thread's loop wait for, beside the first loop's."""

    async def inner() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        await asyncio.to_thread(asyncio.run, inner())

    with pytest.raises(simloop.DeadlockError, match=r"inner.*waits for the event"):
        simloop.run(main())


def test_a_limit_ends_the_world_whichever_loop_meets_it() -> None:
    """A coroutine that spins on a thread's loop is found, and the run ends by its error."""

    async def inner() -> None:
        while True:
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.to_thread(asyncio.run, inner())

    with pytest.raises(simloop.LimitError, match="spins"):
        simloop.run(main(), livelock_steps=1000)


def test_driving_a_threads_loop_is_refused() -> None:
    """The loop of a thread has no host: the driving calls say whose it is."""

    async def main() -> None:
        loop = asyncio.new_event_loop()
        for call in (loop.step, loop.run_ready, lambda: loop.on_earlier(print)):
            with pytest.raises(simloop.UsageError, match="made for itself"):
                call()
        loop.close()

    simloop.run(main())


def test_a_real_loop_on_request() -> None:
    """Where real sockets are allowed, asyncio's loop is a real one."""

    async def main() -> type:
        with simloop.allow("sockets"):
            loop = asyncio.new_event_loop()
        loop.close()
        return type(loop)

    assert simloop.run(main()) is asyncio.SelectorEventLoop


def test_whoever_watches_hears_of_each_step_and_its_end() -> None:
    """Steps of a thread's loop are told within the step of the thread, begun and ended."""
    told: list[tuple[str, object]] = []

    class Watcher:
        def step(self, _now_ns, handle) -> None:
            told.append(("begun", handle))

        def stepped(self, _now_ns, handle) -> None:
            told.append(("ended", handle))

    async def main() -> None:
        await asyncio.to_thread(asyncio.run, asyncio.sleep(1))

    world = simloop.World()
    world.watch(Watcher())
    simloop.run(main(), world=world)
    open_steps = []
    deepest = 0
    for what, handle in told:
        if what == "begun":
            open_steps.append(handle)
        else:
            assert open_steps.pop() is handle
        deepest = max(deepest, len(open_steps))
    assert (open_steps, deepest) == ([], 2)


def test_the_whole_operating_system_is_there(simulate) -> None:
    """A thread's loop has the world's names, datagrams, processes and pipes."""

    async def upper(process) -> None:
        process.stdout.write((await process.stdin.read()).upper())

    class Hear(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.heard = asyncio.get_running_loop().create_future()

        def datagram_received(self, data, _address) -> None:
            self.heard.set_result(data)

    async def inner() -> list[object]:
        loop = asyncio.get_running_loop()
        (found, *_) = await loop.getaddrinfo("db.internal", 5432)
        transport, hear = await loop.create_datagram_endpoint(Hear, local_addr=("127.0.0.1", 9000))
        transport.sendto(b"udp", ("127.0.0.1", 9000))
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec("upper", stdin=pipe, stdout=pipe)
        told = [found[-1][0], await hear.heard, await process.communicate(b"abc"), loop.time()]
        transport.close()
        return told

    async def main() -> list[object]:
        world = asyncio.get_running_loop().world
        world.names.add("db.internal", "10.0.0.5")
        world.names.delay("db.internal", 3)
        world.programs.register("upper", upper)
        return await asyncio.to_thread(asyncio.run, inner())

    assert simulate(main).value == ["10.0.0.5", b"udp", (b"ABC", None), 3.0]


def test_threads_of_threads_run_loops(simulate) -> None:
    """A loop's job may run a loop whose job runs a loop."""

    async def inner(depth: int) -> float:
        if depth:
            return await asyncio.to_thread(asyncio.run, inner(depth - 1))
        await asyncio.sleep(60)
        return asyncio.get_running_loop().time()

    assert simulate(lambda: inner(4)).value == 60.0


def test_a_run_ends_the_loops_that_its_threads_still_run(simulate) -> None:
    """A daemon's loop is ended where it waits, and its tasks clean up, as the run ends."""
    seen: list[float] = []

    async def forever() -> None:
        try:
            while True:
                await asyncio.sleep(1)
        finally:
            seen.append(asyncio.get_running_loop().time())

    async def main() -> None:
        threading.Thread(target=lambda: asyncio.run(forever()), daemon=True).start()
        await asyncio.sleep(10.5)

    simulate(main)
    assert seen == [10.5, 10.5]


def test_real_pools_serve_a_threads_loop(run_either) -> None:
    """An executor of the user's runs for real, and answers the loop that asked."""

    async def inner() -> int:
        with cf.ThreadPoolExecutor(1) as pool:
            return await asyncio.get_running_loop().run_in_executor(pool, pow, 2, 5)

    async def main() -> int:
        return await asyncio.to_thread(asyncio.run, inner())

    assert run_either(main()) == 32
