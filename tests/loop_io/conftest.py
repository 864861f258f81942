"""Two arms: the same body runs on SimLoop and on asyncio's own selector loop."""

from __future__ import annotations

import asyncio

import pytest

import simloop

PATIENCE = 10.0  # Real seconds on the real arm: a test that hangs fails.


class Arm:
    """One of the two loops that a body runs on."""

    def __init__(self, name):
        self.name = name
        self.is_virtual = name == "simloop"
        self.debug = None

    def run(self, main, *, debug=None):
        """Run a coroutine function to its end and return its result."""

        async def body():
            async with asyncio.timeout(PATIENCE):
                return await main()

        if self.is_virtual:
            return simloop.run(body(), debug=debug)
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop, debug=debug) as runner:
            return runner.run(body())

    def __repr__(self):
        return self.name


@pytest.fixture(params=["simloop", "asyncio"])
def arm(request):
    return Arm(request.param)


@pytest.fixture
def virtual():
    return Arm("simloop")
