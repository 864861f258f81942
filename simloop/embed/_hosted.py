"""A loop whose clock is the host's.

Owns: bringing the loop's clock to the host's time before anybody touches the loop, running what is
due, and the loop's end. A loop that is not driven stands where it was left, so a timer that the
host sets on it would be counted from there; through these methods it is counted from now.

Must not know: how the host waits, which its own adapter says.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from simloop._kernel import nanoseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from simloop import SimLoop

__all__ = ["Hosted", "call_now", "end"]

_ENDING_STEPS = 100_000
"""How many steps the tasks of a loop get to clean up when it is closed."""


class Hosted:
    """The part that all hosts share; a subclass says what time it is."""

    def __init__(self, loop: SimLoop) -> None:
        self.loop = loop
        self._heard: float | None = None

    def now(self) -> float:
        """Return the host's time, in the loop's seconds."""
        raise NotImplementedError

    def heard(self) -> None:
        """Take note that something was scheduled on the loop from outside; from any thread."""
        if self._heard is None:
            self._heard = self.now()

    def _arrive(self) -> None:
        """Let what was scheduled from outside find the clock where it was at that moment.

        Nothing else is ready: whoever drives a loop runs all that is.
        """
        if self._heard is None:
            return
        heard_ns, self._heard = nanoseconds(self._heard), None
        kernel = self.loop.world.kernel
        arrival_ns = min(heard_ns, kernel.wheel.next_ns())
        if arrival_ns > kernel.now_ns:
            kernel.move_to(arrival_ns)

    def catch_up(self) -> None:
        """Bring the loop's clock to the host's time; what is due exactly then has yet to run."""
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


def call_now(loop: SimLoop, callback: Callable[..., object], *args: Any) -> list[Exception]:
    """Have the loop call this when it is driven next; the list holds its error after that.

    An error of a callback goes to the loop's handler; one of the host's own is to reach the host.
    """
    failed: list[Exception] = []

    def call() -> None:
        try:
            callback(*args)
        except Exception as error:  # noqa: BLE001 - whatever it is, the host raises it
            failed.append(error)

    loop.call_soon(call)
    return failed


def end(loop: SimLoop) -> None:
    """Cancel what is left on a loop, let it clean up, and close the loop, as ``asyncio.run`` does.

    What waits for the host, which does not run now, is left where it is. Limits that ended the
    world make room for the cleanup, which has its own.

    Raises:
        LimitError: The cleanup itself does not end.
    """
    if loop.is_closed():
        return
    loop.world.limit(max_steps=loop.world.steps + _ENDING_STEPS, livelock_steps=_ENDING_STEPS)
    finishing = loop.create_task(_finish(loop))
    finishing._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's, for its own
    try:
        with loop.world.inside():  # Once, and not for each step.
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
