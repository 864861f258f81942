"""The world: one simulated universe.

Owns: putting the parts together. A world has one kernel (clock, schedule, seed), one network, the
stand-ins for the real world's time and entropy, and the loops that live in it. The parts do not
know each other; what one needs of another is handed over here.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from simloop._kernel import NEVER, Kernel, nanoseconds
from simloop._loop import provide_worlds

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["World"]


class World:
    """One universe: what a seed determines.

    Args:
        seed: Where all randomness comes from.
        start_time: What the clock shows at first, in seconds.

    Example:
        >>> import asyncio, simloop
        >>> world = simloop.World(seed=7)
        >>> simloop.run(asyncio.sleep(60), world=world)
        >>> world.time_ns
        60000000000
    """

    def __init__(self, seed: int | str = 0, *, start_time: float = 0.0) -> None:
        self.seed = seed
        self.kernel = Kernel(seed, nanoseconds(start_time))
        self.loops: list[Any] = []

    @property
    def time_ns(self) -> int:
        """The virtual time in nanoseconds."""
        return self.kernel.now_ns

    @property
    def steps(self) -> int:
        """How many callbacks have run."""
        return self.kernel.steps

    def limit(
        self,
        *,
        max_time: float | None = None,
        max_steps: int | None = None,
        livelock_steps: int | None = None,
    ) -> None:
        """Set the limits of the world's run; see :func:`simloop.run`."""
        limits: dict[str, Any] = {"steps_max": max_steps}
        limits["time_max_ns"] = NEVER if max_time is None else nanoseconds(max_time)
        if livelock_steps is not None:
            limits["livelock_steps"] = livelock_steps
        self.kernel.limit(**limits)

    def attach(self, loop: Any) -> None:
        """Take note of a loop that lives here."""
        self.loops.append(loop)

    def detach(self, loop: Any) -> None:
        """Forget a loop that was closed."""
        self.loops.remove(loop)
        self.kernel.detach()

    def watch(self, watcher: Any) -> None:
        """Tell ``watcher`` of each step."""
        self.kernel.observe(watcher)

    def unwatch(self, watcher: Any) -> None:
        """Stop telling ``watcher``."""
        self.kernel.unobserve(watcher)

    def inside(self) -> AbstractContextManager[object]:
        """Make the real world's names mean this world, until left."""
        return nullcontext()


def _make(seed: int | str, start_ns: int) -> World:
    world = World(seed)
    world.kernel.now_ns = start_ns
    world.kernel.wheel.overtake(start_ns)
    return world


provide_worlds(_make)
