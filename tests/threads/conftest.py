"""Fixtures of the tests about threads."""

from __future__ import annotations

import asyncio
import threading

import pytest

import simloop


@pytest.fixture(params=["simulated", "real"])
def run_either(request):
    """Run a coroutine on the simulated loop, or on the real one."""
    if request.param == "simulated":
        return simloop.run

    def run(main):
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            return runner.run(main)

    return run


@pytest.fixture(autouse=True)
def no_thread_left():
    """Wait for threads that a test gave up on, so that the next one may count."""
    before = threading.enumerate()
    yield
    for thread in threading.enumerate():
        if thread not in before:
            thread.join(5)


@pytest.fixture
def simulate():
    """Run a coroutine function twice, make sure that it is the same, and return the outcome."""

    def simulate(main):
        before = threading.active_count()
        outcomes = [simloop.simulate(main) for _ in range(2)]
        first, second = outcomes
        if first.error is not None:
            raise first.error
        assert first.digest == second.digest
        assert threading.active_count() == before
        return first

    return simulate
