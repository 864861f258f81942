"""SimTestCase and virtual_time: virtual time outside of pytest."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import time
import unittest
from typing import ClassVar

import pytest
from hypothesis import given, strategies

import simloop
from simloop.testing import SimTestCase, virtual_time


def run_case(case: type[unittest.TestCase], name: str = "live") -> unittest.TestResult:
    result = unittest.TestResult()
    case(name).run(result)
    return result


class Bell(SimTestCase):
    """The case of a user."""

    __test__ = False  # It is a case for the tests below.
    autojump = False
    seed = "bell"
    start_time = 60.0

    def setUp(self) -> None:
        self.order = ["setUp"]
        self.real_before = time.monotonic()

    async def asyncSetUp(self) -> None:
        self.order.append("asyncSetUp")
        self.bell = asyncio.create_task(asyncio.sleep(3600, "ring"))

    async def asyncTearDown(self) -> None:
        self.order.append("asyncTearDown")
        assert asyncio.get_running_loop() is self.loop

    async def live(self) -> None:
        assert isinstance(self.loop, simloop.SimLoop)
        assert (self.world.seed, self.loop.time()) == ("bell", 60.0)
        await self.advance(3599.9)
        assert not self.bell.done()
        await self.advance(0.1)
        assert self.bell.result() == "ring"
        assert self.loop.time() == 3660.0
        self.addAsyncCleanup(self.clean_up)

    async def clean_up(self) -> None:
        self.order.append("clean_up")


def test_a_case_lives_in_virtual_time() -> None:
    """Every async part of a test runs on one loop in virtual time, with the class's options."""
    case = Bell("live")
    result = unittest.TestResult()
    case.run(result)
    assert result.wasSuccessful(), result.errors + result.failures
    assert case.order == ["setUp", "asyncSetUp", "asyncTearDown", "clean_up"]
    assert time.monotonic() - case.real_before < 3600


def test_each_test_has_a_world_of_its_own() -> None:
    """Two tests of a case start at the same time with the same random numbers."""
    drawn = []

    class Case(SimTestCase):
        async def live(self) -> None:
            await asyncio.sleep(1)
            drawn.append((self.loop.time(), random.random()))

    assert run_case(Case).wasSuccessful()
    assert run_case(Case).wasSuccessful()
    assert drawn[0] == drawn[1]
    assert drawn[0][0] == 1.0


def test_a_deadlock_is_an_error_and_the_rest_goes_on() -> None:
    """A stuck test gets its error, its clean-up runs, and nothing of it hangs the runner."""
    ended = []

    class Case(SimTestCase):
        options: ClassVar = {"max_steps": 1000}

        async def asyncTearDown(self) -> None:
            await asyncio.sleep(5)
            ended.append(self.loop.time())

        async def live(self) -> None:
            await asyncio.Event().wait()

        async def spin(self) -> None:
            while True:
                await asyncio.sleep(0)

    result = run_case(Case)
    assert [text for _, text in result.errors if "DeadlockError" in text]
    assert len(result.errors) == 1
    result = run_case(Case, "spin")
    assert "LimitError: the run took 1000 steps" in result.errors[0][1]
    assert ended == [5.0, 5.0]


def test_a_failure_tells_seed_and_time() -> None:
    """Also under unittest's own runner; a skipped test is no failure."""

    class Case(SimTestCase):
        seed = 7

        async def live(self) -> None:
            await asyncio.sleep(3)
            self.fail("at last")

        async def skipped(self) -> None:
            self.skipTest("enough")

    result = run_case(Case)
    assert "at last\nsimloop: seed 7, virtual time 3.0 s, " in result.failures[0][1]
    assert run_case(Case, "skipped").skipped[0][1] == "enough"


def test_aiohttps_case_is_one_of_ours() -> None:
    """Mixed into aiohttp's own test case, its application is served in virtual time."""
    web = pytest.importorskip("aiohttp.web")
    from aiohttp.test_utils import AioHTTPTestCase

    class Case(SimTestCase, AioHTTPTestCase):
        async def get_application(self):
            async def slow(request):
                await asyncio.sleep(200)
                return web.Response(text="at last")

            app = web.Application()
            app.router.add_get("/", slow)
            return app

        async def live(self) -> None:
            async with self.client.get("/") as answer:
                assert await answer.text() == "at last"
            assert self.loop.time() >= 200
            with pytest.raises(simloop.UsageError, match="loop of a SimTestCase is its own"):
                self.loop = None

    result = run_case(Case)
    assert result.wasSuccessful(), result.errors + result.failures


class Stubborn(SimTestCase):
    """A test that leaves a task behind which nothing can end."""

    __test__ = False

    async def live(self) -> None:
        async def cling() -> None:
            while True:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()

        self.task = asyncio.create_task(cling())
        self.task._log_destroy_pending = False
        await asyncio.sleep(1)


def test_what_stays_stuck_at_the_end_is_the_tests_error() -> None:
    """A task that refuses to end fails its test, not the whole run."""
    case = Stubborn("live")
    result = unittest.TestResult()
    case.run(result)
    assert "DeadlockError" in result.errors[0][1]
    with pytest.raises(simloop.DeadlockError):
        Stubborn("live").debug()


def test_an_unknown_option_of_a_case_is_refused() -> None:
    """The dictionary of options takes what run() takes."""

    class Case(SimTestCase):
        options: ClassVar = {"speed": 3}

        async def live(self) -> None:
            pass

    assert "Case.options got speed=3; it takes seed," in run_case(Case).errors[0][1]


@virtual_time
async def sleep_and_draw(seconds: float, *, result: str = "done") -> tuple[str, float, float]:
    """Sleep for a while."""
    await asyncio.sleep(seconds)
    return result, asyncio.get_running_loop().time(), random.random()


def test_virtual_time_makes_a_plain_function() -> None:
    """It passes arguments and result through, and each call is a new world."""
    first = sleep_and_draw(3600)
    assert first[:2] == ("done", 3600.0)
    assert sleep_and_draw(3600) == first
    assert sleep_and_draw(1, result="other")[0] == "other"
    assert (sleep_and_draw.__name__, sleep_and_draw.__doc__) == (
        "sleep_and_draw",
        "Sleep for a while.",
    )


def test_virtual_time_takes_options_and_tells_the_seed() -> None:
    """An error carries a note with the seed and the virtual time; other seeds draw otherwise."""

    @virtual_time(seed=7, start_time=10, max_time=100)
    async def fail(seconds: float) -> None:
        await asyncio.sleep(seconds)
        raise LookupError(random.random())

    with pytest.raises(LookupError) as caught:
        fail(5)
    assert caught.value.__notes__ == ["simloop: seed 7, virtual time 15.0 s, 4 steps"]
    assert caught.value.args[0] != sleep_and_draw(5)[2]
    with pytest.raises(simloop.LimitError, match="max_time"):
        fail(95)


def test_virtual_time_refuses_what_it_cannot_run() -> None:
    """A plain function and an unknown option are errors where they stand."""
    with pytest.raises(simloop.UsageError, match="decorates an async function, not <function"):
        virtual_time(lambda: None)
    with pytest.raises(simloop.UsageError, match="write @given above @virtual_time"):

        @virtual_time(explore=5)
        @given(strategies.integers())
        async def below(_number: int) -> None:
            """Is never run."""

    with pytest.raises(simloop.UsageError, match=r"virtual_time\(\) got speed=3; it takes seed,"):
        virtual_time(speed=3)


@virtual_time
async def test_a_decorated_test_is_a_test(tmp_path) -> None:
    """A decorated function is run by pytest with its fixtures, and needs no plugin for it."""
    await asyncio.sleep(86_400)
    assert tmp_path.exists()


class Explored(SimTestCase):
    """A case whose tests run under many schedules."""

    __test__ = False
    explore = 60

    def setUp(self) -> None:
        self.lives: list[str] = []

    async def asyncSetUp(self) -> None:
        self.lives.append("begins")
        self.addAsyncCleanup(self.end)

    async def end(self) -> None:
        await asyncio.sleep(1)
        self.lives.append("ends")

    async def fine(self) -> None:
        await self.advance(5)
        assert self.loop.time() >= 5
        assert self.world.time_ns >= 5_000_000_000

    async def late(self) -> None:
        async with asyncio.timeout(1):
            await asyncio.sleep(0.9)

    async def in_part(self) -> None:
        with self.subTest(part=1):
            await self.late()

    async def skips(self) -> None:
        self.skipTest("not today")

    def plain(self) -> None:
        assert asyncio.get_running_loop() is self.loop


def test_a_case_is_explored() -> None:
    """Each schedule has its own set-up and clean-up; the failure is explained, and replays."""
    case = Explored("fine")
    assert case.run().wasSuccessful()
    assert case.lives == ["begins", "ends"] * 61  # The undisturbed one is run twice.
    for name in ("late", "in_part"):
        result = run_case(Explored, name)
        ((_, text),) = result.errors
        assert "the loop woke 100 ms late for the sleep of Task-1 (Explored." in text
        token = re.search(r'Replay: Explored.replay = "(\w+)"', text)
        assert token is not None
        again = run_case(type("Again", (Explored,), {"replay": token[1], "explore": None}), name)
        assert "TimeoutError" in again.errors[0][1]
    assert run_case(Explored, "skips").skipped
    assert run_case(Explored, "plain").wasSuccessful()


def test_options_of_an_exploration_need_one() -> None:
    """A strategy without a number of schedules would have no effect."""
    case = type("Case", (Bell,), {"options": {"strategy": "pos"}})
    ((_, text),) = run_case(case).errors
    assert "strategy=, which has no effect unless it explores: say how many schedules" in text
    with pytest.raises(simloop.UsageError, match="no effect unless it explores"):
        virtual_time(failures=("error",))(Bell.live)


def test_virtual_time_explores() -> None:
    """Each call explores; its failure has the explanation as a note, and a line that replays."""

    async def late(seconds: float) -> None:
        async with asyncio.timeout(1):
            await asyncio.sleep(seconds)

    virtual_time(explore=20, delays=simloop.Delays(each=0.05))(late)(0.9)
    with pytest.raises(TimeoutError) as caught:
        virtual_time(explore=60)(late)(0.9)
    (note,) = caught.value.__notes__
    token = re.search(r'Replay: @virtual_time\(replay="(\w+)"\)', note)
    assert token is not None
    with pytest.raises(TimeoutError):
        virtual_time(replay=token[1])(late)(0.9)
