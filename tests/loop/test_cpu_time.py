"""Clocks of CPU time tell what a program computes, and stand still while it waits."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time

import pytest

import simloop

resource = pytest.importorskip("resource")

CLOCKS = {
    "process_time": time.process_time,
    "process_time_ns": lambda: time.process_time_ns() / 1e9,
    "clock_gettime": lambda: time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID),
    "thread_time": time.thread_time,
    "thread_time_ns": lambda: time.thread_time_ns() / 1e9,
    "clock_gettime of a thread": lambda: time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID),
    "pthread_getcpuclockid": lambda: time.clock_gettime(
        time.pthread_getcpuclockid(threading.get_ident())
    ),
    "times": lambda: sum(os.times()[:2]),
    "getrusage": lambda: resource.getrusage(resource.RUSAGE_SELF).ru_utime,
}
if hasattr(resource, "RUSAGE_THREAD"):  # Linux has it alone.
    CLOCKS["getrusage of a thread"] = lambda: resource.getrusage(resource.RUSAGE_THREAD).ru_utime


@pytest.fixture
def run_main(factory):
    """Run a coroutine function on either arm."""

    def run(main):
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main())

    return run


BLOCK = 0.06  # Real seconds on one arm, and far more than what a wakeup computes.


@pytest.mark.parametrize("name", CLOCKS)
def test_it_stands_still_while_a_program_waits(name, run_main):
    """Awaiting a sleep, and sleeping, uses a small part of the time that passes."""
    read = CLOCKS[name]

    async def main():
        began = read()
        await asyncio.sleep(BLOCK / 2)
        time.sleep(BLOCK / 2)
        return read() - began

    assert 0 <= run_main(main) < BLOCK / 2


@pytest.mark.parametrize("name", [name for name in CLOCKS if name != "times"])
def test_a_program_that_spins_uses_what_passes(name, run_main):
    """A wait for CPU time ends; as much has passed on the others, and on the clock at least."""
    read = CLOCKS[name]

    async def main():
        began, clock, used = read(), time.monotonic(), time.process_time()
        while read() < began + 0.02:
            pass
        return time.monotonic() - clock, time.process_time() - used

    passed, used = run_main(main)
    assert passed >= used - 0.001
    assert used >= 0.019


@pytest.mark.parametrize("delay", [0, 0.0001])
def test_a_program_that_computes_by_pieces_comes_to_its_end(delay, run_main):
    """Rounds of a poll use CPU time, whether something else passes between them or not."""

    async def main():
        end = time.process_time() + 0.01
        while time.process_time() < end:
            await asyncio.sleep(delay)
        return time.process_time() >= end

    assert run_main(main)


def test_a_thread_s_time_is_its_own(run_main):
    """What another thread computes counts for the process, and not for this thread."""

    async def main():
        def spin():
            end = time.thread_time() + 0.02
            while time.thread_time() < end:
                pass

        used, own = time.process_time(), time.thread_time()
        await asyncio.to_thread(spin)
        return time.process_time() - used, time.thread_time() - own

    used, own = run_main(main)
    assert used >= 0.02
    assert own < used / 2


def test_a_reading_that_takes_time_uses_it():
    """With ``clock_tick`` a process computes while it reads, and never longer than time passes."""

    async def main():
        began, used = time.perf_counter_ns(), time.process_time_ns()
        for _ in range(1000):
            time.monotonic()
        used, passed = time.process_time_ns() - used, time.perf_counter_ns() - began
        await asyncio.sleep(10)
        return used, passed, time.process_time_ns()

    used, passed, later = simloop.run(main(), clock_tick=1e-6)
    assert used == 1_001_000
    assert used <= passed
    assert later < 2 * used


@pytest.mark.skipif(sys.platform != "linux", reason="hosts need Linux")
def test_processes_compute_each_for_itself():
    """A host's process has used nothing when another one has spun."""

    async def serve():
        await asyncio.sleep(1)
        used.append(time.process_time())

    async def main():
        simloop.current_world().add_host("idle", serve)
        while time.process_time() < 0.5:
            pass
        await asyncio.sleep(2)
        return time.process_time()

    used = []
    assert 0.5 <= simloop.run(main()) < 0.51
    assert used[0] < 0.001
    assert simloop.run(asyncio.sleep(0, 1)) == 1
    assert simloop.simulate(ask).value == 0, "a new run begins anew"


def test_the_clock_of_another_thread_is_refused():
    """A thread alone can tell what it has computed: the real call crashes on what is no thread."""

    async def main():
        with pytest.raises(simloop.UnsupportedError, match=r"time.thread_time\(\)"):
            time.pthread_getcpuclockid(threading.get_ident() + 1)

    simloop.run(main())


async def ask():
    """Return what a run has used at its begin."""
    return time.process_time()
