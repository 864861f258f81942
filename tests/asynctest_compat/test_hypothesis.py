"""Hypothesis on coroutine tests: each example runs on the test's loop."""

from __future__ import annotations

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import asynctest_compat as asynctest

QUICK = settings(max_examples=20, database=None, deadline=None)


def test_pull_145_given_runs_coroutines(run_case, factory) -> None:
    """Every example of an async test is awaited, with what setUp made."""
    seen = []

    class Case(asynctest.TestCase):
        loop_factory = factory

        async def setUp(self):
            self.made = "in setUp"

        @QUICK
        @given(st.integers(), st.text(max_size=3))
        async def test_positional(self, number, text):
            await asyncio.sleep(0)
            assert asyncio.get_running_loop() is self.loop
            seen.append((self.made, number, text))

        @given(number=st.integers())
        @QUICK
        async def test_keyword(self, number):
            await asyncio.sleep(0)
            seen.append((self.made, number))

    assert run_case(Case).wasSuccessful()
    assert len(seen) >= 40


def test_a_falsified_example_fails(run_case) -> None:
    """What Hypothesis finds fails the test, with the shrunk example."""

    class Case(asynctest.TestCase):
        @settings(QUICK, max_examples=200)
        @given(st.integers(min_value=0))
        async def test_it(self, number):
            await asyncio.sleep(1)
            self.assertLess(number, 10)

    ((_, text),) = run_case(Case).failures
    assert "number=10" in text


def test_given_and_patch_mix(run_case) -> None:
    """A patched coroutine test under @given gets a new mock for each example."""

    class Target:
        async def get(self):
            raise AssertionError

    mocks = []

    class Case(asynctest.TestCase):
        @settings(QUICK, suppress_health_check=[HealthCheck.differing_executors])
        @given(st.integers())
        async def test_it(self, number):
            with asynctest.patch.object(Target, "get", return_value=number) as mock:
                assert await Target().get() == number
            mock.assert_awaited_once_with()
            mocks.append(mock)

    assert run_case(Case).wasSuccessful()
    assert len(mocks) == 20
