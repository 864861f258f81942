"""A crew of one: the process that sweeps does the tasks itself.

Owns: doing one task whenever it is waited for, and Ctrl-C, which comes in the middle of a run here:
what was done before is told when it is waited for again.

Must not know: what is run.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .crew import Broken, Ended, Refined, Told
from .work import Refining, parts_of

if TYPE_CHECKING:
    from .crew import Event
    from .work import Task, Work

__all__ = ["LocalCrew"]


class LocalCrew:
    """What does a sweep without workers.

    Args:
        work: What is run.
    """

    size: int = 1

    def __init__(self, work: Work) -> None:
        self._work = work
        self._tasks: deque[Task] = deque()
        self._events: list[Event] = []
        self._known: dict[str, int] = {}

    def start(self) -> None:
        """Get ready."""
        self._work.open()

    def has_room(self) -> bool:
        """Return whether there is no task."""
        return not self._tasks

    def give(self, task: Task) -> None:
        """Take a task."""
        self._tasks.append(task)

    def wait(self, timeout_s: float) -> list[Event]:
        """Do the next task, however long it takes."""
        del timeout_s
        if self._tasks:
            task = self._tasks.popleft()
            end: Event = Ended(task)
            try:
                if isinstance(task, Refining):
                    self._events.append(Refined(task.failure, self._work.refine(task.detail)))
                else:
                    for part in parts_of(self._work, task, self._known):
                        if task.alone and part.is_short_of_memory:
                            end = Broken(task, task.first, "it took all memory that there is")
                        else:
                            self._events.append(Told(task, part))
            finally:
                self._events.append(end)
        events, self._events = self._events, []
        return events

    def stop(self) -> None:
        """Drop what was not begun."""
        self._events += [Ended(task) for task in self._tasks]
        self._tasks.clear()

    def close(self) -> None:
        """Do nothing."""
