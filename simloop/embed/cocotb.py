"""A SimLoop in simulated hardware's time: asyncio drivers against a design, through cocotb.

Owns: giving the loop the simulator's time, and waiting for the simulator's triggers from
coroutines of asyncio. cocotb's coroutines and asyncio's are two kinds, each awaited only in its
own scheduler; this is the bridge.

Invariants:

- The loop runs only in the read-write phase of the simulator's time step, in cocotb's thread.
- The loop's nanoseconds are the simulator's; a deadline between two of its steps is met at the
  next one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cocotb
from cocotb.triggers import Event, First, Timer
from cocotb.utils import get_sim_steps, get_sim_time

from ._driven import DrivenProcess

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine

    from simloop import SimLoop

__all__ = ["Bench"]


class Bench(DrivenProcess):
    """A loop that lives in a cocotb test; make it inside of one.

    Args:
        loop: The loop; by default a new one that starts at the simulator's time.
        **options: What :func:`simloop.run` takes, for a new loop: ``seed``, ``max_time``, ...

    Example::

        @cocotb.test()
        async def test_it(dut):
            bench = Bench()
            answer = await bench.run(driver(bench, dut))  # an asyncio coroutine
    """

    def __init__(self, loop: SimLoop | None = None, **options: Any) -> None:
        super().__init__(loop, options)
        self._changed = Event()
        self.loop.on_earlier(self._wake)
        self._driving = cocotb.start_soon(self._drive())

    def now(self) -> float:
        """Return the simulator's time, in seconds."""
        return float(get_sim_time("step")) * self._step_s()

    @staticmethod
    def _step_s() -> float:
        return 1.0 / float(get_sim_steps(1, "sec"))

    def _wake(self) -> None:
        self.heard()
        self._changed.set()

    async def _drive(self) -> None:
        while True:
            self._changed.clear()
            due = self.run_due()
            if due == math.inf:
                await self._changed.wait()
            else:
                steps = math.ceil(round((due - self.now()) / self._step_s(), 3))
                await First(Timer(max(1, steps), "step"), self._changed.wait())

    async def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run an asyncio coroutine to its end, from a coroutine of cocotb; return its result."""
        done = Event()
        task = self.create_task(coroutine)
        task.add_done_callback(lambda _: done.set())
        await done.wait()
        return task.result()

    async def wait(self, trigger: Any) -> Any:
        """Wait for a trigger of cocotb, from a coroutine of asyncio; return what it gives."""
        future: asyncio.Future[Any] = self.loop.create_future()
        waiter = cocotb.start_soon(self._await(trigger, future))
        try:
            return await future
        finally:
            waiter.cancel()

    async def _await(self, trigger: Any, future: asyncio.Future[Any]) -> None:
        result = await trigger
        if not future.done():
            self.catch_up()
            future.set_result(result)

    def close(self) -> None:
        """Stop driving the loop, let its tasks clean up, and close it."""
        self._driving.cancel()
        super().close()

    def _is_driven(self) -> bool:
        return True  # Until its end: cocotb's clock is there as long as the test is.
