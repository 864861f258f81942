"""Driving a loop from outside: what the driver gets back, interrupts, misuse, coarse clocks."""

from __future__ import annotations

import asyncio
import math
import random
import sys
import threading

import pytest

import simloop
from simloop.trace import Recorder

DRIVES = {
    "step": lambda loop: loop.step(),
    "run_ready": lambda loop: loop.run_ready(),
    "run_for": lambda loop: loop.run_for(1),
    "run_until": lambda loop: loop.run_until(loop.time() + 1),
    "run_until_idle": lambda loop: loop.run_until_idle(),
}


@pytest.fixture(params=DRIVES)
def drive(request):
    """Return each driving call, as a function of the loop."""
    return DRIVES[request.param]


# What the driver gets back -------------------------------------------------------------------


def look() -> tuple:
    """What asyncio and the interpreter keep of the loop that runs in this thread."""
    loop = asyncio._get_running_loop()
    task = None if loop is None else asyncio.current_task()
    return loop, task, sys.get_asyncgen_hooks()


class Guest:
    """A loop with a task that looks around, and a callback that fails."""

    def __init__(self, loop) -> None:
        self.loop = loop
        self.seen: list[tuple] = []
        loop.set_exception_handler(lambda *_: None)
        self.task = loop.create_task(self.live())
        loop.call_soon(self.callback)

    def callback(self) -> None:
        self.seen.append(look())
        raise LookupError("reported to the handler")

    async def live(self) -> None:
        self.seen.append(look())
        await asyncio.sleep(0.5)

    def check(self) -> None:
        hooks = self.seen[0][2]
        assert hooks.firstiter.__self__ is self.loop
        assert self.seen in (
            [(self.loop, self.task, hooks), (self.loop, None, hooks)],
            [(self.loop, self.task, hooks)],  # One step has been made.
        )


def test_a_task_of_a_live_loop_gets_itself_back(loop, drive) -> None:
    """Running loop, current task and hooks are the driver's again after each call."""
    guest = Guest(loop)

    async def driver() -> None:
        before = look()
        assert before[1] is not None
        drive(loop)
        assert look() == before
        await asyncio.sleep(0)
        async with asyncio.timeout(5):  # It asks for the current task.
            await asyncio.sleep(0)

    asyncio.run(driver())
    guest.check()


def test_a_callback_of_a_live_loop_gets_its_loop_back(loop, drive) -> None:
    """The same from a callback, where no task is current."""
    guest = Guest(loop)
    looks = []

    def call() -> None:
        looks.append(look())
        drive(loop)
        looks.append(look())

    async def driver() -> None:
        asyncio.get_running_loop().call_soon(call)
        await asyncio.sleep(0.001)

    asyncio.run(driver())
    guest.check()
    assert looks[0] == looks[1]
    assert looks[0][:2] != (None, None)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_eager_tasks_are_hosts_too(loop, drive) -> None:
    """A driver's task that has not been scheduled yet drives a guest, and is current after it."""
    guest = Guest(loop)

    async def eager(outer) -> None:
        mine = asyncio.current_task()
        assert mine is not outer
        drive(loop)
        assert asyncio.current_task() is mine

    async def driver() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        outer = asyncio.current_task()
        await asyncio.create_task(eager(outer))
        assert asyncio.current_task() is outer

    asyncio.run(driver())
    guest.check()


def test_a_task_of_another_simloop_gets_itself_back(loop, drive) -> None:
    """Worlds nest: the inner one's time, names and random numbers are its own."""
    guest = Guest(loop)
    drawn = []

    async def driver() -> float:
        await asyncio.sleep(10)
        before = look()
        loop.call_soon(lambda: drawn.append(random.random()))
        drive(loop)
        assert look() == before
        drawn.append(random.random())
        await asyncio.sleep(10)
        return asyncio.get_running_loop().time()

    assert simloop.run(driver(), seed=1) == 20.0
    guest.check()
    alone = []
    simloop.run(draw(alone), seed=1)
    assert drawn[-1:] == alone


async def draw(drawn) -> None:
    """Draw what the driver above draws."""
    await asyncio.sleep(20)
    drawn.append(random.random())


def test_a_task_of_trio_gets_itself_back(loop, drive) -> None:
    """In trio, too; libraries that ask which one runs are told asyncio inside, trio outside."""
    trio = pytest.importorskip("trio")
    anyio = pytest.importorskip("anyio")
    sniffio = pytest.importorskip("sniffio")
    guest = Guest(loop)
    slept = []

    async def sleep() -> None:
        assert sniffio.current_async_library() == "asyncio"
        await anyio.sleep(0.25)
        slept.append(loop.time())

    async def driver() -> None:
        before = look(), trio.lowlevel.current_task()
        drive(loop)
        assert (look(), trio.lowlevel.current_task()) == before
        loop.create_task(sleep())
        loop.run_for(2)
        assert sniffio.current_async_library() == "trio"
        await anyio.sleep(0)

    trio.run(driver)
    guest.check()
    assert len(slept) == 1


def test_a_thread_gets_itself_back(loop, drive) -> None:
    """In a thread without a loop there is none afterwards, either."""
    guest = Guest(loop)
    looks = []

    def driver() -> None:
        looks.append(look())
        drive(loop)
        looks.append(look())

    thread = threading.Thread(target=driver)
    thread.start()
    thread.join()
    guest.check()
    assert looks[0] == looks[1]
    assert looks[0][:2] == (None, None)


def test_two_threads_at_once_are_refused(loop, drive) -> None:
    """While one thread drives, a second one is told so."""
    begun, errors = [], []

    def spin() -> None:
        begun.append(1)
        while not errors:
            pass

    loop.call_soon(spin)
    thread = threading.Thread(target=loop.run_ready)
    thread.start()
    while not begun:
        pass
    try:
        drive(loop)
    except simloop.UsageError as error:
        errors.append(str(error))
    else:
        errors.append("not refused")
    thread.join()
    assert "it runs in another thread now" in errors[0]


# Interrupts --------------------------------------------------------------------------------


def interrupted(drive, error, *, watched) -> tuple[list[str], int]:
    """What runs, and in how many steps, if a callback in the middle of a turn raises."""
    loop = simloop.SimLoop()
    recorder = Recorder()
    if watched:
        loop.world.watch(recorder)
    order: list[str] = []

    def first() -> None:
        loop.call_soon(order.append, "after first")
        loop.call_later(0, order.append, "due at once")

    def leave() -> None:
        order.append("leave")
        if error is not None:
            raise error

    for callback in (first, leave, lambda: loop.call_soon(order.append, "after last")):
        loop.call_soon(callback)
    exits = 0
    while loop.peek() < math.inf:
        try:
            drive(loop)
        except (KeyboardInterrupt, SystemExit):
            exits += 1
            assert asyncio._get_running_loop() is None
    assert exits == (error is not None)
    ran = [step for step in recorder.steps if not step.is_within] if watched else []
    assert not watched or len(ran) == loop.world.steps
    steps = loop.world.steps
    loop.close()
    return order, steps


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_after_an_exit_the_turn_goes_on_where_it_was_left(drive, error, watched) -> None:
    """It comes out of every driving call; the steps after it are those of a run without it."""
    expected = interrupted(drive, None, watched=watched)
    assert interrupted(drive, error, watched=watched) == expected
    assert expected == (["leave", "after first", "after last", "due at once"], 6)


def test_an_exit_raised_by_a_task_comes_out_too(loop, drive) -> None:
    """The task is done with it, and the loop can be driven on."""

    async def leave() -> None:
        raise SystemExit(3)

    task = loop.create_task(leave())
    with pytest.raises(SystemExit, match="3"):
        drive(loop)
    loop.run_until_idle()
    assert isinstance(task.exception(), SystemExit)


def test_other_errors_go_to_the_exception_handler(loop, drive) -> None:
    """A callback that fails does not stop the driver."""
    told = []
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    loop.call_soon(int, "no number")
    drive(loop)
    assert [type(error) for error in told] == [ValueError]


# Misuse ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda loop: loop.inject(1, None), r"inject\(\): the callback must be callable, not None"),
        (lambda loop: loop.inject(math.inf, int), r"inject\(inf\): the time must be finite"),
        (lambda loop: loop.inject("soon", int), r"inject\('soon'\): the time must be a number"),
        (lambda loop: loop.on_earlier(5), r"on_earlier\(\): the callback must be callable, not 5"),
    ],
)
def test_what_is_no_callback_or_no_time_is_refused(loop, call, message) -> None:
    """Where it is given, not when it is due."""
    with pytest.raises(simloop.UsageError, match=message):
        call(loop)
    assert loop.peek() == math.inf


def test_every_driving_call_is_refused_from_inside(loop, drive) -> None:
    """From a callback and from a task of the loop; the loop goes on."""
    errors = []

    def call() -> None:
        with pytest.raises(simloop.UsageError, match=r"await loop\.advance\(seconds\)") as caught:
            drive(loop)
        errors.append(caught.value)

    async def main() -> None:
        call()

    loop.call_soon(call)
    loop.create_task(main())
    loop.run_ready()
    assert len(errors) == 2


def test_loops_of_one_world_do_not_drive_each_other(drive) -> None:
    """They share one clock: whoever drives one of them drives all."""
    world = simloop.World()
    loop, other = simloop.SimLoop(world=world), simloop.SimLoop(world=world)
    seen = []

    def call() -> None:
        with pytest.raises(simloop.UsageError, match="from inside its world"):
            drive(other)
        seen.append("refused")

    loop.call_soon(call)
    other.call_later(1, seen.append, "the other's")
    loop.run_until(2)
    assert (seen, other.time()) == (["refused", "the other's"], 2.0)
    loop.close()
    other.close()


def test_advance_is_for_the_loops_own_coroutines(loop) -> None:
    """Awaited in a driver it would never end; the error names what a driver calls."""

    async def driver() -> None:
        with pytest.raises(simloop.UsageError, match=r"call loop\.run_for\(5\) from outside"):
            await loop.advance(5)

    asyncio.run(driver())
    simloop.run(driver())
    assert loop.peek() == math.inf


def test_a_closed_loop_is_not_driven(drive) -> None:
    """It is closed, as asyncio says it."""
    loop = simloop.SimLoop()
    loop.close()
    calls = (drive, lambda loop: loop.on_earlier(int), lambda loop: loop.inject(5, int))
    for call in calls:
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            call(loop)
    loop.on_earlier(None)  # Who only leaves may do so late.


@pytest.mark.parametrize("duration", [-1, math.nan, math.inf, "soon", None])
def test_advance_takes_seconds_to_come(loop, duration) -> None:
    """What is no duration is refused with its value, and the clock stands."""

    async def main() -> None:
        with pytest.raises(simloop.UsageError, match="advance") as caught:
            await loop.advance(duration)
        assert repr(duration) in str(caught.value)

    loop.run_until_complete(main())
    assert loop.time() == 0.0


# Limits and jumps --------------------------------------------------------------------------


def test_the_host_moves_a_clock_that_does_not_jump(drive) -> None:
    """With autojump off the clock is the driver's: every call that may move it does."""
    loop = simloop.SimLoop(autojump=False)
    seen = []
    loop.call_later(1, seen.append, 1)
    assert loop.peek() == 1.0
    drive(loop)
    if drive is DRIVES["run_ready"]:
        assert (seen, loop.time()) == ([], 0.0)
    else:
        assert (seen, loop.time()) == ([1], 1.0)
    loop.close()


def test_no_driving_call_passes_a_limit(drive) -> None:
    """max_time holds for drivers as well; only run_ready would not get that far."""
    loop = simloop.SimLoop()
    loop.world.limit(max_time=0.5)
    loop.call_later(1, int)
    if drive is DRIVES["run_ready"]:
        drive(loop)
    else:
        with pytest.raises(simloop.LimitError, match=r"deadline is at 1\.0 s"):
            drive(loop)
    assert loop.time() == 0.0
    loop.close()


# Advancing while driven ----------------------------------------------------------------------


def test_a_host_drives_a_loop_whose_task_advances() -> None:
    """The driver's word counts: an advance of ten seconds ends when ten have been given."""
    loop = simloop.SimLoop(autojump=False)
    seen = []

    async def main() -> None:
        loop.call_later(2, seen.append, "two")
        await loop.advance(10)
        seen.append(loop.time())

    task = loop.create_task(main())
    loop.run_for(3)
    assert (seen, loop.time(), task.done()) == (["two"], 3.0, False)
    loop.run_for(7)
    assert (seen, task.done()) == (["two", 10.0], True)
    loop.close()


# Clocks of today's date ----------------------------------------------------------------------

TODAY = 1_700_000_000.0
"""A float is coarser than a nanosecond here: one shows 238 of them."""


@pytest.fixture
def late():
    """Return a loop whose clock shows the seconds since 1970, as many simulators' do."""
    loop = simloop.SimLoop(start_time=TODAY)
    yield loop
    loop.close()


async def naps(count: int, seen) -> None:
    """Sleep for spans that are no multiples of anything."""
    draw = random.Random(5)
    for _ in range(count):
        await asyncio.sleep(draw.random())
        seen.append(asyncio.get_running_loop().time_ns())


def by_peeking(loop) -> None:
    loop.run_until(loop.peek())


def by_peeking_in_two_halves(loop) -> None:
    due = loop.peek()
    loop.run_until(due, inclusive=False)
    assert loop.time() == due
    loop.run_until(due)


def by_slices(loop) -> None:
    loop.run_until(loop.time() + 0.3)


@pytest.mark.parametrize("drive", [by_peeking, by_peeking_in_two_halves, by_slices])
def test_what_the_clock_shows_can_be_given_back(late, drive) -> None:
    """run_until(peek()) always gets on, run_until(time()) is no past, and no deadline shifts."""
    seen, expected = [], []
    simloop.run(naps(200, expected), start_time=TODAY)
    task = late.create_task(naps(200, seen))
    for _ in range(1000):
        late.run_until(late.time())
        late.inject(late.time(), int)
        late.run_until(late.time())
        if task.done():
            break
        before = late.time()
        drive(late)
        assert late.time() >= before
    assert seen == expected
