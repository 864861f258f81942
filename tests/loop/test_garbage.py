"""Garbage is collected at steps that the run decides."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys
from contextvars import copy_context
from pathlib import Path

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
        kept = [[number] for number in range(1000)]
        assert not log
        del knot, kept

    simloop.run(main())
    assert len(log) == 1
    assert gc.isenabled()


@pytest.mark.slow
def test_the_first_run_of_a_process_decides_too() -> None:
    """Python's own collection is off in the first run, though Python 3.12 begins with a freeze."""
    program = f"""if True:
        import gc, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_garbage import collected
        first = collected(junk=100)
        print(first == collected(junk=5000), gc.isenabled(), gc.get_freeze_count())
    """
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True True 0\n"


@contextlib.contextmanager
def frozen():
    """Freeze what there is, as servers do before they fork."""
    gc.collect()
    gc.freeze()
    count = gc.get_freeze_count()
    try:
        yield
        assert count - 100 < gc.get_freeze_count() <= count  # Some die by themselves.
    finally:
        gc.unfreeze()


@contextlib.contextmanager
def disabled():
    """Turn the collector off, as benchmarks do."""
    gc.disable()
    try:
        yield
        assert not gc.isenabled()
    finally:
        gc.enable()


@contextlib.contextmanager
def other_thresholds():
    """Let Python collect at every object."""
    known = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        yield
        assert gc.get_threshold() == (1, 1, 1)
    finally:
        gc.set_threshold(*known)


@contextlib.contextmanager
def callbacks():
    """Be called at each collection, as programs that export metrics are."""
    heard: list[str] = []

    def hear(phase: str, info: dict[str, int]) -> None:
        heard.append(phase)

    gc.callbacks.append(hear)
    known = list(gc.callbacks)
    try:
        yield
        assert gc.callbacks == known
        assert heard.count("start") <= 1  # The one before a run, in a process that froze objects.
    finally:
        gc.callbacks.remove(hear)


@contextlib.contextmanager
def traced():
    """Watch every line, as debuggers and coverage do."""

    def trace(frame: object, event: str, arg: object) -> object:
        kept.append([len(kept)])
        return trace

    kept: list[list[int]] = []
    known = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(known)


@pytest.mark.parametrize(
    "state",
    [frozen, disabled, other_thresholds, callbacks, pytest.param(traced, marks=pytest.mark.slow)],
)
def test_a_run_collects_the_same_whatever_the_process_set(state) -> None:
    """Finalizers run at the same steps, and the process has its collector back as it was."""
    expected = collected(junk=0)
    with state():
        assert collected(junk=1000) == expected
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


@pytest.mark.slow
@pytest.mark.parametrize("state", [frozen, disabled])
def test_a_growing_world_collects_the_same_in_a_process_that_set_something(state) -> None:
    """What was set aside comes back into collections at the same step."""

    async def main(log: list[object]) -> None:
        for number in range(100):
            Knot(log, number)
        await asyncio.gather(*[asyncio.sleep(1 + number) for number in range(30_000)])
        log.append("end")
        gc.collect()
        log.append("collected")

    logs: list[list[object]] = [[], []]
    simloop.run(main(logs[0]))
    gc.freeze() if state is frozen else gc.disable()
    try:
        simloop.run(main(logs[1]))
    finally:
        gc.unfreeze()
        gc.enable()
    assert logs[0] == logs[1]
    assert logs[0][0] == "end"
    assert logs[0][-1] == "collected"


async def look() -> tuple[object, ...]:
    return (
        gc.isenabled(),
        gc.get_threshold(),
        gc.get_freeze_count(),
        list(gc.callbacks),
        gc.get_count(),
    )


async def change() -> None:
    before = await look()
    gc.disable()
    gc.set_threshold(5, 6)
    gc.freeze()
    gc.callbacks.append(print)
    gc.set_debug(gc.DEBUG_UNCOLLECTABLE)
    after = await look()
    assert [a is b or a == b for a, b in zip(before, after, strict=True)][:2] == [False, False]
    assert after[1] == (5, 6, 10)
    gc.callbacks.remove(print)
    gc.callbacks.append(lambda *_: None)


def test_what_a_program_sets_holds_for_its_run() -> None:
    """A program finds the collector of a new process, and leaves the process's as it was."""

    def state() -> list[object]:
        return [gc.isenabled(), gc.get_threshold(), gc.get_freeze_count(), list(gc.callbacks)]

    before, debug = state(), gc.get_debug()
    first = simloop.run(look())
    assert first[0] is True
    assert first[2:] == (0, [], (0, 0, 0))
    simloop.run(change())
    assert simloop.run(look()) == first
    assert (state(), gc.get_debug()) == (before, debug)


@pytest.mark.parametrize("turn_off", [gc.disable, gc.freeze, lambda: gc.set_threshold(0)])
def test_a_program_may_turn_collections_off(turn_off) -> None:
    """Then no step collects what it had made, until it says so itself, or the run ends."""
    log: list[object] = []

    async def main() -> None:
        Knot(log, 0)
        turn_off()
        for _ in range(25_000):
            await asyncio.sleep(0.001)
        assert not log

    simloop.run(main())
    assert len(log) == 1
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_what_a_program_froze_is_collected_after_unfreezing() -> None:
    """``gc.freeze`` keeps garbage from collections, ``gc.unfreeze`` gives it back to them."""
    log: list[object] = []

    async def main() -> None:
        Knot(log, 0)
        gc.freeze()
        assert gc.get_freeze_count() > 0
        gc.collect()
        assert not log
        gc.unfreeze()
        gc.collect()
        assert len(log) == 1
        assert gc.get_stats()[2]["collections"] == 2

    simloop.run(main())
