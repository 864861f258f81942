"""Two tasks may be done when ``wait`` returns for the first of them.

A relay waits for a message or for the order to stop, whichever comes first. It looks at the stop
order first and ends; a message that came in the same moment has been taken from the connection and
goes nowhere.

Fails: a message was taken and not handled.
"""

from __future__ import annotations

import asyncio

from bugs.scaffold import connected, listening

SOURCE = "https://github.com/python-websockets/websockets/pull/134"


async def relay(*, looks_at_both: bool) -> None:
    taken: list[bytes] = []
    handled: list[bytes] = []
    stop = asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(3):
            await asyncio.sleep(0.02)
            writer.write(b"message %d\n" % number)

    async def receive(reader: asyncio.StreamReader) -> bytes:
        message = await reader.readline()
        if message:
            taken.append(message)
        return message

    async def run(reader: asyncio.StreamReader) -> None:
        stopping = asyncio.create_task(stop.wait())
        while not stopping.done():
            receiving = asyncio.create_task(receive(reader))
            await asyncio.wait([receiving, stopping], return_when=asyncio.FIRST_COMPLETED)
            if receiving.done() and (looks_at_both or not stopping.done()):
                if not receiving.result():
                    break
                handled.append(receiving.result())
            elif not receiving.done():
                receiving.cancel()
        stopping.cancel()

    async with listening(serve) as port, connected(port) as (reader, _):
        running = asyncio.create_task(run(reader))
        await asyncio.sleep(0.09)
        stop.set()
        await running
    assert handled == taken


async def buggy() -> None:
    await relay(looks_at_both=False)


async def fixed() -> None:
    await relay(looks_at_both=True)
