"""A web service to be steered by reinforcement learning: how many workers should run?

The service is an asyncio program: requests come in over TCP, workers take them from a queue. Each
step of the environment is a minute of its life; the action is the number of workers, the reward
is what was served less what the workers cost and what was left waiting. The agent here is a rule of
thumb, since this file is about the environment:

    python examples/gym_queue.py
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import gymnasium
import numpy as np

from simloop.embed.gymnasium import LoopEnv

WORKERS_MAX = 5
SERVICE_S = 4.0


class QueueEnv(LoopEnv[np.ndarray, int]):
    """The service as an environment."""

    interval = 60.0
    action_space = gymnasium.spaces.Discrete(WORKERS_MAX + 1)
    observation_space = gymnasium.spaces.Box(0, np.inf, shape=(2,), dtype=np.float32)

    async def system(self, options: dict[str, Any]) -> None:
        """Serve for half an hour of rising and falling demand."""
        self.queue: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
        self.crew: list[asyncio.Task[None]] = []
        self.served = self.arrived = 0
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self.enter, "127.0.0.1", 80)
        async with server, asyncio.TaskGroup() as clients:
            while loop.time() < options.get("length", 1800):
                rush = 1 + 3 * (600 < loop.time() < 1200)
                await asyncio.sleep(random.expovariate(rush / 6))
                clients.create_task(self.client())
        for worker in self.crew:
            worker.cancel()

    async def enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Queue a request."""
        await reader.readline()
        self.arrived += 1
        self.queue.put_nowait(writer)

    async def client(self) -> None:
        """Ask for service, and wait for it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", 80)
        writer.write(b"please\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async def work(self) -> None:
        """Serve what is queued."""
        while True:
            writer = await self.queue.get()
            try:
                await asyncio.sleep(SERVICE_S)
                self.served += 1
            finally:
                writer.close()

    def act(self, action: int) -> None:
        """Hire or dismiss workers."""
        self.before = self.served
        while len(self.crew) < action:
            self.crew.append(asyncio.create_task(self.work()))
        while len(self.crew) > action:
            self.crew.pop().cancel()

    def observe(self) -> np.ndarray:
        """Show how many wait, and how many came in all."""
        return np.array([self.queue.qsize(), self.arrived], dtype=np.float32)

    def reward(self) -> float:
        """Count what was served against workers and waiting."""
        return float(self.served - self.before - 2 * len(self.crew) - 0.1 * self.queue.qsize())


def main() -> None:
    """Run one episode by a rule of thumb."""
    env = QueueEnv()
    (waiting, _), info = env.reset(seed=7)
    total, minute, terminated = 0.0, 0, False
    while not terminated and minute < 40:
        action = min(WORKERS_MAX, 1 + int(waiting) // 3)
        (waiting, _), reward, terminated, _, info = env.step(action)
        total += reward
        minute += 1
        if minute % 5 == 0:
            print(f"minute {minute:2d}: {action} workers, {waiting:2.0f} waiting, {total:6.1f}")
    print(f"over after {info['time'] / 60:.0f} minutes: {env.served} served, {total:.1f} in all")
    env.close()


if __name__ == "__main__":
    main()
