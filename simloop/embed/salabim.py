"""A SimLoop in a salabim simulation, as one of its components.

Owns: :class:`LoopComponent`, and the states by which components wait for coroutines and coroutines
for components. Both kinds of salabim's environments will do: yieldless ones, and those whose
processes are generators.

Invariants:

- Inside either, ``loop.time()`` and ``env.now()`` show the same time, but for rounding.
- The loop runs only in its component's process, in salabim's thread.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import salabim

from ._driven import DrivenProcess

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Generator

    from simloop import SimLoop

    class _State:
        """What is used here of salabim's states; type checkers can't see into them."""

        def __init__(self, **options: Any) -> None: ...

        def set(self, value: Any = True) -> None: ...  # noqa: FBT002 - salabim's

else:
    _State = salabim.State

__all__ = ["LoopComponent", "TaskState"]


class TaskState(_State):
    """A task as a salabim state: it becomes true when the task is done, however it ended.

    Example:
        >>> import asyncio, salabim
        >>> from simloop.embed.salabim import LoopComponent
        >>> env = salabim.Environment(yieldless=False)
        >>> guest = LoopComponent(env)
        >>> done = guest.task(asyncio.sleep(5, "rested"))
        >>> env.run(till=10)
        >>> done.get(), done.result()
        (True, 'rested')
        >>> guest.close()
    """

    task: asyncio.Task[Any]

    def result(self) -> Any:
        """Return the task's result, or raise its error."""
        return self.task.result()


class LoopComponent(DrivenProcess):
    """A loop as a component of a salabim environment.

    Args:
        env: The environment; its unit of time is the second.
        loop: The loop; by default a new one that starts at the environment's time.
        **options: What :func:`simloop.run` takes, for a new loop: ``seed``, ``max_time``, ...

    Example:
        >>> import asyncio, salabim
        >>> from simloop.embed.salabim import LoopComponent
        >>> env = salabim.Environment(yieldless=False)
        >>> guest = LoopComponent(env)
        >>> async def work(order):
        ...     await asyncio.sleep(3)
        ...     return f"{order} done at {asyncio.get_running_loop().time()}"
        >>> class Machine(salabim.Component):
        ...     def process(self):
        ...         yield self.hold(5)
        ...         done = guest.task(work("bolts"))
        ...         yield self.wait(done)
        ...         print(done.result())
        >>> machine = Machine()
        >>> env.run()
        bolts done at 8.0
        >>> guest.close()
    """

    def __init__(
        self, env: salabim.Environment, loop: SimLoop | None = None, **options: Any
    ) -> None:
        self.env = env
        super().__init__(loop, options)
        self.component: Any = _component(env, "simloop", self._pause)
        self.loop.on_earlier(self._look_again)

    def now(self) -> float:
        """Return the environment's time."""
        return float(self.env.now())

    def _pause(self, component: salabim.Component) -> Any:
        """Run what is due, and have the component wait until something is."""
        when = self.run_due()
        return component.passivate() if when == math.inf else component.hold(till=when)

    def _look_again(self) -> None:
        self.heard()
        if self._is_driven():  # Else the component was cancelled, and the loop is left where it is.
            self.component.activate()

    def task(self, coroutine: Coroutine[Any, Any, Any]) -> TaskState:
        """Start a coroutine on the loop; a component may wait for the state that this returns."""
        state = TaskState(value=False, env=self.env)
        state.task = self.create_task(coroutine)
        state.task.add_done_callback(lambda _: state.set(True))
        return state

    async def wait(self, state: salabim.State, value: Any = True) -> None:  # noqa: FBT002 - salabim's
        """Wait in a coroutine until a state has a value."""
        future: asyncio.Future[None] = self.loop.create_future()

        def met() -> None:
            if not future.done():
                self.catch_up()
                future.set_result(None)

        waiter = _component(self.env, "simloop waiter", lambda it: it.wait((state, value)), met)
        try:
            await future
        finally:
            waiter.cancel()

    def _is_driven(self) -> bool:
        return not self.component.isdata()


def _component(
    env: salabim.Environment,
    name: str,
    pause: Callable[[salabim.Component], Any],
    met: Callable[[], None] | None = None,
) -> salabim.Component:
    """Make a component that pauses again and again, or once if something is to be met."""

    class Component(salabim.Component):  # type: ignore[misc]  # as above
        def live(self) -> None:
            """Be a process without yields, as salabim's default has it."""
            pause(self)
            while met is None:
                pause(self)
            met()

        def live_by_yields(self) -> Generator[Any, None, None]:
            """Be a generator."""
            yield pause(self)
            while met is None:
                yield pause(self)
            met()

    process = "live" if env.yieldless() else "live_by_yields"
    return Component(name=name, env=env, process=process)
