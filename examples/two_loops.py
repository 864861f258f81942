"""Two simulations coupled with lookahead: each runs ahead until the other could reach it.

Two plants, each a loop with a clock of its own, send each other parcels that take a minute. When
nothing can happen in one before t, nothing of it can reach the other before t + 60 s, so the other
may run until then without asking. It is the classic conservative coupling; here it needs `peek`,
`run_until` and `inject`:

    python examples/two_loops.py
"""

from __future__ import annotations

import asyncio
import math

import simloop

TRANSPORT = 60.0


class Plant:
    """One simulation, with a dock where parcels arrive."""

    def __init__(self, name: str, pause: float) -> None:
        self.name = name
        self.pause = pause
        self.loop = simloop.SimLoop()
        self.dock: asyncio.Queue[str] = asyncio.Queue()
        self.out: list[tuple[float, str]] = []
        self.runs = 0
        self.worker = self.loop.create_task(self.work())

    async def work(self) -> None:
        """Send every parcel on, with a mark, after working on it."""
        while True:
            parcel = await self.dock.get()
            await asyncio.sleep(self.pause)
            print(f"{self.loop.time():6.1f} s  {self.name} sends {parcel + self.name}")
            self.out.append((self.loop.time() + TRANSPORT, parcel + self.name))

    def next_send(self) -> float:
        """Return the earliest time at which this plant may do anything by itself."""
        return self.loop.peek()

    def run_before(self, horizon: float) -> None:
        """Run everything before a time at which something might arrive."""
        self.runs += 1
        self.loop.run_until(horizon, inclusive=False)

    def deliver(self, when: float, parcel: str) -> None:
        """Take a parcel in at its time, which is ahead of this loop's clock."""
        self.loop.inject(when, self.dock.put_nowait, parcel)

    def close(self) -> None:
        """End the worker."""
        self.worker.cancel()
        self.loop.run_ready()
        self.loop.close()


def couple(left: Plant, right: Plant, until: float) -> None:
    """Run both until a time: in turn, each as far as the other's next event plus the transport."""
    while min(left.next_send(), right.next_send()) < until:
        for plant, other in ((left, right), (right, left)):
            # The other may be woken by its own next event, or by what this one sends it first.
            first = min(other.next_send(), plant.next_send() + TRANSPORT)
            horizon = min(first + TRANSPORT, until)
            if horizon > plant.loop.time():
                plant.run_before(horizon)
            for when, parcel in plant.out:
                other.deliver(when, parcel)
            plant.out.clear()
    for plant in (left, right):
        plant.loop.run_until(until)


def main() -> None:
    """Let one parcel go to and fro for ten minutes."""
    left, right = Plant("A", pause=30), Plant("B", pause=7.5)
    left.deliver(10, "parcel-")
    couple(left, right, until=600)
    print(f"both at {left.loop.time():.0f} s, after {left.runs} and {right.runs} runs")
    assert math.isclose(left.loop.time(), right.loop.time())
    left.close()
    right.close()


if __name__ == "__main__":
    main()
