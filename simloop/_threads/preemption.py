"""Preemption: a thread of an explored run may be held where it makes a call.

Owns: what a thread asks the gate at the calls that the sandbox tells it of, a lock that is free, a
file, a socket: how long does the system let others run before it goes on? Threads change over at
waits by themselves (:mod:`.sim_thread`); a system preempts them anywhere, and these are the places
where it matters to others most often.

Must not know: which calls those are.

Invariants:

- Where the answer is 0 the thread goes on as if nothing had been asked; a run that nobody explores
  never comes here.
- A thread that was told to end, or that waits for an answer already, is not asked about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .sim_thread import SimThread

__all__ = ["Preemption"]


class Preemption:
    """One thread, as the gate knows it: where it makes a call.

    Args:
        thread: The thread.
    """

    __slots__ = ("_caller", "_is_asked", "thread")

    def __init__(self, thread: SimThread) -> None:
        self.thread: SimThread = thread
        self._caller = ""
        self._is_asked = False

    @property
    def subject(self) -> str:
        """The name of the thread, wherever it is."""
        return self.thread.__qualname__

    def __str__(self) -> str:
        return f"{self.thread.__qualname__}: {self._caller}"

    def called(self, caller: str) -> None:
        """Hold the calling thread, if the gate says so.

        Args:
            caller: The name of the function that calls.
        """
        thread = self.thread
        if self._is_asked or not thread.may_be_held():
            return
        kernel: Any = thread.kernel
        self._is_asked, self._caller = True, caller
        try:
            if kernel.permute is not None:
                ns = 0
                goes_on = kernel.goes_on(self)
            else:
                ns = kernel.delay_ns("preempt", self)
                goes_on = not ns
        finally:
            self._is_asked = False
        if not goes_on:
            thread.be_held(ns)
