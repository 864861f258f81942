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

from typing import TYPE_CHECKING, Any

from simloop._kernel import NEVER, ThreadKernel
from simloop.errors import SimError, UsageError

from .driving import Driving
from .executors import Executors
from .signal_handlers import Signals

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SecondaryLoop"]


class SecondaryLoop(Driving, Executors, Signals):
    """The part of a loop that lets another thread of the run have it."""

    _is_detached = False
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
        """Let others run until then; at least once each, if that is now."""
        scheduler, now_ns = self._scheduler, self._kernel.now_ns
        if until_ns <= now_ns:
            if scheduler.current is not None:
                scheduler.current.sleep(0)
            elif scheduler.awake:
                scheduler.waiter(self, 0).park()
            return
        timeout_ns = None if until_ns >= NEVER else until_ns - now_ns
        self._waiter = waiter = scheduler.waiter(self, timeout_ns)
        try:
            if not self._kernel.has_work():
                waiter.park()
        finally:
            self._waiter = None
            waiter.end()

    def _cut_short(self) -> None:
        if self._waiter is not None:
            self._waiter.wake()

    def _heard_from_outside(self) -> None:
        if not (self._is_detached and self._scheduler.has_turn()):
            super()._heard_from_outside()

    def close(self) -> None:
        """Close the loop, with what the world holds of it."""
        if self._is_detached and not self._closed and not self.is_running():
            self._world.kernel.drop(self)
        super().close()

    # What only the world's first loop can do ------------------------------------------------

    def add_signal_handler(  # type: ignore[override]  # typeshed's TypeVarTuple says no more
        self, sig: int, callback: Callable[..., object], *args: Any
    ) -> None:
        """Run ``callback(*args)`` as a step when the signal is delivered.

        Raises:
            RuntimeError: The loop is not the main thread's, as asyncio has it.
        """
        if self._is_detached and self._scheduler.current is not None:
            raise RuntimeError("set_wakeup_fd only works in main thread of the main interpreter")
        super().add_signal_handler(sig, callback, *args)

    def _check_drivable(self, call: str) -> None:
        if self._is_detached:
            raise UsageError(
                f"{call}() on a loop that a thread inside a run made for itself: only its thread"
                " runs it, by run_forever() or run_until_complete(); drive the world's first loop"
                " instead"
            )
