"""A clock that moves only when a test says so.

Owns: ``Clock``, which freezes a loop's time and advances it step by step. It must not know test
cases. A SimLoop does all of it by itself; on asyncio's own loops, ``loop.time`` is replaced and
their list of timers is read. Other loops (uvloop) keep their time out of reach, and
are refused.

Invariants:

- Each callback sees exactly the time for which it was set; the clock ends exactly at the target.
- Advancing never waits for real. What is ready, I/O included, happens while the clock stands still.
- A loop whose clock stands still and that has nothing else to wait for says so instead of hanging.
"""

from __future__ import annotations

import contextlib
import math
import threading
from asyncio import get_running_loop
from logging import getLogger
from typing import TYPE_CHECKING, Any, Protocol

import simloop
from asynctest_compat._mocks.coroutines import one_turn, yieldable
from asynctest_compat.selector import isfilemock

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Callable, Iterator

# asyncio's: advancing is reported where slow callbacks are.
_logger = getLogger("asyncio")

_SLICE_S = 0.1
_SLICES = 100
"""How often, of a slice each, threads that do something are waited for in real time."""

#: What every message about a clock that stands still says.
WAY_OUT = "the clock moves only when the test awaits advance(seconds)"


@contextlib.contextmanager
def told_way_out() -> Iterator[None]:
    """Add this package's way out to the error of a loop that waits for ever."""
    try:
        yield
    except simloop.DeadlockError as error:
        if WAY_OUT in str(error):
            raise
        raise simloop.DeadlockError(f"the test would wait for ever: {WAY_OUT}.\n{error}") from None


class _Hand(Protocol):
    """What moves the clock of one kind of loop."""

    def thaw(self) -> None: ...

    async def advance(self, seconds: float) -> None: ...


class Clock:
    """The clock of ``loop``, frozen until ``thaw``.

    ``alone``: whether it is the only clock that moves by ``advance``, and stands still when the
    program sleeps. So it is on asyncio's own loops in any case; a SimLoop's world has one clock
    otherwise.

    Also an object on its own, without a test case::

        with Clock(loop) as clock:
            ...
            await clock.advance(10)
    """

    def __init__(
        self, loop: AbstractEventLoop, start: float | None = None, *, alone: bool = False
    ) -> None:
        self.loop = loop
        self._hand = _hand_of(loop, start, alone=alone)

    def __enter__(self) -> Clock:  # noqa: PYI034  # final in spirit
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.thaw()

    def time(self) -> float:
        """Return the loop's time in seconds."""
        return self.loop.time()

    def thaw(self) -> None:
        """Give the loop its own time back."""
        self._hand.thaw()

    @yieldable
    async def advance(self, seconds: float) -> None:
        """Move the clock forward; each callback that comes due runs at its own time.

        ``advance(0)`` runs everything that is ready.

        Raises:
            ValueError: ``seconds`` is negative, infinite or not a number.

        """
        if seconds < 0:
            raise ValueError(f"Cannot go back in time ({seconds} seconds)")
        if not math.isfinite(seconds):
            raise ValueError(f"Cannot advance by {seconds} seconds: give a finite number")
        await self._hand.advance(seconds)


def _hand_of(loop: Any, start: float | None, *, alone: bool) -> _Hand:
    if isinstance(loop, simloop.SimLoop):
        return _VirtualHand(loop, alone=alone)
    if hasattr(loop, "_scheduled") and hasattr(loop, "_ready") and hasattr(loop, "_ssock"):
        return _StockHand(loop, start)
    raise simloop.UnsupportedError(
        f"the clock of {loop!r} can't be replaced: only those of a SimLoop and of asyncio's"
        " selector loops can. Set loop_factory = simloop.SimLoop"
    )


class _VirtualHand:
    """Move a SimLoop's clock, one advance after the other."""

    def __init__(self, loop: simloop.SimLoop, *, alone: bool) -> None:
        self._loop = loop
        self._alone = alone
        if alone:
            loop.world.detach_clocks()
        self._autojump = loop.autojump
        loop.autojump = False
        # Done when the advance ends that is under way; None if there is none.
        self._under_way: Future[None] | None = None

    def thaw(self) -> None:
        self._loop.autojump = self._autojump
        if self._alone:
            self._loop.world.attach_clocks()

    async def advance(self, seconds: float) -> None:
        if self._under_way is not None:
            await self._along(self._under_way, seconds)
            return
        self._under_way = self._loop.create_future()
        try:
            await self._loop.advance(seconds)
        finally:
            self._under_way.set_result(None)
            self._under_way = None
        if self._loop.get_debug() and seconds >= self._loop.slow_callback_duration:
            _logger.warning("Executing %s took %.3f seconds", "advance()", seconds)

    async def _along(self, under_way: Future[None], seconds: float) -> None:
        """Wait while another advance moves the clock, and do the rest if it ends before."""
        target = self._loop.time() + seconds
        reached: Future[None] = self._loop.create_future()
        timer = self._loop.call_at(target, _set, reached)
        under_way.add_done_callback(lambda _: _set(reached))
        try:
            await reached
        finally:
            timer.cancel()
        rest = target - self._loop.time()
        if rest > 0:
            await self.advance(rest)


def _set(future: Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class _StockHand:
    """Replace the time of one of asyncio's own loops."""

    def __init__(self, loop: Any, start: float | None) -> None:
        self._loop = loop
        self.now: float = loop.time() if start is None else start
        self._own_select: Callable[[float | None], Any] = loop._selector.select
        loop.time = lambda: self.now
        loop._selector.select = self._select

    def thaw(self) -> None:
        del self._loop.time
        if not self._loop.is_closed():
            del self._loop._selector.select

    async def advance(self, seconds: float) -> None:
        target = self.now + seconds
        await self._settle()
        while (next_time := self._next_deadline()) <= target:
            self.now = next_time
            await self._settle()
        self.now = target
        await self._settle()

    def _next_deadline(self) -> float:
        return min(
            (timer.when() for timer in self._loop._scheduled if not timer.cancelled()),
            default=math.inf,
        )

    async def _settle(self) -> None:
        """Run until nothing is ready and no timer is due at this time."""
        while self._loop._ready or self._next_deadline() <= self.now:
            await one_turn()

    def _select(self, timeout: float | None = None) -> Any:
        if timeout is not None and timeout <= 0:
            return self._own_select(timeout)
        ready = self._own_select(0)
        # Threads that idle look like threads at work, so their time is limited.
        for _ in range(_SLICES):
            if ready or not self._may_be_woken():
                break
            ready = self._own_select(_SLICE_S)
        if ready or self._watches_files():
            return ready or self._own_select(timeout)
        raise simloop.DeadlockError(
            f"nothing is ready, and the clock stands still at {self.now} s (the next timer is set"
            f" for {self._next_deadline()} s): {WAY_OUT}"
        )

    def _may_be_woken(self) -> bool:
        """Return whether a thread or a real file could still make something ready."""
        return threading.active_count() > 1 or self._watches_files()

    def _watches_files(self) -> bool:
        """Return whether a real file is watched."""
        own = self._loop._ssock.fileno()  # by which a loop wakes itself up
        keys = self._loop._selector.get_map().values()
        return any(not isfilemock(key.fileobj) and key.fd != own for key in keys)


@contextlib.contextmanager
def frozen_clock(loop: AbstractEventLoop | None = None) -> Iterator[Clock]:
    """Freeze the clock of ``loop``, by default of the running one, for a ``with`` block.

    >>> import asyncio
    >>> async def main():
    ...     with frozen_clock() as clock:
    ...         task = asyncio.create_task(asyncio.sleep(3600, "an hour later"))
    ...         await clock.advance(3600)
    ...     return task.result()
    >>> asyncio.run(main())
    'an hour later'
    """
    with Clock(loop or get_running_loop()) as clock:
        yield clock
