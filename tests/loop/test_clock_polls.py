"""Waiting by the clock: a loop that reads it again and again in one step comes to an end."""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import logging
import threading
import time

import pytest

import simloop

CLOCKS = {
    "time.time": lambda: time.time,
    "time.time_ns": lambda: lambda: time.time_ns() / 1e9,
    "time.monotonic": lambda: time.monotonic,
    "time.perf_counter": lambda: time.perf_counter,
    "time.process_time": lambda: time.process_time,
    "time.clock_gettime": lambda: lambda: time.clock_gettime(time.CLOCK_MONOTONIC),
    "datetime.now": lambda: lambda: dt.datetime.now(dt.UTC).timestamp(),
    "time.localtime": lambda: lambda: time.mktime(time.localtime()),
    "loop.time": lambda: asyncio.get_running_loop().time,
    "loop.time_ns": lambda: lambda: simloop.current_loop().time_ns() / 1e9,
}


def wait_by(read):
    """Wait for three seconds by reading a clock; return by how much that was too long."""
    end = read() + 3
    while read() < end:
        pass
    return read() - end


def same_twice(main, **options):
    """Run a program twice, make sure that it is the same, and return the outcome."""
    first, second = (simloop.simulate(main, **options) for _ in range(2))
    if first.error is not None:
        raise first.error
    assert (first.digest, first.time_ns, first.value) == (
        second.digest,
        second.time_ns,
        second.value,
    )
    return first


@pytest.mark.parametrize("name", CLOCKS)
def test_a_wait_by_a_clock_ends(name):
    """A loop that waits for a time by any clock ends when it has come, and is the same twice."""

    async def main():
        return wait_by(CLOCKS[name]())

    outcome = same_twice(main)
    assert 0 <= outcome.value < 0.01
    assert 3 <= outcome.time < (4.01 if name == "time.localtime" else 3.01)


@pytest.mark.parametrize("name", ["loop.time", "time.monotonic", "datetime.now"])
def test_a_poll_over_many_turns_ends(name):
    """``while loop.time() < end: await asyncio.sleep(0)`` ends, and is the same twice."""

    async def main():
        read = CLOCKS[name]()
        end = read() + 0.1
        while read() < end:
            await asyncio.sleep(0)
        return read() - end

    outcome = same_twice(main, clock_reads=500)
    assert 0 <= outcome.value < 0.001


def poll_by_a_function(end):
    """Poll within a coroutine that another one awaits."""

    def is_over():
        return time.monotonic() >= end

    async def poll():
        while not is_over():
            await asyncio.sleep(0)

    async def within():
        await poll()

    return within()


async def poll_counting(end):
    """Poll, changing a variable each time."""
    rounds = 0
    while time.monotonic() < end:
        await asyncio.sleep(0)
        rounds += 1


async def poll_by_callbacks(end):
    """Poll by a callback that schedules itself."""
    done = asyncio.Event()

    def tick():
        if time.monotonic() < end:
            asyncio.get_running_loop().call_soon(tick)
        else:
            done.set()

    tick()
    await done.wait()


async def poll_twice_a_turn(end):
    """Poll by two reads of each turn."""
    while time.monotonic() < end and time.monotonic() < end:
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "poll", [poll_by_a_function, poll_counting, poll_by_callbacks, poll_twice_a_turn]
)
def test_every_kind_of_poll_over_turns_ends(poll):
    """Polls end by functions, counters, callbacks; several of them, each at its time."""

    async def until(end):
        await poll(end)
        return time.monotonic() - end

    async def main():
        timed = asyncio.create_task(asyncio.sleep(0.05))
        late = await asyncio.gather(until(0.1), until(0.05), until(0.08))
        assert timed.done()
        return late

    late = same_twice(main, clock_reads=100).value
    assert all(0 <= each < 0.001 for each in late)


def test_much_at_one_instant_is_no_poll():
    """Many tasks read the clock at one instant, over many turns: their sleeps stay exact."""

    async def one():
        start = time.monotonic()
        for _ in range(3):
            async with asyncio.timeout(5):
                await asyncio.sleep(0)
        await asyncio.sleep(1)
        return time.monotonic() - start

    async def in_a_row(count):
        start = time.monotonic()
        if count:
            await asyncio.create_task(in_a_row(count - 1))
        return time.monotonic() - start

    async def main():
        row = await in_a_row(150)
        return {row, *await asyncio.gather(*(one() for _ in range(400)))}

    assert simloop.run(main(), clock_reads=100) == {0.0, 1.0}


def test_a_wait_in_one_step_ends_beside_a_poll():
    """Who waits in one step is not kept up by who polls over turns."""

    async def poll():
        while time.monotonic() < 0.1:
            await asyncio.sleep(0)

    async def wait():
        await asyncio.sleep(0.02)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            pass

    async def main():
        await asyncio.gather(poll(), wait())

    assert 1.02 <= same_twice(main, clock_reads=200).time < 1.03


def test_a_poll_that_no_time_ends_is_told():
    """It is a LimitError that names the line, after ``livelock_steps`` turns."""

    async def main():
        while time.monotonic() >= 0:
            await asyncio.sleep(0)

    with pytest.raises(simloop.LimitError, match=r"in 2001 turns(.|\n)*in .*main: while time.mono"):
        simloop.run(main(), clock_reads=100, livelock_steps=2000)


def test_a_poll_ends_at_the_limit_of_time():
    """Time that passes for a poll does not pass ``max_time``."""

    async def main():
        while time.monotonic() < 100:
            await asyncio.sleep(0)

    with pytest.raises(simloop.LimitError, match="turn after turn"):
        simloop.run(main(), clock_reads=100, max_time=0.01)


def test_a_wait_by_a_clock_within_a_function_ends():
    """It does so where the loop asks a function that reads the clock."""

    async def main():
        end = time.monotonic() + 86_400

        def is_over():
            return time.monotonic() >= end

        while not is_over():
            pass
        return time.monotonic() - end

    assert 0 <= same_twice(main).value < 86_400 / 400


def test_a_wait_that_counts_its_rounds_ends():
    """It does so where each round changes a variable, at some two microseconds a round or less."""

    async def main():
        rounds, end = 0, time.perf_counter() + 0.05
        while time.perf_counter() < end:
            rounds += 1
        return rounds

    assert 25_000 < same_twice(main).value < 75_000


def test_timers_and_threads_go_on_while_a_thread_waits_by_a_clock():
    """A thread that waits by the clock leaves the loop its turns, and wakes on time."""

    async def main():
        job = asyncio.create_task(asyncio.to_thread(wait_by, time.monotonic))
        ticks = 0
        while not job.done():
            await asyncio.sleep(0.25)
            ticks += 1
        return ticks, job.result() < 0.01

    assert same_twice(main, clock_reads=100).value == (13, True)


def test_a_thread_runs_while_the_loop_waits_by_a_clock():
    """A flag that a thread of the run sets later is seen by a loop that reads the clock."""

    async def main():
        flag = []
        threading.Timer(3, flag.append, (1,)).start()
        while not flag:
            time.monotonic()
        return time.monotonic()

    assert 3 <= same_twice(main).value < 3.01


@pytest.mark.slow  # Thousands of switches of threads.
@pytest.mark.parametrize("where", ["loop", "thread"])
def test_a_wait_by_sleeps_of_nothing_ends(where):
    """``time.sleep(0)`` again and again is a wait, too: time passes, on the loop and in threads."""

    def pause():
        end = 1
        while time.monotonic() < end:
            time.sleep(0)
        return time.monotonic()

    async def main():
        return pause() if where == "loop" else await asyncio.to_thread(pause)

    assert 1 <= same_twice(main, clock_reads=100).value < 1.01


def test_many_reads_in_one_step_are_work():
    """Lines logged in one step, 20,000 of them, cost the clock some milliseconds at most."""
    log = logging.getLogger("tests.clock_polls")
    log.propagate = False
    log.setLevel(logging.INFO)
    log.addHandler(logging.StreamHandler(io.StringIO()))

    async def main():
        for number in range(2000):
            log.info("line %d", number)
        return simloop.current_loop().time_ns()

    value = same_twice(main, clock_reads=1000).value
    assert 0 < value < 2_000_000


def test_fewer_reads_than_the_limit_move_nothing():
    """Up to the limit a step may read the clock, and every reading is the same."""

    async def main():
        for _ in range(3):
            await asyncio.sleep(1)
            assert len({time.time() for _ in range(9_000)}) == 1
        return time.monotonic()

    assert same_twice(main).value == 3


def test_reads_of_two_clocks_move_nothing_before_either_is_at_the_limit():
    """The loop's clock and the machine's, read in turns, are no poll after a few hundred reads."""

    async def main():
        loop = asyncio.get_running_loop()
        for _ in [None] * 4000:
            time.monotonic()
            loop.time()
            await asyncio.sleep(0)
        return loop.time(), time.monotonic()

    assert same_twice(main).value == (0.0, 0.0)


@pytest.mark.parametrize("kind", ["tasks", "callbacks"])
def test_many_steps_at_one_instant_are_no_wait(kind):
    """Reads of many steps at one instant are each step's own, so the clock stands still."""

    async def main():
        loop = asyncio.get_running_loop()
        seen = {}

        async def read():
            seen[loop.time()] = seen[time.monotonic()] = None

        if kind == "tasks":
            await asyncio.gather(*(read() for _ in range(500)))
        else:
            for _ in range(500):
                loop.call_soon(lambda: seen.setdefault(loop.time()))
        await asyncio.sleep(0)
        return list(seen)

    assert same_twice(main, clock_reads=50).value == [0.0]


def test_what_no_time_ends_is_an_error_at_its_line():
    """Whoever reads the clock for ever is told so at the line that reads it."""

    async def main():
        while True:
            time.time()

    with pytest.raises(simloop.LimitError, match="again and again") as caught:
        simloop.run(main())
    assert "test_clock_polls.py" in str(caught.value)
    assert "time.time()" in str(caught.value)


def test_a_wait_by_the_clock_keeps_to_max_time():
    """The limit of time holds for such a wait as for a sleep."""

    async def main():
        wait_by(time.monotonic)

    with pytest.raises(simloop.LimitError, match=r"limit of 2\.0 s"):
        simloop.run(main(), max_time=2)


def test_after_a_wait_the_next_step_reads_in_peace():
    """What one step has read is not held against the next."""

    async def main():
        wait_by(time.monotonic)
        await asyncio.sleep(0)
        before = time.monotonic()
        return [time.monotonic() for _ in range(1000)] == [before] * 1000

    assert same_twice(main).value


def test_an_import_reads_without_being_counted(tmp_path, monkeypatch):
    """What a module reads when it is first imported is no part of the step, as it comes once."""
    (tmp_path / "reads_clock_often.py").write_text(
        "import time\nfor _ in range(500):\n    time.time()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    async def main():
        import reads_clock_often  # noqa: F401 - the first run loads it

        for _ in range(150):
            time.time()
        return time.monotonic()

    assert same_twice(main, clock_reads=100).value == 0.0
