"""structlog's records name the program's lines, whoever watches, as they do on the real loop."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

import simloop
from simloop.trace import Recorder

pytest.importorskip("structlog")

import structlog
from structlog.processors import CallsiteParameter, CallsiteParameterAdder, StackInfoRenderer

PARAMETERS = (
    CallsiteParameter.FILENAME,
    CallsiteParameter.LINENO,
    CallsiteParameter.FUNC_NAME,
    CallsiteParameter.MODULE,
)


@pytest.fixture(autouse=True)
def _as_it_was():
    yield
    structlog.reset_defaults()


def lines_of(way):
    """Return a program that makes a record in some way, and returns where it was made."""

    async def main() -> list[tuple[object, ...]]:
        places = []

        def keep(logger: object, name: str, event: dict[str, object]) -> str:
            places.append(tuple(event[each.value] for each in PARAMETERS))
            return str(event["event"])

        processors = [CallsiteParameterAdder(PARAMETERS), keep]
        structlog.configure(processors, logger_factory=structlog.ReturnLoggerFactory())
        await way(structlog.get_logger())
        return places

    return main


async def in_a_task(log) -> None:
    log.info("told")


async def by_a_function(log) -> None:
    def report() -> None:
        log.info("told")

    report()


async def as_a_callback(log) -> None:
    asyncio.get_running_loop().call_soon(log.info, "told")
    await asyncio.sleep(0.001)


async def as_a_timer(log) -> None:
    asyncio.get_running_loop().call_later(0.001, log.info, "told")
    await asyncio.sleep(0.002)


async def as_a_futures_callback(log) -> None:
    future = asyncio.get_running_loop().create_future()
    future.add_done_callback(lambda _: log.info("told"))
    future.set_result(None)
    await asyncio.sleep(0.001)


async def in_a_thread(log) -> None:
    await asyncio.to_thread(log.info, "told")


async def as_a_thread(log) -> None:
    thread = threading.Thread(target=log.info, args=("told",))
    thread.start()
    thread.join()


WAYS = [
    in_a_task,
    by_a_function,
    as_a_callback,
    as_a_timer,
    as_a_futures_callback,
    in_a_thread,
    as_a_thread,
]


@pytest.mark.parametrize("way", WAYS)
def test_a_record_is_of_the_same_line_as_on_the_real_loop(way):
    """A logger may itself be the callback: the record is asyncio's then, and not the engine's."""
    assert simloop.run(lines_of(way)()) == asyncio.run(lines_of(way)())


@pytest.mark.parametrize("way", WAYS)
def test_a_record_is_the_same_whoever_watches(way):
    """Which frames of the engine call depends on who watches; none of them is told."""
    first = simloop.simulate(lines_of(way))
    watched = simloop.simulate(lines_of(way), recorder=Recorder())
    assert first.error is None
    assert (first.value, first.digest) == (watched.value, watched.digest)
    assert simloop.run(lines_of(way)()) == first.value


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_stacklevel_counts_the_programs_frames(level, caplog):
    """The standard library's logger over structlog finds callers of callers by structlog's walk."""

    def named(run):
        async def main() -> str:
            structlog.configure(logger_factory=structlog.stdlib.LoggerFactory())
            log = structlog.get_logger("named")
            outer(log)
            return caplog.records[-1].funcName

        def outer(log) -> None:
            inner(log)

        def inner(log) -> None:
            log.warning("told", stacklevel=level)

        return run(main())

    with caplog.at_level(logging.WARNING):
        assert named(simloop.run) == named(asyncio.run)


def test_a_stack_is_the_programs():
    """Of a stack that is asked for, no frame is the engine's."""

    async def main() -> str:
        processors = [StackInfoRenderer(), lambda _logger, _name, event: event["stack"]]
        structlog.configure(processors, logger_factory=structlog.ReturnLoggerFactory())
        return structlog.get_logger().info("told", stack_info=True)

    stack = simloop.run(main())
    assert "in main" in stack
    assert str(simloop.__file__).removesuffix("__init__.py") not in stack
