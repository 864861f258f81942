"""SimPy and asyncio in one simulation, either one inside the other.

Owns: :class:`LoopProcess`, a SimLoop that lives in a SimPy environment, as one of its processes;
and :class:`LoopEnvironment`, a SimPy environment that lives in an asyncio loop. Both have one
clock, and events that go both ways: a coroutine awaits an event, a process yields a coroutine.

Invariants:

- Inside either, ``loop.time()`` and ``env.now`` show the same time, but for rounding.
- At one moment SimPy's order holds among SimPy's events, and the loop's among its callbacks.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import simpy
from simpy.events import NORMAL

from simloop.errors import UsageError

from ._driven import DrivenProcess

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

    from simloop import SimLoop

__all__ = ["LoopEnvironment", "LoopProcess", "TaskEvent"]


_EARLIER = object()
"""Why a loop's process is interrupted when its next deadline moved forward."""


class TaskEvent(simpy.Event):  # type: ignore[misc]  # the package may not be installed
    """A task as a SimPy event: it succeeds with the task's result, or fails with its error.

    A task that was cancelled fails with ``simpy.Interrupt``.

    Example:
        >>> import asyncio, simpy
        >>> env = simpy.Environment()
        >>> guest = LoopProcess(env)
        >>> def machine():
        ...     event = guest.task(asyncio.sleep(10**6))
        ...     yield env.timeout(3)
        ...     event.interrupt("break")
        ...     try:
        ...         yield event
        ...     except simpy.Interrupt as interrupt:
        ...         print(env.now, interrupt.cause)
        >>> process = env.process(machine())
        >>> env.run()
        3 break
        >>> guest.close()
    """

    def __init__(self, env: simpy.Environment, task: asyncio.Task[Any]) -> None:
        super().__init__(env)
        self.task = task
        self._cause: Any = None
        task.add_done_callback(self._done)

    def interrupt(self, cause: Any = None) -> None:
        """Cancel the task, as a process is interrupted."""
        self._cause = cause
        self.task.cancel()

    def _done(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            self.fail(simpy.Interrupt(self._cause))
        elif (error := task.exception()) is not None:
            self.fail(error)
        else:
            self.succeed(task.result())


class LoopProcess(DrivenProcess):
    """A loop as a process of a SimPy environment.

    Args:
        env: The environment; its unit of time is the second.
        loop: The loop; by default a new one that starts at the environment's time.
        **options: What :func:`simloop.run` takes, for a new loop: ``seed``, ``max_time``, ...

    Example:
        >>> import asyncio, simpy
        >>> from simloop.embed.simpy import LoopProcess
        >>> env = simpy.Environment()
        >>> guest = LoopProcess(env)
        >>> async def worker(order):
        ...     await guest.wait(env.timeout(2))
        ...     await asyncio.sleep(1)
        ...     return f"{order} done at {asyncio.get_running_loop().time()}"
        >>> def machine():
        ...     yield env.timeout(5)
        ...     print((yield guest.task(worker("bolts"))))
        >>> process = env.process(machine())
        >>> env.run()
        bolts done at 8.0
        >>> guest.close()
    """

    def __init__(self, env: simpy.Environment, loop: SimLoop | None = None, **options: Any) -> None:
        self.env = env
        super().__init__(loop, options)
        self.process: simpy.Process = env.process(self._live())
        self.loop.on_earlier(self._look_again)

    def now(self) -> float:
        """Return the environment's time."""
        return float(self.env.now)

    def _live(self) -> Generator[simpy.Event, Any, None]:
        """Run what is due, and sleep until the next deadline, or until it moved forward."""
        env, due = self.env, -math.inf
        while True:
            try:
                if self.loop.time() < due:
                    self.loop.run_until(due)  # SimPy's sum of floats may fall short of it.
                due = self.run_due()
            except (KeyboardInterrupt, SystemExit):
                self.process = env.process(self._live())  # For the next call of run().
                raise
            try:
                yield env.event() if due == math.inf else env.timeout(max(0, due - env.now))
            except simpy.Interrupt as interrupt:
                if interrupt.cause is not _EARLIER:
                    self.loop.on_earlier(None)
                    return
                due = -math.inf

    def _look_again(self) -> None:
        self.heard()
        self.process.interrupt(_EARLIER)

    def task(self, coroutine: Coroutine[Any, Any, Any]) -> TaskEvent:
        """Start a coroutine on the loop; a process may yield what this returns."""
        return TaskEvent(self.env, self.create_task(coroutine))

    async def wait(self, event: simpy.Event) -> Any:
        """Wait for a SimPy event from a coroutine: return its value, or raise its error."""
        return await _future_of(event, self.env, self.loop, self.catch_up)

    def _is_driven(self) -> bool:
        return bool(self.process.is_alive)


class LoopEnvironment(simpy.Environment):  # type: ignore[misc]  # as above
    """A SimPy environment inside an asyncio loop, whose clock runs it in place of ``run``.

    Args:
        loop: The loop, simulated or not; by default the one that runs.

    Example:
        >>> import asyncio, simloop
        >>> from simloop.embed.simpy import LoopEnvironment
        >>> async def main():
        ...     env = LoopEnvironment()
        ...     def machine():
        ...         yield env.timeout(5)
        ...         return f"part at {env.now}"
        ...     await asyncio.sleep(1)
        ...     return await env.wait(env.process(machine()))
        >>> simloop.run(main())
        'part at 6.0'
    """

    _now: float  # SimPy's own.

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self._alarm: asyncio.TimerHandle | None = None
        self._is_stepping = False
        super().__init__(self._loop.time())

    @property
    def now(self) -> float:
        """The loop's time."""
        if not self._is_stepping:
            self._now = max(self._now, self._loop.time())
        return self._now

    def schedule(self, event: simpy.Event, priority: Any = NORMAL, delay: float = 0) -> None:
        """Schedule an event, counted from the loop's time."""
        self._now = self.now
        super().schedule(event, priority, delay)
        if not self._is_stepping:
            self._set_alarm()

    def run(self, until: Any = None) -> Any:
        """Refuse: the environment is run by the loop.

        Raises:
            UsageError: Always; :meth:`wait` is what waits for an event.
        """
        raise UsageError(
            f"run(until={until!r}) would leave the loop's clock behind, which runs this"
            " environment; await env.wait(event), or sleep"
        )

    def _set_alarm(self) -> None:
        """Set the loop's timer to when the next event is due."""
        when = self.peek()
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None if when == math.inf else self._loop.call_at(when, self._go, when)

    def _go(self, target: float) -> None:
        """Process what is due; an error that is not handled goes to the loop's handler."""
        self._is_stepping = True
        try:
            while self.peek() <= target:
                self.step()
        finally:
            self._is_stepping = False
            self._set_alarm()

    async def wait(self, event: simpy.Event) -> Any:
        """Wait for an event from a coroutine: return its value, or raise its error."""
        return await _future_of(event, self, self._loop, lambda: None)


def _future_of(
    event: Any, env: simpy.Environment, loop: asyncio.AbstractEventLoop, before: Any
) -> Any:
    """Return a future that is done when an event is processed; cancelled, it lets go of it."""
    if not isinstance(event, simpy.Event) or event.env is not env:
        raise UsageError(f"wait({event!r}) takes an event of this environment, {env!r}")
    future: asyncio.Future[Any] = loop.create_future()

    def done(event: simpy.Event) -> None:
        if future.done():
            return
        before()
        if event.ok:
            future.set_result(event.value)
        else:
            event.defused = True
            future.set_exception(event.value)

    if event.callbacks is None:
        done(event)
    else:
        event.callbacks.append(done)
    return future
