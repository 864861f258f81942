"""Driving a loop from outside, and advancing it from inside."""

from __future__ import annotations

import asyncio
import math
import threading

import pytest

import simloop


def test_peek_and_step_go_from_callback_to_callback(loop) -> None:
    """step() runs one callback, jumping first; peek() tells when the next is due."""
    seen = []
    assert loop.peek() == math.inf
    assert not loop.step()
    loop.call_later(2, seen.append, 2)
    loop.call_soon(seen.append, 0)
    assert loop.peek() == 0.0
    assert loop.step()
    assert (seen, loop.peek(), loop.time()) == ([0], 2.0, 0.0)
    assert loop.step()
    assert (seen, loop.peek(), loop.time()) == ([0, 2], math.inf, 2.0)
    assert not loop.step()


def test_run_until_ends_exactly_there(loop) -> None:
    """run_until runs what is due, the target's own only if inclusive, and sets the clock."""
    seen = []
    for when in (1, 2, 3):
        loop.call_at(when, seen.append, when)
    loop.run_until(2, inclusive=False)
    assert (seen, loop.time()) == ([1], 2.0)
    loop.run_until(2)
    assert seen == [1, 2]
    loop.run_for(0.5)
    assert (seen, loop.time()) == ([1, 2], 2.5)
    loop.run_until_idle()
    assert (seen, loop.time()) == ([1, 2, 3], 3.0)


def test_run_ready_does_not_move_the_clock(loop) -> None:
    """run_ready runs what is ready, and what that makes ready, at this time."""
    seen = []
    loop.call_soon(lambda: loop.call_soon(seen.append, "nested"))
    loop.call_later(1, seen.append, "later")
    loop.run_ready()
    assert (seen, loop.time()) == (["nested"], 0.0)


def test_inject_takes_events_of_the_host(loop) -> None:
    """An outside event may lie ahead of the clock, never behind it."""
    seen = []
    loop.inject(5, seen.append, "event")
    loop.run_until(10)
    assert seen == ["event"]
    with pytest.raises(simloop.UsageError, match=r"inject\(9\) lies in the past"):
        loop.inject(9, seen.append, "late")


@pytest.mark.parametrize(
    ("call", "argument", "message"),
    [
        ("run_for", -1, "time does not go back"),
        ("run_for", math.nan, "must be a number"),
        ("run_until", -1, "lies in the past"),
        ("run_until", math.inf, "must be finite"),
        ("run_for", "soon", "must be a number"),
    ],
)
def test_bad_times_are_refused_with_their_value(loop, call, argument, message) -> None:
    """A time that the clock cannot go to is an error that shows it, and nothing ran."""
    loop.call_soon(pytest.fail)
    with pytest.raises(simloop.UsageError, match=message) as caught:
        getattr(loop, call)(argument)
    assert repr(argument) in str(caught.value)


def test_driving_from_inside_is_refused(loop) -> None:
    """A loop cannot be driven by its own callbacks; the error names advance()."""

    async def main() -> None:
        for call in (loop.step, loop.run_ready, loop.run_until_idle):
            with pytest.raises(simloop.UsageError, match="advance"):
                call()

    loop.run_until_complete(main())


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_exit_comes_out_and_driving_goes_on(loop, error) -> None:
    """An exit raised by a callback leaves the driving call, which can be made again."""
    seen = []

    def leave() -> None:
        raise error

    loop.call_soon(leave)
    loop.call_soon(seen.append, 1)
    with pytest.raises(error):
        loop.run_ready()
    loop.run_ready()
    assert seen == [1]


def test_a_loop_is_driven_from_a_task_of_a_live_loop(loop) -> None:
    """Driving inside another loop's task leaves that loop and its current task in place."""
    seen = []

    async def inner() -> None:
        await asyncio.sleep(3600)
        seen.append(asyncio.get_running_loop())

    async def outer() -> None:
        task, running = asyncio.current_task(), asyncio.get_running_loop()
        loop.create_task(inner())
        loop.run_for(4000)
        assert asyncio.current_task() is task
        assert asyncio.get_running_loop() is running
        await asyncio.sleep(0)

    asyncio.run(outer())
    assert seen == [loop]


def test_a_loop_is_driven_from_a_thread(loop) -> None:
    """Any thread may drive a loop, as long as one does."""
    times = []
    loop.call_later(1, lambda: times.append(loop.time()))
    thread = threading.Thread(target=loop.run_until_idle)
    thread.start()
    thread.join()
    assert times == [1.0]


def test_advance_reaches_a_timer_in_ten_steps() -> None:
    """advance(0.1) ten times reaches a timer set for 1.0, and not before."""

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        seen: list[float] = []
        loop.call_later(1.0, lambda: seen.append(loop.time()))
        for _ in range(9):
            await loop.advance(0.1)
            assert seen == []
        await loop.advance(0.1)
        return seen

    assert simloop.run(main(), autojump=False) == [1.0]


@pytest.mark.parametrize("autojump", [True, False])
def test_advance_runs_nested_timers_at_their_own_times(autojump) -> None:
    """Timers set on the way fire on the way; the clock ends at the target and all is settled."""

    async def main() -> list[object]:
        loop = asyncio.get_running_loop()
        seen: list[object] = []

        async def nest() -> None:
            for _ in range(4):
                await asyncio.sleep(1)
                seen.append(loop.time())

        task = asyncio.create_task(nest())
        loop.call_later(3, lambda: loop.call_soon(lambda: loop.call_soon(seen.append, "deep")))
        await loop.advance(3)
        seen.append(("end", loop.time()))
        task.cancel()
        return seen

    assert simloop.run(main(), autojump=autojump) == [1.0, 2.0, 3.0, "deep", ("end", 3.0)]


def test_advance_from_two_tasks_is_refused() -> None:
    """Two tasks cannot both say how far time goes."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        first = asyncio.create_task(loop.advance(10))
        await asyncio.sleep(0)
        with pytest.raises(simloop.UsageError, match="another task advances"):
            await loop.advance(1)
        await first
        with pytest.raises(simloop.UsageError, match="time does not go back"):
            await loop.advance(-1)

    simloop.run(main())


def test_a_cancelled_advance_leaves_the_clock_where_it_is() -> None:
    """A cancelled advance stops on the way, and the next one starts from there."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(loop.advance(10))
        loop.call_later(4, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        await loop.advance(1)
        return loop.time()

    assert simloop.run(main(), autojump=False) == 5.0


@pytest.mark.parametrize("autojump", [True, False])
def test_an_advance_does_not_pass_a_limit(autojump) -> None:
    """The run's max_time holds, whoever moves the clock."""

    async def main() -> None:
        await asyncio.get_running_loop().advance(50)

    with pytest.raises(simloop.LimitError, match=r"deadline is at 50\.0 s.*limit is 10\.0 s"):
        simloop.run(main(), autojump=autojump, max_time=10)


def test_an_advance_settles_what_it_began() -> None:
    """Tasks, connections and executor jobs that are due get to their end before it returns."""

    async def echo(reader, writer) -> None:
        writer.write(await reader.readexactly(5))
        writer.close()
        await writer.wait_closed()

    async def visit(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def main() -> list[object]:
        loop = asyncio.get_running_loop()
        tasks: list[asyncio.Task] = []
        async with await asyncio.start_server(echo, "127.0.0.1", 80):
            loop.call_later(1, lambda: tasks.append(asyncio.create_task(visit(80))))
            loop.call_later(1, lambda: tasks.append(asyncio.create_task(spin(50))))
            loop.call_later(1, lambda: tasks.append(asyncio.create_task(asyncio.to_thread(int))))
            await loop.advance(1)
            return [task.result() for task in tasks]

    assert simloop.run(main(), autojump=False) == [b"hello", 1.0, 0]


@pytest.mark.parametrize("value", ["no", 1, None, 0.0])
def test_autojump_is_set_to_true_or_false_alone(value) -> None:
    """``"no"`` would be true, and the clock jump where it was to stand still."""

    async def main() -> bool:
        loop = asyncio.get_running_loop()
        with pytest.raises(
            simloop.UsageError, match=rf"autojump = {value!r}; it takes True or False"
        ):
            loop.autojump = value
        return loop.autojump

    assert simloop.run(main()) is True


async def spin(count: int) -> float:
    """Let so many turns go by; return the time."""
    for _ in range(count):
        await asyncio.sleep(0)
    return asyncio.get_running_loop().time()


async def program() -> None:
    """Do a little of everything, with ties."""
    queue: asyncio.Queue[int] = asyncio.Queue(2)

    async def produce(number: int) -> None:
        for _ in range(5):
            await asyncio.sleep(0.1 * (number % 3))
            await queue.put(number)

    async def consume() -> None:
        while True:
            await queue.get()
            await asyncio.sleep(0.05)

    consumer = asyncio.create_task(consume())
    await asyncio.gather(*[produce(number) for number in range(5)])
    async with asyncio.timeout(10):
        await asyncio.sleep(1)
    consumer.cancel()


def drive_freely(loop, task) -> None:
    loop.run_until_complete(task)


def drive_by_steps(loop, task) -> None:
    while not task.done():
        assert loop.step()


def drive_in_slices(loop, task) -> None:
    while not task.done():
        loop.run_for(0.0371)


def drive_inside_a_live_loop(loop, task) -> None:
    async def outer() -> None:
        while not task.done():
            loop.run_until(max(loop.peek(), loop.time()))
            await asyncio.sleep(0)

    asyncio.run(outer())


@pytest.mark.parametrize("drive", [drive_by_steps, drive_in_slices, drive_inside_a_live_loop])
def test_however_it_is_driven_the_steps_are_the_same(drive) -> None:
    """Free running, single steps, slices and a driver loop give the same steps."""
    from simloop.trace import Recorder, first_difference

    def record(drive) -> list:
        loop = simloop.SimLoop(seed=3)
        recorder = Recorder()
        loop.world.watch(recorder)
        task = loop.create_task(program())
        drive(loop, task)
        loop.run_until_idle()
        loop.close()
        return [step for step in recorder.steps if "_run_until_complete_cb" not in step.label]

    assert first_difference(record(drive_freely), record(drive)) is None
