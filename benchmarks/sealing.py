"""What sealing a run costs: entering and leaving, each step, and each call inside.

    python benchmarks/sealing.py [--tiny]

Prints microseconds per round trip, nanoseconds per step of a loop that is sealed and of one that is
not, and nanoseconds per call outside and inside of a run.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import random
import sys
import time
import uuid
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import simloop
from simloop._kernel import RandomStreams
from simloop._sandbox import Sandbox
from simloop._sandbox.time import real_clock

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS: dict[str, Callable[[], object]] = {
    "time.monotonic()": time.monotonic,  # noqa: TID251 - what is measured
    "time.time()": time.time,  # noqa: TID251 - the same
    "datetime.now(UTC)": lambda: dt.datetime.now(dt.UTC),
    "os.urandom(16)": lambda: os.urandom(16),
    "uuid.uuid4()": uuid.uuid4,
    "random.random()": random.random,  # noqa: TID251 - the same
    "random.Random()": random.Random,
    "os.write(fd, b'')": lambda: os.write(_null, b""),
}

_null = os.open(os.devnull, os.O_WRONLY)


class Clock:
    """A clock that stands still."""

    now_ns = steps = 0
    limits = simloop.World().kernel.limits

    def now_s(self) -> float:
        """Return what it shows."""
        return 0.0

    def block(self, duration_ns: int) -> None:
        """Let time pass."""
        self.now_ns += duration_ns


def seconds_each(function: Callable[[], object], count: int) -> float:
    """Return the least mean of five rounds, in seconds per call."""
    rounds = []
    for _ in range(5):
        start = real_clock.perf_counter()
        for _ in range(count):
            function()
        rounds.append((real_clock.perf_counter() - start) / count)
    return min(rounds)


async def spin(count: int) -> None:
    """Take so many steps."""
    for _ in range(count):
        await asyncio.sleep(0)


def seconds_per_step(count: int, *, sealed: bool) -> float:
    """Return the least of five runs, in seconds per step, without what a run costs by itself."""
    rounds = []
    for _ in range(5):
        elapsed = []
        for steps in (count, 11 * count):
            world: Any = simloop.World()
            if not sealed:
                world.inside = nullcontext
            start = real_clock.perf_counter()
            simloop.run(spin(steps), world=world)
            elapsed.append(real_clock.perf_counter() - start)
        rounds.append((elapsed[1] - elapsed[0]) / (10 * count))
    return min(rounds)


def main(count: int) -> None:
    """Measure and print."""
    sandbox = Sandbox(clock=Clock(), streams=RandomStreams(0))

    def visit() -> None:
        sandbox.enter()
        sandbox.exit()

    def first_visit() -> None:
        with Sandbox(clock=Clock(), streams=RandomStreams(0)):
            pass

    visit()
    print(f"{'enter and exit':20} {seconds_each(visit, count) * 1e6:8.1f} us")
    print(f"{'of a new world':20} {seconds_each(first_visit, count) * 1e6:8.1f} us")
    for name, sealed in (("sealed", True), ("not sealed", False)):
        step = seconds_per_step(count, sealed=sealed)
        print(f"{f'a step, {name}':20} {step * 1e9:8.0f} ns")
    for name, call in CALLS.items():
        outside = seconds_each(call, count)
        with sandbox:
            inside = seconds_each(call, count)
        print(f"{name:20} {outside * 1e9:8.0f} ns outside {inside * 1e9:8.0f} ns inside")


if __name__ == "__main__":
    main(10 if "--tiny" in sys.argv else 5000)
