"""Properties in tests of pytest and unittest: what fails them, and what they require."""

from __future__ import annotations

import pytest

import simloop
from simloop.exploration.properties.tallies import Tally, add_up, demand, never_true
from simloop.testing import virtual_time

pytest_plugins = ["pytester"]


@pytest.fixture
def suite(pytester, monkeypatch):
    """Run a suite with our plugin only, and give the result."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(text, *args):
        pytester.makepyfile("import asyncio, pytest, simloop\n" + text)
        return pytester.runpytest_subprocess("-p", "simloop.testing.plugin", *args)

    return run


@pytest.mark.slow
def test_a_test_requires_properties(suite):
    """A test whose required property was never true has failed, and says which and why."""
    result = suite(
        """
@pytest.mark.simloop(require=["retry", "fallback"])
async def test_misses():
    simloop.sometimes(False, "retry")

@pytest.mark.simloop(require=["retry"])
async def test_has():
    simloop.sometimes(False, "retry")
    simloop.sometimes(True, "retry")

@pytest.mark.simloop(require="retry")
async def test_wrong(): ...
"""
    )
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*never true, though required: sometimes 'retry' (asked once), 'fall*",
            "*got require='retry'; it takes a list of names",
        ]
    )
    result.stdout.no_fnmatch_line("*tallies.py*")  # A line says it all; no frame of ours does.


@pytest.mark.slow
def test_a_property_fails_a_test_where_it_waits(suite):
    """A property that fails ends the test, shows its waiting line, and its fixtures clean up."""
    result = suite(
        """
@pytest.fixture
async def resource():
    values = [0]
    simloop.always(lambda: values[0] == 0, "it is zero")
    yield values
    await asyncio.sleep(1)
    print("cleaned up", asyncio.get_running_loop().time())

@pytest.mark.simloop
async def test_it(resource):
    asyncio.get_running_loop().call_later(1, resource.__setitem__, 0, 1)
    await asyncio.sleep(5)  # here

@pytest.mark.simloop
async def test_eventually():
    simloop.eventually(lambda: False, "it rings", within=9)
""",
        "-s",
    )
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*cleaned up 2.0",
            "*await asyncio.sleep(5)  # here",
            "*always 'it is zero': false at 1.0 s*",
            "*eventually 'it rings': not once true at 0.0 s, when the program ended",
        ]
    )


@pytest.mark.slow
def test_examples_of_hypothesis_are_added_up(suite):
    """A property of Hypothesis has to be true in one of its examples."""
    result = suite(
        """
from hypothesis import given, settings, strategies as st

@pytest.mark.simloop(require=["big"])
@settings(derandomize=True, database=None)
@given(st.integers(0, 100))
async def test_has(number):
    simloop.sometimes(number > 50, "big")

@pytest.mark.simloop(require=["huge"])
@settings(derandomize=True, database=None)
@given(st.integers(0, 100))
async def test_misses(number):
    simloop.sometimes(number > 200, "huge")
"""
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*never true, though required: sometimes 'huge' (asked * times)"])


@pytest.mark.slow
def test_a_unittest_case_ends_its_properties(suite):
    """In a SimTestCase what was never true fails the test."""
    result = suite(
        """
from simloop.testing import SimTestCase

class TestIt(SimTestCase):
    async def test_it(self):
        simloop.eventually(lambda: False, "it rings", within=9)
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*not once true at 0.0 s, when the program ended"])


def test_a_decorated_function_ends_its_properties():
    """What a decorated function states is ended with it, and its value is returned."""

    @virtual_time
    async def ring(*, rings):
        simloop.eventually(lambda: rings, "it rings", within=9)
        return "done"

    assert ring(rings=True) == "done"
    with pytest.raises(simloop.PropertyError, match="when the program ended"):
        ring(rings=False)


def test_tallies_add_up():
    """A sum has what every run had, in order, and tells what was never true."""
    total = {}
    add_up(total, {"a": Tally("sometimes", 2, 0), "b": Tally("reachable", 1, 1)})
    add_up(total, {"a": Tally("sometimes", 1, 0), "c": Tally("always", 5, 5)})
    assert total == {
        "a": ("sometimes", 3, 0),
        "b": ("reachable", 1, 1),
        "c": ("always", 5, 5),
    }
    assert never_true(total) == ["a"]
    demand(total, ["b", "c"])
    with pytest.raises(simloop.PropertyError, match=r"'a' \(asked 3 times\), 'd' \(no line"):
        demand(total, ["a", "b", "d"])
