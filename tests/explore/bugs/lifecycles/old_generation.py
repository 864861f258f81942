"""The late answer to an old heartbeat throws a member out of the group that it has just joined.

A consumer's heartbeat tells the coordinator its generation. An answer "unknown generation" makes
it forget its membership; one that was asked before a rejoin and comes after it hits the new one.

Fails: the commit finds no membership.
"""

from __future__ import annotations

import asyncio

from bugs.scaffold import ask, connected, listening, serve_lines

SOURCE = "https://github.com/aio-libs/aiokafka/issues/88"


class Coordinator:
    """The broker: each join begins a generation, and the others are unknown from then on."""

    def __init__(self) -> None:
        self.generation = 1

    async def answer(self, line: str) -> str:
        verb, _, generation = line.partition(" ")
        if verb == "join":
            self.generation += 1
            return str(self.generation)
        if verb == "rebalance":
            self.generation += 1
            return "ok"
        return "ok" if int(generation) == self.generation else "unknown"


class Consumer:
    """A member of a group of one."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.generation: int | None = 1

    async def heartbeat(self) -> None:
        sent = self.generation
        async with connected(self.port) as stream:
            answer = await ask(stream, f"heartbeat {sent}")
        if answer == "unknown" and self.is_about_us(sent):
            self.generation = None

    def is_about_us(self, _sent: int | None) -> bool:
        return True

    async def join(self) -> None:
        async with connected(self.port) as stream:
            self.generation = int(await ask(stream, "join"))

    async def commit(self) -> str:
        if self.generation is None:
            raise LookupError("not a member")
        async with connected(self.port) as stream:
            return await ask(stream, f"commit {self.generation}")


class FixedConsumer(Consumer):
    """An answer about a generation that is over says nothing about this one."""

    def is_about_us(self, sent: int | None) -> bool:
        return sent == self.generation


async def rebalance(factory: type[Consumer]) -> None:
    coordinator = Coordinator()

    async def rejoin(port: int, consumer: Consumer) -> None:
        await asyncio.sleep(0.04)
        await consumer.join()

    async with listening(lambda r, w: serve_lines(r, w, coordinator.answer)) as port:
        consumer = factory(port)
        async with connected(port) as stream:
            await ask(stream, "rebalance")
        await asyncio.gather(consumer.heartbeat(), rejoin(port, consumer))
        assert await consumer.commit() == "ok"


async def buggy() -> None:
    await rebalance(Consumer)


async def fixed() -> None:
    await rebalance(FixedConsumer)
