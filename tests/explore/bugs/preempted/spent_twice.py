"""What an address may still spend is read, looked up in the settings, and written back.

Requests are handled in a pool of threads. Two from one address read the same balance, and both are
let through with its last token.

Fails: two were let through where there was room for one.
"""

from __future__ import annotations

import asyncio
import threading

SOURCE = "https://github.com/flop-labs/technocore-chat/issues/486"


class Config:
    """Settings, which may change at any time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.cost = 1

    def read(self) -> int:
        with self.lock:
            return self.cost


class Limiter:
    """One token for each address."""

    def __init__(self) -> None:
        self.config = Config()
        self.tokens = {"10.0.0.1": 1}

    def take(self, address: str) -> bool:
        left = self.tokens[address] - self.config.read()
        if left < 0:
            return False
        self.tokens[address] = left
        return True


class FixedLimiter(Limiter):
    """One request at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def take(self, address: str) -> bool:
        with self.lock:
            return super().take(address)


async def handle(limiter: Limiter) -> None:
    requests = (asyncio.to_thread(limiter.take, "10.0.0.1") for _ in range(2))
    assert sum(await asyncio.gather(*requests)) == 1


async def buggy() -> None:
    await handle(Limiter())


async def fixed() -> None:
    await handle(FixedLimiter())
