"""What a loop needs from the world that it lives in, and how a loop alone gets one.

The world is a layer above this one: it puts kernel, network and the real world's stand-ins
together. A loop sees it through :class:`WorldPort` only, and a loop made without a world asks
:func:`new_world`, which that layer fills in when it is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from simloop._presence import loops_alone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from simloop._kernel import Kernel
    from simloop._process import Process, ProcessTable
    from simloop._process.programs import Programs
    from simloop._threads.thread_scheduler import ThreadScheduler

__all__ = ["WorldPort", "new_world", "provide_worlds"]


class WorldPort(Protocol):
    """One universe, as its loops see it."""

    origins_outside: int
    """How many frames coroutines remembered before the loop began to run."""
    has_lone_hooks: bool
    """Whether the hooks that hear of asynchronous generators are those of one loop now."""

    def real_ident(self) -> int:
        """Return the identifier by which the system knows the calling thread."""

    @property
    def kernel(self) -> Kernel:
        """The clock and the schedule."""

    @property
    def processes(self) -> ProcessTable:
        """The processes by number."""

    def process_of_caller(self) -> Process:
        """Return the process of the code that runs, or the program of the run outside of it."""

    def step_into(self, process: Process, loop: Any) -> None:
        """Make the loop the running one, and put its process in place."""

    @property
    def loops(self) -> Sequence[Any]:
        """The loops that live here and are not closed."""

    @property
    def programs(self) -> Programs:
        """What can be started as a process."""

    @property
    def threads(self) -> ThreadScheduler:
        """The turn among the threads."""

    def describe_hosts(self) -> str:
        """List the hosts that are not up, for a report."""

    def attach(self, loop: Any) -> None:
        """Take note of a loop of this world."""

    def detach(self, loop: Any) -> None:
        """Forget a loop that was closed."""

    def inside(self) -> AbstractContextManager[object]:
        """Make the real world's names (time, random, sockets) mean this world meanwhile."""


_maker: Callable[..., WorldPort] | None = None


def provide_worlds(maker: Callable[..., WorldPort]) -> None:
    """Set the function that gives a loop its world: a new one, or the one that it names."""
    global _maker  # noqa: PLW0603 - filled once, by the layer above
    _maker = maker


def new_world(
    *, seed: int | str | None, start_time: float | None, world: WorldPort | None
) -> WorldPort:
    """Make a world for a loop that was given none.

    Raises:
        UsageError: It was given one, and a seed or a time beside, or these are none.
    """
    assert _maker is not None, "simloop.world registers itself when simloop is imported"
    is_usual = seed is None and world is None and loops_alone.seed is not None
    made = _maker(seed=loops_alone.seed if is_usual else seed, start_time=start_time, world=world)
    if loops_alone.made is not None:
        loops_alone.made(made, is_usual)
    return made
