"""time-machine and freezegun: the date is theirs within their block, and the run's after it."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import subprocess
import sys
import time
import uuid

import pytest

import simloop

freezegun = pytest.importorskip("freezegun")
time_machine = pytest.importorskip("time_machine")

pytest_plugins = ["pytester"]

DATE = dt.datetime(2012, 1, 14, tzinfo=dt.UTC)
THERE = DATE.timestamp()
HERE = 1_704_067_200.0
"""When a run begins."""


def years():
    """Return the year by every function that tells the date."""
    return {
        time.gmtime(time.time())[0],
        time.gmtime(time.time_ns() // 10**9)[0],
        time.gmtime()[0],
        time.localtime()[0],
        int(time.strftime("%Y")),
        dt.datetime.now().year,  # noqa: DTZ005 - all of them
        dt.datetime.now(dt.UTC).year,
        dt.datetime.now(dt.timezone(dt.timedelta(hours=3))).year,
        dt.datetime.today().year,  # noqa: DTZ002 - as above
        dt.date.today().year,  # noqa: DTZ011 - as above
        uuid_year(),
    }


def uuid_year():
    uuid._last_timestamp = None  # It never goes back behind what an earlier test was given.
    seconds = (uuid.uuid1().time - 0x01B2_1DD2_1381_4000) / 1e7
    return time.gmtime(seconds)[0]


async def slept(seconds=20):
    """Return the date before a sleep and after it."""
    before = time.time()
    await asyncio.sleep(seconds)
    return before, time.time()


def still(tool):
    if tool == "time-machine":
        return time_machine.travel(DATE, tick=False)
    return freezegun.freeze_time("2012-01-14")


def going(tool):
    if tool == "time-machine":
        return time_machine.travel(DATE, tick=True)
    return freezegun.freeze_time("2012-01-14", tick=True)


BLOCKS = {"still": still, "going": going}
TOOLS = ["time-machine", "freezegun"]


@pytest.fixture(autouse=True)
def real_date_after():
    """Hold for each test that the date outside is the real one after it."""
    year = time.gmtime()[0]
    zone = os.environ.get("TZ"), time.tzname
    yield
    assert {time.gmtime()[0], dt.datetime.now(dt.UTC).year} == {year}
    assert (os.environ.get("TZ"), time.tzname) == zone
    assert not time_machine.escape_hatch.is_travelling()


@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize("tool", TOOLS)
def test_a_block_in_a_run(tool, kind):
    """In a block all clocks tell its date, waits go on, and after it the date is the run's."""

    async def main():
        seen = [years()]
        began = asyncio.get_running_loop().time()
        with BLOCKS[kind](tool):
            seen.append(years())
            async with asyncio.timeout(30):
                told = await slept()
        assert asyncio.get_running_loop().time() == began + 20
        return [*seen, years()], told, time.time()

    seen, told, after = simloop.run(main())
    assert seen == [{2024}, {2012}, {2024}]
    assert told == (THERE, THERE + (20 if kind == "going" else 0))
    assert after == HERE + 20


@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize("tool", TOOLS)
def test_a_run_in_a_block(tool, kind):
    """Each run in a block begins at its date, however long the block has been on."""
    with BLOCKS[kind](tool):
        assert time.gmtime()[0] == 2012
        told = [simloop.run(slept()) for _ in range(2)]
        seen = [simloop.simulate(_years).value, years()]
    assert told == [(THERE, THERE + (20 if kind == "going" else 0))] * 2
    assert seen == [{2012}, {2012}]


async def _years():
    return years()


@pytest.mark.parametrize("tool", TOOLS)
def test_a_run_in_a_block_is_checked(tool):
    """In a block that goes on, asked for the date before or not, one seed is one run."""

    async def main():
        print(await slept())  # noqa: T201 - into the digest

    for is_asked in (False, True):
        with going(tool):
            if is_asked:
                assert time.gmtime()[0] == 2012
            assert simloop.simulate(main).digest == simloop.simulate(main).digest


@pytest.mark.parametrize("tool", TOOLS)
def test_begun_in_a_run_and_ended_outside(tool):
    """A block that outlives its run goes on outside by what had passed, and in the next one."""
    block = going(tool)

    async def main():
        block.start()
        return await slept(100)

    assert simloop.run(main()) == (THERE, THERE + 100)
    try:
        outside = time.time()
        assert THERE + 100 <= outside < THERE + 200
        assert years() == {2012}
        assert simloop.run(slept()) == (THERE + 100, THERE + 120)
    finally:
        block.stop()
    assert time.time() > HERE


@pytest.mark.parametrize("tool", TOOLS)
def test_begun_outside_and_ended_in_a_run(tool):
    """A block that ends in a run leaves the run with its own date."""
    block = going(tool)
    block.start()

    async def main():
        within = await slept()
        block.stop()
        return within, await slept()

    assert simloop.run(main()) == ((THERE, THERE + 20), (HERE + 20, HERE + 40))


@pytest.mark.parametrize("tool", TOOLS)
def test_loops_that_run_again(tool):
    """A block that was begun in one run of a loop goes on in its next one, by its clock alone."""
    block = going(tool)

    async def begin():
        block.start()
        return await slept()

    async def end():
        told = await slept()
        block.stop()
        return told

    with asyncio.Runner(loop_factory=simloop.SimLoop) as runner:
        assert runner.run(begin()) == (THERE, THERE + 20)
        assert time.gmtime()[0] == 2012
        assert runner.run(end()) == (THERE + 20, THERE + 40)
        assert runner.run(slept()) == (HERE + 40, HERE + 60)


def test_decorators():
    """As a decorator a traveller counts within the function, be it a coroutine function or not."""

    @time_machine.travel(DATE, tick=False)
    async def travelled():
        return await slept()

    @time_machine.travel(DATE, tick=False)
    def travelled_too():
        return simloop.run(slept())

    @freezegun.freeze_time("2012-01-14")
    async def frozen():
        return await slept()

    async def main():
        return await travelled(), await frozen(), await slept()

    there = (THERE, THERE)
    assert simloop.run(main()) == (there, there, (HERE + 40, HERE + 60))
    assert travelled_too() == there


def test_moves():
    """Moving and shifting a traveller in a run moves the run's date, and nothing of its waits."""

    async def main():
        loop = asyncio.get_running_loop()
        told = []
        async with time_machine.travel(DATE) as traveller:
            told.append(time.time())
            await asyncio.sleep(10)
            traveller.shift(dt.timedelta(hours=1))
            told.append(time.time())
            traveller.move_to(DATE, tick=False)
            await asyncio.sleep(10)
            told.append(time.time())
            traveller.shift(-5)
            told.append(time.time())
        with freezegun.freeze_time("2012-01-14") as frozen:
            frozen.tick(60)
            told.append(time.time())
            frozen.move_to("2013-01-01")
            told.append(dt.datetime.now(dt.UTC).year)
        return [each - THERE if each > 2013 else each for each in told], loop.time()

    assert simloop.run(main()) == ([0, 3610, 0, -5, 60, 2013], 20.0)


def test_travels_within_travels():
    """The innermost traveller counts, and the one around it again after it."""

    async def main():
        told = []
        with time_machine.travel(DATE, tick=False):
            with time_machine.travel(0, tick=False):
                told.append(time.time())
            told.append(time.time())
        return [*told, time.time()]

    assert simloop.run(main()) == [0.0, THERE, HERE]


def test_the_escape_hatch():
    """What time-machine calls the original is the run's own in a run, and the real one outside."""

    async def main():
        with time_machine.travel(DATE, tick=False):
            await asyncio.sleep(20)
            hatch = time_machine.escape_hatch
            moments = [
                hatch.time.time(),
                hatch.time.time_ns() / 1e9,
                hatch.time.clock_gettime(time.CLOCK_REALTIME),
                hatch.time.clock_gettime_ns(time.CLOCK_REALTIME) / 1e9,
                hatch.datetime.datetime.now(dt.UTC).timestamp(),
                hatch.datetime.datetime.utcnow().replace(tzinfo=dt.UTC).timestamp(),
            ]
            texts = {hatch.time.strftime("%Y %S"), hatch.time.strftime("%Y %S", time.gmtime(0))}
            days = {hatch.datetime.date.today().year, hatch.datetime.datetime.today().year}
            return moments, texts, days | {hatch.time.gmtime()[0], hatch.time.localtime()[0]}

    assert simloop.run(main()) == ([HERE + 20] * 6, {"2024 20", "1970 00"}, {2024})


def test_zones():
    """A traveller's zone holds in the run and outside of it, each with its own zone after it."""
    zoneinfo = pytest.importorskip("zoneinfo")
    there = dt.datetime(2012, 1, 14, tzinfo=zoneinfo.ZoneInfo("Asia/Tokyo"))
    block = time_machine.travel(there)

    async def main():
        before = time.tzname
        block.start()
        return before, os.environ["TZ"], time.tzname

    own = os.environ.get("TZ"), time.tzname
    assert simloop.run(main()) == (("UTC", "UTC"), "Asia/Tokyo", ("JST", "JST"))
    assert (os.environ["TZ"], time.tzname) == ("Asia/Tokyo", ("JST", "JST"))
    block.stop()
    assert (os.environ.get("TZ"), time.tzname) == own

    async def stop():
        within = time.tzname
        block.stop()
        return within, time.tzname

    block.start()
    assert simloop.run(stop()) == (("JST", "JST"), ("UTC", "UTC"))
    assert (os.environ.get("TZ"), time.tzname) == own


def test_threads_of_a_run():
    """A traveller that any thread of a run has begun counts in all of its threads."""

    async def main():
        with time_machine.travel(DATE, tick=False):
            told = [await asyncio.to_thread(time.time)]
        block = time_machine.travel(DATE, tick=False)
        await asyncio.to_thread(block.start)
        told.append(time.time())
        await asyncio.to_thread(block.stop)
        return [*told, time.time()]

    assert simloop.run(main()) == [THERE, THERE, HERE]


FIXTURE = """
import asyncio, datetime as dt, time
import pytest, time_machine as module

pytestmark = pytest.mark.simloop


@pytest.fixture
async def travelled():
    with module.travel(dt.datetime(2012, 1, 14, tzinfo=dt.UTC), tick=False):
        yield

async def test_async_fixture(travelled):
    assert time.gmtime()[0] == 2012
    await asyncio.sleep(3600)
    assert dt.datetime.now(dt.UTC).year == 2012

async def test_fixture(time_machine):
    assert time.gmtime()[0] == 2024
    time_machine.move_to(dt.datetime(2013, 1, 14, tzinfo=dt.UTC))
    assert dt.datetime.now(dt.UTC).day == 14
    await asyncio.sleep(86_400)
    assert dt.datetime.now(dt.UTC).day == 15
    time_machine.shift(dt.timedelta(days=1))
    assert dt.datetime.now(dt.UTC).day == 16

@pytest.mark.time_machine(dt.datetime(2014, 1, 1, tzinfo=dt.UTC))
async def test_mark():
    assert time.gmtime()[0] == 2014

@pytest.fixture
def frozen():
    import freezegun
    with freezegun.freeze_time("2015-01-01", tick=True) as factory:
        yield factory

async def test_frozen(frozen):
    await asyncio.sleep(86_400)
    frozen.tick(3600)
    now = dt.datetime.now(dt.UTC)
    assert (now.year, now.day, now.hour) == (2015, 1, 1)  # It counts from its tick, as outside.

async def test_none():
    assert time.gmtime()[0] == 2024
"""


def test_fixtures(pytester, monkeypatch):
    """Fixtures and marks of the tools count in the tests that ask for them, and in no other."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(FIXTURE)
    options = ("-p", "simloop.testing.plugin", "-p", "no:randomly", "-p", "no:cacheprovider")
    result = pytester.runpytest(*options, "-p", "time_machine", "-W", "error")
    result.assert_outcomes(passed=5)


FIRST_RUNS = {
    "a run around": "import time_machine, simloop\nwith time_machine.travel(0): told = {run}",
    "loaded in a run": (
        "import simloop\nsimloop.run(asyncio.sleep(1))\n"
        "async def main():\n    import time_machine\n"
        "    with time_machine.travel(0): return await plain()\n"
        "told = simloop.run(main())"
    ),
    "frozen around": (
        "import freezegun\nwith freezegun.freeze_time('1970-01-01', tick=True):\n"
        "    import simloop\n    told = {run}"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("order", FIRST_RUNS)
def test_first_runs(order):
    """It does not matter whether the engine or the tool was loaded first, or where."""
    program = (
        "import asyncio, datetime, time\n"
        "async def plain():\n    await asyncio.sleep(5); time.sleep(5)\n"
        "    return datetime.datetime.now(datetime.UTC).year, time.monotonic() < 1e9\n"
        f"{FIRST_RUNS[order].format(run='simloop.run(plain())')}\n"
        "print(told, simloop.run(plain()), time.gmtime()[0] > 2025)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "(1970, True) (2024, True) True"
