"""A kept world: one world for the many runs of a sweep, made equal to new before each.

Owns: when a world may be kept, and when one is made anew. Part of what makes a world is the same
for all runs of a sweep: the sandbox and its checks, the process, the system calls, how these find
each other. What a run changes is made anew all the same (the kernel, the scheduler of threads, the
network, entropy), and so is the loop, by which libraries tell one run from another;
:meth:`simloop.World.renew`, which stands beside the constructor, says so part by part.

Must not know: what runs, and how.

Invariants:

- A run in a kept world is the run in a fresh one: no attribute of it differs, and nothing that an
  earlier run made can reach it.
- Between two runs a world holds nothing of the one that is over, so all that this has left goes,
  at once or by the collection of garbage that there is between runs, as with fresh worlds.
- A world is kept only if nothing but its keeper holds it any more: a loop that the program keeps,
  a task, a file, a thread that goes on each hold their world. It is not looked at what they are:
  references are counted. Then a fresh one is made.
"""

from __future__ import annotations

import weakref
from itertools import repeat
from sys import getrefcount
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from simloop._kernel import Kernel
from simloop._sandbox import collect_between_runs
from simloop._threads import ThreadScheduler

if TYPE_CHECKING:
    from collections.abc import Callable

    from simloop.world import World
    from simloop.world.run_options import RunOptions

__all__ = ["KeptWorld"]

W = TypeVar("W", bound="World")


class KeptWorld(Generic[W]):
    """Gives the world of each run of a sweep.

    Args:
        make: Makes a world, given what differs from run to run.
        renew: Makes a world that has run equal to what ``make`` makes.
        options: Of the runs, by which the limits of each are set.
    """

    def __init__(
        self, make: Callable[..., W], renew: Callable[..., object], options: RunOptions
    ) -> None:
        self._make = make
        self._renew = renew
        self._options = options
        self._world: W | None = None
        self._limits: dict[str, Any] | None = None
        self._holders: tuple[object, ...] | None = None
        # What a world has between two of its runs.
        self._kernel = Kernel()
        self._threads = ThreadScheduler(self._kernel)
        self.made: int = 0
        """How many worlds were made anew."""

    def take(self, given: Any) -> W:
        """Return a world for the next run, equal to a new one, with the limits of the options.

        The world of the run before is not to be used any more.

        Args:
            given: What differs from run to run.
        """
        world = self._world
        if world is not None and world.can_renew():
            world.let_go(self._kernel, self._threads)
            collect_between_runs()
            if holders_of(world) == self._holders:
                self._renew(world, given)
                if self._limits is not None:
                    world.kernel.limit(**self._limits)
                    world.sandbox.reads = repeat(None, world.kernel.limits.reads_unseen)
                return world
        self._world = world = None  # Before there is another, as without a keeper.
        collect_between_runs()
        return self._made(given)

    def _made(self, given: Any) -> W:
        self._world = world = self._make(given)
        self.made += 1
        if self._holders is None:  # Of every world that is made here the same.
            world.let_go(self._kernel, self._threads)
            self._holders = holders_of(world)
            self._renew(world, given)
        plain = world.kernel.limits.current()
        self._options.set_limits(world)
        limits = world.kernel.limits.current()
        self._limits = None if limits == plain else limits
        return world

    def drop(self) -> None:
        """Keep no world."""
        self._world = None


def holders_of(world: World) -> tuple[object, ...]:
    """Return how many hold a world and what stays of it, and what a program may change for good.

    To be compared with what it returned before the world ran: asked with the same number of names
    for the world, and when that has let go of its run.
    """
    sandbox = world.sandbox
    known = weakref.ref(world)
    return (
        getrefcount(world),
        getrefcount(world.loops),
        getrefcount(world.process),
        getrefcount(sandbox),
        getrefcount(known),
        weakref.getweakrefcount(world),
        sandbox.start_ns,
        type(sandbox.start_ns),
        sandbox.allowed,
        sandbox.strict,
        sandbox.become_loop,
        type(world),
    )
