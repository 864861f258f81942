"""dask.distributed: a scheduler, workers and a client in one loop."""

from __future__ import annotations

import asyncio
import logging
import platform

import pytest

from .bodies import HERE

distributed = pytest.importorskip("distributed")
dask = pytest.importorskip("dask")

# What a library warns about is not ours.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]

platform.processor()  # Asked here once for all: a real program answers.


def test_a_cluster(live, tmp_path):
    """Tasks on two workers, data between them, minutes of sleep, the end of all."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)

    async def main():
        options = {"dashboard": False, "host": HERE}
        async with (
            distributed.Scheduler(port=0, dashboard=False, host=HERE) as scheduler,
            distributed.Worker(scheduler.address, nthreads=1, local_directory=tmp_path, **options),
            distributed.Worker(scheduler.address, nthreads=1, local_directory=tmp_path, **options),
            distributed.Client(scheduler.address, asynchronous=True) as client,
        ):
            keys = [f"key{number}" for number in range(20)]
            futures = client.map(lambda number: number + 1, range(20), key=keys)
            assert await client.gather(futures) == list(range(1, 21))
            assert await client.submit(sum, futures, key="sum") == 210
            big = client.submit(bytes, 5_000_000, key="big")
            assert await client.submit(len, big, key="size") == 5_000_000
            await asyncio.sleep(120)

    # A profiler would look at the workers' threads a hundred times a second. And dask keeps tasks
    # and futures in sets, whose order is that of addresses: its two runs are two.
    with dask.config.set({"distributed.worker.profile.enabled": False}):
        assert live(main, is_same=False).time >= 120
