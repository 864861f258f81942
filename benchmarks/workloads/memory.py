"""What things weigh while they wait.

By tracemalloc: what Python's allocators gave. It sees none of uvloop's own buffers and nothing of
the kernel's sockets, which both favours the peers.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from typing import TYPE_CHECKING, Any

from ._registry import measured

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from benchmarks.contenders import Contender

    Weigh = Callable[["Scale", int], Coroutine[Any, Any, None]]

__all__ = [
    "PER_SERVER",
    "Scale",
    "cancelled_timers",
    "connections",
    "serve",
    "sleepers",
    "timers",
    "weigh",
]

_HOST = "127.0.0.1"
PER_SERVER = 20_000
"""Connections to one address: more would use up the ports of the other side."""


class Scale:
    """Weighs what is added to the heap in its context, in bytes."""

    def __init__(self) -> None:
        self.size = 0

    def __enter__(self) -> None:
        gc.collect()
        self.size -= tracemalloc.get_traced_memory()[0]

    def __exit__(self, *_error: object) -> None:
        gc.collect()
        self.size += tracemalloc.get_traced_memory()[0]


def weigh(contender: Contender, program: Weigh, count: int) -> float:
    """Run a program that weighs something, and return the bytes."""
    scale = Scale()
    tracemalloc.start()
    try:
        contender.run(program(scale, count))
    finally:
        tracemalloc.stop()
    return float(scale.size)


def _nothing() -> None:
    pass


async def timers(scale: Scale, count: int) -> None:
    """Weigh timers that wait, at deadlines all over a day."""
    loop = asyncio.get_running_loop()
    handles: list[asyncio.TimerHandle | None] = [None] * count
    with scale:
        for number in range(count):
            handles[number] = loop.call_later(60 + number % 86_400, _nothing)
    for handle in handles:
        if handle is not None:
            handle.cancel()


async def cancelled_timers(scale: Scale, count: int) -> None:
    """Weigh what is left of timers that were cancelled."""
    loop = asyncio.get_running_loop()
    with scale:
        for handle in [loop.call_later(60 + number, _nothing) for number in range(count)]:
            handle.cancel()
        del handle


async def sleepers(scale: Scale, count: int) -> None:
    """Weigh tasks that sleep."""
    tasks: list[asyncio.Task[None] | None] = [None] * count
    with scale:
        for number in range(count):
            tasks[number] = asyncio.create_task(asyncio.sleep(60 + number % 86_400))
        await asyncio.sleep(0)
    for task in tasks:
        if task is not None:
            task.cancel()
    await asyncio.sleep(0)


async def serve(factory: Callable[[], asyncio.Protocol], count: int) -> list[asyncio.Server]:
    """Make as many servers as ``count`` connections need."""
    loop = asyncio.get_running_loop()
    return [
        await loop.create_server(factory, _HOST, 0, backlog=1000)
        for _ in range(0, count, PER_SERVER)
    ]


async def connections(scale: Scale, count: int) -> None:
    """Weigh TCP connections where both ends are protocols that wait."""
    loop = asyncio.get_running_loop()
    servers = await serve(asyncio.Protocol, count)
    transports: list[asyncio.Transport | None] = [None] * count
    with scale:
        for number in range(count):
            address = servers[number // PER_SERVER].sockets[0].getsockname()
            transports[number], _ = await loop.create_connection(asyncio.Protocol, *address[:2])
        await asyncio.sleep(0)
    for transport in transports:
        if transport is not None:
            transport.close()
    for server in servers:
        server.close()
    for _ in range(5):
        await asyncio.sleep(0)


@measured(10_000, "loop", quantity="bytes", rounds_max=1)
def memory_timer(contender: Contender, count: int) -> float:
    """What a timer that waits weighs, in bytes: one timer."""
    return weigh(contender, timers, count)


@measured(10_000, "loop", quantity="bytes", rounds_max=1)
def memory_sleeper(contender: Contender, count: int) -> float:
    """What a task that sleeps weighs, in bytes: one task."""
    return weigh(contender, sleepers, count)


@measured(1_000, "tcp", quantity="bytes", rounds_max=1)
def memory_connection(contender: Contender, count: int) -> float:
    """What both ends of an idle TCP connection weigh, in bytes: one connection."""
    return weigh(contender, connections, count)
