"""The kernel against a naive model of a schedule, and what only some runs want."""

from __future__ import annotations

import random
from contextvars import copy_context
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simloop._kernel import (
    NEVER,
    Handle,
    Kernel,
    RandomStreams,
    TimerHandle,
)
from simloop.errors import DeadlockError, LimitError

if TYPE_CHECKING:
    from collections.abc import Callable

CONTEXT = copy_context()


class Loop:
    """A loop that schedules on the kernel and keeps what ran when."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.log: list[tuple[int, object]] = []
        self.errors: list[BaseException] = []
        self._stopping = False
        self._stash: list[object] | None = None
        self.entered = 0
        kernel.attach()

    def soon(self, callback, *args) -> Handle:
        handle = Handle(callback, args, CONTEXT, self)
        self.kernel.ready.append(handle)
        return handle

    def at(self, when_ns: int, callback, *args) -> TimerHandle:
        handle = TimerHandle(when_ns, callback, args, CONTEXT, self)
        self.kernel.wheel.add(handle)
        return handle

    def note(self, what: object) -> None:
        self.log.append((self.kernel.now_ns, what))

    def stop(self) -> None:
        self._stopping = True

    def call_exception_handler(self, context) -> None:
        self.errors.append(context["exception"])

    @property
    def _wheel(self):
        return self.kernel.wheel

    def _takes_exit(self, error):
        return False

    def _step_into(self) -> None:
        self.entered += 1

    def _step_took(self, handle, elapsed_ns: int) -> None:
        self.note(("slow", elapsed_ns))


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def loop(kernel: Kernel) -> Loop:
    return Loop(kernel)


def test_ready_callbacks_run_first_in_first_out(kernel: Kernel, loop: Loop) -> None:
    """What is ready runs in the order in which it became ready."""
    for number in range(5):
        loop.soon(loop.note, number)
    kernel.run_until(0)
    assert [what for _, what in loop.log] == [0, 1, 2, 3, 4]


def test_a_turn_leaves_what_it_schedules_to_the_next(kernel: Kernel, loop: Loop) -> None:
    """A callback scheduled by a callback waits until every older one has run."""
    loop.soon(loop.soon, loop.note, "child")
    loop.soon(loop.note, "sibling")
    kernel.turn()
    assert [what for _, what in loop.log] == ["sibling"]
    kernel.turn()
    assert [what for _, what in loop.log] == ["sibling", "child"]


def test_the_clock_jumps_from_deadline_to_deadline(kernel: Kernel, loop: Loop) -> None:
    """Timers run at exactly their times, and the clock shows nothing between."""
    for when_ns in (7, 3, 10**18):
        loop.at(when_ns, loop.note, when_ns)
    kernel.run_until_idle()
    assert loop.log == [(3, 3), (7, 7), (10**18, 10**18)]


def test_a_late_timer_runs_even_when_something_is_always_ready(kernel: Kernel, loop: Loop) -> None:
    """A timer for now is not starved by callbacks that reschedule themselves."""

    def spin(rounds: int) -> None:
        if rounds:
            loop.soon(spin, rounds - 1)

    loop.soon(spin, 5)
    loop.soon(loop.at, 0, loop.note, "timer")
    loop.soon(lambda: None)
    for _ in range(3):
        kernel.turn()
    assert [what for _, what in loop.log] == ["timer"]


def test_blocking_makes_timers_late(kernel: Kernel, loop: Loop) -> None:
    """A callback that blocks moves the clock; what it overtook runs next, in order."""
    loop.at(5, loop.note, "b")
    loop.at(3, loop.note, "a")
    loop.at(10**12, loop.note, "c")
    loop.soon(kernel.block, 10)
    kernel.run_until_idle()
    assert loop.log == [(10, "a"), (10, "b"), (10**12, "c")]


def test_an_error_in_a_callback_is_reported_and_the_rest_runs(kernel: Kernel, loop: Loop) -> None:
    """The loop hears of a callback's error; the callbacks after it run as if nothing was."""
    loop.soon(lambda: 1 / 0)
    loop.soon(loop.note, "after")
    kernel.run_until(0)
    assert [type(error) for error in loop.errors] == [ZeroDivisionError]
    assert loop.log == [(0, "after")]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_exit_leaves_the_kernel_fit_to_go_on(kernel: Kernel, loop: Loop, error: type) -> None:
    """KeyboardInterrupt and SystemExit come out, and running again loses nothing."""

    def leave() -> None:
        raise error

    loop.soon(leave)
    loop.soon(loop.note, "after")
    with pytest.raises(error):
        kernel.run_until(0)
    kernel.check()
    kernel.run_until(0)
    assert loop.log == [(0, "after")]


def test_a_callback_that_returns_a_coroutine_is_an_error(kernel: Kernel, loop: Loop) -> None:
    """A coroutine function scheduled as a callback is told, instead of never running silently."""

    async def coroutine() -> None:
        """Never run."""

    loop.soon(coroutine)
    kernel.run_until(0)
    (error,) = loop.errors
    assert isinstance(error, TypeError)
    assert "coroutine" in str(error)
    assert "create_task" in str(error)


def test_nothing_left_is_a_deadlock(kernel: Kernel, loop: Loop) -> None:
    """A kernel told to run with nothing to run raises instead of waiting for ever."""
    with pytest.raises(DeadlockError):
        kernel.run(loop)


def test_a_hook_may_know_what_to_do_when_idle(kernel: Kernel, loop: Loop) -> None:
    """Before a deadlock is declared, hooks are asked in their order, until one has work."""
    asked = []
    kernel.when_idle += [
        lambda: asked.append("knows nothing"),
        lambda: asked.append("has work") or bool(loop.soon(loop.stop)),
        lambda: asked.append("is not asked"),
    ]
    kernel.run(loop)
    assert asked == ["knows nothing", "has work"]
    assert kernel.steps == 1


def test_a_horizon_bounds_jumps(kernel: Kernel, loop: Loop) -> None:
    """Run until a time: what is due by then has run, and the clock shows that time."""
    for when_ns in (5, 10, 11):
        loop.at(when_ns, loop.note, when_ns)
    kernel.run_until(10, inclusive=False)
    assert (loop.log, kernel.now_ns) == ([(5, 5)], 10)
    kernel.run_until(10)
    assert (loop.log[1:], kernel.now_ns) == ([(10, 10)], 10)
    assert kernel.peek_ns() == 11


def test_without_autojump_only_what_is_due_runs(kernel: Kernel, loop: Loop) -> None:
    """With autojump off a deadline ahead waits, and one at hand runs."""
    kernel.autojump = False
    loop.at(0, loop.note, "now")
    loop.at(5, loop.note, "later")
    with pytest.raises(DeadlockError):
        kernel.run(loop)
    assert loop.log == [(0, "now")]


class Watcher:
    """An observer that keeps what it hears."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def step(self, now_ns: int, handle: object) -> None:
        self.seen.append(now_ns)


def test_an_observer_hears_each_step_until_it_leaves(kernel: Kernel, loop: Loop) -> None:
    """Observers may come and go while the kernel runs."""
    watcher = Watcher()
    loop.soon(kernel.observe, watcher)
    kernel.turn()
    loop.soon(loop.note, 1)
    cancelled = loop.soon(loop.note, 2)
    cancelled.cancel()
    loop.at(4, kernel.unobserve, watcher)
    loop.at(6, loop.note, 3)
    kernel.run_until_idle()
    assert watcher.seen == [0, 4]
    assert kernel.steps == 4


DEEDS = ["nothing", "watch", "leave", "attach", "cancel", "fail", "interrupt", "return"]


class Thorough(Kernel):
    """A kernel that has no shorter way for one observer, or for several loops."""

    def _rewatch(self) -> None:
        super()._rewatch()
        self._sole_observer = self._many = None


def heard(kernel: Kernel, program: list[tuple[str, int]]) -> tuple[object, ...]:
    """Run a program and return what was heard, done and reported of it."""
    loop = Loop(kernel)
    watchers = [Watcher(), Watcher()]
    handles: list[Handle] = []

    def fail(error: BaseException) -> None:
        raise error

    def leave() -> None:
        if kernel._observers:
            kernel.unobserve(kernel._observers[0])

    async def coroutine() -> None:
        raise AssertionError

    deeds: dict[str, Callable[[int], object]] = {
        "nothing": lambda _: None,
        "watch": lambda _: watchers[1] in kernel._observers or kernel.observe(watchers[1]),
        "leave": lambda _: leave(),
        "attach": lambda _: kernel.attach(),
        "cancel": lambda number: handles[-number - 1].cancel(),
        "fail": lambda number: fail(ArithmeticError(number)),
        "interrupt": lambda _: fail(KeyboardInterrupt()),
        "return": lambda _: coroutine(),
    }

    def run(number: int, deed: str) -> object:
        loop.note(number)
        return deeds[deed](number)

    kernel.observe(watchers[0])
    for number, (deed, when_ns) in enumerate(program):
        if when_ns:
            handles.append(loop.at(when_ns, run, number, deed))
        else:
            handles.append(loop.soon(run, number, deed))
    interrupts = 0
    while kernel.peek_ns() < NEVER:
        try:
            kernel.run_until_idle()
        except KeyboardInterrupt:
            interrupts += 1
        kernel.check()
    seen = [watcher.seen for watcher in watchers]
    return seen, loop.log, [repr(each) for each in loop.errors], kernel.steps, interrupts


@given(st.lists(st.tuples(st.sampled_from(DEEDS), st.sampled_from([0, 0, 3, 3, 8])), max_size=12))
def test_one_observer_hears_what_it_hears_among_others(program) -> None:
    """The turn for one observer differs from that for any in nothing, whatever changes in it."""
    assert heard(Kernel(), program) == heard(Thorough(), program)


class Follower(Watcher):
    """An observer that hears of ends, too."""

    def stepped(self, now_ns: int, handle: object) -> None:
        self.seen.append(-now_ns)


def test_a_follower_hears_when_each_step_ends(kernel: Kernel, loop: Loop) -> None:
    """It is told the time after the step, which may have blocked or failed, until it leaves."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    follower = Follower()
    kernel.observe(follower)
    loop.at(1, kernel.block, 2)
    loop.at(5, interrupt)
    loop.at(7, kernel.unobserve, follower)
    loop.at(9, loop.note, 1)
    with pytest.raises(KeyboardInterrupt):
        kernel.run_until_idle()
    kernel.run_until_idle()
    assert follower.seen == [1, -3, 5, -5, 7]


def test_several_loops_take_turns(kernel: Kernel, loop: Loop) -> None:
    """A handle runs as part of its own loop, which is told when its turn comes."""
    other = Loop(kernel)
    loop.soon(loop.note, "a")
    other.soon(other.note, "b")
    other.soon(other.note, "c")
    loop.soon(loop.note, "d")
    kernel.run_until(0)
    assert (loop.entered, other.entered) == (2, 1)


def test_a_dropped_loop_runs_nothing_more(kernel: Kernel, loop: Loop) -> None:
    """What a loop had scheduled is forgotten; other loops go on."""
    other = Loop(kernel)
    loop.soon(loop.note, 1)
    loop.at(5, loop.note, 2)
    other.at(5, other.note, 3)
    kernel.drop(loop)
    kernel.run_until_idle()
    assert (loop.log, other.log) == ([], [(5, 3)])


def test_debug_tells_how_long_a_callback_blocked(kernel: Kernel, loop: Loop) -> None:
    """Measured blocking is reported to the loop of the callback."""
    kernel.measure(enabled=True)
    loop.soon(kernel.block, 5)
    kernel.run_until(0)
    assert loop.log == [(5, ("slow", 5))]


def test_steps_are_limited_exactly(kernel: Kernel, loop: Loop) -> None:
    """A limit of seven lets seven callbacks run, and names itself."""
    kernel.limit(steps_max=7)
    for number in range(10):
        loop.soon(loop.note, number)
    with pytest.raises(LimitError, match=r"took 7 steps, its limit.*max_steps"):
        kernel.run_until(0)
    assert len(loop.log) == 7


def test_single_steps_are_limited_too(kernel: Kernel, loop: Loop) -> None:
    """Stepping by hand counts like running."""
    kernel.limit(steps_max=1)
    loop.soon(loop.note, 1)
    loop.soon(loop.note, 2)
    assert kernel.step()
    with pytest.raises(LimitError):
        kernel.step()


def test_time_is_limited(kernel: Kernel, loop: Loop) -> None:
    """The clock does not pass the limit, and the error names limit and deadline."""
    kernel.limit(time_max_ns=5 * 10**9)
    loop.at(4 * 10**9, loop.note, 4)
    loop.at(6 * 10**9, loop.note, 6)
    with pytest.raises(LimitError, match=r"deadline is at 6.0 s .* limit is\s+5.0 s"):
        kernel.run_until_idle()
    assert kernel.now_ns == 4 * 10**9


def test_a_livelock_names_who_spins(kernel: Kernel, loop: Loop) -> None:
    """Steps without the clock moving end in an error that names the busiest callback."""

    def spinner() -> None:
        loop.soon(spinner)

    kernel.limit(livelock_steps=500)
    loop.at(5, spinner)
    with pytest.raises(LimitError, match=r"clock stood still at 5e-09 s(.|\n)*spinner"):
        kernel.run(loop)


def test_many_steps_with_a_moving_clock_are_no_livelock(kernel: Kernel, loop: Loop) -> None:
    """A long run whose clock moves is never taken for a spin."""

    def tick(rounds: int) -> None:
        if rounds:
            loop.at(kernel.now_ns + 1, tick, rounds - 1)

    kernel.limit(livelock_steps=100)
    loop.soon(tick, 5_000)
    kernel.run_until_idle()
    assert kernel.now_ns == 5_000


# A program for the model: what each callback schedules when it runs.
PROGRAMS = st.recursive(
    st.just(()),
    lambda children: st.lists(
        st.tuples(st.one_of(st.none(), st.sampled_from([0, 1, 5, 5, 40, 10**9, -3])), children),
        max_size=4,
    ).map(tuple),
    max_leaves=25,
)


def model(program) -> list[tuple[int, int]]:
    """Run a program on the simplest scheduler that can be right: sorted lists, no cleverness."""
    now, number, count = 0, 0, 0
    log, timers, ready = [], [], [(program, 0)]
    while ready or timers:
        if not ready:
            now = max(now, min(when for when, *_ in timers))
        due = sorted((t for t in timers if t[0] <= now), key=lambda t: (t[0], t[1]))
        timers = [t for t in timers if t[0] > now]
        ready += [(node, tag) for _, _, node, tag in due]
        batch, ready = ready, []
        for node, tag in batch:
            log.append((now, tag))
            for delay, child in node:
                count += 1
                if delay is None:
                    ready.append((child, count))
                else:
                    number += 1
                    timers.append((now + delay, number, child, count))
    return log


def actual(program, drive) -> list[tuple[int, int]]:
    kernel = Kernel()
    loop = Loop(kernel)
    count = 0

    def run(node, tag: int) -> None:
        nonlocal count
        loop.note(tag)
        for delay, child in node:
            count += 1
            if delay is None:
                loop.soon(run, child, count)
            else:
                loop.at(kernel.now_ns + delay, run, child, count)

    loop.soon(run, program, 0)
    drive(kernel)
    kernel.check()
    return loop.log


def in_slices(kernel: Kernel) -> None:
    rng = random.Random(0)
    while kernel.peek_ns() < NEVER:
        kernel.run_until(kernel.now_ns + rng.choice([0, 1, 3, 50, 10**10]))
        kernel.check()


def by_steps(kernel: Kernel) -> None:
    while kernel.step():
        kernel.check()


def mixed(kernel: Kernel) -> None:
    while kernel.step():
        kernel.turn()
        kernel.check()


@settings(deadline=None)
@given(PROGRAMS)
def test_every_way_of_driving_runs_what_the_model_runs(program) -> None:
    """Free running, single steps, slices of time, and a mixture give the model's steps."""
    expected = model(program)
    assert actual(program, Kernel.run_until_idle) == expected
    assert actual(program, by_steps) == expected
    assert actual(program, in_slices) == expected
    assert actual(program, mixed) == expected


def test_streams_are_apart_and_the_same_everywhere() -> None:
    """A stream depends on seed and name only, and these numbers are pinned."""
    streams = RandomStreams(7)
    first = streams.stream("network").random()
    streams.stream("schedule").random()
    fresh = RandomStreams(7)
    fresh.stream("schedule").random()
    assert fresh.stream("network").random() == first
    assert RandomStreams("7").stream("network").random() == first
    assert RandomStreams(8).stream("network").random() != first
    assert round(first, 6) == round(random.Random("7/network").random(), 6)


@pytest.mark.parametrize("drive", ["turn", "step"])
def test_what_arrived_comes_behind_what_is_ready(drive) -> None:
    """A turn runs what is ready, then what I/O has brought, then the timers that are due."""
    kernel = Kernel()
    loop = Loop(kernel)
    kernel.io_ready.append(Handle(loop.note, ("arrived",), CONTEXT, loop))
    loop.at(0, loop.note, "due")
    loop.soon(loop.soon, loop.note, "a turn later")
    loop.soon(loop.note, "ready")
    assert kernel.has_work()
    assert kernel.peek_ns() == 0
    for _ in range(5):
        getattr(kernel, drive)()
    assert [what for _, what in loop.log] == ["ready", "arrived", "due", "a turn later"]
    assert not kernel.has_work()


@pytest.mark.parametrize("way", ["plainly", "with an observer", "by steps"])
def test_callbacks_of_a_paused_loop_wait_in_its_stash(way):
    """What is due while a loop is paused runs after it, late and in order; others go on."""
    kernel = Kernel()
    paused, other = Loop(kernel), Loop(kernel)
    if way == "with an observer":
        kernel.observe(Watcher())

    def resume() -> None:
        stash, paused._stash = paused._stash, None
        kernel.ready.extend(stash or ())

    paused._stash = []
    paused.soon(paused.note, "soon")
    paused.at(2, paused.note, "timer")
    other.soon(other.note, "soon")
    other.at(2, other.note, "timer")
    other.at(5, resume)
    while way == "by steps" and kernel.step():
        pass
    kernel.run_until_idle()
    assert other.log == [(0, "soon"), (2, "timer")]
    assert paused.log == [(5, "soon"), (5, "timer")]
    assert kernel.steps == 5


@pytest.mark.parametrize("seed", [0, -7, 10**40, "", "seed", "Saat äöü"])
def test_a_generator_begins_as_the_stream_of_that_name(seed):
    """What is put into the state of a stream's beginning draws what the stream draws."""
    generator = random.Random(1)
    RandomStreams(seed).begin(generator, "program")
    stream = RandomStreams(seed).stream("program")
    assert [generator.random() for _ in range(9)] == [stream.random() for _ in range(9)]
