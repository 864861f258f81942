"""The close look: a run of which every step and line is kept, for a checking process.

Owns: what is handed back. A close look is slow, and taken only at runs that are known to differ.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simloop._sandbox import current
from simloop.trace import Recorder
from simloop.trace.address_order import OrderLook
from simloop.trace.causes import Observed
from simloop.trace.lines import LineRecorder
from simloop.world.fresh.fresh_process import move_memory

from .execution import Ending, Execution

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.world import World

__all__ = ["look_closely"]


def look_closely(
    world: World,
    program: Callable[[Callable[[], bool]], Any],
    path: str,
    memory: str,
    number: int | None = None,
) -> Ending:
    """Run a program as ever, and leave in a file what was seen of it.

    Args:
        world: The world to run it in.
        program: What :meth:`Execution.run` takes.
        path: The file.
        memory: ``moved`` lets objects lie elsewhere in memory than they would.
        number: The step near which sets of objects are looked for, if any.
    """
    in_the_way = move_memory() if memory == "moved" else None
    recorder = Recorder()
    world.watch(recorder)
    order = None if number is None else OrderLook(number)
    if order is not None:
        world.watch(order)
    with LineRecorder(current) as seen:
        ending = Execution(world).run(program)
    del in_the_way
    end = f"status {ending.status}, steps {ending.steps}, digest {ending.digest}"
    threads = world.kernel.before_jump is not None
    orders = [] if order is None else order.found
    observed = Observed(ending.digest, recorder.steps, seen.lines, threads, end, orders=orders)
    Path(path).write_bytes(pickle.dumps(observed))
    return ending
