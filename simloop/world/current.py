"""The loop and the world of the code that asks, with their types.

Owns: finding them, on a loop and in a thread of a run; and the world in which a script runs, which
is that of the runs that it begins itself.

Must not know: how they came about.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from simloop._loop import SimLoop
from simloop._process import Process
from simloop._sandbox import current
from simloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from .world import World

__all__ = ["current_loop", "current_world", "script_in", "world_of_script"]

_of_script: list[World] = []
"""The world of the script that the command runs, if one is on."""


@contextmanager
def script_in(world: World) -> Iterator[None]:
    """Run a script in the block: its ``simloop.run(main())`` is a run in this world."""
    _of_script.append(world)
    try:
        yield
    finally:
        _of_script.remove(world)


def world_of_script(caller: FrameType) -> World | None:
    """Return the world of the script that is about to begin a run by itself, or None.

    None for its threads, too, since what they run is beside what the script runs; and for what it
    imports: tests that it runs, say, want a world each.

    Args:
        caller: Whose run it is.
    """
    if not _of_script or caller.f_globals.get("__name__") != "__main__":
        return None
    context = current()
    if context is None or not context.blocks_loop or _of_script[-1].kernel.is_running:
        return None
    return _of_script[-1]


def current_loop() -> SimLoop:
    """Return the simulated loop that runs the calling code.

    What ``asyncio.get_running_loop()`` returns, with the type that it has in a run.

    Raises:
        UsageError: No simulated loop runs the code: it is outside of a run, on a real loop, or in a
            thread of a run.

    Example:
        >>> import simloop
        >>> async def main():
        ...     loop = simloop.current_loop()
        ...     await loop.advance(60)
        ...     return loop.time()
        >>> simloop.run(main())
        60.0
    """
    loop = asyncio._get_running_loop()
    if isinstance(loop, SimLoop):
        return loop
    raise UsageError(
        f"current_loop(): no simulated loop runs this code, but {loop!r}; call it in a coroutine or"
        " a callback of a run, as simloop.run(main()) and the pytest mark simloop make one"
    )


def current_world() -> World:
    """Return the world of the run that the calling code is in, on a loop or in a thread of it.

    Raises:
        UsageError: The code is outside of a run.

    Example:
        >>> import simloop
        >>> async def main():
        ...     simloop.current_world().names.add("db.internal", "10.0.0.5")
        >>> simloop.run(main())
    """
    loop = asyncio._get_running_loop()
    if isinstance(loop, SimLoop):
        world: World = loop.world
        return world
    context = current()
    if context is None or not isinstance(context.identity, Process):
        raise UsageError(
            "current_world(): this code is in no run; outside of one make a world by"
            " simloop.World(), and give it to simloop.run(main(), world=world)"
        )
    # A process knows its world weakly: what a method is bound to is the world itself.
    strong: World = context.identity.world.limit.__self__  # type: ignore[attr-defined]
    return strong
