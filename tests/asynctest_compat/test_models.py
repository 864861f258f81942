"""Patches, the clock and mocks against naive models: whatever is stacked, set or awaited."""

from __future__ import annotations

import asyncio
import contextlib
import types

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asynctest_compat as asynctest
import simloop
from asynctest_compat import GLOBAL, LIMITED, patch

SCOPES = st.sampled_from([GLOBAL, LIMITED])
KEYS = st.sampled_from("abc")
NAMES = st.sampled_from(["x", "y", "z", "xy", "yz", "xyz"])
ATTRIBUTES = st.lists(st.tuples(NAMES, SCOPES), max_size=5)
DICT = st.tuples(st.dictionaries(KEYS, st.integers(10, 19), max_size=2), st.booleans(), SCOPES)
CHANGE = st.tuples(KEYS, st.integers(20, 29) | st.none())  # None: the key is deleted


class Model:
    """What a target looks like from inside and outside of a patched body, worked out anew."""

    def __init__(self, attributes, dicts):
        self.attributes, self.dicts, self.changes = attributes, dicts, []

    def state(self, scopes, *, changed):
        real = dict.fromkeys("xyz", "real")
        for number, (names, scope) in enumerate(self.attributes):
            if scope in scopes:
                real.update(dict.fromkeys(names, number))
        numbers = {"a": 0}
        for values, clear, scope in self.dicts:
            if scope in scopes:
                numbers = {**({} if clear else numbers), **values}
        for key, value in self.changes if changed else ():
            numbers.pop(key, None)
            if value is not None:
                numbers[key] = value
        return real, numbers

    def inside(self):
        return self.state([GLOBAL, LIMITED], changed=True)

    def outside(self):
        hidden = any(scope is LIMITED for *_, scope in self.dicts)
        return self.state([GLOBAL], changed=not hidden)


def make_body(kind, target, changes, seen):
    """Make a function that makes one change at each step, and notes what it sees at its start."""

    def step(change):
        seen.append(("inside", look(target)))
        key, value = change
        target.numbers.pop(key, None)
        if value is not None:
            target.numbers[key] = value
        seen.append(("changed", look(target)))

    def generator():
        for change in changes:
            step(change)
            yield

    async def coroutine():
        for change in changes:
            step(change)
            await asynctest._mocks.coroutines.one_turn()

    async def async_generator():
        for change in changes:
            step(change)
            yield

    return {"generator": generator, "coroutine": coroutine, "async generator": async_generator}[
        kind
    ]


def look(target):
    return {name: getattr(target, name) for name in "xyz"}, dict(target.numbers)


def run_steps(kind, function, pause):
    """Run it to its end, with ``pause`` called at each of its steps."""

    async def consume(items):
        async for _ in items:
            pause()

    steps = function()
    if kind == "async generator":
        with pytest.raises(StopIteration):
            consume(steps).send(None)
        return
    for _ in steps.__await__() if kind == "coroutine" else steps:
        pause()


@pytest.mark.parametrize("kind", ["generator", "coroutine", "async generator"])
@settings(max_examples=100, deadline=None, database=None)
@given(
    ATTRIBUTES,
    st.lists(DICT, min_size=1, max_size=3),
    st.lists(CHANGE, max_size=4),
)
def test_any_stack_of_patches_does_what_its_scopes_say(kind, attributes, dicts, changes) -> None:
    """Inside all patches are in force, outside those of GLOBAL, and nothing is left of them."""
    target = types.SimpleNamespace(**dict.fromkeys("xyz", "real"), numbers={"a": 0})
    before, seen, model = look(target), [], Model(attributes, dicts)
    function = make_body(kind, target, changes, seen)
    for number, (names, scope) in enumerate(attributes):
        values = dict.fromkeys(names, number)
        function = patch.multiple(target, scope=scope, **values)(function)
    for values, clear, scope in dicts:
        function = patch.dict(target.numbers, values, clear=clear, scope=scope)(function)
    run_steps(kind, function, lambda: seen.append(("outside", look(target))))
    assert look(target) == before
    expected = []
    for change in changes:
        expected.append(("inside", model.inside()))
        model.changes.append(change)
        expected.append(("changed", model.inside()))
        expected.append(("outside", model.outside()))
    assert seen == expected


DELAYS = st.integers(0, 8).map(lambda eighths: eighths / 8)
TIMERS = st.lists(st.tuples(DELAYS, st.none() | DELAYS), max_size=6)


def expected_runs(timers, steps):
    """Work out which timer runs at which time, step by step: (number, time), in order."""
    waiting = [(delay, number, again) for number, (delay, again) in enumerate(timers)]
    runs, now, count = [], 0.0, len(timers)
    for step in steps:
        target = now + step
        while due := sorted(entry[:2] for entry in waiting if entry[0] <= target):
            entry = next(entry for entry in waiting if entry[:2] == due[0])
            waiting.remove(entry)
            time, number, again = entry
            runs.append((time, number))
            if again is not None:
                waiting.append((time + again, count, None))
                count += 1
        now = target
    return runs, now


@pytest.mark.parametrize("factory", [simloop.SimLoop, asyncio.SelectorEventLoop])
@settings(max_examples=100, deadline=None, database=None)
@given(TIMERS, st.lists(DELAYS, min_size=1, max_size=4))
def test_any_timers_run_at_their_own_time(factory, timers, steps) -> None:
    """Each one at exactly its time, those too that others set, up to where the clock was moved."""

    async def main():
        runs = []
        loop, count = asyncio.get_running_loop(), len(timers)

        def ring(number, again):
            nonlocal count
            runs.append((loop.time(), number))
            if again is not None:
                loop.call_later(again, ring, count, None)
                count += 1

        with asynctest.Clock(loop, start=0) as clock:
            for number, (delay, again) in enumerate(timers):
                loop.call_later(delay, ring, number, again)
            for step in steps:
                await clock.advance(step)
            return clock.time(), runs[:]  # afterwards the loop has its own time again

    with contextlib.closing(factory()) as loop:
        ended, runs = loop.run_until_complete(main())
    expected, now = expected_runs(timers, steps)
    assert ended == now
    assert sorted(time for time, _ in runs) == [time for time, _ in runs]
    if factory is simloop.SimLoop:
        assert runs == expected  # timers of one time in the order in which they were set
    else:
        assert sorted(time for time, _ in runs) == sorted(time for time, _ in expected)


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["call", "step", "close", "throw", "reset"]), st.integers(0, 5)),
    max_size=20,
)


class TwoSteps:
    """What a call gives: it waits twice, so that awaits overlap."""

    def __await__(self):
        yield
        yield
        return "result"


@settings(max_examples=200, deadline=None, database=None)
@given(OPERATIONS)
def test_any_awaits_are_recorded_when_they_end(operations) -> None:
    """However calls overlap, end or are given up, the records hold what has ended, in order."""
    mock = asynctest.CoroutineMock(side_effect=lambda _number: TwoSteps())
    pending, called, ended, count = [], [], [], 0
    for operation, index in operations:
        if operation == "call":
            pending.append([count, mock(count), 0])
            called.append(asynctest.call(count))
            count += 1
        elif operation == "reset":
            mock.reset_mock()
            called, ended = [], []
        elif pending:
            entry = pending[index % len(pending)]
            number, steps, done = entry
            entry[2] += 1
            if operation == "step" and done < 2:
                assert steps.send(None) is None
                continue
            with pytest.raises(StopIteration if operation == "step" else KeyError) as caught:
                steps.send(None) if operation == "step" else end(steps, operation)
            assert operation != "step" or caught.value.value == "result"
            pending.remove(entry)
            if done:  # what never began has not been awaited
                ended.append(asynctest.call(number))
        assert mock.await_args_list == ended
        assert mock.await_count == len(ended)
        assert mock.await_args == (ended[-1] if ended else None)
        assert mock.call_args_list == called
        assert bool(mock.awaited) == bool(ended)
    for _, steps, _ in pending:
        steps.close()


def end(steps, how):
    """Close it or throw into it; both are told as a KeyError."""
    if how == "throw":
        steps.throw(KeyError())
    steps.close()
    raise KeyError
