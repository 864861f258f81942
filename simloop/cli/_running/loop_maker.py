"""What asyncio gives a program of the command that asks it for an event loop.

Owns: the patch by which every loop that asyncio makes for the program is a `SimLoop` of one world.
A policy that the program has set is asked, as by asyncio; what it makes by asyncio's classes, or by
heirs of them, is a loop of the world anyway (:mod:`simloop._sandbox.asyncio_.event_loops`).

Must not know: what runs on a loop.

Invariants: asyncio is as before afterwards, its policy too. Processes of hosts are left alone, and
their loops are their own.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import events
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from simloop._loop import SimLoop
from simloop._loop.asked_class import as_asked
from simloop.errors import UnsupportedError
from simloop.world.failed_run import CleanUpLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simloop.errors import SimError
    from simloop.world import World

__all__ = ["LoopMaker"]

_events: Any = events
_get_policy: Callable[[], Any]
_set_policy: Callable[[Any], object]
if sys.version_info < (3, 14):
    _get_policy, _set_policy = events.get_event_loop_policy, events.set_event_loop_policy
else:  # The public ones are deprecated, and these are what they call.
    _get_policy, _set_policy = _events._get_event_loop_policy, _events._set_event_loop_policy


class LoopMaker:
    """Makes the loops of a world's program.

    Args:
        world: The world.
        on_end: Hears of what has ended what runs on one.

    Attributes:
        made: How many were made.
    """

    def __init__(self, world: World, on_end: Callable[[SimError], object]) -> None:
        self.made: int = 0
        self._world = world
        self._on_end = on_end
        self._loop_class = as_asked(CleanUpLoop, asyncio.SelectorEventLoop)
        self._real = events.new_event_loop
        self._usual_policy = _get_policy()

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Make loops of this world where asyncio is asked for a new one."""
        owners: list[Any] = [asyncio, events]
        if sys.version_info < (3, 14):
            # Up to 3.13 get_event_loop() may make a loop, by the policy.
            owners.append(self._usual_policy)
        before = [vars(owner).get("new_event_loop") for owner in owners]
        self._world.on_end, self._world.asked_loop_class = self._on_end, CleanUpLoop
        for owner in owners:
            owner.new_event_loop = self._make if owner is self._usual_policy else self._new
        try:
            yield
        finally:
            for owner, function in zip(owners, before, strict=True):
                if function is None:
                    del owner.new_event_loop
                else:
                    owner.new_event_loop = function
            if _events._event_loop_policy is not self._usual_policy:
                _set_policy(self._usual_policy)

    def _new(self) -> asyncio.AbstractEventLoop:
        """Do what ``asyncio.new_event_loop`` does."""
        if self._world.process_of_caller() is not self._world.process:
            return self._real()
        policy = _events._event_loop_policy
        if policy is None or policy is self._usual_policy or _is_asyncios(policy):
            return self._make()
        self.made += 1
        loop: asyncio.AbstractEventLoop = policy.new_event_loop()
        if not isinstance(loop, SimLoop):
            loop.close()
            raise UnsupportedError(
                f"the policy {type(policy).__qualname__} gives {type(loop).__module__}."
                f"{type(loop).__qualname__}, a loop that would live by the machine's clock and"
                " network beside this world: let it make one by asyncio's classes or heirs of them,"
                " or set no policy"
            )
        return loop

    def _make(self) -> asyncio.AbstractEventLoop:
        self.made += 1
        loop = self._loop_class(world=self._world)
        if self._world.kernel.is_running:
            loop.detach_schedule()  # It is for a thread of the program's.
        return loop


def _is_asyncios(policy: object) -> bool:
    """Return whether a policy is of a class of asyncio's, whose loops differ by platform."""
    return type(policy).__module__.partition(".")[0] == "asyncio"
