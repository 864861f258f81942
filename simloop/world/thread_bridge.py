"""What the threads of a world are told of the real one.

Owns: nothing. The loop's layer and the one that touches the real world do not know each other;
this hands the second's functions to the first.
"""

from __future__ import annotations

from _thread import LockType
from typing import TYPE_CHECKING, Any

from simloop._sandbox import (
    clone_method,
    current,
    foreign,
    forget_given_up,
    get_ident,
    hear_calls,
    hear_no_calls,
    join_for_real,
    join_unrun,
    leave_lines,
    restore,
    take_locals,
    unwind,
    wait_no_more,
    wake_all,
)
from simloop._threads.real_threads import Gate

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from simloop._sandbox import Clock, RunContext, Sandbox, Threads, ThreadSandbox

__all__ = ["ThreadBridge"]

Gate.acquire = staticmethod(clone_method(LockType, "acquire"))
Gate.release = staticmethod(clone_method(LockType, "release"))


class ThreadBridge:
    """The real world, as the threads of one world deal with it."""

    def __init__(self, sandbox: Sandbox, loops: list[Any]) -> None:
        self.real_ident: Callable[[], int] = get_ident
        self.foreign: dict[int, Threads] = foreign
        self.threads_of_caller: Callable[[], Any] = _threads_of_caller
        self.loops = loops
        self._sandbox = sandbox

    def for_thread(self, clock: Clock, number: int, /) -> ThreadSandbox:
        """Make a context in which a second thread belongs to the run."""
        return self._sandbox.for_thread(clock, number)

    def process_context(self) -> RunContext:
        """Return what the process in place gives its threads."""
        return self._sandbox.in_place

    def switch_to(self, process_context: RunContext, /) -> None:
        """Put another process of the world in place."""
        self._sandbox.switch_to(process_context)

    def outside(self) -> AbstractContextManager[None]:
        """Make a context in which the calling thread does not."""
        return self._sandbox.outside()

    def wake_all(self, thing: object, /) -> None:
        """Wake every thread that waits for a thing."""
        wake_all(thing)

    def join(self, function: object, /) -> None:
        """Wait, really, for a thread's end."""
        join_for_real(function)

    def join_unrun(self, function: object, ident: Callable[[], int], /) -> None:
        """Wait, really, for a killed thread's end."""
        join_unrun(function, ident)

    def leave_lines(self, belongs: Callable[[Any], bool], /) -> None:
        """Take waits out of all lines."""
        leave_lines(belongs)
        wait_no_more(belongs)

    def unwind(self, is_left_alone: Callable[[Any], bool], /) -> None:
        """Leave the calling thread's functions, running none of them."""
        unwind(is_left_alone, SystemExit())

    def take_locals(self) -> list[Any]:
        """Empty all thread-local objects for the calling thread."""
        return take_locals()

    def restore(self) -> None:
        """Put back what that changed."""
        restore()

    def hear_calls(self, hear: Callable[[str], object], /) -> None:
        """Call a function at each call of the calling thread at which it may be preempted."""
        hear_calls(hear)

    def hear_no_calls(self) -> None:
        """End that."""
        hear_no_calls()

    def forget_thread(self) -> None:
        """Forget what is known of the calling thread, which has ended."""
        forget_given_up()


def _threads_of_caller() -> Threads | None:
    run = current()
    return None if run is None else run.threads
