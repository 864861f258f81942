"""Garbage is collected at steps that the run decides."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from contextvars import copy_context

import pytest

import simloop
from simloop._kernel import Handle, Kernel


class Knot:
    """A cycle that tells when it is collected."""

    def __init__(self, log: list[object], number: int) -> None:
        self.me = self
        self.log = log
        self.number = number
        self.loop = asyncio.get_running_loop()

    def __del__(self) -> None:
        self.log.append((self.number, self.loop.time()))


async def make_knots(log: list[object]) -> None:
    for number in range(4_000):
        Knot(log, number)
        for _ in range(10):
            await asyncio.sleep(0.001)
    log.append("end")


def collected(junk: int) -> list[object]:
    """Run the program after making so many objects, which moves Python's own collections."""
    log: list[object] = []
    kept = [[number] for number in range(junk)]
    simloop.run(make_knots(log))
    assert len(kept) == junk
    return log[: log.index("end")]


def test_cycles_are_collected_at_the_same_steps_whatever_ran_before() -> None:
    """Finalizers of cyclic garbage run at the same virtual times in every run."""
    first = collected(junk=0)
    assert 1000 < len(first) < 4000
    assert collected(junk=317) == first
    assert collected(junk=50_000) == first


def test_an_abandoned_generator_in_a_cycle_is_closed_at_the_same_time() -> None:
    """An asynchronous generator that only the collector finds is closed at a decided step."""

    async def numbers(log: list[float]):
        try:
            while True:
                yield 1
        finally:
            log.append(asyncio.get_running_loop().time())

    async def main(log: list[float]) -> None:
        cycle: list[object] = [numbers(log)]
        cycle.append(cycle)
        await anext(cycle[0])
        del cycle
        for _ in range(15_000):
            await asyncio.sleep(0.001)

    logs: list[list[float]] = [[], []]
    for log in logs:
        [[number] for number in range(1000 * len(logs[0]))]
        simloop.run(main(log))
    assert logs[0] == logs[1]
    assert 0 < logs[0][0] < 15


def test_what_a_run_leaves_behind_is_collected_at_its_end() -> None:
    """Garbage of a short run does not pile up in the process."""
    log: list[object] = []

    class Plain:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            log.append("collected")

    async def main() -> None:
        Plain()

    simloop.run(main())
    assert log == ["collected"]


def test_a_world_that_grows_is_set_aside_and_still_collected() -> None:
    """What a growing world makes is in no collection of young objects, and is in the last one."""
    log: list[object] = []
    collected_in_run: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "stop":
            collected_in_run.append(info["collected"])

    async def main() -> None:
        for number in range(100):
            Knot(log, number)
        gc.callbacks.append(note)
        try:
            await asyncio.gather(*[asyncio.sleep(1 + number) for number in range(30_000)])
        finally:
            gc.callbacks.remove(note)

    simloop.run(main())
    assert collected_in_run  # Of young objects, in which the knots are not any more.
    assert not any(collected_in_run)
    assert len(log) == 100
    assert gc.get_freeze_count() == 0


def test_a_large_world_is_gone_through_less_often() -> None:
    """The more was scheduled, the more steps pass before all objects are looked at."""

    def full_at(scheduled: int) -> list[int]:
        kernel = Kernel()
        kernel.ready.extend([Handle(len, (), copy_context(), None)] * scheduled)
        looks: list[int] = []
        kernel.limits.tidy = lambda full: looks.append(kernel.steps) if full else None
        while kernel.steps < 5_000_000:
            kernel.limits.grant(kernel, kernel.limits.check_at + 1 - kernel.steps)
            kernel.now_ns += 1
        return [round(look / 500_000) / 2 for look in looks]

    assert full_at(0) == [0.5, 1.0, 2.0, 4.0]
    assert full_at(500_000) == [2.0, 4.0]
    assert full_at(10_000_000) == [4.0]


@pytest.mark.parametrize("collect", [gc.collect, lambda: gc.collect(0), gc.enable])
def test_what_outlived_a_collection_of_the_program_is_collected_too(collect) -> None:
    """Cycles that were in use when the program itself collected are gone after the run."""
    log: list[object] = []

    async def main() -> None:
        knot = Knot(log, 1)
        collect()
        kept = [[number] for number in range(1000)]  # By itself, too, if it was told to.
        assert not log
        del knot, kept

    simloop.run(main())
    assert len(log) == 1
    assert gc.isenabled()


@pytest.mark.slow
def test_the_first_run_of_a_process_decides_too() -> None:
    """Python's own collection is off in the first run, though Python 3.12 begins with a freeze."""
    program = """if True:
        import gc, simloop
        async def main():
            return gc.isenabled()
        print(simloop.run(main()), gc.isenabled(), gc.get_freeze_count())
    """
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False True 0\n"


def test_the_collector_is_as_it_was_after_a_run() -> None:
    """A run leaves the collector on, with nothing frozen; one that was off stays off."""

    async def main() -> bool:
        return gc.isenabled()

    assert not simloop.run(main())
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    gc.disable()
    try:
        simloop.run(main())
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_frozen_objects_of_the_user_stay_frozen() -> None:
    """A process that froze objects itself is left alone."""

    async def main() -> bool:
        return gc.isenabled()

    gc.freeze()
    try:
        count = gc.get_freeze_count()
        assert simloop.run(main())
        assert gc.get_freeze_count() > count - 100  # Some die by themselves.
    finally:
        gc.unfreeze()
