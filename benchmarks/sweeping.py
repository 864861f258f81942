"""How many schedules a second workers run, beside one, and how much memory they take.

    python benchmarks/sweeping.py [--workers 2] [--schedules 4000] [--rounds 5]

The program has 63 steps. Rounds take turns between one process and several, so that both have the
same machine; the best of each counts, by real time. What workers find is compared with what one
process finds.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import time
from typing import Any

import simloop

STEPS = 63
MIB = 1 << 20


async def program() -> None:
    """Let three tasks wait in turn, 63 steps in all; one choice in 200 fails."""
    done: list[int] = []

    async def work(number: int) -> None:
        for step in range(9):
            await asyncio.sleep(0.01 * (number + step))
        done.append(number)

    await asyncio.sleep(0)
    await asyncio.gather(*(work(number) for number in range(3)))
    if simloop.choose(200) == 77:
        raise LookupError(done)


def measure(jobs: int, schedules: int, executor: Any = None) -> tuple[float, Any]:
    """Return schedules per second, and what was found."""
    began = time.perf_counter()
    found = simloop.explore(program, schedules=schedules, stop=None, jobs=jobs, executor=executor)
    return schedules / (time.perf_counter() - began), found


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2, help="how many (2)")
    parser.add_argument("--schedules", type=int, default=4000, help="of a measurement (4000)")
    parser.add_argument("--rounds", type=int, default=5, help="the best counts (5)")
    options = parser.parse_args(arguments)
    steps = simloop.simulate(program).steps
    measure(1, 100)
    counts = (1, options.workers)
    best = dict.fromkeys(counts, 0.0)
    told: dict[int, list[str]] = {}
    for _ in range(options.rounds):
        for jobs in counts:
            rate, found = measure(jobs, options.schedules)
            best[jobs] = max(best[jobs], rate)
            told[jobs] = [each.schedule.token for each in found.failures]
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / MIB
    print(f"{steps} steps, {options.schedules} schedules, best of {options.rounds} rounds")
    for jobs, rate in best.items():
        ratio = rate / best[1]
        minutes = 1e6 / rate / 60
        print(f"{jobs:3} processes: {rate:8,.0f}/s, {ratio:.2f} times; {minutes:.0f} min a million")
    print(f"the largest worker had {largest:.0f} MiB; the findings are", end=" ")
    print("the same" if told[1] == told[options.workers] else f"DIFFERENT: {told}")


if __name__ == "__main__":
    main()
