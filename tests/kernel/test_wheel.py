"""The timer wheel against a naive model: a list that is sorted at every question."""

from __future__ import annotations

import gc
import itertools
import random
from collections import deque
from contextvars import copy_context

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from simloop._kernel import NEVER, TimerHandle, TimerWheel
from simloop._kernel import timer_wheel as wheel_module

CONTEXT = copy_context()


class Loop:
    """What a timer handle needs of a loop: the wheel that holds it."""

    def __init__(self, wheel: TimerWheel) -> None:
        self._wheel = wheel


NUMBERS = itertools.count()


def make(wheel: TimerWheel, when_ns: int) -> TimerHandle:
    """A handle unlike all others: asyncio's compare by deadline, callback and arguments."""
    handle = TimerHandle(when_ns, print, (next(NUMBERS),), CONTEXT, Loop(wheel))
    wheel.add(handle)
    return handle


def drain(wheel: TimerWheel, now_ns: int) -> list[TimerHandle]:
    ready: deque[TimerHandle] = deque()
    wheel.move_due(now_ns, ready)
    return list(ready)


# Deadlines near each other, far apart, equal, past, a billion seconds ahead, and never.
DEADLINES = st.one_of(
    st.integers(-(10**9), 10**9),
    st.integers(0, 100 * 10**9),
    st.sampled_from([0, 1, 10**9, 86_400 * 10**9, 10**18, NEVER, NEVER + 5]),
)


class WheelMachine(RuleBasedStateMachine):
    """Drive the wheel and the model alike, and compare after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.wheel = TimerWheel()
        self.model: list[TimerHandle] = []
        self.now_ns = 0

    @rule(delay_ns=DEADLINES)
    def set(self, delay_ns: int) -> None:
        self.model.append(make(self.wheel, self.now_ns + delay_ns))

    @precondition(lambda self: self.model)
    @rule(data=st.data(), copies=st.integers(1, 3))
    def set_again(self, data: st.DataObject, copies: int) -> None:
        """A deadline that is set already, wherever the wheel keeps it: a tie."""
        when_ns = data.draw(st.sampled_from(self.model))._when_ns
        self.model += [make(self.wheel, when_ns) for _ in range(copies)]

    @rule()
    def peek(self) -> None:
        """Asking opens the next slot: what is set for it from now on is overdue."""
        expected_ns = min((h._when_ns for h in self.model if h._when_ns < NEVER), default=NEVER)
        assert self.wheel.next_ns() == expected_ns

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.model) - 1))
        self.model.pop(index).cancel()

    @rule(within_ns=DEADLINES)
    def take_first(self, within_ns: int) -> None:
        """The next one is taken if it is in reach, and none is overdue; the rest comes after it."""
        until_ns = self.now_ns + within_ns
        handle = self.wheel.take_first(self.now_ns, until_ns)
        if handle is None:
            return
        assert self.now_ns < handle._when_ns <= until_ns
        assert handle is min(self.model, key=lambda each: each._when_ns)
        self.model.remove(handle)
        assert not handle._scheduled
        self.now_ns = handle._when_ns
        self.expire()

    @rule()
    def jump(self) -> None:
        self.peek()
        when_ns = self.wheel.next_ns()
        if when_ns < NEVER:
            self.now_ns = max(self.now_ns, when_ns)
            self.expire()

    @rule(duration_ns=st.one_of(st.integers(0, 10**8), st.integers(0, 10**13)))
    def advance_to(self, duration_ns: int) -> None:
        """The clock is moved by hand: what is due must show in the overdue heap."""
        self.follow(self.now_ns + duration_ns)

    @precondition(lambda self: any(self.now_ns < h._when_ns < NEVER for h in self.model))
    @rule(past_ns=st.sampled_from([0, 1, 10**8]))
    def advance_past_the_next(self, past_ns: int) -> None:
        """The next slot is open, and the clock is moved by hand past it."""
        self.wheel.next_ns()
        self.follow(
            min(h._when_ns for h in self.model if self.now_ns < h._when_ns < NEVER) + past_ns
        )

    def follow(self, now_ns: int) -> None:
        self.now_ns = now_ns
        self.wheel.advance_to(self.now_ns)
        overdue = self.wheel.overdue
        is_due = any(h._when_ns <= self.now_ns for h in self.model)
        assert not is_due or overdue[0][0] <= self.now_ns

    @rule()
    def expire(self) -> None:
        due = [h for h in self.model if h._when_ns <= self.now_ns]
        due.sort(key=lambda h: h._when_ns)  # Stable: equal deadlines in order of setting.
        self.model = [h for h in self.model if h._when_ns > self.now_ns]
        assert drain(self.wheel, self.now_ns) == due
        assert not any(h._scheduled for h in due)

    @rule(divisor=st.integers(1, 5))
    def extract(self, divisor: int) -> None:
        """Some are taken out, to go to another wheel; its order is theirs, so back they come."""
        is_wanted = lambda handle: handle._when_ns % divisor == 0  # noqa: E731
        wanted = [handle for handle in self.model if is_wanted(handle)]
        wanted.sort(key=lambda handle: handle._when_ns)
        assert self.wheel.extract(is_wanted) == wanted
        self.model = [handle for handle in self.model if not is_wanted(handle)]
        self.holds()
        self.model += wanted
        for handle in wanted:
            self.wheel.add(handle)

    @invariant()
    def holds(self) -> None:
        self.wheel.check()
        assert len(self.wheel) == len(self.model)


class NarrowWheelMachine(WheelMachine):
    """The same with limits so low that slots widen and cancelled_count are swept all the time."""

    def __init__(self) -> None:
        self.before = wheel_module._SLOTS_MAX, wheel_module._CANCELLED_MIN
        wheel_module._SLOTS_MAX, wheel_module._CANCELLED_MIN = 3, 4
        super().__init__()

    def teardown(self) -> None:
        wheel_module._SLOTS_MAX, wheel_module._CANCELLED_MIN = self.before


TestWheel = WheelMachine.TestCase
TestWheel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestNarrowWheel = NarrowWheelMachine.TestCase
TestNarrowWheel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_equal_deadlines_come_in_the_order_of_setting() -> None:
    """Timers set for one moment run in the order in which they were set, open slot or not."""
    wheel = TimerWheel()
    first = [make(wheel, 10**9) for _ in range(3)]
    assert wheel.next_ns() == 10**9  # Asking opens the slot; the rest is overdue.
    second = [make(wheel, 10**9) for _ in range(3)]
    assert wheel._open
    assert wheel.overdue
    assert drain(wheel, 10**9) == first + second


def test_equal_deadlines_keep_their_order_when_the_clock_is_moved_by_hand() -> None:
    """Equal deadlines run as they were set, also where the clock was moved past them by hand."""
    wheel = TimerWheel()
    first = [make(wheel, 10**9) for _ in range(3)]
    assert wheel.next_ns() == 10**9
    second = [make(wheel, 10**9) for _ in range(3)]
    wheel.advance_to(10**9)  # What is in the open list joins what is in the heap.
    assert not wheel._open
    third = [make(wheel, 10**9) for _ in range(3)]
    wheel.advance_to(2 * 10**9)
    assert drain(wheel, 2 * 10**9) == first + second + third


def test_a_past_deadline_is_due_at_once_and_before_later_ones() -> None:
    """Deadlines in the past come in order of their value, before what is due now."""
    wheel = TimerWheel(now_ns=10**12)
    now = make(wheel, 10**12)
    later_past = make(wheel, 5)
    earlier_past = make(wheel, -7)
    assert drain(wheel, 10**12) == [earlier_past, later_past, now]


def test_never_is_never_due() -> None:
    """A deadline at infinity is held, and no clock reaches it."""
    wheel = TimerWheel()
    handle = make(wheel, NEVER)
    assert wheel.next_ns() == NEVER
    assert drain(wheel, NEVER - 1) == []
    assert list(wheel) == [handle]


def test_cancelled_timers_give_their_memory_back() -> None:
    """Of a hundred thousand cancelled timers at most the smallest sweep's worth is kept."""
    wheel = TimerWheel()
    rng = random.Random(0)
    handles = [make(wheel, rng.randrange(10**13)) for _ in range(100_000)]
    for handle in handles:
        handle.cancel()
    del handles, handle
    gc.collect()
    assert sum(1 for _ in wheel) < 1_000
    assert len(wheel) == 0
    wheel.check()


def test_slots_stay_few_however_far_apart_deadlines_are() -> None:
    """Deadlines spread over years do not make a slot each: slots widen, and order holds."""
    wheel = TimerWheel()
    rng = random.Random(1)
    deadlines = [rng.randrange(10**17) for _ in range(20_000)]
    for when_ns in deadlines:
        make(wheel, when_ns)
    assert len(wheel._order) <= wheel_module._SLOTS_MAX
    wheel.check()
    assert [h._when_ns for h in drain(wheel, 10**17)] == sorted(deadlines)
    wheel.check()


@pytest.mark.parametrize("when_ns", [0, 1, 2**24 - 1, 2**24, 2**24 + 1, 10**18])
def test_a_lone_timer_is_found_wherever_it_lies(when_ns: int) -> None:
    """The next deadline is the only one there is, at slot edges too."""
    wheel = TimerWheel()
    handle = make(wheel, when_ns)
    assert wheel.next_ns() == when_ns
    assert drain(wheel, when_ns - 1) == []
    assert drain(wheel, when_ns) == [handle]
