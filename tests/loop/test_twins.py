"""What is spelt out twice to save a call on the hot path: both spellings do the same.

Owns: the plain task of ``create_task`` beside ``Tasks._make``; ``call_later`` and ``call_at``
beside each other and beside ``Scheduling._call_at_ns``.
"""

from __future__ import annotations

import asyncio
import sys
from contextvars import ContextVar, copy_context

import pytest

import simloop

COLOUR = ContextVar("COLOUR", default="none")
S = 1_000_000_000


async def colour() -> str:
    await asyncio.sleep(0)
    return COLOUR.get()


# Ways to make a task that a program cannot tell from each other; each calls for one more.
def plain(loop, coro, name):
    return loop.create_task(coro, name=name)


def with_context(loop, coro, name):
    return loop.create_task(coro, name=name, context=copy_context())


def by_make(loop, coro, name):
    return loop._make(coro, name, None, {}, frames=1)


def by_make_in_context(loop, coro, name):
    return loop._make(coro, name, copy_context(), {}, frames=1)


def marked(loop, coro, name):
    loop.mark_tasks()
    return loop.create_task(coro, name=name)


def lazily(loop, coro, name):
    return loop.create_task(coro, name=name, eager_start=False)


WAYS = [plain, with_context, by_make, by_make_in_context, marked]
if sys.version_info >= (3, 12):
    WAYS.append(lazily)


def record_of_tasks(make, *, debug):
    """What a program sees of a few tasks that are made one way."""
    loop = simloop.SimLoop()
    loop.set_debug(debug)
    COLOUR.set("blue")
    tasks = [make(loop, colour(), name) for name in (None, "named", "", None)]
    COLOUR.set("red")
    try:
        return [
            (
                type(task),
                task.get_name(),
                task.get_loop() is loop,
                [frame.name for frame in (task._source_traceback or ())][-1:],
                loop.run_until_complete(task),
                loop._task_count,
                hash(task),
            )
            for task in tasks
        ]
    finally:
        loop.close()


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("make", WAYS[1:], ids=lambda way: way.__name__)
def test_every_way_to_make_a_task_makes_the_same(make, debug) -> None:
    """Name, number, context, and the frame that made it: as of the task that is made plainly."""
    found = record_of_tasks(make, debug=debug)
    expected = record_of_tasks(plain, debug=debug)
    if debug:  # The program's own frame is the innermost one.
        assert [row[3] for row in expected] == [["plain"]] * len(expected)
        assert [row[3] for row in found] == [[make.__name__]] * len(found)
    assert [row[:3] + row[4:] for row in found] == [row[:3] + row[4:] for row in expected]


def test_a_task_is_numbered_when_it_is_made_or_when_it_is_asked() -> None:
    """Every spelling gives the hash's number at the same moment of this version of Python."""

    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        tasks = [make(loop, asyncio.sleep(0), None) for make in WAYS[:5]]
        asked = [hash(task) for task in reversed(tasks)]
        await asyncio.wait(tasks)
        return asked

    asked = simloop.run(main())
    assert asked == sorted(asked, reverse=sys.version_info >= (3, 14))


@pytest.mark.parametrize("make", WAYS, ids=lambda way: way.__name__)
def test_a_closed_loop_makes_no_task(make) -> None:
    """``create_task`` of a closed loop raises asyncio's error, whatever it is asked for."""
    if make.__name__.startswith("by_make"):
        return
    loop = simloop.SimLoop()
    loop.close()
    coro = colour()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        make(loop, coro, None)
    coro.close()


# Ways to set a timer for the fifth second.
def later(loop, callback, *args, context=None):
    return loop.call_later(5, callback, *args, context=context)


def at(loop, callback, *args, context=None):
    return loop.call_at(5, callback, *args, context=context)


def at_ns(loop, callback, *args, context=None):
    return loop._call_at_ns(5 * S, callback, args, context, "call_later")


def record_of_timer(call, state, callback, *, own_context):
    """What a program sees of one timer, its errors included."""
    loop = simloop.SimLoop()
    loop.set_debug(state == "debug")
    seen = []
    loop.set_exception_handler(lambda _, context: seen.append(repr(context["exception"])))
    COLOUR.set("blue")
    context = copy_context()
    COLOUR.set("red")
    if state == "closed":
        loop.close()
    try:
        handle = call(
            loop,
            (lambda *args: seen.append((loop.time(), COLOUR.get(), args)))
            if callback == "sound"
            else callback,
            1,
            2,
            context=context if own_context else None,
        )
    except (RuntimeError, TypeError) as error:
        seen.append((type(error), str(error).replace("call_at()", "call_later()")))
    else:
        seen += [type(handle), handle.when(), handle._args, handle.cancelled()]
        loop.run_until_idle()
    loop.close()
    return seen


@pytest.mark.parametrize("own_context", [False, True])
@pytest.mark.parametrize("state", ["plain", "debug", "closed"])
@pytest.mark.parametrize("callback", ["sound", None, 5])
@pytest.mark.parametrize("call", [at, at_ns], ids=lambda way: way.__name__)
def test_every_way_to_set_a_timer_sets_the_same(call, callback, state, own_context) -> None:
    """Kind, time, arguments, context and errors of a timer do not depend on the call."""
    if call is at_ns and callback is None and state == "plain":
        return  # The public calls replace None before, and inject() refuses it.
    expected = record_of_timer(later, state, callback, own_context=own_context)
    assert expected
    assert record_of_timer(call, state, callback, own_context=own_context) == expected
