"""A SimLoop inside a live loop, paced by it: asyncio, trio, or another SimLoop.

Owns: waiting in the driver for the guest's next deadline, and waking when it moves forward. So a
real web page or a user interface, served by the driver, can watch and steer a simulation.

Invariants:

- The guest runs only in the driver's thread, in a task of the driver, a moment at a time.
- What the driver asks of the guest by these methods happens at the driver's time.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from simloop.errors import SimError, UsageError

from ._driven import Driven

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from simloop import SimLoop

__all__ = ["Live", "run_in_trio"]


class _Paced(Driven):
    """A guest whose clock goes with the driver's, times a factor."""

    def __init__(self, loop: SimLoop, factor: float, clock: Callable[[], float]) -> None:
        if not 0 < factor < math.inf:
            raise UsageError(
                f"factor={factor!r}; it takes the guest's seconds per second of the driver, above 0"
            )
        super().__init__(loop)
        self._factor = factor
        self._clock = clock
        self._origin = (clock(), loop.time())

    def now(self) -> float:
        """Return the guest's time that belongs to the driver's, in seconds."""
        driver, guest = self._origin
        return guest + (self._clock() - driver) * self._factor

    def pause(self) -> float:
        """Run what is due; return for how many of the driver's seconds nothing will be."""
        return max(0.0, (self.run_due() - self.now()) / self._factor)


class Live(_Paced):
    """A guest in an asyncio loop, running while this context is entered.

    Args:
        loop: The guest.
        factor: How many of its seconds go by in a second of the driver's.

    Example:
        >>> import asyncio, simloop
        >>> from simloop.embed.live import Live
        >>> async def driver():
        ...     guest = simloop.SimLoop()
        ...     async with Live(guest, factor=3600) as live:
        ...         await live.wait(live.create_task(asyncio.sleep(60)))
        ...     time = guest.time()
        ...     guest.close()
        ...     return time >= 60
        >>> asyncio.run(driver())
        True
    """

    def __init__(self, loop: SimLoop, *, factor: float = 1.0) -> None:
        self._driver = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._driving: asyncio.Task[None] | None = None
        super().__init__(loop, factor, self._driver.time)

    async def __aenter__(self) -> Self:
        self.loop.on_earlier(self._wake)
        self._driving = self._driver.create_task(self._drive(), name="simloop guest")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.loop.on_earlier(None)
        if self._driving is not None:
            self._driving.cancel()
            await asyncio.wait([self._driving])
            if not self._driving.cancelled():
                self._driving.result()

    def _wake(self) -> None:
        self.heard()
        self._driver.call_soon_threadsafe(self._changed.set)

    async def _drive(self) -> None:
        while True:
            self._changed.clear()
            pause = self.pause()
            timer = self._driver.call_later(pause, self._changed.set) if pause < math.inf else None
            try:
                await self._changed.wait()
            finally:
                if timer is not None:
                    timer.cancel()

    async def wait(self, task: asyncio.Future[Any]) -> Any:
        """Wait, in the driver, for a task or a future of the guest; return its result.

        Raises:
            BaseException: What the task raised, or what ended the guest.
            UsageError: The context is not entered, or was left meanwhile.
        """
        driving = self._entered("wait")
        done = asyncio.Event()
        task.add_done_callback(lambda _: done.set())
        waiter = self._driver.create_task(done.wait())
        try:
            await asyncio.wait([waiter, driving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiter.cancel()
        if not task.done():
            if driving.cancelled():
                raise UsageError(
                    f"the context of this guest was left while {task!r} was waited for"
                )
            driving.result()
        return task.result()

    def _entered(self, call: str) -> asyncio.Task[None]:
        """Return the task that drives the guest."""
        if self._driving is None or self._driving.cancelled():
            raise UsageError(f"{call}() would never end: the guest is driven in `async with` only")
        return self._driving

    async def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the guest, and wait for its result in the driver."""
        try:
            self._entered("run")
        except UsageError:
            coroutine.close()
            raise
        return await self.wait(self.create_task(coroutine))


async def run_in_trio(
    loop: SimLoop, coroutine: Coroutine[Any, Any, Any], *, factor: float = 1.0
) -> Any:
    """Run a coroutine on a guest, paced by trio's clock; return its result.

    Args:
        loop: The guest.
        coroutine: What to run on it.
        factor: How many of its seconds go by in a second of trio's.

    Raises:
        BaseException: What the coroutine raised.
        UsageError: The factor is not above 0.

    Example:
        >>> import asyncio, functools, simloop, trio
        >>> guest = simloop.SimLoop()
        >>> minute = asyncio.sleep(60, "a minute")
        >>> trio.run(functools.partial(run_in_trio, guest, minute, factor=3600))
        'a minute'
        >>> guest.close()
    """
    import trio  # noqa: PLC0415 - the other half of this file does without

    guest = _Paced(loop, factor, trio.current_time)
    token = trio.lowlevel.current_trio_token()
    changed = trio.Event()

    def wake() -> None:
        guest.heard()
        token.run_sync_soon(tell)

    def tell() -> None:
        changed.set()  # The present one, which the loop below makes anew.

    loop.on_earlier(wake)
    task = guest.create_task(coroutine)
    try:
        while True:
            changed = trio.Event()
            pause = guest.pause()
            if task.done():
                return task.result()
            with trio.move_on_after(pause):
                await changed.wait()
    finally:
        loop.on_earlier(None)
        if not task.done():
            task.cancel()
            with suppress(SimError):  # What has ended the world is told already.
                loop.run_ready()
