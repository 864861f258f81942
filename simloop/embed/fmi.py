"""Co-simulation in FMI's manner: a master gives the loop a step, the loop says how far it came.

Owns: the protocol of a step: from where to where, whether an event ended it early, when the next
event is due. The names are those of FMI 3's ``fmi3DoStep``; what carries the calls (an FMU around
Python, a master in the same process) is not this file's concern.

Invariants:

- Steps are contiguous: each begins where the one before it ended. There is no rolling back.
- After a step the clock is exactly at ``last_successful_time``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from simloop._kernel import nanoseconds, seconds
from simloop.errors import UsageError

if TYPE_CHECKING:
    from simloop import SimLoop

__all__ = ["CoSimulation", "StepResult"]


@attrs.frozen
class StepResult:
    """How a step of :class:`CoSimulation` went; times in seconds of the loop's clock.

    Example:
        >>> import simloop
        >>> loop = simloop.SimLoop()
        >>> handle = loop.call_later(5, print, "five")
        >>> CoSimulation(loop).do_step(0.0, 2.0).next_event_time
        5.0
        >>> loop.close()
    """

    last_successful_time: float
    """How far the loop came, to the step's end or to the event that ended it early."""
    early_return: bool
    """Whether an event ended the step before its end."""
    event_handling_needed: bool
    """Whether the program signalled an event, at that time."""
    next_event_time: float
    """When the loop's next callback is due; ``inf`` if none is, until inputs come."""


class CoSimulation:
    """A loop that a master advances, a communication step at a time.

    Args:
        loop: The loop; tasks may run on it already.
        early_return: Whether an event that the program signals ends the step at its time.

    Example:
        >>> import asyncio, simloop
        >>> from simloop.embed.fmi import CoSimulation
        >>> loop = simloop.SimLoop()
        >>> model = CoSimulation(loop, early_return=True)
        >>> async def program():
        ...     await asyncio.sleep(0.25)
        ...     model.signal_event()
        >>> task = loop.create_task(program())
        >>> model.do_step(0.0, 1.0)
        StepResult(last_successful_time=0.25, early_return=True, event_handling_needed=True, next_event_time=inf)
        >>> model.do_step(0.25, 0.75).last_successful_time
        1.0
        >>> loop.close()
    """  # noqa: E501 - the result is one line

    def __init__(self, loop: SimLoop, *, early_return: bool = False) -> None:
        self.loop = loop
        self._may_return_early = early_return
        self._has_event = False

    def signal_event(self) -> None:
        """Signal an event to the master, from inside of the program: an output jumps, say."""
        self._has_event = True

    def do_step(self, current_time: float, step_size: float) -> StepResult:
        """Run everything due up to ``current_time + step_size``, that time included.

        Raises:
            UsageError: The step does not begin where the loop is, or has no positive size.
        """
        loop = self.loop
        if loop.time() != current_time and loop.time_ns() != nanoseconds(current_time):
            raise UsageError(
                f"do_step({current_time!r}, {step_size!r}) begins elsewhere than at the loop's"
                f" time, {loop.time()!r} s; steps are contiguous, and none is taken back"
            )
        if not step_size > 0:
            raise UsageError(f"do_step({current_time!r}, {step_size!r}): give a step size above 0")
        end = seconds(nanoseconds(current_time) + nanoseconds(step_size))
        loop.run_ready()
        while self._may_return_early and not self._has_event and loop.peek() <= end:
            loop.run_until(loop.peek())
        ends_early = self._may_return_early and self._has_event and loop.time() < end
        if not ends_early:
            loop.run_until(end)
        had_event, self._has_event = self._has_event, False
        return StepResult(
            last_successful_time=loop.time(),
            early_return=ends_early,
            event_handling_needed=had_event,
            next_event_time=loop.peek(),
        )
