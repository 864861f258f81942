"""Secondary loops: those that a program makes inside a run, for threads of its own.

Owns: what ``asyncio.new_event_loop()`` gives inside a run. Such a loop lives in the same world, on
the same host and under the same clock, and whichever thread of the run calls ``run_forever`` runs
it: its callbacks are steps of that thread (:mod:`simloop._threads.sim_thread`), so they may block,
and while the loop has nothing to do the thread waits, as one that selects does. A loop that was
made before any other ran, and is first run by such a thread, detaches its schedule then.

Must not know: how threads take turns.

Invariants:

- A detached loop keeps its own ready queue and timers, and never goes back.
- Its errors that are the world's (a passed limit) end the world's run, too.
"""

from __future__ import annotations

from typing import Any

from simloop._kernel import NEVER, ThreadKernel
from simloop._loop.state import LoopState
from simloop.errors import SimError

__all__ = ["SecondaryLoop"]


class SecondaryLoop(LoopState):
    """The part of a loop that lets another thread of the run have it.

    It comes before the part that runs loops: its :meth:`run_forever` is around that one's.
    """

    _waiter: Any = None

    def detach_schedule(self) -> None:
        """Keep a schedule of its own from now on, which the thread that runs the loop runs."""
        self._is_detached = True
        side = ThreadKernel(self._kernel, self._wait_aside, self._cut_short)
        side.take_over(self)
        side.stuck = self._kernel.stuck
        self._kernel = side
        self._wheel = side.wheel
        self._take_queue()
        if self._debug:
            side.measure(enabled=True)

    def run_forever(self) -> None:
        """Run until :meth:`stop` is called."""
        scheduler = self._scheduler
        if not self._is_detached and scheduler.holds(self._world.real_ident()):
            self.detach_schedule()
        try:
            super().run_forever()
        except SimError as error:
            if self._is_detached:
                scheduler.real_work.fail(error)
            raise

    def _wait_aside(self, until_ns: int) -> None:
        """Block until then while others run; at least once each, if that is now."""
        scheduler, now_ns = self._scheduler, self._kernel.now_ns
        if until_ns <= now_ns:
            if scheduler.current is not None:
                scheduler.current.sleep(0)
            elif scheduler.awake:
                scheduler.waiter(self, 0).park()
            return
        timeout_ns = None if until_ns >= NEVER else until_ns - now_ns
        self._waiter = waiter = scheduler.waiter(self, timeout_ns, is_true=True)
        try:
            if not self._kernel.has_work():
                waiter.park()
        finally:
            self._waiter = None
            waiter.end()

    def _cut_short(self) -> None:
        if self._waiter is not None:
            self._waiter.wake()

    def _end_detached(self) -> None:
        """Drop what the world's kernel holds of the loop, because it closes."""
        if self._is_detached:
            self._world.kernel.drop(self)
