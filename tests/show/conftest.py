"""What the tests of pages share: traced programs."""

from __future__ import annotations

import pytest

import simloop
from simloop.world.tracing.trace_file import writing_trace


@pytest.fixture(scope="session")
def traced(tmp_path_factory):
    """Run a coroutine function with a trace, and return the file."""

    def traced(main, name="run", **options):
        path = tmp_path_factory.mktemp(name) / f"{name}.json"
        world = simloop.World(seed=7, **options)
        with writing_trace(world, str(path), f"{name}.py"):
            simloop.run(main(), world=world)
        return path

    return traced
