"""A loop whose clock is its driver's: the simulator, or other loop, that decides when it runs.

Owns: making such a loop, bringing its clock to the driver's time before anything touches it,
running what is due, and its end. A loop that is not driven stays where it was left, so a timer that
the driver sets on it would be counted from there; through these methods it is counted from now.

Must not know: how the driver waits, which its own adapter says.

Invariant: an option that could not take effect is refused: options of a new loop beside a loop
that was given, and the time, which is the driver's.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from simloop import SimLoop
from simloop._kernel import nanoseconds
from simloop.errors import UsageError
from simloop.world.failed_run import keeping_limits, let_clean_up
from simloop.world.run_options import RunOptions
from simloop.world.world import world_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

__all__ = ["Driven", "DrivenProcess", "call_now", "end", "new_loop"]

_FOREIGN = {
    "start_time": "the loop starts at the time of the simulator that drives it",
    "real_step_limit": "the simulator that drives the loop takes its steps",
    "realtime": "the pace is that of the simulator that drives the loop",
}
"""Options of :func:`simloop.run` that mean nothing to a loop that is driven."""


def new_loop(call: str, options: Mapping[str, Any], start_time: float | None = None) -> SimLoop:
    """Make a loop by the options of :func:`simloop.run`, at the driver's time.

    Raises:
        UsageError: An option is not known, or could not take effect.
    """
    chosen = RunOptions.of(call, options, foreign=_FOREIGN)
    if chosen.world is None:
        chosen = chosen._replace(start_time=start_time)
    world = world_of(call, chosen)
    chosen.set_limits(world)
    loop = SimLoop(world=world, autojump=chosen.autojump)
    if chosen.debug is not None:
        loop.set_debug(chosen.debug)
    return loop


class Driven:
    """The part that all drivers share; a subclass says what time it is."""

    def __init__(self, loop: SimLoop) -> None:
        self.loop = loop
        self._heard: float | None = None

    def now(self) -> float:
        """Return the driver's time, in the loop's seconds."""
        raise NotImplementedError

    def heard(self) -> None:
        """Take note that something was scheduled on the loop from outside; from any thread."""
        if self._heard is None:
            self._heard = self.now()

    def _arrive(self) -> None:
        """Move the clock to the moment at which something was scheduled from outside.

        Nothing else is ready: a driver runs all that is.
        """
        if self._heard is None:
            return
        heard_ns, self._heard = nanoseconds(self._heard), None
        kernel = self.loop.world.kernel
        arrival_ns = min(heard_ns, kernel.wheel.next_ns())
        if arrival_ns > kernel.now_ns:
            kernel.move_to(arrival_ns)

    def catch_up(self) -> None:
        """Bring the loop's clock to the driver's time; what is due exactly then has yet to run."""
        if self.loop.is_running() or self.loop.is_closed():
            return
        self._arrive()
        if self.now() > self.loop.time():
            self.loop.run_until(self.now(), inclusive=False)

    def run_due(self) -> float:
        """Run everything that is due by now; return when the next callback is, ``inf`` if never."""
        self._arrive()
        self.loop.run_until(max(self.now(), self.loop.time()))
        return self.loop.peek()

    def call(self, callback: Callable[..., Any], *args: Any) -> asyncio.Handle:
        """Schedule a callback on the loop, now."""
        self.catch_up()
        return self.loop.call_soon(callback, *args)

    def create_task(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a coroutine on the loop, now."""
        self.catch_up()
        return self.loop.create_task(coroutine)


class DrivenProcess(Driven):
    """A loop that is a process of its driver, from its making to its end.

    Args:
        loop: The loop, or None for a new one.
        options: What a new one is made by; for one that was given there may be none.
    """

    def __init__(self, loop: SimLoop | None, options: Mapping[str, Any]) -> None:
        call = f"{type(self).__name__}()"
        if loop is None:
            loop = new_loop(call, options, self.now())
        elif options:
            told = ", ".join(f"{name}={value!r}" for name, value in options.items())
            raise UsageError(
                f"{call} got {told} beside a loop, which has its own: make the loop with them, or"
                " leave it out"
            )
        super().__init__(loop)

    def _is_driven(self) -> bool:
        """Return whether the driver still runs the loop, so that both clocks go together."""
        raise NotImplementedError

    def close(self) -> None:
        """Cancel the tasks on the loop, let them clean up, and close it."""
        self.loop.on_earlier(None)
        if self._is_driven():
            self.catch_up()
        end(self.loop)


def call_now(loop: SimLoop, callback: Callable[..., object], *args: Any) -> list[Exception]:
    """Schedule a call for when the loop is driven next; the list holds its error after that.

    An error of a callback goes to the loop's handler; one of the driver's own is for the driver.
    """
    failed: list[Exception] = []

    def call() -> None:
        try:
            callback(*args)
        except Exception as error:  # noqa: BLE001 - whatever it is, the driver raises it
            failed.append(error)

    loop.call_soon(call)
    return failed


def end(loop: SimLoop) -> None:
    """Cancel what is left on a loop, let it clean up, and close the loop, as ``asyncio.run`` does.

    What waits for the driver, which does not run now, is left where it is. Limits that ended the
    world make room for the cleanup, which has its own.

    Raises:
        LimitError: The cleanup itself does not end.
    """
    if loop.is_closed():
        return
    finishing = loop.create_task(_finish(loop))
    finishing._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's, for its own
    try:
        with loop.world.inside(), keeping_limits(loop.world):  # Once, and not for each step.
            let_clean_up(loop.world)
            while not finishing.done() and loop.step():
                pass
    finally:
        loop.close()


async def _finish(loop: SimLoop) -> None:
    tasks = [task for task in asyncio.all_tasks(loop) if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()
