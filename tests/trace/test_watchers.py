"""Watchers are safe: what a program's own ``__repr__`` and the like raise changes no run."""

from __future__ import annotations

import asyncio
import functools
import logging

import pytest

import simloop
from simloop.trace import Recorder, canonical
from simloop.trace.lines import LineRecorder

RAISED = [ValueError, SystemExit, KeyboardInterrupt, RecursionError, asyncio.CancelledError]


def hostile(raised, base=object, asked=None):
    """A class whose every answer to those who look at it is an error."""
    counted = [] if asked is None else asked

    def refuse(*_args, **_kwargs):
        counted.append(1)
        raise raised

    names = ("__repr__", "__str__", "__getattr__", "__eq__", "__hash__", "__format__", "__bool__")
    return type("Hostile", (base,), dict.fromkeys(names, refuse))


@pytest.mark.parametrize("raised", RAISED)
@pytest.mark.parametrize("ends", ["returns", "raises"])
def test_no_outcome_is_lost(raised, ends):
    """What a program ends with is its outcome, and has a digest, whatever its ``repr`` raises."""
    made = hostile(raised, Exception)()

    async def main():
        await asyncio.sleep(1)
        if ends == "raises":
            raise made
        return made

    first, second = (simloop.simulate(main) for _ in range(2))
    assert (first.value if ends == "returns" else first.error) is made
    assert first.digest == second.digest
    simloop.check(main, seeds=[0], processes=False, errors=False)


def test_the_name_of_what_a_repr_raises_is_in_the_text():
    """The text for such a value names its class, and the error's."""
    text = canonical(hostile(SystemExit)())
    assert text.endswith(".Hostile object, whose repr raises SystemExit>")


@pytest.mark.parametrize("raised", RAISED)
def test_a_callback_is_not_asked(raised):
    """A step is named by its callback's class: digest and recorder run none of its code."""
    asked = []
    kind = hostile(raised, asked=asked)
    kind.__call__ = lambda self: called.append(1)
    called = []

    class Owner(kind):
        def method(self):
            called.append(2)

    async def main():
        loop = asyncio.get_running_loop()
        loop.call_soon(kind())
        loop.call_soon(Owner().method)
        loop.call_soon(functools.partial(kind()))
        await asyncio.sleep(1)

    recorder = Recorder()
    outcome = simloop.simulate(main, recorder=recorder)
    assert outcome.error is None
    assert (called, asked) == ([1, 2, 1], [])
    assert any("Owner.method" in step.label for step in recorder.steps)


@pytest.mark.parametrize("raised", RAISED)
def test_a_deadlock_is_told(raised):
    """A deadlock is reported although what the tasks hold can't be looked at."""
    made = hostile(raised)()

    class Holder(hostile(raised)):
        @property
        def __dict__(self):
            raise raised

        async def wait(self, event):
            kept = made
            await event.wait()
            return kept

    async def main():
        await Holder().wait(asyncio.Event())

    with pytest.raises(simloop.DeadlockError, match=r"Task-1 \(.*main\) waits for the event"):
        simloop.run(main())


@pytest.mark.parametrize("raised", RAISED)
def test_an_error_of_a_callback_is_logged(raised, caplog):
    """A callback that fails is logged with its arguments, though one can't be shown."""

    def fail(thing):
        raise LookupError(type(thing).__name__)

    async def main():
        asyncio.get_running_loop().call_soon(fail, hostile(raised)())
        await asyncio.sleep(1)
        return "went on"

    with caplog.at_level(logging.ERROR):
        assert simloop.run(main()) == "went on"
    assert f"whose repr raises {raised.__name__}" in caplog.text or "Hostile" in caplog.text


@pytest.mark.parametrize("raised", RAISED)
def test_a_limit_is_told(raised):
    """A program that spins is told by its callbacks, though they can't be asked their names."""
    kind = hostile(raised)

    async def main():
        loop = asyncio.get_running_loop()

        def again(self):
            loop.call_soon(self)

        kind.__call__ = again
        loop.call_soon(kind())
        await asyncio.sleep(1)

    with pytest.raises(simloop.LimitError, match="Hostile"):
        simloop.run(main(), livelock_steps=1000)


@pytest.mark.parametrize("raised", RAISED)
def test_a_task_of_the_programs_own_class(raised):
    """A task whose methods raise is one without a name; the run is the same."""

    class Rude(asyncio.tasks._PyTask):
        def get_name(self):
            raise raised

        def get_coro(self):
            raise raised

    async def child():
        await asyncio.sleep(1)
        return 5

    async def main():
        loop = asyncio.get_running_loop()
        return await Rude(child(), loop=loop)

    recorder = Recorder()
    assert simloop.simulate(main, recorder=recorder).value == 5
    with pytest.raises(simloop.DeadlockError):
        simloop.run(_waits_with(Rude))


async def _waits_with(kind):
    task = kind(asyncio.Event().wait(), loop=asyncio.get_running_loop())
    await asyncio.wait([task])


@pytest.mark.parametrize("raised", RAISED)
def test_lines_are_recorded(raised):
    """The recorder of lines describes what a variable holds without asking it."""
    kind = hostile(raised)

    def body():
        held = kind()
        return [held, {"key": held}]

    with LineRecorder() as seen:
        body()
    assert any("a Hostile" in words for line in seen.lines for _, words in line.values)
