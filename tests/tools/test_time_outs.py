"""Exceptions of signal handlers: wherever they land, they are told, and no wake-up is lost."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FunctionType

import pytest

import simloop
from simloop._kernel import Limits
from simloop._sandbox.patching.c_functions import clone
from simloop._sandbox.process import interruptions

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("nothing_is_left")

STARTED = logging._startTime
WALL = threading.Event()  # Never set.
raise_signal = clone(signal.raise_signal)
"""Of the real process, where in a run it would be the world's."""


class TimedOut(BaseException):
    """What a plugin raises to end a test, as pytest.fail does."""


async def spinning():
    while True:
        await asyncio.sleep(1)


async def passing_on():
    queue = asyncio.Queue()

    async def put():
        while True:
            await asyncio.sleep(0.001)
            queue.put_nowait(1)

    async def get():
        while True:
            await queue.get()

    async with asyncio.TaskGroup() as group:
        group.create_task(put())
        group.create_task(get())


async def echoing():
    async def echo(reader, writer):
        while True:
            writer.write(await reader.read(100))

    await asyncio.start_server(echo, "127.0.0.1", 80)
    reader, writer = await asyncio.open_connection("127.0.0.1", 80)
    while True:
        writer.write(b"x")
        await reader.read(1)
        await asyncio.sleep(0.001)


async def working():
    while True:
        await asyncio.to_thread(time.sleep, 0.001)


PROGRAMS = [spinning, passing_on, echoing, working]


class Tracing:
    """Sends the process a signal when so many lines and calls of a run have been traced."""

    def __init__(self, after):
        self.left = after

    def __call__(self, _frame, _event, _arg):
        self.left -= 1
        if self.left == 0:
            sys.settrace(None)
            raise_signal(signal.SIGALRM)
            return None  # The frame may have another tracer by now.
        return self


# As if the signal had come in the traced code itself, be it the engine's or the program's.
Tracing.__call__ = FunctionType(
    Tracing.__call__.__code__,
    {"__name__": "simloop.traced", "sys": sys, "signal": signal, "raise_signal": raise_signal},
)


def raise_within(program, after, error):
    """Run a program, with an error of a signal's handler somewhere in it; end what is left."""

    def handler(_signum, _frame):
        raise error

    before = signal.signal(signal.SIGALRM, handler)
    outer = sys.gettrace()
    loop = simloop.SimLoop()
    try:
        main = loop.create_task(program())
        loop.call_later(0.0005, sys.settrace, Tracing(after))
        with pytest.raises(type(error)) as caught:
            loop.run_until_complete(main)
        assert signal.getsignal(signal.SIGALRM) is handler
        while left := asyncio.all_tasks(loop):
            for task in left:
                task.cancel()
            # A wake-up that was lost would make this a deadlock. (A group of tasks may raise what
            # its task has raised once more.)
            with suppress(type(error)):
                loop.run_until_complete(asyncio.wait(left))
        assert main.done()
        assert main.cancelled() or main.exception() is not None
    finally:
        sys.settrace(outer)
        loop.close()
        signal.signal(signal.SIGALRM, before)
    return caught.value


@pytest.mark.parametrize(
    ("program", "error"),
    [*((program, TimedOut) for program in PROGRAMS), (spinning, KeyboardInterrupt)],
)
def test_an_error_anywhere_ends_the_run(program, error):
    """At each of many lines, an error of a handler ends the run as itself, and all can end well."""
    before = threading.active_count()
    for after in range(1, 150, 11) if program is not working else range(1, 700, 13):
        raised = error(after)
        assert raise_within(program, after, raised) is raised
        for _ in range(
            100
        ):  # A thread that the error came in between goes on to its end by itself.
            if threading.active_count() == before:
                break
            WALL.wait(0.01)
        assert threading.active_count() == before, after


DRIVING = {
    "step": lambda loop: loop.step(),
    "run_for": lambda loop: loop.run_for(0.002),
    "run_until": lambda loop: loop.run_until(loop.time() + 0.002),
    "run_ready": lambda loop: (loop.step(), loop.run_ready()),
}


@pytest.mark.parametrize("call", DRIVING)
def test_an_error_in_a_loop_that_is_driven_loses_nothing(call):
    """A handler that raises is heard once by the driver, which finds every task where it was."""
    for after in range(1, 200, 4):
        raised = TimedOut(after)

        def handler(_signum, _frame, raised=raised):
            raise raised

        before, outer = signal.signal(signal.SIGALRM, handler), sys.gettrace()
        loop, heard = simloop.SimLoop(), []
        try:
            task = loop.create_task(passing_on())
            loop.run_for(0.01)
            loop.call_soon(sys.settrace, Tracing(after))
            for _ in range(60):
                try:
                    DRIVING[call](loop)
                except TimedOut as error:
                    heard.append(error)
            sys.settrace(outer)
            assert heard in ([], [raised])
            assert signal.getsignal(signal.SIGALRM) is handler
            if not task.done():  # It was in the task's own line, otherwise.
                now = loop.time()
                loop.run_for(1)
                assert loop.time() == now + 1
                assert not task.done()
            for left in asyncio.all_tasks(loop):
                left.cancel()
            loop.run_until_idle()
            with suppress(BaseException):
                task.result()
            assert not asyncio.all_tasks(loop)
        finally:
            sys.settrace(outer)
            loop.close()
            signal.signal(signal.SIGALRM, before)
        assert logging._startTime == STARTED  # What is the process's own is back, all of it.


def test_a_program_that_never_gives_its_turn_back():
    """A step that asks for the time for ever is ended in its next line, not before a next turn."""

    async def program():
        await asyncio.sleep(1)
        while True:
            time.time()

    for after in (400, 401, 402, 403, 404, 405):
        raised = TimedOut()
        assert raise_within(program, after, raised) is raised


def test_an_error_in_a_task_beside_ends_the_run():
    """What is no Exception ends the run, though it was raised in a task that nobody awaits."""

    async def main():
        async def beside():
            raise_signal(signal.SIGALRM)

        kept = asyncio.create_task(beside())
        await asyncio.Event().wait()
        return kept

    def handler(_signum, _frame):
        raise TimedOut

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with pytest.raises(TimedOut):
            simloop.run(main())
    finally:
        signal.signal(signal.SIGALRM, before)


SEARCHES = {
    "simulate": simloop.simulate,
    "check": lambda main: simloop.check(main, seeds=range(40)),
    "explore": lambda main: simloop.explore(main, schedules=40),
    "sweep": lambda main: simloop.sweep(main, seeds=range(40)),
}


class LateError(Exception):
    """What a handler of a program's own raises; its ``__init__`` takes what it does not keep."""

    def __init__(self, after, unit="lines"):
        super().__init__(f"after {int(after)} {unit}")


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
@pytest.mark.parametrize("error", [TimedOut, LateError])
@pytest.mark.parametrize("is_swallowed", [False, True])
def test_a_time_limit_is_no_outcome_of_a_program(search, error, is_swallowed):
    """It comes at some moment of real time: no run fails by it, and no two are said to differ."""
    calls = 0

    async def main():
        nonlocal calls
        calls += 1
        if calls in {1, 20}:
            sys.settrace(Tracing(after))
        try:
            for _ in range(10):
                await asyncio.sleep(0.1)
        except Exception:
            if not is_swallowed:
                raise

    def handler(_signum, _frame):
        raise raised

    before = signal.signal(signal.SIGALRM, handler)
    outer = sys.gettrace()
    try:
        for after in (5, 60, 150, 300, 400):
            raised, calls = error(after), 0 if search is simloop.simulate else 1
            with pytest.raises(error) as caught:
                search(main)
            sys.settrace(outer)
            assert caught.value.args == raised.args
    finally:
        sys.settrace(outer)
        signal.signal(signal.SIGALRM, before)


def test_handlers_that_return_change_nothing():
    """A handler that raises nothing leaves the run as it is."""
    calls = []
    before = signal.signal(signal.SIGALRM, lambda signum, frame: calls.append(signum))
    try:

        async def main():
            sys.settrace(Tracing(50))
            await asyncio.sleep(5)
            for _ in range(10):
                await asyncio.sleep(1)
            return asyncio.get_running_loop().time()

        outer = sys.gettrace()
        try:
            assert simloop.run(main()) == 15.0
        finally:
            sys.settrace(outer)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert calls == [signal.SIGALRM]


def test_no_handler_is_left():
    """After a run each signal has the handler that it had before, and none is shielded twice."""
    turns = Limits()
    shields = interruptions.shield(turns)
    try:
        assert not interruptions.shield(turns)
    finally:
        interruptions.unshield(shields)
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGALRM)]
    assert not any(isinstance(each, interruptions.Deferring) for each in handlers)


TESTS = """
import asyncio, pytest
pytestmark = [pytest.mark.simloop, pytest.mark.timeout(1)]

async def test_for_ever():
    while True:
        await asyncio.sleep(1)

async def test_beside():
    async def spin():
        while True:
            await asyncio.sleep(1)
    async with asyncio.TaskGroup() as group:
        group.create_task(spin())

async def test_next():
    await asyncio.sleep(86_400)
"""


@pytest.mark.slow
def test_pytest_timeout(pytester, monkeypatch):
    """A test that spins is told as timed out, once, and the next test is not touched."""
    pytest.importorskip("pytest_timeout")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(TESTS)
    options = ("-p", "simloop.testing.plugin", "-p", "pytest_timeout", "-p", "no:cacheprovider")
    result = pytester.runpytest_subprocess(*options)
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["FAILED*test_for_ever - Failed: Timeout*"])
    result.stdout.fnmatch_lines(["FAILED*test_beside - Failed: Timeout*"])
