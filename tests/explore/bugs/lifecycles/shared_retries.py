"""One object counts the attempts of all calls, so that calls at the same time give up early.

A retry policy with its counter is made once, at import, and used by each call. Calls one after the
other start it anew; calls that overlap count each other's failures.

Fails: a call gives up after its first attempt.
"""

from __future__ import annotations

import asyncio

from bugs.scaffold import ask, connected, listening, serve_lines

SOURCE = "https://github.com/UKGovernmentBEIS/inspect_k8s_sandbox/pull/182"


class GaveUpError(Exception):
    """So many attempts have failed."""


class Retries:
    """At most two attempts."""

    def __init__(self) -> None:
        self.failures = 0

    def begin(self) -> Retries:
        self.failures = 0
        return self

    def failed(self) -> None:
        self.failures += 1
        if self.failures >= 2:
            raise GaveUpError


class FixedRetries(Retries):
    """Each call has a count of its own."""

    def begin(self) -> Retries:
        return Retries()


async def two_calls(policy: Retries) -> None:
    tried: set[str] = set()

    async def answer(command: str) -> str:
        await asyncio.sleep(0.01)
        if command in tried:
            return "ok"
        tried.add(command)
        return "busy"

    async def run(port: int, command: str, after: float) -> str:
        await asyncio.sleep(after)
        retries = policy.begin()
        async with connected(port) as stream:
            while (answered := await ask(stream, command)) == "busy":
                retries.failed()
        return answered

    async with listening(lambda r, w: serve_lines(r, w, answer)) as port:
        done = await asyncio.gather(run(port, "ls", 0), run(port, "cat", 0.06))
    assert [*done] == ["ok", "ok"]


async def buggy() -> None:
    await two_calls(Retries())


async def fixed() -> None:
    await two_calls(FixedRetries())
