"""Two loops coupled with lookahead, as the recipe has it, against both plants on one loop."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import simloop

EXAMPLE = Path(__file__).parents[2] / "examples" / "two_loops.py"
spec = importlib.util.spec_from_file_location("two_loops", EXAMPLE)
assert spec is not None
assert spec.loader is not None
two_loops = importlib.util.module_from_spec(spec)
spec.loader.exec_module(two_loops)

Sent = list[tuple[int, str, str]]


class Plant(two_loops.Plant):
    """The recipe's plant, which notes instead of printing, and rests as long as a parcel says."""

    def __init__(self, name: str, sent: Sent) -> None:
        super().__init__(name, 0.0)
        self.sent = sent

    async def work(self) -> None:
        while True:
            parcel = await self.dock.get()
            await asyncio.sleep(rest_of(parcel))
            now = self.loop.time()
            self.sent.append((in_ns(now), self.name, parcel))
            self.out.append((now + two_loops.TRANSPORT, parcel + self.name))


def in_ns(moment: float) -> int:
    """A callback sees the float that it was set for, which is any of a nanosecond's."""
    return round(moment * 1e9)


def rest_of(parcel: str) -> float:
    """How long a plant works on a parcel: another time at each visit."""
    number, _, visits = parcel.partition("-")
    return (int(number) % 97 + 0.37 * len(visits)) * 1.13


def coupled(parcels, until: float) -> Sent:
    sent: Sent = []
    plants = Plant("A", sent), Plant("B", sent)
    for number, (side, when) in enumerate(parcels):
        plants[side].deliver(when, f"{number * 31 + side}-")
    two_loops.couple(*plants, until)
    assert [plant.loop.time() for plant in plants] == [until, until]
    for plant in plants:
        plant.close()
    return sorted(sent)


def on_one_loop(parcels, until: float) -> Sent:
    sent: Sent = []
    loop = simloop.SimLoop()
    docks = asyncio.Queue(), asyncio.Queue()

    async def work(side: int) -> None:
        name = "AB"[side]
        while True:
            parcel = await docks[side].get()
            await asyncio.sleep(rest_of(parcel))
            sent.append((in_ns(loop.time()), name, parcel))
            loop.call_later(two_loops.TRANSPORT, docks[1 - side].put_nowait, parcel + name)

    tasks = [loop.create_task(work(side)) for side in (0, 1)]
    for number, (side, when) in enumerate(parcels):
        loop.call_at(when, docks[side].put_nowait, f"{number * 31 + side}-")
    loop.run_until(until)
    for task in tasks:
        task.cancel()
    loop.run_ready()
    loop.close()
    return sorted(sent)


PARCELS = st.lists(st.tuples(st.integers(0, 1), st.floats(0, 500)), max_size=6)


@given(PARCELS, st.integers(0, 1500))
def test_coupled_loops_do_what_one_loop_does(parcels, until) -> None:
    """Every parcel is sent at the same time by the same plant, to the nanosecond."""
    parcels = [
        (side, round(when, 3) + 0.0001 * number) for number, (side, when) in enumerate(parcels)
    ]
    until += 501
    assert coupled(parcels, until) == on_one_loop(parcels, until)


def test_the_loops_run_ahead_of_each_other() -> None:
    """They take turns by horizons, not by events: far fewer runs than steps."""
    sent: Sent = []
    left, right = Plant("A", sent), Plant("B", sent)
    for number in range(50):
        left.deliver(number * 0.5, f"{number * 97}-")
    two_loops.couple(left, right, 59.0)
    assert len(sent) == 50
    assert left.runs <= 2
    for plant in (left, right):
        plant.close()
