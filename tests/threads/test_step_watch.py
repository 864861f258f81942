"""The watch on steps: what computes for ever in one step is stopped at its line."""

from __future__ import annotations

import asyncio
import itertools
import math
import pickle
import socket
import sys
import threading
from types import SimpleNamespace

import pytest

import simloop
from simloop._threads import step_watch
from simloop._threads.step_watch import watched_steps
from simloop._threads.watching import watchman
from simloop.testing import _life

LIMIT_S = 0.01


def ticking():
    """Return a source of real time that goes on by the limit at each look."""
    looks = itertools.count()
    return lambda _ident: next(looks) * LIMIT_S


def run_watched(main, spent_s):
    """Run a coroutine under the watch, by another source of real time."""
    world = simloop.World()
    with world.inside(), watched_steps(world.threads, LIMIT_S, spent_s):
        return simloop.run(main, world=world)


async def spin():
    while True:
        pass


async def spin_in_a_function():
    def count():
        number = 0
        while True:
            number += 1

    count()


async def spin_in_a_thread():
    def count():
        number = 0
        while True:
            number += 1

    await asyncio.to_thread(count)


async def spin_in_c():
    while True:
        sum(range(1000))


SPINS = (spin, spin_in_a_function, spin_in_a_thread, spin_in_c)


@pytest.mark.parametrize("main", SPINS)
def test_a_step_that_never_ends_is_stopped_at_its_line(main):
    """The program gets the error where it is, and the error says where that was."""
    with pytest.raises(simloop.LimitError, match="one step has computed") as caught:
        run_watched(main(), ticking())
    assert "test_step_watch.py" in str(caught.value)
    assert caught.traceback[-1].path.name == "test_step_watch.py"
    assert type(pickle.loads(pickle.dumps(caught.value))) is simloop.LimitError  # noqa: S301


def test_a_program_that_goes_on_is_told_again():
    """Who catches the error and spins on gets it once more."""
    told = []

    async def main():
        while len(told) < 3:
            try:
                await spin()
            except simloop.LimitError as error:
                told.append(str(error))

    run_watched(main(), ticking())
    assert len(told) == 3


def test_many_steps_are_not_one():
    """Steps that end are not counted together, however long they take in all."""

    async def main():
        for _ in range(20_000):
            await asyncio.sleep(0)
        return True

    world = simloop.World()
    with (
        world.inside(),
        watched_steps(world.threads, LIMIT_S, lambda _ident: world.steps * LIMIT_S),
    ):
        assert simloop.run(main(), world=world)


def test_a_run_that_is_watched_is_the_same(monkeypatch):
    """No frame is asked for while steps end in time: it would keep alive what is let go of."""
    # What was freed later, on the thread that looks, ended an asynchronous generator a step later.

    def fail():
        raise AssertionError("frames were asked for")

    looks = []

    async def main():
        while len(looks) < 5:
            await asyncio.sleep(0)

    def spent(_ident):
        looks.append(world.steps)
        return world.steps * LIMIT_S / 2

    world = simloop.World()
    with world.inside(), watched_steps(world.threads, LIMIT_S, spent):
        monkeypatch.setattr(step_watch, "sys", SimpleNamespace(_current_frames=fail))
        simloop.run(main(), world=world)


def test_a_thread_that_ends_while_it_is_looked_at_is_passed_over():
    """It has no clock any more, and the watch looks on."""
    looks = []

    def gone(_ident):
        looks.append(1)
        raise ProcessLookupError

    async def main():
        while len(looks) < 3:
            await asyncio.sleep(0)
        return True

    assert run_watched(main(), gone)


def test_a_step_that_waits_for_real_computes_nothing():
    """A debugger at a breakpoint uses up none of the limit: what is counted is computing."""
    looked = threading.Event()
    looks = itertools.count()

    def standing(_ident):
        if next(looks) > 5:
            looked.set()
        return 1.0

    async def main():
        for _ in iter(looked.is_set, True):
            pass
        return True

    assert run_watched(main(), standing)


def test_the_option_watches_a_run():
    """``real_step_limit`` of a run is in real seconds."""
    # On a machine that is busy the thread may be seen to spin first, if there are others it could
    # spin for, as there are in a process of many tests.
    with pytest.raises(simloop.LimitError, match=r"computed for 0\.02 s|goes round and round"):
        simloop.run(spin(), real_step_limit=0.02)
    assert isinstance(simloop.simulate(spin, real_step_limit=0.02).error, simloop.LimitError)
    assert simloop.simulate(asyncio.Event, real_step_limit=math.inf).error is not None


@pytest.mark.parametrize("value", [0, -1, "1", math.nan])
def test_a_limit_that_means_nothing_is_refused(value):
    """It takes real seconds above 0."""
    with pytest.raises(simloop.UsageError, match="real_step_limit="):
        simloop.run(asyncio.sleep(1), real_step_limit=value)


def test_tests_are_watched_unless_told_otherwise():
    """A test of the plugin has a limit by itself, and its mark sets another."""
    assert _life.TestRun(_life.options_of("a test", {}))._step_limit_s == _life.STEP_LIMIT_S
    run = _life.TestRun(_life.options_of("a test", {"real_step_limit": 0.02}))
    with pytest.raises(simloop.LimitError, match="one step has computed"):
        run.run(spin())
    run.close()


def test_a_run_without_a_watch_starts_no_thread():
    """The watch is for runs that ask for it."""
    before = threading.active_count()
    simloop.run(asyncio.sleep(1), real_step_limit=60)
    assert threading.active_count() == before


def test_the_watch_keeps_no_deadlock_waiting():
    """The thread that looks is none that could end a wait, so a deadlock is told at once."""

    async def main():
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()

    with pytest.raises(simloop.DeadlockError) as caught:
        simloop.run(main(), real_step_limit=60)
    # Where tests share a process with other threads (pytest-xdist's), these may be listed.
    assert "_threads/step_watch" not in str(caught.value)


def test_an_error_that_comes_too_late_is_taken_back(monkeypatch):
    """Where the step has ended by itself meanwhile, the run ends whole, and sockets are real."""
    # It was raised while the program computed, and comes while the engine does. In the middle of
    # its exit it left every patch in place, and a dead world behind the loops of all later tests.
    raised = []

    def remove(watch):
        for _ in range(2 - len(raised)):
            raised.append(watch)
            step_watch._raise_in(watch._ident, step_watch._error_that_says("it has come too late"))
        real(watch)

    real = watchman.remove
    monkeypatch.setattr(watchman, "remove", remove)
    assert simloop.run(asyncio.sleep(1, "done"), real_step_limit=60) == "done"
    assert len(raised) == 2
    assert "__new__" not in vars(socket.socket)


def test_an_error_that_was_raised_leaves_nothing_to_do():
    """Whoever traces afterwards comes past the next call, as a debugger does."""
    # An error that is taken back by NULL stays announced for ever on 3.11, whose interpreter then
    # never leaves the first instruction of a function that is traced.
    with pytest.raises(simloop.LimitError):
        run_watched(spin(), ticking())
    called = []

    def traced():
        called.append(sys.gettrace())

    before = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        traced()
    finally:
        sys.settrace(before)
    assert called


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_watch_that_fails_is_none_of_the_others(monkeypatch):
    """A look that goes wrong is told, and runs after it are watched as ever: none hangs."""
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    def broken(_ident):
        raise ZeroDivisionError

    async def main():
        while not told:
            await asyncio.sleep(0)

    run_watched(main(), broken)
    assert told[0].exc_type is ZeroDivisionError
    with pytest.raises(simloop.LimitError, match="one step has computed"):
        run_watched(spin(), ticking())
