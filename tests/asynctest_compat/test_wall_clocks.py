"""What the program's own clocks show in a ClockedTestCase: they do not follow ``advance``."""

from __future__ import annotations

import asyncio
import datetime as dt
import queue
import threading
import time
import unittest

import asynctest_compat as asynctest
import simloop


def walls() -> tuple[float, ...]:
    now = dt.datetime.now(dt.UTC).timestamp()
    return time.time(), time.monotonic(), time.perf_counter(), now


def moved(before: tuple[float, ...]) -> list[float]:
    return [round(now - then, 5) for now, then in zip(walls(), before, strict=True)]


def run(case: type[unittest.TestCase]) -> None:
    """Run the tests of a class; the first error is raised."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun
    for _, text in result.errors + result.failures:
        raise AssertionError(text)


def test_advance_moves_the_loop_s_clock_alone() -> None:
    """The others stand still before, in callbacks on the way, and after it."""

    class Case(asynctest.ClockedTestCase):
        async def test(self) -> None:
            before, seen = walls(), []
            self.loop.call_later(60, lambda: seen.append((self.loop.time(), *moved(before))))
            await self.advance(3600)
            await self.advance(0)
            assert seen == [(60.0, 0, 0, 0, 0)]
            assert self.loop.time() == 3600.0
            assert moved(before) == [0, 0, 0, 0]

    run(Case)


def test_sleeping_moves_the_program_s_clocks_alone() -> None:
    """``time.sleep`` in a test, and in a callback during an advance, leaves the loop's time."""

    class Case(asynctest.ClockedTestCase):
        async def test(self) -> None:
            before, seen = walls(), []

            def sleep() -> None:
                time.sleep(2)
                seen.append((self.loop.time(), *moved(before)))

            time.sleep(0.25)
            assert self.loop.time() == 0.0
            self.loop.call_later(1, sleep)
            self.loop.call_later(2, sleep)
            await self.advance(10)
            assert seen == [(1.0, *[2.25] * 4), (2.0, *[4.25] * 4)]
            assert moved(before) == [4.25] * 4
            assert self.loop.time() == 10.0

    run(Case)


def test_a_job_may_sleep() -> None:
    """``time.sleep`` in an executor ends without an advance, and moves the program's clocks."""

    class Case(asynctest.ClockedTestCase):
        async def test(self) -> None:
            before = walls()
            await self.loop.run_in_executor(None, time.sleep, 5)
            assert moved(before) == [5] * 4
            assert self.loop.time() == 0.0

            flag = threading.Event()

            def poll() -> int:
                rounds = 0
                while not flag.is_set():
                    time.sleep(0.1)
                    rounds += 1
                return rounds

            job = self.loop.run_in_executor(None, poll)
            await asyncio.sleep(0)
            flag.set()
            assert await job >= 0

    run(Case)


def test_waits_of_the_library_end() -> None:
    """``queue.Queue.get(timeout=)`` in a job ends once: by the clock that its wait goes by."""

    class Case(asynctest.ClockedTestCase):
        async def test(self) -> None:
            box: queue.Queue[int] = queue.Queue()

            def get() -> str:
                try:
                    return str(box.get(timeout=1))
                except queue.Empty:
                    return "empty"

            first = self.loop.run_in_executor(None, get)
            await self.advance(0.5)
            assert not first.done()
            await self.advance(100)
            assert first.done()
            assert await first == "empty"

    run(Case)


def test_a_program_that_counts_its_waits_ends() -> None:
    """A wait with a timeout on the loop's thread lets the program's clocks pass as well."""

    class Case(asynctest.ClockedTestCase):
        async def test(self) -> None:
            event, end = threading.Event(), time.monotonic() + 3
            rounds = 0
            while time.monotonic() < end:
                event.wait(1)
                rounds += 1
            assert rounds == 3

    run(Case)


def test_a_plain_test_case_has_one_clock() -> None:
    """In a TestCase all of them follow the loop's."""

    class Case(asynctest.TestCase):
        async def test(self) -> None:
            before = walls()
            await asyncio.sleep(3600)
            time.sleep(1)
            assert moved(before) == [3601] * 4
            assert self.loop.time() == 3601.0

    run(Case)


def test_a_frozen_clock_of_its_own_keeps_one_clock_or_not() -> None:
    """``Clock(loop)`` moves the whole world, unless it is asked to move alone."""

    async def main() -> list[list[float]]:
        loop, seen = asyncio.get_running_loop(), []
        for alone in (False, True):
            before = walls()
            with asynctest.Clock(loop, alone=alone) as clock:
                await clock.advance(10)
                seen.append(moved(before))
                time.sleep(30)
            seen.append(moved(before))
        await asyncio.sleep(100)
        seen.append(moved(before))
        return seen

    with asyncio.Runner(loop_factory=simloop.SimLoop) as runner:
        seen = runner.run(main())
    assert seen[:3] == [[10] * 4, [40] * 4, [0] * 4]
    assert seen[3][0] == seen[3][3] == 30  # The date goes on where it was.
    assert seen[4][0] == 130
