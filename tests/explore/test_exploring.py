"""An exploration finds what a real system would, shrinks it, replays it, and says what is wrong."""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor

import pytest

import simloop
from simloop.errors import UsageError
from simloop.exploration.program import Program

from . import broken_programs
from .broken_programs import BROKEN

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.parametrize("main", BROKEN, ids=lambda main: main.__name__)
def test_a_bug_is_found_shrunk_and_replayed(main) -> None:
    """From three starts: within 60 schedules, at most two deviations, by object, file and token."""
    for seed in range(3):
        found = simloop.explore(main, schedules=60, seed=seed)
        assert len(found.failures) == 1, f"{found}"
        failure = found.failures[0]
        assert isinstance(failure.error, BROKEN[main])
        assert failure.found_at == found.ran > 1
        assert 1 <= len(failure.schedule.deviations) <= 2
        assert len(failure.schedule.deviations) <= len(failure.original.deviations)
        for way in (failure, failure.schedule, failure.schedule.token, failure.original):
            outcome = simloop.replay(main, way)
            assert type(outcome.error) is type(failure.error)
            assert way is failure.original or outcome.digest == failure.outcome.digest


def test_the_same_seed_finds_the_same() -> None:
    """An exploration depends on its seed and on nothing else."""
    one, other, third = (
        simloop.explore(broken_programs.lost_update, seed=seed) for seed in (1, 1, 2)
    )
    assert one.failures[0].schedule == other.failures[0].schedule
    assert one.failures[0].original == other.failures[0].original
    assert one.failures[0].original != third.failures[0].original


def test_a_deadlock_is_a_failure_of_its_own() -> None:
    """A pool that loses its permit stands still for ever; the same places are the same failure."""
    found = simloop.explore(broken_programs.cancelled_while_acquiring, schedules=40, stop=None)
    kinds = {failure.kind for failure in found.failures}
    assert kinds == {"deadlock"}
    assert len(found.failures) == 1


def test_an_error_that_nobody_retrieved_counts_unless_switched_off() -> None:
    """The run ends well, and a task's error in it is lost: that is a failure by default."""
    found = simloop.explore(broken_programs.forgotten_error, schedules=100)
    assert found.failures[0].kind == "unretrieved"
    assert isinstance(found.failures[0].error, LookupError)
    main = broken_programs.forgotten_error
    assert not simloop.explore(main, schedules=100, failures=("error", "deadlock")).failures


def test_an_error_in_a_callback_counts_if_asked_for() -> None:
    """Asyncio logs it and goes on, so it is a failure only where it is asked for."""

    def fail() -> None:
        raise ArithmeticError

    async def main() -> None:
        asyncio.get_running_loop().call_soon(fail)
        await asyncio.sleep(1)

    assert not simloop.explore(main, schedules=3).failures
    found = simloop.explore(main, schedules=3, failures=["callback"])
    assert found.failures[0].kind == "callback"


def test_a_task_left_behind_counts_if_asked_for() -> None:
    """What still runs when the program ends is named, with where it waits."""

    async def main() -> None:
        asyncio.create_task(asyncio.sleep(10), name="forgotten")  # noqa: RUF006 - as it says

    assert not simloop.explore(main, schedules=3).failures
    found = simloop.explore(main, schedules=3, failures=["left"])
    assert found.failures[0].kind == "left"
    assert "forgotten" in str(found.failures[0].error)


def test_a_program_that_spins_is_a_finding() -> None:
    """A program that polls for ever under a delay ends in a limit: that is a failure."""

    async def main() -> None:
        done = asyncio.get_running_loop().time() + 1.0

        async def work() -> bool:
            await asyncio.sleep(0.999)
            return asyncio.get_running_loop().time() < done

        while not await work():
            done += 0.0

    found = simloop.explore(main, schedules=100, max_steps=500)
    assert found.failures[0].kind == "limit"


async def _polls(times: int, until: float = 0.6) -> None:
    """Poll so many times, or until something is done: never, if it takes longer than it may."""
    loop = asyncio.get_running_loop()
    begun, is_done = loop.time(), False

    async def set_it() -> None:
        nonlocal is_done
        await asyncio.sleep(0.5)
        is_done = loop.time() - begun < until

    task = asyncio.create_task(set_it())
    for _ in range(times):
        if is_done:
            break
        await asyncio.sleep(0.01)
    await task


def test_a_program_that_polls_for_ever_is_shrunk_by_short_runs(monkeypatch) -> None:
    """Only what is told runs to the limit: to shrink, it is enough that a run goes on and on."""
    ran = []
    play = Program.play

    def counted(self, *args, **kwargs):
        result = play(self, *args, **kwargs)
        ran.append(result[0].world.steps)
        return result

    monkeypatch.setattr(Program, "play", counted)
    found = simloop.explore(lambda: _polls(1 << 40), schedules=100, max_steps=20_000)
    (failure,) = found.failures
    assert failure.kind == "limit"
    assert len(failure.schedule.deviations) == 1
    long = [steps for steps in ran if steps >= 20_000]
    assert 1 <= len(long) <= 3 < len(ran)  # The original, the result, and what is told.


def test_what_ends_before_the_limit_is_no_smaller_schedule() -> None:
    """A smaller schedule whose run is only long is none: it would not fail at the limit."""

    async def main() -> None:
        is_long, is_endless = simloop.choose(2), simloop.choose(2)
        if is_long:
            await _polls(1 << 40 if is_endless else 3_000, until=0.0)

    (failure,) = simloop.explore(main, schedules=100, max_steps=20_000).failures
    assert failure.kind == "limit"
    assert len(failure.schedule.deviations) == 2


@pytest.mark.parametrize(("allowed", "enough"), [(45, 2), (100, 4)])
@pytest.mark.parametrize("seed", range(3))
def test_lateness_that_adds_up_is_shrunk_to_few_long_delays(allowed, enough, seed) -> None:
    """None of many short delays can be left out, but each may be half a minute long."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(50):
            await asyncio.sleep(1)
        assert loop.time() < 50 + allowed

    (failure,) = simloop.explore(main, schedules=300, seed=seed).failures
    assert len(failure.schedule.deviations) <= enough < len(failure.original.deviations)


def test_sleeps_are_stretched_only_where_they_stand_for_io() -> None:
    """Found with ``Delays(sleeps=)``, silent without, and a report without findings names it."""
    main = broken_programs.sleeps_stand_for_io
    plain = simloop.explore(main, schedules=100)
    assert not plain.failures
    assert "nothing but sleep" in str(plain)
    assert "Delays(sleeps=" in str(plain)
    found = simloop.explore(main, schedules=100, delays=simloop.Delays(sleeps=3.0))
    assert {each.kind for each in found.failures[0].schedule.deviations} == {"sleep"}
    assert "as I/O would" in found.failures[0].explain()


def test_a_failure_of_the_undisturbed_run_is_schedule_one() -> None:
    """What fails at once needs no deviation, and no shrinking."""

    async def main() -> None:
        raise LookupError("at once")

    failure = simloop.explore(main).failures[0]
    assert (failure.found_at, failure.runs, failure.schedule.deviations) == (1, 0, ())
    assert "fails undisturbed" in failure.explain()


def test_raise_first_raises_with_the_explanation() -> None:
    """For a test: the error is the program's own, and its note is the explanation."""
    found = simloop.explore(broken_programs.check_then_act)
    with pytest.raises(AssertionError) as caught:
        found.raise_first()
    assert any("It fails when" in note for note in caught.value.__notes__)
    simloop.explore(broken_programs.forgotten_error, schedules=1).raise_first()


def test_progress_and_stop() -> None:
    """``progress`` sees what was found so far; ``stop=None`` goes on after a failure."""
    seen = []
    found = simloop.explore(
        broken_programs.check_then_act,
        schedules=20,
        stop=None,
        progress=lambda found: seen.append(found.ran),
    )
    assert found.ran == 20
    assert seen == list(range(2, 21))


def test_orders_of_steps_are_counted_where_progress_is_shown() -> None:
    """Delays that change no order are no new one; without ``progress`` nothing is counted."""

    async def sleep(seconds):
        await asyncio.sleep(seconds)

    async def alone() -> None:
        await sleep(1)

    async def two() -> None:
        await asyncio.gather(sleep(1), sleep(2))

    def count(main):
        return simloop.explore(main, schedules=100, progress=lambda _: None).interleavings

    assert count(alone) == 1
    assert 1 < count(two) < 100
    assert simloop.explore(alone, schedules=5).interleavings is None


def test_ctrl_c_ends_with_what_was_found() -> None:
    """An interrupt gives the report so far."""

    def interrupt(found: simloop.Found) -> None:
        if found.ran == 5:
            raise KeyboardInterrupt

    found = simloop.explore(broken_programs.sleeps_stand_for_io, progress=interrupt)
    assert (found.ran, found.interrupted) == (5, True)
    assert "interrupted" in str(found)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_program_that_interrupts_itself_ends_the_search(jobs) -> None:
    """It ends as by Ctrl-C, whoever runs it; a worker's run was told as lost."""

    async def main() -> None:
        if simloop.choose(8) == 3:
            raise KeyboardInterrupt

    found = simloop.explore(main, schedules=200, jobs=jobs)
    assert found.interrupted
    assert found.ran < 200
    assert not found.failures
    assert not found.lost


def test_schedules_of_before_are_tried_first() -> None:
    """A schedule that is given runs before the strategy's."""
    main = broken_programs.lost_update
    known = simloop.explore(main).failures[0].schedule
    failure = simloop.explore(main, first=[known]).failures[0]
    assert failure.found_at == 2
    assert failure.original.deviations == known.deviations


STATE: list[int] = []


async def stateful() -> None:
    STATE.append(1)
    for _ in STATE:
        await asyncio.sleep(1)


async def plain() -> None:
    await asyncio.sleep(1)


async def taking(argument: int) -> None:
    await asyncio.sleep(argument)


async def generating():
    yield


async def exploring():
    simloop.explore(plain)


async def replaying():
    simloop.replay(plain, simloop.Schedule([], delays=simloop.Delays()))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: simloop.explore(stateful), "undisturbed run differs from itself"),
        (lambda: simloop.explore(taking), r"takes \(argument.*functools.partial"),
        (lambda: simloop.explore(plain()), "give the function: plain in place of plain()"),
        (lambda: simloop.explore(3), "takes a coroutine function"),
        (lambda: simloop.explore(plain, strategy="best"), "'best': there is no such strategy"),
        (lambda: simloop.explore(plain, strategy="pct:x"), "whole number from 1 on, such as pct:2"),
        (lambda: simloop.explore(plain, strategy="delay"), "such as delay:2"),
        (lambda: simloop.explore(plain, strategy=[]), "needs a strategy"),
        (lambda: simloop.explore(plain, strategy=3), "it takes a name"),
        (lambda: simloop.explore(plain, schedules=0), "schedules=0; it takes a whole number"),
        (lambda: simloop.explore(plain, stop=0), "stop=0; it takes a whole number"),
        (lambda: simloop.explore(plain, seconds=-1), "seconds=-1; it takes a number above 0"),
        (lambda: simloop.explore(plain, seed=None), "seed=None; it takes an integer or a string"),
        (lambda: simloop.explore(plain, delays=3), "delays=3; it takes simloop.Delays"),
        (lambda: simloop.explore(plain, failures=["bad"]), "'bad': there is no such kind"),
        (lambda: simloop.explore(plain, max_stepz=3), "did you mean max_steps"),
        (lambda: simloop.explore(plain, world=simloop.World()), "a world of its own"),
        (lambda: simloop.Delays(each=-1), r"Delays\(each=-1\)"),
        (lambda: simloop.Delays(total=float("nan")), r"Delays\(total=nan\)"),
        (lambda: simloop.explore(lambda: None), "returned NoneType and no coroutine"),
        (lambda: simloop.explore(generating), "returned async_generator and no coroutine"),
        (lambda: simloop.explore(plain, seconds="1"), "seconds='1'; it takes a number above 0"),
        (lambda: simloop.explore(plain, schedules=True), "schedules=True; it takes a whole number"),
        (lambda: simloop.explore(plain, progress=3), "progress=3; it takes a function"),
        (lambda: simloop.explore(plain, first=["s1x"]), "first='s1x'; it takes schedules"),
        (lambda: simloop.explore(plain, first="s1x"), "first='s1x'; it takes schedules"),
        (lambda: asyncio.run(exploring()), r"explore\(\) cannot be called from a running event"),
        (lambda: asyncio.run(exploring()), r"await asyncio.to_thread\(simloop.explore, main\)"),
        (lambda: asyncio.run(replaying()), r"replay\(\) cannot be called from a running event"),
        (lambda: simloop.replay(plain, ""), "got an empty text"),
        (lambda: simloop.replay(plain, "x" * 5000), "no token of a schedule"),
        (lambda: simloop.replay(plain, 3), "not 3"),
        (lambda: simloop.replay(plain, "sdf"), "no token of a schedule"),
        (lambda: simloop.replay(plain, "no/such/file.json"), "no schedule can be read"),
    ],
)
def test_a_wrong_call_is_told(call, message) -> None:
    """Each argument without a meaning is an error that names it, at the call."""
    with pytest.raises(UsageError, match=message):
        call()


@pytest.mark.parametrize("method", ["measured", "begin", "observe", "answer", "ended"])
@pytest.mark.parametrize("names", [True, False])
def test_a_strategy_that_raises_is_named(method, names) -> None:
    """The error says which strategy, which method and what it raised; it is none of the program."""

    def raises(*_args, **_options):
        raise LookupError("no such branch")

    members = {"answer": lambda *_: 0, method: raises, "names_things": names}
    odd = type("OddStrategy", (simloop.Strategy,), members)

    async def main():
        await asyncio.sleep(0.1)

    with pytest.raises(UsageError) as caught:
        simloop.explore(main, schedules=5, strategy=odd())
    assert isinstance(caught.value.__cause__, LookupError)
    text = str(caught.value)
    assert f"OddStrategy.{method}() raised LookupError: no such branch" in text
    assert "strategy='timing'" in text


def test_an_exploration_in_a_thread_of_a_running_loop_works() -> None:
    """What the refusal tells to do helps, on a real loop and inside of a run."""

    async def main():
        async with asyncio.timeout(1):
            await asyncio.sleep(0.9)

    async def outer():
        return await asyncio.to_thread(simloop.explore, main, schedules=50)

    assert asyncio.run(outer()).failures
    assert simloop.run(outer()).failures


def test_an_error_whose_text_raises_is_a_finding_too() -> None:
    """Reports look at the program's objects, and nothing that these raise loses a finding."""

    class OddError(Exception):
        def __str__(self):
            raise RuntimeError("in str")

        __repr__ = __str__

    async def main():
        await asyncio.sleep(0)
        raise OddError

    found = simloop.explore(main, schedules=20)
    assert "its text raises RuntimeError" in str(found)
    assert "OddError" in found.failures[0].explain()


def test_a_partial_is_a_program() -> None:
    """Arguments are bound before; the report names the function."""
    found = simloop.explore(functools.partial(taking, 1), schedules=3)
    assert found.program.endswith(":taking")


def test_real_threads_are_named_where_a_run_differs_from_itself() -> None:
    """An executor of the program's own works for real; that its state is kept would mislead."""
    came: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as pool:
            await loop.run_in_executor(pool, came.append, 1)
        await asyncio.sleep(len(came))  # What differs from run to run, as their order may.

    with pytest.raises(simloop.UsageError, match="worked for real beside the run") as caught:
        simloop.explore(main, schedules=5)
    assert "asyncio.to_thread" in str(caught.value)
