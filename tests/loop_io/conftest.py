"""Two arms: the same body runs on SimLoop and on asyncio's own selector loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import warnings

import pytest

import simloop

from .recording import Record

PATIENCE = 60.0  # Real seconds on the real arm: a test that hangs fails.


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


@contextlib.contextmanager
def only_new_garbage():
    """Collect what a body leaves behind, and look at nothing that was there before: it is fast."""
    gc.freeze()
    try:
        yield
        gc.collect()
    finally:
        gc.unfreeze()


@pytest.fixture
def same(tmp_path):
    """Run a body, ``body(record)``, on both arms; each call in it must have given the same."""

    def run(body, *, debug=None):
        records, waits = [], ()
        for name in ("simloop", "asyncio"):
            folder = tmp_path / name
            folder.mkdir(exist_ok=True)
            record = Record(folder, waits)

            async def main(record=record):
                record.listen_to(asyncio.get_running_loop())
                await body(record)

            with warnings.catch_warnings(), only_new_garbage():
                warnings.simplefilter("ignore", ResourceWarning)
                Arm(name).run(main, debug=debug)
            records.append(record)
            waits = tuple(record.waits)
        virtual, real = records
        assert real.entries, "the body recorded nothing"
        assert virtual.entries == real.entries
        return real, virtual

    return run
