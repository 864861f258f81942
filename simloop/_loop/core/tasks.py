"""Tasks and futures: what ``create_task`` and ``create_future`` give.

Owns: names of tasks that count per loop, task factories, and the numbers by which tasks and futures
hash. asyncio keeps both in sets, and a set's order follows hashes; how the numbers get there is
told in :mod:`simloop._sandbox.asyncio_.future_hashes`. The classes are exactly asyncio's own,
because its C code has fast paths for no others.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from simloop._loop.state import LoopState
from simloop._sandbox import end_at_program

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from contextvars import Context

__all__ = ["Tasks"]

_T = TypeVar("_T")

_NUMBERS_TASKS = sys.version_info >= (3, 14)
"""Whether a task gets the number that it hashes by when it is made, not when that is asked for.

Most tasks are gathered or in a group, and are asked. Up to 3.13 making one costs so much more that
those that are only awaited matter more.
"""


class Tasks(LoopState):
    """The part of a loop that makes tasks and futures."""

    _chosen_factory: Callable[..., Any] | None = None
    _marks_tasks = False

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future of this loop."""
        future: asyncio.Future[Any] = asyncio.Future(loop=self)
        # Free to use until the future is cancelled, which sets it: since when it is pending.
        future._cancel_message = self._kernel.now_ns  # type: ignore[attr-defined]
        return future

    def create_task(  # One signature for 3.11 to 3.14.
        self,
        coro: Generator[Any, None, _T] | Coroutine[Any, Any, _T],
        *,
        name: str | None = None,
        context: Context | None = None,
        **options: Any,
    ) -> asyncio.Task[_T]:
        """Schedule a coroutine and return its task.

        Args:
            coro: The coroutine to run.
            name: What the task is called; ``Task-N`` if None, counted per loop.
            context: The context to run in; a copy of the current one if None.
            **options: What the task class takes beside: ``eager_start`` from Python 3.12 on.
        """
        if self._closed:
            self._check_closed()
        if self._task_factory is not None:
            return self._manufacture(self._task_factory, coro, name, context, options)
        if options or context is not None:
            return self._make(coro, name, context, options, frames=2)
        # A plain task is made here, by the rules of _make: one more call makes a program that only
        # makes tasks 2 to 5 % slower (Python 3.11). tests/loop/test_twins.py holds both equal.
        if name is None:
            self._task_count = number = self._task_count + 1
            name = f"Task-{number}"
        task: asyncio.Task[_T] = asyncio.Task(coro, loop=self, name=name)  # type: ignore[arg-type,unused-ignore]  # up to 3.11 a generator will do
        if _NUMBERS_TASKS:
            task._simloop_hash = self._next_hash()  # type: ignore[attr-defined]  # hashes.HASH
        if self._debug and task._source_traceback:  # type: ignore[attr-defined]
            end_at_program(task._source_traceback)  # type: ignore[attr-defined]  # C's, of asyncio.Task
        try:
            return task
        finally:
            # As CPython does since gh-128552: an eager task that failed holds this frame by its
            # error's traceback, and the frame would hold the task.
            del task

    def _make(
        self,
        coro: Any,
        name: object,
        context: Context | None,
        options: dict[str, Any],
        *,
        frames: int,
    ) -> asyncio.Task[Any]:
        """Make a task of asyncio's class, named, numbered and marked as a task of this loop is.

        Args:
            coro: The coroutine to run.
            name: What the task is called; the loop's next ``Task-N`` if None.
            context: The context to run in; a copy of the current one if None.
            options: What the task class takes beside.
            frames: How many frames of ours are on the stack, which its traceback of debug mode
                leaves out.
        """
        if name is None:
            self._task_count = number = self._task_count + 1
            name = f"Task-{number}"
        task: Any = asyncio.Task(coro, loop=self, name=name, context=context, **options)  # type: ignore[arg-type,unused-ignore]  # as above
        if _NUMBERS_TASKS and not options:  # An eager one may have been asked for its hash already.
            task._simloop_hash = self._next_hash()
        if frames and self._debug and task._source_traceback:
            end_at_program(task._source_traceback)
        if self._marks_tasks:
            task._simloop_made = True
        try:
            return task  # type: ignore[no-any-return]
        finally:
            del task  # As above.

    def _manufacture(
        self,
        factory: Callable[..., Any],
        coro: Any,
        name: object,
        context: Context | None,
        options: dict[str, Any],
    ) -> asyncio.Task[Any]:
        """Make a task by the user's factory, called as this version of asyncio calls it.

        From 3.13.3 on the factory gets the name, too; before, the task is named afterwards (CPython
        Lib/asyncio/base_events.py: ``create_task``).
        """
        if factory is _marked_task:
            return self._make(coro, name, context, options, frames=3)
        if context is not None:
            options["context"] = context
        if name is not None and sys.version_info >= (3, 13, 3):
            options["name"] = name
        task = factory(self, coro, **options)
        if name is not None and sys.version_info < (3, 13, 3):
            with contextlib.suppress(AttributeError):  # A factory may return any future.
                task.set_name(str(name))
        return task  # type: ignore[no-any-return]

    def set_task_factory(self, factory: Callable[..., Any] | None) -> None:
        """Make tasks with ``factory(loop, coro, **options)``; None goes back to the default."""
        if factory is not None and not callable(factory):
            raise TypeError("task factory must be a callable or None")
        self._chosen_factory = factory
        # asyncio's own eager factory makes asyncio's tasks; ours start eagerly too.
        eager = getattr(asyncio, "eager_task_factory", None)
        self._task_factory = _eager_task if factory is eager and eager is not None else factory
        if self._marks_tasks:
            self.mark_tasks()

    def mark_tasks(self) -> None:
        """Mark tasks that are made from now on as ours, for a recorder of steps.

        Their names count per loop. Those of tasks that a library makes by ``asyncio.Task(...)``
        look the same, and count for the whole process.
        """
        self._marks_tasks = True
        if self._task_factory is None:
            self._task_factory = _marked_task

    def get_task_factory(self) -> Callable[..., Any] | None:
        """Return the factory that was set, or None."""
        return self._chosen_factory


def _marked_task(loop: Tasks, coro: Any, **options: Any) -> asyncio.Task[Any]:
    """Make a task as the loop does by itself; that the loop marks tasks is noted there."""
    return loop._make(
        coro, options.pop("name", None), options.pop("context", None), options, frames=3
    )


def _eager_task(loop: Tasks, coro: Any, **options: Any) -> asyncio.Task[Any]:
    """Make a task that starts at once, numbered and named like every other.

    As asyncio's own factory does, it leaves its frames in the traceback of debug mode (CPython
    3.14 Lib/asyncio/base_events.py: ``create_task`` drops one frame, and for a factory none).
    """
    options.setdefault("eager_start", True)
    return loop._make(
        coro, options.pop("name", None), options.pop("context", None), options, frames=0
    )
