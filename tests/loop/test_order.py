"""Sets of tasks and futures have one order, in every run and process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

PROGRAM = textwrap.dedent(
    """
    import asyncio, random, simloop

    async def child(order, number):
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            order.append(number)
            raise

    async def group(order):
        async with asyncio.TaskGroup() as tasks:
            for number in range(40):
                tasks.create_task(child(order, number))
            await asyncio.sleep(1)
            raise LookupError

    async def main():
        cancelled, done, resolved, everybody = [], [], [], []
        try:
            await group(cancelled)
        except* LookupError:
            pass
        tasks = [asyncio.create_task(asyncio.sleep(1), name=str(n)) for n in range(40)]
        done = [task.get_name() for task in (await asyncio.wait(tasks))[0]]
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in range(40)]
        for number, future in enumerate(futures):
            loop.call_later(random.random(), future.set_result, number)
        resolved = [future.result() for future in (await asyncio.wait(futures))[0]]
        idle = [asyncio.create_task(asyncio.sleep(9)) for _ in range(40)]
        everybody = [task.get_name() for task in asyncio.all_tasks()]
        return cancelled, done, resolved, everybody

    junk = [object() for _ in range({junk})]  # Moves where objects lie in memory.
    first, second = (simloop.run(main(), seed=1) for _ in range(2))
    assert first == second
    print(first)
    """
)


def output(hash_seed: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("{junk}", str(hash_seed * 1013))],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
    )
    return done.stdout


@pytest.mark.slow
def test_sets_of_tasks_and_futures_have_one_order() -> None:
    """A cancelled group, done sets and all_tasks() come in the same order in each process."""
    outputs = [output(hash_seed) for hash_seed in (1, 2, 3)]
    assert len(outputs[0]) > 500
    assert outputs[1:] == outputs[:1] * 2
