"""Two calls refresh one access token with one refresh token, which is good for one use.

Each call looks whether the access token has expired and refreshes it first. A command that comes
while a poll is refreshing does the same, with a refresh token that the service has just replaced.

Fails: PermissionError, invalid grant.
"""

from __future__ import annotations

import asyncio

from bugs.scaffold import ask, connected, listening, serve_lines

SOURCE = "https://github.com/exabird/ha-tado-x/issues/36"


class Service:
    """The authority: refresh tokens are numbers, and only the last one is good."""

    def __init__(self) -> None:
        self.good = 0

    async def answer(self, line: str) -> str:
        if int(line) != self.good:
            return "invalid_grant"
        self.good += 1
        await asyncio.sleep(0.01)
        return str(self.good)


class Client:
    """The access token has expired, to begin with."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.refresh_token = str(0)
        self.is_expired = True

    async def call(self, name: str) -> str:
        await self.ensure_valid()
        return f"{name} done"

    async def ensure_valid(self) -> None:
        if self.is_expired:
            await self.refresh()

    async def refresh(self) -> None:
        async with connected(self.port) as stream:
            answer = await ask(stream, self.refresh_token)
        if answer == "invalid_grant":
            raise PermissionError(answer)
        self.refresh_token = answer
        self.is_expired = False


class FixedClient(Client):
    """One refresh at a time, and none after another one's."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.refreshing = asyncio.Lock()

    async def ensure_valid(self) -> None:
        async with self.refreshing:
            await super().ensure_valid()


async def thermostat(factory: type[Client]) -> None:
    service = Service()

    async def command(client: Client) -> str:
        await asyncio.sleep(0.04)
        return await client.call("turn off")

    async with listening(lambda r, w: serve_lines(r, w, service.answer)) as port:
        client = factory(port)
        done = await asyncio.gather(client.call("poll"), command(client))
    assert [*done] == ["poll done", "turn off done"]


async def buggy() -> None:
    await thermostat(Client)


async def fixed() -> None:
    await thermostat(FixedClient)
