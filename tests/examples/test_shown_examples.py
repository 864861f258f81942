"""The examples that guides show: each is in its guide as it is, and does what the guide says."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path

import pytest

import simloop

ROOT = Path(__file__).parents[2]
SHOWN = {
    "flaky_link": "flaky-links",
    "leases": "leases",
    "redis_crash": "servers-that-crash",
    "resp_server": "servers-that-crash",
}
SMALL = simloop.Delays(each=0.01, total=0.1)


@pytest.fixture
def example(monkeypatch):
    """Give an example by its name, as a program finds it that imports it."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    return importlib.import_module


@pytest.mark.parametrize(("name", "page"), SHOWN.items())
def test_a_guide_shows_the_example_as_it_is(name, page):
    """What a reader copies from either is the same."""
    text = (ROOT / f"examples/{name}.py").read_text()
    assert f"```python\n# {name}.py\n{text}```" in (ROOT / f"docs/how-to/{page}.md").read_text()


def test_an_order_comes_twice_over_a_flaky_link_unless_the_shop_looks(example):
    """Some seeds break the retries, and none breaks the shop that looks at keys."""
    pytest.importorskip("aiohttp")
    link = example("flaky_link")
    assert any(simloop.simulate(link.main, seed=seed).error for seed in range(6))
    for seed in range(6):
        simloop.run(link.with_keys(), seed=seed)


def test_a_client_of_redis_outlives_a_crash_but_not_a_minute(example):
    """It counts, counts anew after a kill and after a short loss of power, and gives up at last."""
    pytest.importorskip("redis")
    outcome = simloop.run(example("redis_crash").main())
    assert [result for result, _ in outcome] == [1, 2, 1, 1, "TimeoutError"]


def test_the_stand_in_knows_a_few_commands(example):
    """Values are set, counted and deleted; an unknown command is an error."""
    redis = pytest.importorskip("redis.asyncio")

    async def main():
        simloop.current_world().add_host("cache", example("resp_server").serve)
        await asyncio.sleep(1)
        async with redis.Redis(host="cache", protocol=2) as client:
            told = [await client.ping(), await client.set("a", "5"), await client.incr("a")]
            told += [await client.get("a"), await client.incr("b", 3), await client.get("c")]
            told.append(await client.delete("a", "b", "c"))
            with pytest.raises(redis.ResponseError, match="unknown command"):
                await client.lpush("a", 1)
            return told

    assert simloop.run(main()) == [True, True, 6, b"6", 3, None, 2]


def kinds_of(failure):
    """Return the kinds of the deviations that a failure takes."""
    return [each.kind for each in failure.schedule.deviations]


def test_a_lease_holds_where_clocks_are_right(example):
    """Undisturbed, there is one leader after the other."""
    assert not simloop.explore(example("leases").main, schedules=1).failures


@pytest.mark.slow
def test_a_lease_by_the_wall_clock_breaks_by_one_clock(example):
    """It is found, and shrunk to one clock; the store that looks at numbers is not accused."""
    leases = example("leases")
    (failure,) = simloop.explore(leases.main, schedules=50, delays=SMALL).failures
    assert kinds_of(failure) in (["fault.clock"], ["fault.clock", "fault.shape"])
    assert not simloop.explore(leases.fenced, schedules=20, delays=SMALL).failures


@pytest.mark.slow
def test_a_lease_by_the_monotonic_clock_breaks_by_a_drift(example):
    """It takes a clock that runs slow or fast."""
    leases = example("leases")
    (failure,) = simloop.explore(leases.by_monotonic_clock, schedules=60, delays=SMALL).failures
    assert "fault.clock" in kinds_of(failure)
    assert "runs " in failure.explain()
