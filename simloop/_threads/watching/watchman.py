"""The watchman: the one thread of the process that looks at running threads from outside.

Owns: when it looks, and that it sleeps while there is nothing to look at.

Must not know: what is looked for. A :class:`Watch` says how often, and does the looking.

Invariants: it is no thread of ``threading``, no run knows it, and it ends with the process. A
process that was forked begins without it.
"""

from __future__ import annotations

import _thread
import os
from typing import Protocol

from simloop._threads.real_threads import Gate

__all__ = ["Watch", "add", "remove"]

_start_for_real = _thread.start_new_thread


class Watch(Protocol):
    """What is looked at."""

    @property
    def pause_s(self) -> float:
        """How long to wait between two looks, in seconds of real time."""

    def look(self) -> None:
        """Look once; called on the watchman's thread."""


class _Watchman:
    """The thread that looks."""

    def __init__(self) -> None:
        self._watches: dict[Watch, None] = {}
        self._bell = Gate()
        self._is_there = False

    def add(self, watch: Watch) -> None:
        self._watches[watch] = None
        if not self._is_there:
            self._is_there = True
            _start_for_real(self._go_round, ())
        self._bell.open()

    def remove(self, watch: Watch) -> None:
        self._watches.pop(watch, None)

    def _go_round(self) -> None:
        while True:
            watches = list(self._watches)
            pause_s = min((watch.pause_s for watch in watches), default=-1)
            self._bell.wait(pause_s)
            for watch in watches:
                if watch in self._watches:
                    self._look(watch)
            del watches

    def _look(self, watch: Watch) -> None:
        try:
            watch.look()
        except BaseException:
            self.remove(watch)  # The others are looked at all the same, by a thread of their own.
            _start_for_real(self._go_round, ())
            raise


_watchman = _Watchman()


def add(watch: Watch) -> None:
    """Look at something from now on; called outside of runs, since its thread is none of theirs."""
    _watchman.add(watch)


def remove(watch: Watch) -> None:
    """Look at it no more."""
    _watchman.remove(watch)


def _begin_anew() -> None:
    """Forget the thread, in a process that was forked and has no thread but one."""
    global _watchman  # noqa: PLW0603 - the state of the process
    _watchman = _Watchman()


if hasattr(os, "register_at_fork"):  # Not of Windows, where nothing forks.
    os.register_at_fork(after_in_child=_begin_anew)
