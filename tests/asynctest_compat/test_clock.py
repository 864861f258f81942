"""The clock that only the test moves: ``ClockedTestCase``, ``Clock`` and ``frozen_clock``."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time

import pytest

import asynctest_compat as asynctest
import simloop


def check(result) -> None:
    assert result.wasSuccessful(), result.errors + result.failures
    assert result.testsRun


def test_a_day_takes_milliseconds(run_case, factory) -> None:
    """advance() runs what is due on the way, each at its own time, and never waits for real."""
    times = []

    class Case(asynctest.ClockedTestCase):
        loop_factory = factory

        async def test_day(self):
            async def tick():
                while True:
                    await asyncio.sleep(60)
                    times.append(self.loop.time())

            task = asyncio.ensure_future(tick())
            await self.advance(86_400)
            assert self.loop.time() == 86_400
            task.cancel()

    before = time.perf_counter()
    check(run_case(Case))
    assert time.perf_counter() - before < 5  # a bound that a busy machine keeps as well
    assert times == [60 * minute for minute in range(1, 1441)]


def test_callbacks_run_on_time(run_case, factory) -> None:
    """Those too that are scheduled on the way, and the clock ends exactly at the target."""
    seen = []

    class Case(asynctest.ClockedTestCase):
        loop_factory = factory

        async def test_it(self):
            def note():
                seen.append(self.loop.time())

            self.loop.call_later(1, note)
            self.loop.call_later(2, self.loop.call_later, 1, note)
            self.loop.call_later(0.1, note)
            cancelled = self.loop.call_later(0.5, note)
            cancelled.cancel()
            await self.advance(3)
            assert self.loop.time() == 3
            await self.advance(0.25)
            assert self.loop.time() == 3.25

    check(run_case(Case))
    assert seen == [0.1, 1, 3]


def test_the_clock_is_zero_in_set_up(run_case, factory) -> None:
    """It starts at 0, also for a coroutine setUp, and stands still while coroutines run."""

    class Case(asynctest.ClockedTestCase):
        loop_factory = factory

        async def setUp(self):
            assert self.loop.time() == self._time == 0
            await asyncio.sleep(0)
            assert self.loop.time() == 0
            await self.advance(5)

        async def test_it(self):
            assert self.loop.time() == self._time == 5

    check(run_case(Case))


def test_advancing_by_nothing_runs_what_is_ready(run_case, factory) -> None:
    """advance(0) runs all that is ready, and what that schedules at once."""
    log = []

    class Case(asynctest.ClockedTestCase):
        loop_factory = factory

        async def test_it(self):
            self.loop.call_soon(lambda: self.loop.call_soon(log.append, "second"))
            self.loop.call_later(0, log.append, "due")
            task = asyncio.ensure_future(asyncio.sleep(0, "slept"))
            await self.advance(0)
            assert task.done()
            assert self.loop.time() == 0

    check(run_case(Case))
    assert sorted(log) == ["due", "second"]


def test_advance_may_be_overridden_and_be_a_task(run_case, factory) -> None:
    """super().advance() gives something that create_task and a generator take."""

    class Case(asynctest.ClockedTestCase):
        loop_factory = factory

        async def advance(self, seconds):
            await self.loop.create_task(super().advance(seconds))

        async def test_task(self):
            sleeper = asyncio.ensure_future(asyncio.sleep(2, "slept"))
            await self.advance(2)
            assert sleeper.result() == "slept"

        def test_generator(self):
            yield from asynctest.ClockedTestCase.advance(self, 3)
            assert self.loop.time() == 3

    check(run_case(Case))


def test_two_may_advance(run_case) -> None:
    """An advance while another is under way adds up to the later of the two ends."""
    log = []

    class Case(asynctest.ClockedTestCase):
        async def test_it(self):
            async def advance(seconds):
                await self.advance(seconds)
                log.append((seconds, self.loop.time()))

            await asyncio.gather(advance(5), advance(10), advance(1))
            assert self.loop.time() == 10

    check(run_case(Case))
    assert sorted(log) == [(1, 1), (5, 5), (10, 10)]


def test_sockets_work_while_the_clock_stands(run_case, factory) -> None:
    """Connecting, round trips and looking up names take none of the clock's time."""

    class Case(asynctest.ClockedTestCase):
        loop_factory = factory

        async def test_it(self):
            async def serve(reader, writer):
                writer.write((await reader.readline()).upper())
                writer.close()

            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            host, port = server.sockets[0].getsockname()
            await self.loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"echo\n")
            assert await reader.readline() == b"ECHO\n"
            writer.close()
            await writer.wait_closed()
            server.close()
            assert self.loop.time() == 0

    check(run_case(Case))


def test_threads_work_while_the_clock_stands(run_case, factory) -> None:
    """A job in a thread is waited for, and is no hang."""

    class Case(asynctest.ClockedTestCase):
        loop_factory = factory

        async def test_it(self):
            assert await asyncio.to_thread(threading.get_ident)
            assert self.loop.time() == 0

    check(run_case(Case))


def test_issues_48_and_122_a_forgotten_advance_says_so(run_case, factory) -> None:
    """A test that would wait for ever on the frozen clock fails at once and names advance()."""

    class Case(asynctest.ClockedTestCase):
        loop_factory = factory

        async def test_sleep(self):
            await asyncio.sleep(5)

        async def test_queue(self):
            await asyncio.wait_for(asyncio.Queue().get(), 5)

        async def tearDown(self):
            assert self.loop.time() == 0

    result = run_case(Case)
    assert [case._testMethodName for case, _ in result.errors] == ["test_queue", "test_sleep"]
    for _, text in result.errors:
        assert "DeadlockError" in text
        assert "the clock moves only when the test awaits advance(seconds)" in text
    assert not result.failures


def test_a_jump_is_logged_in_debug_mode(run_case, factory, caplog) -> None:
    """As asyncio logs slow callbacks: what took how many seconds, as a warning."""

    class Case(asynctest.ClockedTestCase):
        loop_factory = factory

        async def test_it(self):
            self.loop.set_debug(True)
            await self.advance(12.5)
            self.loop.set_debug(False)

    with caplog.at_level(logging.WARNING, logger="asyncio"):
        check(run_case(Case))
    assert any("took 12.500 seconds" in record.getMessage() for record in caplog.records)


def test_the_default_loop_gets_its_time_back(run_case) -> None:
    """With use_default_loop the clock is frozen for the test only."""
    loop = asyncio.SelectorEventLoop()
    asyncio.set_event_loop(loop)
    before = loop.time()

    class Case(asynctest.ClockedTestCase):
        use_default_loop = True

        async def test_it(self):
            assert self.loop is loop
            assert self.loop.time() == 0
            await self.advance(10)
            assert self.loop.time() == 10

    check(run_case(Case))
    assert 0 <= loop.time() - before < 1000
    loop.run_until_complete(asyncio.sleep(0.001))
    asyncio.set_event_loop(None)
    loop.close()


def test_a_clock_is_frozen_without_the_class(drive) -> None:
    """frozen_clock works in any coroutine; afterwards the loop's time goes on by itself."""

    async def main():
        loop = asyncio.get_running_loop()
        with asynctest.frozen_clock() as clock:
            started = clock.time()
            task = asyncio.create_task(asyncio.sleep(86_400, "a day"))
            await clock.advance(86_400)
            assert clock.time() == loop.time() == started + 86_400
            assert task.result() == "a day"
        await asyncio.sleep(0.001)
        with asynctest.Clock(loop, start=5) as clock:
            await clock.advance(1)
            assert clock.loop is loop

    drive(main())


def test_a_clock_that_can_t_be_frozen_is_refused() -> None:
    """A loop that keeps its time out of reach is named, with the way out."""
    with pytest.raises(simloop.UnsupportedError, match=r"the clock of 5 .*loop_factory"):
        asynctest.Clock(5)
