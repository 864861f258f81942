"""loguru's records are the same whoever watches, and show what they show on the real loop."""

from __future__ import annotations

import asyncio
import re

import pytest

import simloop
from simloop.trace import Recorder

pytest.importorskip("loguru")

from loguru import logger

PLACE = r'(> |  )File "\S*(test_loguru\.py)", line (\d+), in (\w+)'


def divide(by: int) -> float:
    return 1 / by


@logger.catch
def caught() -> None:
    divide(0)


@logger.catch(reraise=True)
async def caught_on_its_way() -> None:
    await asyncio.sleep(0.001)
    divide(0)


def told(backtrace):
    """Return a program that writes records with errors, and returns them."""

    async def by_a_task() -> None:
        try:
            await asyncio.open_connection("127.0.0.1", 9)
        except OSError:
            logger.exception("refused")

    async def main() -> list[str]:
        lines: list[str] = []
        logger.remove()
        number = logger.add(lines.append, backtrace=backtrace, diagnose=False, format="{message}")
        caught()
        await asyncio.create_task(by_a_task())
        try:
            await caught_on_its_way()
        except ZeroDivisionError:
            logger.opt(exception=True).info("again")
        await asyncio.to_thread(caught)
        asyncio.get_running_loop().call_soon(caught)
        await asyncio.sleep(0.001)
        logger.remove(number)
        return lines

    return main


@pytest.mark.parametrize("backtrace", [True, False])
def test_errors_are_shown_alike_whoever_watches(backtrace):
    """It walks frames by itself, down to whoever began the run, past those of the engine."""
    first = simloop.simulate(told(backtrace))
    watched = simloop.simulate(told(backtrace), recorder=Recorder())
    assert first.error is None
    assert (first.value, first.digest) == (watched.value, watched.digest)
    assert simloop.run(told(backtrace)()) == first.value
    assert not simloop.explore(told(backtrace), schedules=3).failures
    assert str(simloop.__file__).removesuffix("__init__.py") not in "".join(first.value)


@pytest.mark.parametrize("backtrace", [True, False])
def test_a_records_own_frames_are_those_of_the_real_loop(backtrace):
    """Those of the run: what began it is below, on the real loop, and none of it here."""

    def own(records):
        found = [re.findall(PLACE, each) for each in records]
        return [[place for place in each if not place[-1].startswith("test_")] for each in found]

    assert own(simloop.run(told(backtrace)())) == own(asyncio.run(told(backtrace)()))
