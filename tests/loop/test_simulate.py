"""run, simulate, check and the digest."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import subprocess
import sys
import threading
import time
import warnings

import pytest

import simloop


async def nap() -> float:
    for _ in range(1000):
        await asyncio.sleep(0.1)
    return asyncio.get_running_loop().time()


def test_a_thousand_tenths_are_a_hundred() -> None:
    """A thousand sleeps of 0.1 s end at exactly 100.0."""
    assert simloop.run(nap()) == 100.0


def test_a_billion_seconds_are_one_jump() -> None:
    """sleep(1e9) takes as many steps as sleep(1)."""

    async def main(delay: float) -> None:
        await asyncio.sleep(delay)

    outcomes = [simloop.simulate(lambda delay=delay: main(delay)) for delay in (1, 1e9)]
    assert outcomes[0].steps == outcomes[1].steps
    assert outcomes[1].time == 1e9


@pytest.mark.slow
def test_a_hundred_thousand_tasks_sleep_at_once() -> None:
    """A hundred thousand tasks asleep at once all wake, each at its time."""

    async def main() -> float:
        await asyncio.gather(*[asyncio.sleep(n % 977) for n in range(100_000)])
        return asyncio.get_running_loop().time()

    assert simloop.run(main()) == 976.0


def test_run_takes_only_coroutines() -> None:
    """What is no coroutine is refused as asyncio.run refuses it."""
    with pytest.raises((ValueError, TypeError), match="coroutine"):
        simloop.run(nap)


def test_run_raises_the_program_s_error() -> None:
    """The program's own error comes out of run, untouched."""

    async def main() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        simloop.run(main())


def test_run_cancels_what_is_left() -> None:
    """Tasks still pending when the program ends are cancelled, as by asyncio.run."""
    ended = []

    async def main() -> None:
        async def left() -> None:
            try:
                await asyncio.sleep(1e6)
            finally:
                ended.append(True)

        task = asyncio.create_task(left())
        await asyncio.sleep(0)
        assert not task.done()

    simloop.run(main())
    assert ended == [True]


def test_simulate_tells_value_or_error() -> None:
    """An outcome holds what the program returned or raised, when, and after how many steps."""

    async def fail() -> None:
        await asyncio.sleep(0.5)
        raise LookupError("gone")

    outcome = simloop.simulate(nap, seed=5)
    assert (outcome.value, outcome.error, outcome.seed) == (100.0, None, 5)
    assert (outcome.time, outcome.time_ns) == (100.0, 100 * 10**9)
    assert outcome.steps > 1000
    assert len(outcome.digest) == 32
    failed = simloop.simulate(fail)
    assert failed.value is None
    assert isinstance(failed.error, LookupError)
    with pytest.raises(AttributeError):
        outcome.value = 5


def test_simulate_calls_the_function_itself() -> None:
    """A coroutine instead of a coroutine function is refused with the way out."""
    coro = nap()
    with pytest.raises(simloop.UsageError, match="coroutine function"):
        simloop.simulate(coro)
    coro.close()


def test_a_keyboard_interrupt_is_not_an_outcome() -> None:
    """The user's interrupt comes out of simulate."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()  # What earlier tests have left: its warnings are not of this one.

    async def main() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simloop.simulate(main)
    gc.collect()  # asyncio tells of the task's error when it is collected: here, not later.


def test_a_digest_moves_no_order() -> None:
    """A set of tasks has the order in a run with a digest that it has in one without."""

    async def main() -> list[str]:
        tasks = [asyncio.create_task(asyncio.sleep(1), name=f"{n}") for n in range(4)]
        ordered = [task.get_name() for task in {tasks[3], tasks[1], tasks[0], tasks[2]}]
        await asyncio.wait(tasks)
        return ordered

    assert simloop.simulate(main).value == simloop.run(main())


def test_digests_tell_programs_apart() -> None:
    """Another time, another order, another result or another error is another digest."""

    async def variant(delay: float, value: object, names: str) -> object:
        await asyncio.gather(*[asyncio.create_task(asyncio.sleep(delay), name=n) for n in names])
        if value == "fail":
            raise ValueError(value)
        return value

    digests = [
        simloop.simulate(lambda args=args: variant(*args)).digest
        for args in [(1, 0, "ab"), (1, 0, "ab"), (2, 0, "ab"), (1, 1, "ab"), (1, 0, "ba")]
    ]
    digests.append(simloop.simulate(lambda: variant(1, "fail", "ab")).digest)
    assert digests[0] == digests[1]
    assert len(dict.fromkeys(digests)) == 5


PROCESS = """
import asyncio, simloop
class Thing:
    pass
async def main():
    tasks = [asyncio.create_task(asyncio.sleep(n % 3), name=f"t{n}") for n in range(20)]
    await asyncio.wait(tasks)
    return Thing()
print(simloop.simulate(main, seed=9).digest)
"""


@pytest.mark.slow
def test_a_digest_is_the_same_in_every_process() -> None:
    """A digest holds nothing of the process: no address, no hash, no real time."""
    digests = [
        subprocess.run(
            [sys.executable, "-c", PROCESS],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in (1, 2)
    ]
    assert digests[0] == digests[1] != ""


def test_the_seed_decides_the_program_s_random() -> None:
    """Random draws the same for a seed and something else for another; the caller's is kept."""

    async def main() -> float:
        return random.random()

    random.seed(5)
    expected = random.random()
    random.seed(5)
    first, again, other = (simloop.run(main(), seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert random.random() == expected


def test_the_digest_tells_tasks_apart_by_their_numbers() -> None:
    """Which of two tasks of one coroutine function goes on is in the digest, named or not."""

    async def nap(delay: float) -> None:
        await asyncio.sleep(delay)

    def gathering(*delays: float) -> object:
        async def main() -> None:
            await asyncio.gather(*map(nap, delays))

        return main

    one, again, other = (simloop.simulate(gathering(*each)) for each in ((1, 2), (1, 2), (2, 1)))
    assert one.digest == again.digest != other.digest


def test_names_that_count_for_the_process_are_not_in_the_digest() -> None:
    """A task that a library makes past the loop has another number in each run, and one label."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(asyncio.Task(asyncio.sleep(n), loop=loop) for n in (1, 2)))

    assert simloop.simulate(main).digest == simloop.simulate(main).digest


@pytest.mark.slow
def test_check_passes_what_is_deterministic() -> None:
    """A program that depends on its seed alone passes."""

    async def main() -> None:
        await asyncio.sleep(random.random())

    simloop.check(main, seeds=range(5))


@pytest.mark.slow
def test_check_names_the_first_step_that_differs() -> None:
    """A program whose second run differs is told with both steps and their time."""
    delays = iter([1, 1, 1, 2])

    async def waiter(delay: float) -> None:
        await asyncio.sleep(delay)

    async def main() -> None:
        await waiter(next(delays))

    with pytest.raises(simloop.NondeterminismError) as caught:
        simloop.check(main, seeds=[7, 8])
    text = str(caught.value)
    assert "runs 1 and 2 of seed 8 differ" in text
    assert "sets a timer for 1.0 s" in text
    assert "sets a timer for 2.0 s" in text
    assert "Likely cause: state that the first run left behind" in text


@pytest.mark.slow
def test_check_sees_a_difference_in_the_end_alone() -> None:
    """Equal steps with different results are a difference too."""
    values = iter([1, 2])

    async def main() -> int:
        return next(values)

    with pytest.raises(simloop.NondeterminismError, match="the ends differ"):
        simloop.check(main, seeds=[0])


def test_check_needs_two_runs() -> None:
    """One run has nothing to be compared with."""
    with pytest.raises(simloop.UsageError, match=r"runs=1"):
        simloop.check(nap, runs=1)


def test_a_world_can_be_given() -> None:
    """A world outlives its runs: its clock and steps go on."""
    world = simloop.World(seed=3)
    simloop.run(asyncio.sleep(5), world=world)
    simloop.run(asyncio.sleep(5), world=world)
    assert world.time_ns == 10 * 10**9
    assert world.steps > 2


def test_a_program_does_not_wait_for_real() -> None:
    """A year of sleeping is over at once."""
    began = time.perf_counter()
    simloop.run(asyncio.sleep(365 * 86_400))
    assert time.perf_counter() - began < 60


def test_addresses_in_names_of_tasks_make_no_difference() -> None:
    """A library that names tasks by what an object shows as has one digest all the same."""
    kept = []

    async def main() -> None:
        kept.append(object())  # So that the next one lies elsewhere.
        await asyncio.create_task(asyncio.sleep(1), name=f"request of {kept[-1]!r}")

    assert simloop.simulate(main).digest == simloop.simulate(main).digest


def test_functions_of_random_have_one_name() -> None:
    """A step that calls random.random is the same one beside other threads and alone."""

    async def main() -> None:
        asyncio.get_running_loop().call_later(1, random.random)
        await asyncio.sleep(2)

    alone = simloop.simulate(main).digest
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        beside = simloop.simulate(main).digest
    finally:
        release.set()
        thread.join()
    assert beside == alone


@pytest.mark.parametrize("around", [asyncio.run, simloop.run])
@pytest.mark.parametrize("call", ["run", "simulate", "check"])
def test_a_run_inside_a_running_loop_names_the_way_out(around, call) -> None:
    """In a notebook's cell a loop runs already: told at the call, nothing left unawaited."""

    async def inner() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    async def cell() -> None:
        with pytest.raises(simloop.UsageError, match=rf"{call}\(\) cannot be .*to_thread"):
            getattr(simloop, call)(inner() if call == "run" else inner)

    around(cell())


def test_a_run_in_a_thread_beside_a_real_loop_works() -> None:
    """The way out that the error names."""

    async def inner() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    async def cell() -> float:
        return await asyncio.to_thread(lambda: simloop.run(inner()))

    assert asyncio.run(cell()) == 3600


@pytest.mark.parametrize("seeds", [[], 3, "7", None])
def test_check_wants_seeds(seeds) -> None:
    """Without any seed nothing would be checked, and the call would pass."""
    with pytest.raises(simloop.UsageError, match=r"it takes some seeds: \[7\], or range\(10\)"):
        simloop.check(nap, seeds=seeds)


@pytest.mark.parametrize("call", [simloop.check, simloop.sweep])
@pytest.mark.parametrize(
    ("seeds", "told"),
    [(iter(int, 1), "more than 3; give so many as a range"), ([1, 2.5], "2.5 among seeds=")],
)
def test_seeds_that_mean_nothing_are_told_at_the_call(call, seeds, told, monkeypatch) -> None:
    """An iterator without end would fill the memory before the first run."""
    monkeypatch.setattr("simloop.world.seeds._LISTED_MAX", 3)
    with pytest.raises(simloop.UsageError, match=told):
        call(nap, seeds=seeds)
