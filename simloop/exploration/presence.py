"""Which run the calling code is in, asked without loading the engine.

Owns: the question. A program may keep its properties in production, where no run ever is; there
the answer is one look into ``sys.modules``, and the engine stays unloaded.

Must not know: what is done in the run.

Invariant: this file imports nothing of simloop at run time, nor may what imports it for use
outside of runs.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simloop.world import World

__all__ = ["world_of_caller"]

_modules = sys.modules


def world_of_caller() -> World | None:
    """Return the world of the run that the calling code is in, or None outside of runs."""
    run_context: Any = _modules.get("simloop._sandbox.run_context")
    if run_context is None:
        return None
    context = run_context.current()
    if context is None or context.identity is None:
        return None
    world: World = context.identity.world
    return world
