"""What tests of properties share: running a program under a gate that answers as it is told."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

import simloop
from simloop._kernel.gate import ChoiceGate
from simloop.exploration.explored_run import run_once
from simloop.world.run_options import RunOptions


class Answers:
    """Answers a program's questions one by one, and 0 when there is none left."""

    def __init__(self, given):
        self.given = list(given)
        self.asked = []

    def answer(self, kind, thing, options):
        self.asked.append((kind, str(thing), options, getattr(thing, "p", None)))
        return self.given.pop(0) if self.given else 0


@pytest.fixture
def explored():
    """Run a program under a gate with these answers; give how it went and what was asked."""

    def run(main, *given, kinds=("choice", "buggify", "cut")):
        answers = Answers(given)
        ran = run_once(main, ChoiceGate(answers, kinds), RunOptions(), has_digest=True)
        return ran, answers.asked

    return run


def run_plainly(main):
    """Run a program as :func:`simloop.run` does."""
    return simloop.run(main())


def run_watched(main):
    """Run it with a digest, whose observer is the only one at first."""
    outcome = simloop.simulate(main)
    if outcome.error is not None:
        raise outcome.error
    return outcome.value


def run_traced(main):
    """Run it with two observers."""
    world = simloop.World()

    class Watcher:
        def step(self, now_ns, handle):
            pass

    world.watch(Watcher())
    world.watch(Watcher())
    return simloop.run(main(), world=world)


def run_explored(main):
    """Run it as an exploration does whose answers are all 0, of all kinds."""
    kinds = ("stall", "late", "cpu", "hold", "order", "split", "choice", "buggify", "cut")
    ran = run_once(main, ChoiceGate(Answers([]), kinds), RunOptions())
    if ran.error is not None:
        raise ran.error
    return ran.value


def run_by_steps(main):
    """Run it as a driver does, one callback after the other."""
    loop = simloop.SimLoop()
    with contextlib.closing(loop):
        task = loop.create_task(main())
        try:
            while loop.step() and not task.done():
                pass
            loop.run_ready()
            return task.result()
        finally:
            for each in asyncio.all_tasks(loop):
                each.cancel()
            loop.run_ready()
            if task.done() and not task.cancelled():
                task.exception()  # Seen.


def run_by_runner(main):
    """Run it on a loop in asyncio's own runner."""
    with asyncio.Runner(loop_factory=simloop.SimLoop) as runner:
        return runner.run(main())


WAYS = (run_plainly, run_watched, run_traced, run_explored, run_by_steps, run_by_runner)


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def run(request):
    """Run a program in each of the ways in which there are runs."""
    return request.param


@pytest.fixture(params=WAYS[:4], ids=lambda way: way.__name__)
def run_to_end(request):
    """Run a program in each of the ways that know where a program ends."""
    return request.param
