"""Driving a loop: from outside, step by step, and from inside, by ``advance``.

Owns: the calls by which another program (a simulator, another loop, a test) decides when this loop
runs and how far its clock goes. The words are SimPy's.

Invariants:

- A driving call leaves the thread as it found it: running loop, current task, generator hooks.
- Driving a loop from inside itself, or from inside another loop of its world, is refused.
- However a program is driven, its steps are the same and in the same order.
- A signal's handler that raises loses none of them: it is called between two.
- A float that the clock shows is that moment, also where floats are too coarse for nanoseconds:
  ``run_until(peek())`` runs something, and ``run_until(time())`` is not in the past.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from simloop._kernel import NS_PER_SECOND, nanoseconds, seconds, shown
from simloop._loop.state import LoopState
from simloop._sandbox import shield, unshield
from simloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simloop._kernel import TimerHandle

__all__ = ["Driving"]


class Driving(LoopState):
    """The part of a loop that others drive."""

    _advancing: asyncio.Future[None] | None = None

    @property
    def autojump(self) -> bool:
        """Whether the clock jumps to the next deadline when nothing is ready.

        If not, only :meth:`advance` and the driving calls move it.

        Raises:
            UsageError: It is set to something that is neither true nor false.
        """
        return self._kernel.autojump

    @autojump.setter
    def autojump(self, value: bool) -> None:
        if value is not True and value is not False:
            raise UsageError(f"loop.autojump = {value!r}; it takes True or False")
        self._kernel.autojump = value

    # From inside ---------------------------------------------------------------------------

    async def advance(self, duration: float) -> None:
        """Advance the clock by ``duration`` seconds, with each callback at its own time.

        Runs what is due on the way, also what is scheduled on the way, and returns when nothing
        is left to do at the target time, which the clock then shows exactly.

        Raises:
            UsageError: The duration is negative or no number, another task advances already, or
                this is awaited in another loop, which would drive this one by :meth:`run_for`.

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
        if asyncio._get_running_loop() is not self:
            raise UsageError(
                f"advance({duration!r}) is for coroutines of the loop itself; call"
                f" loop.run_for({duration!r}) from outside of it"
            )
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
        """Return the time of the next callback: now if one is ready, ``inf`` if there is none.

        In seconds of the loop's clock, which it does not move.

        Example:
            >>> import simloop
            >>> loop = simloop.SimLoop()
            >>> loop.peek()
            inf
            >>> handle = loop.call_later(10, print, "ten")
            >>> loop.peek(), loop.time()
            (10.0, 0.0)
            >>> loop.close()
        """
        when_ns = self._kernel.peek_ns()
        if self._kernel.earlier is not None:
            self._kernel.earlier.peeked(when_ns)
        return seconds(when_ns)

    def on_earlier(self, callback: Callable[[], object] | None) -> None:
        """Call back when something is due before what :meth:`peek` last returned.

        A driver that sleeps until the next deadline can be woken by it. It is called at most once
        per :meth:`peek`, without arguments, by the code that scheduled the earlier callback: from
        another thread if that used ``call_soon_threadsafe``, and never while the loop is driven.
        A world has one such driver, the last that called this; None ends it.

        Raises:
            UsageError: The loop runs, or the callback is none, or a thread of the run has the loop,
                which is no driver's then.

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
        self._check_drivable("on_earlier")
        if self._kernel.is_running:
            raise UsageError("on_earlier() is for the driver of a loop; the loop itself runs now")
        if callback is not None:
            self._check_closed()
            _check_callback("on_earlier", callback)
        self._kernel.tell_earlier(callback)
        for loop in self._world.loops:
            loop._take_queue()

    def step(self) -> bool:
        """Run one ready callback, jumping first if none is ready; false if nothing can run.

        Raises:
            UsageError: It was called from inside the world, or another thread runs it; so do the
                other driving calls.

        Example:
            >>> import simloop
            >>> loop = simloop.SimLoop()
            >>> handles = [loop.call_later(5, print, "five"), loop.call_soon(print, "now")]
            >>> loop.step(), loop.step(), loop.step(), loop.time()
            now
            five
            (True, True, False, 5.0)
            >>> loop.close()
        """
        with self._driven("step"):
            return self._kernel.step()

    def run_ready(self) -> None:
        """Run everything that is ready at this time, and what it makes ready.

        Example:
            >>> import simloop
            >>> loop = simloop.SimLoop()
            >>> handles = [loop.call_soon(loop.call_soon, print, "now"), loop.call_later(5, print)]
            >>> loop.run_ready()
            now
            >>> loop.peek()
            5.0
            >>> loop.close()
        """
        with self._driven("run_ready"):
            self._kernel.run_until(self._kernel.now_ns)

    def run_for(self, duration: float) -> None:
        """Run everything due within ``duration`` seconds; the clock ends exactly there.

        Raises:
            UsageError: The duration is negative, or no finite number.

        Example:
            >>> import simloop
            >>> loop = simloop.SimLoop()
            >>> handle = loop.call_later(0.3, lambda: print("at", loop.time()))
            >>> for _ in range(4):
            ...     loop.run_for(0.1)
            at 0.3
            >>> loop.time()
            0.4
            >>> loop.close()
        """
        duration_ns = _duration_ns("run_for", duration)
        with self._driven("run_for"):
            self._kernel.run_until(self._kernel.now_ns + duration_ns)

    def run_until(self, time: float, *, inclusive: bool = True) -> None:
        """Run everything due up to ``time``; the clock ends exactly there.

        Args:
            time: Seconds of virtual time, not in the past.
            inclusive: Whether what is due exactly then runs too.

        Raises:
            UsageError: ``time`` lies in the loop's past, or is no finite number.

        Example:
            >>> import simloop
            >>> loop = simloop.SimLoop()
            >>> handle = loop.call_at(10, print, "ten")
            >>> loop.run_until(10, inclusive=False)
            >>> loop.time(), loop.peek()
            (10.0, 10.0)
            >>> loop.run_until(10)
            ten
            >>> loop.close()
        """
        first_ns, time_ns, last_ns = self._moment("run_until", time)
        kernel = self._kernel
        with self._driven("run_until"):
            if inclusive:
                kernel.run_until(time_ns)
                while kernel.peek_ns() <= last_ns:
                    kernel.run_until(kernel.peek_ns())
            else:
                kernel.run_until(first_ns, inclusive=False)
                kernel.move_to(max(kernel.now_ns, min(time_ns, kernel.peek_ns())))

    def run_until_idle(self) -> None:
        """Run until nothing is ready and no deadline is left.

        Tasks that wait for something that can never happen stay where they are: for a driver, that
        is no deadlock, since it may :meth:`inject` what they wait for.

        Raises:
            LimitError: The next deadline lies past the world's limit of time.

        Example:
            >>> import simloop
            >>> loop = simloop.SimLoop()
            >>> handle = loop.call_later(3600, print, "an hour later")
            >>> loop.run_until_idle()
            an hour later
            >>> loop.close()
        """
        with self._driven("run_until_idle"):
            self._kernel.run_until_idle()

    def inject(self, when: float, callback: Callable[..., Any], *args: Any) -> TimerHandle:
        """Schedule an event of the outside world at its time, which may be ahead of the clock.

        Args:
            when: The driver's time, in seconds of the loop's clock.
            callback: What happens then.
            *args: Its arguments.

        Returns:
            The timer's handle, by which it can be cancelled.

        Raises:
            UsageError: ``when`` is in the loop's past, where nothing can happen any more, or no
                time, or ``callback`` is none.

        Example:
            >>> import asyncio, simloop
            >>> loop, letters = simloop.SimLoop(), asyncio.Queue()
            >>> reader = loop.create_task(letters.get())
            >>> handle = loop.inject(5, letters.put_nowait, "a letter")
            >>> loop.run_until_idle()
            >>> reader.result(), loop.time()
            ('a letter', 5.0)
            >>> loop.close()
        """
        _check_callback("inject", callback)
        _, when_ns, _ = self._moment("inject", when)
        if when_ns / NS_PER_SECOND != when:
            return self._call_at_given(when, when_ns, callback, args, None, "inject")
        return self._call_at_ns(when_ns, callback, args, None, "inject")

    def _moment(self, call: str, time: float) -> tuple[int, int, int]:
        """Return the first, the nearest and the last moment to come that shows this time."""
        time_ns = _finite_ns(call, "time", time)
        first_ns, last_ns = shown(time)
        now_ns = self._kernel.now_ns
        if last_ns < now_ns:
            raise UsageError(
                f"{call}({time!r}) lies in the past: the loop's time is {self.time()!r} s, and it"
                " never goes back"
            )
        return max(first_ns, now_ns), min(max(time_ns, first_ns, now_ns), last_ns), last_ns

    @contextmanager
    def _driven(self, call: str) -> Iterator[None]:
        """Make this the running loop for one driving call."""
        self._check_drivable(call)
        self._check_closed()
        if self._kernel.is_running:
            raise UsageError(f"{call}() drives the loop from outside, and {self._who_runs()}")
        limits = self._kernel.limits
        shields = shield(limits)
        try:
            with self._world.inside():
                outer = self._begin()
                try:
                    yield
                finally:
                    self._end(outer)
        finally:
            unshield(shields)
            limits.make_deferred()

    def _check_drivable(self, call: str) -> None:
        """Refuse to let a driver have a loop that a thread of the run has."""
        if self._is_detached:
            raise UsageError(
                f"{call}() on a loop that a thread inside a run made for itself: only its thread"
                " runs it, by run_forever() or run_until_complete(); drive the world's first loop"
                " instead"
            )

    def _who_runs(self) -> str:
        loop: Any = self._kernel.current
        if loop is not None and loop._thread_id != self._world.real_ident():
            return "it runs in another thread now; drive it from one at a time"
        return "was called from inside its world; await loop.advance(seconds) there"


def _check_callback(call: str, callback: object) -> None:
    if not callable(callback):
        raise UsageError(f"{call}(): the callback must be callable, not {callback!r}")


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
