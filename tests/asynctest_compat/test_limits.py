"""``time_limit``: a test that takes too long fails, in the loop's time and in real time."""

from __future__ import annotations

import asyncio
import signal
import sys
import unittest
from itertools import count

import pytest

import asynctest_compat as asynctest


def texts(result):
    return {case._testMethodName: text for case, text in result.failures + result.errors}


def test_pull_61_the_loop_s_time_is_limited(run_case) -> None:
    """A test that needs more of its loop's time fails, and nothing else does."""

    @asynctest.time_limit(60)
    class Case(asynctest.TestCase):
        async def test_long(self):
            await asyncio.sleep(61)

        async def test_short(self):
            await asyncio.sleep(59)

        @asynctest.time_limit(3600)
        async def test_allowed(self):
            await asyncio.sleep(3599)

        async def test_own_timeout(self):
            with self.assertRaises(TimeoutError):
                await asyncio.wait_for(asyncio.sleep(10), 1)

    result = run_case(Case)
    assert list(texts(result)) == ["test_long"]
    assert "did not end within 60 s of its loop's time" in texts(result)["test_long"]
    assert not result.errors


def test_set_up_counts_and_cleanups_do_not(run_case) -> None:
    """The limit is for set-up, test and tear-down together; cleanups still run after it."""
    log = []

    @asynctest.time_limit(10)
    class Case(asynctest.TestCase):
        async def setUp(self):
            self.addCleanup(self.clean)
            await asyncio.sleep(6)

        async def test_it(self):
            await asyncio.sleep(6)

        async def clean(self):
            await asyncio.sleep(6)
            log.append("cleaned")

    assert list(texts(run_case(Case))) == ["test_it"]
    assert log == ["cleaned"]


def test_a_clocked_test_is_limited_by_its_clock(run_case) -> None:
    """With the clock in the test's hand, advancing past the limit ends the test."""

    class Case(asynctest.ClockedTestCase):
        @asynctest.time_limit(60)
        async def test_it(self):
            await self.advance(61)
            await asyncio.sleep(0)
            self.fail("not reached")

    assert "TimeLimitError" in texts(run_case(Case))["test_it"]


@pytest.mark.slow
def test_pull_43_real_time_is_limited(run_case) -> None:
    """Real time ends a test that spins, on the loop or off it; the signal is put back."""
    before = signal.getsignal(signal.SIGALRM)

    @asynctest.time_limit(real=0.1)
    class Case(asynctest.TestCase):
        async def test_virtual(self):
            while True:
                await asyncio.sleep(1)

        async def test_callback(self):
            def spin():
                while True:
                    pass

            self.loop.call_soon(spin)
            await asyncio.sleep(1)

        def test_plain(self):
            while True:
                pass

        def tearDown(self):
            self.finished = True

        async def test_in_time(self):
            await asyncio.sleep(3600)

    result = run_case(Case)
    assert sorted(texts(result)) == ["test_callback", "test_plain", "test_virtual"]
    assert all("within 0.1 s of real time" in text for text in texts(result).values())
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_limit_that_ends_between_two_phases_is_a_failure(run_case, monkeypatch) -> None:
    """When the signal comes while unittest itself is at work, it does not end the whole run."""
    from asynctest_compat._cases import time_limits

    limit = time_limits._RealLimit(60, lambda: True)

    @asynctest.time_limit(real=60)
    class Case(asynctest.TestCase):
        def test_it(self):
            pass

        def doCleanups(self):
            super().doCleanups()
            raise time_limits._TimeIsUp(limit)

        def test_next(self):
            pass

    result = run_case(Case)
    assert sorted(texts(result)) == ["test_it", "test_next"]
    assert all("within 60 s of real time" in text for text in texts(result).values())


class Strikes:
    """A tracer that lets the limit's signal come at the nth line that runs under it."""

    #: Lines of code between two signals: a busy machine gets through no fewer in that time.
    INTERVAL = 61

    def __init__(self, first):
        self.until_next = first
        self.place = None
        self._get_handler = signal.getsignal  # inside of a run it is the world's

    def __call__(self, frame, event, _arg):
        strike = self._get_handler(signal.SIGALRM) if event == "line" else None
        if callable(strike) and strike != signal.SIG_DFL:
            self.until_next -= 1
            if not self.until_next:
                self.until_next = self.INTERVAL
                self.place = self.place or f"{frame.f_code.co_qualname}, line {frame.f_lineno}"
                strike(signal.SIGALRM, frame)
        return self

    def run(self, case):
        """Run a test case, and return the texts of what went wrong."""
        result = unittest.TestResult()
        outer = sys.gettrace()
        sys.settrace(self)
        try:
            case.run(result)
        finally:
            sys.settrace(outer)
        return [text for _, text in result.failures + result.errors]


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore:coroutine .* was never awaited")
def test_wherever_the_signal_comes_the_test_fails_once_and_the_next_passes(factory) -> None:
    """In the middle of the loop, of unittest or of the test: one failure, and nothing is left."""

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def setUp(self):
            await asyncio.sleep(0)

        @asynctest.time_limit(real=60)
        async def test_it(self):
            self.addCleanup(asyncio.sleep, 0)
            for _ in range(3):
                await asyncio.sleep(0)

        async def test_next(self):
            await asyncio.sleep(0)

    for first in count(1, step=37):
        strikes = Strikes(first)
        texts = strikes.run(Case("test_it"))
        if strikes.place is None:
            break  # the test ended before
        assert ["TimeLimitError" in text for text in texts] == [True], (strikes.place, texts)
        assert asyncio._get_running_loop() is None, strikes.place
        assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL, strikes.place
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0), strikes.place
        assert not Strikes(0).run(Case("test_next")), strikes.place
    assert first > 1000


@pytest.mark.slow
def test_an_error_that_is_swallowed_is_raised_again(run_case) -> None:
    """A test that catches everything does not outlive its limit by more than another."""

    @asynctest.time_limit(real=0.05)
    class Case(asynctest.TestCase):
        def test_it(self):
            caught = []
            while len(caught) < 2:
                try:
                    while True:
                        pass
                except BaseException as error:  # noqa: BLE001 - that is the point
                    caught.append(error)
            raise caught[-1]

    assert "within 0.05 s of real time" in texts(run_case(Case))["test_it"]


@pytest.mark.parametrize("arguments", [(), (0,), (-1,)])
def test_a_limit_has_to_be_positive(arguments) -> None:
    """A limit that no test could meet, or none at all, is refused."""
    with pytest.raises(ValueError, match="positive"):
        asynctest.time_limit(*arguments)
    with pytest.raises(ValueError, match="-2"):
        asynctest.time_limit(real=-2)
