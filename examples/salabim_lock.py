"""A lock on a canal in salabim, and the asyncio service at which ships announce themselves.

The lock and its water are salabim components; the harbour office is an asyncio program with a TCP
server, as it would be deployed. Ships are its clients. Both live on one clock:

    python examples/salabim_lock.py
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import salabim

from simloop.embed.salabim import LoopComponent

if TYPE_CHECKING:
    from collections.abc import Iterator

MINUTE = 60.0
PATIENCE = 50 * MINUTE


def clock(now: float) -> str:
    """Show a time of the day, which begins at six."""
    minutes = int(now // MINUTE) + 6 * 60
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


class Lock(salabim.Component):
    """The lock: takes one ship after the other, and fills or empties in between."""

    def setup(self) -> None:
        self.waiting: list[salabim.State] = []
        self.called = salabim.State("called", env=self.env)

    def process(self) -> Iterator[None]:
        """Take ships in for as long as the simulation runs."""
        while True:
            if not self.waiting:
                self.called.set(False)
                yield self.wait(self.called)
            passed = self.waiting.pop(0)
            yield self.hold(18 * MINUTE)
            passed.set(True)
            yield self.hold(12 * MINUTE)

    def call(self) -> salabim.State:
        """Line up for the lock; the state tells when the ship has passed."""
        passed = salabim.State("passed", env=self.env)
        self.waiting.append(passed)
        self.called.set(True)
        return passed


class Office:
    """The service: a line with a ship's name comes in, a line goes out when it has passed."""

    def __init__(self, lock: Lock, canal: LoopComponent) -> None:
        self.lock = lock
        self.canal = canal

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send one ship through, or away."""
        await reader.readline()
        passed = self.lock.call()
        try:
            async with asyncio.timeout(PATIENCE):
                await self.canal.wait(passed)
            writer.write(b"passed\n")
        except TimeoutError:
            if passed in self.lock.waiting:
                self.lock.waiting.remove(passed)
            writer.write(b"takes the other canal\n")
        writer.close()
        await writer.wait_closed()


async def ship(name: str) -> None:
    """Announce a ship and wait for the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", 7000)
    writer.write(name.encode() + b"\n")
    answer = (await reader.readline()).decode().strip()
    print(f"{clock(asyncio.get_running_loop().time())}  {name}: {answer}")
    writer.close()
    await writer.wait_closed()


async def day(office: Office, arrivals: random.Random) -> None:
    """Let ships come, in a rush."""
    server = await asyncio.start_server(office.serve, "127.0.0.1", 7000)
    async with server, asyncio.TaskGroup() as ships:
        for name in ("Anna", "Bertha", "Clara", "Dora", "Emma", "Frieda"):
            await asyncio.sleep(arrivals.expovariate(1 / (20 * MINUTE)))
            ships.create_task(ship(name))


def main() -> None:
    """Run a day."""
    env = salabim.Environment(trace=False, yieldless=False)
    lock = Lock(env=env)
    canal = LoopComponent(env, seed=1)
    done = canal.task(day(Office(lock, canal), random.Random(2)))
    env.run(till=8 * 60 * MINUTE)
    done.result()
    canal.close()


if __name__ == "__main__":
    main()
