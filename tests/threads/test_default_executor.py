"""The default executor: jobs at their turn, in order, in virtual time."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
import warnings

import pytest

import simloop
import simloop.trace


def test_jobs_return_and_raise(run_either) -> None:
    """A job's result is the future's, and so is its error."""

    def fail() -> None:
        raise LookupError("gone")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(None, divmod, 7, 2) == (3, 1)
        assert await asyncio.to_thread(dict, a=1) == {"a": 1}
        with pytest.raises(LookupError, match="gone"):
            await asyncio.to_thread(fail)

    run_either(main())


def test_a_job_runs_at_its_turn_in_order(simulate) -> None:
    """What is ready before a job runs before it, what comes later runs after it, at one time."""

    async def main() -> list[object]:
        loop = asyncio.get_running_loop()
        seen: list[object] = []
        loop.call_soon(seen.append, "before")
        jobs = [loop.run_in_executor(None, seen.append, number) for number in range(3)]
        loop.call_soon(seen.append, "after")
        await asyncio.gather(*jobs)
        return [*seen, loop.time()]

    assert simulate(main).value == ["before", 0, 1, 2, "after", 0.0]


def test_sleeping_in_a_job_takes_virtual_time(simulate) -> None:
    """Jobs sleep side by side: an hour each is an hour in all, and the loop runs meanwhile."""

    def job(hours: int) -> float:
        time.sleep(hours * 3600)
        return time.monotonic()

    async def main() -> object:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(600)
                ticks += 1

        ticker = asyncio.create_task(tick())
        ends = await asyncio.gather(*(asyncio.to_thread(job, hours) for hours in (3, 1, 2)))
        ticker.cancel()
        return ends, ticks

    assert simulate(main).value == ([10800.0, 3600.0, 7200.0], 18)


def test_sleeping_for_nothing_lets_others_run(simulate) -> None:
    """``time.sleep(0)`` hands over, so that a loop of it waits for others and does not spin."""

    async def main() -> int:
        stop = threading.Event()

        def job() -> int:
            rounds = 0
            while not stop.is_set():
                time.sleep(0)
                rounds += 1
            return rounds

        future = asyncio.get_running_loop().run_in_executor(None, job)
        for _ in range(5):
            await asyncio.sleep(0)
        stop.set()
        return await future

    assert 3 <= simulate(main).value <= 6


def test_no_more_than_32_jobs_run_at_once(simulate) -> None:
    """The 33rd job waits until one of 32 has ended, on every machine."""

    async def main() -> list[float]:
        def job() -> float:
            time.sleep(1)
            return time.monotonic()

        return sorted(await asyncio.gather(*(asyncio.to_thread(job) for _ in range(65))))

    assert simulate(main).value == [1.0] * 32 + [2.0] * 32 + [3.0]


def test_threads_are_used_again(simulate) -> None:
    """One job after the other runs in one thread, named as asyncio names it."""

    async def main() -> dict[str, None]:
        def name() -> str:
            return threading.current_thread().name

        return dict.fromkeys([await asyncio.to_thread(name) for _ in range(10)])

    assert list(simulate(main).value) == ["asyncio_0"]


def test_a_job_is_outside_of_the_loop(run_either) -> None:
    """No loop runs in a job's thread, and contexts pass by to_thread only."""
    variable = contextvars.ContextVar("variable", default="default")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        variable.set("set")
        with pytest.raises(RuntimeError, match="no running event loop"):
            await asyncio.to_thread(asyncio.get_running_loop)
        assert await asyncio.to_thread(variable.get) == "set"
        assert await loop.run_in_executor(None, variable.get) == "default"
        assert await asyncio.to_thread(threading.get_ident) != threading.get_ident()

    run_either(main())


def test_cancelling_the_future_lets_the_job_go_on(run_either) -> None:
    """A job that runs goes on when nobody awaits it any more."""
    ended = threading.Event()

    async def main() -> None:
        began = threading.Event()

        def job() -> None:
            began.set()
            time.sleep(0.01)
            ended.set()

        task = asyncio.create_task(asyncio.to_thread(job))
        while not began.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(ended.wait)

    run_either(main())
    assert ended.is_set()


def test_a_job_that_was_cancelled_before_its_turn_never_runs(simulate) -> None:
    """Cancelling at once leaves nothing to do; the next in line goes on."""

    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        seen: list[int] = []
        futures = [loop.run_in_executor(None, seen.append, number) for number in range(40)]
        for future in futures[1:39]:
            future.cancel()
        await asyncio.gather(futures[0], futures[39])
        return seen

    assert simulate(main).value == [0, 39]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_errors_that_end_a_program_end_it_from_a_job_too(run_either, kind) -> None:
    """KeyboardInterrupt and SystemExit come out where the job is awaited, and end the run."""

    def job() -> None:
        raise kind

    with pytest.raises(kind):
        run_either(asyncio.to_thread(job))


def test_a_stop_iteration_is_told_as_a_runtime_error() -> None:
    """A future can't raise StopIteration; the awaiting side hears of it all the same."""

    async def main() -> None:
        with pytest.raises(RuntimeError, match="StopIteration") as caught:
            await asyncio.to_thread(next, iter(()))
        assert isinstance(caught.value.__cause__, StopIteration)

    simloop.run(main())


def test_shutting_down_waits_for_the_jobs(run_either) -> None:
    """Jobs that run are done when the executor has shut down, and no more are taken."""
    seen: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def job() -> None:
            time.sleep(0.02)
            seen.append("done")

        future = loop.run_in_executor(None, job)
        await loop.shutdown_default_executor()
        assert seen == ["done"]
        await future
        with pytest.raises(RuntimeError, match="Executor shutdown has been called"):
            loop.run_in_executor(None, seen.append, "never")

    run_either(main())


def test_a_run_waits_for_its_jobs_at_the_end() -> None:
    """What nobody awaits is done when ``run`` returns, as with ``asyncio.run``."""
    seen: list[float] = []

    async def main() -> None:
        def job() -> None:
            time.sleep(60)
            seen.append(time.monotonic())

        asyncio.get_running_loop().run_in_executor(None, job)

    simloop.run(main())
    assert seen == [60.0]


def test_shutting_down_gives_up_after_its_timeout() -> None:
    """With a timeout in virtual time the rest is left behind, with asyncio's warning."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.run_in_executor(None, time.sleep, 1000)
        with pytest.warns(RuntimeWarning, match="within 5 seconds"):
            await loop.shutdown_default_executor(5)
        return loop.time()

    before = threading.active_count()
    loop = simloop.SimLoop()
    assert loop.run_until_complete(main()) == 5.0
    loop.close()
    assert threading.active_count() == before


def test_closing_ends_what_still_waits() -> None:
    """A job that waits when its loop closes gets SystemExit there; its ``finally`` runs."""
    seen: list[str] = []

    def job() -> None:
        try:
            threading.Event().wait()
        finally:
            seen.append("cleaned up")

    async def main() -> None:
        asyncio.get_running_loop().run_in_executor(None, job)
        await asyncio.sleep(1)

    before = threading.active_count()
    loop = simloop.SimLoop()
    loop.run_until_complete(main())
    loop.close()
    assert seen == ["cleaned up"]
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.run_in_executor(None, seen.append, "never")


def test_a_loop_may_rest_between_runs_with_a_job_under_way() -> None:
    """A job that sleeps goes on in the next run of its loop, and the clocks are real between."""
    loop = simloop.SimLoop()
    future = loop.run_in_executor(None, time.sleep, 10)
    loop.run_until_complete(asyncio.sleep(4))
    assert not future.done()
    assert time.monotonic() != loop.time()
    loop.run_until_complete(future)
    assert loop.time() == 10.0
    loop.close()


def test_debug_mode_refuses_coroutine_functions(run_either) -> None:
    """What is no plain function is refused in debug mode, as by asyncio."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        with pytest.raises(TypeError):
            loop.run_in_executor(None, main)

    run_either(main())


def test_the_digest_names_the_job() -> None:
    """A job's steps are labelled by its function, not by the machinery."""
    recorder = simloop.trace.Recorder()

    def job() -> None:
        time.sleep(1)

    async def main() -> None:
        await asyncio.to_thread(job)

    simloop.simulate(main, recorder=recorder)
    name = f"{__name__}.{job.__qualname__} in thread 1"
    assert [step.time_ns for step in recorder.steps if step.label == name] == [0, 10**9]


@pytest.mark.slow
def test_no_thread_is_left_after_many_runs() -> None:
    """Threads are gone after each run."""

    async def main() -> None:
        await asyncio.gather(*(asyncio.to_thread(time.sleep, 1) for _ in range(3)))

    before = threading.active_count()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(200):
            simloop.run(main())
    assert threading.active_count() == before
