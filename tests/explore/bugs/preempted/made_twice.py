"""A client that all threads share is made when the first one asks, and two are the first.

The slow part of making it, a look into the settings, lies between the question whether there is one
and the assignment. The client that is overwritten is closed by nobody.

Fails: two clients were made.
"""

from __future__ import annotations

import asyncio
import threading

SOURCE = "https://github.com/NousResearch/hermes-agent/pull/24820"


class Settings:
    """A mapping with a lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.values = {"key": "secret"}

    def get(self, name: str) -> str:
        with self.lock:
            return self.values[name]


class Clients:
    """Makes the one client."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.client: str | None = None
        self.made = 0

    def get(self) -> str:
        if self.client is None:
            self.client = self.make()
        return self.client

    def make(self) -> str:
        key = self.settings.get("key")
        self.made += 1
        return f"client {self.made} with {key}"


class FixedClients(Clients):
    """Asks once more when it has the lock."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def get(self) -> str:
        if self.client is None:
            with self.lock:
                return super().get()
        return self.client


async def requests(clients: Clients) -> None:
    used = await asyncio.gather(*(asyncio.to_thread(clients.get) for _ in range(2)))
    assert set(used) == {"client 1 with secret"}


async def buggy() -> None:
    await requests(Clients())


async def fixed() -> None:
    await requests(FixedClients())
