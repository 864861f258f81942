"""Which run the calling code is in, asked without loading the engine.

Owns: the question. A program may keep its properties in production, where no run ever is; there
the answer is one look at a table, and the engine stays unloaded.

Must not know: what is done in the run.

Invariant: this file loads nothing of the engine, nor may what imports it for use outside of runs.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from simloop._presence import by_thread

if TYPE_CHECKING:
    from simloop.world import World

__all__ = ["by_thread", "world_of_caller"]


def world_of_caller() -> World | None:
    """Return the world of the run that the calling code is in, or None outside of runs."""
    if not by_thread:
        return None
    # Loaded, since there is a run. It knows the real identifiers of threads.
    run_context: Any = sys.modules["simloop._sandbox.run_context"]
    context = run_context.current()
    if context is None or context.identity is None:
        return None
    world: World = context.identity.world
    return world
