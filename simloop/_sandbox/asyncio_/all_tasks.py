"""Which tasks there are, and the order of ``asyncio.all_tasks()``, up to Python 3.13.

There asyncio keeps every task of the process in a weak set, also those that are done and wait for
the garbage collector, and answers with a set filled in that set's order. Which places of a set two
numbers share, and who of them came first, would follow what else the process has lying around; and
the weak set, written in Python, is a fifth of what making a task costs. So while runs are on, tasks
made inside of one are noted in a list of weak references, in the order of their making, and the
answer is filled in that order. From 3.14 on asyncio does about the same itself.

Invariants:

- Tasks made elsewhere, in other threads or before, are in asyncio's own weak set.
- When the last run leaves, tasks that are not done are moved there; no others are.
- The list is swept whenever it has doubled: noting a task is a constant, amortised.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any
from weakref import ref

from simloop._sandbox.patching.registry import patch, rewrite
from simloop._sandbox.run_context import by_thread, get_ident

from .future_hashes import number_of

__all__ = ["has_tasks"]

_NOTES_MIN = 32
"""Below this many notes a sweep is not worth its call."""

_real_all_tasks: Any
_loop_of: Any = asyncio.futures._get_loop  # type: ignore[attr-defined]  # What all_tasks asks.


class _Notes:
    """Stands in for two methods of asyncio's weak set, where C and Python code look them up."""

    __slots__ = ("_notes", "_notes_max", "_register", "others_make_tasks")

    def __init__(self, register: Any) -> None:
        self._register = register
        self.others_make_tasks = False
        self._notes: list[ref[Any]] = []
        self._notes_max = _NOTES_MIN

    def on(self) -> None:
        """Note tasks from now on."""
        self._register.add = self.add
        self._register.discard = self.discard

    def off(self) -> None:
        """Tell asyncio of the tasks that are left."""
        if "add" not in self._register.__dict__:
            return
        del self._register.add
        del self._register.discard
        if self._notes:
            for task in self.living():
                if not task.done():
                    self._register.add(task)
            self._notes = []
            self._notes_max = _NOTES_MIN
        self.others_make_tasks = False

    def add(self, task: Any) -> None:
        """Note a task that a run's thread made."""
        if get_ident() not in by_thread:
            self.others_make_tasks = True
            type(self._register).add(self._register, task)
            return
        notes = self._notes
        notes.append(ref(task))
        if len(notes) > self._notes_max:
            self._notes = [note for note in notes if note() is not None]
            self._notes_max = max(_NOTES_MIN, 2 * len(self._notes))

    def discard(self, task: Any) -> None:
        """Forget a task, wherever it is."""
        self._notes = [note for note in self._notes if note() is not task]
        type(self._register).discard(self._register, task)

    def living(self) -> list[Any]:
        """List the tasks that are not gone, in the order of their making."""
        return [task for note in self._notes if (task := note()) is not None]


_notes: _Notes | None = None


def has_tasks(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell, in a run, whether a loop that was made in one has a task that is not done.

    It goes through the notes only: what asyncio's weak set once held, it is as long in going
    through, and a small run would take a third more time in a process that had many tasks before.
    """
    if _notes is None or _notes.others_make_tasks:
        return bool(asyncio.all_tasks(loop))
    return any(not task.done() and _loop_of(task) is loop for task in _notes.living())


def _all_tasks(loop: asyncio.AbstractEventLoop | None = None) -> Any:
    """Do what ``asyncio.all_tasks`` does, filling the set in the order of the tasks' making."""
    if loop is None:
        loop = asyncio.get_running_loop()
    earlier = sorted(_real_all_tasks(loop), key=number_of)
    assert _notes is not None
    noted = [task for task in _notes.living() if not task.done() and _loop_of(task) is loop]
    # A set, as asyncio gives; which elements come first is what the order of filling decides.
    return set(earlier + noted)


if sys.version_info < (3, 14):
    _real_all_tasks = rewrite(asyncio.tasks.all_tasks, _all_tasks)
    _name = "_scheduled_tasks" if sys.version_info >= (3, 12) else "_all_tasks"
    _notes = _Notes(getattr(asyncio.tasks, _name))
    patch(_notes)
