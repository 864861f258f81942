"""What the tests of several libraries share: a big body, and an application that measures it."""

from __future__ import annotations

import asyncio

import pytest

BIG = bytes(range(256)) * 20_000  # Five megabytes.
HERE = "127.0.0.1"


async def measure(scope, receive, send):
    """An ASGI application: tell how long a request's body is; ``/slow`` takes its time."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    if scope["path"] == "/slow":
        await asyncio.sleep(1000)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


async def ask(base, **options):
    """Be a client of it by httpx: a burst, five megabytes, five minutes of patience."""
    import httpx

    async with httpx.AsyncClient(base_url=base, **options) as client:
        answers = await asyncio.gather(*[client.post("/", content=b"x" * n) for n in range(50)])
        assert [answer.text for answer in answers] == [str(n) for n in range(50)]
        assert (await client.post("/", content=BIG)).text == str(len(BIG))
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/slow", timeout=300)
