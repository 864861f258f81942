"""SimPy and asyncio in one simulation."""

from __future__ import annotations

import asyncio

import pytest

import simloop

simpy = pytest.importorskip("simpy")
from simloop.embed.simpy import LoopEnvironment, LoopProcess  # noqa: E402 - after the skip


@pytest.fixture
def env():
    return simpy.Environment()


@pytest.fixture
def guest(env):
    guest = LoopProcess(env)
    yield guest
    guest.close()


def test_timers_and_timeouts_share_one_clock(env, guest) -> None:
    """Processes and coroutines take turns by time, and either sees the other's time as its own."""
    seen = []

    def process():
        for _ in range(3):
            yield env.timeout(2)
            seen.append(("process", env.now, guest.now()))

    async def coroutine() -> None:
        for _ in range(2):
            await asyncio.sleep(3)
            seen.append(("coroutine", env.now, guest.loop.time()))

    env.process(process())
    guest.task(coroutine())
    env.run()
    assert seen == [
        ("process", 2, 2.0),
        ("coroutine", 3, 3.0),
        ("process", 4, 4.0),
        ("coroutine", 6, 6.0),
        ("process", 6, 6.0),
    ]


def test_a_process_waits_for_a_coroutine(env, guest) -> None:
    """A task is an event: its value or its error comes to the process that yields it."""
    seen = []

    async def work(seconds: float) -> float:
        await asyncio.sleep(seconds)
        if seconds > 5:
            raise LookupError("too long")
        return seconds

    def process():
        yield env.timeout(10)
        seen.append(((yield guest.task(work(5))), env.now))
        try:
            yield guest.task(work(6))
        except LookupError as error:
            seen.append((str(error), env.now))

    env.run(until=env.process(process()))
    assert seen == [(5, 15), ("too long", 21)]
    assert env.run(until=guest.task(work(1))) == 1


def test_an_error_that_no_process_handles_ends_the_simulation(env, guest) -> None:
    """As with a process: what fails and is not waited for comes out of run()."""

    async def fail() -> None:
        await asyncio.sleep(1)
        raise LookupError("nobody waits")

    guest.task(fail())
    with pytest.raises(LookupError, match="nobody waits"):
        env.run()


def test_a_coroutine_waits_for_events_of_every_kind(env, guest) -> None:
    """Timeouts, conditions, resources, processes, events in the past and failures are awaited."""
    machine = simpy.Resource(env, capacity=1)

    def failing():
        yield env.timeout(1)
        raise LookupError("broken")

    async def main():
        loop = asyncio.get_running_loop()
        assert await guest.wait(env.timeout(2, "two")) == "two"
        past = env.timeout(1, "past")
        await asyncio.sleep(5)
        assert await guest.wait(past) == "past"
        both = await guest.wait(env.timeout(1, "a") & env.timeout(3, "b"))
        assert list(both.values()) == ["a", "b"]
        assert loop.time() == 10.0
        with machine.request() as first:
            await guest.wait(first)
            with machine.request() as second, pytest.raises(TimeoutError):
                async with asyncio.timeout(4):
                    await guest.wait(second)
        with pytest.raises(LookupError, match="broken"):
            await guest.wait(env.process(failing()))
        return loop.time(), machine.count

    assert env.run(until=guest.task(main())) == (15.0, 0)


def test_interrupts_go_both_ways(env, guest) -> None:
    """A process cancels a task, and a coroutine interrupts a process that waits for one."""
    seen = []

    async def sleeper() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            seen.append(("ended", asyncio.get_running_loop().time()))

    def waiting(task):
        try:
            yield task
        except simpy.Interrupt as interrupt:
            seen.append((interrupt.cause, env.now))
            task.interrupt("unused")
            try:
                yield task
            except simpy.Interrupt as interrupt:
                seen.append((interrupt.cause, env.now))

    async def interrupts(process) -> None:
        await asyncio.sleep(7)
        process.interrupt("fire")

    process = env.process(waiting(guest.task(sleeper())))
    guest.task(interrupts(process))
    env.run(until=50)
    assert seen == [("fire", 7), ("ended", 7.0), ("unused", 7)]


def test_until_stops_and_goes_on(env, guest) -> None:
    """SimPy's run(until=...) stops coroutines, too, and the next one takes them further."""
    ticks = []

    async def tick() -> None:
        while True:
            await asyncio.sleep(1)
            ticks.append(asyncio.get_running_loop().time())

    task = guest.task(tick())
    env.run(until=3.5)
    assert ticks == [1.0, 2.0, 3.0]
    env.run(until=5.5)
    assert ticks == [1.0, 2.0, 3.0, 4.0, 5.0]
    task.task.cancel()
    with pytest.raises(simpy.Interrupt):
        env.run()


def test_what_the_host_sets_counts_from_its_time(env, guest) -> None:
    """A callback or a task that a process starts sees the process's time, at once."""
    seen = []

    def process():
        yield env.timeout(5)
        guest.call(lambda: seen.append(guest.loop.time()))
        yield env.timeout(1)
        guest.catch_up()
        guest.loop.call_later(2, lambda: seen.append(guest.loop.time()))
        yield env.timeout(10)
        guest.loop.call_soon(lambda: seen.append(guest.loop.time()))

    env.process(process())
    env.run()
    assert seen == [5.0, 8.0, 16.0]


def test_sums_of_floats_do_not_stall(env, guest) -> None:
    """Deadlines that SimPy's arithmetic misses by a rounding are met all the same."""

    async def main() -> float:
        for _ in range(1000):
            await guest.wait(env.timeout(0.1))
            await asyncio.sleep(0.1)
        return asyncio.get_running_loop().time()

    assert env.run(until=guest.task(main())) == pytest.approx(200.0)


def test_interrupting_the_loops_process_stops_it(env, guest) -> None:
    """The loop stands still from then on, and nothing breaks."""
    guest.loop.call_later(5, pytest.fail)
    env.run(until=1)
    guest.process.interrupt()
    env.run()
    assert guest.loop.time() < 5


def test_tasks_clean_up_when_the_guest_is_closed(env) -> None:
    """Also if that takes a while; what waits for SimPy then waits in vain, and hinders nobody."""
    guest = LoopProcess(env)
    seen = []

    async def work(*, stubborn: bool) -> None:
        try:
            await guest.wait(env.event())
        finally:
            await asyncio.sleep(5)
            seen.append(guest.loop.time())
            if stubborn:
                await guest.wait(env.event())

    guest.task(work(stubborn=False))
    task = guest.create_task(work(stubborn=True))
    task._log_destroy_pending = False
    env.run(until=2)
    guest.close()
    guest.close()
    assert seen == [7.0, 7.0]
    assert guest.loop.is_closed()


def test_tasks_clean_up_in_a_world_that_a_limit_ended(env) -> None:
    """The limit's error comes out of run(); closing works all the same, unless that spins, too."""
    guest = LoopProcess(env)
    guest.loop.world.limit(max_steps=10)
    seen = []

    async def spin(*, for_ever: bool) -> None:
        while True:
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                seen.append("cleaned up")
                if not for_ever:
                    raise

    guest.create_task(spin(for_ever=False))
    with pytest.raises(simloop.LimitError, match="max_steps"):
        env.run()
    guest.close()
    assert seen == ["cleaned up"]

    guest = LoopProcess(env)
    task = guest.create_task(spin(for_ever=True))
    task._log_destroy_pending = False
    with pytest.raises(simloop.LimitError, match="100000 steps"):
        guest.close()
    assert guest.loop.is_closed()


def test_an_environment_lives_in_a_loop() -> None:
    """SimPy's clock is the loop's; events go both ways there, too."""
    seen = []

    async def main():
        loop = asyncio.get_running_loop()
        env = LoopEnvironment()
        store = simpy.Store(env)

        def consumer():
            while True:
                part = yield store.get()
                yield env.timeout(0.1)
                seen.append((part, env.now))

        env.process(consumer())
        for part in range(3):
            await asyncio.sleep(1)
            store.put(part)
        assert await env.wait(env.timeout(2, "late")) == "late"
        assert env.now == loop.time() == 5.0
        waiting = asyncio.create_task(env.wait(env.event()))
        await asyncio.sleep(1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

        def failing():
            yield env.timeout(1)
            raise LookupError("broken")

        with pytest.raises(LookupError, match="broken"):
            await env.wait(env.process(failing()))
        return loop.time()

    assert simloop.run(main()) == 7.0
    assert seen == [(0, 1.1), (1, 2.1), (2, 3.1)]


def test_interrupts_go_both_ways_in_an_environment_on_a_loop_too() -> None:
    """A coroutine interrupts a process, and one that is cancelled leaves its process alone."""
    seen = []

    async def main() -> float:
        loop = asyncio.get_running_loop()
        env = LoopEnvironment()

        def process():
            try:
                yield env.timeout(100)
            except simpy.Interrupt as interrupt:
                seen.append((interrupt.cause, env.now))
            yield env.timeout(10)
            seen.append(("done", env.now))

        running = env.process(process())
        await asyncio.sleep(5)
        running.interrupt("fire")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await env.wait(running)
        await asyncio.sleep(20)
        return loop.time()

    assert simloop.run(main()) == 27.0
    assert seen == [("fire", 5.0), ("done", 15.0)]


def test_only_events_of_the_environment_are_waited_for(env, guest) -> None:
    """Anything else would be waited for in vain; the error shows what was given."""

    async def main() -> None:
        for wrong in (5, asyncio.sleep, simpy.Environment().event()):
            with pytest.raises(simloop.UsageError, match=r"wait\(.*takes an event of this env"):
                await guest.wait(wrong)

    env.run(until=guest.task(main()))


def test_nobody_runs_an_environment_on_a_loop() -> None:
    """Its clock would leave the loop's behind; the error says what to do instead."""

    async def main() -> None:
        env = LoopEnvironment()
        with pytest.raises(simloop.UsageError, match=r"run\(until=20\).*await env\.wait\(event\)"):
            env.run(until=20)

    simloop.run(main())


def test_an_exit_comes_out_of_run_which_can_be_called_again(env, guest) -> None:
    """As from any driving call: nothing of the loop is lost by Ctrl-C."""
    seen = []

    def leave() -> None:
        raise KeyboardInterrupt

    guest.loop.call_later(1, leave)
    guest.loop.call_later(2, seen.append, 2)
    with pytest.raises(KeyboardInterrupt):
        env.run()
    env.run()
    assert (seen, env.now) == ([2], 2)


def test_an_error_in_an_environment_on_a_loop_reaches_the_loops_handler() -> None:
    """A process that fails, with nobody waiting for it, is reported; others go on."""
    reported = []

    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
        env = LoopEnvironment()

        def failing():
            yield env.timeout(1)
            raise LookupError("nobody waits")

        env.process(failing())
        await env.wait(env.timeout(3))
        return loop.time()

    assert simloop.run(main()) == 3.0
    assert [str(error) for error in reported] == ["nobody waits"]
