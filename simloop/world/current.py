"""The loop and the world of the code that asks, with their types.

Owns: finding them, on a loop and in a thread of a run.

Must not know: how they came about.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from simloop._loop import SimLoop
from simloop._process import Process
from simloop._sandbox import current
from simloop.errors import UsageError

if TYPE_CHECKING:
    from .world import World

__all__ = ["current_loop", "current_world"]


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
