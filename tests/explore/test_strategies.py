"""Strategies: exact counts of complete searches, portfolios, and strategies of a user's own."""

from __future__ import annotations

import asyncio

import pytest

import simloop

from .broken_programs import check_then_act, lost_update

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def yielding(tasks, yields, *, grouped=False):
    async def one():
        for _ in range(yields):
            await asyncio.sleep(0)

    async def main():
        if grouped:
            async with asyncio.TaskGroup() as group:
                for _ in range(tasks):
                    group.create_task(one())
        else:
            await asyncio.gather(*[one() for _ in range(tasks)])

    return main


def locking(tasks):
    async def main():
        lock = asyncio.Lock()

        async def one():
            async with lock:
                await asyncio.sleep(0)

        await asyncio.gather(*[one() for _ in range(tasks)])

    return main


@pytest.mark.parametrize("grouped", [False, True], ids=["gather", "TaskGroup"])
@pytest.mark.parametrize(
    ("tasks", "yields", "count"),
    [
        (2, 0, 2),
        (2, 1, 6),
        (2, 2, 20),
        (3, 1, 90),
        pytest.param(2, 4, 252, marks=pytest.mark.slow),
        pytest.param(3, 2, 1680, marks=pytest.mark.slow),
    ],
)
def test_a_complete_search_counts_exactly(tasks, yields, count, grouped) -> None:
    """``n`` tasks of ``k`` yields have (n(k+1))! / (k+1)!^n orders: each is run, once."""
    found = simloop.explore(
        yielding(tasks, yields, grouped=grouped), schedules=None, stop=None, strategy="dfs"
    )
    assert (found.ran, found.exhausted, found.failures) == (count, True, [])
    assert "which are all there are" in str(found)
    assert "stricter than asyncio" in str(found)


@pytest.mark.slow
def test_three_tasks_of_three_yields() -> None:
    """34,650 orders."""
    found = simloop.explore(yielding(3, 3), schedules=None, stop=None, strategy="dfs")
    assert (found.ran, found.exhausted) == (34_650, True)


@pytest.mark.parametrize(("tasks", "count"), [(2, 4), (3, 36)])
def test_locks_leave_fewer_orders(tasks, count) -> None:
    """A lock that is held makes tasks wait, so fewer orders are left."""
    found = simloop.explore(locking(tasks), schedules=None, stop=None, strategy="dfs")
    assert (found.ran, found.exhausted) == (count, True)


def test_a_search_that_is_cut_short_is_not_exhausted() -> None:
    """Fewer schedules than there are: no proof."""
    found = simloop.explore(yielding(3, 1), schedules=50, stop=None, strategy="dfs")
    assert (found.ran, found.exhausted) == (50, False)


def test_a_bound_counts_deviations() -> None:
    """With bound 1 each schedule differs from the first in one decision at most."""
    counts = [
        simloop.explore(yielding(3, 1), schedules=None, stop=None, strategy=f"dfs:{bound}").ran
        for bound in (0, 1, 2, 9)
    ]
    assert counts[0] == 1
    assert counts == sorted(counts)
    assert counts[-1] == 90


@pytest.mark.parametrize("strategy", ["pct", "pos", "surw", "delay:2", "dfs", "dfs:2"])
def test_permuting_strategies_find_what_is_only_order(strategy) -> None:
    """A lost update across ``sleep(0)`` in memory, which asyncio's own order never shows."""

    async def main():
        value = [0]

        async def one():
            before = value[0]
            value[0] = before + 1

        async def two():
            await asyncio.sleep(0)
            before = value[0]
            await asyncio.sleep(0)
            value[0] = before + 1

        async def three():
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await one()

        await asyncio.gather(two(), three())
        assert value == [2]

    assert not simloop.explore(main, schedules=30).failures
    found = simloop.explore(main, schedules=2000, strategy=strategy)
    failure = found.failures[0]
    assert {each.kind for each in failure.schedule.deviations} == {"ready"}
    assert simloop.replay(main, failure.schedule.token).digest == failure.outcome.digest
    assert "stricter than asyncio" in failure.explain()


@pytest.mark.parametrize("strategy", ["pct", "pos", "surw"])
def test_tasks_of_one_function_are_told_apart(strategy) -> None:
    """Two tasks of the same function have priorities of their own: either may come first."""

    async def main():
        served = []

        async def customer(name):
            served.append(name)

        await asyncio.gather(customer("first"), customer("second"))
        assert served == ["first", "second"]

    assert simloop.explore(main, schedules=30, strategy=strategy).failures


def test_a_task_that_yields_for_ever_is_demoted() -> None:
    """A task that spins until another has run ends under PCT, which would let it spin for ever."""

    async def main():
        is_set = []

        async def spin():
            while not is_set:
                await asyncio.sleep(0)

        async def set_it():
            await asyncio.sleep(0)
            is_set.append(1)

        await asyncio.gather(spin(), set_it())

    assert not simloop.explore(main, schedules=30, strategy="pct", max_steps=5000).failures


def test_single_deviations_are_a_closing_proof() -> None:
    """Every single deviation is run, and a finding needs no shrinking."""
    found = simloop.explore(check_then_act, schedules=None, strategy="single")
    assert len(found.failures[0].original.deviations) == 1

    async def main():
        await asyncio.sleep(1)

    found = simloop.explore(main, schedules=None, strategy="single")
    assert found.exhausted
    assert found.ran > 1


def test_a_portfolio_takes_turns() -> None:
    """The strategies of a list have every n-th schedule each; one that ends leaves its turns."""
    found = simloop.explore(lost_update, strategy=["single", "timing", "undisturbed"])
    assert found.failures
    assert found.strategy == "single, timing, undisturbed"


def test_random_answers_find_too() -> None:
    """The measure of other strategies."""
    assert simloop.explore(check_then_act, strategy="random").failures


def test_a_strategy_of_a_users_own_is_given_names() -> None:
    """It inherits Strategy; things come by name, options by number."""
    seen = {}

    class Mine(simloop.Strategy):
        name = "mine"

        def answer(self, kind, thing, options):
            seen[kind] = thing
            return 1 if kind == "hold" else 0

    found = simloop.explore(check_then_act, schedules=5, strategy=Mine())
    assert found.failures
    assert found.strategy == "mine"
    assert seen["hold"].startswith("tcp 127.0.0.1:7000")


def test_a_strategy_that_answers_nonsense_is_told() -> None:
    """The error names the strategy, the kind, and what it may answer."""

    class Wild(simloop.Strategy):
        def answer(self, kind, thing, options):
            return -1

    with pytest.raises(simloop.UsageError, match="Wild answered -1 to"):
        simloop.explore(check_then_act, schedules=5, strategy=Wild())


def test_an_error_of_a_strategy_is_the_users() -> None:
    """It is told as one of the strategy, and is no failure of the program."""

    class Broken(simloop.Strategy):
        def answer(self, kind, thing, options):
            raise ZeroDivisionError(kind)

    with pytest.raises(simloop.UsageError, match="raised ZeroDivisionError: stall"):
        simloop.explore(check_then_act, schedules=5, strategy=Broken())
