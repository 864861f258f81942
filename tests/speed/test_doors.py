"""What a door lets through: whatever a method is given, both engines answer the same."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import math
import types

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import simloop
from simloop._kernel import TimerHandle, TimerWheel
from simloop._kernel.safe_looks import without_addresses

pytestmark = pytest.mark.filterwarnings("ignore")  # Random programs leave things open.


class Float(float):
    """A float that is none."""


class Int(int):
    """An int that is none."""


class Text(str):
    """A str that is none."""

    __slots__ = ()


class Bytes(bytes):
    """Bytes that are none."""


class Loop(simloop.SimLoop):
    """A loop of the program's own."""


class Strange:
    """Something with an opinion on everything."""

    def __float__(self):
        return 0.5

    def __mul__(self, other):
        return 0.5 * other

    __index__ = __int__ = lambda self: 1
    __eq__ = __lt__ = __gt__ = lambda self, other: True
    __hash__ = object.__hash__


def nothing(*args):
    """Do nothing."""


THINGS = [
    None, True, False, 0, 1, -1, 2**31, 2**63, 2**200, -(2**200), 0.0, -0.0, 1.5, -0.25, 1e-12,
    1e300, math.inf, -math.inf, math.nan, Float(0.5), Int(2), "text", Text("text"), b"bytes",
    Bytes(b"bytes"), bytearray(b"bytes"), memoryview(b"bytes"), b"", (), (1,), [], {}, nothing,
    len, print, nothing.__call__, Strange(), Strange, object(), asyncio, contextvars.Context(),
    contextvars.copy_context(), math.pi, 4e18, 8388608.000000001, 8388607.5, 9007199.254740993,
    5e-324, NotImplemented, Ellipsis, ValueError,
]  # fmt: skip
NAMES = ["context", "name", "eager_start", "callback", "delay", "nonsense", "self", "loop"]
things = st.sampled_from(range(len(THINGS)))
calls = st.tuples(
    st.sampled_from(
        [
            "call_soon",
            "call_later",
            "call_at",
            "create_future",
            "create_task",
            "time",
            "create_task_of",
        ]
    ),
    st.lists(things, max_size=4),
    st.dictionaries(st.sampled_from(NAMES), things, max_size=2),
)


async def coroutine():
    """Be a coroutine."""


def shown(value):
    """What is compared of a result."""
    if isinstance(value, TimerHandle):
        return type(value), value._when_ns, value.when(), value.cancelled(), value._args
    if isinstance(value, asyncio.Handle):
        return type(value), value.cancelled(), value._args
    if isinstance(value, asyncio.Task):
        return type(value), value.get_name()
    if isinstance(value, asyncio.Future):
        return type(value), value._cancel_message
    return type(value), repr(value)


def answers(make_loop, debug, wanted):
    """Make the calls on a loop, run what is due, and tell what came of it."""
    loop = make_loop()
    loop.set_debug(debug)
    said = []
    loop.set_exception_handler(
        lambda _loop, told: said.append(
            (without_addresses(told["message"]), repr(told.get("exception")))
        )
    )
    told = []
    for method, args, names in wanted:
        given = [THINGS[each] for each in args]
        coro = coroutine() if method == "create_task_of" else None
        if coro is not None:
            given = [coro]
        try:
            made = getattr(loop, method.removesuffix("_of"))(
                *given, **{name: THINGS[each] for name, each in names.items()}
            )
        except Exception as error:  # noqa: BLE001 - to be compared
            told.append((type(error), str(error).partition(" at 0x")[0]))
            if coro is not None:
                coro.close()
            continue
        told.append(shown(made))
    try:
        loop.run_until(10)
    except Exception as error:  # noqa: BLE001 - as above
        told.append((type(error), str(error)))
    state = loop.time(), loop._task_count, len(loop._ready), len(loop._wheel), loop.world.steps
    loop._wheel.check() if loop._wheel.cancelled_count == 0 else None
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_idle()
    loop.close()
    return told, said, state


@given(wanted=st.lists(calls, min_size=1, max_size=6), debug=st.booleans(), own=st.booleans())
@settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_every_argument_is_answered_alike(both, wanted, debug, own):
    """Wrong types, subclasses, huge and strange numbers: the same result or the same error."""
    plain, fast = both(answers, Loop if own else simloop.SimLoop, debug, wanted)
    assert plain == fast


@pytest.mark.parametrize("method", ["add", "next_ns", "take", "move_due"])
def test_a_wheel_answers_alike(both, method):
    """A wheel is asked with things that are no handles, no times and no queues."""

    def told():
        said = []
        for first in [None, 0, 2**100, "text", object(), THINGS[25]]:
            for second in [(), (None,), ([],), (simloop.SimLoop,), (1, 2)]:
                wheel = TimerWheel()
                try:
                    said.append(repr(getattr(wheel, method)(first, *second)))
                except Exception as error:  # noqa: BLE001 - to be compared
                    said.append((type(error), str(error).partition(" at 0x")[0]))
        return said

    plain, fast = both(told)
    assert plain == fast


WRITTEN = [None, 1, "text", Text("text"), b"", b"bytes", Bytes(b"bytes"), bytearray(b"bytes"), []]
WRITTEN += [Strange, memoryview(b"bytes"), memoryview(b"bytes")[::2]]


@pytest.mark.parametrize("data", WRITTEN, ids=range(len(WRITTEN)))
def test_a_write_is_answered_alike(both, data):
    """What is no bytes, and bytes of a class of the program's own."""

    def told():
        async def main():
            async def serve(reader, writer):
                writer.write(b"<" + await reader.read() + b">")
                writer.close()

            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            try:
                said = repr(writer.transport.write(data))
            except Exception as error:  # noqa: BLE001 - to be compared
                said = type(error), str(error)
            writer.write_eof()
            got = await reader.read()
            writer.close()
            server.close()
            return said, got

        done = simloop.simulate(main)
        return done.value, repr(done.error), done.digest, done.steps

    plain, fast = both(told)
    assert plain == fast


def test_a_door_looks_like_the_method(both):
    """A program that looks at a method sees the Python function."""

    def told():
        loop = simloop.SimLoop()
        said = []
        for name in ("call_soon", "call_later", "call_at", "create_future", "create_task", "time"):
            function, bound = getattr(simloop.SimLoop, name), getattr(loop, name)
            said.append(
                (
                    function.__name__,
                    function.__qualname__,
                    function.__module__,
                    function.__doc__,
                    inspect.signature(function),
                    inspect.signature(bound),
                    inspect.isfunction(function),
                    inspect.ismethod(bound),
                    isinstance(bound, types.MethodType),
                    bound == getattr(loop, name),
                    function.__code__.co_filename,
                    repr(function).partition(" at 0x")[0],
                    inspect.getsource(function),
                    callable(function),
                    bound.__self__ is loop,
                )
            )
        loop.close()
        return said

    plain, fast = both(told)
    assert plain == fast
