"""A thread goes through a dictionary and sends what it finds, and another one adds to it.

The status of all tasks is told, each under its own lock. A task that is added meanwhile changes the
dictionary under the loop.

Fails: the dictionary has changed its size during iteration.
"""

from __future__ import annotations

import asyncio
import threading

SOURCE = "https://github.com/noxdafox/pebble/issues/96"


class Task:
    """Something with a state."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.is_done = False

    def status(self) -> bool:
        with self.lock:
            return self.is_done


class Manager:
    """Tasks by number."""

    def __init__(self) -> None:
        self.tasks = {0: Task(), 1: Task()}

    def add(self, number: int) -> None:
        task = Task()
        self.tasks[number] = task

    def pending(self) -> int:
        return sum(not task.status() for task in self.tasks.values())


class FixedManager(Manager):
    """Goes through a copy."""

    def pending(self) -> int:
        return sum(not task.status() for task in list(self.tasks.values()))


async def pool(manager: Manager) -> None:
    adding = (asyncio.to_thread(manager.add, number) for number in (2, 3))
    pending, *_ = await asyncio.gather(asyncio.to_thread(manager.pending), *adding)
    assert 2 <= pending <= 4


async def buggy() -> None:
    await pool(Manager())


async def fixed() -> None:
    await pool(FixedManager())
