"""A shift in a factory: machines as SimPy processes, and the real asyncio code that runs them.

The machines, their repairman and the wear of their tools are a classic SimPy model. The dispatcher
is what the factory would really deploy: an asyncio service that takes orders over TCP, keeps a
queue and gives up on an order that takes too long. Both live on one clock, and the shift of eight
hours takes a moment:

    python examples/simpy_factory.py
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import simpy

from simloop.embed.simpy import LoopProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

MINUTE = 60.0
HOUR = 60 * MINUTE
SHIFT = 8 * HOUR
MACHINES = 2
PATIENCE = 45 * MINUTE


def clock(now: float) -> str:
    """Show a time of the shift, which begins at six."""
    minutes = int(now // MINUTE) + 6 * 60
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


class Factory:
    """The model: machines that wear out, and one repairman."""

    def __init__(self, env: simpy.Environment, wear: random.Random) -> None:
        self.env = env
        self.wear = wear
        self.machines = simpy.Resource(env, MACHINES)
        self.repairman = simpy.PreemptiveResource(env, 1)
        self.made = 0

    def make(self, order: int, parts: int) -> Iterator[simpy.Event]:
        """Make the parts of an order on one machine, which may break down at any of them."""
        with self.machines.request() as machine:
            yield machine
            for _ in range(parts):
                yield self.env.timeout(2 * MINUTE)
                if self.wear.random() < 0.05:
                    print(f"{clock(self.env.now)}  order {order}: the tool broke")
                    with self.repairman.request() as repair:
                        yield repair
                        yield self.env.timeout(15 * MINUTE)
                self.made += 1
        return parts


class Dispatcher:
    """The service: one line per order comes in over TCP, one line goes back."""

    def __init__(self, factory: Factory, floor: LoopProcess) -> None:
        self.factory = factory
        self.floor = floor
        self.late = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Have one order made."""
        order, parts = (int(word) for word in (await reader.readline()).split())
        work = self.factory.env.process(self.factory.make(order, parts))
        try:
            async with asyncio.timeout(PATIENCE):
                done = await self.floor.wait(work)
            writer.write(f"{done} parts\n".encode())
        except TimeoutError:
            self.late += 1
            writer.write(b"late\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()


async def customer(number: int, parts: int) -> None:
    """Order over the network, and wait for the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", 7000)
    writer.write(f"{number} {parts}\n".encode())
    answer = (await reader.readline()).decode().strip()
    now = asyncio.get_running_loop().time()
    print(f"{clock(now)}  order {number}: {answer}")
    writer.close()
    await writer.wait_closed()


async def day(dispatcher: Dispatcher, demand: random.Random) -> None:
    """Open the dispatcher and let customers come until half an hour before the end."""
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(dispatcher.serve, "127.0.0.1", 7000)
    async with server, asyncio.TaskGroup() as customers:
        for number in range(1, 100):
            await asyncio.sleep(demand.expovariate(1 / (25 * MINUTE)))
            if loop.time() > SHIFT - 30 * MINUTE:
                break
            customers.create_task(customer(number, demand.randint(3, 15)))


def main() -> None:
    """Run one shift."""
    env = simpy.Environment()
    floor = LoopProcess(env, seed=1)
    factory = Factory(env, random.Random(2))
    dispatcher = Dispatcher(factory, floor)
    floor.task(day(dispatcher, random.Random(3)))
    env.run(until=SHIFT)
    print(f"{clock(env.now)}  {factory.made} parts made, {dispatcher.late} orders late")
    env.run()  # What is on the machines is finished, in overtime.
    floor.close()


if __name__ == "__main__":
    main()
