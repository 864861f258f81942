"""Workers find what one process finds, and what they do to themselves is told."""

from __future__ import annotations

import asyncio
import copy
import ctypes
import os
import signal
import time
from pathlib import Path

import pytest

import simloop
from simloop.errors import SimError, UsageError
from simloop.exploration.program import Program
from simloop.exploration.strategies import strategy_of
from simloop.exploration.sweeping.searcher import Searcher

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


async def three_bugs() -> None:
    """Three bugs, which show at different delays, and a property."""
    done: list[int] = []

    async def work(number: int) -> None:
        await asyncio.sleep(0.9 + number / 100)
        await asyncio.sleep(0)
        done.append(number)

    kind = simloop.choose(40, "kind")
    simloop.sometimes(kind == 7, "seven")
    if kind == 33:
        raise LookupError(kind)
    async with asyncio.timeout(1.5):
        await asyncio.gather(*(work(number) for number in range(3)))
    assert done == [0, 1, 2]


def told(found):
    failures = [
        (each.found_at, each.kind, each.schedule, each.original, each.runs, each.outcome.digest)
        for each in found.failures
    ]
    return found.ran, found.exhausted, failures, found.properties, found.lost


@pytest.mark.parametrize(
    "strategy",
    ["timing", "random", "pct:3", ["timing", "single", "pos"], "surw", "delay:2"],
    ids=str,
)
def test_workers_find_what_one_process_finds(strategy) -> None:
    """The same failures, schedules, sums and end with one, two and three processes."""
    one, *others = (
        simloop.explore(three_bugs, schedules=120, stop=None, strategy=strategy, jobs=jobs)
        for jobs in (1, 2, 3)
    )
    assert len(one.failures) >= 1
    assert [told(each) for each in others] == [told(one)] * 2


def test_workers_stop_where_one_process_stops() -> None:
    """At the first failure, and at the end of what there is."""
    first, again = (simloop.explore(three_bugs, jobs=jobs) for jobs in (1, 2))
    assert told(first) == told(again)

    async def sleeper() -> None:
        await asyncio.sleep(0.5)

    one, two = (
        simloop.explore(sleeper, schedules=None, strategy="single", jobs=jobs) for jobs in (1, 2)
    )
    assert two.exhausted
    assert told(one) == told(two)


def test_a_strategy_in_order_is_run_by_one_process() -> None:
    """A complete search goes from each path to the next, so workers are no use, and it is said."""

    async def pair() -> None:
        await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))

    one, two = (simloop.explore(pair, strategy="dfs", jobs=jobs) for jobs in (1, 2))
    assert one.ran == two.ran
    assert two.exhausted
    assert "is_in_order" in two.notes[-1]
    assert "is_in_order" not in str(one.notes)


def test_bad_arguments_of_workers_are_told() -> None:
    """What is no number of processes, of seconds or of bytes."""
    for wrong in (0, "all", 1.5, True):
        with pytest.raises(UsageError, match="jobs="):
            simloop.explore(three_bugs, jobs=wrong)
    with pytest.raises(UsageError, match="real_run_limit="):
        simloop.explore(three_bugs, jobs=2, real_run_limit=0)
    with pytest.raises(UsageError, match="memory_limit="):
        simloop.explore(three_bugs, jobs=2, memory_limit=1000)


@pytest.mark.parametrize("name", ["timing", "single", "random", "pos", "pct:2", "surw"])
def test_schedules_are_the_same_by_any_way_there(name) -> None:
    """A searcher that skips, goes back, or is a copy has the same schedule of a number."""

    def deviations(searcher, number):
        assert searcher.begin(number)
        _, gate = searcher.search()
        return dict(gate.tape)

    program = Program(three_bugs, {}, simloop.Delays())
    strategy = strategy_of([name, "timing"], sleeps=False)
    searcher = Searcher(program, strategy, 7)
    with simloop.exploration.program.quiet():
        searcher.first()
        searcher.share(2)
        expected = []
        for number in range(2, 12):
            searcher.skip_to(number)
            expected.append(deviations(searcher, number))
        for number in (9, 3, 4, 11, 2):
            searcher.skip_to(number)
            assert deviations(searcher, number) == expected[number - 2]
        assert any(expected)
        assert copy.deepcopy(strategy).name == strategy.name


def test_an_error_of_the_strategy_comes_out_of_the_workers() -> None:
    """What no run survives is raised as it is by one process."""

    class Wrong(simloop.Strategy):
        is_in_order = False

        def answer(self, kind, thing, options):
            return options if kind == "choice" else 0

    for jobs in (1, 2):
        with pytest.raises(UsageError, match="Wrong answered"):
            simloop.explore(three_bugs, strategy=Wrong(), jobs=jobs)


async def fatal() -> None:
    """Dies, hangs or takes all memory, as it is told."""
    await asyncio.sleep(1)
    what = simloop.choose(60, "what")
    if what == 31:
        ctypes.string_at(0)
    elif what == 32:
        while True:
            pass
    elif what == 33:
        taken = []
        while True:
            taken.append(bytearray(10_000_000))
    elif what == 34:
        os._exit(3)
    elif what == 35:
        raise LookupError(what)


@pytest.mark.slow
def test_what_breaks_a_worker_is_named_and_the_search_goes_on() -> None:
    """A crash, an endless loop, all memory, an exit: each with its schedule; others are found."""
    one, other = (
        simloop.explore(
            fatal, schedules=500, stop=None, jobs=jobs, real_run_limit=1.0, memory_limit=1 << 27
        )
        for jobs in (2, 3)
    )
    assert one.ran == other.ran == 500
    assert [each.number for each in one.lost] == [each.number for each in other.lost]
    assert [type(each.error) for each in one.failures] == [LookupError]
    for how in ("SIGSEGV, in", "1 real seconds, in", "128 MiB", "status 3"):
        assert any(how in each.how for each in one.lost), how
    assert "Lost: schedule" in str(one)
    for lost in one.lost:
        (choice,) = (each for each in lost.schedule.deviations if each.kind == "choice")
        assert 31 <= choice.value <= 34
    one.failures.clear()
    with pytest.raises(SimError, match=f"schedule {one.lost[0].number}: "):
        one.raise_first()


@pytest.mark.slow
def test_a_worker_that_grows_is_replaced() -> None:
    """A program that leaks does no harm: all schedules run, and none is lost."""
    leaked = []

    async def leaks() -> None:
        leaked.append(bytearray(2_000_000))
        await asyncio.sleep(1)

    found = simloop.explore(leaks, schedules=400, jobs=2, memory_limit=1 << 27)
    assert found.ran == 400
    assert not found.lost
    assert len(leaked) == 2


def children() -> set[str]:
    """Return the processes that this one has started, ended ones that nothing waited for too."""
    tasks = Path("/proc/self/task").iterdir()
    return {each for task in tasks for each in (task / "children").read_text().split()}


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_found() -> None:
    """All workers end, and what they have found is there."""

    def interrupt(found):
        if found.ran > 300:
            os.kill(os.getpid(), signal.SIGINT)

    before = children()
    found = simloop.explore(three_bugs, schedules=None, stop=None, jobs=2, progress=interrupt)
    assert found.interrupted
    assert found.ran > 300
    assert found.failures
    assert children() <= before


@pytest.mark.slow
def test_time_ends_a_search() -> None:
    """The real time that is given is kept, though runs go on in other processes."""
    began = time.monotonic()
    found = simloop.explore(three_bugs, schedules=None, seconds=0.5, stop=None, jobs=2)
    assert found.ran > 1
    assert time.monotonic() - began < 60
