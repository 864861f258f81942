"""Threads that spin on a flag of another thread: they yield, and see it when it is set."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
import time
from concurrent.futures import Future
from types import SimpleNamespace

import pytest

import simloop
from simloop._threads.spinning import Spin, is_traced, thread_state
from simloop._threads.watching.seen_state import SeenState

pytestmark = pytest.mark.skipif(
    sys.gettrace() is not None and not hasattr(sys, "monitoring"),
    reason="on 3.11 a thread that is traced, by coverage say, is left alone",
)


class Flag:
    is_set = False


def spin_on_a_list(flag, event, box):
    while not flag:
        pass


def spin_on_an_event(flag, event, box):
    while not event.is_set():
        pass


def spin_on_an_attribute(flag, event, box):
    while True:
        if box.is_set:
            break


def spin_by_waits_of_no_time(flag, event, box):
    while not event.wait(0):  # Each makes a lock of its own to wait at.
        pass


SPINS = (spin_on_a_list, spin_on_an_event, spin_on_an_attribute, spin_by_waits_of_no_time)


@pytest.mark.slow  # A tenth of a second of real time goes by before a thread is looked at.
@pytest.mark.parametrize("setter", ["loop", "thread"])
@pytest.mark.parametrize("spin", SPINS)
def test_a_thread_sees_the_flag_that_another_sets(spin, setter, simulate):
    """It sees it soon after the flag was set, and the run is the same each time."""

    async def main():
        flag, event, box = [], threading.Event(), Flag()

        def work():
            spin(flag, event, box)
            return time.monotonic()

        def put():
            flag.append(1)
            event.set()
            box.is_set = True

        def put_later():
            time.sleep(3)
            put()

        if setter == "loop":
            asyncio.get_running_loop().call_later(3, put)
        else:
            threading.Thread(target=put_later).start()
        return await asyncio.to_thread(work)

    assert 3 <= simulate(main).value < 3.01
    if hasattr(sys, "monitoring"):
        assert [sys.monitoring.get_tool(each) for each in (3, 4)] == [None, None]


def spin_on_a_dictionary(flag, event, box):
    while not flag.get("is set"):
        pass


def spin_on_a_future(flag, event, box):
    while not box.future.done():
        pass


def spin_on_a_queue(flag, event, box):
    while box.queue.empty():
        pass


def spin_for_a_lock(flag, event, box):
    while not box.lock.acquire(blocking=False):
        pass


LOOP_SPINS = (
    *SPINS,
    spin_on_a_dictionary,
    spin_on_a_future,
    spin_on_a_queue,
    spin_for_a_lock,
)


@pytest.mark.slow
@pytest.mark.parametrize("spin", LOOP_SPINS)
def test_the_loops_own_thread_sees_the_flag_that_a_thread_sets(spin, simulate):
    """A coroutine that spins lets threads of the run go on, and the run is the same each time."""
    # Where it yields, what a round calls has given back its locks, which the thread may want.

    async def main():
        flag, event, box = {}, threading.Event(), Flag()
        box.lock, box.queue, box.future = threading.Lock(), queue.Queue(), Future()

        def put_later():
            with box.lock:
                time.sleep(3)
            box.queue.put(1)
            box.future.set_result(1)
            event.set()
            flag["is set"] = box.is_set = True

        thread = threading.Thread(target=put_later)
        thread.start()
        await asyncio.sleep(1)
        spin(flag, event, box)
        seen = time.monotonic()
        thread.join()
        await asyncio.sleep(1)
        return seen

    first, again = simulate(main), simulate(main)
    assert 3 <= first.value < 3.01
    assert (first.value, first.digest) == (again.value, again.digest)


def test_a_debugger_that_went_on_hides_no_spin():
    """The mark that pdb leaves on the outermost frame is no tool that traces the program."""

    async def main():
        flag = []
        thread = threading.Thread(target=lambda: (time.sleep(3), flag.append(1)))
        thread.start()
        await asyncio.sleep(1)
        while not flag:
            pass
        return time.monotonic()

    outermost = sys._getframe()
    while outermost.f_back is not None:
        outermost = outermost.f_back
    before, outermost.f_trace = outermost.f_trace, lambda *_: None
    try:
        assert 3 <= simloop.run(main()) < 3.01
    finally:
        outermost.f_trace = before


@pytest.mark.slow
def test_the_loops_thread_ends_with_its_line_when_no_thread_can_set_the_flag():
    """Where every thread of the run has ended, what spins is an error that names the line."""

    async def main():
        flag = []
        await asyncio.to_thread(flag.clear)
        while not flag:
            pass

    with pytest.raises(simloop.LimitError, match="the loop's own thread goes round") as caught:
        simloop.run(main(), max_time=10)
    assert "test_spinning.py" in str(caught.value)


@pytest.mark.slow
def test_callbacks_that_repeat_are_no_spin(simulate):
    """The loop's thread is looked at in one step only: the same callback again is no round."""

    async def main():
        loop = asyncio.get_running_loop()
        left, done = [200_000], loop.create_future()

        def work():
            number = 0
            while number < 3_000_000:
                number += 1

        def again():
            left[0] -= 1
            if left[0]:
                loop.call_soon(again)
            else:
                done.set_result(None)

        threading.Thread(target=time.sleep, args=(9,)).start()
        work()
        again()
        await done
        return loop.time()

    assert simulate(main).value == 0


@pytest.mark.slow  # It computes for longer than a thread may before it is looked at.
@pytest.mark.parametrize("kind", ["local", "attribute", "items"])
def test_a_thread_that_computes_is_left_alone(kind, simulate):
    """Work that changes something takes no virtual time, however long it computes."""

    async def main():
        def work():
            number, box, items = 0, Flag(), [0]
            box.number = 0
            until = time.thread_time_ns  # Virtual: it stands still.
            began = until()
            for _ in range(40):
                rounds = 50_000
                while kind == "local" and number < rounds:
                    number += 1
                while kind == "attribute" and box.number < rounds:
                    box.number += 1
                while kind == "items" and len(items) < rounds:
                    items.append(1)
                number, box.number, items = 0, 0, [0]
            return until() - began

        return await asyncio.to_thread(work)

    assert simulate(main).value == 0


def _lets_go_in_steps_of(size):
    """Return a program that lets go of something in each step, and computes before that."""

    async def main():
        told = []

        class Told:
            def __init__(self, number):
                self.number = number

            def __del__(self):
                told.append(("gone", self.number, time.monotonic()))

        def compute(number):
            kept = Told(number)
            sums = [sum(range(20_000)) for _ in range(size)]
            return kept is sums

        async def one(number):
            try:
                compute(number + 10)
                yield number
            finally:
                told.append(("closed", number, time.monotonic()))

        await asyncio.to_thread(int)  # From here on the loop's thread is looked at.
        for number in range(3):
            compute(number)
            async for _ in one(number):
                break
            await asyncio.sleep(1)
        return told

    return main


@pytest.mark.slow
def test_what_is_looked_at_goes_when_it_would(simulate):
    """That a step takes long in real time moves no finalizer: a slow machine has the same run."""
    quick, slow = simulate(_lets_go_in_steps_of(1)), simulate(_lets_go_in_steps_of(900))
    assert slow.value == quick.value
    assert slow.digest == quick.digest


@pytest.mark.skipif(hasattr(sys, "monitoring"), reason="two tools look side by side there")
def test_a_thread_that_a_tool_traces_is_left_alone():
    """A debugger that comes into the middle of a run goes on hearing of each line."""
    thread = SimpleNamespace(state=thread_state())
    before = sys.gettrace()
    try:
        sys.settrace(None)
        assert not is_traced(thread)
        sys.settrace(lambda *_: None)
        assert is_traced(thread)
    finally:
        sys.settrace(before)


def _seen_by(frame):
    state = SeenState()
    state.add(frame)
    return state


class Slotted:
    __slots__ = ()


@pytest.mark.parametrize(
    "make", [Flag, list, lambda: [Flag()], Slotted, lambda: {"a": Flag()}, lambda: (Flag(), 1)]
)
def test_what_was_seen_is_held_by_nothing(make):
    """Two looks at one thing are alike, and it goes as if it had not been looked at."""

    def look(_thing):
        return _seen_by(sys._getframe())

    thing = make()
    held = sys.getrefcount(thing)
    first, second = look(thing), look(thing)
    assert first.is_like(second)
    assert sys.getrefcount(thing) == held
    assert not first.is_like(look(Flag()))


def test_another_object_at_the_same_address_is_another():
    """A loop that makes a new object each time does something, if it looks the same."""

    def look():
        flag = Flag()
        return _seen_by(sys._getframe()), id(flag)

    looks = [look() for _ in range(50)]
    assert len({address for _, address in looks}) < len(looks)
    first, *others = (state for state, _ in looks)
    assert not any(first.is_like(other) for other in others)


@pytest.mark.parametrize("make", [lambda: [1], lambda: ([[1]],), lambda: {1: 1}, lambda: [[0]]])
def test_what_is_made_anew_each_time_is_another(make):
    """Work on equal things, one after the other, is no spin: each is there before the last goes."""

    def look(_thing):
        return _seen_by(sys._getframe())

    first, second = make(), make()
    assert not look(first).is_like(look(second))
    assert look(((), 1, (2, "a"))).is_like(look(((), 1, (2, "a"))))
    assert look([]).is_like(look([]))


def spin_by_a_loop_of_calls():
    for _ in iter(int, 1):
        pass


def spin_in_a_comprehension():
    return [each for each in iter(int, 1) if each]


@pytest.mark.slow
@pytest.mark.parametrize("spin", [spin_by_a_loop_of_calls, spin_in_a_comprehension])
def test_a_thread_that_goes_round_for_ever_ends_with_its_line(spin):
    """Its error comes where it spins, and says where that is; no error of the interpreter's."""
    with pytest.raises(
        simloop.LimitError, match=r"goes round and round|has computed for"
    ) as caught:
        simloop.run(asyncio.to_thread(spin), real_step_limit=5)
    assert "test_spinning.py" in str(caught.value)


def test_a_jump_without_a_line_is_passed_over():
    """The compiler's own jumps stand on no line, before, within and after a round."""

    class Thread:
        spin = None

        @staticmethod
        def is_in_turn():
            return True

    spin = Spin(Thread(), lambda: None)
    frame = SimpleNamespace(f_globals={}, f_lineno=None)
    spin.line(frame)
    spin.line(sys._getframe())
    frame.f_back = sys._getframe()
    spin.line(frame)


@pytest.mark.parametrize("round_of", [(True, False), (False, True), (False,), (True,)])
def test_a_round_is_one_whatever_it_comes_to_on_its_line(round_of):
    """A line, a jump on it, or both in either order: each Python tells others of the same loop."""
    # 3.13 tells of ``while not flag:`` the line and the jump, and not one after the other where
    # something is called between them; taken for two rounds, none was ever like the one before.
    slept = []

    class Thread:
        spin = None
        kernel = SimpleNamespace(now_ns=0, limits=SimpleNamespace(time_max_ns=10**18))
        sleep = slept.append

        @staticmethod
        def is_in_turn():
            return True

    class Flag:
        def is_set(self):
            return False

    def frame_of(function, line, back):
        code = function.__code__
        return SimpleNamespace(f_code=code, f_lineno=line, f_globals={}, f_locals={}, f_back=back)

    def loop():
        pass

    spin = Spin(Thread(), lambda: None)
    outer = frame_of(loop, 1, None)
    for _ in range(40):
        for jumps in round_of:
            spin.line(outer, jumps=jumps)
            spin.line(frame_of(Flag.is_set, 9, outer))
    assert slept
