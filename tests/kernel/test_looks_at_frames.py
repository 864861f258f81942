"""Looks at the variables of a frame: they find them, and keep nothing alive."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref

import pytest

import simloop
from simloop._kernel.safe_looks import variables_of

untraced = pytest.mark.skipif(
    sys.gettrace() is not None, reason="a tool that traces reads them back when it has looked"
)


class Thing:
    pass


@untraced
def test_what_was_looked_at_is_freed_when_the_function_drops_it():
    """Up to 3.12 a frame keeps what ``f_locals`` gave until it ends, and all that was in it."""
    thing = Thing()
    gone = weakref.ref(thing)
    assert variables_of(sys._getframe())["thing"] is thing
    del thing
    assert gone() is None


@untraced
def test_what_a_coroutine_holds_is_freed_too():
    """It is looked at while it is suspended, for a report of what it waits for."""

    async def main():
        thing = Thing()
        gone = weakref.ref(thing)
        await asyncio.sleep(1)
        del thing
        return gone() is None

    coro = main()
    loop = simloop.SimLoop()
    task = loop.create_task(coro)
    loop.call_later(0.5, lambda: variables_of(coro.cr_frame))
    assert loop.run_until_complete(task)
    loop.close()


def test_what_the_program_has_of_its_own_stays():
    """The dictionary that ``locals()`` gave is the program's, and the namespace of a module."""
    value = 1
    own = locals()
    assert variables_of(sys._getframe())["value"] == value
    assert own["value"] == value
    namespace = {"look": variables_of, "frame": sys._getframe}
    exec("x = 1\nlook(frame())", namespace)  # noqa: S102 - a module's own level
    assert namespace["x"] == 1


@untraced
def test_a_run_that_polls_a_clock_keeps_nothing_of_its_functions():
    """Where the program reads the clock again and again, its variables are compared."""

    async def main():
        loop = asyncio.get_running_loop()
        thing = Thing()
        gone = weakref.ref(thing)
        end = loop.time() + 1
        while loop.time() < end:
            pass
        del thing
        return gone() is None

    gc.collect()
    assert simloop.run(main(), clock_reads=50)
