"""The loop: every part of this folder, put together.

Owns nothing of its own. The parts, each in its file: state, scheduling, tasks, reporting,
lifecycle, driving.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .core.secondary import SecondaryLoop
from .core.subprocesses import Processes
from .io.sendfile import Sendfile

if TYPE_CHECKING:
    from .world_interface import WorldPort

__all__ = ["SimLoop"]


class SimLoop(SecondaryLoop, Sendfile, Processes):
    """A deterministic asyncio event loop in virtual time.

    Args:
        seed: Where all randomness of the world comes from, 0 if None; the same seed gives the
            same run.
        start_time: What :meth:`time` shows at first, in seconds; 0.0 if None.
        autojump: Jump to the next deadline when nothing is ready. If false, only
            :meth:`advance` and the driving calls move the clock.
        world: The :class:`simloop.World` to live in, whose seed and time are its own; by default
            a new one.

    Raises:
        UsageError: ``start_time`` is negative, infinite or no number; or a seed or a time was given
            beside a world.

    Example:
        >>> import asyncio, simloop
        >>> with asyncio.Runner(loop_factory=simloop.SimLoop) as runner:
        ...     runner.run(asyncio.sleep(3600, "an hour later"))
        'an hour later'
    """

    def __init__(
        self,
        *,
        seed: int | str | None = None,
        start_time: float | None = None,
        autojump: bool = True,
        world: WorldPort | None = None,
    ) -> None:
        super().__init__(seed=seed, start_time=start_time, autojump=autojump, world=world)

    def close(self) -> None:
        """Drop everything that is scheduled, and refuse what comes later."""
        if not self._closed and not self.is_running():
            self._end_threads()
            self._close_files()
            self._forget_signal_handlers()
        super().close()

    def _leaves_nothing(self) -> bool:
        """Tell whether nothing is left that would have to be ended in steps, but for tasks."""
        return (
            not self._kernel.has_work()  # asyncio's runner lets two more turns go by.
            and not self._asyncgens
            and self._workers is None
            and self._default_executor is None
        )
