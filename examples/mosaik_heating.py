"""A house in a mosaik co-simulation, and the asyncio service that heats it.

mosaik steps two simulators: a house that cools, one step a minute, and a thermostat, which is an
asyncio program with timers of its own (it looks every five minutes, and at once when the house
sends an alarm). They exchange temperature and heating power through mosaik:

    python examples/mosaik_heating.py
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import mosaik
import mosaik_api_v3

from simloop.embed.mosaik import LoopSimulator

MINUTE = 60


class House(mosaik_api_v3.Simulator):
    """A time-based simulator in plain mosaik: one room, a step a minute."""

    def __init__(self) -> None:
        attrs = ["celsius", "power"]
        model = {"public": True, "params": [], "attrs": attrs}
        super().__init__({"type": "time-based", "models": {"House": model}})
        self.celsius = 18.0

    def create(self, num: int, model: str) -> list[dict[str, Any]]:
        """Make the one house."""
        return [{"eid": "house", "type": model}]

    def step(self, time: int, inputs: dict[str, Any], max_advance: int) -> int:
        """Cool, or heat, for a minute."""
        power = sum(inputs.get("house", {}).get("power", {}).values())
        self.celsius += 0.2 * power - 0.05
        return time + MINUTE

    def get_data(self, outputs: dict[str, list[str]]) -> dict[str, Any]:
        """Tell the temperature."""
        return {"house": {"celsius": self.celsius}}


class Thermostat(LoopSimulator):
    """An asyncio program as a simulator."""

    models: ClassVar = {
        "Thermostat": {
            "public": True,
            "params": ["target"],
            "attrs": ["celsius", "power"],
            "trigger": [],
            "non-persistent": [],
        }
    }

    def __init__(self) -> None:
        super().__init__({"models": self.models})
        self.celsius = 18.0
        self.power = 0

    async def main(self, eid: str, model: str, **params: Any) -> None:
        """Look every five minutes; heat in pulses of a minute and a half."""
        loop = asyncio.get_running_loop()
        while True:
            if self.celsius < params["target"]:
                self.power = 1
                print(f"{loop.time() / MINUTE:5.1f} min  {self.celsius:5.2f} C  heating on")
                await asyncio.sleep(1.5 * MINUTE)
                self.power = 0
                print(f"{loop.time() / MINUTE:5.1f} min  {self.celsius:5.2f} C  heating off")
            await asyncio.sleep(5 * MINUTE)

    def receive(self, eid: str, attr: str, values: dict[str, Any]) -> None:
        """Take the temperature."""
        (self.celsius,) = values.values()

    def read(self, eid: str, attr: str) -> Any:
        """Tell the power."""
        return self.power


def main() -> None:
    """Connect the two and run an hour."""
    configuration = {
        "House": {"python": f"{__name__}:House"},
        "Thermostat": {"python": f"{__name__}:Thermostat"},
    }
    with mosaik.World(configuration, skip_greetings=True) as world:
        house = world.start("House").House()
        thermostat = world.start("Thermostat").Thermostat(target=18.0)
        world.connect(house, thermostat, "celsius")
        world.connect(thermostat, house, "power", time_shifted=True, initial_data={"power": 0})
        world.run(until=60 * MINUTE, print_progress=False)


if __name__ == "__main__":
    main()
