"""What a loop needs from the world that it lives in, and how a loop alone gets one.

The world is a layer above this one: it puts kernel, network and the real world's stand-ins
together. A loop sees it through :class:`WorldPort` only, and a loop made without a world asks
:func:`new_world`, which that layer fills in when it is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from simloop._kernel import Kernel
    from simloop.net import Host

    from .baton import Baton
    from .programs import Programs
    from .signals import Dispositions

__all__ = ["WorldPort", "new_world", "provide_worlds"]


class WorldPort(Protocol):
    """One universe, as its loops see it."""

    @property
    def kernel(self) -> Kernel:
        """The clock and the schedule."""

    @property
    def dispositions(self) -> Dispositions:
        """What its process does on each signal."""

    @property
    def loops(self) -> Sequence[Any]:
        """The loops that live here and are not closed."""

    @property
    def programs(self) -> Programs:
        """What can be started as a process."""

    @property
    def baton(self) -> Baton:
        """The turn among the threads."""

    def attach(self, loop: Any) -> None:
        """Take note of a loop of this world."""

    def detach(self, loop: Any) -> None:
        """Forget a loop that was closed."""

    def host_of(self, loop: Any) -> Host:
        """Return the virtual machine that a loop runs on."""

    def inside(self) -> AbstractContextManager[object]:
        """Make the real world's names (time, random, sockets) mean this world meanwhile."""


class Surroundings(Protocol):
    """What the threads of a world need to know of the real one."""

    foreign: dict[int, Any]
    """Who hears of the waits of threads outside, by the thread's identifier."""

    @property
    def loops(self) -> Sequence[Any]:
        """The loops of the world that are not closed."""

    def guest(self, clock: Any, /) -> AbstractContextManager[Any]:
        """Make a context in which a second thread belongs to the run; it has ``expel()``."""

    def outside(self) -> AbstractContextManager[object]:
        """Make a context in which the calling thread does not."""

    def wake_all(self, thing: object, /) -> None:
        """Wake every thread that waits for a thing."""

    def join(self, function: object, /) -> None:
        """Wait, really, for the end of a thread, given the function that it was started with."""


_maker: Callable[[int | str, int], WorldPort] | None = None


def provide_worlds(maker: Callable[[int | str, int], WorldPort]) -> None:
    """Say how a world is made from a seed and a start time in nanoseconds."""
    global _maker  # noqa: PLW0603 - filled once, by the layer above
    _maker = maker


def new_world(seed: int | str, start_ns: int) -> WorldPort:
    """Make a world for a loop that was given none."""
    assert _maker is not None, "simloop.world registers itself when simloop is imported"
    return _maker(seed, start_ns)
