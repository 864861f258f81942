"""What the threads of a world are told of the real one.

Owns: nothing. The loop's layer and the one that touches the real world do not know each other;
this hands the second's functions to the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simloop._sandbox import foreign, join_for_real, wake_all

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from simloop._sandbox import Clock, Sandbox, Threads, ThreadSandbox

__all__ = ["ThreadBridge"]


class ThreadBridge:
    """The real world, as the threads of one world deal with it."""

    def __init__(self, sandbox: Sandbox, loops: list[Any]) -> None:
        self.foreign: dict[int, Threads] = foreign
        self.loops = loops
        self._ambient = sandbox

    def for_thread(self, clock: Clock, /) -> ThreadSandbox:
        """Make a context in which a second thread belongs to the run."""
        return self._ambient.for_thread(clock)

    def outside(self) -> AbstractContextManager[None]:
        """Make a context in which the calling thread does not."""
        return self._ambient.outside()

    def wake_all(self, thing: object, /) -> None:
        """Wake every thread that waits for a thing."""
        wake_all(thing)

    def join(self, function: object, /) -> None:
        """Wait, really, for a thread's end."""
        join_for_real(function)
