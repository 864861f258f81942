"""Everything on which a Python thread can wait lets the others run, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import select
import selectors
import socket
import threading
import time
from concurrent import futures

import pytest

import simloop

old_lock = threading.Lock()  # Made before any run.


def test_a_job_waits_for_what_the_loop_gives(run_either) -> None:
    """Event, Queue, SimpleQueue, Semaphore and Condition, fed by a coroutine, wake a job."""

    async def main() -> list[object]:
        event, semaphore, condition = (
            threading.Event(),
            threading.Semaphore(0),
            threading.Condition(),
        )
        plain: queue.Queue[str] = queue.Queue()
        simple: queue.SimpleQueue[str] = queue.SimpleQueue()

        def job() -> list[object]:
            event.wait()
            seen: list[object] = [plain.get(), simple.get()]
            semaphore.acquire()
            with condition:
                condition.wait()
            return seen

        def notify() -> bool:
            with condition:
                condition.notify_all()
            return task.done()

        task = asyncio.create_task(asyncio.to_thread(job))
        await asyncio.sleep(0.01)
        event.set()
        await asyncio.sleep(0.01)
        plain.put("plain")
        await asyncio.sleep(0.01)
        simple.put("simple")
        semaphore.release()
        while not notify():
            await asyncio.sleep(0.01)
        return await task

    assert run_either(main()) == ["plain", "simple"]


def test_a_job_may_wait_for_a_coroutine(simulate) -> None:
    """``run_coroutine_threadsafe(...).result()`` lets the loop go on, jumps included."""

    async def main() -> tuple[object, float]:
        loop = asyncio.get_running_loop()

        def job() -> object:
            return asyncio.run_coroutine_threadsafe(asyncio.sleep(3600, "slept"), loop).result()

        return await asyncio.to_thread(job), loop.time()

    assert simulate(main).value == ("slept", 3600.0)


def test_timeouts_are_virtual(simulate) -> None:
    """Each wait ends after its own timeout, exactly, and tells so as outside."""

    def timeouts() -> list[object]:
        lock = threading.Lock()
        lock.acquire()
        seen: list[object] = [threading.Event().wait(10), lock.acquire(timeout=10)]
        for empty in (queue.Queue(), queue.SimpleQueue()):
            with contextlib.suppress(queue.Empty):
                empty.get(timeout=10)
        with contextlib.suppress(futures.TimeoutError):
            futures.Future().result(timeout=10)
        with contextlib.suppress(threading.BrokenBarrierError):
            threading.Barrier(2).wait(10)
        done, pending = futures.wait([futures.Future()], timeout=10)
        return [*seen, len(done), len(pending), time.monotonic()]

    async def main() -> object:
        return await asyncio.to_thread(timeouts)

    assert simulate(main).value == [False, False, 0, 1, 70.0]


def test_what_comes_before_the_timeout_is_taken(simulate) -> None:
    """A wait with a timeout is woken early, and the timer leaves no trace."""

    async def main() -> object:
        box: queue.Queue[str] = queue.Queue()
        task = asyncio.create_task(asyncio.to_thread(box.get, timeout=100))
        await asyncio.sleep(1)
        box.put("early")
        return await task, asyncio.get_running_loop().time()

    outcome = simulate(main)
    assert outcome.value == ("early", 1.0)
    assert outcome.time == 1.0


@pytest.mark.parametrize("make", [threading.Lock, threading.RLock, lambda: old_lock])
def test_a_lock_held_while_sleeping_is_handed_on(simulate, make) -> None:
    """Jobs that contend for a lock, also one made before the run, take it in turn."""

    async def main() -> list[float]:
        lock = make()

        def job() -> float:
            with lock:
                time.sleep(1)
                return time.monotonic()

        return await asyncio.gather(*(asyncio.to_thread(job) for _ in range(4)))

    assert simulate(main).value == [1.0, 2.0, 3.0, 4.0]


def test_a_reentrant_lock_keeps_its_depth_in_a_condition(simulate) -> None:
    """A condition on a lock that is held twice gives it up, and takes it back twice."""

    async def main() -> object:
        condition = threading.Condition(threading.RLock())

        def waiter() -> bool:
            with condition, condition:
                done = condition.wait(5)
                condition.release()
                condition.acquire()
                return done

        def notifier() -> None:
            time.sleep(1)
            with condition:
                condition.notify()
                time.sleep(1)

        return await asyncio.gather(asyncio.to_thread(waiter), asyncio.to_thread(notifier))

    outcome = simulate(main)
    assert outcome.value == [True, None]
    assert outcome.time == 2.0


def test_a_barrier_lets_all_through_at_once(simulate) -> None:
    """Three jobs that come at different times leave a barrier together."""

    async def main() -> list[float]:
        barrier = threading.Barrier(3)

        def job(delay: float) -> float:
            time.sleep(delay)
            barrier.wait()
            return time.monotonic()

        return await asyncio.gather(*(asyncio.to_thread(job, delay) for delay in (1, 5, 3)))

    assert simulate(main).value == [5.0, 5.0, 5.0]


def test_blocking_sockets_and_pipes_wait(simulate) -> None:
    """A job that uses blocking calls talks to a server of the loop; its timeouts are virtual."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            await asyncio.sleep(1)
            writer.write(line.upper())
        writer.close()

    def client(port: int) -> list[object]:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(b"hello\n")
            seen: list[object] = [sock.recv(100), time.monotonic()]
            sock.settimeout(0.25)
            sock.sendall(b"late\n")
            with pytest.raises(TimeoutError):
                sock.recv(100)
            return [*seen, time.monotonic()]

    async def main() -> object:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        seen = await asyncio.to_thread(client, server.sockets[0].getsockname()[1])
        server.close()
        reading, writing = os.pipe()
        reads = asyncio.create_task(asyncio.to_thread(os.read, reading, 10))
        await asyncio.sleep(1)
        os.write(writing, b"piped")
        seen.append(await reads)
        os.close(reading)
        os.close(writing)
        return seen

    assert simulate(main).value == [b"HELLO\n", 1.0, 1.25, b"piped"]


POLLS = {
    "select": lambda sock, timeout: select.select([sock], [], [], timeout)[0],
    "poll": lambda sock, timeout: poll_once(select.poll(), sock, timeout * 1000),
    "epoll": lambda sock, timeout: poll_once(select.epoll(), sock, timeout),
}


def poll_once(poll, sock, timeout):
    poll.register(sock, select.POLLIN)
    return poll.poll(timeout)


@pytest.mark.parametrize("ask", POLLS.values(), ids=POLLS)
def test_asking_again_and_again_takes_time(simulate, ask) -> None:
    """A thread that asks in a loop what is ready lets others run, and its deadline comes."""

    def until_ready(sock: socket.socket) -> float:
        while not ask(sock, 0):
            pass
        return time.monotonic()

    def until_later(sock: socket.socket) -> float:
        deadline = time.monotonic() + 1
        timeout = 1.0
        while not ask(sock, timeout) and (timeout := deadline - time.monotonic()) >= 0:
            pass  # Exactly at the deadline it asks once more.
        return round(time.monotonic(), 3)

    async def main() -> object:
        first, second = socket.socketpair()
        with first, second:
            at_home = until_later(first)
            late = await asyncio.to_thread(until_later, first)
            job = asyncio.create_task(asyncio.to_thread(until_ready, first))
            await asyncio.sleep(0.5)
            second.send(b"x")
            return at_home, late, 2.5 <= await job < 2.502

    assert simulate(main).value == (1.0, 2.0, True)


def test_asking_a_few_times_takes_none(simulate) -> None:
    """What programs ask by the way, as before using a connection again, moves no clock."""

    async def main() -> float:
        first, second = socket.socketpair()
        with first, second:
            for _ in range(50):
                assert not select.select([first], [], [], 0)[0]
        return time.monotonic()

    assert simulate(main).value == 0.0


def test_the_loops_own_thread_may_wait_for_a_job(simulate) -> None:
    """Waiting in a coroutine lets threads run; callbacks are late, as behind a real wait."""

    async def main() -> list[object]:
        loop = asyncio.get_running_loop()
        seen: list[object] = []
        event = threading.Event()

        def job() -> None:
            time.sleep(5)
            seen.append(time.monotonic())
            event.set()

        loop.call_later(1, lambda: seen.append(("late", loop.time())))
        future = loop.run_in_executor(None, job)
        event.wait()
        seen.append("waited")
        await future
        return seen

    assert simulate(main).value == [5.0, "waited", ("late", 5.0)]


@pytest.mark.parametrize("pause", [0, 1])
def test_threads_take_turns_in_order_while_the_loops_own_thread_waits(simulate, pause) -> None:
    """The thread that became able to run first goes first: at the start, after sleeps, at locks."""
    names = ("a", "b", "c")

    async def main() -> list[object]:
        seen: list[object] = []
        lock, done = threading.Lock(), threading.Event()

        def job(name: str) -> None:
            for _ in range(2):
                seen.append(name)
                time.sleep(pause)
            with lock:
                time.sleep(1)
                seen.append(f"{name} held it")
            if name == names[-1]:
                done.set()

        loop = asyncio.get_running_loop()
        jobs = [loop.run_in_executor(None, job, name) for name in names]
        done.wait()
        seen.append("waited")
        await asyncio.gather(*jobs)
        return seen

    expected = [*names, *names, *(f"{name} held it" for name in names), "waited"]
    assert simulate(main).value == expected


def test_the_loops_own_wait_times_out(simulate) -> None:
    """A timeout of the loop's own thread lets that much time pass."""

    async def main() -> object:
        return threading.Event().wait(5), asyncio.get_running_loop().time()

    assert simulate(main).value == (False, 5.0)


def test_threads_run_while_the_loop_sleeps_for_real_code(simulate) -> None:
    """``time.sleep`` on the loop's thread blocks the loop, not the threads."""

    async def main() -> list[object]:
        seen: list[object] = []

        def job() -> None:
            for _ in range(3):
                time.sleep(1)
                seen.append(time.monotonic())

        future = asyncio.get_running_loop().run_in_executor(None, job)
        await asyncio.sleep(0)
        time.sleep(2.5)
        seen.append("woke")
        await future
        return seen

    assert simulate(main).value == [1.0, 2.0, "woke", 3.0]


def test_a_wait_that_nobody_can_end_is_a_deadlock() -> None:
    """The loop's thread is told at the line that waits, and why."""

    async def main() -> None:
        threading.Event().wait()

    with pytest.raises(simloop.DeadlockError, match=r"(?s)own thread waits.*to_thread") as caught:
        simloop.run(main())
    assert "threading.Event().wait()" in str(caught.value)


def test_a_deadlock_tells_where_the_job_stands() -> None:
    """The report shows the line in the job at which a task's wait hangs."""

    def job() -> None:
        event = threading.Event()
        event.wait()  # Here.

    async def main() -> None:
        await asyncio.to_thread(job)

    with pytest.raises(simloop.DeadlockError) as caught:
        simloop.run(main())
    assert "the job " in str(caught.value)
    assert "event.wait()  # Here." in str(caught.value)


def test_locks_outside_of_runs_are_the_real_ones() -> None:
    """After a run, a lock's methods are the builtin ones again."""
    real = type(old_lock).acquire
    simloop.run(asyncio.sleep(1))
    assert type(old_lock).acquire is real
    assert "simloop" not in repr(queue.SimpleQueue.get)


@pytest.mark.parametrize("way", ["select", "poll", "selectors"])
def test_a_thread_that_selects_is_woken_by_what_it_selects(run_either, way) -> None:
    """select, poll and a selector return when a descriptor is ready, not when time is up."""

    def wait(sock) -> float:
        began = time.monotonic()
        if way == "select":
            assert select.select([sock], [], [sock], 60) == ([sock], [], [])
        elif way == "poll":
            poll = select.poll()
            poll.register(sock, select.POLLIN)
            assert poll.poll(60_000) == [(sock.fileno(), select.POLLIN)]
        else:
            with selectors.PollSelector() as selector:
                selector.register(sock, selectors.EVENT_READ)
                assert len(selector.select(60)) == 1
        return time.monotonic() - began

    async def main() -> float:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            loop.call_later(0.02, theirs.send, b"x")
            return await asyncio.to_thread(wait, ours)

    assert 0 < run_either(main()) < 10  # Woken, and not by the end of the minute.


def test_the_main_thread_may_select_what_a_thread_serves() -> None:
    """Between runs, select on the main thread lets the world's threads work."""
    world = simloop.World()
    with world.inside():
        ours, theirs = socket.socketpair()
        with ours, theirs:
            thread = threading.Thread(target=lambda: (time.sleep(5), theirs.send(b"x")))
            thread.start()
            assert select.select([ours], [], [], 60)[0] == [ours]
            assert world.time_ns == 5 * 10**9
            thread.join()
            assert ours.recv(10) == b"x"
            assert select.select([ours], [], [], 10) == ([], [], [])
            assert world.time_ns == 15 * 10**9
