"""Loops of processes on hosts: what they say of themselves, and what is left when one is killed.

Owns: names of tasks that begin with the host's, and the loop of a process that was killed. Whoever
holds that one, or a future or a transport of it, may go on calling: nothing comes of it.

Must not know: hosts, and why a process ends.

Invariants:

- A halted loop runs nothing, schedules nothing, and raises at no call that a living process makes
  by way of an object of it.
- The class of a loop of a host differs from :class:`~.loop.SimLoop` in names only.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any

from simloop._kernel import NEVER, Handle, TimerHandle
from simloop._sandbox import end_at_program, end_awaited, leave_unfinalized

from .asked_class import as_asked
from .loop import SimLoop
from .own_clock import OwnClockLoop

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HaltedLoop", "HostClockLoop", "HostLoop", "halt"]

_NOWHERE = Context()


class _OfHost(SimLoop):
    """The part that names tasks."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        process: Any = self.process
        self._stash = process.stash

    @property
    def host_label(self) -> str:  # type: ignore[override]  # the class's, elsewhere
        """What labels of its steps begin with: ``db/`` on a host of that name."""
        return self.process.label

    def take_clock(self) -> None:
        """Go by the clock of the machine from now on, which is not the world's any more."""
        self.__class__ = as_asked(HostClockLoop, self.asked_class)  # type: ignore[assignment]

    def _takes_exit(self, error: BaseException) -> bool:
        process: Any = self.process
        return not self._is_detached and bool(process.takes_exit(error))

    def create_task(self, coro: Any, *, name: str | None = None, **options: Any) -> Any:
        """Schedule a coroutine and return its task, called ``host/Task-N`` if it gets no name."""
        if name is None:
            self._task_count = number = self._task_count + 1
            name = f"{self.process.label}Task-{number}"
        task: Any = super().create_task(coro, name=name, **options)
        if self._debug and task._source_traceback:
            end_at_program(task._source_traceback)
        return task


class HostLoop(_OfHost):
    """A loop of a process on a host that goes by the world's clock."""


class HostClockLoop(_OfHost, OwnClockLoop):
    """A loop of a process on a host with a clock of its own."""


def halt(loop: Any) -> list[Any]:
    """Stop a loop for good, with none of its code run; return what has to be kept meanwhile.

    That is what would be freed otherwise while the run goes on: tasks, transports, what was
    scheduled.
    """
    tasks = list(asyncio.all_tasks(loop))
    left: list[Any] = [loop, tasks, list(loop._transports.values())]
    world = loop._world
    for kernel in dict.fromkeys((loop._kernel, world.kernel)):
        left += kernel.withdraw(loop)
    if loop._stash is not None:
        left += loop._stash
        loop._stash.clear()  # What it holds is reached from nowhere else, then.
    if loop._own_selector is not None:
        left += list(loop._own_selector.get_map().values())
    left += list(loop._signal_handlers.values())
    for transport in loop._transports.values():
        leave_unfinalized(transport)
    loop._close_files()
    if loop._debug:
        loop._kernel.measure(enabled=False)
    for transport in loop._transports.values():
        transport._closing = True  # A StreamWriter that others hold looks at it when it is freed.
    world.detach(loop)
    cls = type(loop)  # An heir of it has its shape in memory, should the program's have slots.
    loop.__class__ = HaltedLoop if cls.asked_class is None else type("", (HaltedLoop, cls), {})
    for task in tasks:
        end_awaited(task.get_coro())
        leave_unfinalized(task)
    for generator in list((loop._asyncgens or {}).values()):
        end_awaited(generator)
        left.append(generator)
    return left


class HaltedLoop(SimLoop):
    """The loop of a process that was killed: nothing comes of any call."""

    def __del__(self) -> None:
        """Say nothing: nobody was left to close it."""

    def is_running(self) -> bool:
        """Return False."""
        return False

    def is_closed(self) -> bool:
        """Return True: nothing can be done with it."""
        return True

    def close(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""

    def get_debug(self) -> bool:
        """Return False: nothing is checked any more."""
        return False

    def _no_handle(self) -> Handle:
        return Handle(None, (), _NOWHERE, self)  # type: ignore[arg-type]  # a cancelled one

    def _no_timer(self) -> TimerHandle:
        handle = TimerHandle(NEVER, None, (), _NOWHERE, self)  # type: ignore[arg-type]  # as above
        handle._scheduled = False
        return handle

    def call_soon(  # type: ignore[override]  # typeshed's TypeVarTuple says no more
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> Handle:
        """Drop it."""
        del callback, args, context
        return self._no_handle()

    def call_soon_threadsafe(  # type: ignore[override]  # as above
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> Handle:
        """Drop it."""
        del callback, args, context
        return self._no_handle()

    def call_later(  # type: ignore[override]  # as above
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> TimerHandle:
        """Drop it."""
        del delay, callback, args, context
        return self._no_timer()

    def call_at(  # type: ignore[override]  # as above
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> TimerHandle:
        """Drop it."""
        del when, callback, args, context
        return self._no_timer()

    def create_task(self, coro: Any, **options: Any) -> Any:
        """Return a task that never runs."""
        task = super().create_task(coro, **options)
        end_awaited(coro)
        leave_unfinalized(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Say nothing."""
        del context

    def _add_callback_for(
        self, fd: Any, event: int, callback: Callable[..., Any], args: tuple[Any, ...]
    ) -> Handle:
        del fd, event, callback, args
        return self._no_handle()

    def _remove_callback_for(self, fd: Any, event: int) -> bool:
        del fd, event
        return False

    def _signal_arrived(self, sig: int) -> None:
        """Ignore it."""

    def run_in_executor(  # type: ignore[override]  # as above
        self, executor: Any, func: Any, *args: Any
    ) -> asyncio.Future[Any]:
        """Return a future that is never done."""
        del executor, func, args
        return self.create_future()
