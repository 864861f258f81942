"""How the cost of one timer, task or connection grows with how many there are.

Owns: the sizes, and the table. Only the subject is measured: what is asked is not whether it is
fast, but whether a million cost a thousand times as much as a thousand. Times are the median of
some runs, more of the small ones; weights are measured apart, by tracemalloc, which slows a run.
"""

from __future__ import annotations

import asyncio
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any

import attrs

from .measuring import Stopwatch
from .report import cost
from .workloads.memory import (
    PER_SERVER,
    cancelled_timers,
    connections,
    serve,
    sleepers,
    timers,
    weigh,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .contenders import Contender
    from .workloads.memory import Scale

    Work = Callable[[Stopwatch, int], Coroutine[Any, Any, None]]
    Weigh = Callable[[Scale, int], Coroutine[Any, Any, None]]

__all__ = ["KINDS", "grow"]

_SIZES = (1_000, 10_000, 100_000, 1_000_000)
_TINY_SIZES = (10, 20)
_UNITS = 200_000
_RUNS_MAX = 9


@attrs.frozen
class Kind:
    """Something whose number grows.

    Attributes:
        name: What the table calls it.
        size_max: The largest number.
        work: Makes, uses and ends so many of them.
        weigh: Weighs so many of them, waiting.
    """

    name: str
    size_max: int
    work: Work | None
    weigh: Weigh


async def _fire_timers(watch: Stopwatch, count: int) -> None:
    loop = asyncio.get_running_loop()
    random = Random(1)
    delays = [random.random() * 3600 for _ in range(count)]
    done = loop.create_future()
    left = count

    def step() -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set_result(None)

    with watch:
        for delay in delays:
            loop.call_later(delay, step)
        await done


async def _run_tasks(watch: Stopwatch, count: int) -> None:
    random = Random(1)
    delays = [random.random() * 3600 for _ in range(count)]
    with watch:
        tasks = [asyncio.create_task(asyncio.sleep(delay)) for delay in delays]
        for task in tasks:
            await task


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class _Caller(_Echo):
    def __init__(self, heard: Callable[[], None]) -> None:
        self._heard = heard

    def data_received(self, data: bytes) -> None:
        del data
        self._heard()


async def _use_connections(watch: Stopwatch, count: int) -> None:
    """Open them all, send a message to and fro over each, and close them."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    left = count

    def heard() -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set_result(None)

    with watch:
        servers = await serve(_Echo, count)
        transports = []
        for number in range(count):
            address = servers[number // PER_SERVER].sockets[0].getsockname()
            transport, _ = await loop.create_connection(lambda: _Caller(heard), *address)
            transports.append(transport)
        for transport in transports:
            transport.write(b"hello")
        await done
        for transport in transports:
            transport.close()
        for server in servers:
            server.close()
        for _ in range(5):
            await asyncio.sleep(0)


KINDS = (
    Kind("timers", 1_000_000, _fire_timers, timers),
    Kind("timers cancelled", 1_000_000, None, cancelled_timers),
    Kind("tasks", 1_000_000, _run_tasks, sleepers),
    Kind("connections", 100_000, _use_connections, connections),
)


def grow(subject: Contender, *, tiny: bool = False) -> list[dict[str, Any]]:
    """Measure every kind at every size, print a line each, and return the lines for JSON."""
    print(f"{'':18}{'number':>10}{'time each':>12}{'by least':>10}{'weight each':>14}")
    lines = []
    for kind in KINDS:
        least = float("inf")
        for size in _TINY_SIZES if tiny else [size for size in _SIZES if size <= kind.size_max]:
            seconds = None if kind.work is None else _time_each(subject, kind.work, size)
            weight = weigh(subject, kind.weigh, size) / size
            factor = None
            if seconds is not None:
                least = min(least, seconds)
                factor = seconds / least
            lines.append(
                {
                    "kind": kind.name,
                    "number": size,
                    "seconds": seconds,
                    "factor": factor,
                    "bytes": weight,
                }
            )
            shown = "-" if seconds is None else cost(seconds, "seconds")
            ratio = "-" if factor is None else f"{factor:.2f}"
            heavy = cost(weight, "bytes")
            print(f"{kind.name:18}{size:>10,}{shown:>12}{ratio:>10}{heavy:>14}", flush=True)
    return lines


def _time_each(subject: Contender, work: Work, size: int) -> float:
    runs = min(_RUNS_MAX, max(1, _UNITS // size))
    found = []
    for _ in range(runs):
        watch = Stopwatch()
        subject.run(work(watch, size))
        found.append(watch.seconds / size)
    return median(found)
