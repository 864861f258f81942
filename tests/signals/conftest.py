"""Loops for tests of the loop: the simulated one, and the real one as the other arm."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

import simloop

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(params=["simulated", "real"])
def factory(request: pytest.FixtureRequest) -> LoopFactory:
    """Both arms: a behaviour of asyncio is the same on either."""
    return simloop.SimLoop if request.param == "simulated" else asyncio.SelectorEventLoop


@pytest.fixture
def either(factory: LoopFactory) -> Iterator[asyncio.AbstractEventLoop]:
    """Return a loop of one arm or the other."""
    loop = factory()
    yield loop
    loop.close()


@pytest.fixture
def loop() -> Iterator[simloop.SimLoop]:
    """Return a simulated loop."""
    loop = simloop.SimLoop()
    yield loop
    loop.close()
