"""A cache that is refreshed in a thread is empty between its clearing and its filling.

The table of API tokens is reloaded in a thread: cleared, read from the database, filled. A request
that is checked in between finds no token at all.

Fails: PermissionError for a token that is good.
"""

from __future__ import annotations

import asyncio
import time

from bugs.scaffold import ask, connected, listening, serve_lines

SOURCE = "https://github.com/odysseus-dev/odysseus/issues/6279"


class Tokens:
    """Token and user, as the database has them."""

    def __init__(self) -> None:
        self.users = {"t-1": "ann"}

    def refresh(self) -> None:
        self.users.clear()
        self.users.update(read_rows())

    def check(self, token: str) -> str:
        if token not in self.users:
            raise PermissionError(f"401 for {token}")
        return self.users[token]


class FixedTokens(Tokens):
    """The old table is there until the new one takes its place."""

    def refresh(self) -> None:
        self.users = dict(read_rows())


def read_rows() -> list[tuple[str, str]]:
    time.sleep(0.005)
    return [("t-1", "ann"), ("t-2", "bob")]


async def api(tokens: Tokens) -> None:
    async def answer(token: str) -> str:
        return tokens.check(token)

    async def request(port: int) -> str:
        await asyncio.sleep(0.03)
        async with connected(port) as stream:
            return await ask(stream, "t-1")

    async with listening(lambda r, w: serve_lines(r, w, answer)) as port:
        user, _ = await asyncio.gather(request(port), asyncio.to_thread(tokens.refresh))
    assert user == "ann"
    assert tokens.check("t-2") == "bob"


async def buggy() -> None:
    await api(Tokens())


async def fixed() -> None:
    await api(FixedTokens())
