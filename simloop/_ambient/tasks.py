"""The order of ``asyncio.all_tasks()`` up to Python 3.13.

There asyncio keeps every task of the process in one weak set, also those that are done and wait
for the garbage collector, and answers with a set filled in that set's order. Tasks of a loop of
ours hash by number, but which places of a set two numbers share, and who of them came first, would
still follow what else the process has lying around. Filled in the order of the numbers, the answer
is the same in every run. From 3.14 on asyncio fills it in the order of creation itself.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from .patches import rewrite

__all__: list[str] = []

_real_all_tasks: Any


def _all_tasks(loop: asyncio.AbstractEventLoop | None = None) -> Any:
    """Do what ``asyncio.all_tasks`` does, filling the set in the order of the tasks' numbers."""
    # A set, as asyncio gives; which elements come first is what the order of filling decides.
    return set(sorted(_real_all_tasks(loop), key=_number))  # noqa: C414 - the point of it


def _number(task: Any) -> int:
    """Return a task's number; those of other loops have none, and keep their places."""
    return getattr(task, "_number", 0)


if sys.version_info < (3, 14):
    _real_all_tasks = rewrite(asyncio.tasks.all_tasks, _all_tasks)
