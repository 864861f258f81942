"""Programs with threads: right ones, each by a mechanism of its own, and races with their twins."""

from __future__ import annotations

import asyncio
import concurrent.futures
import fcntl
import functools
import io
import logging
import os
import queue
import socket
import tempfile
import threading
import time
import zoneinfo
from pathlib import Path

import simloop


async def locks():
    """Two locks, always in one order."""
    outer, inner, total = threading.Lock(), threading.Lock(), [0]

    def add():
        for _ in range(3):
            with outer:
                value = total[0]
                with inner:
                    total[0] = value + 1

    await asyncio.gather(*(asyncio.to_thread(add) for _ in range(3)))
    assert total == [9]


async def reentrant_locks():
    """A lock that its holder takes again."""
    lock, rows = threading.RLock(), []

    def add(row):
        with lock:
            rows.append(row)
            if row:
                add(row - 1)

    await asyncio.gather(*(asyncio.to_thread(add, 2) for _ in range(3)))
    assert rows == [2, 1, 0] * 3


async def queues():
    """A queue of one place between producers and a consumer, joined."""
    between, received = queue.Queue(maxsize=1), []

    def consume():
        while (item := between.get()) is not None:
            received.append(item)
            between.task_done()

    def produce(first):
        for item in range(first, first + 3):
            between.put(item)

    consumer = asyncio.create_task(asyncio.to_thread(consume))
    await asyncio.gather(*(asyncio.to_thread(produce, first) for first in (0, 10)))
    await asyncio.to_thread(between.join)
    between.put(None)
    await consumer
    assert sorted(received) == [0, 1, 2, 10, 11, 12]


async def simple_queues():
    """A queue written in C, from the loop to a thread and back."""
    there, back = queue.SimpleQueue(), queue.SimpleQueue()

    def serve():
        while (item := there.get()) is not None:
            back.put(item * 2)

    server = asyncio.create_task(asyncio.to_thread(serve))
    for item in range(3):
        there.put(item)
        assert await asyncio.to_thread(back.get) == item * 2
    there.put(None)
    await server


async def conditions():
    """A buffer whose waits look again."""
    changed, items, taken = threading.Condition(), [], []

    def take():
        with changed:
            changed.wait_for(lambda: items)
            taken.append(items.pop(0))

    def give(item):
        with changed:
            items.append(item)
            changed.notify()

    takers = [asyncio.to_thread(take) for _ in range(3)]
    await asyncio.gather(*takers, *(asyncio.to_thread(give, item) for item in range(3)))
    assert sorted(taken) == [0, 1, 2]


async def barriers():
    """Rounds that nobody begins before all have ended the last."""
    barrier, rounds = threading.Barrier(3), []

    def work():
        for number in range(2):
            rounds.append(number)
            barrier.wait()

    await asyncio.gather(*(asyncio.to_thread(work) for _ in range(3)))
    assert rounds == [0, 0, 0, 1, 1, 1]


async def semaphores():
    """No more than two at a time."""
    places, inside, most = threading.BoundedSemaphore(2), [], [0]

    def work(number):
        with places:
            inside.append(number)
            most[0] = max(most[0], len(inside))
            time.sleep(0.01)
            inside.remove(number)

    await asyncio.gather(*(asyncio.to_thread(work, number) for number in range(4)))
    assert most[0] <= 2


async def events():
    """What is written before an event is set is there for who waited for it."""
    ready, box = threading.Event(), []

    def write():
        box.append("value")
        ready.set()

    def read():
        ready.wait()
        return box[0]

    values = await asyncio.gather(asyncio.to_thread(read), asyncio.to_thread(write))
    assert values[0] == "value"


async def threads_of_its_own():
    """Threads that the loop's thread starts and joins."""
    lock, total = threading.Lock(), [0]

    def add():
        with lock:
            total[0] += 1

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total == [3]


async def pools():
    """An executor of the program's own, its results in the order of its arguments."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        assert [*pool.map(lambda number: number * 2, range(4))] == [0, 2, 4, 6]
        loop = asyncio.get_running_loop()
        jobs = [loop.run_in_executor(pool, pow, number, 2) for number in range(4)]
        assert await asyncio.gather(*jobs) == [0, 1, 4, 9]


async def calls_into_the_loop():
    """A thread that has the loop do what only it may."""
    loop, seen = asyncio.get_running_loop(), []

    async def on_loop(number):
        before = len(seen)
        seen.append(number)
        assert len(seen) == before + 1
        await asyncio.sleep(0)
        return number

    def work(first):
        for number in range(first, first + 2):
            job = asyncio.run_coroutine_threadsafe(on_loop(number), loop)
            assert job.result() == number

    await asyncio.gather(asyncio.to_thread(work, 0), asyncio.to_thread(work, 10))
    assert sorted(seen) == [0, 1, 10, 11]


async def logs():
    """A logger that threads share, with a handler of its own."""
    lines = []

    class Lines(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())

    log, handler = logging.getLogger("threaded_programs"), Lines()
    log.propagate = False
    log.addHandler(handler)
    try:
        await asyncio.gather(*(asyncio.to_thread(log.warning, "%d", n) for n in range(3)))
    finally:
        log.removeHandler(handler)
    assert sorted(lines) == ["0", "1", "2"]


async def sockets():
    """Two ends of a connection, in two threads."""
    ours, theirs = socket.socketpair()

    def echo():
        with theirs:
            while data := theirs.recv(100):
                theirs.sendall(data)

    def ask():
        with ours:
            ours.sendall(b"question")
            answer = b""
            while len(answer) < 8:
                answer += ours.recv(8)
            return answer

    _, answer = await asyncio.gather(asyncio.to_thread(echo), asyncio.to_thread(ask))
    assert answer == b"question"


async def files():
    """Files that are made by one, by exclusive creation, and replaced as a whole."""
    with tempfile.TemporaryDirectory() as home:
        lock, kept = Path(home) / "lock", Path(home) / "kept"

        def write(name):
            try:
                os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return False
            new = kept.with_suffix(".new")
            new.write_text(name)
            new.replace(kept)
            return True

        wrote = await asyncio.gather(*(asyncio.to_thread(write, name) for name in "ab"))
        assert sum(wrote) == 1
        assert kept.read_text() in {"a", "b"}


async def caches():
    """A value that is made once, by a lock that is looked behind again."""
    lock, made, cache = threading.Lock(), [], {}

    def get():
        if "value" not in cache:
            with lock:
                if "value" not in cache:
                    made.append(1)
                    cache["value"] = len(made)
        return cache["value"]

    assert set(await asyncio.gather(*(asyncio.to_thread(get) for _ in range(3)))) == {1}


async def timers():
    """A timer's thread, and who waits for it."""
    done = threading.Event()
    timer = threading.Timer(0.01, done.set)
    timer.start()
    assert await asyncio.to_thread(done.wait, 60)
    await asyncio.to_thread(timer.join)


async def janus_queues():
    """The queue of janus, between a thread and a task."""
    import janus

    between = janus.Queue(maxsize=1)

    def produce():
        for item in range(4):
            between.sync_q.put(item)
        between.sync_q.join()

    job = asyncio.create_task(asyncio.to_thread(produce))
    for item in range(4):
        assert await between.async_q.get() == item
        between.async_q.task_done()
    await job
    await between.aclose()


async def databases():
    """aiosqlite, whose connection lives in a thread of its own."""
    import aiosqlite

    async with aiosqlite.connect(":memory:") as db:
        await db.execute("create table t (n int)")
        await asyncio.gather(*(db.execute("insert into t values (?)", (n,)) for n in range(3)))
        async with db.execute("select sum(n) from t") as rows:
            assert await rows.fetchone() == (3,)


RIGHT = (
    *(locks, reentrant_locks, queues, simple_queues, conditions, barriers, semaphores, events),
    *(threads_of_its_own, pools, calls_into_the_loop, logs, sockets, files, caches, timers),
    *(janus_queues, databases),
)


async def lost_between_records() -> None:
    """Two threads raise a number, and log in between by a logger that the process keeps."""
    logger, handler = (
        logging.getLogger("lost_between_records"),
        logging.StreamHandler(io.StringIO()),
    )
    logger.propagate = False
    logger.addHandler(handler)
    number = [0]

    def work() -> None:
        for _ in range(2):
            before = number[0]
            logger.warning("it is %d", before)
            number[0] = before + 1

    try:
        await asyncio.gather(asyncio.to_thread(work), asyncio.to_thread(work))
    finally:
        logger.removeHandler(handler)
    assert number == [4]


async def lost_between_zones() -> None:
    """Two threads raise a number, and in between ask for a time zone, which is read once."""
    number = [0]

    def work() -> None:
        for _ in range(2):
            before = number[0]
            zoneinfo.ZoneInfo("Europe/Oslo")
            time.sleep(0)
            number[0] = before + 1

    await asyncio.gather(asyncio.to_thread(work), asyncio.to_thread(work))
    assert number == [4]


async def lost_update():
    """Two threads read, let a lock go by, and write."""
    total, lock = [0], threading.Lock()

    def add():
        value = total[0]
        with lock:
            pass
        total[0] = value + 1

    await asyncio.gather(asyncio.to_thread(add), asyncio.to_thread(add))
    assert total == [2]


# Processes of one host ---------------------------------------------------------------------------


def on_a_host(*programs, check, files=()):
    """Make a program that starts some on one machine, waits for all, and checks its files."""

    async def main():
        host = simloop.current_world().add_host("m")
        for path, data in files:
            host.disk.write(path, data)
        started = [host.start(program) for program in programs]
        codes = [await each.exited() for each in started]
        check(host, codes)

    return main


def count(*, is_locked=False):
    """Add one to a number in a file."""
    time.sleep(1)
    with Path("/srv/lock").open("w") as lock:
        if is_locked:
            fcntl.flock(lock, fcntl.LOCK_EX)
        value = int(Path("/srv/n").read_text() or 0)
        Path("/srv/n").write_text(str(value + 1))


def make_folder(*, is_right=False):
    """Make a folder where there is none."""
    folder = Path("/srv/cache")
    if is_right or not folder.exists():
        folder.mkdir(exist_ok=is_right)


def publish(*, is_right=False):
    """Write a file under another name, and rename it into place."""
    name = f"/srv/rows.{os.getpid() if is_right else 'tmp'}"
    Path(name).write_text("rows")
    Path(name).replace("/srv/rows")


def claim(*, is_right=False):
    """Exit with 0 for the one that holds the file of the service, else with 3."""
    if is_right:
        try:
            os.close(os.open("/srv/pid", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            raise SystemExit(3) from None
        return
    file = Path("/srv/pid")
    if file.exists():
        raise SystemExit(3)
    file.write_text(str(os.getpid()))


def _counted(host, codes):
    assert codes == [0, 0]
    assert host.disk.read("/srv/n") == b"2"


def _ended_well(_host, codes):
    assert codes == [0, 0]


def _one_claimed(_host, codes):
    assert sorted(codes) == [0, 3]


def _both(program, check, **options):
    files = [("/srv/n", b"0")]
    right = functools.partial(program, **options)
    return (
        on_a_host(program, program, check=check, files=files),
        on_a_host(right, right, check=check, files=files),
    )


HOSTED = {
    "count": _both(count, _counted, is_locked=True),
    "make_folder": _both(make_folder, _ended_well, is_right=True),
    "publish": _both(publish, _ended_well, is_right=True),
    "claim": _both(claim, _one_claimed, is_right=True),
}
"""Programs of two processes that race for a file, and their twins that are right."""
