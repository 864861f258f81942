"""Eligible tasks and threads: between what a permuting strategy decides.

Owns: the two rules that tell a decision from none, see :mod:`.permuting`, and asking the gate.

Must not know: strategies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simloop._threads.sim_thread import SimThread
from simloop.trace.labels import name_of, qualified_name, task_of

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterable, Sequence

    from simloop._kernel.disturbed_kernel import DisturbedKernel

__all__ = ["permute_ready"]


class Eligible(list[str]):
    """The names of what may run next; by the first of them the decision is called."""

    def __str__(self) -> str:
        return self[0]


def permute_ready(kernel: DisturbedKernel) -> None:
    """Have a kernel ask which of the tasks and threads that are ready runs next."""
    picker = _Picker(kernel)
    kernel.permute = picker.pick
    kernel.goes_on = picker.goes_on
    kernel.pick_thread = picker.pick_thread


_LOOP = "the loop's own thread"


class _Picker:
    """What asks.

    Args:
        kernel: Whose ready queue it is.
    """

    def __init__(self, kernel: DisturbedKernel) -> None:
        self._kernel = kernel
        self._picked: Any = None  # What was to run where a thread was preempted.

    def pick(self, ready: deque[Any]) -> int:
        """Return the index of the handle that runs."""
        owners: dict[Any, int] = {}
        for index, handle in enumerate(ready):
            owner = _owner_of(handle)
            if owner is None:
                return index  # Cancelled, or glue: nothing to decide.
            owners.setdefault(owner, index)
        picked, self._picked = self._picked, None
        if picked in owners:
            return owners[picked]
        if len(owners) == 1:
            return next(iter(owners.values()))
        return [*owners.values()][self._ask(owners)]

    def goes_on(self, call: Any) -> bool:
        """Return whether a thread goes on that makes a call, or one that is ready runs."""
        thread, scheduler = call.thread, call.thread.threads
        owners: dict[Any, None] = {thread: None}
        if not scheduler.waits_in_step:
            owners.update(dict.fromkeys(map(_owner_of, self._kernel.ready)))
            owners.pop(None, None)
        else:  # None of its tasks can run meanwhile; it goes on itself where its wait is over.
            owners.update(dict.fromkeys(each for each in scheduler.awake if not each.is_stopped))
            waiter = scheduler.loop_waiter
            if waiter is not None and waiter.awake:
                owners[_LOOP] = None
        if len(owners) == 1:
            return True
        picked = [*owners][self._ask(owners)]
        if picked is thread:
            return True
        self._picked = picked
        return False

    def pick_thread(self, threads: Sequence[SimThread]) -> int:
        """Return the index of the thread that runs, of those that the loop's own waits for."""
        picked, self._picked = self._picked, None
        if picked in threads:
            return threads.index(picked)
        return 0 if len(threads) == 1 else self._ask(threads)

    def _ask(self, owners: Iterable[Any]) -> int:
        names = Eligible(_name_of(owner) for owner in owners)
        return self._kernel.gate.ask("ready", names, len(names))


def _owner_of(handle: Any) -> Any:
    """Return the task or the thread whose step a handle is, or None."""
    callback = handle._callback
    if isinstance(callback, SimThread):
        return callback
    return None if callback is None else task_of(callback)


def _name_of(owner: Any) -> str:
    if isinstance(owner, SimThread | str):
        return owner if isinstance(owner, str) else owner.__qualname__
    return f"{name_of(owner)} ({qualified_name(owner.get_coro())})"
