"""The end of a run that the world ended: its tasks may still clean up after themselves.

Owns: what such a run gets for that (steps, time, a clock that jumps), and a loop that gives it as
soon as the world has ended what it ran. A deadlock or a limit ends the program from outside, and
its ``finally`` blocks and tear-downs are as much the user's as the rest of it: without room of
their own they would fail by the same limit again.

Must not know: how the error is reported. It is the first one, whatever the clean-up raises.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from simloop._kernel import describe
from simloop._loop import SimLoop
from simloop.errors import DeadlockError, LimitError, PropertyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .world import World

__all__ = ["CleanUpLoop", "keeping_limits", "let_clean_up", "limiting_the_end"]

_CLEAN_UP_STEPS = 100_000
"""How many steps a clean-up gets: far above what any needs, and over in a second if it spins."""


def let_clean_up(world: World) -> None:
    """Give what is left of a run the steps to clean up, without a limit of time, clock free."""
    if world.properties is not None:
        world.properties.stop()
    world.limit(max_steps=world.steps + _CLEAN_UP_STEPS, livelock_steps=_CLEAN_UP_STEPS)
    world.kernel.autojump = True


_ENDING_STEPS = 1_000_000
"""How many steps the end of a run that went well gets beside those of its tasks: see below."""

_ENDING_STEPS_EACH = 100

_SHOWN = 5


@contextmanager
def limiting_the_end(loop: SimLoop) -> Iterator[None]:
    """Limit the block in which what a run has left is ended.

    asyncio waits for cancelled tasks for ever. One that swallows its cancellation and sleeps on
    would hold a run that has its result already.

    Raises:
        LimitError: It would.
    """
    kernel = loop.world.kernel
    limits = kernel.limits.current()
    tasks = [task for task in asyncio.all_tasks(loop) if not task.done()]
    most = kernel.steps + _ENDING_STEPS + _ENDING_STEPS_EACH * len(tasks)
    if limits["steps_max"] is not None and limits["steps_max"] <= most:
        yield
        return
    names = sorted(f"{task.get_name()} ({describe(task.get_coro())})" for task in tasks)
    kernel.limit(**{**limits, "steps_max": most})
    try:
        yield
    except LimitError as error:
        listed = "".join(f"\n  {name}" for name in names[:_SHOWN])
        more = f"\n  and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise LimitError(
            "the program has returned, and what it left behind was told to end and has not, after"
            f" {kernel.steps} steps in all. It left these tasks:{listed}{more}\n"
            "A task has to end when it is cancelled: let CancelledError through, or await the task"
            f" before the program returns ({error})"
        ) from None
    finally:
        kernel.limit(**limits)


@contextmanager
def keeping_limits(world: World) -> Iterator[None]:
    """Give a world its limits, and its clock's jumping, back at the end."""
    kernel = world.kernel
    limits, autojump = kernel.limits.current(), kernel.autojump
    try:
        yield
    finally:
        kernel.limit(**limits)
        kernel.autojump = autojump


class CleanUpLoop(SimLoop):
    """A loop that lets its program clean up when the world has ended it.

    ``on_end`` of its world hears of the error before the clean-up begins.
    """

    def run_forever(self) -> None:
        """Run as any loop does; a deadlock or a passed limit makes room for the clean-up."""
        __tracebackhide__ = True
        try:
            super().run_forever()
        except (DeadlockError, LimitError) as error:
            if self.world.on_end is not None:
                self.world.on_end(error)
            let_clean_up(self.world)
            raise
        except PropertyError:
            let_clean_up(self.world)
            raise
