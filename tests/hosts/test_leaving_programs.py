"""What a program raises ends its own process, as it does on a real machine, and no other one."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import signal
import subprocess
import sys
import warnings

import pytest

import simloop

from . import leaving_programs
from .leaving_programs import ERRORS, PROGRAMS
from .test_add_host import world

ENDS, GOES_ON = 1, 0
"""What an error comes to that is neither of the two that asyncio lets through."""

CODES = {
    "later": ENDS,
    "in_a_task": ENDS,
    "in_a_callback": GOES_ON,
    "in_an_exception_handler": GOES_ON,
    "in_a_handler_of_the_loop": GOES_ON,
    "in_a_handler_at_once": ENDS,
    "in_a_handler_between_steps": ENDS,
    "in_an_executor": ENDS,
    "in_a_protocol": GOES_ON,
    "in_a_thread": 5,
    "in_a_raw_thread": 5,
    "caught": 6,
    "in_a_clean_up": 8,
    "at_exit": 0,
    "plainly": ENDS,
    "in_a_run": ENDS,
    "in_a_callback_of_a_run": GOES_ON,
    "in_a_handler_while_it_sleeps": ENDS,
}
NEVER = ("in_a_thread", "in_a_raw_thread", "caught", "at_exit")
EXITS = {"KeyboardInterrupt": -signal.SIGINT, "SystemExit": 3}


def expected(error):
    codes = {
        name: EXITS.get(error, code) if name not in NEVER else code for name, code in CODES.items()
    }
    if error == "ValueError":
        codes["in_a_handler_at_once"] = 9
    return codes


def on_hosts(error):
    """Run all programs at once, each as a process of its own."""

    async def main():
        host = world().add_host("db")
        ends = {
            name: host.start(program, args=(ERRORS[error],)).exited()
            for name, program in PROGRAMS.items()
        }
        codes = {name: await end for name, end in ends.items()}
        assert asyncio.get_running_loop().time() < 1
        return codes

    return simloop.run(main())


def for_real(error):
    script = leaving_programs.__file__
    told = subprocess.run([sys.executable, script, error], check=True, capture_output=True)
    return {name.split()[0]: code for name, code in json.loads(told.stdout).items()}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("run", [on_hosts, pytest.param(for_real, marks=pytest.mark.slow)])
def test_what_a_program_raises_ends_its_own_process(run, error):
    """An exit code is what a real process has that raises the same at the same place."""
    assert run(error) == expected(error)


def test_a_program_that_is_interrupted_by_itself_may_clean_up():
    """A ``KeyboardInterrupt`` ends a program as ``asyncio.run`` does: its other tasks clean up."""
    seen = []

    async def wait():
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(1)
            seen.append("cleaned up")

    async def program():
        asyncio.get_running_loop().call_later(1, leaving_programs.fail, KeyboardInterrupt)
        await asyncio.gather(wait(), wait())

    async def main():
        process = world().add_host("db").start(program)
        other = world().add_host("other").start(asyncio.sleep, args=(10,))
        assert await process.exited() == -signal.SIGINT
        assert asyncio.get_running_loop().time() == 2
        assert await other.exited() == 0

    simloop.run(main())
    assert seen == ["cleaned up"] * 2


@pytest.mark.parametrize("raised", ["at once", "from another one"])
@pytest.mark.parametrize("place", ["task", "callback", "child"])
def test_ctrl_c_of_the_user_ends_the_run(place, raised):
    """A real signal that arrives in code of a host's program ends the run, and not that process."""
    seen = []

    def interrupt():
        try:
            for _ in range(2):  # Of the first one asyncio's runner makes a cancellation.
                kill(pid, signal.SIGINT)
        except KeyboardInterrupt:
            if raised == "at once":
                raise
            raise KeyboardInterrupt from None

    async def in_a_task(_process=None):
        interrupt()

    async def program():
        if place == "task":
            await in_a_task()
        if place == "child":
            world().programs.register("interrupted", in_a_task)
            child = await asyncio.create_subprocess_exec("interrupted")
            await child.wait()
        asyncio.get_running_loop().call_soon(interrupt)
        await asyncio.sleep(10)

    async def main():
        process = world().add_host("db").start(program)
        seen.append(await process.exited())

    kill, pid = ctypes.CDLL(None).kill, os.getpid()
    with pytest.raises(KeyboardInterrupt):
        simloop.run(main())
    assert not seen
    with warnings.catch_warnings():  # What the error's traceback held is not closed.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
