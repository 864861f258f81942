"""Lives of loops and worlds: made, run and closed, and what importing them takes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.contenders import SUBJECT
from benchmarks.measuring import Stopwatch

from ._registry import measured

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from benchmarks.contenders import Contender

_SLEEPS = 10
_TASKS = 5


async def _nothing() -> None:
    pass


@measured(100, "loop", tiny=1)
def loop_life(contender: Contender, count: int) -> float:
    """A loop is made, runs a coroutine that does nothing, and is closed: one loop."""
    make_loop: Any = contender.make_loop
    watch = Stopwatch()
    with watch:
        for _ in range(count):
            loop = make_loop()
            loop.run_until_complete(_nothing())
            loop.close()
    return watch.seconds


async def _sleeper(number: int) -> None:
    for _ in range(_SLEEPS):
        await asyncio.sleep(number)


async def _tiny_program() -> None:
    await asyncio.gather(*[_sleeper(number + 1) for number in range(_TASKS)])


def _run_worlds(run: Callable[..., object], count: int) -> float:
    watch = Stopwatch()
    with watch:
        for seed in range(count):
            run(_tiny_program, seed)
    return watch.seconds


@measured(200, "runs", tiny=1)
def tiny_runs(contender: Contender, count: int) -> float:
    """A new world with five tasks that sleep ten times each: one run."""
    assert contender.run_world is not None
    return _run_worlds(contender.run_world, count)


@measured(200, "runs", tiny=1)
def tiny_runs_digest(contender: Contender, count: int) -> float:
    """The same, with the digest on where there is one: one run."""
    run = contender.run_digest or contender.run_world
    assert run is not None
    return _run_worlds(run, count)


_IMPORT = "import time; began = time.perf_counter(); {}; print(time.perf_counter() - began)"


def _import_cost(statement: str, count: int) -> float:
    """Return the seconds that a statement takes in ``count`` new interpreters."""
    command = [sys.executable, "-c", _IMPORT.format(statement)]
    return sum(float(subprocess.check_output(command)) for _ in range(count))  # noqa: S603 - ours


@measured(3, "import", rounds_max=5)
def importing(contender: Contender, count: int) -> float:
    """`import simloop` in a new interpreter: one import."""
    return _import_cost(f"import {contender.module}", count)


@measured(3, "import", rounds_max=5)
def importing_engine(contender: Contender, count: int) -> float:
    """The same, and asking for what a run needs: one import."""
    asks = "; simloop.run" if contender.name == SUBJECT else ""
    return _import_cost(f"import {contender.module}{asks}", count)
