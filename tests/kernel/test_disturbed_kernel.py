"""The disturbed kernel: with all answers 0 a plain one, and never against asyncio's promises."""

from __future__ import annotations

from contextvars import copy_context
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simloop._kernel import NEVER, Handle, Kernel, TimerHandle
from simloop._kernel.disturbed_kernel import DisturbedKernel
from simloop._kernel.gate import CODES, LOG_FIRST, PER_DECADE, RANKS, ChoiceGate, log_code, log_ns
from simloop.errors import UsageError

CONTEXT = copy_context()
KINDS = ("stall", "late", "cpu", "hold", "order")


class Script:
    """Answers that were written down, in order; 0 after the last."""

    def __init__(self, **answers: list[int]) -> None:
        self.answers = {kind: list(each) for kind, each in answers.items()}

    def answer(self, kind: str, thing: object, options: int) -> int:
        left = self.answers.get(kind)
        return left.pop(0) % options if left else 0


class Loop:
    """A loop that keeps what ran when."""

    _stopping = False
    _stash = None

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.log: list[tuple[int, object]] = []
        kernel.attach()

    @property
    def _wheel(self):
        return self.kernel.wheel

    def _takes_exit(self, error):
        return False

    def _step_into(self) -> None:
        """Run."""

    def note(self, what: object) -> None:
        self.log.append((self.kernel.now_ns, what))

    def soon(self, what: object) -> Handle:
        handle = Handle(self.note, (what,), CONTEXT, self)
        self.kernel.ready.append(handle)
        return handle

    def arrive(self, what: object) -> Handle:
        handle = Handle(self.note, (what,), CONTEXT, self)
        self.kernel.io_ready.append(handle)
        return handle

    def at(self, when_ns: int, what: object) -> TimerHandle:
        handle = TimerHandle(when_ns, self.note, (what,), CONTEXT, self)
        self.kernel.wheel.add(handle)
        return handle


def disturbed(total_ns: int = 10**12, **answers: list[int]) -> DisturbedKernel:
    gate = ChoiceGate(Script(**answers), KINDS, each_ns=10**12, total_ns=total_ns)
    return DisturbedKernel(0, 0, gate)


def ran(kernel: Kernel, *deeds: tuple[str, Any]) -> list[tuple[int, object]]:
    loop = Loop(kernel)
    for number, (deed, argument) in enumerate(deeds):
        if deed == "at":
            loop.at(argument, number)
        else:
            getattr(loop, deed)(number)
    kernel.run_until_idle()
    kernel.check()
    return loop.log


def test_a_stall_makes_timers_due_that_would_have_come_later() -> None:
    """Time that passes before a turn with work lets a deadline run in that turn, after the work."""
    kernel = disturbed(stall=[1])
    assert ran(kernel, ("soon", 0), ("at", 50), ("at", 70)) == [(50, 0), (50, 1), (70, 2)]


def test_a_late_wake_runs_two_deadlines_in_one_turn() -> None:
    """The loop that wakes late finds the next deadline due as well, in order of deadline."""
    kernel = disturbed(late=[RANKS + 1])
    assert ran(kernel, ("at", 50), ("at", 70)) == [(71, 0), (71, 1)]


@pytest.mark.parametrize("answers", [{"late": [RANKS + 1]}, {"hold": [LOG_FIRST]}])
def test_a_deadline_that_is_past_when_it_is_set_is_due(answers) -> None:
    """After a late wake, or a release, the kernel knows what is past, and never waits for it."""
    kernel = disturbed(**answers)
    loop = Loop(kernel)

    def behind() -> None:
        loop.at(kernel.now_ns - 1, "past")
        loop.soon("first")
        kernel.call_soon(lambda: loop.soon("last"))

    far_ns = 10**9  # In a slot of the wheel that is not the first.
    if "late" in answers:
        kernel.gate.answerer.answers["late"] = [log_code(far_ns)]
        kernel.call_at_ns(50, behind)
    else:
        kernel.gate.answerer.answers["hold"] = [log_code(far_ns)]
        kernel.io_ready.append(Handle(behind, (), CONTEXT, loop))
    kernel.run_until(2 * far_ns)
    kernel.check()
    assert [what for _, what in loop.log] == ["first", "past", "last"]


def test_what_is_held_comes_before_timers_of_its_instant() -> None:
    """A release is an arrival, and arrivals come before timers in a turn."""
    kernel = disturbed(hold=[1])
    assert ran(kernel, ("arrive", 0), ("at", 50), ("soon", 0)) == [(0, 2), (50, 0), (50, 1)]


def test_what_is_held_is_what_comes_next() -> None:
    """A held handle counts where the next moment is asked for, and for nothing once cancelled."""
    kernel = disturbed(hold=[LOG_FIRST])
    handle = Loop(kernel).arrive("x")
    kernel.run_until(0)
    assert kernel.peek_ns() == 1000
    handle.cancel()
    assert kernel.peek_ns() == NEVER


def test_a_dropped_loop_has_nothing_held() -> None:
    """What is held for a loop that closes never runs."""
    kernel = disturbed(hold=[LOG_FIRST])
    loop = Loop(kernel)
    loop.arrive("x")
    kernel.run_until(0)
    kernel.drop(loop)
    kernel.run_until_idle()
    assert loop.log == []


def test_arrivals_of_one_turn_come_in_any_order() -> None:
    """The order of what has arrived is asked for, one after the other."""
    kernel = disturbed(order=[2, 1])
    log = ran(kernel, ("arrive", 0), ("arrive", 0), ("arrive", 0))
    assert [what for _, what in log] == [2, 1, 0]


def test_time_passes_between_two_callbacks() -> None:
    """A delay of the processor falls between callbacks of a turn, whose timers are collected."""
    kernel = disturbed(cpu=[LOG_FIRST])
    assert ran(kernel, ("soon", 0), ("soon", 0), ("at", 5)) == [(0, 0), (1000, 1), (1000, 2)]


@pytest.mark.parametrize(
    ("code", "total_ns"), [(1, 10**12), (CODES - 1, 10**12), (log_code(5000), 1000)]
)
def test_a_delay_without_effect_is_no_deviation(code: int, total_ns: int) -> None:
    """No such deadline, past the cap, past the budget: the tape has nothing, the run is plain."""
    kernel = disturbed(total_ns, stall=[code])
    assert ran(kernel, ("soon", 0)) == [(0, 0)]
    assert kernel.gate.tape == {}
    assert kernel.gate.spent_ns == 0


def test_no_delay_leads_past_the_horizon() -> None:
    """A driver that runs the world up to a time finds its clock there."""
    kernel = disturbed(stall=[LOG_FIRST + PER_DECADE], late=[LOG_FIRST + PER_DECADE])
    loop = Loop(kernel)
    loop.soon("now")
    loop.at(50, "then")
    kernel.run_until(60)
    assert kernel.now_ns == 60
    assert loop.log == [(0, "now"), (50, "then")]


def test_an_answer_that_is_no_option_is_refused() -> None:
    """The error names what answered, the kind and the options."""

    class Wild:
        def answer(self, kind: str, thing: object, options: int) -> int:
            return options

    gate = ChoiceGate(Wild(), {"order"})
    with pytest.raises(UsageError, match="Wild answered 3 to 'order', which has 3 options"):
        gate.ask("order", "x", 3)


def test_a_plain_kernel_has_no_choice() -> None:
    """Where nothing is explored the first option is taken."""
    assert Kernel().choose("choice", "x", 5) == 0


PROGRAM = st.lists(
    st.tuples(st.sampled_from(["soon", "arrive", "at"]), st.integers(0, 10**6)), max_size=20
)


@given(PROGRAM)
def test_without_deviations_it_is_a_plain_kernel(program) -> None:
    """All answers 0: the same callbacks at the same times in the same order."""
    assert ran(disturbed(), *program) == ran(Kernel(), *program)


@given(PROGRAM, st.lists(st.integers(0, CODES - 1), max_size=40), st.data())
def test_what_asyncio_promises_holds_under_every_disturbance(program, codes, data) -> None:
    """Ready callbacks stay in order, timers too, never early; nothing is lost; it replays."""
    cut = data.draw(st.integers(0, len(codes)))
    answers = dict(
        zip(KINDS, (codes[:cut], codes[cut:], codes[::3], codes[::2], codes[::5]), strict=True)
    )
    kernel = disturbed(**answers)
    log = ran(kernel, *program)
    assert sorted(what for _, what in log) == list(range(len(program)))
    soon = [what for _, what in log if program[what][0] == "soon"]
    assert soon == sorted(soon)
    timers = [(program[what][1], what) for _, what in log if program[what][0] == "at"]
    assert timers == sorted(timers)
    assert all(when >= program[what][1] for when, what in log if program[what][0] == "at")
    assert kernel.gate.spent_ns <= 10**12
    gate = ChoiceGate(Tape(kernel.gate.tape), KINDS, each_ns=10**12, total_ns=10**12)
    assert ran(DisturbedKernel(0, 0, gate), *program) == log


class Tape:
    """Answers by position."""

    def __init__(self, tape: dict[int, int]) -> None:
        self.tape = tape
        self.position = 0

    def answer(self, kind: str, thing: object, options: int) -> int:
        self.position += 1
        return self.tape.get(self.position, 0)


@given(st.integers(1000, 10**12))
def test_the_log_scale_is_close(ns: int) -> None:
    """A code's length is at most the one asked for, and more than five sixths of it."""
    assert ns * 0.82 <= log_ns(log_code(ns)) <= ns
