"""A SimLoop as a mosaik simulator (mosaik-api-v3).

Owns: the mapping of mosaik's integer steps to the loop's seconds, and the loop's life between
``init`` and ``finalize``. What the program is, and how its entities look, a subclass says.

Invariants:

- A step at time t leaves the loop's clock there: what is due between two steps runs, at its own
  time, in the step that is asked for at the next whole one.
- The loop is stepped again when its next deadline is due, and when inputs come.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import mosaik_api_v3

from simloop.errors import UsageError

from ._driven import call_now, end, new_loop

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from simloop import SimLoop

__all__ = ["LoopSimulator"]


class LoopSimulator(mosaik_api_v3.Simulator):  # type: ignore[misc]  # may not be installed
    """A simulator whose entities are asyncio programs on one loop; to be subclassed.

    Give ``meta["models"]`` to the constructor as mosaik has it, and override :meth:`main`,
    :meth:`receive` and :meth:`read`. The simulator is hybrid: it is stepped by its own timers and
    by its inputs.

    Args:
        meta: mosaik's meta data; ``type`` is ``hybrid`` unless it says otherwise.
        seed: The seed of the loop's world; 0 if None, or what :meth:`init` is given.

    Example:
        >>> import asyncio
        >>> meta = {"models": {"Blinker": {"public": True, "params": ["every"], "attrs": ["on"]}}}
        >>> class Blinkers(LoopSimulator):
        ...     async def main(self, eid, model, every):
        ...         self.on = False
        ...         while True:
        ...             await asyncio.sleep(every)
        ...             self.on = not self.on
        ...     def read(self, eid, attr):
        ...         return self.on
        >>> blinkers = Blinkers(meta)  # What follows is what mosaik calls.
        >>> meta = blinkers.init("Blinkers-0")
        >>> blinkers.create(1, "Blinker", every=90)
        [{'eid': 'Blinker_0', 'type': 'Blinker'}]
        >>> blinkers.step(0, {}, 1000)
        90
        >>> blinkers.step(90, {}, 1000), blinkers.get_data({"Blinker_0": ["on"]})
        (180, {'Blinker_0': {'on': True}})
        >>> blinkers.finalize()
    """

    loop: SimLoop
    """The loop, from :meth:`init` on."""

    def __init__(self, meta: dict[str, Any], *, seed: int | str | None = None) -> None:
        super().__init__({"type": "hybrid", **meta})
        self._seed = seed
        self._resolution = 1.0
        self._entities: dict[str, Any] = {}

    async def main(self, *args: Any, **params: Any) -> None:
        """Be one entity, for as long as it lives; override it as ``main(self, eid, model, ...)``.

        Args:
            *args: The entity's full name and the name of its model.
            **params: The parameters of the model with which the scenario makes it.
        """
        raise NotImplementedError

    def receive(self, eid: str, attr: str, values: dict[str, Any]) -> None:
        """Take an input of an entity: values by the full name of the entity that sends them."""
        raise NotImplementedError

    def read(self, eid: str, attr: str) -> Any:
        """Return an output of an entity."""
        raise NotImplementedError

    # What mosaik calls ----------------------------------------------------------------------

    def init(self, sid: str, time_resolution: float = 1.0, **sim_params: Any) -> Any:
        """Make the loop; one step of mosaik is ``time_resolution`` seconds.

        Args:
            sid: mosaik's name of the simulator.
            time_resolution: Seconds of a step.
            **sim_params: What :func:`simloop.run` takes: ``seed``, ``max_time``, ...

        Raises:
            UsageError: An option is not known, or could not take effect.
        """
        del sid
        self._resolution = time_resolution
        if self._seed is not None:
            if "seed" in sim_params:
                raise UsageError(
                    f"init() got seed={sim_params['seed']!r}, and the simulator was made with"
                    f" seed={self._seed!r}; leave one of them out"
                )
            sim_params["seed"] = self._seed
        self.loop = new_loop("init()", sim_params)
        return self.meta

    def create(self, num: int, model: str, **model_params: Any) -> list[Any]:
        """Start entities, each as a task that begins to run with the first step."""
        made = []
        for _ in range(num):
            eid = f"{model}_{len(self._entities)}"
            self._entities[eid] = self._start(self.main(eid, model, **model_params))
            made.append({"eid": eid, "type": model})
        return made

    def _start(self, main: Coroutine[Any, Any, None]) -> Any:
        return self.loop.create_task(main)

    def step(self, time: int, inputs: dict[str, Any], max_advance: int) -> int | None:
        """Give the inputs to the entities and run what is due; return when to step again."""
        del max_advance  # Outputs of a step belong to its own time, so it goes no further.
        now = time * self._resolution
        self.loop.run_until(now, inclusive=False)
        failures = [
            call_now(self.loop, self.receive, eid, attr, values)
            for eid, attrs in inputs.items()
            for attr, values in attrs.items()
        ]
        self.loop.run_until(now)
        for failed in failures:
            if failed:
                raise failed[0]
        for task in self._entities.values():
            if task.done():
                task.result()  # An entity that failed ends the simulation.
        due = self.loop.peek()
        return None if due == math.inf else max(time + 1, math.ceil(due / self._resolution))

    def get_data(self, outputs: dict[str, list[str]]) -> dict[str, Any]:
        """Read outputs; those that are None are left out, as having no news."""
        data = {
            eid: {attr: value for attr in attrs if (value := self.read(eid, attr)) is not None}
            for eid, attrs in outputs.items()
        }
        return {eid: values for eid, values in data.items() if values}

    def finalize(self) -> None:
        """Cancel the entities, run their clean-up, and close the loop."""
        end(self.loop)
