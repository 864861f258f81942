"""Driving a loop: from outside, step by step, and from inside, by ``advance``.

Owns: the calls by which another program (a simulator, another loop, a test) decides when this loop
runs and how far its clock goes. The words are SimPy's.

Invariants:

- A driving call leaves the thread as it found it: running loop, current task, generator hooks.
- Driving a loop from inside itself, or from inside another loop of its world, is refused.
- However a program is driven, its steps are the same and in the same order.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from simloop._kernel import nanoseconds, seconds
from simloop.errors import UsageError

from .lifecycle import Lifecycle

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from simloop._kernel import TimerHandle

__all__ = ["Driving"]


class Driving(Lifecycle):
    """The part of a loop that others drive."""

    def __init__(self, **options: Any) -> None:
        self._advancing: asyncio.Future[None] | None = None
        super().__init__(**options)

    @property
    def autojump(self) -> bool:
        """Whether the clock jumps to the next deadline when nothing is ready.

        If not, only :meth:`advance` and the driving calls move it.
        """
        return self._kernel.autojump

    @autojump.setter
    def autojump(self, value: bool) -> None:
        self._kernel.autojump = value

    # From inside ---------------------------------------------------------------------------

    async def advance(self, duration: float) -> None:
        """Let ``duration`` seconds of virtual time pass: each callback at its own time.

        Runs what is due on the way, also what is scheduled on the way, and returns when nothing
        is left to do at the target time, which the clock then shows exactly.

        Raises:
            UsageError: The duration is negative or no number, or another task advances already.

        Example:
            >>> import asyncio, simloop
            >>> async def main():
            ...     loop = asyncio.get_running_loop()
            ...     loop.autojump = False
            ...     task = asyncio.create_task(asyncio.sleep(3600, "done"))
            ...     await loop.advance(3600)
            ...     return task.result(), loop.time()
            >>> simloop.run(main())
            ('done', 3600.0)
        """
        target_ns = self._kernel.now_ns + _duration_ns("advance", duration)
        if self._advancing is not None:
            raise UsageError(
                f"advance({duration!r}) while another task advances the clock; await one call"
                " after the other"
            )
        self._advancing = waiter = self.create_future()
        handle = self._call_at_ns(target_ns, self._settle, (waiter,), None, "advance")
        self._kernel.reach(target_ns)
        try:
            await waiter
        finally:
            handle.cancel()
            self._advancing = None
            self._kernel.reach(None)

    def _settle(self, waiter: asyncio.Future[None]) -> None:
        """End an advance as soon as nothing else is left to do at this time."""
        if waiter.done():
            return
        if self._kernel.peek_ns() <= self._kernel.now_ns:
            self.call_soon(self._settle, waiter)
        else:
            waiter.set_result(None)

    # From outside --------------------------------------------------------------------------

    def peek(self) -> float:
        """Return the time of the next callback: now if one is ready, ``inf`` if there is none."""
        when_ns = self._kernel.peek_ns()
        if self._kernel.earlier is not None:
            self._kernel.earlier.asked(when_ns)
        return seconds(when_ns)

    def on_earlier(self, callback: Callable[[], object] | None) -> None:
        """Tell the host when something is due before what :meth:`peek` last told it.

        A host that sleeps until the next deadline can be woken by it. It is called at most once
        per :meth:`peek`, without arguments, by whoever scheduled the earlier callback: from
        another thread if that used ``call_soon_threadsafe``, and never while the loop is driven.
        A world has one such host, the last that called this; None ends it.

        Raises:
            UsageError: The loop runs.

        Example:
            >>> import simloop
            >>> loop = simloop.SimLoop()
            >>> loop.on_earlier(lambda: print("look again"))
            >>> handle = loop.call_later(10, print, "ten")
            look again
            >>> loop.peek()
            10.0
            >>> handles = [loop.call_later(delay, print, delay) for delay in (15, 5, 2)]
            look again
            >>> loop.close()
        """
        if self._kernel.is_running:
            raise UsageError("on_earlier() is for the host of a loop; the loop itself runs now")
        self._kernel.tell_earlier(callback)
        for loop in self._world.loops:
            loop._take_queue()

    def step(self) -> bool:
        """Run one ready callback, jumping first if none is ready; false if nothing can run."""
        with self._driven("step"):
            return self._kernel.step()

    def run_ready(self) -> None:
        """Run everything that is ready at this time, and what it makes ready."""
        with self._driven("run_ready"):
            self._kernel.run_until(self._kernel.now_ns)

    def run_for(self, duration: float) -> None:
        """Run everything due within ``duration`` seconds; the clock ends exactly there."""
        duration_ns = _duration_ns("run_for", duration)
        with self._driven("run_for"):
            self._kernel.run_until(self._kernel.now_ns + duration_ns)

    def run_until(self, time: float, *, inclusive: bool = True) -> None:
        """Run everything due up to ``time``; the clock ends exactly there.

        Args:
            time: Seconds of virtual time, not in the past.
            inclusive: Whether what is due exactly then runs too.
        """
        target_ns = self._time_ns("run_until", time)
        with self._driven("run_until"):
            self._kernel.run_until(target_ns, inclusive=inclusive)

    def run_until_idle(self) -> None:
        """Run until nothing is ready and no deadline is left."""
        with self._driven("run_until_idle"):
            self._kernel.run_until_idle()

    def inject(self, when: float, callback: Callable[..., Any], *args: Any) -> TimerHandle:
        """Schedule an event of the outside world at its time, which may be ahead of the clock.

        Raises:
            UsageError: ``when`` is in the loop's past, where nothing can happen any more.
        """
        return self._call_at_ns(self._time_ns("inject", when), callback, args, None, "inject")

    def _time_ns(self, call: str, time: float) -> int:
        time_ns = _finite_ns(call, "time", time)
        if time_ns < self._kernel.now_ns:
            raise UsageError(
                f"{call}({time!r}) lies in the past: the loop's time is {self.time()!r} s, and it"
                " never goes back"
            )
        return time_ns

    @contextmanager
    def _driven(self, call: str) -> Iterator[None]:
        """Make this the running loop for one driving call."""
        self._check_closed()
        if self._kernel.is_running:
            raise UsageError(
                f"{call}() drives the loop from outside, and was called from inside its world;"
                " await loop.advance(seconds) there"
            )
        with self._world.inside():
            outer = self._begin()
            try:
                yield
            finally:
                self._end(outer)


def _finite_ns(call: str, what: str, value: float) -> int:
    try:
        value_ns = nanoseconds(value)
    except (TypeError, ValueError):
        raise UsageError(f"{call}({value!r}): the {what} must be a number of seconds") from None
    if not -(1 << 100) < value_ns < 1 << 100:
        raise UsageError(f"{call}({value!r}): the {what} must be finite")
    return value_ns


def _duration_ns(call: str, duration: float) -> int:
    duration_ns = _finite_ns(call, "duration", duration)
    if duration_ns < 0:
        raise UsageError(f"{call}({duration!r}): time does not go back; give seconds from 0 on")
    return duration_ns
