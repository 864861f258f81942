"""Hooks for asynchronous generators that serve all loops of a thread at once.

The interpreter keeps two for each thread (PEP 525): one hears of each generator that begins, which
takes the other along, to be called if it is dropped before its end. Where a kernel carries several
loops, to set both with each step of another loop would cost more than the step: each call is
audited, twice. So here they are set once. Who hears of a beginning asks which loop runs; and the
second hook is an object of which each generator gets one of its own, that keeps this loop.

Owns: these two. Must not know what a loop does with its generators.

Invariant: of each generator that began hears the loop that ran then, and of its end the same one.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["share_generator_hooks", "take_generator_hooks"]


class _Abandoned:
    """What a generator calls that is dropped."""

    __slots__ = ("loop",)

    def __init__(self) -> None:
        self.loop: Any = None

    def __call__(self, agen: AsyncGenerator[Any, Any]) -> None:
        if self.loop is not None:
            self.loop._asyncgen_abandoned(agen)


def _began(agen: AsyncGenerator[Any, Any]) -> None:
    taken = sys.get_asyncgen_hooks().finalizer
    sys.set_asyncgen_hooks(_began, _Abandoned())
    loop: Any = asyncio._get_running_loop()
    if loop is not None:  # Not so in a step of a process that is on none of its loops.
        if isinstance(taken, _Abandoned):
            taken.loop = loop
        loop._asyncgen_began(agen, stacklevel=3)


def take_generator_hooks(loop: Any) -> None:
    """Let a loop that begins to run hear of generators; most are alone in their thread."""
    sys.set_asyncgen_hooks(loop._asyncgen_began, loop._asyncgen_abandoned)
    loop._world.has_lone_hooks = True


def share_generator_hooks(world: Any) -> None:
    """Let whichever loop runs in this thread hear of them from now on, as others come."""
    sys.set_asyncgen_hooks(_began, _Abandoned())
    world.has_lone_hooks = False
