"""What the thread scheduler needs of the world that it is in: one protocol for each part.

Owns: the protocols. Must not know: how a part does what it promises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

__all__ = ["ThreadBridge", "Turns"]


class ThreadBridge(Protocol):
    """What the threads of a world need of the real one; the world provides it."""

    real_ident: Callable[[], int]
    """Returns the identifier by which the system knows the calling thread."""

    foreign: dict[int, Any]
    """What is told of the waits of real threads, by the thread's identifier."""

    threads_of_caller: Callable[[], Any]
    """Returns the scheduler of the run that the calling thread is in, or None."""

    @property
    def loops(self) -> Sequence[Any]:
        """The loops of the world that are not closed."""

    def for_thread(self, clock: Any, number: int, /) -> AbstractContextManager[Any]:
        """Make a context in which a second thread belongs to the run; it has ``expel()``."""

    def process_context(self) -> Any:
        """Return what the process in place gives its threads."""

    def switch_to(self, process_context: Any, /) -> None:
        """Put another process of the world in place."""

    def outside(self) -> AbstractContextManager[object]:
        """Make a context in which the calling thread does not."""

    def wake_all(self, thing: object, /) -> None:
        """Wake every thread that waits for a thing."""

    def join(self, function: object, /) -> None:
        """Wait, really, for the end of a thread, given the function that it was started with."""

    def join_unrun(self, function: object, ident: Callable[[], int], /) -> None:
        """Do the same for one that was killed, perhaps before it did anything.

        Args:
            function: What it was started with.
            ident: Returns its real identifier, or 0 as long as it has not come to its end.
        """

    def leave_lines(self, belongs: Callable[[Any], bool], /) -> None:
        """Take waits out of all lines, those that belong to threads that never go on."""

    def unwind(self, is_left_alone: Callable[[Any], bool], /) -> None:
        """Leave the calling thread's functions, running none of them, up to one left alone."""

    def take_locals(self) -> list[Any]:
        """Empty all thread-local objects for the calling thread; return what they held."""

    def restore(self) -> None:
        """Put back what that changed, first of all in the function that is left alone."""

    def hear_calls(self, hear: Callable[[str], object], /) -> None:
        """Call a function at each call of the calling thread at which it may be preempted."""

    def hear_no_calls(self) -> None:
        """End that."""

    def forget_thread(self) -> None:
        """Forget what is known of the calling thread, which has ended."""


class Turns(Protocol):
    """What runs a world's kernel while its main thread blocks and no loop runs it."""

    def run(self, deadline_ns: int, /) -> None:
        """Run turns until told to stop, or until a time."""

    def stop(self) -> None:
        """End that after this turn."""
