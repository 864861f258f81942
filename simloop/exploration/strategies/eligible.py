"""Eligible tasks: between what a permuting strategy decides.

Owns: the two rules that tell a decision from none, see :mod:`.permuting`, and asking the gate.

Must not know: strategies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simloop.trace.labels import name_of, qualified_name, task_of

if TYPE_CHECKING:
    from collections import deque

    from simloop._kernel.disturbed_kernel import DisturbedKernel

__all__ = ["permute_ready"]


class Eligible(list[str]):
    """The names of the tasks that may run next; by the first of them the decision is called."""

    def __str__(self) -> str:
        return self[0]


def permute_ready(kernel: DisturbedKernel) -> None:
    """Have a kernel ask which of the tasks that are ready runs next."""
    gate = kernel.gate

    def pick(ready: deque[Any]) -> int:
        indexes: list[int] = []
        tasks: dict[Any, None] = {}
        for index, handle in enumerate(ready):
            callback = handle._callback
            task = None if callback is None else task_of(callback)
            if task is None:
                return index  # Cancelled, or glue: nothing to decide.
            if task not in tasks:
                tasks[task] = None
                indexes.append(index)
        if len(indexes) == 1:
            return indexes[0]
        names = Eligible(f"{name_of(task)} ({qualified_name(task.get_coro())})" for task in tasks)
        return indexes[gate.ask("ready", names, len(indexes))]

    kernel.permute = pick
