"""A second initialization resets the flag that the first one is about to look at.

The client marks the cluster as unreachable, asks each node for its slots, and marks it as reachable
when one has answered. Two first commands at once initialize twice, and the second start falls
between the first one's answer and its look at the flag.

Fails: ConnectionError although all nodes have answered.
"""

from __future__ import annotations

import asyncio

from bugs.scaffold import ask, connected, listening, serve_lines

SOURCE = "https://github.com/alisaifee/coredis/issues/106"


class Cluster:
    """Knows its nodes once it has asked them."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        self.is_initialized = False
        self.is_reachable = False

    async def initialize(self) -> None:
        self.is_reachable = False
        for port in self.ports:
            async with connected(port) as stream:
                await ask(stream, "slots")
                self.is_reachable = True
                await ask(stream, "config")
        if not self.is_reachable:
            raise ConnectionError("no reachable node")
        self.is_initialized = True

    async def command(self, name: str) -> str:
        if not self.is_initialized:
            await self.initialize()
        return f"{name} done"


class FixedCluster(Cluster):
    """One initialization; the flag is its own."""

    def __init__(self, ports: list[int]) -> None:
        super().__init__(ports)
        self.lock = asyncio.Lock()

    async def initialize(self) -> None:
        async with self.lock:
            if not self.is_initialized:
                await super().initialize()


async def first_commands(factory: type[Cluster]) -> None:
    async def answer(_line: str) -> str:
        await asyncio.sleep(0.005)
        return "0-16383"

    async def second(cluster: Cluster) -> str:
        await asyncio.sleep(0.05)
        return await cluster.command("set")

    async with listening(lambda r, w: serve_lines(r, w, answer)) as port:
        cluster = factory([port])
        done = await asyncio.gather(cluster.command("get"), second(cluster))
    assert [*done] == ["get done", "set done"]


async def buggy() -> None:
    await first_commands(Cluster)


async def fixed() -> None:
    await first_commands(FixedCluster)
