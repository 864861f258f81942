"""A payment that timed out is sent again, although the first one arrived.

The client does not know whether a request without a response was carried out, and repeats it. Most
of the time the first one was lost; now and then only its response was late.

Fails: the account is charged twice.
"""

from __future__ import annotations

import asyncio
from itertools import count

from bugs.scaffold import ask, connected, listening, serve_lines

SOURCE = "https://github.com/jawah/urllib3.future/issues/280"


class Bank:
    """The server: charges, and remembers keys that it has seen."""

    def __init__(self) -> None:
        self.charged = 0
        self.seen: dict[str, str] = {}

    async def answer(self, line: str) -> str:
        amount, _, key = line.partition(" ")
        if key not in self.seen:
            self.charged += int(amount)
            self.seen[key] = f"charged {amount}"
        await asyncio.sleep(0.01)
        return self.seen[key]


async def pay(*, is_idempotent: bool) -> None:
    bank, keys = Bank(), count()

    async def charge(port: int, amount: int) -> str:
        key = next(keys)
        try:
            async with asyncio.timeout(0.06), connected(port) as stream:
                return await ask(stream, f"{amount} {key}")
        except TimeoutError:
            if not is_idempotent:
                key = next(keys)
            async with connected(port) as stream:
                return await ask(stream, f"{amount} {key}")

    async with listening(lambda r, w: serve_lines(r, w, bank.answer)) as port:
        assert await charge(port, 100) == "charged 100"
    assert bank.charged == 100


async def buggy() -> None:
    await pay(is_idempotent=False)


async def fixed() -> None:
    await pay(is_idempotent=True)
