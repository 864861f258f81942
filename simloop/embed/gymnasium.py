"""An asyncio system as a Gymnasium environment: an action, an interval of its life, an observation.

Owns: the loop's life from one reset to the next, and the control interval. What the system is,
what an action does to it and what of it is seen, a subclass says.

Invariants: an episode is determined by its seed and its actions; the loop of an episode is closed
when the next one begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import gymnasium

from simloop import SimLoop

from ._driven import call_now, end

if TYPE_CHECKING:
    import asyncio

__all__ = ["LoopEnv"]

_Obs = TypeVar("_Obs")
_Act = TypeVar("_Act")


class LoopEnv(gymnasium.Env, Generic[_Obs, _Act]):  # type: ignore[misc]  # may not be installed
    """An environment whose world is a loop; override the methods that say nothing here.

    Class attributes beside Gymnasium's: :attr:`interval`, in seconds of virtual time.

    Example:
        >>> import asyncio
        >>> class Queue(LoopEnv):
        ...     interval = 10.0
        ...     async def system(self, options):
        ...         self.waiting, self.served = 0, 0
        ...         while True:
        ...             self.waiting += 1
        ...             await asyncio.sleep(2)
        ...     def act(self, action):
        ...         self.served = min(action, self.waiting)
        ...         self.waiting -= self.served
        ...     def observe(self):
        ...         return self.waiting
        ...     def reward(self):
        ...         return float(self.served)
        >>> env = Queue()
        >>> env.reset(seed=7)
        (1, {'time': 0.0, 'world_seed': 7})
        >>> env.step(3)
        (5, 1.0, False, False, {'time': 10.0, 'world_seed': 7})
        >>> env.close()
    """

    interval: float = 1.0
    """How long the system lives between an action and the observation after it."""
    loop: SimLoop | None = None
    """The loop of this episode."""
    _system: asyncio.Task[Any] | None = None

    async def system(self, options: dict[str, Any]) -> None:
        """Be the system: set it up and run it, for as long as the episode lasts."""
        raise NotImplementedError

    def act(self, action: _Act) -> None:
        """Do what an action means, at the beginning of an interval; runs on the loop."""
        raise NotImplementedError

    def observe(self) -> _Obs:
        """Return what is seen of the system now."""
        raise NotImplementedError

    def reward(self) -> float:
        """Return the reward of the interval that has just gone by."""
        raise NotImplementedError

    def is_terminated(self) -> bool:
        """Return whether the episode has come to its end; by default, whether the system has."""
        return self._system is not None and self._system.done()

    # What Gymnasium calls -------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[_Obs, dict[str, Any]]:
        """Begin an episode in a new world; without a seed, one is drawn from ``np_random``.

        Raises:
            BaseException: What the system failed with at once, if it did.
        """
        super().reset(seed=seed)
        self._end()
        world_seed = int(self.np_random.integers(2**32)) if seed is None else seed
        self.loop = loop = SimLoop(seed=world_seed)
        self._system = loop.create_task(self.system(options or {}))
        loop.run_ready()
        if self._system.done():
            self._system.result()
        return self.observe(), self._info()

    def step(self, action: _Act) -> tuple[_Obs, float, bool, bool, dict[str, Any]]:
        """Act, let the system live for an interval, and tell what came of it.

        Raises:
            BaseException: What the system failed with, if it did, or :meth:`act`.
            gymnasium.error.ResetNeeded: There is no episode yet.
        """
        if self.loop is None or self._system is None:
            raise gymnasium.error.ResetNeeded("step() has no episode to go on with; reset() first")
        failed = call_now(self.loop, self.act, action)
        self.loop.run_for(self.interval)
        if failed:
            raise failed[0]
        if self._system.done():
            self._system.result()
        return self.observe(), self.reward(), self.is_terminated(), False, self._info()

    def _info(self) -> dict[str, Any]:
        assert self.loop is not None
        return {"time": self.loop.time(), "world_seed": self.loop.world.seed}

    def close(self) -> None:
        """End the episode."""
        self._end()
        super().close()

    def _end(self) -> None:
        """Cancel the system, run its clean-up, and close its loop."""
        if self.loop is None or self._system is None:
            return
        loop, self.loop, self._system = self.loop, None, None
        end(loop)
